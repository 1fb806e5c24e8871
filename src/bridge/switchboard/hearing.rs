//! How the bridge itself listens to a child that tells of changes in no other way: for sessions, to all lists on one stream and to
//! each resource on another.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::notices::bare_notice;
use super::settling::cancel;
use super::{Child, Switchboard};
use crate::bridge::greeting::{Hello, Lists};
use crate::bridge::listens::{self, Filter};
use crate::bridge::outlet::Outlet;
use crate::bridge::timers::Due;
use crate::bridge::topics::Subscriber;
use crate::bridge::turn::{Dropped, Turn};
use crate::wire::frame::Frame;
use crate::wire::id::UpstreamId;
use crate::wire::meta::{self, Members, Params};
use crate::wire::method::Method;
use crate::wire::raw::Raw;
use crate::wire::splice::Patch;
use crate::wire::version::Era;

/// How long the bridge does without streams of its own that the child has ended: at first, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The stream on which the bridge hears of changed lists, and when streams of its own that have ended are opened again.
#[derive(Debug, Default)]
pub(super) struct Ears {
    lists: Ear,
    /// How long was waited the last time.
    pause: Duration,
    again: Option<Instant>,
    opened_again: Option<Instant>,
}

/// That stream.
#[derive(Clone, Copy, Debug, Default)]
enum Ear {
    /// It is not wanted, or the child does not know how.
    #[default]
    Shut,
    /// The child has not acknowledged it.
    Asked {
        serial: u64,
        /// There was one before.
        again: bool,
    },
    Open {
        serial: u64,
    },
    /// The child has ended it.
    Ended,
}

// === impl Ears ===

impl Ears {
    fn hear_lists(&self, number: u64) -> bool {
        matches!(self.lists, Ear::Asked { serial, .. } | Ear::Open { serial } if serial == number)
    }

    /// The child acknowledges a stream. Whether that is one that had ended, so that lists may have changed meanwhile.
    fn acknowledged(&mut self, number: u64) -> bool {
        match self.lists {
            Ear::Asked { serial, again } if serial == number => {
                self.lists = Ear::Open { serial };
                again
            }
            Ear::Shut | Ear::Asked { .. } | Ear::Open { .. } | Ear::Ended => false,
        }
    }

    /// When streams that have ended now are opened again, unless that is settled already. A child that ends each at once is asked
    /// ever less often.
    fn pause(&mut self, now: Instant) -> Option<Instant> {
        if self.again.is_some() {
            return None;
        }
        let lasted = self.opened_again.is_none_or(|since| now > since + PAUSE_MAX);
        self.pause = if lasted { PAUSE_MIN } else { (self.pause * 2).min(PAUSE_MAX) };
        self.again = Some(now + self.pause);
        self.again
    }
}

impl<R: Outlet> Switchboard<R> {
    /// What the child says on a stream of the bridge's own.
    pub(super) fn heard_ourselves(
        &mut self,
        serial: u64,
        frame: &Frame,
        params: &Params<'_>,
        turn: &mut Turn,
    ) {
        let method = frame.method();
        if method == Method::ListenAcknowledged {
            if self.ears.acknowledged(serial) {
                self.lists_may_have_changed(turn);
            }
            // Only its first word on a resource counts.
            let uri = self.topics.of(serial).filter(|_| self.topics.is_asked(serial));
            let Some(uri) = uri.map(Box::<str>::from) else { return };
            let honoured = params.notifications.map(Raw::get);
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
        } else if self.ears.hear_lists(serial) {
            self.lists_changed(method, turn);
            self.announce(method, &bare_notice(method), turn);
        } else {
            turn.dropped(Dropped::Unheard);
        }
    }

    /// A child of the newer era is there. Clients hear of resources on streams that are the child's own, also those for which the
    /// bridge subscribed to them with the last child.
    pub(super) fn begin_hearing(&mut self, lists: Lists, turn: &mut Turn) {
        for listen in self.listens.calls() {
            self.topics.forget(Subscriber::Listen(listen));
        }
        self.listen_to_lists(lists, turn);
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
        let again = matches!(self.ears.lists, Ear::Ended);
        self.ears.lists = if lists.is_none() {
            Ear::Shut
        } else {
            Ear::Asked { serial: self.listen_for_ourselves(&filter.join(","), turn), again }
        };
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

    /// The child has ended a stream of the bridge's own, as it may at any time. False if it is no such stream.
    pub(super) fn own_listen_ended(
        &mut self,
        serial: u64,
        is_error: bool,
        turn: &mut Turn,
    ) -> bool {
        if self.is_child_modern() && self.topics.is_asked(serial) {
            self.subscription_decided(serial, false, None, turn);
            return true;
        }
        self.ears_shut(serial, is_error, turn)
    }

    /// Nobody would hear of anything any more on a stream that was acknowledged and has ended. It is opened again, though not at
    /// once; after an error never, for the child would say the same again. False if it is no such stream.
    pub(super) fn ears_shut(&mut self, serial: u64, is_error: bool, turn: &mut Turn) -> bool {
        if !self.is_child_modern() {
            return false;
        }
        let is_wanted = if self.ears.hear_lists(serial) {
            let was_open = matches!(self.ears.lists, Ear::Open { .. });
            self.ears.lists = if was_open && !is_error { Ear::Ended } else { Ear::Shut };
            was_open && !is_error
        } else if self.topics.ended(serial, !is_error) {
            !is_error
        } else {
            return false;
        };
        if is_wanted && let Some(at) = self.ears.pause(turn.now) {
            self.timers.set(at, Due::Listens);
        }
        true
    }

    /// Opens those streams again.
    pub(super) fn listen_again(&mut self, turn: &mut Turn) {
        // It may have been set for an earlier child.
        if self.ears.again.is_none_or(|at| at > turn.now) {
            return;
        }
        self.ears.again = None;
        self.ears.opened_again = Some(turn.now);
        let Some(child) = self.abilities().filter(|child| child.era == Era::Modern) else { return };
        let lists = child.lists;
        if matches!(self.ears.lists, Ear::Ended) {
            self.listen_to_lists(lists, turn);
        }
        for uri in self.topics.unasked() {
            self.subscribe(&uri, turn);
        }
    }

    /// What has changed while nobody listened nobody has told.
    fn lists_may_have_changed(&mut self, turn: &mut Turn) {
        let Some(lists) = self.abilities().map(|child| child.lists) else { return };
        for method in lists.notices() {
            self.lists_changed(method, turn);
        }
        self.announce_all(lists, true, turn);
    }
}

/// A notification without the id of the stream it came in on.
fn unstamped(frame: &Frame) -> Bytes {
    let Some(meta) = frame.params().meta else { return frame.text().clone() };
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
