//! Arrays of messages, which were part of revision 2025-03-26 alone.

use bytes::Bytes;
use hyper::{Response, StatusCode};

use super::{Accepts, accepted};
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Order, Reach};
use crate::http::Visit;
use crate::http::body::{Body, Events};
use crate::http::render::{json, status};
use crate::link::replies::{self, EVENTS_MAX, Replies};
use crate::wire::envelope::era_of;
use crate::wire::frame::{Frame, Kind, Malformed};
use crate::wire::id::RawId;
use crate::wire::method::Method as Rpc;
use crate::wire::version::{Era, Version};

/// More messages in one array than anybody sends.
const BATCH_MAX: usize = 100;

impl Visit<'_> {
    pub(super) async fn batch(
        &self,
        parts: Vec<Result<Frame, Malformed>>,
    ) -> Result<Response<Body>, Refusal> {
        let asked = asked(&parts);
        self.many(parts, &asked).await.or_else(|why| refused(why, &asked))
    }

    async fn many(
        &self,
        parts: Vec<Result<Frame, Malformed>>,
        asked: &[RawId],
    ) -> Result<Response<Body>, Refusal> {
        let accepts = self.forms()?;
        let session = match self.session().await {
            Err(_) if self.house.is_stopping() => return Err(Refusal::Interrupted),
            session => session?,
        };
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
        let twice = asked.iter().enumerate().any(|(n, id)| asked[..n].contains(id));
        if frames.iter().any(|frame| frame.method() == Rpc::Initialize) {
            return Err(Refusal::BatchInitialize);
        }
        if twice {
            return Err(Refusal::DuplicateId);
        }
        if self.house.is_stopping() {
            return Err(Refusal::Interrupted);
        }
        let (post, mut replies) = replies::channel(EVENTS_MAX + asked.len());
        let (link, caller) = self.caller(session.clone())?;
        for frame in frames {
            if frame.kind() != Kind::Request {
                self.pass_on(session.as_ref(), frame).await;
                continue;
            }
            let (id, caller) = (frame.id(), caller.clone());
            let reach = Reach::Own { outlet: post.clone(), streams: accepts.events };
            let order = |call| Order::Call { call, caller, request: frame, reach };
            // The others may be under way, so each is refused by itself, and under its own name.
            match link.begin(order).await {
                Ok(farewell) => replies.promise(farewell),
                Err(why) => replies.refuse(why, id),
            }
        }
        drop(post);
        if asked.is_empty() {
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
        let answers = before.iter().filter_map(|event| match event {
            Event::Answer { text, .. } => Some(text.pieces().concat()),
            Event::Refuse { why, id } => Some(why.fault().answer(id.as_ref()).to_vec()),
            Event::Stream { .. } | Event::Message { .. } | Event::Asks(_) => None,
        });
        Ok(array(answers))
    }
}

/// The requests among them. Of too many nobody needs to know.
fn asked(parts: &[Result<Frame, Malformed>]) -> Vec<RawId> {
    let frames = parts.iter().filter(|_| parts.len() <= BATCH_MAX).flatten();
    frames.filter(|frame| frame.kind() == Kind::Request).filter_map(Frame::id).collect()
}

/// What is refused with a status of success is said to each: nobody waits for an answer without a name.
fn refused(why: Refusal, asked: &[RawId]) -> Result<Response<Body>, Refusal> {
    if asked.is_empty() || status(&why, Era::Legacy) != StatusCode::OK {
        return Err(why);
    }
    let fault = why.fault();
    Ok(array(asked.iter().map(|id| fault.answer(Some(id)).to_vec())))
}

fn array(answers: impl Iterator<Item = Vec<u8>>) -> Response<Body> {
    let mut text = Vec::new();
    for answer in answers {
        text.push(if text.is_empty() { b'[' } else { b',' });
        text.extend_from_slice(&answer);
    }
    text.push(b']');
    json(StatusCode::OK, Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame;
    use crate::wire::id::ServerName;

    #[test]
    fn what_is_refused_of_all_is_said_to_each_unless_the_status_says_it() {
        let text = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},
            {"jsonrpc":"2.0","method":"notifications/initialized"},
            {"jsonrpc":"2.0","id":"two","method":"ping"}]"#;
        let body = frame::Body::read(Bytes::from_static(text)).unwrap();
        let frame::Body::Many(parts) = body else { panic!("it is an array") };
        let asked = asked(&parts);
        let server = ServerName::new("s").unwrap();
        let away = Refusal::NoChild { server, why: "it is being stopped".into() };
        let answer = refused(away.clone(), &asked).unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let Body::Whole(text) = answer.into_body() else { panic!("it is no stream") };
        let answers: serde_json::Value = serde_json::from_slice(&text.pieces().concat()).unwrap();
        let ids: Vec<_> = answers.as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, [&serde_json::json!(1), &serde_json::json!("two")]);
        assert_eq!(answers[1]["error"]["data"]["retryable"], true);
        assert!(matches!(refused(Refusal::SessionGone, &asked), Err(Refusal::SessionGone)));
        assert!(matches!(refused(away, &[]), Err(Refusal::NoChild { .. })));
    }
}
