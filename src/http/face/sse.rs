//! HTTP+SSE, revision 2024-11-05: one standing stream that carries everything, and a path to post to.
//!
//! The session begins with the stream, before anything is known of the client. Which child it uses is decided by its first
//! message. When the stream ends the session is over.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};

use super::super::body::{Body, Events};
use super::super::render::Refused;
use super::super::{House, Visit, asks_for_quiet, guard};
use crate::bridge::front::{FrontCard, Vanish, Who};
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{AskSet, Lane};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order, Reach};
use crate::config::model::Push;
use crate::link::directory::Place as Seat;
use crate::link::replies::{self, EVENTS_MAX};
use crate::link::sessions::new_session_id;
use crate::link::stream_sessions::{Place, StreamSession};
use crate::wire::frame::{self, Frame, Kind};
use crate::wire::id::SessionId;
use crate::wire::meta::Params;
use crate::wire::method::Method as Rpc;
use crate::wire::version::Version;

/// Ends the session when its stream ends.
struct EndOfSession {
    house: Arc<House>,
    id: SessionId,
}

impl Drop for EndOfSession {
    fn drop(&mut self) {
        self.house.stream_sessions.close(self.id);
    }
}

/// GET: opens the stream.
pub(in crate::http) fn stream(visit: Visit<'_>, prefix: &str) -> Result<Response<Body>, Refused> {
    let head = visit.asked.head;
    if head.method != Method::GET {
        return Err(Refusal::HttpMethodNotAllowed { allow: "GET" }.into());
    }
    let house = visit.house;
    let (post, replies) = replies::channel(EVENTS_MAX);
    let (server, principal) = (visit.entry.name.clone(), visit.principal.clone());
    let session = StreamSession::new(server, principal, house.sessions.new_front(), post);
    let id = new_session_id();
    house.stream_sessions.open(id, session);
    let end = EndOfSession { house: Arc::clone(house), id };
    // What is posted there is to be taken as it was asked for here.
    let quiet = if asks_for_quiet(&head.uri) { "&push=off" } else { "" };
    let uri = format!("{prefix}/messages?sessionId={id}{quiet}");
    let events = Events::new(replies, house.config.keep_alive.0);
    let events = events.until(&visit.asked.doorway.last_call);
    let events = visit.until_revoked(events);
    Ok(events.endpoint(&uri).accompanied(end).into_response())
}

/// POST: takes messages, whose answers go to the stream.
pub(in crate::http) async fn message(
    visit: Visit<'_>,
    incoming: &mut Incoming,
) -> Result<Response<Body>, Refused> {
    let head = visit.asked.head;
    if head.method != Method::POST {
        return Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into());
    }
    let id = session_id(head.uri.query().unwrap_or_default());
    let text = visit.body(incoming).await?;
    let body = frame::Body::read(text).map_err(Refusal::Malformed)?;
    if visit.house.is_stopping() {
        return Err(Refusal::Interrupted.into());
    }
    let id = id.ok_or(Refusal::SessionMissing)?;
    let id = SessionId::parse(&id).ok_or(Refusal::SessionGone)?;
    let session = visit.stream_session(id).ok_or(Refusal::SessionGone)?;
    if !guard::is_json(visit.asked.heads.content_type) {
        return Err(Refusal::ContentType.into());
    }
    let frames = match body {
        frame::Body::One(frame) => vec![frame],
        frame::Body::Many(parts) => {
            parts.into_iter().collect::<Result<_, _>>().map_err(Refusal::Malformed)?
        }
    };
    for frame in frames {
        // Its first message decides which child it uses, and hands over its stream.
        match session.place.get_or_try_init(|| visit.begin(id, &session, &frame)).await {
            Ok(place) => send(place, frame).await?,
            // Its client reads answers on the stream and nowhere else; there it may also try again.
            Err(why) if is_told(&session, &frame, &why) => {}
            Err(why) => return Err(why.into()),
        }
    }
    let mut response = Response::new(Body::whole(Bytes::from_static(b"Accepted")));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

// === impl Visit ===

impl Visit<'_> {
    fn stream_session(&self, id: SessionId) -> Option<Arc<StreamSession>> {
        self.house.stream_sessions.find(id, &self.entry.name, self.principal)
    }

    async fn begin(
        &self,
        id: SessionId,
        session: &StreamSession,
        first: &Frame,
    ) -> Result<Place, Refusal> {
        let is_handshake = first.method() == Rpc::Initialize;
        let params = if is_handshake { first.params() } else { Params::default() };
        let mut hello = Hello::of_client(&params);
        // The stream is there and carries answers; questions are not to come on it.
        if self.push == Push::Off {
            hello.capabilities = "{}".into();
        }
        let declared = AskSet::declared(&hello.capabilities);
        let said = params.protocol_version.is_some();
        let mut card = FrontCard {
            version: if said { hello.version } else { Version::V2024_11_05 },
            principal: self.principal.clone(),
            declared,
            client: hello.client_name().into(),
            hello: Arc::new(hello.clone()),
            hears: self.push == Push::On,
            since: None,
        };
        let lane = Lane::of_session(&self.entry.config, declared, self.entry.era.era());
        let link = match self.entry.place(lane, hello).await? {
            Seat::Private(link) => link,
            Seat::Shared => {
                // Where it found no room for itself nobody asks it anything.
                if lane == Lane::Private {
                    card.declared = AskSet::default();
                    card.hello = Hello::nobody();
                }
                self.entry.shared.clone()
            }
        };
        let front = session.front;
        let who = Who { front, card: Arc::new(card) };
        // This stream says no goodbye: its end ends the session.
        let call = link.admit()?.call();
        let outlet = session.take_stream().ok_or(Refusal::SessionGone)?;
        let vanish = Vanish::EndSession;
        link.send(Order::Listen { call, who: who.clone(), outlet, vanish }).await?;
        // The stream may have ended meanwhile, when there was no link yet to close it on.
        if self.stream_session(id).is_none() {
            link.close(front);
            return Err(Refusal::SessionGone);
        }
        Ok(Place { link, who })
    }
}

async fn send(place: &Place, frame: Frame) -> Result<(), Refusal> {
    let Place { link, who } = place;
    let front = who.front;
    let order = match frame.kind() {
        Kind::Notification => Order::Notify { front, note: frame },
        Kind::Result | Kind::Error => Order::Answer { front, answer: frame },
        Kind::Request => {
            let call = link.admit()?.call();
            let caller = Caller::Front(who.clone());
            Order::Call { call, caller, request: frame, reach: Reach::Standing }
        }
    };
    link.send(order).await
}

/// Answers a request of a session that could not begin, on its stream.
fn is_told(session: &StreamSession, frame: &Frame, why: &Refusal) -> bool {
    let id = frame.id().filter(|_| frame.kind() == Kind::Request);
    id.is_some_and(|id| session.tell(why.fault().answer(Some(&id))))
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
