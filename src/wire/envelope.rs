//! What a request says of its client since revision 2026-07-28, where there is no handshake: three members of `_meta`, and
//! headers that repeat some of the body for those who do not read it.
//!
//! [`Envelope::examine`] asks the questions in the order in which clients expect the answers: is the envelope whole, do the
//! headers agree, is the revision served, is the method one of it. The body decides over the headers, because proxies lose those.

use std::borrow::Cow;

use serde_json::json;

use super::fault::{self, Fault};
use super::frame::{Frame, Kind};
use super::headers::{self, BadHeader};
use super::meta::{Members, Meta, Params, key};
use super::method::{Method, Subject};
use super::raw::{self, Raw};
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
    pub log_level: Option<Raw<'a>>,
    /// The parameters in which it stood, read for whoever looks on.
    pub params: Params<'a>,
}

/// What is written on it: the headers that repeat the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'h> {
    pub version: Said<'h>,
    pub method: Said<'h>,
    pub name: Said<'h>,
}

/// What a header says. One that comes twice says two things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said<'h> {
    #[default]
    Nothing,
    One(&'h [u8]),
    Several,
}

/// Why a request is not even looked at by a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    Envelope(BadEnvelope),
    Labels(BadHead),
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

/// A message whose era is known.
#[derive(Debug)]
pub struct Sighted<'a> {
    pub frame: &'a Frame,
    pub era: Era,
    /// Its parameters and their `_meta`, if they were read to know it.
    seen: Option<(Params<'a>, Meta<'a>)>,
}

/// The era of one message by itself.
pub fn era_of(frame: &Frame, version_header: Option<&str>) -> Era {
    Sighted::new(frame, version_header).era
}

/// Whether `_meta` names a revision, of whatever kind its value is and however often it stands there. `seen` keeps what was read.
fn has_envelope<'a>(frame: &'a Frame, seen: &mut Option<(Params<'a>, Meta<'a>)>) -> bool {
    if frame.lacks_meta() {
        return false;
    }
    *seen = frame.unambiguous();
    if let Some((_, meta)) = seen {
        return meta.protocol_version.is_some();
    }
    let params = Members::of(frame.payload().unwrap_or_default());
    params
        .0
        .iter()
        .filter(|(name, _)| name == "_meta")
        .any(|(_, meta)| Members::of(meta.get()).get(key::PROTOCOL_VERSION).is_some())
}

// === impl Sighted ===

impl<'a> Sighted<'a> {
    /// The body decides, and the header where the body is silent. Whether what is said can be served is another question.
    pub fn new(frame: &'a Frame, version_header: Option<&str>) -> Self {
        let mut seen = None;
        let era = match frame.kind() {
            Kind::Result | Kind::Error => Era::Legacy,
            Kind::Request | Kind::Notification if has_envelope(frame, &mut seen) => Era::Modern,
            Kind::Request | Kind::Notification => {
                version_header.map_or(Era::Legacy, |version| Era::of(headers::trim(version)))
            }
        };
        Self { frame, era, seen }
    }
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Reads what a request says of its client, and looks whether the request can go on to a server.
    pub fn examine(sighted: &Sighted<'a>, labels: &Labels<'_>) -> Result<Self, Objection> {
        let frame = sighted.frame;
        let envelope = Self::read(sighted).map_err(Objection::Envelope)?;
        envelope.headers_agree(frame, labels).map_err(Objection::Labels)?;
        if !envelope.is_served() {
            return Err(Objection::Version(envelope.version.into()));
        }
        if frame.method().is_legacy_only() {
            return Err(Objection::Method(frame.method().name()));
        }
        Ok(envelope)
    }

    pub fn read(sighted: &Sighted<'a>) -> Result<Self, BadEnvelope> {
        let seen = sighted.seen.or_else(|| sighted.frame.unambiguous());
        let (params, meta) = seen.ok_or(BadEnvelope::Ambiguous)?;
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
        let client_info = client_info.and_then(object);
        Ok(Self { version, capabilities, client_info, log_level, params })
    }

    /// Whether the headers repeat the body.
    pub fn headers_agree(&self, frame: &Frame, labels: &Labels<'_>) -> Result<(), BadHead> {
        Head { header: "MCP-Protocol-Version", body: "the protocolVersion of params._meta" }
            .repeats(labels.version, &self.version, literal)?;
        let method = raw::unescaped(frame.method_name());
        Head { header: "Mcp-Method", body: "the method" }.repeats(
            labels.method,
            &method,
            literal,
        )?;
        match self.subject(frame.method()) {
            None => Ok(()),
            Some((body, leaf)) => {
                let head = Head { header: "Mcp-Name", body };
                match (leaf, labels.name) {
                    // Without its subject the request is wrong whatever the header says, and its server has to tell so.
                    (None, Said::Nothing) => Ok(()),
                    (None, said) => head.repeats(said, "null", headers::agrees),
                    (Some(leaf), said) => head.repeats(said, leaf, headers::agrees),
                }
            }
        }
    }

    /// The member that `Mcp-Name` repeats, and its value if that is a string. Methods of the era before have no such header.
    fn subject(&self, method: Method) -> Option<(&'static str, Option<&'a str>)> {
        if method.is_legacy_only() {
            return None;
        }
        let (body, leaf) = match method.subject() {
            Subject::Name => ("params.name", self.params.name),
            Subject::Uri => ("params.uri", self.params.uri),
            Subject::TaskId => ("params.taskId", self.params.task_id),
            Subject::None => return None,
        };
        Some((body, leaf.map(Raw::get).filter(|leaf| leaf.starts_with('"'))))
    }

    pub fn is_served(&self) -> bool {
        self.version == Version::MODERN.as_str()
    }
}

fn object(raw: Raw<'_>) -> Option<&str> {
    Some(raw.get()).filter(|text| text.starts_with('{'))
}

/// Whether a header that knows no wrapping says this.
fn literal(value: &[u8], text: &str) -> Result<bool, BadHeader> {
    let value = std::str::from_utf8(value).map_err(|_| BadHeader::NotPlain)?;
    Ok(text == headers::trim(value))
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
        said: Said<'_>,
        leaf: &str,
        agrees: impl Fn(&[u8], &str) -> Result<bool, BadHeader>,
    ) -> Result<(), BadHead> {
        let Self { header, body } = *self;
        let value = match said {
            Said::Nothing => return Err(BadHead::Missing { header, body }),
            Said::One(value) => value,
            Said::Several => return Err(BadHead::Twice { header }),
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

// === impl Said ===

impl<'h> FromIterator<&'h [u8]> for Said<'h> {
    fn from_iter<I: IntoIterator<Item = &'h [u8]>>(values: I) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(value), None) => Self::One(value),
            (Some(_), Some(_)) => Self::Several,
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
            Self::Labels(why) => {
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
