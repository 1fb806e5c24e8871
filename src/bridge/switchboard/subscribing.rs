//! Resource subscriptions, and the bridge's own requests to the child.

use std::borrow::Cow;

use super::settling::cancel;
use super::{Child, Switchboard};
use crate::bridge::call::Stage;
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::topics::{Joined, Subscriber};
use crate::bridge::turn::Turn;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, FrontId, UpstreamId};
use crate::wire::meta::Params;
use crate::wire::raw;

impl<R: Outlet> Switchboard<R> {
    pub(super) fn join(&mut self, id: CallId, params: &Params<'_>, turn: &mut Turn) {
        let (front, uri) = match self.subscriber(id, params) {
            Ok(known) => known,
            Err(refusal) => return self.refuse(id, refusal, turn),
        };
        if self.topics.len() >= self.limits.subscriptions_max && !self.topics.contains(&uri) {
            let refusal = self.busy("too many resources are subscribed to");
            return self.refuse(id, refusal, turn);
        }
        // One session must not use up what is there for all.
        if self.topics.held_by(Subscriber::Session(front)) >= self.limits.subscriptions_per_front {
            let refusal = self.busy("this session subscribes to too many resources");
            return self.refuse(id, refusal, turn);
        }
        let joined = self.topics.join(&uri, Subscriber::Session(front), id);
        if joined == Joined::AtOnce {
            return self.settle_empty(id, turn);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.state = Stage::Joining;
        }
        if joined == Joined::Ask {
            self.subscribe(&uri, turn);
        }
    }

    pub(super) fn leave(&mut self, id: CallId, params: &Params<'_>, turn: &mut Turn) {
        match self.subscriber(id, params) {
            Ok((front, uri)) => {
                if let Some(serial) = self.topics.leave(&uri, Subscriber::Session(front)) {
                    self.unsubscribe(&uri, serial, turn);
                }
                self.settle_empty(id, turn);
            }
            Err(refusal) => self.refuse(id, refusal, turn),
        }
    }

    /// Who subscribes to what.
    fn subscriber<'p>(
        &self,
        id: CallId,
        params: &Params<'p>,
    ) -> Result<(FrontId, Cow<'p, str>), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::SessionGone)?;
        // Nobody is told of changes whom none were offered to.
        let front = call.front().filter(|_| call.card().hears);
        let front = front.ok_or_else(|| Refusal::NeedsSession(call.method.name().into()))?;
        let uri = params.uri.and_then(|raw| raw::string(raw.get()));
        Ok((front, uri.ok_or(Refusal::BadParams("\"uri\" must be a string"))?))
    }

    pub(super) fn subscribe(&mut self, uri: &str, turn: &mut Turn) {
        let serial = if self.is_child_modern() {
            let filter = format!("\"resourceSubscriptions\":[{}]", raw::quoted(uri));
            self.listen_for_ourselves(&filter, turn)
        } else {
            self.ask_child("resources/subscribe", "uri", uri, turn)
        };
        self.topics.asked(serial, uri);
    }

    /// Nobody wants to hear of a resource any more, for which the child was asked under this number.
    pub(super) fn unsubscribe(&mut self, uri: &str, serial: u64, turn: &mut Turn) {
        if !self.is_child_modern() {
            self.ask_child("resources/unsubscribe", "uri", uri, turn);
        } else if matches!(self.child, Child::Ready { .. }) {
            turn.send(cancel(UpstreamId::own(serial), "nobody listens"));
        }
    }

    /// The child's word on the resource that it was asked for under this number, with the text of an answer if there is one.
    pub(super) fn subscription_decided(
        &mut self,
        serial: u64,
        accepted: bool,
        answer: Option<&Frame>,
        turn: &mut Turn,
    ) {
        let Some(uri) = self.topics.of(serial).map(Box::<str>::from) else { return };
        let Some(decided) = self.topics.decided(serial, accepted) else { return };
        for id in decided.calls {
            if self.listen_decided(id, accepted, &uri, turn) {
                continue;
            }
            match answer {
                Some(frame) => self.share(id, frame, turn),
                None if accepted => self.settle_empty(id, turn),
                None => {
                    self.refuse(
                        id,
                        Refusal::BadParams("the server refused the subscription"),
                        turn,
                    );
                }
            }
        }
        if let Some(uri) = decided.unwanted {
            self.unsubscribe(&uri, serial, turn);
        }
        self.pump(turn);
    }

    /// A request of the bridge's own, with one string as its parameter. Nothing is sent to a child that is not there.
    pub(super) fn ask_child(
        &mut self,
        method: &str,
        key: &str,
        value: &str,
        turn: &mut Turn,
    ) -> u64 {
        self.initialized(turn);
        self.own_requests += 1;
        let serial = self.own_requests;
        if matches!(self.child, Child::Ready { .. }) {
            let (id, value) = (UpstreamId::own(serial).0, raw::quoted(value));
            turn.send(
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"{key}":{value}}}}}"#
                )
                .into(),
            );
        }
        serial
    }
}
