//! HTTP+SSE, revision 2024-11-05: one standing stream that carries everything, and a path to post to.
//!
//! The session begins with the stream, before anything is known of the client. Which child it uses is decided by its first
//! message. When the stream ends the session is over.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::super::body::{Body, Events};
use super::super::render::Refused;
use super::super::{Visit, guard};
use super::streamable::{client_name, new_session_id};
use crate::bridge::front::{FrontCard, Vanish};
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{AskSet, Lane};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order, Reach};
use crate::link::handle::Link;
use crate::link::replies::{self, EVENTS_MAX};
use crate::link::sessions::{Doorstep, NewSession, Session, Sessions};
use crate::wire::frame::{self, Frame, Kind};
use crate::wire::id::SessionId;
use crate::wire::meta::Params;
use crate::wire::method::Method as Rpc;
use crate::wire::version::Version;

/// Ends the session when its stream ends.
struct EndOfSession {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Drop for EndOfSession {
    fn drop(&mut self) {
        self.sessions.close(self.id);
    }
}

/// GET: opens the stream.
pub(in crate::http) fn stream<B>(
    visit: &Visit,
    request: &Request<B>,
    prefix: &str,
) -> Result<Response<Body>, Refused> {
    if request.method() != Method::GET {
        return Err(Refusal::HttpMethodNotAllowed { allow: "GET" }.into());
    }
    let house = &visit.house;
    let (post, replies) = replies::channel(EVENTS_MAX);
    let new = NewSession {
        server: visit.entry.name.clone(),
        front: house.sessions.new_front(),
        version: Version::V2024_11_05,
        principal: visit.principal.clone(),
        link: None,
        doorstep: Doorstep::new(post),
    };
    let session = house.sessions.open(new_session_id(), new);
    let end = EndOfSession { sessions: Arc::clone(&house.sessions), id: session.id };
    let uri = format!("{prefix}/messages?sessionId={}", session.id);
    let events = Events::new(replies, house.config.keep_alive.0);
    Ok(events.endpoint(&uri).accompanied(end).into_response())
}

/// POST: takes messages, whose answers go to the stream.
pub(in crate::http) async fn message(
    visit: Visit,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    if request.method() != Method::POST {
        return Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into());
    }
    let id = session_id(request.uri().query().unwrap_or_default());
    let text = guard::body(&visit.house.config, request.into_body()).await?;
    let body = frame::Body::read(text).map_err(Refusal::Malformed)?;
    let id = id.ok_or(Refusal::SessionMissing)?;
    let found = SessionId::parse(&id)
        .and_then(|id| visit.house.sessions.find(id, &visit.entry.name, &visit.principal));
    let session = found.ok_or(Refusal::SessionGone)?;
    if !guard::is_json(&visit.headers) {
        return Err(Refusal::ContentType.into());
    }
    let frames = match body {
        frame::Body::One(frame) => vec![frame],
        frame::Body::Many(parts) => {
            parts.into_iter().collect::<Result<_, _>>().map_err(Refusal::Malformed)?
        }
    };
    for frame in frames {
        match visit.link(&session, &frame).await {
            Ok(link) => send(&link, &session, frame).await?,
            // Its client reads answers on the stream and nowhere else; there it may also try again.
            Err(why) if is_told(&session, &frame, &why) => {}
            Err(why) => return Err(why.into()),
        }
    }
    let mut response = Response::new(Body::whole("Accepted".into()));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

// === impl Visit ===

impl Visit {
    /// The session's link. Its first message decides which child that leads to, and hands over its stream.
    async fn link(&self, session: &Session, first: &Frame) -> Result<Link, Refusal> {
        let begin = || self.begin(session, first);
        session.link.get_or_try_init(begin).await.cloned()
    }

    async fn begin(&self, session: &Session, first: &Frame) -> Result<Link, Refusal> {
        let params = Params::of(first.payload().filter(|_| first.method() == Rpc::Initialize));
        let hello = Hello::of_client(&params);
        let declared = AskSet::declared(&hello.capabilities);
        let mut card = FrontCard {
            version: if params.protocol_version.is_some() {
                hello.version
            } else {
                session.version
            },
            principal: self.principal.clone(),
            declared,
            client: client_name(&params).into(),
        };
        let config = &self.entry.config;
        let lane = Lane::of_session(config.mode, &config.private_for, declared);
        let link = self.entry.place(lane, hello, &mut card).await?;
        let front = session.front;
        // This stream says no goodbye: its end ends the session.
        let call = link.admit()?.call();
        let outlet = session.doorstep.take().ok_or(Refusal::SessionGone)?;
        link.send(Order::Open { front, card }).await?;
        link.send(Order::Listen { call, front, outlet, vanish: Vanish::EndSession }).await?;
        // The stream may have ended meanwhile, when there was no link yet to close it on.
        let sessions = &self.house.sessions;
        if sessions.find(session.id, &self.entry.name, &self.principal).is_none() {
            link.close(front);
            return Err(Refusal::SessionGone);
        }
        Ok(link)
    }
}

async fn send(link: &Link, session: &Session, frame: Frame) -> Result<(), Refusal> {
    let front = session.front;
    let order = match frame.kind() {
        Kind::Notification => Order::Notify { front, note: frame },
        Kind::Result | Kind::Error => Order::Answer { front, answer: frame },
        Kind::Request => {
            let call = link.admit()?.call();
            let caller = Caller::Front(front);
            Order::Call { call, caller, request: frame, reach: Reach::Standing }
        }
    };
    link.send(order).await
}

/// Answers a request of a session that could not begin, on its stream.
fn is_told(session: &Session, frame: &Frame, why: &Refusal) -> bool {
    let id = frame.id().filter(|_| frame.kind() == Kind::Request);
    id.is_some_and(|id| session.doorstep.tell(why.fault().answer(Some(&id))))
}

fn session_id(query: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| matches!(*key, "sessionId" | "session_id"))
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_in_the_query() {
        assert_eq!(session_id("sessionId=ab").as_deref(), Some("ab"));
        assert_eq!(session_id("x=1&session_id=ab&y").as_deref(), Some("ab"));
        assert_eq!(session_id(""), None);
    }
}
