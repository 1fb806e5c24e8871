//! Streamable HTTP of the handshake era: revisions 2025-03-26, 2025-06-18 and 2025-11-25, with a session or without one.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::super::body::{Body, Events};
use super::super::render::{Refused, json};
use super::super::{Visit, guard};
use crate::bridge::front::{FrontCard, Vanish};
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{AskSet, Lane};
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order, Reach};
use crate::config::model::Push;
use crate::link::handle::Link;
use crate::link::replies::{self, EVENTS_MAX, Replies};
use crate::link::sessions::{Doorstep, NewSession, Session};
use crate::wire::frame::{self, Frame, Kind, Malformed};
use crate::wire::id::{EventId, FrontId, RawId, SessionId};
use crate::wire::meta::{Implementation, Params};
use crate::wire::method::{Method as Rpc, RequestRoute};
use crate::wire::version::Version;

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const LAST_EVENT: &str = "last-event-id";

/// More messages in one array than anybody sends.
const BATCH_MAX: usize = 100;

/// Room for everything a stream log can hold, so that a reader that comes back gets it at once.
const REPLAY_MAX: usize = EVENTS_MAX + 1024;

/// The forms of answer a client says it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accepts {
    json: bool,
    events: bool,
}

pub(in crate::http) async fn serve(
    visit: Visit,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let push = visit.entry.config.push == Push::On;
    match *request.method() {
        Method::POST => {
            let text = guard::body(&visit.house.config, request.into_body()).await?;
            visit.post(text).await
        }
        Method::GET if push => visit.get().await,
        Method::DELETE if push => visit.delete(),
        _ if push => Err(Refusal::HttpMethodNotAllowed { allow: "GET, POST, DELETE" }.into()),
        _ => Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into()),
    }
}

// === impl Accepts ===

impl Accepts {
    /// Nothing said means that anything is taken.
    fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self { json: false, events: false };
        let mut said = false;
        let values = headers.get_all(header::ACCEPT).iter();
        for part in values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
            said = true;
            let essence = part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            accepts.json |= matches!(&*essence, "application/json" | "application/*" | "*/*");
            accepts.events |= matches!(&*essence, "text/event-stream" | "text/*" | "*/*");
        }
        if said { accepts } else { Self { json: true, events: true } }
    }
}

// === impl Visit ===

impl Visit {
    async fn post(&self, text: Bytes) -> Result<Response<Body>, Refused> {
        // The body is read before any header is judged: a refusal has to name the request it refuses.
        let body = frame::Body::read(text).map_err(Refusal::Malformed)?;
        match body {
            frame::Body::One(frame) => {
                let id = frame.id().filter(|_| frame.kind() == Kind::Request);
                self.one(frame).await.map_err(|why| Refused::new(why, id))
            }
            frame::Body::Many(parts) => self.many(parts).await.map_err(Refused::from),
        }
    }

    async fn one(&self, frame: Frame) -> Result<Response<Body>, Refusal> {
        let accepts = self.forms()?;
        let request = frame.kind() == Kind::Request;
        if request && frame.method().as_request() == RequestRoute::Initialize {
            return self.initialize(frame, accepts).await;
        }
        let session = self.session()?;
        // A client that tries the newer era first must hear that the method is unknown, and nothing about versions.
        if frame.method() != Rpc::Discover {
            self.said_version()?;
        }
        if !request {
            self.pass_on(session.as_deref(), frame).await;
            return Ok(accepted());
        }
        let id = frame.id();
        let (link, caller) = self.caller(session.as_deref())?;
        let replies = ask(&link, caller, frame, accepts.events).await?;
        let answer = self.answer(replies, accepts, id).await?;
        Ok(with_session(answer, session.map(|session| session.id)))
    }

    async fn initialize(&self, frame: Frame, accepts: Accepts) -> Result<Response<Body>, Refusal> {
        // An id that opens nothing is forgotten: the client is doing the right thing about it.
        if matches!(self.session(), Ok(Some(_))) {
            return Err(Refusal::AlreadyInitialized);
        }
        let id = frame.id();
        let params = Params::of(frame.payload());
        let hello = Hello::of_client(&params);
        let declared = AskSet::declared(&hello.capabilities);
        let card = FrontCard {
            version: hello.version,
            principal: self.principal.clone(),
            declared,
            client: client_name(&params).into(),
        };
        let config = &self.entry.config;
        if config.push == Push::Off {
            let caller = Caller::Implicit(card);
            let replies = ask(&self.entry.shared, caller, frame, false).await?;
            return self.answer(replies, accepts, id).await;
        }
        let link = match Lane::of_session(config.mode, &config.private_for, declared) {
            Lane::Shared => self.entry.shared.clone(),
            Lane::Private => self.entry.private(hello).await?,
        };
        let sessions = &self.house.sessions;
        let mut opening = Opening { link, front: sessions.new_front(), opened: false };
        let (link, front) = (&opening.link, opening.front);
        link.send(Order::Open { front, card: card.clone() }).await?;
        // Its answer carries the session id in its head, so it is never begun before it is known.
        let mut replies = ask(link, Caller::Front(front), frame, false).await?;
        let first = replies.next().await;
        let succeeded = matches!(&first, Some(Event::Answer { ok: true, .. }));
        let session = if succeeded {
            let new = NewSession {
                server: self.entry.name.clone(),
                front,
                version: card.version,
                principal: card.principal,
                link: Some(link.clone()),
                doorstep: Doorstep::default(),
            };
            let session = sessions.open(new_session_id(), new);
            opening.opened = true;
            Some(session.id)
        } else {
            None
        };
        let answer = self.render(first, replies, accepts, id)?;
        Ok(with_session(answer, session))
    }

    async fn many(&self, parts: Vec<Result<Frame, Malformed>>) -> Result<Response<Body>, Refusal> {
        let accepts = self.forms()?;
        let session = self.session()?;
        let said = self.said_version()?;
        let version = session.as_ref().map_or(Version::ASSUMED, |session| session.version);
        if !said.unwrap_or(version).batches() {
            return Err(Refusal::BatchNotAllowed);
        }
        if parts.is_empty() {
            return Err(Refusal::BatchEmpty);
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
        if frames.len() > BATCH_MAX {
            let server = self.entry.name.clone();
            return Err(Refusal::Busy { server, what: "an array holds at most 100 messages" });
        }
        let (post, mut replies) = replies::channel(EVENTS_MAX + requests.len());
        let (link, caller) = self.caller(session.as_deref())?;
        for frame in frames {
            if frame.kind() != Kind::Request {
                self.pass_on(session.as_deref(), frame).await;
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
        Ok(with_session(answer, session.map(|session| session.id)))
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
                Event::Answer { text, .. } => array.extend_from_slice(text),
                Event::Refuse { why, id } => {
                    array.extend_from_slice(&why.fault().answer(id.as_ref()));
                }
                Event::Stream { .. } | Event::Message { .. } => {}
            }
        }
        array.push(b']');
        Ok(json(StatusCode::OK, array.into()))
    }

    async fn get(&self) -> Result<Response<Body>, Refused> {
        if !Accepts::of(&self.headers).events {
            return Err(Refusal::NotAcceptable.into());
        }
        // Without a session there is nothing to listen to. Clients that try this first take a 405 calmly.
        let Some(session) = self.session()? else {
            return Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into());
        };
        self.said_version()?;
        let link = session.link.get().ok_or(Refusal::SessionGone)?;
        let farewell = link.admit()?;
        let (call, front) = (farewell.call(), session.front);
        let after = match self.header(LAST_EVENT) {
            None => None,
            Some(text) => Some(EventId::parse(text).ok_or(Refusal::EventGone)?),
        };
        let room = if after.is_some() { REPLAY_MAX } else { EVENTS_MAX };
        let (outlet, mut replies) = replies::channel(room);
        replies.promise(farewell);
        let order = match after {
            Some(after) => Order::Attach { call, front, after, outlet },
            None => Order::Listen { call, front, outlet, vanish: Vanish::Detach },
        };
        link.send(order).await?;
        match replies.next().await {
            Some(Event::Refuse { why, .. }) => Err(why.into()),
            Some(event) => {
                let events = self.events(replies).until(&self.house.stopping).begin(&event);
                let answer = events.into_response();
                Ok(with_session(answer, Some(session.id)))
            }
            None => Err(Refusal::Interrupted.into()),
        }
    }

    fn delete(&self) -> Result<Response<Body>, Refused> {
        let session = self.session()?.ok_or(Refusal::SessionMissing)?;
        self.house.sessions.close(session.id);
        Ok(Response::new(Body::empty()))
    }

    /// Waits for what comes first and answers in the form it asks for.
    async fn answer(
        &self,
        mut replies: Replies,
        accepts: Accepts,
        id: Option<RawId>,
    ) -> Result<Response<Body>, Refusal> {
        let first = replies.next().await;
        self.render(first, replies, accepts, id)
    }

    fn render(
        &self,
        first: Option<Event>,
        replies: Replies,
        accepts: Accepts,
        id: Option<RawId>,
    ) -> Result<Response<Body>, Refusal> {
        match first {
            Some(Event::Answer { text, .. }) if accepts.json => Ok(json(StatusCode::OK, text)),
            Some(Event::Refuse { why, .. }) if accepts.json => {
                Ok(Refused::new(why, id).into_response())
            }
            Some(event) => Ok(self.events(replies).begin(&event).into_response()),
            None => Err(Refusal::Interrupted),
        }
    }

    /// The stream of a call. It ends with its answer, which is waited for even while the daemon stops.
    fn events(&self, replies: Replies) -> Events {
        Events::new(replies, self.house.config.keep_alive.0)
    }

    /// The session this request names.
    fn session(&self) -> Result<Option<Arc<Session>>, Refusal> {
        let Some(text) = self.header(SESSION).filter(|_| self.entry.config.push == Push::On) else {
            return Ok(None);
        };
        let id = SessionId::parse(text).ok_or(Refusal::SessionGone)?;
        let found = self.house.sessions.find(id, &self.entry.name, &self.principal);
        found.map(Some).ok_or(Refusal::SessionGone)
    }

    /// Where to send a request, and on whose behalf.
    fn caller(&self, session: Option<&Session>) -> Result<(Link, Caller), Refusal> {
        if let Some(session) = session {
            let link = session.link.get().ok_or(Refusal::SessionGone)?;
            return Ok((link.clone(), Caller::Front(session.front)));
        }
        if !self.house.config.lenient_sessions && self.entry.config.push == Push::On {
            return Err(Refusal::SessionMissing);
        }
        let card = FrontCard {
            version: self.said_version().ok().flatten().unwrap_or(Version::ASSUMED),
            principal: self.principal.clone(),
            declared: AskSet::default(),
            client: self.header("user-agent").unwrap_or_default().into(),
        };
        Ok((self.entry.shared.clone(), Caller::Implicit(card)))
    }

    /// Hands on a notification or a response. Nobody is answered for these, and what cannot be delivered is nobody's error.
    async fn pass_on(&self, session: Option<&Session>, frame: Frame) {
        let Some(session) = session else { return };
        let Some(link) = session.link.get() else { return };
        let front = session.front;
        let order = if frame.kind() == Kind::Notification {
            Order::Notify { front, note: frame }
        } else {
            Order::Answer { front, answer: frame }
        };
        if let Err(why) = link.send(order).await {
            tracing::debug!(server = %self.entry.name, ?why, "a notification was not delivered");
        }
    }

    fn forms(&self) -> Result<Accepts, Refusal> {
        if !guard::is_json(&self.headers) {
            return Err(Refusal::ContentType);
        }
        let accepts = Accepts::of(&self.headers);
        if accepts.json || accepts.events { Ok(accepts) } else { Err(Refusal::NotAcceptable) }
    }

    /// The revision a client says it speaks. It need not say any.
    fn said_version(&self) -> Result<Option<Version>, Refusal> {
        let Some(text) = self.header(VERSION) else { return Ok(None) };
        let known = Version::parse(text.trim());
        known.map(Some).ok_or_else(|| Refusal::UnsupportedVersion(text.into()))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or("?"))
    }
}

/// Sends a request down a link and gives the place to wait for its answer.
async fn ask(
    link: &Link,
    caller: Caller,
    request: Frame,
    streams: bool,
) -> Result<Replies, Refusal> {
    let farewell = link.admit()?;
    let call = farewell.call();
    let (outlet, mut replies) = replies::channel(EVENTS_MAX);
    replies.promise(farewell);
    let reach = Reach::Own { outlet, streams };
    link.send(Order::Call { call, caller, request, reach }).await?;
    Ok(replies)
}

/// A session that is being opened. If its client leaves before it is, its front is closed again.
struct Opening {
    link: Link,
    front: FrontId,
    opened: bool,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.opened {
            self.link.close(self.front);
        }
    }
}

/// What a client calls itself, for the log.
pub(super) fn client_name(params: &Params<'_>) -> String {
    let about = Implementation::of(params.client_info);
    if about.version.is_empty() {
        return about.name.into_owned();
    }
    format!("{} {}", about.name, about.version)
}

/// Nobody can guess it: whoever holds it is taken for the one it was given to.
pub(super) fn new_session_id() -> SessionId {
    let mut id = [0; 16];
    getrandom::fill(&mut id).expect("the system gives random bytes");
    SessionId(id)
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn with_session(mut response: Response<Body>, id: Option<SessionId>) -> Response<Body> {
    if let Some(value) = id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        response.headers_mut().insert(SESSION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_accept_header_is_understood() {
        let of = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            }
            let accepts = Accepts::of(&headers);
            (accepts.json, accepts.events)
        };
        assert_eq!(of(None), (true, true));
        assert_eq!(of(Some("*/*")), (true, true));
        assert_eq!(of(Some("text/event-stream, application/json")), (true, true));
        assert_eq!(of(Some("Application/JSON;q=0.9")), (true, false));
        assert_eq!(of(Some("text/event-stream")), (false, true));
        assert_eq!(of(Some("text/html, image/png")), (false, false));
    }
}
