//! `subscriptions/listen`: the stream of changes of a client that has no session.
//!
//! On a child of the same era it is a call like any other, only that it has no end: what belongs to it is known by
//! the number it was sent under. On a child with a handshake the bridge is what the client listens to: it knows which lists the
//! child announces, subscribes to the resources for all who want them, and passes on what it hears.

use std::time::Duration;

use bytes::Bytes;

use super::Switchboard;
use super::notices::bare_notice;
use super::telling::Told;
use crate::bridge::call::{Path, Stage};
use crate::bridge::listens::{self, Filter, Listen, Listens};
use crate::bridge::outlet::{Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::timers::Due;
use crate::bridge::topics::{Joined, Subscriber};
use crate::bridge::translate::edits::Edits;
use crate::bridge::turn::{Dropped, Outcome, Turn};
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, Flight, Numbered, RawId, UpstreamId};
use crate::wire::meta::{self, Members, Params};
use crate::wire::method::Method;
use crate::wire::raw::Raw;
use crate::wire::splice::{Patch, Span};
use crate::wire::version::Era;

/// How long the child's word on resources is waited for before a client is told what it will hear of.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(500);

/// A stream of changes is never too late.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl<R: Outlet> Switchboard<R> {
    /// Begins a stream of changes. The child is there.
    pub(super) fn begin_listen(&mut self, id: CallId, request: Frame, turn: &mut Turn) {
        if request.text().len() > Listens::REQUEST_MAX {
            let why = "a request for a stream of changes must not be longer than 64 KiB; open several streams";
            return self.refuse(id, Refusal::BadParams(why), turn);
        }
        let params = request.params();
        let filter = match Filter::read(params.notifications.map(Raw::get)) {
            Ok(filter) => filter,
            Err(why) => return self.refuse(id, Refusal::BadParams(why), turn),
        };
        let Some(call) = self.calls.get(&id) else { return };
        let principal = call.card().principal.clone();
        if let Err(what) = self.listens.may_open(&principal) {
            return self.refuse(id, self.busy(what), turn);
        }
        // Half of what is there for all, at least, is left to others.
        let share = (self.limits.subscriptions_max / 2).max(self.limits.subscriptions_per_front);
        if self.listens.resources_of(&principal) + filter.resources.len() > share {
            let refusal = self.busy("this client's streams subscribe to too many resources");
            return self.refuse(id, refusal, turn);
        }
        if filter.resources.len() + filter.tasks.len() > self.limits.subscriptions_per_front {
            let refusal = self.busy("one stream subscribes to too many resources and tasks");
            return self.refuse(id, refusal, turn);
        }
        let tasks = self.own_tasks(id, &filter.tasks);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !matches!(&call.path, Path::Own { streams: true, .. }) {
            return self.refuse(id, Refusal::NeedsStream, turn);
        }
        call.state = Stage::Listening;
        call.deadline = turn.now + NEVER;
        let listen = Listen {
            id: call.client_id.clone(),
            principal,
            asked: filter.lists,
            lists: filter.lists,
            resources: filter.resources.iter().map(|uri| uri.as_ref().into()).collect(),
            tasks,
            undecided: 0,
            acknowledged: false,
            confirmed: false,
        };
        call.request = Some(request);
        self.listens.open(id, listen);
        self.connect_listen(id, turn);
    }

    /// Brings a stream of changes to the child that is there now, be that of the era of the last or not.
    pub(super) fn connect_listen(&mut self, id: CallId, turn: &mut Turn) {
        let Some(abilities) = self.abilities() else { return };
        if abilities.era == Era::Modern {
            return self.pass_listen_on(id, turn);
        }
        let (lists, subscribes) = (abilities.lists, abilities.subscribes);
        let Some(listen) = self.listens.get_mut(id) else { return };
        listen.undecided = 0;
        let told = listen.acknowledged;
        if !told {
            listen.lists = listen.asked.common(lists);
        }
        let wanted = listen.resources.clone();
        let mut honoured = Vec::new();
        for uri in wanted.into_iter().filter(|_| subscribes) {
            let is_known = self.topics.contains(&uri);
            if !is_known && self.topics.len() >= self.limits.subscriptions_max {
                turn.dropped(Dropped::Unwanted);
                continue;
            }
            let joined = self.topics.join(&uri, Subscriber::Listen(id), id);
            if joined != Joined::AtOnce
                && let Some(listen) = self.listens.get_mut(id)
            {
                listen.undecided += 1;
            }
            if joined == Joined::Ask {
                self.subscribe(&uri, turn);
            }
            honoured.push(uri);
        }
        let Some(listen) = self.listens.get_mut(id).filter(|_| !told) else { return };
        listen.resources = honoured;
        if listen.undecided == 0 {
            self.acknowledge(id, turn);
        } else {
            self.timers.set(turn.now + ACKNOWLEDGE_AFTER, Due::Acknowledge(id));
        }
    }

    /// To a child of the same era it is a request like any other.
    fn pass_listen_on(&mut self, id: CallId, turn: &mut Turn) {
        let Some(listen) = self.listens.get_mut(id) else { return };
        listen.confirmed = false;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(request) = call.request.clone() else { return };
        call.flight = call.flight.next();
        let mut digits = [0; 20];
        let digits = UpstreamId::call(id, call.flight).digits(&mut digits);
        let mut edits = Edits::new();
        edits.push(request.id_span().expect("requests have ids"), digits);
        if let Some(at) = call.token_at {
            // It could be the number of another's call.
            edits.push(at, digits);
        }
        self.rename_in_filter(id, &request, &mut edits);
        let text = edits.splice(&request);
        self.send_request(text, turn);
    }

    /// The child's word on a resource that a stream wants to hear of. False if this is no such stream.
    pub(super) fn listen_decided(
        &mut self,
        id: CallId,
        accepted: bool,
        uri: &str,
        turn: &mut Turn,
    ) -> bool {
        let Some(listen) = self.listens.get_mut(id) else { return false };
        listen.undecided = listen.undecided.saturating_sub(1);
        if !accepted && !listen.acknowledged {
            listen.resources.retain(|other| **other != *uri);
        }
        if listen.undecided == 0 {
            self.acknowledge(id, turn);
        }
        true
    }

    /// Tells a client what it will hear of, once. A child of its own era says that itself.
    pub(super) fn acknowledge(&mut self, id: CallId, turn: &mut Turn) {
        if self.is_child_modern() {
            return;
        }
        let Some(listen) = self.listens.get_mut(id) else { return };
        if !std::mem::replace(&mut listen.acknowledged, true) {
            let text = listen.acknowledgement();
            self.tell_listen(id, &text, turn);
        }
    }

    /// Says something on a stream of changes. One whose reader does not keep up ends: its client opens another.
    fn tell_listen(&mut self, id: CallId, text: &Bytes, turn: &mut Turn) {
        if self.put_on_call(id, text, Weight::Needed, turn) != Told::Yes {
            turn.dropped(Dropped::SlowClient);
            self.end_listen(id, turn);
        }
    }

    /// Tells all streams that want to hear of it that a list has changed.
    pub(super) fn tell_listens(&mut self, method: Method, turn: &mut Turn) {
        let is_told_by_child = self.abilities().is_some_and(|child| child.era == Era::Modern);
        if is_told_by_child {
            return;
        }
        for (call, id) in self.listens.of_list(method) {
            let text = stamped(&bare_notice(method), &id);
            self.tell_listen(call, &text, turn);
        }
    }

    /// Tells one stream something that its child said.
    pub(super) fn pass_to_listen(&mut self, call: CallId, text: &Bytes, turn: &mut Turn) {
        let Some(listen) = self.listens.get_mut(call).filter(|listen| listen.acknowledged) else {
            return turn.dropped(Dropped::Unheard);
        };
        let text = stamped(text, &listen.id);
        self.tell_listen(call, &text, turn);
    }

    /// What a child of the newer era says on a stream of changes, ours or a client's.
    pub(super) fn heard_on_stream(&mut self, frame: &Frame, turn: &mut Turn) {
        let params = frame.params();
        let leaf = params.meta().subscription_id;
        let number = leaf.and_then(|raw| raw.get().trim_matches('"').parse().ok());
        match (number.and_then(|number| UpstreamId(number).read()), leaf) {
            (Some(Numbered::Call { call, flight }), Some(leaf))
                if self.is_listening(call, flight) =>
            {
                let is_word = frame.method() == Method::ListenAcknowledged;
                if is_word && !self.confirmed(call, &params, turn) {
                    return;
                }
                let Some(listen) = self.listens.get_mut(call) else { return };
                // Nothing comes before it.
                if !listen.confirmed {
                    return turn.dropped(Dropped::Unheard);
                }
                let mut edits = Edits::new();
                let stamp = listen.id.as_str().as_bytes().to_vec();
                edits.push(meta::place(leaf, frame.text()), stamp);
                if !self.rename_on_stream(call, frame, &params, &mut edits) {
                    return turn.dropped(Dropped::Unheard);
                }
                let text = edits.splice(frame);
                self.tell_listen(call, &text, turn);
            }
            (Some(Numbered::Own(serial)), _) => self.heard_ourselves(serial, frame, &params, turn),
            (Some(Numbered::Call { .. }) | None, _) => turn.dropped(Dropped::Unheard),
        }
    }

    /// The child acknowledges a stream of a client's. False if that is to hear nothing of it, having heard it of an earlier child:
    /// it is told that its lists may be others now.
    fn confirmed(&mut self, id: CallId, params: &Params<'_>, turn: &mut Turn) -> bool {
        let Some(listen) = self.listens.get_mut(id) else { return false };
        if std::mem::replace(&mut listen.confirmed, true) {
            return false;
        }
        let honoured = Filter::read(params.notifications.map(Raw::get)).unwrap_or_default();
        if !std::mem::replace(&mut listen.acknowledged, true) {
            listen.lists = listen.asked.common(honoured.lists);
            // Both are in order.
            let is_honoured = |uri: &str| {
                honoured.resources.binary_search_by(|other| other.as_ref().cmp(uri)).is_ok()
            };
            listen.resources.retain(|uri| is_honoured(uri));
            return true;
        }
        let notices: Vec<Method> = listen.lists.common(honoured.lists).notices().collect();
        let stamp = listen.id.clone();
        for method in notices {
            if self.listens.get_mut(id).is_some() {
                self.tell_listen(id, &stamped(&bare_notice(method), &stamp), turn);
            }
        }
        false
    }

    /// The child ends a stream of changes by taking its request back. False if that is none.
    pub(super) fn listen_ended(&mut self, id: &str, turn: &mut Turn) -> bool {
        let number = id.trim_matches('"').parse().ok().map(UpstreamId);
        match number.and_then(UpstreamId::read).filter(|_| self.is_child_modern()) {
            Some(Numbered::Call { call, flight }) if self.is_listening(call, flight) => {
                let Some(call_of_it) = self.calls.get(&call) else { return true };
                let text = listens::end(&call_of_it.client_id);
                self.settle(call, text, Outcome::Result, turn);
                true
            }
            Some(Numbered::Own(serial)) => self.own_listen_ended(serial, false, turn),
            _ => false,
        }
    }

    /// Ends a stream of changes as its server: with a result, so that its client knows that it may open another.
    pub(super) fn end_listen(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let text = listens::end(&call.client_id);
        self.tell_child_to_cancel(id, "its client does not listen", turn);
        self.settle(id, text, Outcome::Result, turn);
    }

    /// Ends all of them.
    pub fn hang_up(&mut self, turn: &mut Turn) {
        for id in self.listens.calls() {
            self.end_listen(id, turn);
        }
    }

    /// Forgets a stream whose call has been settled.
    pub(super) fn close_listen(&mut self, id: CallId, turn: &mut Turn) {
        if self.listens.close(id).is_some() {
            for (uri, serial) in self.topics.forget(Subscriber::Listen(id)) {
                self.unsubscribe(&uri, serial, turn);
            }
        }
    }

    fn is_listening(&self, id: CallId, flight: Flight) -> bool {
        let call = self.calls.get(&id);
        call.is_some_and(|call| call.state == Stage::Listening && call.flight == flight)
    }
}

/// A notification with the id of the stream it goes out on.
fn stamped(text: &Bytes, id: &RawId) -> Bytes {
    let stamp = format!("\"{}\":{}", meta::key::SUBSCRIPTION_ID, id.as_str());
    let Ok(frame) = Frame::skim(text.clone()) else { return text.clone() };
    let (at, with) = match frame.payload().zip(frame.payload_span()) {
        Some((params, span)) if params.starts_with('{') => {
            let comma = if params[1..].trim_start().starts_with('}') { "" } else { "," };
            match Params::of(Some(params)).meta.filter(|meta| meta.get().starts_with('{')) {
                Some(meta) => {
                    let kept =
                        Members::of(meta.get()).without(|key| key == meta::key::SUBSCRIPTION_ID);
                    let comma = if kept == "{}" { "" } else { "," };
                    (meta::place(meta, frame.text()), format!("{{{stamp}{comma}{}", &kept[1..]))
                }
                None => (span.inside(), format!("\"_meta\":{{{stamp}}}{comma}")),
            }
        }
        _ => {
            let end =
                u32::try_from(frame.text().len() - 1).expect("messages are shorter than 4 GiB");
            (Span { start: end, end }, format!(",\"params\":{{\"_meta\":{{{stamp}}}}}"))
        }
    };
    frame.splice(&[Patch { at, with: with.as_bytes() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_finds_its_place() {
        let key = meta::key::SUBSCRIPTION_ID;
        for (text, said) in [
            (
                r#"{"method":"x"}"#.to_owned(),
                format!(r#"{{"method":"x","params":{{"_meta":{{"{key}":7}}}}}}"#),
            ),
            (
                r#"{"method":"x","params":{ }}"#.to_owned(),
                format!(r#"{{"method":"x","params":{{"_meta":{{"{key}":7}} }}}}"#),
            ),
            (
                r#"{"method":"x","params":{"uri":"u"}}"#.to_owned(),
                format!(r#"{{"method":"x","params":{{"_meta":{{"{key}":7}},"uri":"u"}}}}"#),
            ),
            (
                format!(r#"{{"method":"x","params":{{"_meta":{{"a":1,"{key}":9}}}}}}"#),
                format!(r#"{{"method":"x","params":{{"_meta":{{"{key}":7,"a":1}}}}}}"#),
            ),
        ] {
            let text = text.replacen('{', r#"{"jsonrpc":"2.0","#, 1);
            let said = said.replacen('{', r#"{"jsonrpc":"2.0","#, 1);
            assert_eq!(stamped(&Bytes::from(text), &RawId::new("7")), said);
        }
    }
}
