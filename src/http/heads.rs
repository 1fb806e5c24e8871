//! What the headers of a request say that most of what becomes of it depends on, found on one way through them.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::version::Version;

/// The first header of each of these names.
#[derive(Debug, Default)]
pub(super) struct Heads<'a> {
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) origin: Option<&'a HeaderValue>,
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) expect: Option<&'a HeaderValue>,
    pub(super) content_type: Option<&'a HeaderValue>,
    pub(super) session: Option<&'a HeaderValue>,
    pub(super) revision: Revision<'a>,
    /// What it says of the forms of answer it takes has to be looked at: it is not what nearly all say.
    pub(super) is_choosy: bool,
}

/// The revision a client says it speaks. It need not say any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Revision<'a> {
    #[default]
    Unsaid,
    /// One with a handshake.
    Known(Version),
    /// In its own words.
    Other(&'a str),
}

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

// === impl Heads ===

impl<'a> Heads<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut heads = Self::default();
        let (mut accept, mut revision) = (None, None);
        for (name, value) in headers {
            let head = match name.as_str() {
                "host" => &mut heads.host,
                "origin" => &mut heads.origin,
                "authorization" => &mut heads.authorization,
                "expect" => &mut heads.expect,
                "content-type" => &mut heads.content_type,
                "accept" => {
                    heads.is_choosy |= accept.is_some() || !takes_both(value);
                    &mut accept
                }
                "mcp-session-id" => &mut heads.session,
                "mcp-protocol-version" => &mut revision,
                _ => continue,
            };
            head.get_or_insert(value);
        }
        heads.revision = revision.map_or(Revision::Unsaid, Revision::of);
        heads
    }
}

// === impl Revision ===

impl<'a> Revision<'a> {
    fn of(value: &'a HeaderValue) -> Self {
        let is_plain = |version: &Version| version.as_str().as_bytes() == value.as_bytes();
        if let Some(version) = Version::LEGACY.into_iter().find(is_plain) {
            return Self::Known(version);
        }
        let text = text(value);
        Version::parse_legacy(text.trim()).map_or(Self::Other(text), Self::Known)
    }
}

/// Whether these are the words in which nearly all say that they take either form.
fn takes_both(accept: &HeaderValue) -> bool {
    matches!(
        accept.as_bytes(),
        b"application/json, text/event-stream" | b"text/event-stream, application/json"
    )
}

/// What a header says; what is not ASCII says nothing that anybody understands.
pub(super) fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(said: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_first_of_each_name_counts() {
        let said = headers(&[
            ("mcp-session-id", b"a"),
            ("x-other", b"b"),
            ("mcp-session-id", b"c"),
            ("host", b"localhost"),
            ("mcp-protocol-version", b"2025-06-18"),
            ("mcp-protocol-version", b"2025-11-25"),
        ]);
        let heads = Heads::of(&said);
        assert_eq!(heads.session.map(text), Some("a"));
        assert_eq!(heads.host.map(text), Some("localhost"));
        assert_eq!(heads.revision, Revision::Known(Version::V2025_06_18));
        assert!(heads.origin.is_none() && heads.content_type.is_none());
    }

    #[test]
    fn only_what_nearly_all_accept_is_known_at_sight() {
        let both: &[u8] = b"application/json, text/event-stream";
        let choosy = |said: &[&'static [u8]]| {
            let said: Vec<_> = said.iter().map(|value| ("accept", *value)).collect();
            Heads::of(&headers(&said)).is_choosy
        };
        assert!(!choosy(&[]) && !choosy(&[both]));
        assert!(!choosy(&[b"text/event-stream, application/json"]));
        assert!(choosy(&[b"text/event-stream"]) && choosy(&[b"*/*"]) && choosy(&[both, both]));
    }

    #[test]
    fn a_revision_is_known_whatever_stands_around_it() {
        for (said, revision) in [
            (&b"2024-11-05"[..], Revision::Known(Version::V2024_11_05)),
            (b"\t2025-11-25 ", Revision::Known(Version::V2025_11_25)),
            (b"2026-07-28", Revision::Other("2026-07-28")),
            (b" yesterday", Revision::Other(" yesterday")),
            (b"2025-06-18\xff", Revision::Other("?")),
        ] {
            let said = headers(&[("mcp-protocol-version", said)]);
            assert_eq!(Heads::of(&said).revision, revision);
        }
        assert_eq!(Heads::of(&HeaderMap::new()).revision, Revision::Unsaid);
    }
}
