//! Streamable HTTP of the handshake era: revisions 2025-03-26, 2025-06-18 and 2025-11-25, with a session or without one.

mod accepts;
mod batch;
mod opening;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Method, Response, StatusCode};

use crate::bridge::front::{FrontCard, Vanish};
use crate::bridge::greeting::Hello;
use crate::bridge::lane::AskSet;
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order, Reach};
use crate::config::model::Push;
use crate::http::body::{Body, Events};
use crate::http::heads::{self, Revision, SESSION};
use crate::http::render::{Refused, json};
use crate::http::{Visit, guard};
use crate::link::handle::Link;
use crate::link::replies::{self, EVENTS_MAX, Replies};
use crate::link::sessions::Session;
use crate::wire::envelope::Sighted;
use crate::wire::frame::{self, Frame, Kind};
use crate::wire::id::{EventId, RawId};
use crate::wire::method::{Method as Rpc, RequestRoute};
use crate::wire::version::{Era, Version};

pub(in crate::http::face) use self::accepts::Accepts;

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Room for what a child says of one call, with no pause, before its reader gets to it. The bound of waiting bytes is the tighter one
/// for any but the shortest messages.
pub(in crate::http::face) const CALL_EVENTS_MAX: usize = 16 << 10;

/// Room for everything a stream log can hold, so that a reader that comes back gets it at once.
const REPLAY_MAX: usize = EVENTS_MAX + 1024;

/// Every connection has room for this as long as it lives, so what is not on the way of most requests is put into a box.
pub(in crate::http) async fn serve(
    visit: Visit<'_>,
    incoming: &mut Incoming,
) -> Result<Response<Body>, Refused> {
    let push = visit.push == Push::On;
    match visit.asked.head.method {
        Method::POST => {
            let text = visit.body(incoming).await?;
            visit.post(text).await
        }
        // Nothing but POST is known to who speaks without a handshake.
        _ if visit.says_modern() => Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into()),
        Method::GET if push => Box::pin(visit.get()).await,
        Method::DELETE if push => visit.delete(),
        _ if push => Err(Refusal::HttpMethodNotAllowed { allow: "GET, POST, DELETE" }.into()),
        _ => Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into()),
    }
}

// === impl Visit ===

impl Visit<'_> {
    async fn post(&self, text: Bytes) -> Result<Response<Body>, Refused> {
        // The body is read before any header is judged: a refusal has to name the request it refuses.
        let body = frame::Body::read(text).map_err(Refusal::Malformed)?;
        match body {
            frame::Body::One(frame) => {
                {
                    let sighted = Sighted::new(&frame, self.other_revision());
                    if sighted.era == Era::Modern {
                        return Box::pin(self.modern(sighted)).await;
                    }
                }
                let id = frame.id().filter(|_| frame.kind() == Kind::Request);
                self.one(frame).await.map_err(|why| Refused::new(why, id))
            }
            frame::Body::Many(parts) => Box::pin(self.many(parts)).await.map_err(Refused::from),
        }
    }

    async fn one(&self, frame: Frame) -> Result<Response<Body>, Refusal> {
        if self.house.is_stopping() {
            return Err(Refusal::Interrupted);
        }
        let accepts = self.forms()?;
        let request = frame.kind() == Kind::Request;
        if request && frame.method().as_request() == RequestRoute::Initialize {
            return Box::pin(self.initialize(frame, accepts)).await;
        }
        let session = if request { self.session().await? } else { self.present()? };
        if matches!(frame.kind(), Kind::Result | Kind::Error) && self.says_modern() {
            return Err(Refusal::ResponseUnknown);
        }
        // A client that tries the newer era first must hear that the method is unknown, and nothing about versions.
        if frame.method() != Rpc::Discover {
            self.said_version()?;
        }
        if !request {
            self.pass_on(session.as_ref(), frame).await;
            return Ok(accepted());
        }
        let id = frame.id();
        let has_session = session.is_some();
        let (link, caller) = self.caller(session)?;
        let replies = ask(link, caller, frame, accepts.events).await?;
        let answer = self.answer(replies, accepts, id).await?;
        Ok(self.with_session(answer, has_session))
    }

    async fn get(&self) -> Result<Response<Body>, Refused> {
        // Without a session there is nothing to listen to. Of all refusals clients take none but a 405 calmly.
        if !self.accepts().events {
            let allow = if self.session_id().is_some() { "POST, DELETE" } else { "POST" };
            return Err(Refusal::HttpMethodNotAllowed { allow }.into());
        }
        let Some(session) = self.session().await? else {
            return Err(Refusal::HttpMethodNotAllowed { allow: "POST" }.into());
        };
        self.said_version()?;
        let (who, link) = (session.who.clone(), &session.link);
        let farewell = link.admit()?;
        let call = farewell.call();
        let after = match self.header(&LAST_EVENT) {
            None => None,
            Some(text) => Some(EventId::parse(text).ok_or(Refusal::EventGone)?),
        };
        let resumed = after.is_some();
        let room = if resumed { REPLAY_MAX } else { EVENTS_MAX };
        let (outlet, mut replies) = replies::channel(room);
        replies.promise(farewell);
        let order = match after {
            Some(after) => Order::Attach { call, who, after, outlet },
            None => Order::Listen { call, who, outlet, vanish: Vanish::Detach },
        };
        link.send(order).await?;
        match replies.next().await {
            Some(Event::Refuse { why, .. }) => Err(why.into()),
            Some(event) => {
                let events = self.events(replies).begin(&event);
                let events = match self.grant {
                    Some(grant) => events.until(grant.silenced()),
                    None => events,
                };
                // A stream that was taken up again may bring an answer, which is waited for even while the daemon stops.
                let doorway = self.asked.doorway;
                let end = if resumed { &doorway.last_call } else { &doorway.leaving };
                let events = events.until(end);
                Ok(self.with_session(events.into_response(), true))
            }
            None => Err(Refusal::Interrupted.into()),
        }
    }

    fn delete(&self) -> Result<Response<Body>, Refused> {
        let id = self.session_id().ok_or(Refusal::SessionMissing)?;
        if !self.house.sessions.end(id, self.entry, self.principal) {
            return Err(Refusal::SessionGone.into());
        }
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
    pub(in crate::http::face) fn events(&self, replies: Replies) -> Events {
        let events = Events::new(replies, self.house.config.keep_alive.0);
        self.until_revoked(events)
    }

    /// The id of the session this request names.
    fn session_id(&self) -> Option<&str> {
        self.asked.heads.session.filter(|_| self.push == Push::On).map(heads::text)
    }

    /// The session this request names.
    async fn session(&self) -> Result<Option<Session>, Refusal> {
        let Some(id) = self.session_id() else { return Ok(None) };
        self.house.sessions.find(id, self.entry, self.principal).await.map(Some)
    }

    /// The same, if it need not be brought back to life.
    fn present(&self) -> Result<Option<Session>, Refusal> {
        let Some(id) = self.session_id() else { return Ok(None) };
        self.house.sessions.present(id, self.entry, self.principal)
    }

    /// Repeats the session's id, as clients are used to.
    fn with_session(&self, mut response: Response<Body>, has_one: bool) -> Response<Body> {
        if let Some(id) = self.asked.heads.session.filter(|_| has_one) {
            response.headers_mut().insert(SESSION, id.clone());
        }
        response
    }

    /// Where to send a request, and on whose behalf.
    fn caller(&self, session: Option<Session>) -> Result<(Link, Caller), Refusal> {
        if let Some(Session { who, link }) = session {
            return Ok((link, Caller::Front(who)));
        }
        if !self.house.config.lenient_sessions && self.push == Push::On {
            return Err(Refusal::SessionMissing);
        }
        let card = FrontCard {
            version: self.said_version().ok().flatten().unwrap_or(Version::ASSUMED),
            principal: self.principal.clone(),
            declared: AskSet::default(),
            client: self.header(&header::USER_AGENT).unwrap_or_default().into(),
            hello: Hello::nobody(),
            hears: self.push == Push::On,
            since: None,
        };
        Ok((self.entry.shared.clone(), Caller::Implicit(card)))
    }

    /// Hands on a notification or a response. Nobody is answered for these, and what cannot be delivered is nobody's error.
    async fn pass_on(&self, session: Option<&Session>, frame: Frame) {
        let Some(session) = session else { return };
        let front = session.who.front;
        let order = if frame.kind() == Kind::Notification {
            Order::Notify { front, note: frame }
        } else {
            Order::Answer { front, answer: frame }
        };
        if let Err(why) = session.link.send(order).await {
            tracing::debug!(server = %self.entry.name, ?why, "a notification was not delivered");
        }
    }

    pub(in crate::http::face) fn forms(&self) -> Result<Accepts, Refusal> {
        if !guard::is_json(self.asked.heads.content_type) {
            return Err(Refusal::ContentType);
        }
        let accepts = self.accepts();
        if accepts.json || accepts.events { Ok(accepts) } else { Err(Refusal::NotAcceptable) }
    }

    fn accepts(&self) -> Accepts {
        if self.asked.heads.is_choosy { Accepts::of(self.headers()) } else { Accepts::BOTH }
    }

    /// The revision a client says it speaks. It need not say any.
    fn said_version(&self) -> Result<Option<Version>, Refusal> {
        match self.asked.heads.revision {
            Revision::Unsaid => Ok(None),
            Revision::Known(version) => Ok(Some(version)),
            Revision::Other(text) => Err(Refusal::UnsupportedVersion(text.into())),
        }
    }

    /// Whether its header says that there was no handshake.
    fn says_modern(&self) -> bool {
        self.other_revision().is_some_and(|date| Era::of(date.trim()) == Era::Modern)
    }

    /// What its header says if that is no revision with a handshake.
    fn other_revision(&self) -> Option<&str> {
        match self.asked.heads.revision {
            Revision::Other(text) => Some(text),
            Revision::Unsaid | Revision::Known(_) => None,
        }
    }

    pub(in crate::http::face) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers().get(name).map(heads::text)
    }
}

/// Sends a request down a link and gives the place to wait for its answer.
pub(in crate::http::face) async fn ask(
    link: Link,
    caller: Caller,
    request: Frame,
    streams: bool,
) -> Result<Replies, Refusal> {
    let (outlet, mut replies) = replies::channel(CALL_EVENTS_MAX);
    let reach = Reach::Own { outlet, streams };
    link.call(&mut replies, |call| Order::Call { call, caller, request, reach }).await?;
    Ok(replies)
}

pub(in crate::http::face) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
