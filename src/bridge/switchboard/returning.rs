//! Clients without a session that come back with answers: what they bring goes to the child as soon as it is free for it, and the
//! call goes on under their new request.

use super::crossing::is_declared;
use super::{Switchboard, Tenancy};
use crate::bridge::ask::{Ask, Origin};
use crate::bridge::call::{Caller, Path, Reach, Stage};
use crate::bridge::outlet::Outlet;
use crate::bridge::queue::Party;
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{self, Open, Rounds};
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::fault;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, RawId};
use crate::wire::meta::{Members, Meta, Params};

impl<R: Outlet> Switchboard<R> {
    /// A client comes back with answers.
    pub(super) fn retry(
        &mut self,
        (call_id, caller, request, reach): (CallId, Caller, Frame, Reach<R>),
        (id, round): (CallId, u32),
        turn: &mut Turn,
    ) {
        let Some(client_id) = request.id() else { return };
        let known = self.calls.get(&id).filter(|call| {
            let is_round = call.rounds.as_ref().is_some_and(|rounds| rounds.count == round);
            let is_same = call.card().principal == caller.card().principal;
            call.state == Stage::Suspended && is_round && is_same && call.method == request.method()
        });
        let answers = known
            .ok_or(Refusal::StateInvalid)
            .and_then(|call| answers(call.rounds.as_deref(), &request.params()));
        let meta = request.params().meta();
        let level = super::orders::wanted_level(&caller, &meta);
        let (answers, level) = match (answers, level) {
            (Ok(answers), Ok(level)) => (answers, level),
            (Err(why), _) | (_, Err(why)) => {
                return self.turn_away(None, reach, &client_id, why, turn);
            }
        };
        let Reach::Own { outlet, streams } = reach else { return };
        let stream = self.stream_of(call_id, false);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Path::Own { reader, .. } = &call.path {
            self.resumed.remove(reader);
        }
        call.path =
            Path::Own { outlet: Some(outlet), streams, open: false, stream, reader: call_id };
        call.client_id = client_id;
        call.token = token_of(&meta);
        call.level = level;
        call.caller = caller;
        call.vanished = None;
        self.resumed.insert(call_id, id);
        self.timers.set(turn.now + self.limits.commit_after, Due::Commit(id));
        self.take_answers(id, answers, turn);
        self.drop_undeclared(id, turn);
        let Some(rounds) = self.calls.get(&id).and_then(|call| call.rounds.as_deref()) else {
            return;
        };
        let has_said = rounds.said.is_some();
        if has_said {
            return self.say_at_last(id, turn);
        }
        if !rounds.open.is_empty() {
            // What the child asks when it has these may be for another whose call it works on then.
            if !matches!(self.tenancy, Tenancy::Pooled { exclusive: true }) {
                self.release(id, turn);
            }
            if self.suspend(id, turn) {
                return;
            }
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.state = Stage::Returning;
        call.deadline = turn.now + self.limits.request_timeout;
        self.timers.set(call.deadline, Due::Deadline(id));
        let party = Party::of(&call.caller);
        if self.waiting.is_empty() && self.has_place() {
            self.resume(id, turn);
        } else {
            self.waiting.push(id, party, 0);
            self.timers.set(turn.now + rounds::RETURNED_AFTER, Due::Round(id));
        }
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(&call.path, Path::Own { outlet: Some(outlet), .. } if outlet.is_gone()) {
            self.goodbye(call_id, false, turn);
        }
    }

    /// Its client may say with each request what it can be asked; what it does not say any more it is not asked again.
    fn drop_undeclared(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let card = call.caller.card();
        let Some(rounds) = &mut call.rounds else { return };
        let may =
            |open: &Open| is_declared(open.question.method, open.question.params.as_deref(), card);
        let (kept, dropped) = std::mem::take(&mut rounds.open).into_iter().partition(may);
        rounds.open = kept;
        let why = Refusal::CapabilityMissing("this any more");
        self.answer_open(dropped, |_| Err(why.fault()), turn);
    }

    /// Notes what a client answered.
    fn take_answers(&mut self, id: CallId, answers: Vec<(u64, Box<str>)>, turn: &mut Turn) {
        for (serial, result) in answers {
            let Some(Ask { origin: Origin::Child(child_id), .. }) = self.asks.remove(&serial)
            else {
                turn.dropped(Dropped::StrayAnswer);
                continue;
            };
            let Some(call) = self.calls.get_mut(&id) else { return };
            let Some(rounds) = &mut call.rounds else { return };
            rounds.open.retain(|open| open.serial != serial);
            rounds.answers.push((child_id, result));
        }
    }

    /// Lets the child go on with a call whose client has answered.
    pub(super) fn resume(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.state = Stage::Flying;
        call.deadline = turn.now + self.limits.request_timeout;
        let asks_more = call.rounds.as_ref().is_some_and(|rounds| !rounds.open.is_empty());
        if asks_more {
            self.timers.set(turn.now + rounds::COLLECTED_AFTER, Due::Round(id));
        }
        self.flying += 1;
        self.raise_level(turn);
        self.release(id, turn);
    }

    /// The child takes back a question whose answer may be waiting for it.
    pub(super) fn answer_unwanted(&mut self, child_id: &RawId, turn: &mut Turn) {
        for rounds in self.calls.values_mut().filter_map(|call| call.rounds.as_mut()) {
            let before = rounds.answers.len();
            rounds.answers.retain(|(other, _)| other != child_id);
            if rounds.answers.len() < before {
                return;
            }
        }
        turn.dropped(Dropped::StrayAnswer);
    }

    /// Gives the child the answers that were held for it.
    fn release(&mut self, id: CallId, turn: &mut Turn) {
        let rounds = self.calls.get_mut(&id).and_then(|call| call.rounds.as_mut());
        let Some(rounds) = rounds else { return };
        for (child_id, answer) in std::mem::take(&mut rounds.answers) {
            turn.send(fault::result(&child_id, &answer));
        }
    }

    /// Answers with what the child said while nobody could be told.
    pub(super) fn say_at_last(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let said = call.rounds.as_mut().and_then(|rounds| rounds.said.take());
        let Some(said) = said else { return };
        // It counts as at the child until it is settled.
        call.state = Stage::Flying;
        self.flying += 1;
        self.conclude(id, &said, turn);
    }
}

/// The answers in a retry, by the asks they answer.
fn answers(rounds: Option<&Rounds>, params: &Params<'_>) -> Result<Vec<(u64, Box<str>)>, Refusal> {
    const NO_OBJECT: Refusal =
        Refusal::BadParams("\"inputResponses\" and each of its members must be objects");
    let Some(given) = params.input_responses else { return Ok(Vec::new()) };
    if !given.get().starts_with('{') {
        return Err(NO_OBJECT);
    }
    let given = Members::of(given.get());
    let open = rounds.map_or(&[][..], |rounds| &rounds.open).iter().filter(|open| open.told);
    open.filter_map(|open| Some((open.serial, given.get(&open.question.key)?)))
        .map(|(serial, result)| {
            let is_object = result.get().starts_with('{');
            is_object.then(|| (serial, result.get().into())).ok_or(NO_OBJECT)
        })
        .collect()
}

fn token_of(meta: &Meta<'_>) -> Option<RawId> {
    meta.token().map(|raw| RawId::new(raw.get()))
}
