//! Questions of a child without a handshake to clients with one. Such a child answers a call with its questions and forgets it;
//! the client is asked by requests, and the call is sent again with what it answered.

use bytes::Bytes;

use super::Switchboard;
use super::crossing::undeclared;
use crate::bridge::ask::{self, Ask, Origin, Whom};
use crate::bridge::call::{Hearing, Stage};
use crate::bridge::outlet::{Outlet, Weight};
use crate::bridge::queue::Party;
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{self, Rounds};
use crate::bridge::timers::Due;
use crate::bridge::translate::errors::tool_failure;
use crate::bridge::translate::rounds as asked;
use crate::bridge::turn::{Outcome, Turn};
use crate::config::model::AskKind;
use crate::wire::fault;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, FrontId};
use crate::wire::meta::Members;
use crate::wire::method::Method;
use crate::wire::raw;

/// What a child is told of a form that nobody filled in.
const CLOSED: &str = r#"{"action":"cancel"}"#;

impl<R: Outlet> Switchboard<R> {
    /// Asks the client of a call what its child wants to know.
    pub(super) fn ask_by_requests(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let server = self.limits.server.clone();
        let spoilt = |why| Refusal::ChildErred { server: server.clone(), why };
        if !call.method.may_ask() {
            return self.refuse(id, spoilt("it asks for input where none may be asked for"), turn);
        }
        let asked = match asked::read(frame.payload().unwrap_or_default()) {
            Ok(asked) => asked,
            Err(why) => return self.refuse(id, spoilt(why), turn),
        };
        let front = call.front();
        if let Some(lacks) = undeclared(&asked.entries, call.card()) {
            let why =
                format!("the server needs a capability that its client did not declare: {lacks}");
            return self.fail_round(id, &why, turn);
        }
        if self.asks.len() + asked.entries.len() > self.limits.asks_max {
            return self.fail_round(id, "too many questions to clients are open", turn);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let rounds = call.rounds.get_or_insert_with(|| Rounds::new(turn.now));
        rounds.count += 1;
        if rounds.count > rounds::SENT_AGAIN_MAX {
            let why = format!(
                "the server asked its client more than {} times for one call",
                rounds::SENT_AGAIN_MAX
            );
            return self.fail_round(id, &why, turn);
        }
        rounds.state = asked.state.map(Into::into);
        rounds.given.clear();
        rounds.missing = asked.entries.len();
        call.state = Stage::Asking;
        call.deadline =
            (turn.now + rounds::IDLE_MAX).min(call.started + self.limits.request_timeout_max);
        self.flying -= 1;
        self.timers.set(call.deadline, Due::Deadline(id));
        if asked.entries.is_empty() {
            self.timers.set(turn.now + rounds::AGAIN_AFTER, Due::Round(id));
        }
        if let Some(front) = front {
            for entry in asked.entries {
                self.ask_for_round(id, front, &entry, turn);
            }
        }
        self.pump(turn);
    }

    pub(super) fn ask_for_round(
        &mut self,
        call: CallId,
        front: FrontId,
        entry: &asked::Entry<'_>,
        turn: &mut Turn,
    ) {
        self.asks_made += 1;
        let serial = self.asks_made;
        // Nobody can take part in an elicitation by knowing its id; it only has to be unlike any other.
        let page = format!("{:016x}-{serial:x}", self.stream_base);
        let params = asked::for_legacy(entry.params.unwrap_or("{}"), &page);
        let (client_id, method) = (ask::client_id(serial), entry.method.name());
        let text: Bytes = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":{params}}}"#,
            client_id.as_str()
        )
        .into();
        let hearing = self.calls.get(&call).map_or(Hearing::Deaf, |call| call.hearing());
        let mut on_call =
            hearing == Hearing::Near && self.tell_call(call, &text, Weight::Needed, turn);
        let mut told = on_call || self.tell_front(front, &text, Weight::Needed, turn);
        if !told && hearing == Hearing::Away {
            on_call = self.tell_call(call, &text, Weight::Needed, turn);
            told = on_call;
        }
        if !told {
            self.timers.set(turn.now + self.limits.push_wait, Due::Ask(serial));
        }
        let origin = Origin::Round { call, key: entry.key.into(), method: entry.method };
        let unsent = (!told).then_some(text);
        self.asks.insert(
            serial,
            Ask { whom: Whom::Session(front), origin, cause: Some(call), on_call, unsent },
        );
    }

    /// A client has answered one question of a round.
    pub(super) fn round_answered(
        &mut self,
        id: CallId,
        key: Box<str>,
        method: Method,
        answer: &Frame,
        turn: &mut Turn,
    ) {
        let payload = answer.payload().unwrap_or("{}");
        let given = match (answer.kind(), ask::kind(method)) {
            (Kind::Error, Some(AskKind::Elicitation)) => CLOSED,
            // There is no way to tell such a child that its client refuses.
            (Kind::Error, _) => {
                let message =
                    Members::of(payload).get("message").and_then(|text| raw::string(text.get()));
                let why = message.unwrap_or_default();
                let why = format!("the client refused {}: {why}", method.name());
                return self.fail_round(id, &why, turn);
            }
            (Kind::Result | Kind::Request | Kind::Notification, _) => payload,
        };
        self.give(id, key, given, turn);
    }

    /// Notes an answer of a round; after the last the call goes on.
    fn give(&mut self, id: CallId, key: Box<str>, given: &str, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(rounds) = &mut call.rounds else { return };
        rounds.given.push((key, given.into()));
        rounds.missing -= 1;
        if rounds.missing == 0 {
            self.send_again(id, turn);
        }
    }

    /// Sends a call again, with the answers to what its child asked.
    pub(super) fn send_again(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.absorbed.is_some() {
            return self.answer_absorbed(id, turn);
        }
        call.flight = call.flight.next();
        call.state = Stage::Waiting;
        call.deadline = turn.now + self.limits.request_timeout;
        self.timers.set(call.deadline, Due::Deadline(id));
        let party = Party::of(&call.caller);
        if self.waiting.is_empty() && self.has_place() {
            self.dispatch(id, turn);
        } else {
            self.waiting.push(id, party, 0);
        }
    }

    /// Ends a call whose client could not be asked.
    pub(super) fn fail_round(&mut self, id: CallId, why: &str, turn: &mut Turn) {
        self.drop_absorbed(id, turn);
        let Some(call) = self.calls.get(&id) else { return };
        if call.method == Method::ToolsCall {
            let text = fault::result(&call.client_id, &tool_failure(why));
            self.settle(id, text, Outcome::Result, turn);
        } else {
            let text = fault::Fault::new(fault::INTERNAL_ERROR, why).answer(Some(&call.client_id));
            self.settle(id, text, Outcome::Error(fault::INTERNAL_ERROR), turn);
        }
        self.pump(turn);
    }

    /// Nobody has answered in time: a form counts as closed, anything else cannot be done without.
    pub(super) fn round_unanswered(&mut self, id: CallId, turn: &mut Turn) {
        for serial in self.asked_for(id) {
            let Some(Ask { origin: Origin::Round { key, method, .. }, .. }) =
                self.asks.get(&serial)
            else {
                continue;
            };
            let (key, method) = (key.clone(), *method);
            if ask::kind(method) != Some(AskKind::Elicitation) {
                let why = format!("the client did not answer {} in time", method.name());
                return self.fail_round(id, &why, turn);
            }
            if let Some(ask) = self.asks.remove(&serial) {
                self.take_back(serial, &ask, turn);
            }
            self.give(id, key, CLOSED, turn);
        }
    }

    /// A client need not think any more about what it was asked for this call.
    pub(super) fn take_back_round(&mut self, id: CallId, turn: &mut Turn) {
        for serial in self.asked_for(id) {
            if let Some(ask) = self.asks.remove(&serial) {
                self.take_back(serial, &ask, turn);
            }
        }
    }

    /// What its client is being asked for this call.
    fn asked_for(&self, id: CallId) -> Vec<u64> {
        let is_of = |ask: &Ask| matches!(&ask.origin, Origin::Round { call, .. } if *call == id);
        self.asks.iter().filter(|(_, ask)| is_of(ask)).map(|(serial, _)| *serial).collect()
    }
}
