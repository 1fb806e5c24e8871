//! What is due when. Entries are never taken out early: whoever is woken looks whether the thing still matters, and all is
//! swept when most of it no longer does.
//!
//! Nearly all entries are the two of a call that was sent to its child, each set the same time ahead as the one before. So these
//! come in the order they are due, and wait in a queue for each kind, which costs nothing to keep. Only what is due before the
//! last of its queue goes into a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
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

/// All that is due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    commits: VecDeque<Entry>,
    deadlines: VecDeque<Entry>,
    /// What has no queue, or came out of order.
    heap: BinaryHeap<Reverse<Entry>>,
}

type Entry = (Instant, Due);

/// Where an entry stands first.
#[derive(Clone, Copy)]
enum Place {
    Commits,
    Deadlines,
    Heap,
}

// === impl Timers ===

impl Timers {
    /// Below this size sweeping is not worth its time.
    const SMALL: usize = 256;

    pub(super) fn set(&mut self, at: Instant, due: Due) {
        let queue = match due {
            Due::Commit(_) => Some(&mut self.commits),
            Due::Deadline(_) => Some(&mut self.deadlines),
            Due::Ask(_)
            | Due::Round(_)
            | Due::Acknowledge(_)
            | Due::Progress(_)
            | Due::Changes(_)
            | Due::Listens
            | Due::Level
            | Due::Sweep => None,
        };
        match queue {
            Some(queue) if queue.back().is_none_or(|(last, _)| *last <= at) => {
                queue.push_back((at, due));
            }
            Some(_) | None => self.heap.push(Reverse((at, due))),
        }
    }

    /// The earliest moment, among those that `matters` still cares for.
    pub(super) fn next(&mut self, matters: impl Fn(Due) -> bool) -> Option<Instant> {
        for queue in [&mut self.commits, &mut self.deadlines] {
            while queue.front().is_some_and(|(_, due)| !matters(*due)) {
                queue.pop_front();
            }
        }
        while self.heap.peek().is_some_and(|Reverse((_, due))| !matters(*due)) {
            self.heap.pop();
        }
        self.first().map(|(at, _)| at)
    }

    /// Takes one entry that is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let (_, place) = self.first().filter(|(at, _)| *at <= now)?;
        let entry = match place {
            Place::Commits => self.commits.pop_front(),
            Place::Deadlines => self.deadlines.pop_front(),
            Place::Heap => self.heap.pop().map(|Reverse(entry)| entry),
        };
        entry.map(|(_, due)| due)
    }

    fn first(&self) -> Option<(Instant, Place)> {
        let mut first = self.commits.front().map(|(at, _)| (*at, Place::Commits));
        let others = [
            (self.deadlines.front().map(|(at, _)| *at), Place::Deadlines),
            (self.heap.peek().map(|Reverse((at, _))| *at), Place::Heap),
        ];
        for (at, place) in others {
            if let Some(at) = at
                && first.is_none_or(|(earliest, _)| at < earliest)
            {
                first = Some((at, place));
            }
        }
        first
    }

    /// Lets go of what no longer matters once it is the larger part; `live` is how much may matter.
    pub(super) fn tidy(&mut self, live: usize, matters: impl Fn(Due) -> bool) {
        if self.len() > Self::SMALL + 4 * live {
            self.commits.retain(|(_, due)| matters(*due));
            self.deadlines.retain(|(_, due)| matters(*due));
            self.heap.retain(|Reverse((_, due))| matters(*due));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.commits.len() + self.deadlines.len() + self.heap.len()
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

    #[test]
    fn what_comes_out_of_order_is_due_in_order() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        let set = [
            (5, Due::Deadline(CallId(1))),
            (3, Due::Deadline(CallId(2))),
            (9, Due::Commit(CallId(3))),
            (4, Due::Commit(CallId(4))),
            (6, Due::Sweep),
            (9, Due::Deadline(CallId(5))),
            (1, Due::Level),
            (7, Due::Deadline(CallId(6))),
        ];
        for (ms, due) in set {
            timers.set(at(ms), due);
        }
        let mut sorted = set.map(|(ms, due)| (at(ms), due));
        sorted.sort_unstable();
        for (at, due) in sorted {
            assert_eq!(timers.next(|_| true), Some(at));
            assert_eq!(timers.take(start), None);
            assert_eq!(timers.take(at), Some(due));
        }
        assert_eq!(timers.len(), 0);
    }
}
