//! The one place that pairs a refusal with a status.
//!
//! Before a request is handed on, HTTP may speak; after that JSON-RPC does, on a 200. A client of the handshake era never gets a
//! 5xx for a POST: several cancel everything they are doing when they see one. To later clients a status says what proxies have
//! to know: the method is not there, the request is wrong, or nobody is there to answer it.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::heads::SESSION;
use crate::bridge::refusal::Refusal;
use crate::wire::envelope::Objection;
use crate::wire::fault;
use crate::wire::frame::Malformed;
use crate::wire::id::RawId;
use crate::wire::text::Text;
use crate::wire::version::Era;

/// A refusal and the id of the request it answers, where that could be read.
#[derive(Debug)]
pub(super) struct Refused {
    why: Refusal,
    id: Option<RawId>,
    era: Era,
}

/// What a request is answered.
#[derive(Debug)]
pub(super) enum Answered {
    /// As nearly all are: with a child's own words, and the id of the session repeated if there is one.
    Plainly {
        text: Text,
        has_session: bool,
    },
    Otherwise(Box<Response<Body>>),
}

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

// === impl Refused ===

impl Refused {
    pub(super) fn new(why: Refusal, id: Option<RawId>) -> Self {
        Self { why, id, era: Era::Legacy }
    }

    /// To a client without a handshake.
    pub(super) fn modern(why: Refusal, id: Option<RawId>) -> Self {
        Self { why, id, era: Era::Modern }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let own = if let Refusal::Malformed(Malformed::NotMessage { id, .. }) = &self.why {
            id.as_ref()
        } else {
            None
        };
        let text = self.why.fault().answer(own.or(self.id.as_ref()));
        let mut response = json(status(&self.why, self.era), text);
        let headers = response.headers_mut();
        if let Refusal::HttpMethodNotAllowed { allow } = self.why {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        } else if matches!(self.why, Refusal::Unauthorized) {
            let challenge = HeaderValue::from_static("Bearer realm=\"stdiod\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self::new(why, None)
    }
}

impl From<Response<Body>> for Answered {
    fn from(response: Response<Body>) -> Self {
        Self::Otherwise(Box::new(response))
    }
}

/// A JSON answer in a map of headers that has served: its room is as good as new, and serves the next request again.
pub(super) fn json_within(
    mut headers: HeaderMap,
    text: Text,
    session: Option<HeaderValue>,
) -> Response<Body> {
    headers.clear();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Some(session) = session {
        headers.insert(SESSION, session);
    }
    let mut response = Response::new(Body::whole(text));
    *response.headers_mut() = headers;
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, text: impl Into<Text>) -> Response<Body> {
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// The status of a child's own error.
pub(super) fn status_of_error(code: i32) -> StatusCode {
    match code {
        fault::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        fault::HEADER_MISMATCH | fault::MISSING_CAPABILITY | fault::UNSUPPORTED_VERSION => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}

/// The status with which clients of this era are refused.
pub(super) fn status(why: &Refusal, era: Era) -> StatusCode {
    match why {
        Refusal::Objection(Objection::Method(_)) => StatusCode::NOT_FOUND,
        Refusal::Malformed(_)
        | Refusal::Objection(_)
        | Refusal::BatchNotAllowed
        | Refusal::BatchEmpty
        | Refusal::BatchInitialize
        | Refusal::DuplicateId
        | Refusal::AlreadyInitialized
        | Refusal::SessionMissing
        | Refusal::UnsupportedVersion(_)
        | Refusal::ResponseUnknown
        | Refusal::EventGone
        | Refusal::Mismatch(_)
        | Refusal::CapabilityRequired(_)
        | Refusal::StateInvalid
        | Refusal::BodyBroken => StatusCode::BAD_REQUEST,
        Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        Refusal::HostNotAllowed(_) | Refusal::OriginNotAllowed(_) | Refusal::Forbidden { .. } => {
            StatusCode::FORBIDDEN
        }
        Refusal::SessionGone | Refusal::UnknownServer(_) | Refusal::UnknownPath => {
            StatusCode::NOT_FOUND
        }
        Refusal::HttpMethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::NotAcceptable | Refusal::NeedsStream => StatusCode::NOT_ACCEPTABLE,
        Refusal::MethodUnknown(_) if era == Era::Modern => StatusCode::NOT_FOUND,
        Refusal::BadParams(_) if era == Era::Modern => StatusCode::BAD_REQUEST,
        Refusal::Busy { .. }
        | Refusal::NoChild { .. }
        | Refusal::Replaced { .. }
        | Refusal::Interrupted
            if era == Era::Modern =>
        {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::BadParams(_)
        | Refusal::MethodUnknown(_)
        | Refusal::StateTooLong
        | Refusal::TaskUnknown
        | Refusal::Declined
        | Refusal::NeedsSession(_)
        | Refusal::ToolNotAllowed(_)
        | Refusal::CapabilityMissing(_)
        | Refusal::NoChannel
        | Refusal::ClientLeft
        | Refusal::Busy { .. }
        | Refusal::NoChild { .. }
        | Refusal::ChildGone { .. }
        | Refusal::ChildTooLong { .. }
        | Refusal::ChildSpoilt { .. }
        | Refusal::ChildErred { .. }
        | Refusal::TimedOut { .. }
        | Refusal::Replaced { .. }
        | Refusal::Interrupted
        | Refusal::Cancelled => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::id::ServerName;

    #[test]
    fn what_a_child_does_wrong_is_never_a_5xx() {
        let server = ServerName::new("s").unwrap();
        let gone = Refusal::ChildGone { server, why: "it exited".into() };
        let response = Refused::new(gone, Some(RawId::new("7"))).into_response();
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn nothing_of_a_request_comes_back_with_its_headers() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "x-one", "cookie", "content-type", "mcp-session-id"]
        {
            headers.append(name, HeaderValue::from_static("secret"));
        }
        let response = json_within(headers, Text::default(), Some(HeaderValue::from_static("id")));
        let back: Vec<_> = response.headers().iter().collect();
        assert_eq!(
            back,
            [(&header::CONTENT_TYPE, &JSON), (&SESSION, &HeaderValue::from_static("id"))]
        );
    }

    #[test]
    fn a_refused_method_names_the_allowed_ones() {
        let refused = Refused::from(Refusal::HttpMethodNotAllowed { allow: "POST" });
        let response = refused.into_response();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "POST");
    }
}
