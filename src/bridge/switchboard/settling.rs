//! How calls end: answered, refused, cancelled, too late, or lost with their child. Each exactly once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Child, Reader, Switchboard};
use crate::bridge::call::{Call, Offer as TaskOffer, Path, Stage};
use crate::bridge::front::Parties;
use crate::bridge::outlet::{Event, Offer, Outlet, Weight};
use crate::bridge::queue::Party;
use crate::bridge::refusal::Refusal;
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Note, Outcome, Settled, Turn};
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, EventId, Flight, FrontId, Numbered, UpstreamId};
use crate::wire::text::Text;

/// How long after the last call that wanted more log messages the child is told that fewer will do.
const LOWERED_AFTER: Duration = Duration::from_secs(5);

/// A longer request is not kept to be repeated.
const REPEATED_MAX: usize = 64 << 10;

impl<R: Outlet> Switchboard<R> {
    /// Answers a call. The text is for its client as it stands.
    pub(super) fn settle(
        &mut self,
        id: CallId,
        text: impl Into<Text>,
        outcome: Outcome,
        turn: &mut Turn,
    ) {
        let mut text: Text = text.into();
        self.tell_progress_last(id, turn);
        let Some((front, path)) = self.forget(id, text.len(), outcome, turn) else { return };
        match path {
            Path::Standing => {
                if let Some(front) = front {
                    self.tell_front(front, text.join(), Weight::Needed, turn);
                }
            }
            Path::Own { outlet, open, stream, reader, .. } => {
                let by = front.filter(|_| open).map(|front| Reader { front, stream });
                // Kept until its reader says that it has all of it.
                let kept = by.and_then(|by| Some((by, self.keep_answer(by, &mut text)?)));
                let offer = outlet.map_or(Offer::Gone, |outlet| {
                    let id = kept.map(|(_, id)| id);
                    let error = outcome.code();
                    outlet.offer(Event::Answer { id, text, error }, Weight::Needed)
                });
                if !self.readers.is_empty() {
                    self.readers.remove(&reader);
                }
                match kept {
                    Some((by, _)) if offer == Offer::Taken => {
                        self.readers.insert(reader, by);
                    }
                    Some((by, _)) => self.abandon(by.front, by.stream, turn.now),
                    None => {}
                }
            }
        }
        if let Some(front) = front {
            self.rest(front);
        }
        self.release_asks(turn);
    }

    /// Keeps a response where its client may come back for it.
    fn keep_answer(&mut self, by: Reader, text: &mut Text) -> Option<EventId> {
        let front = self.fronts.get_mut(&by.front)?;
        front.log.as_ref()?;
        let id = self.kept.keep(front, by.stream, text.join(), &self.limits.log)?;
        if let Some(log) = &mut front.log {
            log.complete(by.stream);
        }
        Some(id)
    }

    /// Settles a call with the bridge's own no. A call that has said nothing yet may still choose its HTTP status.
    pub(super) fn refuse(&mut self, id: CallId, why: Refusal, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let text = why.fault().answer(Some(&call.client_id));
        if matches!(why, Refusal::Cancelled) {
            return self.settle(id, text, Outcome::Cancelled, turn);
        }
        let Path::Own { outlet: Some(outlet), open: false, .. } = &call.path else {
            return self.settle(id, text, Outcome::Refused, turn);
        };
        let refusal = Event::Refuse { why, id: Some(call.client_id.clone()) };
        let _ = outlet.offer(refusal, Weight::Needed);
        let front = call.front();
        self.forget(id, text.len(), Outcome::Refused, turn);
        if let Some(front) = front {
            self.rest(front);
        }
        self.release_asks(turn);
    }

    /// Ends a call on its client's wish; the child is told if it has heard of it.
    pub(super) fn cancel(&mut self, id: CallId, turn: &mut Turn) {
        self.end(id, turn);
        self.pump(turn);
    }

    /// Cancels a call and leaves its place free.
    pub(super) fn end(&mut self, id: CallId, turn: &mut Turn) {
        self.tell_child_to_cancel(id, "cancelled by the client", turn);
        self.refuse(id, Refusal::Cancelled, turn);
    }

    /// A call has reached its deadline, unless that has moved since.
    pub(super) fn late(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let ends = call.ends(self.limits.orphan_ttl);
        if ends > turn.now {
            return self.timers.set(ends, Due::Deadline(id));
        }
        match call.state {
            Stage::Suspended => return self.expire(id, turn),
            // Of one whose client has gone nobody would answer the rest.
            Stage::Asking
                if call.deadline <= turn.now
                    && call.started + self.limits.request_timeout_max > call.deadline =>
            {
                return self.round_unanswered(id, turn);
            }
            Stage::Waiting
            | Stage::Flying
            | Stage::Listening
            | Stage::Returning
            | Stage::Asking
            | Stage::Absorbed
            | Stage::Joining => {}
        }
        if call.deadline > turn.now {
            self.tell_child_to_cancel(id, "its client is gone", turn);
            self.refuse(id, Refusal::Cancelled, turn);
            return self.pump(turn);
        }
        let after = turn.now.duration_since(call.started);
        if matches!(self.child, Child::Absent { .. }) {
            let refusal = self.still_absent(call.started, turn.now);
            return self.refuse(id, refusal, turn);
        }
        self.tell_child_to_cancel(id, "it took too long", turn);
        let server = self.limits.server.clone();
        self.refuse(id, Refusal::TimedOut { server, after }, turn);
        self.pump(turn);
    }

    /// The process is gone, or is about to be and says nothing more. Reads that are safe to repeat wait for its successor,
    /// everything else is answered now.
    pub fn gone(&mut self, why: &Arc<str>, turn: &mut Turn) {
        let was_ready = matches!(self.child, Child::Ready { .. });
        if was_ready {
            self.child = Child::Absent { hopeless: None, before: true };
            self.starting = None;
        }
        self.child_level = None;
        // The next child has said nothing yet that could be meant for one who has gone.
        self.parties = Parties::default();
        for front in self.fronts.values() {
            self.parties.add(&front.card.principal);
        }
        for call in self.calls.values() {
            self.parties.add(&call.card().principal);
        }
        self.topics.lost();
        self.tasks.lose_all();
        self.ears = super::hearing::Ears::default();
        self.lose_asks(why, turn);

        let mut flying: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| matches!(call.state, Stage::Flying | Stage::Absorbed))
            .map(|(id, _)| *id)
            .collect();
        flying.sort_unstable();
        for id in flying.into_iter().rev() {
            if self.wait_again(id) {
                continue;
            }
            let server = self.limits.server.clone();
            self.refuse(id, Refusal::ChildGone { server, why: Arc::clone(why) }, turn);
        }
        if was_ready {
            self.give_time(self.limits.start_wait, turn.now);
        }
        self.bury(turn);
    }

    /// Puts a repeatable call that nobody has heard of back to the head of the queue.
    fn wait_again(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let silent = !matches!(&call.path, Path::Own { outlet: None, .. });
        // Whoever was asked something has heard of it. A request may also be kept for other reasons than to be repeated.
        let asked = call.rounds.as_ref().is_some_and(|rounds| rounds.count > 0);
        let repeats = call.method.repeatable() && !call.repeated && !asked;
        if !repeats || call.request.is_none() || !silent {
            return false;
        }
        call.rounds = None;
        call.repeated = true;
        call.flight = call.flight.next();
        call.state = Stage::Waiting;
        self.flying -= 1;
        let bytes = call.request.as_ref().map_or(0, |request| request.text().len());
        let party = Party::of(&call.caller);
        self.waiting.push_first(id, party, bytes);
        true
    }

    /// Whoever is not settled now waits so long for what is to come: a child, or a place at it.
    pub(super) fn give_time(&mut self, time: Duration, now: Instant) {
        for (id, call) in &mut self.calls {
            if matches!(call.state, Stage::Waiting | Stage::Joining) {
                call.deadline = (now + time).min(call.started + self.limits.request_timeout_max);
                self.timers.set(call.deadline, Due::Deadline(*id));
            }
        }
    }

    pub(super) fn no_child(&self, why: &Arc<str>) -> Refusal {
        Refusal::NoChild { server: self.limits.server.clone(), why: Arc::clone(why) }
    }

    pub(super) fn tell_child_to_cancel(&mut self, id: CallId, reason: &str, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.absorbed.is_some() {
            return self.drop_absorbed(id, turn);
        }
        let knows = match call.state {
            Stage::Flying | Stage::Returning => true,
            Stage::Suspended => call.rounds.as_ref().is_none_or(|rounds| rounds.said.is_none()),
            // To a child with a handshake it was never told of.
            Stage::Listening => self.is_child_modern(),
            Stage::Waiting | Stage::Joining | Stage::Asking | Stage::Absorbed => false,
        };
        if !knows || matches!(self.child, Child::Absent { .. }) {
            return;
        }
        turn.send(cancel(UpstreamId::call(id, call.flight), reason));
    }

    /// Takes a call out of all tables and notes its end. What is left of it is its front, and the way to its client.
    pub(super) fn forget(
        &mut self,
        id: CallId,
        bytes: usize,
        outcome: Outcome,
        turn: &mut Turn,
    ) -> Option<(Option<FrontId>, Path<R>)> {
        let mut call = self.calls.remove(&id)?;
        if call.state == Stage::Asking {
            // There may still be a stream to say it on.
            self.calls.insert(id, call);
            self.take_back_round(id, turn);
            call = self.calls.remove(&id)?;
        }
        self.working -= usize::from(call.works);
        match call.state {
            Stage::Flying => self.flying -= 1,
            Stage::Waiting | Stage::Returning => self.waiting.remove(id),
            Stage::Joining => self.topics.settled(id),
            Stage::Listening => self.close_listen(id, turn),
            Stage::Suspended | Stage::Asking | Stage::Absorbed => {}
        }
        if let Path::Own { reader, .. } = &call.path
            && !self.resumed.is_empty()
        {
            self.resumed.remove(reader);
        }
        if let Some(rounds) = call.rounds.take() {
            self.drop_rounds(*rounds, turn);
        }
        if call.level.is_some() && !std::mem::replace(&mut self.lowering, true) {
            self.timers.set(turn.now + LOWERED_AFTER, Due::Level);
        }
        let front = call.front();
        if let Some(front) = front.and_then(|front| self.fronts.get_mut(&front)) {
            front.calls.retain(|(_, call)| *call != id);
        }
        let Call { method, name, caller, recalled, started, path, .. } = *call;
        let took = turn.now.duration_since(started);
        let settled = Settled { method, name, caller, outcome, recalled, took, bytes };
        turn.notes.push(Note::Settled(settled));
        Some((front, path))
    }

    /// The child answered the request with this number, but what it said cannot be passed on.
    pub fn spoilt(&mut self, number: u64, why: Refusal, turn: &mut Turn) {
        match UpstreamId(number).read() {
            Some(Numbered::Call { call, flight })
                if self.is_flying(call, flight) || self.is_suspended(call, flight) =>
            {
                self.refuse(call, why, turn);
            }
            Some(Numbered::Own(serial)) if self.absorbed_spoilt(serial, &why, turn) => {}
            Some(Numbered::Own(serial)) if self.ears_shut(serial, false, turn) => {}
            Some(Numbered::Own(serial)) => {
                let uri = self.topics.of(serial).map(Box::<str>::from).unwrap_or_default();
                for call in self.topics.decided(serial, false).unwrap_or_default().calls {
                    if !self.listen_decided(call, false, &uri, turn) {
                        self.refuse(call, why.clone(), turn);
                    }
                }
            }
            Some(Numbered::Call { .. }) | None => turn.dropped(Dropped::StrayAnswer),
        }
        self.pump(turn);
        self.bury(turn);
    }

    /// Whether a call is at the child under this number, and not under another one.
    pub(super) fn is_flying(&self, id: CallId, flight: Flight) -> bool {
        let call = self.calls.get(&id);
        call.is_some_and(|call| {
            let is_there = match call.state {
                Stage::Flying | Stage::Returning => true,
                Stage::Listening => self.is_child_modern(),
                Stage::Waiting
                | Stage::Suspended
                | Stage::Asking
                | Stage::Absorbed
                | Stage::Joining => false,
            };
            is_there && call.flight == flight
        })
    }

    /// Whether a call of this number waits for its client to come back, and the child works on it.
    pub(super) fn is_suspended(&self, id: CallId, flight: Flight) -> bool {
        let call = self.calls.get(&id);
        call.is_some_and(|call| {
            let has_said = call.rounds.as_ref().is_some_and(|rounds| rounds.said.is_some());
            call.state == Stage::Suspended && call.flight == flight && !has_said
        })
    }

    /// Settles everything: the slot is closed and no child will come.
    pub fn shut(&mut self, why: &Refusal, turn: &mut Turn) {
        self.hang_up(turn);
        let mut all: Vec<CallId> = self.calls.keys().copied().collect();
        all.sort_unstable();
        for id in all {
            self.refuse(id, why.clone(), turn);
        }
        for front in self.fronts.values_mut() {
            front.standing.clear();
        }
        self.bury(turn);
    }

    /// The request a call still has to send.
    pub(super) fn request_of(&mut self, id: CallId) -> Option<Frame> {
        let is_child_modern = self.is_child_modern();
        let may_offer = self.may_offer_task(id);
        let call = self.calls.get_mut(&id)?;
        let short = call.request.as_ref().is_some_and(|r| r.text().len() <= REPEATED_MAX);
        // One that may ask its client something is sent again with the answers, and one that may become a task without that.
        let loops = is_child_modern && call.method.may_ask() && !call.is_modern();
        let comes_again = loops || (may_offer && call.offer == TaskOffer::None);
        if comes_again || (call.method.repeatable() && !call.repeated && short) {
            return call.request.clone();
        }
        call.request.take()
    }
}

/// Takes a request back from the child.
pub(super) fn cancel(id: UpstreamId, reason: &str) -> Bytes {
    let id = id.0;
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"{reason}"}}}}"#
    )
    .into()
}
