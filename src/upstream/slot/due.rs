//! What is due in a slot, and when.

use std::time::Instant;

use super::{IDLE_REST, START_TURN, Slot, UNCLAIMED};
use crate::bridge::lifecycle::{Happened, State};
use crate::bridge::switchboard::Tenancy;

impl Slot {
    /// Looks at everything that may have become due.
    pub(super) fn on_time(&mut self) {
        let now = self.turn.now;
        if let Some(occupant) = &mut self.occupant {
            if occupant.is_over(now) {
                self.bury();
            } else if occupant.is_mute(now) {
                occupant.last_words_until = None;
                self.happened(Happened::Mute);
            }
        }
        if self.hands_on_at().is_some_and(|at| at <= now) {
            self.starting = None;
        }
        if self.life.deadline().is_some_and(|due| due <= now) {
            self.happened(Happened::Tick);
        }
        self.board.tick(&mut self.turn);

        let unclaimed = self.plan.tenancy == Tenancy::Private
            && (if self.claimed {
                self.board.fronts() == 0
            } else {
                now.duration_since(self.born) >= UNCLAIMED
            });
        if unclaimed {
            self.stopping.get_or_insert(now);
        }
        if self.stopping.is_some_and(|until| self.board.calls() == 0 || until <= now)
            && !self.leaving
        {
            self.leaving = true;
            self.board.shut(&self.farewell, &mut self.turn);
            self.happened(Happened::Unwanted);
        }
        if self.rests_at().is_some_and(|at| at <= now) {
            self.happened(Happened::Unwanted);
        }
    }

    /// When an unused private child is put to rest.
    fn rests_at(&self) -> Option<Instant> {
        let rests = self.plan.tenancy == Tenancy::Private
            && matches!(self.life.state(), State::Ready { .. })
            && self.board.is_idle();
        rests.then(|| self.plan.gauge.used() + IDLE_REST)
    }

    /// When another may start though this one is not ready: one slow server must not hold up the rest.
    fn hands_on_at(&self) -> Option<Instant> {
        self.starting.as_ref()?;
        self.occupant.as_ref().map(|occupant| occupant.born + START_TURN)
    }

    pub(super) fn deadline(&mut self) -> Option<Instant> {
        let private = self.plan.tenancy == Tenancy::Private;
        [
            self.board.deadline(),
            self.life.deadline(),
            self.occupant.as_ref().and_then(|occupant| occupant.last_words_until),
            self.stopping.filter(|_| !self.leaving),
            self.rests_at(),
            self.hands_on_at(),
            (private && !self.claimed && self.stopping.is_none()).then(|| self.born + UNCLAIMED),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
