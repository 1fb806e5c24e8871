//! The program under test.

use std::sync::OnceLock;

/// The one built with these tests, or the release build that `RELEASE_BUILD` names: limits have to hold in both.
pub(crate) fn program() -> &'static str {
    named().unwrap_or(env!("CARGO_BIN_EXE_stdiod"))
}

/// Whether it is optimised. One that is not needs more memory, because its code alone does.
pub(crate) fn is_optimised() -> bool {
    named().is_some() || !cfg!(debug_assertions)
}

fn named() -> Option<&'static str> {
    static NAMED: OnceLock<Option<String>> = OnceLock::new();
    NAMED.get_or_init(|| std::env::var("RELEASE_BUILD").ok()).as_deref()
}
