//! How rounds end without their clients: nobody comes back, the call ends, or the child is gone. What the child asked is answered
//! all the same, so that it waits for nothing.

use std::sync::Arc;

use super::{Child, Switchboard};
use crate::bridge::ask::{self, Origin};
use crate::bridge::call::{Call, Stage};
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{Open, Rounds};
use crate::bridge::turn::{Dropped, Turn};
use crate::config::model::AskKind;
use crate::wire::fault::{self, Fault};
use crate::wire::frame::Frame;
use crate::wire::id::CallId;

impl<R: Outlet> Switchboard<R> {
    /// The child's response to a call whose client is still thinking.
    pub(super) fn said_too_early(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let said = self.calls.values().filter_map(|call| call.rounds.as_ref()?.said.as_ref());
        let held: usize = said.map(|frame| frame.text().len()).sum();
        if held + frame.text().len() > self.limits.waiting_bytes_max {
            turn.dropped(Dropped::Forgotten);
            let busy = self.busy("too many bytes of answers wait for their clients");
            return self.refuse(id, busy, turn);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(rounds) = &mut call.rounds else { return };
        rounds.said = Some(frame.clone());
        let open = std::mem::take(&mut rounds.open);
        self.answer_open(open, |_| Err(orphaned()), turn);
    }

    /// Nobody came back in time: the child is told to stop, and that nobody answers.
    pub(super) fn expire(&mut self, id: CallId, turn: &mut Turn) {
        self.tell_child_to_cancel(id, "its client did not come back", turn);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let open = call.rounds.as_mut().map(|rounds| std::mem::take(&mut rounds.open));
        self.answer_open(open.unwrap_or_default(), unanswered, turn);
        self.refuse(id, Refusal::Cancelled, turn);
    }

    /// Answers questions in a client's stead.
    pub(super) fn answer_open(
        &mut self,
        open: Vec<Open>,
        answer: impl Fn(Option<AskKind>) -> Result<&'static str, Fault>,
        turn: &mut Turn,
    ) {
        let alive = matches!(self.child, Child::Ready { .. });
        for open in open {
            let Some(ask) = self.asks.remove(&open.serial) else { continue };
            let Origin::Child(child_id) = ask.origin else { continue };
            if alive {
                turn.send(match answer(ask::kind(open.question.method)) {
                    Ok(result) => fault::result(&child_id, result),
                    Err(fault) => fault.answer(Some(&child_id)),
                });
            }
        }
    }

    /// The rounds of a call end with it: the child waits for none of its questions. Answers that it was not given yet are no
    /// longer what its client wants.
    pub(super) fn drop_rounds(&mut self, rounds: Rounds, turn: &mut Turn) {
        self.answer_open(rounds.open, |_| Err(orphaned()), turn);
        let unheard = rounds.answers.iter().filter(|_| matches!(self.child, Child::Ready { .. }));
        for (child_id, _) in unheard {
            turn.send(orphaned().answer(Some(child_id)));
        }
    }

    /// The child takes back a question of a round.
    pub(super) fn ask_withdrawn(&mut self, id: CallId, serial: u64) {
        let rounds = self.calls.get_mut(&id).and_then(|call| call.rounds.as_mut());
        if let Some(rounds) = rounds {
            rounds.open.retain(|open| open.serial != serial);
        }
    }

    /// The child is gone, and with it what it asked: whoever comes back for that is told so.
    pub(super) fn lose_suspended(&mut self, why: &Arc<str>, turn: &mut Turn) {
        let is_lost = |call: &Call<R>| matches!(call.state, Stage::Suspended | Stage::Returning);
        let suspended = self.calls.iter().filter(|(_, call)| is_lost(call));
        let mut all: Vec<CallId> = suspended.map(|(id, _)| *id).collect();
        all.sort_unstable();
        for id in all {
            let server = self.limits.server.clone();
            self.refuse(id, Refusal::ChildGone { server, why: Arc::clone(why) }, turn);
        }
    }
}

/// What the child hears of a question whose call has ended.
pub(super) fn orphaned() -> Fault {
    Fault::new(fault::INTERNAL_ERROR, "the call this question belonged to has ended")
}

/// What the child hears if nobody answers. That a user declined is never made up.
pub(super) fn unanswered(kind: Option<AskKind>) -> Result<&'static str, Fault> {
    match kind {
        Some(AskKind::Elicitation) => Ok(r#"{"action":"cancel"}"#),
        Some(AskKind::Sampling) => {
            Err(Fault::new(fault::USER_REJECTED, "the client did not answer"))
        }
        Some(AskKind::Roots) | None => {
            Err(Fault::new(fault::INTERNAL_ERROR, "the client did not answer"))
        }
    }
}
