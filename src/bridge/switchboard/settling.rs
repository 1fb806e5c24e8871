//! How calls end: answered, refused, cancelled, too late, or lost with their child. Each exactly once.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::telling::{abandon, keep, next_event};
use super::{Child, Reader, Switchboard};
use crate::bridge::call::{Call, Caller, Path, Stage};
use crate::bridge::outlet::{Event, Offer, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::turn::{Note, Outcome, Settled, Turn};
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, Numbered, UpstreamId};
use crate::wire::version::Version;

impl<R: Outlet> Switchboard<R> {
    /// Answers a call. The text is for its client as it stands.
    pub(super) fn settle(&mut self, id: CallId, text: &Bytes, outcome: Outcome, turn: &mut Turn) {
        let Some(mut call) = self.forget(id) else { return };
        self.note(&mut call, text.len(), outcome, turn);
        let front_id = call.front();
        match call.path {
            Path::Standing => {
                if let Some(front) = front_id {
                    self.tell_front(front, text, Weight::Needed, turn);
                }
            }
            Path::Own { outlet, open, stream, reader, .. } => {
                let mut front = front_id.and_then(|front| self.fronts.get_mut(&front));
                let event = match front.as_deref() {
                    Some(front) if open => next_event(front, stream),
                    _ => None,
                };
                let ok = outcome == Outcome::Result;
                let offer = outlet.map_or(Offer::Gone, |outlet| {
                    let answer = Event::Answer { id: event, text: text.clone(), ok };
                    outlet.offer(answer, Weight::Needed)
                });
                let (Some(front), Some(_), Some(front_id)) = (front.as_mut(), event, front_id)
                else {
                    return;
                };
                // Kept until its reader says that it has all of it.
                keep(front, stream, text, &self.limits.log);
                if let Some(log) = &mut front.log {
                    log.complete(stream);
                }
                if offer == Offer::Taken {
                    self.readers.insert(reader, Reader { front: front_id, stream });
                } else {
                    abandon(front, stream, turn.now);
                    self.sweep_later(turn.now);
                }
            }
        }
    }

    /// Settles a call with the bridge's own no. A call that has said nothing yet may still choose its HTTP status.
    pub(super) fn refuse(&mut self, id: CallId, why: Refusal, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let text = why.fault().answer(Some(&call.client_id));
        let cancelled = matches!(why, Refusal::Cancelled);
        let outcome = if cancelled { Outcome::Cancelled } else { Outcome::Refused };
        if let Path::Own { outlet: Some(outlet), open: false, .. } = &call.path
            && !cancelled
        {
            let id_text = Some(call.client_id.clone());
            let _ = outlet.offer(Event::Refuse { why, id: id_text }, Weight::Needed);
            if let Some(mut call) = self.forget(id) {
                self.note(&mut call, text.len(), outcome, turn);
            }
            return;
        }
        self.settle(id, &text, outcome, turn);
    }

    /// Ends a call on its client's wish; the child is told if it has heard of it.
    pub(super) fn cancel(&mut self, id: CallId, turn: &mut Turn) {
        self.tell_child_to_cancel(id, "cancelled by the client", turn);
        self.refuse(id, Refusal::Cancelled, turn);
        self.pump(turn);
    }

    /// A call has reached its deadline, unless that has moved since.
    pub(super) fn late(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.deadline > turn.now {
            let due = crate::bridge::timers::Due::Deadline(id);
            return self.timers.set(call.deadline, due);
        }
        let waited = turn.now.duration_since(call.started);
        if call.state == Stage::Waiting && matches!(self.child, Child::Absent { .. }) {
            let why = format!("it is still starting after {} s (start_wait)", waited.as_secs());
            let refusal = self.no_child(&why.into());
            return self.refuse(id, refusal, turn);
        }
        self.tell_child_to_cancel(id, "it took too long", turn);
        let server = self.limits.server.clone();
        self.refuse(id, Refusal::TimedOut { server, after: waited }, turn);
        self.pump(turn);
    }

    /// The process is gone, or is about to be and says nothing more. Reads that are safe to repeat wait for its successor,
    /// everything else is answered now.
    pub fn gone(&mut self, why: &Arc<str>, turn: &mut Turn) {
        if matches!(self.child, Child::Ready { .. }) {
            self.child = Child::Absent { hopeless: None, before: true };
        }
        self.child_level = None;
        self.topics.lost();
        self.lose_asks(turn);

        let mut flying: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| call.state == Stage::Flying)
            .map(|(id, _)| *id)
            .collect();
        flying.sort_unstable();
        for id in flying.into_iter().rev() {
            if self.wait_again(id, turn.now) {
                continue;
            }
            let server = self.limits.server.clone();
            self.refuse(id, Refusal::ChildGone { server, why: Arc::clone(why) }, turn);
        }
    }

    /// Puts a repeatable call that nobody has heard of back to the head of the queue.
    fn wait_again(&mut self, id: CallId, now: Instant) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let silent = !matches!(&call.path, Path::Own { outlet: None, .. });
        if call.repeated || call.request.is_none() || !silent {
            return false;
        }
        call.repeated = true;
        call.state = Stage::Waiting;
        call.deadline = now + self.limits.start_wait;
        self.timers.set(call.deadline, crate::bridge::timers::Due::Deadline(id));
        self.flying -= 1;
        self.waiting.push_front(id);
        true
    }

    pub(super) fn no_child(&self, why: &Arc<str>) -> Refusal {
        Refusal::NoChild { server: self.limits.server.clone(), why: Arc::clone(why) }
    }

    fn tell_child_to_cancel(&mut self, id: CallId, reason: &str, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.state != Stage::Flying || matches!(self.child, Child::Absent { .. }) {
            return;
        }
        let id = UpstreamId::call(id, call.repeated).0;
        turn.send(
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"{reason}"}}}}"#
            )
            .into(),
        );
    }

    /// Takes a call out of all tables.
    fn forget(&mut self, id: CallId) -> Option<Call<R>> {
        let call = self.calls.remove(&id)?;
        match call.state {
            Stage::Flying => self.flying -= 1,
            Stage::Waiting => self.waiting.retain(|waiting| *waiting != id),
            Stage::Joining => {}
        }
        if let Some(front) = call.front().and_then(|front| self.fronts.get_mut(&front)) {
            front.calls.retain(|(_, call)| *call != id);
        }
        Some(call)
    }

    /// Writes down the end of a call, whose name is needed nowhere else.
    fn note(&self, call: &mut Call<R>, bytes: usize, outcome: Outcome, turn: &mut Turn) {
        let card = match &call.caller {
            Caller::Implicit(card) => Some(card),
            Caller::Front(front) => self.fronts.get(front).map(|front| &front.card),
        };
        turn.notes.push(Note::Settled(Box::new(Settled {
            method: call.method,
            name: std::mem::take(&mut call.name),
            client: card.map_or_else(|| "".into(), |card| Arc::clone(&card.client)),
            version: card.map_or(Version::ASSUMED, |card| card.version),
            outcome,
            took: turn.now.duration_since(call.started),
            bytes,
        })));
    }

    /// The child answered the request with this number, but what it said cannot be passed on.
    pub fn spoilt(&mut self, number: u64, why: Refusal, turn: &mut Turn) {
        let Some(Numbered::Call { call, repeated }) = UpstreamId(number).read() else { return };
        let flying = |c: &Call<R>| c.state == Stage::Flying && c.repeated == repeated;
        if self.calls.get(&call).is_some_and(flying) {
            self.refuse(call, why, turn);
            self.pump(turn);
        }
    }

    /// Settles everything: the slot is closed and no child will come.
    pub fn shut(&mut self, why: &Refusal, turn: &mut Turn) {
        let mut all: Vec<CallId> = self.calls.keys().copied().collect();
        all.sort_unstable();
        for id in all {
            self.refuse(id, why.clone(), turn);
        }
        for front in self.fronts.values_mut() {
            front.standing.clear();
        }
    }

    /// The request a call still has to send.
    pub(super) fn request_of(&mut self, id: CallId) -> Option<Frame> {
        let call = self.calls.get_mut(&id)?;
        if call.method.repeatable() && !call.repeated {
            return call.request.clone();
        }
        call.request.take()
    }
}
