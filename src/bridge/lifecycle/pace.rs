//! The times of a child's life, as they are configured.

use std::time::Duration;

/// The times of a child's life.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub start_timeout: Duration,
    pub grace: Duration,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// Health for this long makes earlier failures forgotten.
    pub forgiven_after: Duration,
    /// So many failures in a row, and requests are refused at once.
    pub patience: u32,
}

// === impl Pace ===

impl Default for Pace {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(5),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
            forgiven_after: Duration::from_secs(60),
            patience: 3,
        }
    }
}
