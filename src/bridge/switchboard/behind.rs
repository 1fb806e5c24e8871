//! Readers that are behind. The child never waits for them, and what it says must not pile up either.
//!
//! Of progress the newest is kept for each call, of changed lists one word for each kind, and both are told as soon as there is
//! room. Log messages are let go and counted. Answers and questions have room of their own, see [`Weight`].

use std::time::Duration;

use bytes::Bytes;

use super::Switchboard;
use super::notices::bare_notice;
use super::telling::Told;
use crate::bridge::call::Path;
use crate::bridge::outlet::{Outlet, Weight};
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::id::{CallId, FrontId};
use crate::wire::method::Method;

/// How soon it is tried again to tell a reader that is behind. It does not say when it has read something: that would cost
/// every reader for the sake of the few.
const AGAIN: Duration = Duration::from_millis(250);

/// Longer progress is not kept for a reader that is behind.
const PROGRESS_MAX: usize = 64 << 10;

impl<R: Outlet> Switchboard<R> {
    /// Tells a call's client how far it has come, now or as soon as there is room.
    pub(super) fn tell_progress(&mut self, id: CallId, text: Bytes, turn: &mut Turn) {
        let before = self.calls.get_mut(&id).and_then(|call| call.behind.take());
        if before.is_some() {
            turn.dropped(Dropped::SlowClient);
        }
        match self.tell_about(id, &text, turn) {
            Told::Yes => {}
            Told::Late => self.tell_later(id, text, before.is_some(), turn),
            Told::Nowhere => turn.dropped(Dropped::Unheard),
        }
    }

    fn tell_later(&mut self, id: CallId, text: Bytes, is_due: bool, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id).filter(|_| text.len() <= PROGRESS_MAX) else {
            return turn.dropped(Dropped::SlowClient);
        };
        call.behind = Some(text);
        if !is_due {
            self.timers.set(turn.now + AGAIN, Due::Progress(id));
        }
    }

    pub(super) fn tell_progress_again(&mut self, id: CallId, turn: &mut Turn) {
        let Some(text) = self.calls.get_mut(&id).and_then(|call| call.behind.take()) else {
            return;
        };
        match self.tell_about(id, &text, turn) {
            Told::Yes => {}
            Told::Late => self.tell_later(id, text, false, turn),
            Told::Nowhere => turn.dropped(Dropped::Unheard),
        }
    }

    /// The call is about to be answered: its last progress goes before that. On a stream of its own there is room for both.
    pub(super) fn tell_progress_last(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(text) = call.behind.take() else { return };
        let weight = match &call.path {
            Path::Own { .. } => Weight::Needed,
            Path::Standing => Weight::Droppable,
        };
        if self.put_on_call(id, &text, weight, turn) != Told::Yes {
            turn.dropped(Dropped::SlowClient);
        }
    }

    /// Tells every session once that a list has changed, or remembers to.
    pub(super) fn announce(&mut self, method: Method, text: &Bytes, turn: &mut Turn) {
        self.tell_listens(method, turn);
        let fronts = self.fronts.keys().copied().collect();
        self.announce_to(fronts, method, text, turn);
    }

    pub(super) fn announce_to(
        &mut self,
        mut fronts: Vec<FrontId>,
        method: Method,
        text: &Bytes,
        turn: &mut Turn,
    ) {
        self.changed.note(method, turn.now);
        fronts.retain(|id| self.fronts.get(id).is_some_and(|front| front.card.hears));
        fronts.sort_unstable();
        for id in fronts {
            self.tell_change(id, method, text, turn);
        }
    }

    fn tell_change(&mut self, id: FrontId, method: Method, text: &Bytes, turn: &mut Turn) {
        let told = self.put_on_front(id, text, Weight::Droppable, turn);
        let Some(front) = self.fronts.get_mut(&id) else { return };
        if told == Told::Yes {
            return front.unheard.remove(method);
        }
        front.unheard.add(method);
        if told == Told::Late && !std::mem::replace(&mut front.is_behind, true) {
            self.timers.set(turn.now + AGAIN, Due::Changes(id));
        }
    }

    pub(super) fn tell_changes_again(&mut self, id: FrontId, turn: &mut Turn) {
        let Some(front) = self.fronts.get_mut(&id) else { return };
        front.is_behind = false;
        let unheard: Vec<Method> = front.unheard.take().collect();
        for method in unheard {
            self.tell_change(id, method, &bare_notice(method), turn);
        }
    }
}
