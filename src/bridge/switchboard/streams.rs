//! Standing streams, streams taken up again, and goodbyes.

use super::telling::{abandon, begin_stream, next_event};
use super::{Reader, Switchboard};
use crate::bridge::call::Path;
use crate::bridge::front::{Front, Standing, Vanish};
use crate::bridge::outlet::{Event, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::timers::Due;
use crate::bridge::turn::{Note, Turn};
use crate::wire::id::{CallId, EventId, FrontId};
use crate::wire::method::Method;

impl<R: Outlet> Switchboard<R> {
    pub(super) fn listen(
        &mut self,
        call: CallId,
        id: FrontId,
        outlet: R,
        vanish: Vanish,
        turn: &mut Turn,
    ) {
        let stream = self.stream_of(call);
        let Some(front) = self.fronts.get_mut(&id) else {
            let _ =
                outlet.offer(Event::Refuse { why: Refusal::SessionGone, id: None }, Weight::Needed);
            return;
        };
        let resumable = Some(&mut *front).filter(|_| vanish == Vanish::Detach);
        let (first, prime) = begin_stream(resumable, stream, &self.limits.log);
        let _ = outlet.offer(Event::Stream { first, prime }, Weight::Needed);
        if front.standing.len() >= Front::<R>::STANDING_MAX {
            let oldest = front.standing.remove(0);
            abandon(front, oldest.stream, turn.now);
        }
        front.standing.push(Standing { stream, call, outlet, vanish });
        self.readers.insert(call, Reader { front: id, stream });
        let unheard: Vec<Method> = front.unheard.take().collect();
        for method in unheard {
            self.tell_front(id, &super::notices::bare_notice(method), Weight::Needed, turn);
        }
        self.ask_again(id, turn);
    }

    pub(super) fn attach(&mut self, call: CallId, id: FrontId, after: EventId, outlet: R) {
        let say_no = |outlet: &R, why| {
            let _ = outlet.offer(Event::Refuse { why, id: None }, Weight::Needed);
        };
        let Some(front) = self.fronts.get_mut(&id) else {
            return say_no(&outlet, Refusal::SessionGone);
        };
        let Some(replay) = front.log.as_mut().and_then(|log| log.replay(after)) else {
            return say_no(&outlet, Refusal::EventGone);
        };
        let _ = outlet.offer(Event::Stream { first: None, prime: false }, Weight::Needed);
        let last = replay.events.len();
        for (n, (id, text)) in replay.events.into_iter().enumerate() {
            let id = Some(id);
            let event = if replay.complete && n + 1 == last {
                Event::Answer { id, text, ok: true }
            } else {
                Event::Message { id, text }
            };
            let _ = outlet.offer(event, Weight::Needed);
        }
        self.readers.insert(call, Reader { front: id, stream: after.stream });
        if replay.complete {
            return;
        }
        let original = CallId(after.stream.0.wrapping_sub(self.stream_base));
        match self.calls.get_mut(&original).map(|call| &mut call.path) {
            Some(Path::Own { outlet: current, reader, .. }) => {
                *current = Some(outlet);
                *reader = call;
            }
            Some(Path::Standing) | None => {
                front.standing.retain(|standing| standing.stream != after.stream);
                let (stream, vanish) = (after.stream, Vanish::Detach);
                front.standing.push(Standing { stream, call, outlet, vanish });
            }
        }
    }

    pub(super) fn goodbye(&mut self, id: CallId, finished: bool, turn: &mut Turn) {
        let reader = self.readers.remove(&id);
        let original = reader.map_or(id, |reader| self.call_of(reader.stream));
        if let Some(call) = self.calls.get_mut(&original) {
            let front = call.front().and_then(|front| self.fronts.get_mut(&front));
            let Path::Own { outlet, stream, reader, .. } = &mut call.path else { return };
            if *reader != id {
                return;
            }
            *outlet = None;
            let stream = *stream;
            let kept = front.is_some_and(|front| {
                abandon(front, stream, turn.now);
                next_event(front, stream).is_some()
            });
            if kept {
                return self.sweep_later(turn.now);
            }
            // Nobody can be given the answer any more; the work may still be worth doing, for a while.
            let orphaned = turn.now + self.limits.orphan_ttl;
            if orphaned < call.deadline {
                call.deadline = orphaned;
                self.timers.set(orphaned, Due::Deadline(id));
            }
            return;
        }
        let Some(Reader { front: front_id, stream }) = reader else { return };
        let Some(front) = self.fronts.get_mut(&front_id) else { return };
        let standing = front.standing.iter().position(|standing| standing.call == id);
        let vanish = standing.map(|place| front.standing.remove(place).vanish);
        if vanish == Some(Vanish::EndSession) {
            self.close(front_id, turn);
            turn.notes.push(Note::FrontGone(front_id));
        } else if finished && vanish.is_none() {
            if let Some(log) = &mut front.log {
                log.forget(stream);
            }
        } else {
            abandon(front, stream, turn.now);
            self.sweep_later(turn.now);
        }
    }

    pub(super) fn close(&mut self, id: FrontId, turn: &mut Turn) {
        let Some(front) = self.fronts.get(&id) else { return };
        let calls: Vec<CallId> = front.calls.iter().map(|(_, call)| *call).collect();
        for call in calls {
            self.cancel(call, turn);
        }
        self.client_left(id, turn);
        for uri in self.topics.forget(id) {
            self.unsubscribe(&uri, turn);
        }
        let Some(front) = self.fronts.remove(&id) else { return };
        for standing in &front.standing {
            self.readers.remove(&standing.call);
        }
        if let Some(count) = self.principals.get_mut(&front.card.principal) {
            *count -= 1;
            if *count == 0 {
                self.principals.remove(&front.card.principal);
            }
        }
        if front.level.is_some() {
            self.raise_level(turn);
        }
    }
}
