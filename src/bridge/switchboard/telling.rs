//! The ways to a client: the answer of its own call, or its standing stream.

use bytes::Bytes;

use super::Switchboard;
use super::keeping::Kept;
use crate::bridge::call::{Call, Path};
use crate::bridge::front::{Front, Vanish};
use crate::bridge::outlet::{Event, Offer, Outlet, Weight};
use crate::bridge::stream_log::Bounds;
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::id::{CallId, EventId, FrontId, StreamId};

/// What became of a message for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    /// Its reader has no room for what it can do without.
    Late,
    Nowhere,
}

impl<R: Outlet> Switchboard<R> {
    /// A silent call's answer becomes an event stream, so that proxies and impatient clients see life.
    pub(super) fn commit(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let front = call.front().and_then(|front| self.fronts.get_mut(&front));
        open_stream(call, front, &self.limits.log, &mut self.kept);
    }

    /// Puts a message on the answer of a call. False if that answer cannot hold one.
    pub(super) fn tell_call(
        &mut self,
        id: CallId,
        text: &Bytes,
        weight: Weight,
        turn: &mut Turn,
    ) -> bool {
        let told = self.put_on_call(id, text, weight, turn);
        is_told(told, turn)
    }

    /// Puts a message on the newest standing stream of a session. False if it has none that takes it.
    pub(super) fn tell_front(
        &mut self,
        id: FrontId,
        text: &Bytes,
        weight: Weight,
        turn: &mut Turn,
    ) -> bool {
        let told = self.put_on_front(id, text, weight, turn);
        is_told(told, turn)
    }

    pub(super) fn put_on_call(
        &mut self,
        id: CallId,
        text: &Bytes,
        weight: Weight,
        turn: &mut Turn,
    ) -> Told {
        let Some(call) = self.calls.get_mut(&id) else { return Told::Nowhere };
        let front_id = call.front();
        let mut front = front_id.and_then(|front| self.fronts.get_mut(&front));
        open_stream(call, front.as_deref_mut(), &self.limits.log, &mut self.kept);
        match (&mut call.path, front_id) {
            (Path::Standing, Some(front)) => self.put_on_front(front, text, weight, turn),
            (Path::Standing, None) | (Path::Own { streams: false, .. }, _) => Told::Nowhere,
            (Path::Own { outlet, stream, .. }, _) => {
                let stream = *stream;
                let event = front.as_deref().and_then(|front| next_event(front, stream));
                let offer = outlet.as_ref().map_or(Offer::Gone, |outlet| {
                    outlet.offer(Event::Message { id: event, text: text.clone() }, weight)
                });
                match (offer, event) {
                    // A reader is not cut off for what it can do without.
                    (Offer::Full, _) if weight == Weight::Droppable => return Told::Late,
                    (Offer::Full | Offer::Gone, None) => return Told::Nowhere,
                    // The reader is cut off and may come back for what the log holds.
                    (Offer::Full | Offer::Gone, Some(_)) => {
                        *outlet = None;
                        call.vanished.get_or_insert(turn.now);
                    }
                    (Offer::Taken, _) => {}
                }
                if let (Some(front), Some(front_id), Some(_)) = (front, front_id, event) {
                    self.kept.keep(front, stream, text, &self.limits.log);
                    if offer != Offer::Taken {
                        self.abandon(front_id, stream, turn.now);
                        self.timers.set(turn.now + self.limits.orphan_ttl, Due::Deadline(id));
                    }
                }
                Told::Yes
            }
        }
    }

    /// Closes the connection of a call whose client knows how to come back for the rest, as revision 2025-11-25 lets a server do
    /// that does not want to hold one open. For any other client the wish is nothing.
    pub(super) fn cut_off(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(front_id) = call.front() else { return };
        let front = self.fronts.get_mut(&front_id);
        let Some(front) = front.filter(|front| front.card.version.primes()) else { return };
        open_stream(call, Some(front), &self.limits.log, &mut self.kept);
        if let Path::Own { outlet, open: true, stream, .. } = &mut call.path {
            *outlet = None;
            call.vanished.get_or_insert(turn.now);
            let stream = *stream;
            self.abandon(front_id, stream, turn.now);
            self.timers.set(turn.now + self.limits.orphan_ttl, Due::Deadline(id));
        }
    }

    pub(super) fn put_on_front(
        &mut self,
        id: FrontId,
        text: &Bytes,
        weight: Weight,
        turn: &mut Turn,
    ) -> Told {
        loop {
            let Some(front) = self.fronts.get_mut(&id) else { return Told::Nowhere };
            let Some(standing) = front.standing.last() else { return Told::Nowhere };
            let (stream, vanish) = (standing.stream, standing.vanish);
            let event = next_event(front, stream);
            let message = Event::Message { id: event, text: text.clone() };
            match (standing.outlet.offer(message, weight), vanish) {
                (Offer::Taken, _) => {
                    self.kept.keep(front, stream, text, &self.limits.log);
                    return Told::Yes;
                }
                (Offer::Full, _) if weight == Weight::Droppable => return Told::Late,
                // Not closed here: closing tells its calls of their end, which may lead back to this place.
                (Offer::Full | Offer::Gone, Vanish::EndSession) => {
                    front.standing.clear();
                    self.ended.push(id);
                    return Told::Nowhere;
                }
                (offer, Vanish::Detach) => {
                    front.standing.pop();
                    let kept = offer == Offer::Full
                        && event.is_some()
                        && self.kept.keep(front, stream, text, &self.limits.log).is_some();
                    self.abandon(id, stream, turn.now);
                    if kept {
                        return Told::Yes;
                    }
                }
            }
        }
    }
}

/// Whether a message has found its way; one that a slow reader has to do without is counted.
fn is_told(told: Told, turn: &mut Turn) -> bool {
    if told == Told::Late {
        turn.dropped(Dropped::SlowClient);
    }
    told != Told::Nowhere
}

/// Makes the answer of a call an event stream if it can be one and is none yet.
fn open_stream<R: Outlet>(
    call: &mut Call<R>,
    front: Option<&mut Front<R>>,
    bounds: &Bounds,
    kept: &mut Kept,
) {
    let Path::Own { outlet: Some(outlet), streams: true, open, stream, .. } = &mut call.path else {
        return;
    };
    if *open {
        return;
    }
    *open = true;
    let (first, prime) = kept.begin(front, *stream, bounds);
    // A reader that is gone is found out by the next offer.
    let _ = outlet.offer(Event::Stream { first, prime }, Weight::Needed);
}

fn next_event<R>(front: &Front<R>, stream: StreamId) -> Option<EventId> {
    front.log.as_ref()?.next(stream)
}
