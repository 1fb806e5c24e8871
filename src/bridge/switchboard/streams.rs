//! Standing streams, streams taken up again, and goodbyes.

use super::{Reader, Switchboard};
use crate::bridge::call::{Path, Stage};
use crate::bridge::front::{Front, Standing, Vanish, Who};
use crate::bridge::outlet::{Event, Offer, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::stream_log::Replay;
use crate::bridge::timers::Due;
use crate::bridge::turn::{Note, Turn};
use crate::wire::id::{CallId, EventId, FrontId};
use crate::wire::method::Method;

impl<R: Outlet> Switchboard<R> {
    pub(super) fn listen(
        &mut self,
        call: CallId,
        who: &Who,
        outlet: R,
        vanish: Vanish,
        turn: &mut Turn,
    ) {
        let (id, stream) = (who.front, self.stream_of(call, true));
        if let Err(why) = self.enter(who) {
            let _ = outlet.offer(Event::Refuse { why, id: None }, Weight::Needed);
            return;
        }
        let resumable = self.fronts.get_mut(&id).filter(|_| vanish == Vanish::Detach);
        let (first, prime) = self.kept.begin(resumable, stream, &self.limits.log);
        if outlet.offer(Event::Stream { first, prime }, Weight::Needed) != Offer::Taken {
            self.abandon(id, stream, turn.now);
            if vanish == Vanish::EndSession {
                self.ended.push(id);
            }
            return;
        }
        self.stand(id, Standing { stream, call, outlet, vanish }, turn);
    }

    /// Adds a standing stream to those of its session, and tells on it what waited for one.
    fn stand(&mut self, id: FrontId, standing: Standing<R>, turn: &mut Turn) {
        let Some(front) = self.fronts.get_mut(&id) else { return };
        if let Some(place) = front.standing.iter().position(|s| s.stream == standing.stream) {
            let before = front.standing.remove(place);
            self.readers.remove(&before.call);
        }
        self.readers.insert(standing.call, Reader { front: id, stream: standing.stream });
        // Most have this one and no other.
        front.standing.reserve_exact(1);
        front.standing.push(standing);
        let unheard: Vec<Method> = front.unheard.take().collect();
        if front.standing.len() > Front::<R>::STANDING_MAX {
            let oldest = front.standing.remove(0);
            self.readers.remove(&oldest.call);
            self.abandon(id, oldest.stream, turn.now);
        }
        for method in unheard {
            self.tell_front(id, &super::notices::bare_notice(method), Weight::Needed, turn);
        }
        self.ask_again(id, turn);
    }

    pub(super) fn attach(
        &mut self,
        call: CallId,
        who: &Who,
        after: EventId,
        outlet: R,
        turn: &mut Turn,
    ) {
        // What stood before a restart stands again. What was said between is not known here, so all lists count as changed.
        if after.stream.stands() && self.is_foreign(after.stream) {
            return self.listen(call, who, outlet, Vanish::Detach, turn);
        }
        let id = who.front;
        let say_no = |outlet: &R, why| {
            let _ = outlet.offer(Event::Refuse { why, id: None }, Weight::Needed);
        };
        if self.closed_early.contains(&id) {
            return say_no(&outlet, Refusal::SessionGone);
        }
        let original = self.call_of(after.stream);
        let log = self.fronts.get_mut(&id).and_then(|front| front.log.as_mut());
        let Some(replay) = log.and_then(|log| log.replay(after)) else {
            return say_no(&outlet, Refusal::EventGone);
        };
        let stream = after.stream;
        let is_complete = replay.complete;
        if !is_read(&outlet, after, replay) {
            // It has the beginning, and comes back for the rest.
            return self.abandon(id, stream, turn.now);
        }
        if !is_complete && !self.calls.contains_key(&original) {
            return self.stand(id, Standing { stream, call, outlet, vanish: Vanish::Detach }, turn);
        }
        if let Some(running) = self.calls.get_mut(&original) {
            running.vanished = None;
            if let Path::Own { outlet: current, reader, .. } = &mut running.path {
                *current = Some(outlet);
                let before = std::mem::replace(reader, call);
                self.readers.remove(&before);
            }
        }
        self.readers.insert(call, Reader { front: id, stream });
    }

    pub(super) fn goodbye(&mut self, id: CallId, finished: bool, turn: &mut Turn) {
        let reader = self.readers.remove(&id);
        let resumed = self.resumed.remove(&id);
        let of_stream = reader.map(|reader| self.call_of(reader.stream));
        let original = of_stream.or(resumed).unwrap_or(id);
        if let Some(call) = self.calls.get_mut(&original) {
            let (front, is_modern, state) = (call.front(), call.is_modern(), call.state);
            let Path::Own { outlet, stream, reader, .. } = &mut call.path else { return };
            if *reader != id {
                return;
            }
            *outlet = None;
            if state == Stage::Suspended {
                // Whoever left with the questions may come back; whoever left without them cannot.
                if !finished {
                    self.expire(original, turn);
                }
                return;
            }
            // Without a session nobody can come back for it: leaving is how such a client cancels.
            if is_modern {
                return self.cancel(original, turn);
            }
            // The work may still be worth doing for a while, be it that the client comes back or not.
            call.vanished.get_or_insert(turn.now);
            let stream = *stream;
            self.timers.set(turn.now + self.limits.orphan_ttl, Due::Deadline(original));
            if let Some(front) = front {
                self.abandon(front, stream, turn.now);
            }
            return;
        }
        let Some(Reader { front: front_id, stream }) = reader else { return };
        let Some(front) = self.fronts.get_mut(&front_id) else { return };
        let standing = front.standing.iter().position(|standing| standing.call == id);
        let vanish = standing.map(|place| front.standing.remove(place).vanish);
        if vanish == Some(Vanish::EndSession) {
            return self.ended.push(front_id);
        }
        match &mut front.log {
            Some(log) if finished && log.is_complete(stream) => {
                self.kept.count(log, |log| log.forget(stream));
            }
            Some(_) | None => self.abandon(front_id, stream, turn.now),
        }
        self.rest(front_id);
    }

    /// Ends a turn: closes the fronts whose only stream broke in it, and keeps no more than there may be.
    pub(super) fn bury(&mut self, turn: &mut Turn) {
        while let Some(front) = self.ended.pop() {
            if self.fronts.contains_key(&front) {
                self.close(front, turn);
                turn.notes.push(Note::FrontGone(front));
            }
        }
        self.shed(turn);
    }
}

/// Offers what a returning reader missed. False if it did not take all of it.
fn is_read<R: Outlet>(outlet: &R, after: EventId, replay: Replay) -> bool {
    let opening = Event::Stream { first: Some(after), prime: false };
    let last = replay.events.len();
    let events = replay.events.into_iter().enumerate().map(|(n, (id, text))| {
        let id = Some(id);
        if replay.complete && n + 1 == last {
            Event::Answer { id, text: text.into(), error: None }
        } else {
            Event::Message { id, text }
        }
    });
    std::iter::once(opening)
        .chain(events)
        .all(|event| outlet.offer(event, Weight::Needed) == Offer::Taken)
}
