//! A client with a handshake on a child without one.

use std::sync::LazyLock;

use super::capabilities::with_tasks;
use super::edits::Edits;
use super::object::{Fate, Names, Object};
use super::{Noted, payload, without_envelope};
use crate::bridge::greeting::Hello;
use crate::wire::frame::Frame;
use crate::wire::meta::key;
use crate::wire::raw;
use crate::wire::splice::Span;
use crate::wire::version::Version;

/// What each request of a session carries in place of a handshake, made once.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Members of `_meta`; the last has a comma behind it.
    members: Box<str>,
}

/// What a request is given on its way.
#[derive(Clone, Copy, Debug)]
pub struct Addition<'a> {
    pub envelope: &'a Envelope,
    /// The name of the least level of log messages the session wants.
    pub level: Option<&'a str>,
    /// In place of the client's own progress token, if it gave one.
    pub token: Option<&'a [u8]>,
    /// The answers to what the child asked before, from [`retry`](super::rounds::retry); empty in the first round.
    pub round: &'a str,
}

/// The `params` are an array; no method of the protocol takes one, and nothing can be added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"params\" must be an object")]
pub struct NoObject;

/// What a child's result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultType {
    Complete,
    /// It asks its client something: see [`rounds`](super::rounds).
    InputRequired,
    Task,
    Unknown,
}

const LEVEL: &str = "\"io.modelcontextprotocol/logLevel\":\"";

// === impl Envelope ===

impl Envelope {
    /// `capabilities` and `client_info` are raw objects, the former as [`capabilities`](super::capabilities) made them.
    pub fn new(version: Version, capabilities: &str, client_info: &str) -> Self {
        let (version_key, capabilities_key) = (key::PROTOCOL_VERSION, key::CLIENT_CAPABILITIES);
        let info_key = key::CLIENT_INFO;
        let members = format!(
            "\"{version_key}\":\"{version}\",\"{capabilities_key}\":{capabilities},\"{info_key}\":{client_info},"
        );
        Self { members: members.into() }
    }

    /// For clients that never said anything of themselves.
    pub fn of_nobody() -> &'static Self {
        static NOBODY: LazyLock<Envelope> =
            LazyLock::new(|| Envelope::new(Version::MODERN, "{}", &Hello::nobody().client_info));
        &NOBODY
    }

    /// The same where the bridge waits for tasks in their stead.
    pub fn of_nobody_with_tasks() -> &'static Self {
        static NOBODY: LazyLock<Envelope> = LazyLock::new(|| {
            let capabilities = with_tasks("{}");
            Envelope::new(Version::MODERN, &capabilities, &Hello::nobody().client_info)
        });
        &NOBODY
    }

    /// Without the last comma.
    pub fn bare(&self) -> &str {
        self.members.trim_end_matches(',')
    }
}

/// Puts the envelope into a request, with what belongs to this one request. Members of an envelope that the client sent itself, and
/// answers to questions it was never asked in this way, give way to it. The token is exchanged here; whoever calls this must not
/// exchange it too.
pub fn request<'a>(
    frame: &Frame,
    noted: Noted,
    add: &Addition<'a>,
    edits: &mut Edits<'a>,
) -> Result<(), NoObject> {
    let pieces = |before: &'static str, envelope: &'a str, behind: &'static str| {
        let level = add.level.map_or(["", "", ""], |level| [LEVEL, level, "\","]);
        [before, level[0], level[1], level[2], envelope, behind]
    };
    let whole = |edits: &mut Edits<'a>, at: Span, open: &'static str, close: &'static str| {
        let after = Span { start: at.end, end: at.end };
        let rest = pieces("\"_meta\":{", add.envelope.bare(), close);
        edits.push(at, open.as_bytes());
        for piece in [add.round].iter().chain(&rest).filter(|piece| !piece.is_empty()) {
            edits.push(after, piece.as_bytes());
        }
    };

    let Some(at) = frame.payload_span() else {
        let front = Span { start: 1, end: 1 };
        whole(edits, front, "\"params\":{", "}},");
        return Ok(());
    };
    let Some(params) = payload(frame) else {
        if frame.slice(at) != "null" {
            return Err(NoObject);
        }
        whole(edits, at, "{", "}}");
        return Ok(());
    };
    let mut is_followed = noted.meta.is_some() || !params.is_empty();
    if noted.extras {
        let left = params.weed(edits, |member, _| {
            Fate::goes_if(matches!(&*member.name(), "inputResponses" | "requestState"))
        });
        is_followed = left > 0;
    }
    let Some(at) = noted.meta else {
        let rest = pieces("\"_meta\":{", add.envelope.bare(), "},");
        let all = [add.round, rest[0], rest[1], rest[2], rest[3], rest[4], rest[5]];
        params.add(&all, is_followed, edits);
        return Ok(());
    };
    if !add.round.is_empty() {
        params.add(&[add.round], true, edits);
    }
    if let Some(meta) = Object::at(frame.slice(at), at.start) {
        let left = without_envelope(meta, add.token, edits);
        let [_, open, level, close, envelope, _] = pieces("", &add.envelope.members, "");
        meta.add(&[open, level, close, envelope], left > 0, edits);
    } else {
        let after = Span { start: at.end, end: at.end };
        edits.push(at, b"{".as_slice());
        for piece in pieces("", add.envelope.bare(), "}") {
            edits.push(after, piece.as_bytes());
        }
    }
    Ok(())
}

/// Takes out of a child's result what only revisions without a handshake know. A result that is not complete is left as it
/// is: its client must not see it.
pub fn result(frame: &Frame, edits: &mut Edits<'_>) -> ResultType {
    static NEW: LazyLock<Names<4>> = LazyLock::new(|| {
        Names::new(["\"resultType\"", "\"ttlMs\"", "\"cacheScope\"", "\"_meta\""])
    });

    let Some(result) = payload(frame) else { return ResultType::Complete };
    if !NEW.may_be_in(frame.payload().unwrap_or_default()) {
        return ResultType::Complete;
    }
    let before = edits.len();
    let mut kind = ResultType::Complete;
    result.weed(edits, |member, edits| match (&*member.name(), member.object()) {
        ("resultType", _) => {
            if kind == ResultType::Complete {
                kind = ResultType::read(member.value);
            }
            Fate::Goes
        }
        ("ttlMs" | "cacheScope", _) => Fate::Goes,
        ("_meta", Some(meta)) => {
            let (before, mut is_stamped) = (edits.len(), false);
            let left = meta.weed(edits, |member, _| {
                let is_stamp = member.is(key::SERVER_INFO);
                is_stamped |= is_stamp;
                Fate::goes_if(is_stamp)
            });
            if left > 0 || !is_stamped {
                return Fate::Stays;
            }
            edits.back_to(before);
            Fate::Goes
        }
        _ => Fate::Stays,
    });
    if kind != ResultType::Complete {
        edits.back_to(before);
    }
    kind
}

// === impl ResultType ===

impl ResultType {
    /// Of the raw value. `null` counts as absence, and that as complete.
    fn read(value: &str) -> Self {
        match raw::string(value).as_deref() {
            Some("complete") => Self::Complete,
            Some("input_required") => Self::InputRequired,
            Some("task") => Self::Task,
            None if value == "null" => Self::Complete,
            Some(_) | None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENV: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"c"}"#;

    fn requested(
        rest: &str,
        level: Option<&str>,
        round: &str,
        token: Option<&[u8]>,
    ) -> Result<String, NoObject> {
        let envelope = Envelope::new(Version::MODERN, r#"{"roots":{}}"#, r#"{"name":"c"}"#);
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/list"{rest}}}"#);
        let frame = Frame::skim(text.into()).unwrap();
        let noted = Noted::of(&frame, &frame.params());
        let mut edits = Edits::new();
        let add = Addition { envelope: &envelope, level, token, round };
        request(&frame, noted, &add, &mut edits)?;
        let out = edits.splice(&frame);
        let out = Frame::skim(out).unwrap();
        Ok(out.payload().unwrap().to_owned())
    }

    fn answered(said: &str) -> (String, ResultType) {
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{said}}}"#);
        let frame = Frame::skim(text.into()).unwrap();
        let mut edits = Edits::new();
        let kind = result(&frame, &mut edits);
        let out = Frame::skim(edits.splice(&frame)).unwrap();
        (out.payload().unwrap().to_owned(), kind)
    }

    #[test]
    fn every_shape_of_params_takes_the_envelope() {
        for (rest, seen) in [
            ("", format!(r#"{{"_meta":{{{ENV}}}}}"#)),
            (r#","params":null"#, format!(r#"{{"_meta":{{{ENV}}}}}"#)),
            (r#","params":{}"#, format!(r#"{{"_meta":{{{ENV}}}}}"#)),
            (r#","params":{"a":1}"#, format!(r#"{{"_meta":{{{ENV}}},"a":1}}"#)),
            (r#","params":{"_meta":{},"a":1}"#, format!(r#"{{"_meta":{{{ENV}}},"a":1}}"#)),
            (r#","params":{"_meta":7}"#, format!(r#"{{"_meta":{{{ENV}}}}}"#)),
            (r#","params":{"requestState":"s"}"#, format!(r#"{{"_meta":{{{ENV}}}}}"#)),
            (r#","params":{"task":{}}"#, format!(r#"{{"_meta":{{{ENV}}},"task":{{}}}}"#)),
            (
                r#","params":{"inputResponses":1,"_meta":{"x":{"n":1e400},"io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol\/clientInfo":1}}"#,
                format!(r#"{{"_meta":{{{ENV},"x":{{"n":1e400}}}}}}"#),
            ),
        ] {
            assert_eq!(requested(rest, None, "", None).unwrap(), seen, "{rest}");
            let round = r#""requestState":"q","#;
            let level = r#""io.modelcontextprotocol/logLevel":"info","#;
            let seen = seen.replacen('{', &format!("{{{round}"), 1);
            let seen = seen.replace(ENV, &format!("{level}{ENV}"));
            assert_eq!(requested(rest, Some("info"), round, None).unwrap(), seen, "{rest}");
        }
        assert_eq!(requested(r#","params":[1]"#, None, "", None), Err(NoObject));
    }

    #[test]
    fn the_token_is_exchanged_with_the_rest() {
        assert_eq!(
            requested(r#","params":{"_meta":{"progressToken":1}}"#, None, "", Some(b"31")).unwrap(),
            format!(r#"{{"_meta":{{{ENV},"progressToken":31}}}}"#)
        );
    }

    #[test]
    fn what_only_newer_revisions_know_is_taken_out() {
        for (said, seen) in [
            (r#"{"resultType":"complete","content":[]}"#, r#"{"content":[]}"#),
            (
                r#"{"tools":[{"_meta":{"ttlMs":1}}],"ttlMs":0,"cacheScope":"public","r\u0065sultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#,
                r#"{"tools":[{"_meta":{"ttlMs":1}}]}"#,
            ),
            (
                r#"{"_meta":{"a":1,"io.modelcontextprotocol\/serverInfo":{}},"x":1e400}"#,
                r#"{"_meta":{"a":1},"x":1e400}"#,
            ),
            (r#"{"_meta":{},"resultType":null}"#, r#"{"_meta":{}}"#),
            (r#"{"resultType":"complete"}"#, "{}"),
            (r#"{"content":[]}"#, r#"{"content":[]}"#),
            ("7", "7"),
        ] {
            assert_eq!(answered(said), (seen.to_owned(), ResultType::Complete), "{said}");
        }
    }

    #[test]
    fn results_that_are_not_complete_are_told_and_left_alone() {
        for (kind, seen) in [
            ("\"input_required\"", ResultType::InputRequired),
            ("\"input\\u005frequired\"", ResultType::InputRequired),
            ("\"task\"", ResultType::Task),
            ("\"partial\"", ResultType::Unknown),
            ("7", ResultType::Unknown),
        ] {
            let said = format!(r#"{{"ttlMs":1,"resultType":{kind}}}"#);
            assert_eq!(answered(&said), (said.clone(), seen));
        }
    }
}
