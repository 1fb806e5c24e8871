//! Arrays of messages, which were part of revision 2025-03-26 alone.

use bytes::Bytes;
use hyper::{Response, StatusCode};

use super::{Accepts, accepted};
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Order, Reach};
use crate::http::Visit;
use crate::http::body::{Body, Events};
use crate::http::render::json;
use crate::link::replies::{self, EVENTS_MAX, Replies};
use crate::wire::envelope::era_of;
use crate::wire::frame::{Frame, Kind, Malformed};
use crate::wire::id::RawId;
use crate::wire::method::Method as Rpc;
use crate::wire::version::{Era, Version};

/// More messages in one array than anybody sends.
const BATCH_MAX: usize = 100;

impl Visit<'_> {
    pub(super) async fn many(
        &self,
        parts: Vec<Result<Frame, Malformed>>,
    ) -> Result<Response<Body>, Refusal> {
        let accepts = self.forms()?;
        let session = self.session().await?;
        let said = self.said_version()?;
        // What was agreed on counts more than what a header says later.
        let agreed = session.as_ref().map(|session| session.who.card.version);
        if !agreed.or(said).unwrap_or(Version::ASSUMED).batches() {
            return Err(Refusal::BatchNotAllowed);
        }
        let is_modern = |part: &Result<Frame, Malformed>| {
            part.as_ref().is_ok_and(|frame| era_of(frame, None) == Era::Modern)
        };
        if parts.iter().any(is_modern) {
            return Err(Refusal::BatchNotAllowed);
        }
        if parts.is_empty() {
            return Err(Refusal::BatchEmpty);
        }
        // Before anything is done with each of them.
        if parts.len() > BATCH_MAX {
            let server = self.entry.name.clone();
            return Err(Refusal::Busy { server, what: "an array holds at most 100 messages" });
        }
        let frames: Vec<Frame> =
            parts.into_iter().collect::<Result<_, _>>().map_err(Refusal::Malformed)?;
        let requests: Vec<RawId> = frames
            .iter()
            .filter(|frame| frame.kind() == Kind::Request)
            .filter_map(Frame::id)
            .collect();
        let twice = requests.iter().enumerate().any(|(n, id)| requests[..n].contains(id));
        if frames.iter().any(|frame| frame.method() == Rpc::Initialize) {
            return Err(Refusal::BatchInitialize);
        }
        if twice {
            return Err(Refusal::DuplicateId);
        }
        let (post, mut replies) = replies::channel(EVENTS_MAX + requests.len());
        let (link, caller) = self.caller(session.clone())?;
        for frame in frames {
            if frame.kind() != Kind::Request {
                self.pass_on(session.as_ref(), frame).await;
                continue;
            }
            let farewell = link.admit()?;
            let call = farewell.call();
            replies.promise(farewell);
            let reach = Reach::Own { outlet: post.clone(), streams: accepts.events };
            link.send(Order::Call { call, caller: caller.clone(), request: frame, reach }).await?;
        }
        drop(post);
        if requests.is_empty() {
            return Ok(accepted());
        }
        let answer = self.gather(replies, accepts).await?;
        Ok(self.with_session(answer, session.is_some()))
    }

    /// The answers to a batch: an array if nothing else comes before the last of them, else a stream.
    async fn gather(
        &self,
        mut replies: Replies,
        accepts: Accepts,
    ) -> Result<Response<Body>, Refusal> {
        let mut before = Vec::new();
        while !replies.is_complete() {
            let event = replies.next().await.ok_or(Refusal::Interrupted)?;
            let streams = matches!(event, Event::Stream { .. } | Event::Message { .. });
            before.push(event);
            if streams || !accepts.json {
                let events = self.events(replies);
                let events = before.iter().fold(events, Events::begin);
                return Ok(events.into_response());
            }
        }
        let mut array = Vec::new();
        for event in &before {
            array.push(if array.is_empty() { b'[' } else { b',' });
            match event {
                Event::Answer { text, .. } => {
                    text.pieces().iter().for_each(|piece| array.extend_from_slice(piece));
                }
                Event::Refuse { why, id } => {
                    array.extend_from_slice(&why.fault().answer(id.as_ref()));
                }
                Event::Stream { .. } | Event::Message { .. } | Event::Asks(_) => {}
            }
        }
        array.push(b']');
        Ok(json(StatusCode::OK, Bytes::from(array)))
    }
}
