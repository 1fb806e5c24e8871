//! Questions of a child with a handshake to clients without one. Such a client is asked by the answer to its call: the call is
//! suspended, and goes on under the next request of its client, which brings the answers.
//!
//! ```text
//!  flying ──first question──► 20 ms ──► suspended ──retry with all answers──► flying ──response──► settled
//!                                        │    ▲ └─ too late, or the child is gone ──► forgotten
//!                                        └────┘ retry with some
//! ```
//!
//! The child's own response may come while the call is suspended; it is kept for the retry.

use super::crossing::{Answered, asking};
use super::{Child, Switchboard, Tenancy};
use crate::bridge::ask::{self, Ask, Origin, Whom};
use crate::bridge::call::{Call, Caller, Path, Reach, Stage};
use crate::bridge::lane;
use crate::bridge::outlet::{Asks, Event, Outlet, Weight};
use crate::bridge::queue::Party;
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{self, Open, Rounds};
use crate::bridge::ticket::Ticket;
use crate::bridge::timers::Due;
use crate::bridge::translate::rounds::{Question, ask as ask_all, for_modern};
use crate::bridge::turn::{Dropped, Outcome, Turn};
use crate::config::model::AskKind;
use crate::wire::fault::{self, Fault};
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, RawId};
use crate::wire::meta::{Members, Meta, Params};

impl<R: Outlet> Switchboard<R> {
    /// A child of several callers asks something: of the call it most likely works on.
    pub(super) fn ask_in_round(&mut self, frame: &Frame, child_id: RawId, turn: &mut Turn) {
        let kind = ask::kind(frame.method());
        let what = kind.map_or("requests from the server", lane::name);
        let say_no = |why: Refusal, turn: &mut Turn| turn.send(why.fault().answer(Some(&child_id)));
        let can = |call: &Call<R>| kind.is_some_and(|kind| call.card().declared.contains(kind));
        let in_stage = |stage| {
            let calls = self.calls.iter().filter(move |(_, call)| call.state == stage);
            calls
                .filter(|(_, call)| call.is_modern() && call.method.may_ask())
                .map(|(id, _)| *id)
                .max()
        };
        let Some(id) = in_stage(Stage::Flying).or_else(|| in_stage(Stage::Suspended)) else {
            return say_no(Refusal::CapabilityMissing(what), turn);
        };
        let full = self.asks.len() >= self.limits.asks_max;
        let server = self.limits.server.clone();
        let Some(call) = self.calls.get_mut(&id).filter(|call| can(call)) else {
            return say_no(Refusal::CapabilityMissing(what), turn);
        };
        let rounds = call.rounds.get_or_insert_with(|| Rounds::new(turn.now));
        if full || rounds.count >= rounds::SUSPENDED_MAX {
            return say_no(
                Refusal::Busy { server, what: "it has asked its client too often" },
                turn,
            );
        }
        self.asks_made += 1;
        let serial = self.asks_made;
        rounds.named += 1;
        let question = Question {
            key: format!("ask-{}", rounds.named).into(),
            method: frame.method(),
            params: frame.payload().map(|params| for_modern(params).as_ref().into()),
        };
        rounds.open.push(Open { question, serial, told: false });
        if call.state == Stage::Flying {
            self.timers.set(turn.now + rounds::COLLECTED_AFTER, Due::Round(id));
        }
        let (whom, origin) = (Whom::Round(id), Origin::Child(child_id));
        self.asks
            .insert(serial, Ask { whom, origin, cause: Some(id), on_call: true, unsent: None });
    }

    /// A round of a call may have begun, or have taken too long.
    pub(super) fn round_due(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(rounds) = &call.rounds else { return };
        match call.state {
            Stage::Flying if rounds.open.iter().any(|open| !open.told) => self.suspend(id, turn),
            Stage::Suspended if call.deadline <= turn.now => self.expire(id, turn),
            Stage::Asking if rounds.missing == 0 => self.send_again(id, turn),
            _ => {}
        }
    }

    /// Answers a call with the questions that are open.
    fn suspend(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let principal = call.card().principal.clone();
        let others = self.calls.values().filter(|call| call.state == Stage::Suspended);
        let (all, own) = others.fold((0, 0), |(all, own), call| {
            (all + 1, own + usize::from(call.card().principal == principal))
        });
        let why = if all >= rounds::OF_ALL_MAX || own >= rounds::OF_PRINCIPAL_MAX {
            Some(self.busy("too many calls wait for their clients"))
        } else {
            None
        };
        let Child::Ready { stamp, .. } = &self.child else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(rounds) = &mut call.rounds else { return };
        if let Some(why) = why {
            let open = std::mem::take(&mut rounds.open);
            return self.answer_open(open, |_| Err(why.fault()), turn);
        }
        rounds.count += 1;
        for open in &mut rounds.open {
            open.told = true;
        }
        let questions: Vec<Question> =
            rounds.open.iter().map(|open| open.question.clone()).collect();
        let (count, expires) = (rounds.count, rounds.expires(turn.now));
        let ticket = Ticket::Suspended { slot: 0, call: id, round: count };
        let asks = asking(call, &ask_all(&questions, stamp), ticket);
        if call.state == Stage::Flying {
            self.flying -= 1;
        }
        call.state = Stage::Suspended;
        call.deadline = expires;
        call.behind = None;
        self.timers.set(expires, Due::Round(id));
        if let Path::Own { outlet, open, reader, .. } = &mut call.path {
            *open = false;
            self.resumed.remove(reader);
            if let Some(outlet) = outlet.take() {
                // Whoever left without it may still come back with what it was not told: then it is none of ours.
                let _ = outlet.offer(Event::Asks(Box::new(asks)), Weight::Needed);
            }
        }
        self.pump(turn);
    }

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
            .and_then(|call| answers(call.rounds.as_deref(), &Params::of(request.payload())));
        let (params, meta) = (Params::of(request.payload()), Params::of(request.payload()).meta());
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
        drop(params);
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
        let Some(rounds) = self.calls.get(&id).and_then(|call| call.rounds.as_deref()) else {
            return;
        };
        let has_said = rounds.said.is_some();
        if has_said {
            return self.say_at_last(id, turn);
        }
        if !rounds.open.is_empty() {
            self.release(id, turn);
            return self.suspend(id, turn);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.state = Stage::Waiting;
        call.deadline = turn.now + self.limits.request_timeout;
        self.timers.set(call.deadline, Due::Deadline(id));
        let party = Party::of(&call.caller);
        if self.waiting.is_empty() && self.has_place() {
            self.resume(id, turn);
        } else {
            self.waiting.push(id, party, 0);
        }
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(&call.path, Path::Own { outlet: Some(outlet), .. } if outlet.is_gone()) {
            self.goodbye(call_id, false, turn);
        }
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
            rounds.answers.push(fault::result(&child_id, &result));
        }
    }

    /// Lets the child go on with a call whose client has answered.
    pub(super) fn resume(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.state = Stage::Flying;
        call.deadline = turn.now + self.limits.request_timeout;
        self.flying += 1;
        self.raise_level(turn);
        self.release(id, turn);
    }

    /// Gives the child the answers that were held for it.
    fn release(&mut self, id: CallId, turn: &mut Turn) {
        let rounds = self.calls.get_mut(&id).and_then(|call| call.rounds.as_mut());
        let Some(rounds) = rounds else { return };
        for answer in std::mem::take(&mut rounds.answers) {
            turn.send(answer);
        }
    }

    /// Answers with what the child said while nobody could be told.
    fn say_at_last(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let said = call.rounds.as_mut().and_then(|rounds| rounds.said.take());
        let Some(said) = said else { return };
        // It counts as at the child until it is settled.
        call.state = Stage::Flying;
        self.flying += 1;
        self.conclude(id, &said, turn);
    }

    /// The child's response to a call whose client is still thinking.
    pub(super) fn said_too_early(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(rounds) = &mut call.rounds else { return };
        rounds.said = Some(frame.clone());
        // It waits for none of them any more.
        let open = std::mem::take(&mut rounds.open);
        for open in open {
            self.asks.remove(&open.serial);
        }
        turn.dropped(Dropped::StrayAnswer);
    }

    /// Nobody came back in time: the child is told to stop, and that nobody answers.
    fn expire(&mut self, id: CallId, turn: &mut Turn) {
        self.tell_child_to_cancel(id, "its client did not come back", turn);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let open = call.rounds.as_mut().map(|rounds| std::mem::take(&mut rounds.open));
        self.answer_open(open.unwrap_or_default(), unanswered, turn);
        self.refuse(id, Refusal::Cancelled, turn);
    }

    /// Answers questions in a client's stead.
    fn answer_open(
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
    pub(super) fn drop_rounds(&mut self, id: CallId, rounds: Box<Rounds>, turn: &mut Turn) {
        let why = "the call this question belonged to has ended";
        self.answer_open(rounds.open, |_| Err(Fault::new(fault::INTERNAL_ERROR, why)), turn);
        if rounds.missing > 0 {
            self.take_back_round(id, turn);
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
    pub(super) fn lose_suspended(&mut self, turn: &mut Turn) {
        let suspended = self.calls.iter().filter(|(_, call)| call.state == Stage::Suspended);
        let mut all: Vec<CallId> = suspended.map(|(id, _)| *id).collect();
        all.sort_unstable();
        for id in all {
            self.refuse(id, Refusal::Cancelled, turn);
        }
    }

    /// Whether the child may be asking because of one call already, where only one at a time may.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.tenancy, Tenancy::Pooled { exclusive: true })
            && self.calls.values().any(|call| call.state == Stage::Flying && call.method.may_ask())
    }

    /// Calls that wait for their clients.
    pub(super) fn suspended(&self) -> usize {
        self.calls.values().filter(|call| call.state == Stage::Suspended).count()
    }

    /// Settles a call with what the child said.
    pub(super) fn conclude(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let answered = self.incoming(call, frame);
        self.learn(id, frame);
        self.hear_of_task(id, frame, turn);
        match answered {
            Answered::Final(text, outcome) => self.settle(id, &text, outcome, turn),
            Answered::Asks(asks) => self.settle_asking(id, asks, turn),
            Answered::Loops => self.ask_by_requests(id, frame, turn),
            Answered::Task => self.become_task(id, frame, turn),
            Answered::Absorbed => self.absorb(id, frame, turn),
            Answered::Plain => self.ask_plainly(id, turn),
            Answered::Fetch => self.fetch(id, frame, turn),
            Answered::Refused(why) => self.refuse(id, why, turn),
        }
    }

    /// Ends a call with questions that its client answers by another one.
    fn settle_asking(&mut self, id: CallId, asks: Asks, turn: &mut Turn) {
        self.tell_progress_last(id, turn);
        let Some(call) = self.forget(id, asks.text.len(), Outcome::Result, turn) else { return };
        if let Path::Own { outlet: Some(outlet), .. } = call.path {
            let _ = outlet.offer(Event::Asks(Box::new(asks)), Weight::Needed);
        }
    }
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
