//! Streamable HTTP of the handshake era: revisions 2025-03-26, 2025-06-18 and 2025-11-25, with a session or without one.

mod accepts;
mod batch;
mod opening;
mod standing;

use std::pin::Pin;

use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Response, StatusCode};

use crate::bridge::front::FrontCard;
use crate::bridge::greeting::Hello;
use crate::bridge::lane::AskSet;
use crate::bridge::outlet::Event;
use crate::bridge::passport::Passport;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Caller, Order, Reach};
use crate::config::model::Push;
use crate::http::body::{Body, Events};
use crate::http::heads::{self, Revision, SESSION};
use crate::http::render::{Answered, Refused, json};
use crate::http::{Visit, guard};
use crate::link::handle::{Delayed, Link};
use crate::link::replies::{self, Replies};
use crate::link::sessions::{Found, Session};
use crate::wire::envelope::Sighted;
use crate::wire::frame::{self, Frame, Kind};
use crate::wire::id::RawId;
use crate::wire::method::{Method as Rpc, RequestRoute};
use crate::wire::version::{Era, Version};

pub(in crate::http::face) use self::accepts::Accepts;
pub(in crate::http) use self::standing::serve;

/// Room for what a child says of one call, with no pause, before its reader gets to it. The bound of waiting bytes is the tighter one
/// for any but the shortest messages.
pub(in crate::http::face) const CALL_EVENTS_MAX: usize = 16 << 10;

/// What becomes of a message.
enum Taken<'a> {
    /// Its answer is on its way.
    Asked { replies: Replies, accepts: Accepts, has_session: bool },
    /// What is not on the way of most requests stands in a box: every connection has room for the rest as long as it lives.
    Apart(Pin<Box<dyn Future<Output = Result<Response<Body>, Refusal>> + Send + 'a>>),
}

// === impl Visit ===

impl<'a> Visit<'a> {
    pub(in crate::http) async fn post(
        &'a self,
        incoming: &mut Incoming,
    ) -> Result<Answered, Refused> {
        // The body is read before any header is judged: a refusal has to name the request it refuses.
        let text = self.body(incoming).await?;
        let frame = match frame::Body::read(text).map_err(Refusal::Malformed)? {
            frame::Body::One(frame) => frame,
            frame::Body::Many(parts) => {
                return Box::pin(self.batch(parts))
                    .await
                    .map(Answered::from)
                    .map_err(Refused::from);
            }
        };
        if let Some(modern) = self.as_modern(&frame) {
            return modern.await.map(Answered::from);
        }
        let id = frame.id().filter(|_| frame.kind() == Kind::Request);
        let (mut replies, accepts, has_session) = match self.take(frame) {
            Ok(Taken::Asked { replies, accepts, has_session }) => (replies, accepts, has_session),
            Ok(Taken::Apart(apart)) => {
                let answer = apart.await;
                return answer.map(Answered::from).map_err(|why| Refused::new(why, id));
            }
            Err(why) => return Err(Refused::new(why, id)),
        };
        let first = match (replies.next().await, accepts.json) {
            (Some(Event::Answer { text, .. }), true) => {
                return Ok(Answered::Plainly { text, has_session });
            }
            (first, _) => first,
        };
        let answer = self.render(first, replies, accepts, id.clone());
        let answer = answer.map_err(|why| Refused::new(why, id))?;
        Ok(self.with_session(answer, has_session).into())
    }

    /// The answer to a message of an era without handshakes, if it is one.
    fn as_modern<'f>(
        &'f self,
        frame: &'f Frame,
    ) -> Option<impl Future<Output = Result<Response<Body>, Refused>>> {
        // Nearly all say nothing about it anywhere.
        if frame.lacks_meta() && self.other_revision().is_none() {
            return None;
        }
        let sighted = Sighted::new(frame, self.other_revision());
        (sighted.era == Era::Modern).then(|| Box::pin(self.modern(sighted)))
    }

    /// Does what a message asks for, as far as nothing has to be waited for.
    fn take(&'a self, frame: Frame) -> Result<Taken<'a>, Refusal> {
        if self.house.is_stopping() {
            return Err(Refusal::Interrupted);
        }
        let accepts = self.forms()?;
        if frame.kind() != Kind::Request {
            return Ok(Taken::Apart(Box::pin(self.heed(frame))));
        }
        if frame.method().as_request() == RequestRoute::Initialize {
            return Ok(Taken::Apart(Box::pin(self.initialize(frame, accepts))));
        }
        let session = match self.look()? {
            None => None,
            Some(Found::Here(session)) => Some(session),
            Some(Found::Away(passport)) => {
                return Ok(Taken::Apart(Box::pin(self.revived(passport, frame, accepts))));
            }
        };
        self.hand_on(session, frame, accepts)
    }

    /// Hands on a request.
    fn hand_on(
        &'a self,
        session: Option<Session>,
        frame: Frame,
        accepts: Accepts,
    ) -> Result<Taken<'a>, Refusal> {
        // A client that tries the newer era first must hear that the method is unknown, and nothing about versions.
        if frame.method() != Rpc::Discover {
            self.said_version()?;
        }
        let has_session = session.is_some();
        let (link, caller) = self.caller(session)?;
        let id = frame.id();
        Ok(match begin(link, caller, frame, accepts.events) {
            Ok(replies) => Taken::Asked { replies, accepts, has_session },
            Err(delayed) => Taken::Apart(Box::pin(async move {
                let answer = self.answer(delayed.await?, accepts, id).await?;
                Ok(self.with_session(answer, has_session))
            })),
        })
    }
}

impl Visit<'_> {
    /// A request of a session whose child has to be brought back.
    async fn revived(
        &self,
        passport: Passport,
        frame: Frame,
        accepts: Accepts,
    ) -> Result<Response<Body>, Refusal> {
        let id = frame.id();
        let session = self.revive(passport).await?;
        match self.hand_on(Some(session), frame, accepts)? {
            Taken::Asked { replies, accepts, has_session } => {
                let answer = self.answer(replies, accepts, id).await?;
                Ok(self.with_session(answer, has_session))
            }
            Taken::Apart(apart) => apart.await,
        }
    }

    /// A notification or a response.
    async fn heed(&self, frame: Frame) -> Result<Response<Body>, Refusal> {
        let session = self.present()?;
        if matches!(frame.kind(), Kind::Result | Kind::Error) && self.says_modern() {
            return Err(Refusal::ResponseUnknown);
        }
        if frame.method() != Rpc::Discover {
            self.said_version()?;
        }
        self.pass_on(session.as_ref(), frame).await;
        Ok(accepted())
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
        match self.look()? {
            None => Ok(None),
            Some(Found::Here(session)) => Ok(Some(session)),
            Some(Found::Away(passport)) => self.revive(passport).await.map(Some),
        }
    }

    fn look(&self) -> Result<Option<Found>, Refusal> {
        let Some(id) = self.session_id() else { return Ok(None) };
        self.house.sessions.look(id, self.entry, self.principal).map(Some)
    }

    async fn revive(&self, passport: Passport) -> Result<Session, Refusal> {
        let id = self.session_id().unwrap_or_default();
        self.house.sessions.revive(passport, id, self.entry, self.principal).await
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
    match begin(link, caller, request, streams) {
        Ok(replies) => Ok(replies),
        Err(delayed) => delayed.await,
    }
}

/// The same, if that can be done at once.
fn begin(link: Link, caller: Caller, request: Frame, streams: bool) -> Result<Replies, Delayed> {
    let (outlet, replies) = replies::channel(CALL_EVENTS_MAX);
    let reach = Reach::Own { outlet, streams };
    link.call(replies, move |call| Order::Call { call, caller, request, reach })
}

pub(in crate::http::face) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
