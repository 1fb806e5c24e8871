//! The sockets, and the dialects spoken on them.
//!
//! A request passes the guard (host, origin, principal, size), finds its server by its path, and is handed to a face. A face
//! knows one dialect of the protocol: it reads what the client wants, sends an order down a link, and gives back what comes as
//! plain JSON or as an event stream. Which of the two is not the face's choice: the switchboard says which comes first.
//!
//! This floor never knows a child.

mod admin;
mod body;
mod complaints;
mod connection;
mod face;
mod guard;
mod listen;
mod peer;
mod places;
mod render;
mod route;
mod stall;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Uri, Version};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::body::Body;
use self::connection::Patience;
pub(crate) use self::guard::knows_host;
use self::guard::{Sight, Unwanted};
use self::listen::Doorway;
pub(crate) use self::listen::{BindError, Closing, Listener};
pub(crate) use self::places::Places;
use self::render::Refused;
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
    /// Set when the daemon begins to stop: streams end and readiness is denied.
    pub(crate) stopping: CancellationToken,
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

/// A request on its way to a face: past the guard, with its server found.
#[derive(Debug)]
struct Visit {
    house: Arc<House>,
    entry: Arc<Entry>,
    principal: Principal,
    /// Whether it may have a session and a stream that only listens.
    push: Push,
    /// What it opens now ends when its token is taken back.
    revoked: Option<CancellationToken>,
    /// Streams that only listen end then too, and when its token says otherwise of push.
    silenced: Option<CancellationToken>,
    headers: HeaderMap,
    doorway: Arc<Doorway>,
    patience: Patience,
}

/// Answers one request. There is no failure: every refusal is an answer.
async fn serve(
    doorway: &Arc<Doorway>,
    patience: &Patience,
    mut request: Request<Incoming>,
) -> Response<Body> {
    patience.meet();
    let house = Arc::clone(&doorway.houses.borrow());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let unwanted = Unwanted::of(&request);
    let mut response = match answer(&house, doorway, patience, &mut request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    };
    // A connection cannot go on behind a body that nobody read, and many clients take it amiss if one closes without a word.
    if request.version() < Version::HTTP_2 && !guard::drained(request.body_mut(), unwanted).await {
        response.headers_mut().insert(header::CONNECTION, CLOSE);
    }
    if let Some(origin) = origin {
        guard::share_with(&house.config, &origin, response.headers_mut());
    }
    response
}

async fn answer(
    house: &Arc<House>,
    doorway: &Arc<Doorway>,
    patience: &Patience,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    guard::host_and_origin(&house.config, &doorway.scope, &doorway.complaints, request)?;
    if request.method() == Method::OPTIONS {
        return Ok(guard::preflight(request.headers()));
    }
    let bearers = house.bearers.as_deref();
    match Route::of(request.uri().path(), &doorway.scope, &house.directory) {
        Route::Healthz => admin::healthz(request.method()),
        Route::Readyz(only) => {
            let sight = Sight::of(bearers, request.headers());
            admin::readyz(house, only, &sight, request.method()).await
        }
        Route::Status => {
            guard::grant(bearers, request.headers(), None)?;
            let sight = Sight::of(bearers, request.headers());
            admin::status(house, &sight, request.method()).await
        }
        Route::Home => admin::home(house, request.method()),
        Route::Nothing => Err(Refusal::UnknownPath.into()),
        Route::NoServer(name) => {
            // Which names there are is told to nobody without a token.
            guard::grant(bearers, request.headers(), None)?;
            Err(Refusal::UnknownServer(name).into())
        }
        Route::Streamable(entry) => {
            let visit = enter(house, (doorway, patience), entry, request)?;
            face::streamable::serve(visit, request).await
        }
        Route::Sse(entry, prefix) => {
            let visit = enter(house, (doorway, patience), entry, request)?;
            face::sse::stream(&visit, request, &prefix)
        }
        Route::Messages(entry) => {
            let visit = enter(house, (doorway, patience), entry, request)?;
            face::sse::message(visit, request).await
        }
    }
}

impl Visit {
    /// Reads the body of its request.
    async fn body(&self, request: &mut Request<Incoming>) -> Result<Bytes, Refused> {
        let stall = self.patience.stall(request.version());
        guard::body(&self.house.config, request.body_mut(), stall).await
    }
}

/// Whether its client wants no push, whatever it could have: `…/mcp?push=off`.
fn asks_for_quiet(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "push=off"))
}

fn enter(
    house: &Arc<House>,
    (doorway, patience): (&Arc<Doorway>, &Patience),
    entry: Arc<Entry>,
    request: &mut Request<Incoming>,
) -> Result<Visit, Refused> {
    let bearers = house.bearers.as_deref();
    let grant = guard::grant(bearers, request.headers(), Some(&entry))?;
    let principal = grant.map_or_else(Principal::anonymous, Grant::principal);
    let (revoked, silenced) = (grant.map(Grant::revoked), grant.map(Grant::silenced));
    // Whoever asks may ask for less than it is given, and the URL is the one thing that any client lets its user write. It is no
    // way around sessions where they are wanted: of each client by the operator, or by the server for what it keeps in them.
    let may_ask = house.config.lenient_sessions && !entry.config.keeps_sessions();
    let push = if may_ask && asks_for_quiet(request.uri()) {
        Push::Off
    } else {
        grant.and_then(Grant::push).unwrap_or(entry.config.push)
    };
    // It came on a connection that was open before; there is nobody left to work on it. What is posted is read first: whoever
    // waits for an answer has to be told under its id.
    if house.stopping.is_cancelled() && request.method() != Method::POST {
        return Err(Refusal::Interrupted.into());
    }
    let headers = std::mem::take(request.headers_mut());
    let (house, doorway, patience) = (Arc::clone(house), Arc::clone(doorway), patience.clone());
    Ok(Visit { house, entry, principal, push, revoked, silenced, headers, doorway, patience })
}
