//! The sockets, and the dialects spoken on them.
//!
//! A request passes the guard (host, origin, principal, size), finds its server by its path, and is handed to a face. A face
//! knows one dialect of the protocol: it reads what the client wants, sends an order down a link, and gives back what comes as
//! plain JSON or as an event stream. Which of the two is not the face's choice: the switchboard says which comes first.
//!
//! This floor never knows a child.

mod admin;
mod bell;
mod body;
mod complaints;
mod connection;
mod face;
mod guard;
mod heads;
mod listen;
mod peer;
mod places;
mod render;
mod route;
mod stall;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri, Version};
use tokio::sync::watch;

use self::body::{Body, Events};
use self::connection::Patience;
pub(crate) use self::guard::knows_host;
use self::guard::{Sight, Unwanted};
use self::heads::Heads;
use self::listen::Doorway;
pub(crate) use self::listen::{BindError, Closing, Listener};
pub(crate) use self::places::Places;
use self::render::{Answered, Refused};
use self::route::Route;
use crate::auth::bearer::{Bearers, Grant};
use crate::bridge::front::Principal;
use crate::bridge::refusal::Refusal;
use crate::config::model::{Http, Push};
use crate::link::directory::{Directory, Entry};
use crate::link::guests::Guests;
use crate::link::sessions::Sessions;
use crate::link::stream_sessions::StreamSessions;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What every request may need, as it is at one moment. A reload publishes a new one whole; a request goes on with the one it
/// came in with.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) directory: Directory,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) stream_sessions: Arc<StreamSessions>,
    pub(crate) guests: Arc<Guests>,
    pub(crate) bearers: Option<Arc<Bearers>>,
    pub(crate) config: Http,
    pub(crate) reloads: Reloads,
    /// Set when the daemon begins to stop: nothing new is begun, and readiness is denied.
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) born: Instant,
}

/// The house that holds now.
pub(crate) type Houses = watch::Receiver<Arc<House>>;

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloads {
    /// How often it was taken.
    pub(crate) taken: u64,
    /// When it was last read, and why it was not taken if it was not.
    pub(crate) last: Option<(Instant, Option<String>)>,
}

/// A request that has come, and where. It borrows everything: its connection outlives it.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    house: &'a Arc<House>,
    doorway: &'a Doorway,
    patience: &'a Patience,
    head: &'a Parts,
    heads: &'a Heads<'a>,
}

/// A request on its way to a face: past the guard, with its server found.
#[derive(Clone, Copy, Debug)]
struct Visit<'a> {
    asked: Asked<'a>,
    house: &'a Arc<House>,
    entry: &'a Entry,
    principal: &'a Principal,
    /// What it opens now ends when its token is taken back.
    grant: Option<Grant<'a>>,
    /// Whether it may have a session and a stream that only listens.
    push: Push,
}

/// Everybody, where nobody has to say who they are.
static ANONYMOUS: LazyLock<Principal> = LazyLock::new(Principal::anonymous);

/// Answers one request. There is no failure: every refusal is an answer.
fn serve<'a>(
    doorway: &'a Doorway,
    patience: &'a Patience,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'a {
    let house = Arc::clone(&doorway.houses.borrow());
    let (mut head, mut incoming) = request.into_parts();
    async move {
        patience.meet();
        let heads = Heads::of(&head.headers);
        let asked = Asked { house: &house, doorway, patience, head: &head, heads: &heads };
        let answered = asked.answer(&mut incoming).await;
        // A connection cannot go on behind a body that nobody read, and many clients take it amiss if one closes without a word.
        // What `drained` asks first is asked here, as most are spared its future.
        let closes = head.version < Version::HTTP_2
            && !incoming.is_end_stream()
            && !guard::drained(&mut incoming, Unwanted::of(&head.method, &heads)).await;
        let origin = heads.origin.cloned();
        let mut response = match answered {
            Ok(Answered::Plainly { text, has_session }) => {
                let session = heads.session.filter(|_| has_session).cloned();
                render::json_within(std::mem::take(&mut head.headers), text, session)
            }
            Ok(Answered::Otherwise(response)) => *response,
            Err(refused) => refused.into_response(),
        };
        if closes {
            response.headers_mut().insert(header::CONNECTION, CLOSE);
        }
        if let Some(origin) = origin {
            guard::share_with(&house.config, &origin, response.headers_mut());
        }
        Ok(response)
    }
}

// === impl House ===

impl House {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

// === impl Asked ===

impl<'a> Asked<'a> {
    async fn answer(self, incoming: &mut Incoming) -> Result<Answered, Refused> {
        let Self { house, doorway, head, heads, .. } = self;
        guard::host_and_origin(&house.config, doorway, heads, &head.uri)?;
        if head.method == Method::OPTIONS {
            return Ok(guard::preflight(&head.headers).into());
        }
        let route = Route::of(head.uri.path(), &doorway.scope, &house.directory);
        if let Route::Streamable(entry) = route
            && head.method == Method::POST
        {
            return self.enter(entry)?.post(incoming).await;
        }
        // Every connection has room for what is above as long as it lives, so the rest is put into a box.
        Box::pin(self.other(route, incoming)).await.map(Answered::from)
    }

    async fn other(
        self,
        route: Route<'a>,
        incoming: &mut Incoming,
    ) -> Result<Response<Body>, Refused> {
        let Self { house, head, heads, .. } = self;
        let bearers = house.bearers.as_deref();
        match route {
            Route::Healthz => admin::healthz(&head.method),
            Route::Readyz(only) => {
                let sight = Sight::of(bearers, heads);
                admin::readyz(house, only, &sight, &head.method).await
            }
            Route::Status => {
                guard::grant(bearers, heads, None)?;
                let sight = Sight::of(bearers, heads);
                admin::status(house, &sight, &head.method).await
            }
            Route::Home => admin::home(house, &head.method),
            Route::Nothing => Err(Refusal::UnknownPath.into()),
            Route::NoServer(name) => {
                // Which names there are is told to nobody without a token.
                guard::grant(bearers, heads, None)?;
                Err(Refusal::UnknownServer(name.into()).into())
            }
            Route::Streamable(entry) => face::streamable::serve(self.enter(entry)?).await,
            Route::Sse(entry, prefix) => face::sse::stream(self.enter(entry)?, &prefix),
            Route::Messages(entry) => face::sse::message(self.enter(entry)?, incoming).await,
        }
    }

    fn enter(self, entry: &'a Entry) -> Result<Visit<'a>, Refused> {
        let Self { house, head, .. } = self;
        let grant = guard::grant(house.bearers.as_deref(), self.heads, Some(entry))?;
        let principal = grant.map_or_else(|| &*ANONYMOUS, Grant::principal);
        // Whoever asks may ask for less than it is given, and the URL is the one thing that any client lets its user write. It is
        // no way around sessions where they are wanted: of each client by the operator, or by the server for what it keeps in them.
        let may_ask = house.config.lenient_sessions && !entry.config.keeps_sessions();
        let push = if may_ask && asks_for_quiet(&head.uri) {
            Push::Off
        } else {
            grant.and_then(Grant::push).unwrap_or(entry.config.push)
        };
        // It came on a connection that was open before; there is nobody left to work on it. What is posted is read first: whoever
        // waits for an answer has to be told under its id.
        if head.method != Method::POST && house.is_stopping() {
            return Err(Refusal::Interrupted.into());
        }
        Ok(Visit { asked: self, house, entry, principal, grant, push })
    }
}

// === impl Visit ===

impl<'a> Visit<'a> {
    /// Reads the body of its request.
    fn body(self, incoming: &mut Incoming) -> impl Future<Output = Result<Bytes, Refused>> {
        let stall = self.asked.patience.stall(self.asked.head.version);
        guard::body(&self.house.config, incoming, stall)
    }

    fn headers(self) -> &'a HeaderMap {
        &self.asked.head.headers
    }

    /// The stream, until its token is taken back.
    fn until_revoked(self, events: Events) -> Events {
        match self.grant {
            Some(grant) => events.until(grant.revoked()),
            None => events,
        }
    }
}

/// Whether its client wants no push, whatever it could have: `…/mcp?push=off`.
fn asks_for_quiet(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "push=off"))
}
