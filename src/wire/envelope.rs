//! What a request says of its client since revision 2026-07-28, where there is no handshake: three members of `_meta`, and
//! headers that repeat some of the body for those who do not read it.
//!
//! [`Envelope::examine`] asks the questions in the order in which clients expect the answers: is the envelope whole, do the
//! headers agree, is the revision served, is the method one of it. The body decides over the headers, because proxies lose those.

use std::borrow::Cow;

use serde_json::json;
use serde_json::value::RawValue;

use super::fault::{self, Fault};
use super::frame::{Frame, Kind};
use super::headers::{self, BadHeader};
use super::meta::{Members, Meta, Params, key};
use super::method::Subject;
use super::raw;
use super::version::{Era, Version};

/// What a request says of its client.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    pub version: Cow<'a, str>,
    /// A raw object.
    pub capabilities: &'a str,
    /// A raw object. Nobody has to introduce himself, so anything else is as good as nothing.
    pub client_info: Option<&'a str>,
    /// The least level of log messages that are wanted, as it was written. Without one, none are.
    pub log_level: Option<&'a RawValue>,
}

/// The headers that repeat the body: of each all values it came with, because one that comes twice says two things.
#[derive(Clone, Debug, Default)]
pub struct Heads<'h> {
    pub version: Vec<&'h [u8]>,
    pub method: Vec<&'h [u8]>,
    pub name: Vec<&'h [u8]>,
}

/// Why a request is not even looked at by a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    Envelope(BadEnvelope),
    Heads(BadHead),
    /// A revision that is not served here.
    Version(Box<str>),
    /// A method that went out of the protocol together with the handshake.
    Method(&'static str),
}

/// An envelope that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvelope {
    #[error("params._meta lacks {}, without which no request is complete since revision 2026-07-28", .0.join(" and "))]
    Lacks(Vec<&'static str>),
    #[error("{key} of params._meta must be {what}")]
    Wrong { key: &'static str, what: &'static str },
    /// Who reads the body after us might take the other one.
    #[error("a member of params or params._meta stands twice")]
    Ambiguous,
}

/// A header that does not repeat the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    #[error("the header {header} is missing; it has to repeat {body}")]
    Missing { header: &'static str, body: &'static str },
    #[error("the header {header} is sent more than once")]
    Twice { header: &'static str },
    #[error("the header {header} cannot be read: {why}")]
    Unreadable { header: &'static str, why: BadHeader },
    #[error("the header {header} says {said:?}, and {body} something else")]
    Differs { header: &'static str, body: &'static str, said: Box<str> },
}

/// The era of one message by itself: the body decides, and the header where the body is silent. Whether what is said can be
/// served is another question.
pub fn era_of(frame: &Frame, version_header: Option<&str>) -> Era {
    match frame.kind() {
        Kind::Result | Kind::Error => Era::Legacy,
        Kind::Request | Kind::Notification if has_envelope(frame.payload()) => Era::Modern,
        Kind::Request | Kind::Notification => {
            version_header.map_or(Era::Legacy, |version| Era::of(headers::trim(version)))
        }
    }
}

/// Whether `_meta` names a revision, of whatever kind its value is and however often it stands there.
fn has_envelope(params: Option<&str>) -> bool {
    // Most requests with a handshake are not looked into. In an escaped spelling of the key there is a `\u` or a `\/`.
    let Some(params) = params else { return false };
    if !params.contains(key::PROTOCOL_VERSION) && !params.contains("\\u") && !params.contains("\\/")
    {
        return false;
    }
    let params = Members::of(params);
    params
        .0
        .iter()
        .filter(|(name, _)| name == "_meta")
        .any(|(_, meta)| Members::of(meta.get()).get(key::PROTOCOL_VERSION).is_some())
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Reads what a request says of its client, and looks whether the request can go on to a server.
    pub fn examine(frame: &'a Frame, heads: &Heads<'_>) -> Result<Self, Objection> {
        let envelope = Self::read(frame).map_err(Objection::Envelope)?;
        envelope.headers_agree(frame, heads).map_err(Objection::Heads)?;
        if !envelope.is_served() {
            return Err(Objection::Version(envelope.version.into()));
        }
        if frame.method().is_legacy_only() {
            return Err(Objection::Method(frame.method().name()));
        }
        Ok(envelope)
    }

    pub fn read(frame: &'a Frame) -> Result<Self, BadEnvelope> {
        let Some((_, meta)) = Params::unambiguous(frame.payload()) else {
            return Err(BadEnvelope::Ambiguous);
        };
        let Meta { protocol_version, client_capabilities, client_info, log_level, .. } = meta;
        let (Some(version), Some(capabilities)) = (protocol_version, client_capabilities) else {
            let required = [
                (key::PROTOCOL_VERSION, protocol_version),
                (key::CLIENT_CAPABILITIES, client_capabilities),
            ];
            let lacks = required.into_iter().filter(|(_, value)| value.is_none());
            return Err(BadEnvelope::Lacks(lacks.map(|(key, _)| key).collect()));
        };
        let wrong = |key, what| BadEnvelope::Wrong { key, what };
        let version =
            raw::string(version.get()).ok_or_else(|| wrong(key::PROTOCOL_VERSION, "a string"))?;
        let capabilities =
            object(capabilities).ok_or_else(|| wrong(key::CLIENT_CAPABILITIES, "an object"))?;
        Ok(Self { version, capabilities, client_info: client_info.and_then(object), log_level })
    }

    /// Whether the headers repeat the body.
    pub fn headers_agree(&self, frame: &Frame, heads: &Heads<'_>) -> Result<(), BadHead> {
        let version = raw::quoted(&self.version);
        Head { header: "MCP-Protocol-Version", body: "the protocolVersion of params._meta" }
            .repeats(&heads.version, &version, literal)?;
        let method = format!("\"{}\"", frame.method_name());
        Head { header: "Mcp-Method", body: "the method" }.repeats(
            &heads.method,
            &method,
            literal,
        )?;
        match subject(frame) {
            None => Ok(()),
            Some((body, leaf)) => {
                let head = Head { header: "Mcp-Name", body };
                match (leaf, &heads.name[..]) {
                    // Without its subject the request is wrong whatever the header says, and its server has to tell so.
                    (None, []) => Ok(()),
                    (None, values) => head.repeats(values, "null", headers::agrees),
                    (Some(leaf), values) => head.repeats(values, leaf, headers::agrees),
                }
            }
        }
    }

    pub fn is_served(&self) -> bool {
        self.version == Version::MODERN.as_str()
    }
}

fn object(raw: &RawValue) -> Option<&str> {
    Some(raw.get()).filter(|text| text.starts_with('{'))
}

/// The member that `Mcp-Name` repeats, and its value if that is a string. Methods of the era before have no such header.
fn subject(frame: &Frame) -> Option<(&'static str, Option<&str>)> {
    if frame.method().is_legacy_only() {
        return None;
    }
    let params = Params::of(frame.payload());
    let (body, leaf) = match frame.method().subject() {
        Subject::Name => ("params.name", params.name),
        Subject::Uri => ("params.uri", params.uri),
        Subject::TaskId => ("params.taskId", params.task_id),
        Subject::None => return None,
    };
    Some((body, leaf.map(RawValue::get).filter(|leaf| leaf.starts_with('"'))))
}

/// Whether a header that knows no wrapping says the same as a string of the body, given with its quotes.
fn literal(value: &[u8], leaf: &str) -> Result<bool, BadHeader> {
    let value = std::str::from_utf8(value).map_err(|_| BadHeader::NotPlain)?;
    Ok(raw::string(leaf).is_some_and(|text| text == headers::trim(value)))
}

/// A header and the place of the body that it repeats.
struct Head {
    header: &'static str,
    body: &'static str,
}

// === impl Head ===

impl Head {
    fn repeats(
        &self,
        values: &[&[u8]],
        leaf: &str,
        agrees: impl Fn(&[u8], &str) -> Result<bool, BadHeader>,
    ) -> Result<(), BadHead> {
        let Self { header, body } = *self;
        let value = match values {
            [] => return Err(BadHead::Missing { header, body }),
            [value] => *value,
            [_, _, ..] => return Err(BadHead::Twice { header }),
        };
        match agrees(value, leaf) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let said = String::from_utf8_lossy(value);
                Err(BadHead::Differs { header, body, said: raw::clipped(&said).into() })
            }
            Err(why) => Err(BadHead::Unreadable { header, why }),
        }
    }
}

// === impl Heads ===

impl<'h> Heads<'h> {
    /// The headers of a request. `values` gives all values of the header it is asked for.
    pub fn gather(values: impl Fn(&'static str) -> Vec<&'h [u8]>) -> Self {
        Self {
            version: values("mcp-protocol-version"),
            method: values("mcp-method"),
            name: values("mcp-name"),
        }
    }
}

// === impl Objection ===

impl Objection {
    /// The JSON-RPC error that says it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Envelope(why) => {
                Fault::new(fault::INVALID_PARAMS, format!("Invalid params: {why}"))
            }
            Self::Heads(why) => {
                Fault::new(fault::HEADER_MISMATCH, format!("Header mismatch: {why}"))
            }
            Self::Version(version) => Fault::new(
                fault::UNSUPPORTED_VERSION,
                format!(
                    "Unsupported protocol version {}; served here without a handshake: {}, and after initialize: {}",
                    raw::clipped(version),
                    Version::MODERN,
                    Version::LEGACY.map(Version::as_str).join(", ")
                ),
            )
            .with_data(&json!({"supported": [Version::MODERN.as_str()], "requested": version})),
            Self::Method(method) => {
                Fault::new(fault::METHOD_NOT_FOUND, format!("Method not found: {method}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
