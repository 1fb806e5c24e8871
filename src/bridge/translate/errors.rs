//! What a client sees of the errors of a child from the other era. An error of the bridge itself is none of these.
//!
//! The codes from -32020 to -32099 belong to the revisions without a handshake, so from a child with one they mean nothing, and to a
//! client with one they say nothing: they become internal errors that tell the first code in their `data`. What has a
//! word of its own on the other side gets that. All else passes, message and unknown members always.

use super::edits::Edits;
use super::object::{Fate, Member, Object};
use super::payload;
use super::rounds::Question;
use crate::wire::fault::{
    HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, MISSING_CAPABILITY, RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION, URL_ELICITATION_REQUIRED,
};
use crate::wire::frame::Frame;
use crate::wire::meta::Members;
use crate::wire::method::Method;
use crate::wire::raw;

/// What a client without a handshake sees of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForModern {
    /// An error with this code, once the edits are made.
    Error(i64),
    /// No error: the client is asked to visit these pages first.
    Visit(Vec<Question>),
}

/// What a client with a handshake sees of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForLegacy {
    /// An error with this code, once the edits are made.
    Error(i64),
    /// This result of a tool.
    Result(String),
}

/// What an error says, each where it stands.
struct Said<'t> {
    whole: Object<'t>,
    code: Member<'t>,
    message: Option<Member<'t>>,
    data: Option<Member<'t>>,
}

const NEEDS_URL: &[u8] = br#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#;

/// An error of a child with a handshake. `uri` is the resource that was asked for, as the client wrote it; `visits` tells
/// whether the client can show its user a page.
pub fn for_modern(
    frame: &Frame,
    uri: Option<&str>,
    visits: bool,
    edits: &mut Edits<'_>,
) -> ForModern {
    let Some(said) = Said::read(frame) else { return ForModern::Error(0) };
    let code = said.code();
    let code = if code == i64::from(RESOURCE_NOT_FOUND) {
        if let Some(uri) = uri.filter(|uri| uri.starts_with('"')) {
            said.tell("uri", uri, false, edits);
        }
        said.say(INVALID_PARAMS, edits)
    } else if code == i64::from(URL_ELICITATION_REQUIRED)
        && let Some(pages) = said.pages()
    {
        if visits {
            return ForModern::Visit(pages);
        }
        said.replace_data(NEEDS_URL, edits);
        said.say(MISSING_CAPABILITY, edits)
    } else if (-32099..=-32020).contains(&code) {
        said.say_internal(edits)
    } else {
        code
    };
    ForModern::Error(code)
}

/// An error of a child without a handshake.
pub fn for_legacy(frame: &Frame, method: Method, edits: &mut Edits<'_>) -> ForLegacy {
    let Some(said) = Said::read(frame) else { return ForLegacy::Error(0) };
    let code = said.code();
    if code == i64::from(MISSING_CAPABILITY) && method == Method::ToolsCall {
        return ForLegacy::Result(tool_failure(&said.lack()));
    }
    let new = [HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION].map(i64::from);
    ForLegacy::Error(if new.contains(&code) { said.say_internal(edits) } else { code })
}

/// A result of a tool that tells in words why it failed. A model reads that; an error it might never see.
pub fn tool_failure(why: &str) -> String {
    format!(r#"{{"isError":true,"content":[{{"type":"text","text":{}}}]}}"#, raw::quoted(why))
}

// === impl Said ===

impl<'t> Said<'t> {
    fn read(frame: &'t Frame) -> Option<Self> {
        let whole = payload(frame)?;
        let (code, message, data) = (whole.get("code")?, whole.get("message"), whole.get("data"));
        Some(Self { whole, code, message, data })
    }

    /// Zero, which means nothing, for what is no whole number.
    fn code(&self) -> i64 {
        self.code.value.parse().unwrap_or_default()
    }

    fn say(&self, code: i32, edits: &mut Edits<'_>) -> i64 {
        edits.push(self.code.value_at(), code.to_string().into_bytes());
        code.into()
    }

    /// Makes an internal error of one whose code its client cannot know.
    fn say_internal(&self, edits: &mut Edits<'_>) -> i64 {
        self.tell("originalCode", self.code.value, true, edits);
        self.say(INTERNAL_ERROR, edits)
    }

    /// Puts a member into `data`, which is made if it is missing. One that is there stays or is replaced. Data that is
    /// no object stays whole, beside it.
    fn tell(&self, name: &str, value: &str, replaces: bool, edits: &mut Edits<'_>) {
        if let Some(data) = self.data.and_then(|data| data.object()) {
            let mut is_told = false;
            let left = data.weed(edits, |member, _| {
                is_told |= member.is(name);
                Fate::goes_if(replaces && member.is(name))
            });
            if replaces || !is_told {
                let comma = if left > 0 { "," } else { "" };
                edits.push(data.front(), format!("\"{name}\":{value}{comma}").into_bytes());
            }
            return;
        }
        let data = match self.data.map(|data| data.value) {
            None | Some("null") => format!("{{\"{name}\":{value}}}"),
            Some(other) => format!("{{\"{name}\":{value},\"originalData\":{other}}}"),
        };
        self.replace_data(data.as_bytes(), edits);
    }

    fn replace_data(&self, with: &[u8], edits: &mut Edits<'_>) {
        match self.data {
            Some(data) => edits.push(data.value_at(), with.to_vec()),
            None => edits.push(self.whole.front(), [b"\"data\":", with, b","].concat()),
        }
    }

    /// The pages to visit, as questions; `None` if they are not told in the way revision 2025-11-25 says.
    fn pages(&self) -> Option<Vec<Question>> {
        let list = self.data?.object()?.get("elicitations")?;
        let pages: Option<Vec<Question>> = list
            .parts()
            .enumerate()
            .map(|(n, (page, _))| {
                let members = Members::of(page);
                let is_text = |key| members.get(key).is_some_and(|v| v.get().starts_with('"'));
                if !is_text("url") {
                    return None;
                }
                let rest = members.without(|key| matches!(key, "elicitationId" | "mode"));
                let params = format!("{{\"mode\":\"url\",{}", &rest[1..]);
                Some(Question {
                    key: format!("url-{n}").into(),
                    method: Method::Elicit,
                    params: Some(params.into()),
                })
            })
            .collect();
        pages.filter(|pages| !pages.is_empty())
    }

    /// What the client lacks, in words for a model.
    fn lack(&self) -> String {
        let message = self.message.and_then(|message| raw::string(message.value));
        let mut text = message.filter(|text| !text.is_empty()).map_or_else(
            || "The server cannot do this.".to_owned(),
            |text| format!("The server says: {text}."),
        );
        let mut names = Vec::new();
        let needs = self.data.and_then(|data| data.object()?.get("requiredCapabilities")?.object());
        for need in needs.iter().flat_map(|needs| needs.members()) {
            let parts: Vec<_> = need.object().iter().flat_map(|o| o.members()).collect();
            if parts.is_empty() {
                names.push(need.name().into_owned());
            }
            names.extend(parts.iter().map(|part| format!("{}.{}", need.name(), part.name())));
        }
        let what = match names.as_slice() {
            [] => "something this client did not declare that it can do".to_owned(),
            names => {
                format!(
                    "these capabilities, which this client did not declare: {}",
                    names.join(", ")
                )
            }
        };
        text.push_str(" It needs ");
        text.push_str(&what);
        text.push_str(". Use a client that has them, or another tool.");
        text
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn error(error: &str) -> Frame {
        let text = format!(r#"{{"jsonrpc":"2.0","id":4,"error":{error}}}"#);
        Frame::skim(text.into()).unwrap()
    }

    fn text(frame: &Frame, edits: Edits<'_>) -> String {
        let out = edits.splice(frame);
        let out = Frame::skim(Bytes::clone(&out)).unwrap();
        out.payload().unwrap().to_owned()
    }

    fn modern(said: &str, visits: bool) -> (ForModern, String) {
        let frame = error(said);
        let mut edits = Edits::new();
        let seen = for_modern(&frame, Some("\"file:///a\""), visits, &mut edits);
        (seen, text(&frame, edits))
    }

    fn legacy(said: &str, method: Method) -> (ForLegacy, String) {
        let frame = error(said);
        let mut edits = Edits::new();
        let seen = for_legacy(&frame, method, &mut edits);
        (seen, text(&frame, edits))
    }

    #[test]
    fn a_missing_resource_is_named_to_modern_clients() {
        for (said, seen) in [
            (
                r#"{"code":-32002,"message":"m","x":1}"#,
                r#"{"data":{"uri":"file:///a"},"code":-32602,"message":"m","x":1}"#,
            ),
            (
                r#"{"code":-32002,"message":"m","data":{"y":2}}"#,
                r#"{"code":-32602,"message":"m","data":{"uri":"file:///a","y":2}}"#,
            ),
            (
                r#"{"code":-32002,"message":"m","data":{"uri":"file:///b"}}"#,
                r#"{"code":-32602,"message":"m","data":{"uri":"file:///b"}}"#,
            ),
            (
                r#"{"code":-32002,"message":"m","data":"gone"}"#,
                r#"{"code":-32602,"message":"m","data":{"uri":"file:///a","originalData":"gone"}}"#,
            ),
        ] {
            assert_eq!(modern(said, false), (ForModern::Error(-32602), seen.to_owned()));
        }
    }

    #[test]
    fn codes_of_the_other_era_become_internal_errors() {
        for (said, seen) in [
            (
                r#"{"code":-32021,"message":"m","data":{"originalCode":1,"y":2}}"#,
                r#"{"code":-32603,"message":"m","data":{"originalCode":-32021,"y":2}}"#,
            ),
            (
                r#"{"c\u006fde":-32099,"message":"m","data":null}"#,
                r#"{"c\u006fde":-32603,"message":"m","data":{"originalCode":-32099}}"#,
            ),
        ] {
            assert_eq!(modern(said, true), (ForModern::Error(-32603), seen.to_owned()));
        }
        for code in [-32020, -32021, -32022] {
            let said = format!(r#"{{"code":{code},"message":"m"}}"#);
            let seen =
                format!(r#"{{"data":{{"originalCode":{code}}},"code":-32603,"message":"m"}}"#);
            assert_eq!(legacy(&said, Method::PromptsGet), (ForLegacy::Error(-32603), seen));
        }
    }

    #[test]
    fn other_errors_pass() {
        for (code, number) in
            [("-32601", -32601), ("-32019", -32019), ("7", 7), ("1e3", 0), ("\"a\"", 0)]
        {
            let said = format!(r#"{{"code":{code},"message":"m","data":{{"n":1e400}}}}"#);
            assert_eq!(modern(&said, true), (ForModern::Error(number), said.clone()));
            assert_eq!(legacy(&said, Method::ToolsCall), (ForLegacy::Error(number), said));
        }
        let said = r#"{"code":-32002,"message":"m"}"#;
        assert_eq!(legacy(said, Method::ToolsCall), (ForLegacy::Error(-32002), said.to_owned()));
        let said = r#"{"code":-32042,"message":"m"}"#;
        assert_eq!(legacy(said, Method::ToolsCall), (ForLegacy::Error(-32042), said.to_owned()));
        assert_eq!(modern("{}", true), (ForModern::Error(0), "{}".to_owned()));
    }

    #[test]
    fn pages_to_visit_become_questions_or_a_missing_capability() {
        let said = r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"u","message":"go","x":1e400},{"url":"v"}]}}"#;
        let (ForModern::Visit(pages), same) = modern(said, true) else { panic!("no pages") };
        assert_eq!(same, said);
        let seen: Vec<_> = pages.iter().map(|p| (&*p.key, p.params.as_deref().unwrap())).collect();
        assert_eq!(
            seen,
            [
                ("url-0", r#"{"mode":"url","url":"u","message":"go","x":1e400}"#),
                ("url-1", r#"{"mode":"url","url":"v"}"#),
            ]
        );
        let needs = r#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{"elicitation":{"url":{}}}}}"#;
        assert_eq!(modern(said, false), (ForModern::Error(-32021), needs.to_owned()));
        for odd in ["7", "[]", "[1]", r#"[{"message":"no page"}]"#] {
            let said =
                format!(r#"{{"code":-32042,"message":"m","data":{{"elicitations":{odd}}}}}"#);
            assert_eq!(modern(&said, true).0, ForModern::Error(-32603), "{odd}");
        }
    }

    #[test]
    fn a_tool_that_needs_more_than_its_client_has_says_so_in_words() {
        let said = r#"{"code":-32021,"message":"cannot ask \"you\"","data":{"requiredCapabilities":{"elicitation":{"url":{}},"sampling":{}}}}"#;
        let (ForLegacy::Result(result), same) = legacy(said, Method::ToolsCall) else {
            panic!("a tool's failure is a result")
        };
        assert_eq!(same, said);
        let result = Members::of(&result);
        assert_eq!(result.get("isError").unwrap().get(), "true");
        let content = result.get("content").unwrap().get();
        for word in ["elicitation.url, sampling", r#"cannot ask \"you\""#] {
            assert!(content.contains(word), "{content}");
        }
        let (ForLegacy::Result(result), _) = legacy(r#"{"code":-32021}"#, Method::ToolsCall) else {
            panic!("a tool's failure is a result")
        };
        assert!(result.contains("did not declare"), "{result}");
    }
}
