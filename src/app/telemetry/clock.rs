//! The time as lines of the log tell it: UTC, to the microsecond.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::digits::pair;

/// The text of a second is made once and serves all lines said in it.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    /// `2026-08-21T18:47:10`; empty before the first question.
    text: String,
}

// === impl Clock ===

impl Clock {
    pub(super) const fn new() -> Self {
        Self { second: 0, text: String::new() }
    }

    /// Writes what time it is.
    pub(super) fn tell(&mut self, out: &mut String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock that was never set may stand before the epoch, of which no line can tell.
        self.write(out, now.unwrap_or_default());
    }

    fn write(&mut self, out: &mut String, since_epoch: Duration) {
        let second = since_epoch.as_secs();
        if second != self.second || self.text.is_empty() {
            let whole = UNIX_EPOCH + Duration::from_secs(second);
            self.second = second;
            self.text.clear();
            write!(self.text, "{}", humantime::format_rfc3339_seconds(whole)).ok();
            // The letter of the time zone stands behind the fraction.
            self.text.pop();
        }
        out.push_str(&self.text);
        let micros = since_epoch.subsec_micros().into();
        out.push('.');
        pair(out, micros / 10_000);
        pair(out, micros / 100);
        pair(out, micros);
        out.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_to_the_microsecond() {
        let mut clock = Clock::new();
        let mut at = |seconds, nanos| {
            let mut out = String::new();
            clock.write(&mut out, Duration::new(seconds, nanos));
            out
        };
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_399, 999_999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(at(951_782_400, 42_000), "2000-02-29T00:00:00.000042Z");
        assert_eq!(at(951_782_400, 120_034_000), "2000-02-29T00:00:00.120034Z");
        assert_eq!(at(1_798_761_599, 7_000), "2026-12-31T23:59:59.000007Z");
    }
}
