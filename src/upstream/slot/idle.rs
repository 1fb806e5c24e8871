//! When a child is sent to rest, what wakes it, and what is remembered of it meanwhile.
//!
//! Used is a child by what only it can do. Handshakes and lists that could be answered from memory are no use of it even while it
//! runs, or a gateway that polls would keep every child running for ever. A held stream is none either, unless its session
//! subscribed to a resource: then the child is expected to speak.

use std::time::{Duration, Instant};

use super::Slot;
use crate::bridge::lifecycle::{Happened, State};
use crate::bridge::switchboard::{Need, Order, Tenancy};
use crate::link::replies::Post;
use crate::upstream::recall::{Fingerprint, Recall};

/// Since when a child has not been used.
#[derive(Debug)]
pub(super) struct Idle {
    used: Instant,
    /// It was in use when this was last looked at.
    busy: bool,
}

/// A private child nobody uses is put to rest after so many times as long as it was in use, within these bounds, whatever else
/// is said. What was used briefly is missed briefly: clients that come, call and never come back are the ones that use up
/// children. What has been worked with for minutes holds something that is worth keeping while its user thinks.
const IDLE_FACTOR: u32 = 10;
const IDLE_REST_MIN: Duration = Duration::from_secs(5 * 60);
const IDLE_REST_MAX: Duration = Duration::from_secs(30 * 60);

// === impl Idle ===

impl Idle {
    pub(super) fn new(now: Instant) -> Self {
        Self { used: now, busy: false }
    }

    fn look(&mut self, busy: bool, now: Instant) {
        if busy || self.busy {
            self.used = now;
        }
        self.busy = busy;
    }
}

// === impl Slot ===

impl Slot {
    /// Finds out what an earlier child said last. Only the shared one is answered for.
    pub(super) async fn recollect(&mut self) {
        if self.plan.tenancy != Tenancy::Shared {
            return;
        }
        let (recall, memory, verdict) =
            Recall::open(self.plan.state.as_deref(), &self.plan.name, &self.plan.site).await;
        if let Some(verdict) = verdict.filter(|_| self.plan.era.era().is_none()) {
            self.plan.era.set(verdict);
        }
        self.recall = Some(recall);
        self.board.remember(memory);
        self.board.child_rests(self.life.is_resting());
    }

    /// Wakes the child if an order needs it. To be asked before the order is given.
    pub(super) fn attend(&mut self, order: &Order<Post>) {
        if self.leaving {
            return;
        }
        match self.board.need(order) {
            Need::Nothing => {}
            Need::Memory if self.board.is_child_resting() => {}
            Need::Memory => self.wake(),
            Need::Child => {
                self.idle.used = self.turn.now;
                self.wake();
            }
        }
    }

    /// Before anything is answered for a resting child: looks whether the next one would still be the one that is remembered,
    /// unless that has just been done. Waits for the disk, at most as long as a start would, and only here: there is no child
    /// to be served meanwhile, and whoever is to be answered needs to have that known.
    pub(super) async fn look_again(&mut self) {
        if !self.has_to_look() {
            return;
        }
        let now = Instant::now();
        let found = self.plan.site.fingerprint().await;
        if self.compare_with_memory(found, now) {
            return;
        }
        if found.is_some() {
            tracing::info!(server = %self.plan.name, "it has changed since it last ran: what it said then is forgotten");
        } else {
            tracing::warn!(server = %self.plan.name, "whether it has changed since it last ran cannot be seen, because its files do not answer (is their file system mounted?): what it said then is forgotten");
        }
    }

    /// Whether an answer for the child would be one from before the last look.
    pub(super) fn has_to_look(&self) -> bool {
        let answers = self.board.is_child_resting() && self.board.memory().greeting().is_some();
        answers && self.recall.as_ref().is_some_and(|recall| recall.is_old(Instant::now()))
    }

    /// What is remembered must be of what is started. Says whether it is; if not, it is forgotten.
    pub(super) fn compare_with_memory(
        &mut self,
        found: Option<Fingerprint>,
        looked: Instant,
    ) -> bool {
        let holds = self.recall.as_mut().is_none_or(|recall| recall.holds(found, looked));
        if !holds {
            self.board.forget_child();
            self.plan.era.clear();
        }
        holds
    }

    /// Brings a resting or lazy child to life.
    pub(super) fn wake(&mut self) {
        let resting = match self.life.state() {
            State::Stopped | State::Draining { .. } => true,
            State::Placing
            | State::Starting { .. }
            | State::Ready { .. }
            | State::BackingOff { .. } => false,
        };
        if resting {
            self.happened(Happened::Wanted);
        }
    }

    /// Looks whether the child is in use, sends it to rest if it has not been for long enough, and has its memory kept.
    pub(super) fn rest_if_idle(&mut self) {
        let now = self.turn.now;
        if self.plan.policy.idle_stop.is_some() {
            let is_ready = matches!(self.life.state(), State::Ready { .. });
            self.idle.look(!is_ready || self.board.is_in_use(), now);
        }
        if self.rests_at().is_some_and(|at| at <= now) {
            tracing::info!(server = %self.plan.name, pid = self.pid(), "put to rest: nobody uses it");
            self.happened(Happened::Unwanted);
        }
        if let Some(recall) = &mut self.recall {
            recall.keep(self.board.memory(), self.plan.era.verdict(), now);
        }
    }

    /// When an unused child is put to rest.
    pub(super) fn rests_at(&self) -> Option<Instant> {
        let is_ready = matches!(self.life.state(), State::Ready { .. });
        // A spare child is unused by its nature, and what a stateful session holds at its child would be lost.
        let is_kept = self.plan.spare || self.ends_with_child();
        if !is_ready || is_kept || self.board.calls() > 0 {
            return None;
        }
        let told_to = self.plan.policy.idle_stop.filter(|_| !self.idle.busy);
        let told_to = told_to.map(|time| self.idle.used + time);
        let used = self.plan.gauge.used();
        let forgotten = (self.is_passing() && self.board.is_idle())
            .then(|| used + patience(used.saturating_duration_since(self.born)));
        [told_to, forgotten].into_iter().flatten().min()
    }
}

/// How long a child may be idle that was in use for so long.
fn patience(used: Duration) -> Duration {
    used.saturating_mul(IDLE_FACTOR).clamp(IDLE_REST_MIN, IDLE_REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_briefly_is_missed_briefly() {
        let patience = |secs| patience(Duration::from_secs(secs)).as_secs();
        assert_eq!([0, 29, 60, 180, 86_400].map(patience), [300, 300, 600, 1800, 1800]);
    }
}
