//! What is kept of streams for readers that may come back, and how much of it there may be.
//!
//! Each session's log has bounds of its own; this is the bound over all of them. Beyond it streams lose their events, the
//! oldest first, whoever they belong to: first those that nobody reads, then those that are read, whose readers would only
//! need them if they were lost too.

use std::time::Instant;

use bytes::Bytes;

use super::Switchboard;
use crate::bridge::front::Front;
use crate::bridge::outlet::Outlet;
use crate::bridge::stream_log::{Bounds, StreamLog};
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::id::{EventId, FrontId, StreamId};

/// The logs of all fronts together, in bytes.
#[derive(Debug, Default)]
pub(super) struct Kept(usize);

// === impl Kept ===

impl Kept {
    /// Does something to a log and counts what it kept or let go.
    pub(super) fn count<T>(
        &mut self,
        log: &mut StreamLog,
        act: impl FnOnce(&mut StreamLog) -> T,
    ) -> T {
        let before = log.bytes();
        let done = act(log);
        self.0 = self.0 + log.bytes() - before;
        done
    }

    /// A log is gone, and all it held.
    pub(super) fn lost(&mut self, log: &StreamLog) {
        self.0 -= log.bytes();
    }

    /// Begins to keep the events of a stream, where its client may come back for them.
    pub(super) fn begin<R>(
        &mut self,
        front: Option<&mut Front<R>>,
        stream: StreamId,
        bounds: &Bounds,
    ) -> (Option<EventId>, bool) {
        let Some(front) = front.filter(|front| front.card.version.resumes()) else {
            return (None, false);
        };
        self.count(front.log.get_or_insert_default(), |log| log.open(stream, bounds));
        (Some(EventId { stream, seq: 0 }), front.card.version.primes())
    }

    /// Keeps an event for a reader that may come back; `None` where none may.
    pub(super) fn keep<R>(
        &mut self,
        front: &mut Front<R>,
        stream: StreamId,
        text: &Bytes,
        bounds: &Bounds,
    ) -> Option<EventId> {
        let log = front.log.as_mut()?;
        self.count(log, |log| log.push(stream, text, bounds))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

impl<R: Outlet> Switchboard<R> {
    /// How many bytes are kept of the streams of all sessions.
    pub fn kept(&self) -> usize {
        self.kept.0
    }

    /// Lets events go until there is room again, and a little more, so that this is rarely done.
    pub(super) fn shed(&mut self, turn: &mut Turn) {
        let most = self.limits.log_bytes_max;
        if self.kept.0 <= most {
            return;
        }
        let laden = self.fronts.iter().filter_map(|(id, front)| Some((*id, front.log.as_ref()?)));
        let mut laden: Vec<(bool, StreamId, FrontId)> = laden
            .flat_map(|(front, log)| log.laden().map(move |(read, stream)| (read, stream, front)))
            .collect();
        laden.sort_unstable();
        for (_, stream, front) in laden {
            if self.kept.0 <= most - most / 8 {
                return;
            }
            let log = self.fronts.get_mut(&front).and_then(|front| front.log.as_mut());
            if let Some(log) = log {
                self.kept.count(log, |log| log.empty(stream));
                turn.dropped(Dropped::Forgotten);
            }
        }
    }

    /// Notes that nobody reads a stream; what is kept of it ages from now on.
    pub(super) fn abandon(&mut self, front: FrontId, stream: StreamId, now: Instant) {
        let log = self.fronts.get_mut(&front).and_then(|front| front.log.as_mut());
        if log.is_some_and(|log| log.abandon(stream, now)) {
            self.sweep_later(now);
        }
    }

    pub(super) fn sweep_later(&mut self, now: Instant) {
        if !self.sweeping {
            self.sweeping = true;
            self.timers.set(now + Self::SWEEP_EVERY, Due::Sweep);
        }
    }

    pub(super) fn sweep(&mut self, turn: &mut Turn) {
        let now = turn.now;
        self.sweeping = false;
        let asked = self.tasks.sweep(now);
        Self::answer_asked(asked, turn);
        let mut left = !self.tasks.is_empty();
        let mut emptied = Vec::new();
        for (id, front) in &mut self.fronts {
            let Some(log) = &mut front.log else { continue };
            left |= self.kept.count(log, |log| log.sweep(now, &self.limits.log));
            if log.is_empty() {
                front.log = None;
                emptied.push(*id);
            }
        }
        for front in emptied {
            self.rest(front);
        }
        if left {
            self.sweep_later(now);
        }
    }
}
