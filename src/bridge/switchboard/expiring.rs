//! How rounds end without their clients: nobody comes back, the call ends, or the child is gone. What the child asked is answered
//! all the same, so that it waits for nothing.

use super::{Child, Switchboard};
use crate::bridge::ask::{self, Origin};
use crate::bridge::call::Stage;
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{Open, Rounds};
use crate::bridge::turn::Turn;
use crate::config::model::AskKind;
use crate::wire::fault::{self, Fault};
use crate::wire::frame::Frame;
use crate::wire::id::CallId;

impl<R: Outlet> Switchboard<R> {
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

    /// The rounds of a call end with it: the child waits for none of its questions, and no client need think about one.
    pub(super) fn drop_rounds(&mut self, rounds: Rounds, turn: &mut Turn) {
        let over = || {
            let why = "the call this question belonged to has ended";
            Fault::new(fault::INTERNAL_ERROR, why)
        };
        // Answers that were held come too late: what somebody agreed to is not done behind his back.
        let held = rounds.answers.iter().filter_map(|text| Frame::skim(text.clone()).ok()?.id());
        for child_id in held.filter(|_| matches!(self.child, Child::Ready { .. })) {
            turn.send(over().answer(Some(&child_id)));
        }
        self.answer_open(rounds.open, |_| Err(over()), turn);
    }

    /// The child takes back a question of a round.
    pub(super) fn ask_withdrawn(&mut self, id: CallId, serial: u64) {
        let rounds = self.calls.get_mut(&id).and_then(|call| call.rounds.as_mut());
        if let Some(rounds) = rounds {
            rounds.open.retain(|open| open.serial != serial);
        }
    }

    /// The child is gone, and with it what it asked: whoever comes back for that is told so.
    pub(super) fn lose_suspended(&mut self, turn: &mut Turn) {
        let suspended = self.calls.iter().filter(|(_, call)| call.state == Stage::Suspended);
        let mut all: Vec<CallId> = suspended.map(|(id, _)| *id).collect();
        all.sort_unstable();
        for id in all {
            self.refuse(id, Refusal::Cancelled, turn);
        }
    }
}

/// What the child hears if nobody answers. That a user declined is never made up.
fn unanswered(kind: Option<AskKind>) -> Result<&'static str, Fault> {
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
