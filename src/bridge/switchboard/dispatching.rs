//! How calls go to the child: in order, as many as it takes at once, each under a number of its own.

use bytes::Bytes;

use super::{Child, Switchboard, Tenancy};
use crate::bridge::call::Stage;
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::timers::Due;
use crate::bridge::translate::Noted;
use crate::bridge::turn::Turn;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, RawId, UpstreamId};
use crate::wire::ink::Ink;
use crate::wire::meta::{self, Members, Params};
use crate::wire::method::{Method, RequestRoute};
use crate::wire::raw;
use crate::wire::splice::{Patch, Span};

impl<R: Outlet> Switchboard<R> {
    /// Sends what may be sent of the calls that wait, in order.
    pub(super) fn pump(&mut self, turn: &mut Turn) {
        while self.has_room() {
            let Some(id) = self.next_waiting() else { return };
            self.dispatch(id, turn);
        }
    }

    /// Takes the call whose turn it is out of the queue. Calls that may ask are passed by while one of them has the child.
    fn next_waiting(&mut self) -> Option<CallId> {
        if !self.is_taken() {
            return self.waiting.pop();
        }
        let passes = |id: &CallId| self.calls.get(id).is_some_and(|call| !call.method.may_ask());
        let next = self.waiting.iter().find(passes)?;
        self.waiting.remove(next);
        Some(next)
    }

    /// Whether a request of this kind goes to the child at once.
    pub(super) fn is_next(&self, method: Method) -> bool {
        let passes = self.is_taken() && !method.may_ask();
        self.has_room() && (passes || (self.waiting.is_empty() && !self.is_taken()))
    }

    /// Whether the child takes another call that may ask now.
    pub(super) fn has_place(&self) -> bool {
        self.has_room() && !self.is_taken()
    }

    fn has_room(&self) -> bool {
        matches!(self.child, Child::Ready { .. })
            && self.room > 0
            && (self.limits.concurrency == 0 || self.flying < self.limits.concurrency)
    }

    pub(super) fn dispatch(&mut self, id: CallId, turn: &mut Turn) {
        if self.calls.get(&id).is_some_and(|call| call.state == Stage::Returning) {
            return self.resume(id, turn);
        }
        let Some(request) = self.request_of(id) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let deadline = turn.now + self.limits.request_timeout;
        if deadline < call.deadline {
            self.timers.set(deadline, Due::Deadline(id));
        }
        call.deadline = deadline;
        // Read again only where more is needed than was noted when the call came.
        let params = || request.params();
        match call.method.as_request() {
            RequestRoute::Initialize => return self.initialize(id, turn),
            RequestRoute::Discover if self.is_introduction_fresh(turn.now) => {
                return self.introduce(id, turn);
            }
            RequestRoute::Listen => return self.begin_listen(id, request, turn),
            RequestRoute::SetLevel => return self.set_level(id, &params(), turn),
            RequestRoute::Subscribe => return self.join(id, &params(), turn),
            RequestRoute::Unsubscribe => return self.leave(id, &params(), turn),
            RequestRoute::Task => {
                if let Err(why) = self.find_task(id, &params()) {
                    return self.refuse(id, why, turn);
                }
                if self.update_task(id, &params(), turn) {
                    return;
                }
            }
            RequestRoute::CallTool if !self.limits.tools.is_open() => {
                if let Some(refusal) = self.hidden(&params()) {
                    return self.refuse(id, refusal, turn);
                }
            }
            RequestRoute::CallTool
            | RequestRoute::Discover
            | RequestRoute::Ping
            | RequestRoute::Forward => {}
        }
        self.initialized(turn);
        let is_child_modern = self.is_child_modern();
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.state = Stage::Flying;
        call.token = call.token_at.map(|at| RawId::new(request.slice(at)));
        let token_at = call.token_at;
        let is_level_wanted = call.level.is_some();
        let wants_task = call.wants_task;
        let is_same = call.is_modern() == is_child_modern && call.task.is_none() && !wants_task;
        let mut digits = [0; 20];
        let digits = UpstreamId::call(id, call.flight).digits(&mut digits);
        self.flying += 1;
        if is_level_wanted {
            self.raise_level(turn);
        }
        if is_same {
            let text = renumbered(&request, token_at, digits, &mut self.ink);
            return self.send_request(text, turn);
        }
        self.send_in_other_words(id, request, digits, turn);
    }

    /// Sends what needs more than another number.
    #[inline(never)]
    fn send_in_other_words(&mut self, id: CallId, request: Frame, digits: &[u8], turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let round = call.rounds.as_ref().map(|rounds| rounds.retold()).unwrap_or_default();
        let request = self.without_task(id, request);
        match self.outgoing(id, &request, digits, &round) {
            Ok(text) => self.send_request(text, turn),
            Err(why) => self.refuse(id, why, turn),
        }
    }

    /// A shared child is not asked for tasks: it could not tell whose they are.
    fn without_task(&mut self, id: CallId, request: Frame) -> Frame {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.wants_task) else {
            return request;
        };
        if self.tenancy != Tenancy::Shared || call.is_modern() {
            return request;
        }
        call.wants_task = false;
        let kept = Members::of(request.payload().unwrap_or("{}")).without(|key| key == "task");
        let at = request.payload_span().expect("the task stood in it");
        let text = request.splice(&[Patch { at, with: kept.as_bytes() }]);
        let request = Frame::skim(text).expect("a member was taken out of a sound message");
        let params = request.params();
        call.token_at = params.meta().token().map(|raw| meta::place(raw, request.text()));
        call.noted = Noted::of(&request, &params);
        request
    }

    /// Sends a request and counts it against what the child still takes.
    pub(super) fn send_request(&mut self, text: Bytes, turn: &mut Turn) {
        self.room = self.room.saturating_sub(text.len());
        turn.send(text);
    }

    /// Why a tool must not be called; a filter that cannot read the name lets nothing pass.
    fn hidden(&self, params: &Params<'_>) -> Option<Refusal> {
        let Some(tool) = params.name.and_then(|raw| raw::string(raw.get())) else {
            return Some(Refusal::BadParams("\"name\" must be a string"));
        };
        (!self.limits.tools.allows(&tool)).then(|| Refusal::ToolNotAllowed(tool.as_ref().into()))
    }
}

/// A request under a number of ours, and its progress too. No more is exchanged where client and child speak alike.
fn renumbered(request: &Frame, token: Option<Span>, digits: &[u8], ink: &mut Ink) -> Bytes {
    let number = |at| Patch { at, with: digits };
    let id = request.id_span().expect("requests have ids");
    match token {
        None => ink.splice(request.text(), &[number(id)]),
        Some(token) => {
            let (first, second) = if token.start < id.start { (token, id) } else { (id, token) };
            ink.splice(request.text(), &[number(first), number(second)])
        }
    }
}
