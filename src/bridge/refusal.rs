//! Every reason why the bridge itself says no. A child's own error passes through and is none of these.
//!
//! A message says what happened, whose fault it is and what to do next. Which HTTP status goes with a reason is decided in
//! `http/render.rs` alone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::mirrors::Mismatch;
use super::ticket::Ticket;
use crate::wire::envelope::Objection;
use crate::wire::fault::{self, Fault};
use crate::wire::frame::Malformed;
use crate::wire::id::ServerName;
use crate::wire::meta::key;
use crate::wire::method::Method;
use crate::wire::version::Version;

/// Why the bridge says no.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The body is not one JSON-RPC message.
    Malformed(Malformed),
    BatchNotAllowed,
    BatchEmpty,
    BatchInitialize,
    /// The same id is already in flight in this session.
    DuplicateId,
    /// A live session cannot be initialised a second time.
    AlreadyInitialized,
    BadParams(&'static str),
    MethodUnknown(Box<str>),
    /// A stream of changes was wanted by somebody who takes no event stream.
    NeedsStream,
    /// A request of a revision without a handshake that is not looked at.
    Objection(Objection),
    /// Headers do not repeat the arguments of a call as its tool asks for.
    Mismatch(Mismatch),
    /// The request needs capabilities that its client did not declare: the raw object of them.
    CapabilityRequired(Box<str>),
    /// What a client handed back to go on with is none of ours, or not any more, or not for this.
    StateInvalid,
    /// The named task is not one of this caller's, or is none at all.
    TaskUnknown,
    /// A user was asked to visit a page first, and did not.
    Declined,
    /// A server wants its client to keep more than can be sealed.
    StateTooLong,
    /// This needs a session, and the request came without one.
    NeedsSession(Box<str>),
    /// A session id is required here.
    SessionMissing,
    /// The session id opens nothing.
    SessionGone,
    UnsupportedVersion(Box<str>),
    /// A response from a client of a revision whose clients are asked nothing that they could respond to.
    ResponseUnknown,
    /// `Last-Event-ID` names nothing that is still kept.
    EventGone,
    /// A policy hides this tool.
    ToolNotAllowed(Box<str>),
    /// The server asked for something its client never declared.
    CapabilityMissing(&'static str),
    /// The server asked its client something, and there is no stream to ask on.
    NoChannel,
    /// The client that should answer has left.
    ClientLeft,
    /// A bound is reached.
    Busy {
        server: ServerName,
        what: &'static str,
    },
    /// No child is there to answer.
    NoChild {
        server: ServerName,
        why: Arc<str>,
    },
    /// The child ended while it worked on this.
    ChildGone {
        server: ServerName,
        why: Arc<str>,
    },
    /// The child said something in place of an answer that cannot be passed on.
    ChildTooLong {
        server: ServerName,
        bytes: u64,
        limit: u64,
    },
    /// The child's answer is no JSON-RPC message.
    ChildSpoilt {
        server: ServerName,
        why: &'static str,
    },
    /// The child's answer is a message, but none that may be said there.
    ChildErred {
        server: ServerName,
        why: &'static str,
    },
    TimedOut {
        server: ServerName,
        after: Duration,
    },
    /// The configuration was changed under it.
    Replaced {
        server: ServerName,
        after: Duration,
    },
    /// The daemon is stopping.
    Interrupted,
    Cancelled,
    // What the guard says before a body is read.
    HostNotAllowed(Box<str>),
    OriginNotAllowed(Box<str>),
    Unauthorized,
    Forbidden {
        server: ServerName,
    },
    UnknownServer(Box<str>),
    UnknownPath,
    HttpMethodNotAllowed {
        allow: &'static str,
    },
    BodyTooLarge {
        limit: u64,
    },
    BodyBroken,
    ContentType,
    NotAcceptable,
}

// === impl Refusal ===

impl Refusal {
    /// The JSON-RPC error that says it.
    pub fn fault(&self) -> Fault {
        use fault::{
            INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR,
            REQUEST_CANCELLED,
        };
        let say = |code: i32, message: String| Fault::new(code, message);
        match self {
            Self::Malformed(Malformed::NotMessage { why, .. }) => {
                say(INVALID_REQUEST, format!("Invalid Request: {why}"))
            }
            Self::Malformed(
                broken @ (Malformed::NotUtf8 | Malformed::NotJson(_) | Malformed::TooLong),
            ) => say(PARSE_ERROR, format!("Parse error: {broken}")),
            Self::BatchNotAllowed => say(
                INVALID_REQUEST,
                "Invalid Request: arrays of messages were part of revision 2025-03-26 alone; send one message per POST".into(),
            ),
            Self::BatchEmpty => say(INVALID_REQUEST, "Invalid Request: an empty array".into()),
            Self::BatchInitialize => {
                say(INVALID_REQUEST, "Invalid Request: initialize must not be part of a batch".into())
            }
            Self::DuplicateId => say(
                INVALID_REQUEST,
                "Invalid Request: a request with this id is still running in this session".into(),
            ),
            Self::AlreadyInitialized => say(
                INVALID_REQUEST,
                "Invalid Request: this session is initialized already; send initialize without Mcp-Session-Id".into(),
            ),
            Self::BadParams(why) => say(INVALID_PARAMS, format!("Invalid params: {why}")),
            Self::MethodUnknown(method) if **method == *Method::Discover.name() => say(
                METHOD_NOT_FOUND,
                format!(
                    "Method not found: {method} without {} in params._meta; a request of revision {} says there who sends it",
                    key::PROTOCOL_VERSION,
                    Version::MODERN
                ),
            ),
            Self::MethodUnknown(method) => {
                say(METHOD_NOT_FOUND, format!("Method not found: {method}"))
            }
            Self::NeedsStream => say(
                INVALID_REQUEST,
                "subscriptions/listen is answered with an event stream: send Accept: application/json, text/event-stream".into(),
            ),
            Self::Objection(why) => why.fault(),
            Self::Mismatch(why) => say(fault::HEADER_MISMATCH, format!("Header mismatch: {why}")),
            Self::CapabilityRequired(capabilities) => say(
                fault::MISSING_CAPABILITY,
                format!("Missing required client capability: {capabilities}"),
            )
            .with_data(&json!({"requiredCapabilities": serde_json::from_str::<serde_json::Value>(capabilities).unwrap_or_default()})),
            Self::StateInvalid => say(
                INVALID_PARAMS,
                "Invalid params: requestState is not known, or not any more, or belongs to another request; send the request again without it".into(),
            ),
            Self::TaskUnknown => say(INVALID_PARAMS, "Invalid params: task not found".into()),
            Self::Declined => say(INTERNAL_ERROR, "declined by user: the server needs its user to visit a page first".into()),
            Self::StateTooLong => say(
                INTERNAL_ERROR,
                format!("the server's requestState is longer than {} bytes", Ticket::STATE_BYTES_MAX),
            ),
            Self::NeedsSession(method) => say(
                INVALID_REQUEST,
                format!("{method} needs a session: send initialize first, then repeat it with the Mcp-Session-Id you are given; where stdiod's push is off none is given"),
            ),
            Self::SessionMissing => say(
                INVALID_REQUEST,
                "Mcp-Session-Id required: send initialize first, then repeat this with the id you are given".into(),
            ),
            Self::SessionGone => say(
                INVALID_REQUEST,
                "Session not found: it ended or never was; send initialize to open a new one".into(),
            ),
            Self::UnsupportedVersion(version) => say(
                INVALID_REQUEST,
                format!(
                    "Unsupported MCP-Protocol-Version {version}; supported here: {}",
                    Version::LEGACY.map(Version::as_str).join(", ")
                ),
            ),
            Self::ResponseUnknown => say(
                INVALID_REQUEST,
                format!(
                    "Invalid Request: revision {} knows no responses of clients; send the request that was answered with \
                     input_required again, with the answers in inputResponses",
                    Version::MODERN
                ),
            ),
            Self::EventGone => say(
                INVALID_REQUEST,
                "Last-Event-ID names no event that is still kept; open a new stream without it".into(),
            ),
            Self::ToolNotAllowed(tool) => say(INVALID_PARAMS, format!("Unknown tool: {tool}")),
            Self::CapabilityMissing(what) => say(
                METHOD_NOT_FOUND,
                format!("client does not support {what}: it was not declared at initialize, or stdiod may not ask this client (push = \"off\", mode = \"shared\")"),
            ),
            Self::NoChannel => say(
                INTERNAL_ERROR,
                "client has no channel for server requests: it accepts no event stream on its call and holds no GET stream".into(),
            ),
            Self::ClientLeft => {
                say(INTERNAL_ERROR, "the client ended its session before it answered".into())
            }
            Self::Busy { server, what } => {
                say(INTERNAL_ERROR, format!("server {server} is busy: {what}; try again later"))
                    .with_data(&json!({"retryable": true}))
            }
            Self::NoChild { server, why } => {
                say(INTERNAL_ERROR, format!("server {server} is not available: {why}"))
                    .with_data(&json!({"retryable": true}))
            }
            Self::ChildGone { server, why } => {
                say(INTERNAL_ERROR, format!("server {server} ended during this call: {why}"))
                    .with_data(&json!({"retryable": true}))
            }
            Self::ChildTooLong { server, bytes, limit } => say(
                INTERNAL_ERROR,
                format!(
                    "server {server} answered with {bytes} bytes, more than its max_message of {limit}; raise max_message or ask for less"
                ),
            ),
            Self::ChildSpoilt { server, why } => say(
                INTERNAL_ERROR,
                format!("server {server} answered with something that is no JSON-RPC message: {why}"),
            ),
            Self::ChildErred { server, why } => say(
                INTERNAL_ERROR,
                format!("server {server} breaks the rules of the protocol in its answer: {why}; this is for its author to mend"),
            ),
            Self::TimedOut { server, after } => say(
                INTERNAL_ERROR,
                format!(
                    "server {server} timed out after {} s (request_timeout); the call was cancelled",
                    after.as_secs()
                ),
            ),
            Self::Replaced { server, after } => {
                let after = after.as_secs();
                let what = format!(
                    "server {server} was restarted or removed because its configuration has changed, \
                     and this call did not end within {after} s; try again"
                );
                say(INTERNAL_ERROR, what).with_data(&json!({"retryable": true}))
            }
            Self::Interrupted => say(INTERNAL_ERROR, "stdiod is stopping; try again shortly".into())
                .with_data(&json!({"retryable": true})),
            Self::Cancelled => say(REQUEST_CANCELLED, "Request cancelled".into()),
            Self::HostNotAllowed(host) => say(
                INVALID_REQUEST,
                format!("Host {host:?} is not allowed; add it to http.allowed_hosts in stdiod's configuration"),
            ),
            Self::OriginNotAllowed(origin) => say(
                INVALID_REQUEST,
                format!("Origin {origin:?} is not allowed; add it to http.allowed_origins in stdiod's configuration"),
            ),
            Self::Unauthorized => say(
                INVALID_REQUEST,
                "Unauthorized: send Authorization: Bearer with a token from stdiod's [auth] tokens".into(),
            ),
            Self::Forbidden { server } => {
                say(INVALID_REQUEST, format!("Forbidden: this token does not open server {server}"))
            }
            Self::UnknownServer(name) => say(
                INVALID_REQUEST,
                format!("no server named {name:?} is configured and enabled here; GET /status lists them"),
            ),
            Self::UnknownPath => say(
                INVALID_REQUEST,
                "nothing is here; servers are at /servers/<name>/mcp, and GET /status lists them".into(),
            ),
            Self::HttpMethodNotAllowed { allow } => {
                say(INVALID_REQUEST, format!("HTTP method not allowed here; allowed: {allow}"))
            }
            Self::BodyTooLarge { limit } => say(
                INVALID_REQUEST,
                format!("the body is larger than http.max_body, {limit} bytes"),
            ),
            Self::BodyBroken => {
                say(PARSE_ERROR, "Parse error: the body ended before it was complete".into())
            }
            Self::ContentType => {
                say(INVALID_REQUEST, "send Content-Type: application/json".into())
            }
            Self::NotAcceptable => say(
                INVALID_REQUEST,
                "Accept must include application/json or text/event-stream".into(),
            ),
        }
    }
}
