//! The child's own questions: sampling, elicitation, roots, ping.
//!
//! A question carries no link to the call that caused it, so it is put on the answer of the call that most likely did: the
//! latest that can ask and be asked on. Failing that on a standing stream, failing that it waits a little for one. A shared
//! child has been told that nobody can answer it, and is told so again.

use std::sync::Arc;

use bytes::Bytes;

use super::expiring::orphaned;
use super::{Child, Switchboard, Tenancy};
use crate::bridge::ask::{self, Ask, Origin, Whom};
use crate::bridge::call::{Call, Hearing, Stage};
use crate::bridge::lane;
use crate::bridge::outlet::{Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::fault;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, FrontId, RawId};
use crate::wire::method::Method;
use crate::wire::splice::Patch;

impl<R: Outlet> Switchboard<R> {
    pub(super) fn asked(&mut self, frame: &Frame, turn: &mut Turn) {
        let Some(child_id) = frame.id() else { return };
        // A child without a handshake asks by its answers, and reads no responses.
        if self.is_child_modern() {
            return turn.dropped(Dropped::Unwanted);
        }
        if frame.method() == Method::Ping {
            return turn.send(fault::result(&child_id, "{}"));
        }
        if matches!(self.tenancy, Tenancy::Pooled { .. }) {
            if self.asked_for_task(frame, &child_id, turn) {
                return;
            }
            return self.ask_in_round(frame, child_id, turn);
        }
        let front = match self.whom_to_ask(frame.method()) {
            Ok(front) => front,
            Err(why) => {
                turn.send(why.fault().answer(Some(&child_id)));
                return self.miss(frame.method(), turn);
            }
        };
        self.asks_made += 1;
        let serial = self.asks_made;
        let id = ask::client_id(serial);
        let at = frame.id_span().expect("requests have ids");
        let text = frame.splice(&[Patch { at, with: id.as_str().as_bytes() }]);

        let cause = self.likely_cause(front);
        let on_call = |board: &mut Self, least: Hearing, turn: &mut Turn| {
            cause.is_some_and(|(hearing, call)| {
                hearing == least && board.tell_call(call, &text, Weight::Needed, turn)
            })
        };
        // Better on a stream that is read now than on one whose reader may come back.
        let mut is_on_call = on_call(self, Hearing::Near, turn);
        let mut told = is_on_call || self.tell_front(front, &text, Weight::Needed, turn);
        if !told {
            is_on_call = on_call(self, Hearing::Away, turn);
            told = is_on_call;
        }
        if !told {
            self.timers.set(turn.now + self.limits.push_wait, Due::Ask(serial));
        }
        let unsent = (!told).then_some(text);
        let cause = cause.map(|(_, call)| call);
        let (whom, origin) = (Whom::Session(front), Origin::Child(child_id));
        self.asks.insert(serial, Ask { whom, origin, cause, on_call: is_on_call, unsent });
    }

    /// The one client of this child, if it can be asked this.
    fn whom_to_ask(&self, method: Method) -> Result<FrontId, Refusal> {
        let kind = ask::kind(method);
        let what = kind.map_or("requests from the server", lane::name);
        if self.tenancy == Tenancy::Shared || matches!(self.child, Child::Absent { .. }) {
            return Err(Refusal::CapabilityMissing(what));
        }
        let Some((front, record)) = self.fronts.iter().next() else {
            return Err(Refusal::ClientLeft);
        };
        if kind.is_some_and(|kind| !record.card.declared.contains(kind)) {
            return Err(Refusal::CapabilityMissing(what));
        }
        if self.asks.len() >= self.limits.asks_max {
            let server = self.limits.server.clone();
            return Err(Refusal::Busy {
                server,
                what: "too many questions to its client are open",
            });
        }
        Ok(*front)
    }

    /// Of the calls that may ask, the latest of those that can best be asked on.
    fn likely_cause(&self, front: FrontId) -> Option<(Hearing, CallId)> {
        self.calls
            .iter()
            .filter(|(_, call)| call.front() == Some(front) && may_ask(call))
            .map(|(id, call)| (call.hearing(), *id))
            .max()
    }

    /// A client's response to a question.
    pub(super) fn answered(&mut self, front: FrontId, answer: &Frame, turn: &mut Turn) {
        let serial = answer.id().as_ref().and_then(ask::serial);
        let known = serial.filter(|serial| {
            self.asks
                .get(serial)
                .is_some_and(|ask| ask.whom == Whom::Session(front) && ask.unsent.is_none())
        });
        let Some(ask) = known.and_then(|serial| self.asks.remove(&serial)) else {
            return turn.dropped(Dropped::StrayAnswer);
        };
        let at = answer.id_span().expect("it was found by its id");
        match ask.origin {
            Origin::Child(id) => {
                turn.send(answer.splice(&[Patch { at, with: id.as_str().as_bytes() }]));
            }
            Origin::Round { call, key, method } => {
                self.round_answered(call, key, method, answer, turn);
            }
        }
    }

    /// A standing stream has come: questions that waited for one go there.
    pub(super) fn ask_again(&mut self, front: FrontId, turn: &mut Turn) {
        let waiting: Vec<(u64, Bytes)> = self
            .asks
            .iter()
            .filter(|(_, ask)| ask.whom == Whom::Session(front))
            .filter_map(|(serial, ask)| Some((*serial, ask.unsent.clone()?)))
            .collect();
        for (serial, text) in waiting {
            if self.tell_front(front, &text, Weight::Needed, turn)
                && let Some(ask) = self.asks.get_mut(&serial)
            {
                ask.unsent = None;
            }
        }
    }

    /// No stream came in time.
    pub(super) fn ask_unheard(&mut self, serial: u64, turn: &mut Turn) {
        let Some(ask) = self.asks.remove(&serial) else { return };
        let fault = Refusal::NoChannel.fault();
        match ask.origin {
            Origin::Child(id) => turn.send(fault.answer(Some(&id))),
            Origin::Round { call, .. } => self.fail_round(call, &fault.message, turn),
        }
    }

    /// The child takes a question back.
    pub(super) fn ask_cancelled(&mut self, child_id: &RawId, turn: &mut Turn) {
        let is_it = |ask: &Ask| matches!(&ask.origin, Origin::Child(id) if id == child_id);
        let found = self.asks.iter().find(|(_, ask)| is_it(ask));
        let Some(serial) = found.map(|(serial, _)| *serial) else {
            if self.tasks.withdraw(child_id) {
                return;
            }
            return self.answer_unwanted(child_id, turn);
        };
        let Some(ask) = self.asks.remove(&serial) else { return };
        match ask.whom {
            Whom::Session(_) => self.take_back(serial, &ask, turn),
            Whom::Round(call) => self.ask_withdrawn(call, serial),
        }
    }

    /// Tells a client that its answer is no longer wanted.
    pub(super) fn take_back(&mut self, serial: u64, ask: &Ask, turn: &mut Turn) {
        if ask.unsent.is_some() {
            return;
        }
        let id = ask::client_id(serial);
        let text: Bytes = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{}}}}}"#,
            id.as_str()
        )
        .into();
        let call = ask.cause.filter(|_| ask.on_call);
        let on_call = call.is_some_and(|call| self.tell_call(call, &text, Weight::Droppable, turn));
        let told = on_call
            || match ask.whom {
                Whom::Session(front) => self.tell_front(front, &text, Weight::Droppable, turn),
                Whom::Round(_) => false,
            };
        if !told {
            turn.dropped(Dropped::Unheard);
        }
    }

    /// The client is gone: the child waits for nothing any more.
    pub(super) fn client_left(&mut self, front: FrontId, turn: &mut Turn) {
        let alive = matches!(self.child, Child::Ready { .. });
        self.asks.retain(|_, ask| {
            let is_his = ask.whom == Whom::Session(front);
            if let Origin::Child(id) = &ask.origin
                && is_his
                && alive
            {
                turn.send(Refusal::ClientLeft.fault().answer(Some(id)));
            }
            !is_his
        });
    }

    /// The child is gone: clients need not think about its questions any more.
    pub(super) fn lose_asks(&mut self, why: &Arc<str>, turn: &mut Turn) {
        for (serial, ask) in std::mem::take(&mut self.asks) {
            match (&ask.origin, ask.whom) {
                // What a call is sent again with is not lost with the child that asked for it.
                (Origin::Round { .. }, _) => {
                    self.asks.insert(serial, ask);
                }
                (Origin::Child(_), Whom::Session(_)) => self.take_back(serial, &ask, turn),
                (Origin::Child(_), Whom::Round(_)) => {}
            }
        }
        self.lose_suspended(why, turn);
    }

    /// When the last call that may ask has ended, questions that came from such calls have lost their cause; they are answered
    /// here so that none is held for a client that forgot it.
    pub(super) fn release_asks(&mut self, turn: &mut Turn) {
        if self.asks.is_empty() || self.calls.values().any(|call| may_ask(call)) {
            return;
        }
        let is_caused = |ask: &Ask| {
            let is_session = matches!(ask.whom, Whom::Session(_));
            ask.cause.is_some() && is_session && matches!(ask.origin, Origin::Child(_))
        };
        let caused = self.asks.iter().filter(|(_, ask)| is_caused(ask));
        let caused: Vec<u64> = caused.map(|(serial, _)| *serial).collect();
        for serial in caused {
            let Some(ask) = self.asks.remove(&serial) else { continue };
            if let Origin::Child(id) = &ask.origin {
                turn.send(orphaned().answer(Some(id)));
            }
            self.take_back(serial, &ask, turn);
        }
    }
}

/// Whether the child may be asking because of this call.
fn may_ask<R>(call: &Call<R>) -> bool {
    call.state == Stage::Flying && call.method.may_ask()
}
