//! Who may call: bearer tokens from files.

pub(crate) mod bearer;
