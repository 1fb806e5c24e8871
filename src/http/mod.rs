//! The sockets, and the dialects spoken on them.
//!
//! A request passes the guard (host, origin, principal, size), finds its server by its path, and is handed to a face. A face
//! knows one dialect of the protocol: it reads what the client wants, sends an order down a link, and gives back what comes as
//! plain JSON or as an event stream. Which of the two is not the face's choice: the switchboard says which comes first.
//!
//! This floor never knows a child.

mod admin;
mod body;
mod face;
mod guard;
mod listen;
mod render;
mod route;
mod stall;

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::body::Body;
use self::guard::Sight;
pub(crate) use self::listen::{BindError, Listener, Scope};
use self::render::Refused;
use self::route::Route;
use crate::auth::bearer::Bearers;
use crate::bridge::front::Principal;
use crate::bridge::refusal::Refusal;
use crate::config::model::Http;
use crate::link::directory::{Directory, Entry};
use crate::link::sessions::Sessions;
use crate::link::stream_sessions::StreamSessions;

/// What every request may need.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) directory: watch::Receiver<Arc<Directory>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) stream_sessions: StreamSessions,
    pub(crate) bearers: Option<Bearers>,
    pub(crate) config: Http,
    /// Set when the daemon begins to stop: streams end and readiness is denied.
    pub(crate) stopping: CancellationToken,
    pub(crate) born: Instant,
}

/// A request on its way to a face: past the guard, with its server found.
#[derive(Debug)]
struct Visit {
    house: Arc<House>,
    entry: Arc<Entry>,
    principal: Principal,
    headers: HeaderMap,
}

/// Answers one request. There is no failure: every refusal is an answer.
async fn serve(house: Arc<House>, scope: Scope, request: Request<Incoming>) -> Response<Body> {
    let origin = request.headers().get(hyper::header::ORIGIN).cloned();
    let mut response = match answer(&house, &scope, request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    };
    if let Some(origin) = origin {
        guard::share_with(&house.config, &origin, response.headers_mut());
    }
    response
}

async fn answer(
    house: &Arc<House>,
    scope: &Scope,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    guard::host_and_origin(&house.config, scope, &request)?;
    if request.method() == Method::OPTIONS {
        return Ok(guard::preflight(request.headers()));
    }
    let directory = Arc::clone(&house.directory.borrow());
    let route = Route::of(request.uri().path(), scope, &directory);
    match route {
        Route::Healthz => admin::healthz(request.method()),
        Route::Readyz(only) => {
            let sight = Sight::of(house.bearers.as_ref(), request.headers());
            admin::readyz(house, &directory, only, &sight, request.method()).await
        }
        Route::Status => {
            guard::principal(house.bearers.as_ref(), request.headers(), None)?;
            let sight = Sight::of(house.bearers.as_ref(), request.headers());
            admin::status(house, &directory, &sight, request.method()).await
        }
        Route::Home => admin::home(house, &directory, request.method()),
        Route::Nothing => Err(Refusal::UnknownPath.into()),
        Route::NoServer(name) => Err(Refusal::UnknownServer(name).into()),
        Route::Streamable(entry) => {
            let (visit, request) = enter(house, entry, request)?;
            face::streamable::serve(visit, request).await
        }
        Route::Sse(entry, prefix) => {
            let (visit, request) = enter(house, entry, request)?;
            face::sse::stream(&visit, &request, &prefix)
        }
        Route::Messages(entry) => {
            let (visit, request) = enter(house, entry, request)?;
            face::sse::message(visit, request).await
        }
    }
}

fn enter(
    house: &Arc<House>,
    entry: Arc<Entry>,
    mut request: Request<Incoming>,
) -> Result<(Visit, Request<Incoming>), Refused> {
    let principal = guard::principal(house.bearers.as_ref(), request.headers(), Some(&entry))?;
    let headers = std::mem::take(request.headers_mut());
    Ok((Visit { house: Arc::clone(house), entry, principal, headers }, request))
}
