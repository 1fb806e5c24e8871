//! What is due, and what is done then.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Switchboard;
use crate::bridge::ask::Ask;
use crate::bridge::call::Call;
use crate::bridge::front::Front;
use crate::bridge::numbered::ByNumber;
use crate::bridge::outlet::Outlet;
use crate::bridge::timers::Due;
use crate::bridge::turn::Turn;
use crate::wire::id::{CallId, FrontId};

impl<R: Outlet> Switchboard<R> {
    /// When [`Self::tick`] has something to do.
    pub fn deadline(&mut self) -> Option<Instant> {
        let (calls, asks, fronts) = (&self.calls, &self.asks, &self.fronts);
        let matters = |due| matters(calls, asks, fronts, due);
        self.timers.tidy(calls.len() + asks.len(), matters);
        self.timers.next(matters)
    }

    /// Does what is due.
    pub fn tick(&mut self, turn: &mut Turn) {
        while let Some(due) = self.timers.take(turn.now) {
            if !matters(&self.calls, &self.asks, &self.fronts, due) {
                continue;
            }
            match due {
                Due::Commit(call) => self.commit(call),
                Due::Deadline(call) => self.late(call, turn),
                Due::Ask(serial) => self.ask_unheard(serial, turn),
                Due::Round(call) => {
                    self.round_due(call, turn);
                    self.look_after(call, turn);
                }
                Due::Acknowledge(call) => self.acknowledge(call, turn),
                Due::Progress(call) => self.tell_progress_again(call, turn),
                Due::Changes(front) => self.tell_changes_again(front, turn),
                Due::Listens => self.listen_again(turn),
                Due::Level => {
                    self.lowering = false;
                    self.raise_level(turn);
                }
                Due::Sweep => self.sweep(turn),
            }
        }
        self.bury(turn);
    }
}

/// Whether something that is due still has to be looked at.
fn matters<R>(
    calls: &ByNumber<CallId, Box<Call<R>>>,
    asks: &BTreeMap<u64, Ask>,
    fronts: &ByNumber<FrontId, Front<R>>,
    due: Due,
) -> bool {
    match due {
        Due::Commit(call) => calls.get(&call).is_some_and(|call| call.may_commit()),
        Due::Deadline(call) | Due::Acknowledge(call) | Due::Round(call) => {
            calls.contains_key(&call)
        }
        Due::Ask(serial) => asks.get(&serial).is_some_and(|ask| ask.unsent.is_some()),
        Due::Progress(call) => calls.get(&call).is_some_and(|call| call.behind.is_some()),
        Due::Changes(front) => fronts.get(&front).is_some_and(|front| front.is_behind),
        Due::Listens | Due::Level | Due::Sweep => true,
    }
}
