//! Waiting for what should happen, and never for ever.

use std::time::{Duration, Instant};

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Looks again and again until there is something to see.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "it did not happen in {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
