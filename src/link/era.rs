//! Which era a server is of, known to all its slots as soon as one child has said so.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::version::Era;

/// What is known of a server's era. It is never waited for: who reads it a moment too early asks the child again.
#[derive(Debug, Default)]
pub(crate) struct EraCell(AtomicU64);

/// What a child has shown, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) era: Era,
    /// Seconds since 1970. 0 if nobody asked whether it could also be otherwise.
    pub(crate) since: u64,
}

// The era is in the last two bits, the seconds are in the others.
const LEGACY: u64 = 1;
const MODERN: u64 = 2;

// === impl EraCell ===

impl EraCell {
    pub(crate) fn era(&self) -> Option<Era> {
        self.verdict().map(|verdict| verdict.era)
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let value = self.0.load(Ordering::Relaxed);
        let era = match value & 3 {
            LEGACY => Era::Legacy,
            MODERN => Era::Modern,
            _ => return None,
        };
        Some(Verdict { era, since: value >> 2 })
    }

    pub(crate) fn set(&self, verdict: Verdict) {
        let era = match verdict.era {
            Era::Legacy => LEGACY,
            Era::Modern => MODERN,
        };
        self.0.store(verdict.since << 2 | era, Ordering::Relaxed);
    }

    /// Nothing is known any more.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_what_was_set_last() {
        let cell = EraCell::default();
        assert_eq!(cell.verdict(), None);
        for (era, since) in [(Era::Legacy, 0), (Era::Modern, 1_800_000_000)] {
            cell.set(Verdict { era, since });
            assert_eq!((cell.verdict(), cell.era()), (Some(Verdict { era, since }), Some(era)));
        }
        cell.clear();
        assert_eq!(cell.era(), None);
    }
}
