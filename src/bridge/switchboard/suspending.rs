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

use super::crossing::{Upshot, asking, is_declared};
use super::{Child, Switchboard, Tenancy};
use crate::bridge::ask::{self, Ask, Origin, Whom};
use crate::bridge::call::{Call, Path, Stage};
use crate::bridge::lane;
use crate::bridge::outlet::{Asks, Event, Offer, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{self, Open, Rounds};
use crate::bridge::ticket::Ticket;
use crate::bridge::timers::Due;
use crate::bridge::translate::rounds::{Question, ask as ask_all, for_modern};
use crate::bridge::turn::{Outcome, Turn};
use crate::config::model::AskKind;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, RawId};
use crate::wire::method::Method;

impl<R: Outlet> Switchboard<R> {
    /// A child of several callers asks something: of the call it most likely works on.
    pub(super) fn ask_in_round(&mut self, frame: &Frame, child_id: RawId, turn: &mut Turn) {
        let kind = ask::kind(frame.method());
        let what = kind.map_or("requests from the server", lane::name);
        let say_no = |why: Refusal, turn: &mut Turn| turn.send(why.fault().answer(Some(&child_id)));
        let can = |call: &Call<R>| {
            kind.is_some() && is_declared(frame.method(), frame.payload(), call.card())
        };
        let asker = self.asker();
        let full = self.asks.len() >= self.limits.asks_max
            || self.asked_bytes() + frame.text().len() > self.limits.waiting_bytes_max;
        let server = self.limits.server.clone();
        let call = asker.and_then(|id| self.calls.get_mut(&id)).filter(|call| can(call));
        let (Some(id), Some(call)) = (asker, call) else {
            say_no(Refusal::CapabilityMissing(what), turn);
            return self.miss(frame.method(), turn);
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

    /// Bytes of the questions that are open.
    fn asked_bytes(&self) -> usize {
        let open = self.calls.values().filter_map(|call| call.rounds.as_ref());
        let params = open.flat_map(|rounds| &rounds.open).map(|open| &open.question.params);
        params.map(|params| params.as_ref().map_or(0, |params| params.len())).sum()
    }

    /// The call that a child of several callers most likely asks for: the latest it works on, or else one whose client is to
    /// come back. Where callers may be several people nobody is asked on a guess.
    fn asker(&self) -> Option<CallId> {
        let asking =
            self.calls.iter().filter(|(_, call)| call.is_modern() && call.method.may_ask());
        let mut away = None;
        let (mut flying, mut works, mut waiting) = (None, 0, 0);
        for (id, call) in asking {
            let is_open = call.rounds.as_ref().is_none_or(|rounds| rounds.said.is_none());
            if call.state == Stage::Flying {
                flying = flying.max(Some(*id));
                works += 1;
            } else if is_open && matches!(call.state, Stage::Suspended | Stage::Returning) {
                away = away.max(Some(*id));
                waiting += 1;
            }
        }
        let exclusive = matches!(self.tenancy, Tenancy::Pooled { exclusive: true });
        match flying {
            Some(_) => flying.filter(|_| !exclusive || works == 1),
            None => away.filter(|_| !exclusive || waiting == 1),
        }
    }

    /// The child asked for what a client without a session did not declare. If only one call can be meant, it cannot be
    /// answered, and its client is told what it takes. Not of roots: servers ask for them at any time, and do without.
    pub(super) fn miss(&mut self, asked: Method, turn: &mut Turn) {
        let kind = ask::kind(asked).filter(|kind| *kind != AskKind::Roots);
        let Some(kind) = kind else { return };
        let flying = |call: &Call<R>| call.state == Stage::Flying && call.method.may_ask();
        let mut meant = self.calls.iter().filter(|(_, call)| flying(call));
        let (Some((id, call)), None) = (meant.next(), meant.next()) else { return };
        if call.is_modern() && !call.card().declared.contains(kind) {
            let (id, lacks) = (*id, ask::required(kind).into());
            self.tell_child_to_cancel(id, "its client cannot answer what it needs", turn);
            self.refuse(id, Refusal::CapabilityRequired(lacks), turn);
            self.pump(turn);
        }
    }

    /// A round of a call may have begun, or have taken too long.
    pub(super) fn round_due(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(rounds) = &call.rounds else { return };
        match call.state {
            Stage::Flying if rounds.open.iter().any(|open| !open.told) => {
                self.suspend(id, turn);
            }
            Stage::Suspended if call.deadline <= turn.now => self.expire(id, turn),
            // The child may be one that reads nothing before it has its answer.
            Stage::Returning
                if call.deadline + rounds::RETURNED_AFTER
                    <= turn.now + self.limits.request_timeout =>
            {
                self.waiting.remove(id);
                self.resume(id, turn);
            }
            Stage::Asking if rounds.missing == 0 => self.send_again(id, turn),
            Stage::Waiting
            | Stage::Flying
            | Stage::Listening
            | Stage::Suspended
            | Stage::Returning
            | Stage::Asking
            | Stage::Absorbed
            | Stage::Joining => {}
        }
    }

    /// Answers a call with the questions that are open. False if there may be no more such answers: then the child is told so.
    pub(super) fn suspend(&mut self, id: CallId, turn: &mut Turn) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        let principal = call.card().principal.clone();
        let others = self
            .calls
            .iter()
            .filter(|(other, call)| call.state == Stage::Suspended && **other != id);
        let (all, own) = others.fold((0, 0), |(all, own), (_, call)| {
            (all + 1, own + usize::from(call.card().principal == principal))
        });
        let asked = call.rounds.as_ref().map_or(0, |rounds| rounds.count);
        let why = if asked >= rounds::SUSPENDED_MAX {
            Some(self.busy("it has asked its client too often"))
        } else if all >= rounds::OF_ALL_MAX || own >= rounds::OF_PRINCIPAL_MAX {
            Some(self.busy("too many calls wait for their clients"))
        } else {
            None
        };
        let Child::Ready { stamp, .. } = &self.child else { return false };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let Some(rounds) = &mut call.rounds else { return false };
        if let Some(why) = why {
            let open = std::mem::take(&mut rounds.open);
            self.answer_open(open, |_| Err(why.fault()), turn);
            return false;
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
        if let Path::Own { outlet, open, .. } = &mut call.path {
            *open = false;
            let outlet = outlet.take();
            let offer = outlet.map(|it| it.offer(Event::Asks(Box::new(asks)), Weight::Needed));
            // Whoever was not told cannot come back with answers.
            if offer != Some(Offer::Taken) {
                self.expire(id, turn);
            }
        }
        self.pump(turn);
        true
    }

    /// Whether the child may be asking because of one call already, where only one at a time may.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.tenancy, Tenancy::Pooled { exclusive: true })
            && self.calls.values().any(|call| call.state == Stage::Flying && call.method.may_ask())
    }

    /// Calls that wait for their clients.
    pub fn suspended(&self) -> usize {
        self.calls.values().filter(|call| call.state == Stage::Suspended).count()
    }

    /// Settles a call with what the child said.
    pub(super) fn conclude(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.method == Method::Discover && frame.kind() == Kind::Result {
            return self.introduce_anew(id, frame, turn);
        }
        let (is_question, is_of_task) = (call.question.is_some(), call.task.is_some());
        let mut ink = std::mem::take(&mut self.ink);
        let answered = self.incoming(call, frame, &mut ink);
        self.ink = ink;
        if is_question {
            self.learn(id, frame, matches!(answered, Upshot::Final(..)));
        }
        if is_of_task {
            self.hear_of_task(id, frame, turn);
        }
        match answered {
            Upshot::Final(text, outcome) => self.settle(id, text, outcome, turn),
            Upshot::Asks(asks) => self.settle_asking(id, asks, turn),
            Upshot::Loops => self.ask_by_requests(id, frame, turn),
            Upshot::Task => self.become_task(id, frame, turn),
            Upshot::Absorbed => self.absorb(id, frame, turn),
            Upshot::Plain => self.ask_plainly(id, turn),
            Upshot::Fetch => self.fetch(id, frame, turn),
            Upshot::Refused(why) => self.refuse(id, why, turn),
        }
    }

    /// Answers a client who asked what the server is with what its child says now.
    fn introduce_anew(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        if self.introduced(frame.payload().unwrap_or_default(), turn.now) {
            return self.introduce(id, turn);
        }
        let server = self.limits.server.clone();
        let why = "what it says of itself cannot be read";
        self.refuse(id, Refusal::ChildErred { server, why }, turn);
    }

    /// Ends a call with questions that its client answers by another one.
    fn settle_asking(&mut self, id: CallId, asks: Asks, turn: &mut Turn) {
        self.tell_progress_last(id, turn);
        let path = self.forget(id, asks.text.len(), Outcome::Result, turn).map(|(_, path)| path);
        if let Some(Path::Own { outlet: Some(outlet), .. }) = path {
            let _ = outlet.offer(Event::Asks(Box::new(asks)), Weight::Needed);
        }
    }
}
