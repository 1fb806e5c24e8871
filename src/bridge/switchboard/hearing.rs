//! How the bridge itself listens to a child that tells of changes in no other way: for sessions, to all lists on one stream and to
//! each resource on another.

use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::notices::bare_notice;
use super::settling::cancel;
use super::{Child, Switchboard};
use crate::bridge::greeting::{Hello, Lists};
use crate::bridge::listens::{self, Filter};
use crate::bridge::outlet::Outlet;
use crate::bridge::timers::Due;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::frame::Frame;
use crate::wire::id::UpstreamId;
use crate::wire::meta::{self, Members, Params};
use crate::wire::method::Method;
use crate::wire::splice::Patch;
use crate::wire::version::Era;

/// How long the bridge does without a stream of its own that the child has ended.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl<R: Outlet> Switchboard<R> {
    pub(super) fn heard_ourselves(
        &mut self,
        serial: u64,
        frame: &Frame,
        params: &Params<'_>,
        turn: &mut Turn,
    ) {
        let method = frame.method();
        if method == Method::ListenAcknowledged {
            let Some(uri) = self.topics.of(serial).map(Box::<str>::from) else { return };
            let honoured = params.notifications.map(RawValue::get);
            let honours =
                Filter::read(honoured).is_ok_and(|it| it.resources.iter().any(|one| **one == *uri));
            self.subscription_decided(serial, honours, None, turn);
            if !honours {
                // It tells of nothing, and would do so for ever.
                turn.send(cancel(UpstreamId::own(serial), "nothing is told on it"));
            }
        } else if method == Method::ResourcesUpdated {
            let Some(topic) = self.topics.of(serial).map(Box::<str>::from) else {
                return turn.dropped(Dropped::Unheard);
            };
            let text = unstamped(frame);
            self.tell_subscribers(self.topics.subscribers_of(&topic), &text, turn);
        } else if self.hears == Some(serial) {
            self.lists_changed(method, turn);
            self.announce(method, &bare_notice(method), turn);
        } else {
            turn.dropped(Dropped::Unheard);
        }
    }

    /// The bridge listens to all lists for the sessions of this child.
    pub(super) fn listen_to_lists(&mut self, lists: Lists, turn: &mut Turn) {
        let names = [
            (lists.tools, "\"toolsListChanged\":true"),
            (lists.prompts, "\"promptsListChanged\":true"),
            (lists.resources, "\"resourcesListChanged\":true"),
        ];
        let filter: Vec<&str> =
            names.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
        self.hears = (!lists.is_none()).then(|| self.listen_for_ourselves(&filter.join(","), turn));
    }

    /// A stream of the bridge's own; gives the number it is known by.
    pub(super) fn listen_for_ourselves(&mut self, filter: &str, turn: &mut Turn) -> u64 {
        self.own_requests += 1;
        let serial = self.own_requests;
        if matches!(self.child, Child::Ready { .. }) {
            turn.send(listens::request(UpstreamId::own(serial).0, Hello::own_envelope(), filter));
        }
        serial
    }

    /// The child has ended a stream of the bridge's own, as it may at any time. Nobody would hear of anything any more, so it is
    /// opened again, though not at once: a child may end each of them. False if it is no such stream.
    pub(super) fn own_listen_ended(&mut self, serial: u64, turn: &mut Turn) -> bool {
        if self.topics.is_asked(serial) {
            self.subscription_decided(serial, false, None, turn);
            return true;
        }
        let told_of_lists = self.hears.take_if(|hears| *hears == serial).is_some();
        let is_one = told_of_lists || self.topics.ended(serial);
        if is_one {
            self.timers.set(turn.now + AGAIN_AFTER, Due::Listens);
        }
        is_one
    }

    /// Opens those streams again. What has changed meanwhile nobody has told.
    pub(super) fn listen_again(&mut self, turn: &mut Turn) {
        let Some(child) = self.abilities().filter(|child| child.era == Era::Modern) else { return };
        let lists = child.lists;
        if self.hears.is_none() && !lists.is_none() {
            self.listen_to_lists(lists, turn);
            for method in lists.notices() {
                self.lists_changed(method, turn);
            }
            self.announce_all(lists, true, turn);
        }
        for uri in self.topics.unasked() {
            self.subscribe(&uri, turn);
        }
    }
}

/// A notification without the id of the stream it came in on.
fn unstamped(frame: &Frame) -> Bytes {
    let Some(meta) = Params::of(frame.payload()).meta else { return frame.text().clone() };
    let kept = Members::of(meta.get()).without(|key| key == meta::key::SUBSCRIPTION_ID);
    let at = meta::place(meta, frame.text());
    frame.splice(&[Patch { at, with: kept.as_bytes() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_hears_nothing_of_streams() {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"x","params":{{"uri":"u","_meta":{{"{}":9,"a":1}}}}}}"#,
            meta::key::SUBSCRIPTION_ID
        );
        let frame = Frame::skim(text.into()).unwrap();
        assert_eq!(
            unstamped(&frame),
            r#"{"jsonrpc":"2.0","method":"x","params":{"uri":"u","_meta":{"a":1}}}"#
        );
    }
}
