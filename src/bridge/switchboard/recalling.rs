//! Answering for a child that rests, from what it said last.
//!
//! A child rests while it is stopped for no other reason than that nobody needs it. Its handshake and its lists are then answered
//! here, levels of log messages are noted and subscriptions taken back; everything else needs the child itself. One that runs,
//! starts or fails is never answered for.

use bytes::Bytes;

use super::{Child, Order, Switchboard, Tenancy};
use crate::bridge::greeting::Abilities;
use crate::bridge::memory::{Memory, Question, Said};
use crate::bridge::outlet::Outlet;
use crate::bridge::topics::Subscriber;
use crate::bridge::turn::{Outcome, Turn};
use crate::wire::fault::METHOD_NOT_FOUND;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::CallId;
use crate::wire::meta::Members;
use crate::wire::method::RequestRoute;

/// What a switchboard knows of a child that is not there.
#[derive(Debug, Default)]
pub(super) struct Recall {
    pub memory: Memory,
    /// The child is not there because nobody needs it.
    resting: bool,
}

/// What an order takes to be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing that is not here.
    Nothing,
    /// The child, or what is remembered of it while it rests.
    Memory,
    Child,
}

impl<R: Outlet> Switchboard<R> {
    /// What is remembered of the child.
    pub fn memory(&self) -> &Memory {
        &self.recall.memory
    }

    /// Puts back what was remembered elsewhere.
    pub fn remember(&mut self, memory: Memory) {
        self.recall.memory = memory;
    }

    /// The next child will be another than the one that is remembered.
    pub fn forget_child(&mut self) {
        self.recall.memory.forget();
    }

    /// Says whether the child is not there for no other reason than that nobody needs it. A private child has one client, whose
    /// handshake is its own, so that it is never answered for.
    pub fn child_rests(&mut self, resting: bool) {
        self.recall.resting = resting && self.tenancy == Tenancy::Shared;
        if resting {
            self.starting = None;
        }
    }

    pub fn is_child_resting(&self) -> bool {
        self.recall.resting && matches!(self.child, Child::Absent { hopeless: None, .. })
    }

    /// Whether anybody would miss the child now: a call or a stream is open, or a task goes on.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && !self.tasks.are_under_way()
            && self.fronts.values().all(|front| front.standing.is_empty())
    }

    /// Whether the child does what nobody else could, in a call or in a task, or is expected to tell somebody who listens of resources they subscribed to.
    /// A stream alone is no work: its reader is told of changed lists when the child is back.
    pub fn is_in_use(&self) -> bool {
        let listens = |who: Subscriber| match who {
            Subscriber::Session(front) => {
                self.fronts.get(&front).is_some_and(|front| !front.standing.is_empty())
            }
            Subscriber::Listen(_) => true,
        };
        self.working > 0
            || self.tasks.are_under_way()
            || self.topics.subscribers().any(listens)
            || self.listens.want_resources()
    }

    /// Says what an order takes, before it is given.
    pub fn need(&self, order: &Order<R>) -> Need {
        match order {
            Order::Call { caller, request, .. }
                if !request.method().is_asked_in(caller.card().version.era()) =>
            {
                Need::Nothing
            }
            Order::Call { request, .. } => self.need_of(request),
            // Whoever subscribed and listens again wants to be told.
            Order::Listen { who, .. } | Order::Attach { who, .. }
                if self.topics.held_by(Subscriber::Session(who.front)) > 0 =>
            {
                Need::Child
            }
            // What a retry belongs to has ended with its child.
            Order::Retry { .. }
            | Order::Listen { .. }
            | Order::Attach { .. }
            | Order::Notify { .. }
            | Order::Answer { .. }
            | Order::Goodbye { .. }
            | Order::Close { .. } => Need::Nothing,
        }
    }

    fn need_of(&self, request: &Frame) -> Need {
        let memory = &self.recall.memory;
        let greeted = self.tenancy == Tenancy::Shared && memory.greeting().is_some();
        let known = match request.method().as_request() {
            RequestRoute::Ping => return Need::Nothing,
            RequestRoute::Initialize
            | RequestRoute::Discover
            | RequestRoute::SetLevel
            | RequestRoute::Unsubscribe => greeted,
            RequestRoute::Forward => {
                greeted
                    && Question::of(request, memory).is_some_and(|it| memory.find(&it).is_some())
            }
            RequestRoute::CallTool
            | RequestRoute::Task
            | RequestRoute::Subscribe
            | RequestRoute::Listen => false,
        };
        if known { Need::Memory } else { Need::Child }
    }

    /// The question a request asks, if its answer is to be remembered.
    pub(super) fn question(&self, request: &Frame) -> Option<Box<Question>> {
        if self.tenancy != Tenancy::Shared {
            return None;
        }
        Question::of(request, &self.recall.memory).map(Box::new)
    }

    /// What the child can do, or could when it was there.
    pub fn known_abilities(&self) -> Option<&Abilities> {
        self.abilities()
            .or_else(|| self.recall.memory.greeting().filter(|_| self.is_child_resting()))
    }

    /// Follows a request that takes no child while that rests. Any other goes on waiting.
    pub(super) fn answer_for_child(&mut self, id: CallId, turn: &mut Turn) {
        if !self.is_child_resting() || self.recall.memory.greeting().is_none() {
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let said = call.question.as_ref().and_then(|it| self.recall.memory.find(it)).cloned();
        let request = call.request.clone();
        let params = || request.as_ref().map(Frame::params).unwrap_or_default();
        call.recalled = true;
        match (call.method.as_request(), said) {
            (RequestRoute::Initialize, _) => self.initialize(id, turn),
            (RequestRoute::Discover, _) => self.introduce(id, turn),
            (RequestRoute::SetLevel, _) => self.set_level(id, &params(), turn),
            (RequestRoute::Unsubscribe, _) => self.leave(id, &params(), turn),
            (RequestRoute::Forward, Some(said)) => self.repeat(id, &said, turn),
            (
                RequestRoute::Forward
                | RequestRoute::Ping
                | RequestRoute::Listen
                | RequestRoute::CallTool
                | RequestRoute::Task
                | RequestRoute::Subscribe,
                _,
            ) => {
                call.recalled = false;
                return;
            }
        }
        // Whoever was told something has to hear that it may have changed.
        if let Child::Absent { before, .. } = &mut self.child {
            *before = true;
        }
    }

    /// Answers with what the child said last.
    fn repeat(&mut self, id: CallId, said: &Said, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let client_id = call.client_id.as_str();
        match said {
            Said::Result(result) => {
                let text = format!(r#"{{"jsonrpc":"2.0","id":{client_id},"result":{result}}}"#);
                let frame = Frame::skim(text.into()).expect("it was read from a message");
                let text = self.as_said(call, &frame);
                self.settle(id, text, Outcome::Result, turn);
            }
            Said::Unknown(error) => {
                let text = format!(r#"{{"jsonrpc":"2.0","id":{client_id},"error":{error}}}"#);
                self.settle(id, Bytes::from(text), Outcome::Error(METHOD_NOT_FOUND), turn);
            }
        }
    }

    /// Remembers the child's answer to a call.
    pub(super) fn learn(&mut self, id: CallId, frame: &Frame, is_final: bool) {
        let question = self.calls.get_mut(&id).and_then(|call| call.question.take());
        let Some(question) = question else { return };
        let Some(payload) = frame.payload() else { return };
        let memory = &mut self.recall.memory;
        let code = || Members::of(payload).get("code").and_then(|code| code.get().parse().ok());
        if !is_final {
            memory.unlearn(&question);
        } else if frame.kind() == Kind::Result && payload.starts_with('{') {
            memory.learn(*question, Said::Result, payload);
        } else if frame.kind() == Kind::Error && code() == Some(METHOD_NOT_FOUND) {
            memory.learn(*question, Said::Unknown, payload);
        } else {
            memory.unlearn(&question);
        }
    }
}
