//! What is due in a slot, and when.

use std::time::Instant;

use super::{RESTING_ENDS, START_TURN, Slot, UNCLAIMED};
use crate::bridge::lifecycle::{Happened, State};
use crate::bridge::switchboard::Tenancy;
use crate::link::handle::Inbox;
use crate::upstream::recall::Recall;

impl Slot {
    /// Looks at everything that may have become due.
    pub(super) fn on_time(&mut self, inbox: &Inbox) {
        let now = self.turn.now;
        if let Some(occupant) = &mut self.occupant {
            if occupant.is_over(now) {
                self.bury();
            } else if occupant.is_mute(now) {
                occupant.last_words_until = None;
                self.is_mute();
            }
        }
        if self.hands_on_at().is_some_and(|at| at <= now) {
            self.starting = None;
        }
        self.probe_in_time();
        if self.life.deadline().is_some_and(|due| due <= now) {
            self.happened(Happened::Tick);
        }
        self.board.tick(&mut self.turn);

        let unclaimed = if self.claimed {
            self.has_one_client() && self.board.fronts() == 0
        } else {
            self.is_passing() && now.duration_since(self.born) >= UNCLAIMED
        };
        // A spare child that fails is not tried again and again: its warden knows when to make another.
        let has_failed = self.plan.spare && matches!(self.life.state(), State::BackingOff { .. });
        // What a session is stands in its id, so that a slot which holds nothing need not wait for it.
        let is_done = self.may_end() && self.board.holds_nothing();
        let has_outlived = self.ends_at().is_some_and(|at| at <= now);
        if unclaimed || has_failed || is_done || has_outlived || self.is_deserted() {
            self.end(inbox);
        }
        if self.stopping.is_some_and(|until| !self.board.is_awaited() || until <= now)
            && !self.leaving
        {
            self.leaving = true;
            self.board.shut(&self.farewell, &mut self.turn);
            self.happened(Happened::Unwanted);
        }
        self.rest_if_idle();
    }

    /// When a slot whose child is at rest has outlived its use.
    fn ends_at(&self) -> Option<Instant> {
        self.may_end().then(|| self.plan.gauge.used() + RESTING_ENDS)
    }

    /// Whether nothing would be lost with this slot but its session's place in memory.
    pub(super) fn may_end(&self) -> bool {
        self.is_passing()
            && self.claimed
            && *self.life.state() == State::Stopped
            && self.occupant.is_none()
            && self.board.is_idle()
    }

    /// Whether a pool waits for a child that nobody waits for any more. A process that is there may become ready for the next
    /// caller; none is started for nobody.
    fn is_deserted(&self) -> bool {
        let lacks_child = match self.life.state() {
            State::Placing => self.coming.is_none(),
            State::BackingOff { .. } => true,
            State::Stopped
            | State::Starting { .. }
            | State::Ready { .. }
            | State::Draining { .. } => false,
        };
        matches!(self.plan.tenancy, Tenancy::Pooled { .. })
            && self.claimed
            && lacks_child
            && self.board.is_idle()
    }

    pub(super) fn has_one_client(&self) -> bool {
        self.plan.tenancy == Tenancy::Private && !self.plan.spare
    }

    /// Whether it is there for some only, and ends when they need it no more.
    pub(super) fn is_passing(&self) -> bool {
        self.plan.tenancy != Tenancy::Shared && !self.plan.spare
    }

    /// When another may start though this one is not ready: one slow server must not hold up the rest.
    fn hands_on_at(&self) -> Option<Instant> {
        self.starting.as_ref()?;
        let occupant = self.occupant.as_ref().map(|occupant| occupant.born);
        let since = occupant.or_else(|| self.coming.as_ref().map(|coming| coming.since));
        since.map(|since| since + START_TURN)
    }

    pub(super) fn deadline(&mut self) -> Option<Instant> {
        let passing = self.is_passing();
        [
            self.board.deadline(),
            self.life.deadline(),
            self.greeting_due(),
            self.occupant.as_ref().and_then(|occupant| occupant.last_words_until),
            self.stopping.filter(|_| !self.leaving),
            self.rests_at(),
            self.ends_at().filter(|_| self.stopping.is_none()),
            self.recall.as_ref().and_then(Recall::deadline),
            self.hands_on_at(),
            (passing && !self.claimed && self.stopping.is_none()).then(|| self.born + UNCLAIMED),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
