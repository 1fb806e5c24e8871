//! What is due when. Entries are never taken out early: whoever is woken looks whether the thing still matters, and the
//! heap is swept when most of it no longer does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::wire::id::{CallId, FrontId};

/// A moment something has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A silent call becomes an event stream.
    Commit(CallId),
    /// A call has taken too long, or waited too long for its child.
    Deadline(CallId),
    /// A question has waited long enough for a stream.
    Ask(u64),
    /// Questions of a call are complete, its client has not come back for too long, or its task is to be looked after.
    Round(CallId),
    /// A stream of changes has waited long enough for the child's word.
    Acknowledge(CallId),
    /// The progress of a call may find room with its reader.
    Progress(CallId),
    /// And so may what a session has not heard of its lists.
    Changes(FrontId),
    /// Streams of changes that the child has ended under the bridge may be opened again.
    Listens,
    /// The child may be told of a lower level of log messages.
    Level,
    /// Kept events and abandoned calls may be too old.
    Sweep,
}

/// The heap of what is due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
}

// === impl Timers ===

impl Timers {
    /// Below this size sweeping is not worth its time.
    const SMALL: usize = 256;

    pub(super) fn set(&mut self, at: Instant, due: Due) {
        self.heap.push(Reverse((at, due)));
    }

    /// The earliest moment, among those that `matters` still cares for.
    pub(super) fn next(&mut self, matters: impl Fn(Due) -> bool) -> Option<Instant> {
        while let Some(Reverse((at, due))) = self.heap.peek() {
            if matters(*due) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes one entry that is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, due))| due)
    }

    /// Lets go of what no longer matters once it is the larger part; `live` is how much may matter.
    pub(super) fn tidy(&mut self, live: usize, matters: impl Fn(Due) -> bool) {
        if self.heap.len() > Self::SMALL + 4 * live {
            self.heap.retain(|Reverse((_, due))| matters(*due));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_that_matters_is_next_and_the_rest_is_swept() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for n in 0..2000 {
            timers.set(start + Duration::from_millis(n), Due::Commit(CallId(n)));
        }
        let matters = |due| due == Due::Commit(CallId(1999));
        timers.tidy(1, matters);
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.next(matters), Some(start + Duration::from_millis(1999)));
        assert_eq!(timers.take(start), None);
        assert_eq!(timers.take(start + Duration::from_secs(2)), Some(Due::Commit(CallId(1999))));
        assert_eq!(timers.next(matters), None);
    }
}
