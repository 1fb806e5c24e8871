//! What is looked at before a body is read: host, origin, credentials, size, type.
//!
//! A page in a browser can make it send requests to loopback addresses. Its `Origin` gives it away, and after a trick with DNS its
//! `Host` does.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode, Uri};
use tokio::time::timeout;

use super::body::Body;
use super::complaints::Complaints;
use super::connection::Stall;
use super::heads::{self, Heads};
use super::listen::Doorway;
use super::render::Refused;

use crate::auth::bearer::{Bearers, Grant};
use crate::bridge::refusal::Refusal;
use crate::config::model::Http;
use crate::link::directory::Entry;

/// Names that mean this host, for its own processes or for containers on it.
const HOSTS: [&str; 3] = ["localhost", "host.containers.internal", "host.docker.internal"];

/// Of a body that nobody wants so much is taken in, and waited for so long.
const UNWANTED_MAX: u64 = 256 * 1024;
const UNWANTED_WAIT: Duration = Duration::from_secs(1);

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const ASKED: &str = "content-type, accept, authorization, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, last-event-id";
const EXPOSED: HeaderValue = HeaderValue::from_static("mcp-session-id, www-authenticate");

pub(super) fn host_and_origin(
    config: &Http,
    doorway: &Doorway,
    heads: &Heads<'_>,
    uri: &Uri,
) -> Result<(), Refused> {
    if doorway.scope.checks_host() && !heads.host.is_some_and(|host| doorway.is_called(host)) {
        host(config, &doorway.complaints, heads, uri)?;
    }
    match heads.origin {
        None => Ok(()),
        Some(value) => origin(config, &doorway.complaints, value),
    }
}

fn host(
    config: &Http,
    complaints: &Complaints,
    heads: &Heads<'_>,
    uri: &Uri,
) -> Result<(), Refused> {
    let host = heads
        .host
        // What is not ASCII is no name that anybody allowed.
        .map(heads::text)
        .or_else(|| uri.authority().map(hyper::http::uri::Authority::as_str));
    if let Some(host) = host
        && !knows_host(config, host)
    {
        complaints.hosts.about(host, |host, more| {
            tracing::warn!(
                host,
                "refused with 403: this Host is not known; if clients are to call stdiod so, add {:?} to [http] \
                 allowed_hosts{more}",
                without_port(host)
            );
        });
        return Err(Refusal::HostNotAllowed(host.into()).into());
    }
    Ok(())
}

fn origin(config: &Http, complaints: &Complaints, origin: &HeaderValue) -> Result<(), Refused> {
    if !origin_allowed(origin, &config.allowed_origins) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        complaints.origins.about(&origin, |origin, more| {
            tracing::warn!(
                origin,
                "refused with 403: this Origin is not in http.allowed_origins{more}"
            );
        });
        return Err(Refusal::OriginNotAllowed(origin.into()).into());
    }
    Ok(())
}

/// Whether requests to this host, with or without a port, pass.
pub(crate) fn knows_host(config: &Http, host: &str) -> bool {
    let name = without_port(host);
    let literal = || name.trim_start_matches('[').trim_end_matches(']');
    HOSTS.iter().any(|known| known.eq_ignore_ascii_case(name))
        || literal().parse::<std::net::IpAddr>().is_ok()
        || config
            .allowed_hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
}

fn origin_allowed(origin: &HeaderValue, allowed: &[String]) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((_, rest)) = origin.split_once("://") else { return false };
    let name = without_port(rest);
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || literal.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// The grant of who sends this, if one is needed, and whether they may use this server.
pub(super) fn grant<'a>(
    bearers: Option<&'a Bearers>,
    heads: &Heads<'_>,
    entry: Option<&Entry>,
) -> Result<Option<Grant<'a>>, Refused> {
    let Some(bearers) = bearers else { return Ok(None) };
    let authorization = heads.authorization.map(HeaderValue::as_bytes);
    let grant = bearers.check(authorization).ok_or(Refusal::Unauthorized)?;
    match entry {
        Some(entry) if !grant.opens(&entry.name, &entry.config) => {
            Err(Refusal::Forbidden { server: entry.name.clone() }.into())
        }
        _ => Ok(Some(grant)),
    }
}

/// What of the servers may be shown to whoever sends this.
#[derive(Debug)]
pub(super) enum Sight<'a> {
    Everything,
    Granted(Grant<'a>),
    /// How many there are and how many are ready, and nothing of what they are or said.
    Numbers,
}

impl<'a> Sight<'a> {
    pub(super) fn of(bearers: Option<&'a Bearers>, heads: &Heads<'_>) -> Self {
        let Some(bearers) = bearers else { return Self::Everything };
        let authorization = heads.authorization.map(HeaderValue::as_bytes);
        bearers.check(authorization).map_or(Self::Numbers, Self::Granted)
    }

    pub(super) fn shows(&self, entry: &Entry) -> bool {
        match self {
            Self::Everything => true,
            Self::Granted(grant) => grant.opens(&entry.name, &entry.config),
            Self::Numbers => false,
        }
    }
}

/// Reads a body that is not too long. A client that stops in the middle of it is not waited for.
pub(super) async fn body(
    config: &Http,
    incoming: &mut Incoming,
    mut stall: Stall<'_>,
) -> Result<Bytes, Refused> {
    let limit = config.max_body.bytes();
    let too_large = || Refused::from(Refusal::BodyTooLarge { limit: config.max_body.0 });
    let hint = incoming.size_hint();
    if hint.lower() > config.max_body.0 {
        return Err(too_large());
    }
    // Most come as one piece, which is taken as it is.
    let first = match part(incoming, &mut stall).await {
        None => return Ok(Bytes::new()),
        Some(frame) => frame.map_err(|()| Refusal::BodyBroken)?.into_data().unwrap_or_default(),
    };
    if first.len() > limit {
        return Err(too_large());
    }
    if incoming.is_end_stream() {
        return Ok(first);
    }
    // Where its length was not said, this may be the end and no more.
    let Some(next) = part(incoming, &mut stall).await else { return Ok(first) };
    let expected = usize::try_from(hint.lower()).unwrap_or(0).min(limit);
    Box::pin(rest(first, next, expected, limit, incoming, stall)).await.ok_or_else(too_large)?
}

/// Reads what follows the first two pieces of a body. `None` if that is too much.
async fn rest(
    first: Bytes,
    next: Result<Frame<Bytes>, ()>,
    expected: usize,
    limit: usize,
    incoming: &mut Incoming,
    mut stall: Stall<'_>,
) -> Option<Result<Bytes, Refused>> {
    let mut all = BytesMut::with_capacity(expected.max(first.len()));
    all.extend_from_slice(&first);
    drop(first);
    let mut next = Some(next);
    while let Some(frame) = next {
        let Ok(frame) = frame else { return Some(Err(Refusal::BodyBroken.into())) };
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > limit {
                return None;
            }
            all.extend_from_slice(&data);
        }
        if incoming.is_end_stream() {
            break;
        }
        next = part(incoming, &mut stall).await;
    }
    Some(Ok(all.freeze()))
}

/// The next part of a body; an error if it breaks off or stands still.
async fn part(incoming: &mut Incoming, stall: &mut Stall<'_>) -> Option<Result<Frame<Bytes>, ()>> {
    std::future::poll_fn(|cx| stall.poll_part(incoming, cx)).await
}

/// How a body that nobody wants is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// Its sender is about to send it, whatever is said.
    Awaited,
    /// It has no business to be there, and what has come of it is all that is taken in.
    Odd,
    /// Its sender waits until somebody asks for it, and whoever reads it asks.
    Withheld,
}

// === impl Unwanted ===

impl Unwanted {
    pub(super) fn of(method: &Method, heads: &Heads<'_>) -> Self {
        let expect = heads.expect.map(HeaderValue::as_bytes);
        if expect.is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue")) {
            return Self::Withheld;
        }
        match *method {
            Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS => Self::Odd,
            _ => Self::Awaited,
        }
    }
}

/// Takes in what is left of a body that nobody wants, so that its sender is there to read the answer. False if that would be
/// too much, or does not come soon.
pub(super) async fn drained(incoming: &mut Incoming, unwanted: Unwanted) -> bool {
    if incoming.is_end_stream() {
        return true;
    }
    if unwanted == Unwanted::Withheld || incoming.size_hint().lower() > UNWANTED_MAX {
        return false;
    }
    let wait = if unwanted == Unwanted::Odd { Duration::ZERO } else { UNWANTED_WAIT };
    let mut left = UNWANTED_MAX;
    let all = async {
        while let Some(frame) = incoming.frame().await {
            let data = frame.ok()?.into_data().unwrap_or_default();
            left = left.checked_sub(data.len() as u64)?;
        }
        Some(())
    };
    timeout(wait, all).await.ok().flatten().is_some()
}

/// Whether a POST says that it holds JSON. Saying nothing is forgiven.
pub(super) fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let Some(value) = content_type else { return true };
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The answer to a browser that asks before it sends.
pub(super) fn preflight(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let asked = headers
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let params = asked
        .split(',')
        .map(str::trim)
        .filter(|name| name.to_ascii_lowercase().starts_with("mcp-param-"));
    let allowed = params.fold(ASKED.to_owned(), |all, name| format!("{all}, {name}"));
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets a page of an allowed origin read the answer. Loopback origins may call, but only configured ones may read.
pub(super) fn share_with(config: &Http, origin: &HeaderValue, headers: &mut HeaderMap) {
    let configured = origin.to_str().is_ok_and(|origin| {
        config
            .allowed_origins
            .iter()
            .any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    });
    if configured {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn verdict(host: Option<&str>, origin: Option<&str>, config: &Http) -> Result<(), StatusCode> {
        let mut request = Request::builder().uri("/mcp");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.body(()).unwrap();
        let heads = Heads::of(request.headers());
        let complaints = Complaints::new();
        super::host(config, &complaints, &heads, request.uri())
            .and_then(|()| {
                heads.origin.map_or(Ok(()), |value| super::origin(config, &complaints, value))
            })
            .map_err(|refused| refused.into_response().status())
    }

    #[test]
    fn t34_hosts_and_origins_by_the_table() {
        let config = Http {
            allowed_hosts: vec!["mcp.example".into()],
            allowed_origins: vec!["https://app.example".into()],
            ..Http::default()
        };
        for host in [
            "localhost",
            "LOCALHOST:8750",
            "127.0.0.1:8750",
            "[::1]:8750",
            "[::1]",
            "10.0.0.7:20200",
            "host.containers.internal:8750",
            "host.docker.internal",
            "mcp.example",
            "mcp.example:443",
        ] {
            assert_eq!(verdict(Some(host), None, &config), Ok(()), "{host}");
        }
        assert_eq!(verdict(None, None, &config), Ok(()), "HTTP/1.0 needs no Host");
        for host in ["evil.example", "evil.example:8750", "localhost.evil.example", "", ":8750"] {
            assert_eq!(verdict(Some(host), None, &config), Err(StatusCode::FORBIDDEN), "{host}");
        }
        for origin in
            ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:9", "https://app.example"]
        {
            assert_eq!(verdict(Some("localhost"), Some(origin), &config), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "http://evil.example",
            "https://app.example.evil",
            "http://localhost.evil",
            "http://10.0.0.7",
            "localhost",
            "",
        ] {
            let refused = verdict(Some("localhost"), Some(origin), &config);
            assert_eq!(refused, Err(StatusCode::FORBIDDEN), "{origin}");
        }
    }

    #[test]
    fn a_body_is_only_waited_for_where_it_is_on_its_way() {
        let of = |method: &str, expect: Option<&str>| {
            let request = Request::builder().method(method).uri("/mcp");
            let request = expect.into_iter().fold(request, |it, value| it.header("expect", value));
            let request = request.body(()).unwrap();
            Unwanted::of(request.method(), &Heads::of(request.headers()))
        };
        assert_eq!(of("POST", None), Unwanted::Awaited);
        assert_eq!(of("PUT", Some("something-else")), Unwanted::Awaited);
        assert_eq!(of("POST", Some("100-Continue")), Unwanted::Withheld);
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            assert_eq!(of(method, None), Unwanted::Odd, "{method}");
        }
    }

    #[test]
    fn only_json_is_read_as_json() {
        let with = |value: &'static str| is_json(Some(&HeaderValue::from_static(value)));
        assert!(with("application/json") && with("Application/JSON ; charset=utf-8"));
        assert!(!with("text/plain") && !with("application/jsonp"));
        assert!(is_json(None));
    }

    #[test]
    fn only_configured_origins_may_read() {
        let config =
            Http { allowed_origins: vec!["https://app.example".into()], ..Http::default() };
        let shared = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            share_with(&config, &HeaderValue::from_static(origin), &mut headers);
            headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        };
        assert!(shared("https://app.example"));
        assert!(!shared("http://localhost:3000"));
    }
}
