//! A client without a handshake on a child with one.

use std::sync::LazyLock;

use super::edits::Edits;
use super::object::{Fate, Names, Object};
use super::{Noted, payload, without_envelope};
use crate::wire::frame::Frame;
use crate::wire::meta::key;
use crate::wire::method::Method;

/// What every result of one child is given, made once from what the child said of itself.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// All members for a result that has no `_meta`, which comes last and begins at `plain_head`.
    plain: Box<str>,
    plain_head: usize,
    /// The same with hints for caches.
    hinted: Box<str>,
    hinted_head: usize,
    /// The member for a `_meta` that is there already; empty if the child told no `serverInfo`.
    server: Box<str>,
}

/// How long and for whom a result of a child that tells no such thing may be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    pub ttl_ms: u64,
    pub public: bool,
}

/// Whether a result could be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Object,
    /// It stays as it is. Nothing can be added to it, and no revision allows it.
    Other,
}

// === impl Stamp ===

impl Stamp {
    /// `server_info` is the raw object of the child's handshake.
    pub fn new(server_info: Option<&str>, hints: Hints) -> Self {
        let server = server_info
            .filter(|info| info.starts_with('{'))
            .map(|info| format!("\"{}\":{info},", key::SERVER_INFO))
            .unwrap_or_default();
        let meta = match server.strip_suffix(',') {
            Some(server) => format!("\"_meta\":{{{server}}},"),
            None => String::new(),
        };
        let plain = String::from("\"resultType\":\"complete\",");
        let scope = if hints.public { "public" } else { "private" };
        let hinted = format!("{plain}\"ttlMs\":{},\"cacheScope\":\"{scope}\",", hints.ttl_ms);
        Self {
            plain_head: plain.len(),
            hinted_head: hinted.len(),
            plain: (plain + &meta).into(),
            hinted: (hinted + &meta).into(),
            server: server.into(),
        }
    }

    /// What goes in front of a result's own members; it ends with a comma.
    fn members(&self, hinted: bool, with_meta: bool) -> &str {
        let (text, head) =
            if hinted { (&self.hinted, self.hinted_head) } else { (&self.plain, self.plain_head) };
        if with_meta { text } else { &text[..head] }
    }

    /// A whole `_meta` as the last member of an object, comma in front; may be empty.
    pub(super) fn meta_at_end(&self) -> String {
        match self.plain[self.plain_head..].strip_suffix(',') {
            Some(meta) => format!(",{meta}"),
            None => String::new(),
        }
    }
}

/// Takes out of a request what a child with a handshake does not know. The token, if the client gave one, becomes `token`;
/// whoever calls this must not exchange it too.
pub fn request<'a>(frame: &Frame, noted: Noted, token: Option<&'a [u8]>, edits: &mut Edits<'a>) {
    if let Some(at) = noted.meta
        && let Some(meta) = Object::at(frame.slice(at), at.start)
    {
        without_envelope(meta, token, edits);
    }
    if noted.extras
        && let Some(params) = payload(frame)
    {
        params.weed(edits, |member, _| {
            Fate::goes_if(matches!(&*member.name(), "inputResponses" | "requestState" | "task"))
        });
    }
}

/// Makes a child's result one that a client without a handshake expects.
pub fn result<'a>(frame: &Frame, method: Method, stamp: &'a Stamp, edits: &mut Edits<'a>) -> Shape {
    static COMMON: LazyLock<Names<2>> =
        LazyLock::new(|| Names::new(["\"_meta\"", "\"resultType\""]));
    static HINTS: LazyLock<Names<2>> =
        LazyLock::new(|| Names::new(["\"ttlMs\"", "\"cacheScope\""]));

    let Some(result) = payload(frame) else { return Shape::Other };
    let text = frame.payload().unwrap_or_default();
    let hinted = method.is_cacheable();
    let has_some = COMMON.may_be_in(text) || (hinted && HINTS.are_in(text));
    if !has_some {
        result.add(&[stamp.members(hinted, true)], !result.is_empty(), edits);
        return Shape::Object;
    }
    let mut has_meta = false;
    let left = result.weed(edits, |member, edits| match &*member.name() {
        "resultType" => Fate::Goes,
        "ttlMs" | "cacheScope" => Fate::goes_if(hinted),
        "_meta" => match member.object() {
            Some(meta) => {
                has_meta = true;
                let is_stray = |name: &str| matches!(name, key::SERVER_INFO | key::RELATED_TASK);
                let left = meta.weed(edits, |member, _| Fate::goes_if(is_stray(&member.name())));
                if !stamp.server.is_empty() {
                    meta.add(&[&stamp.server], left > 0, edits);
                }
                Fate::Stays
            }
            None => Fate::Goes,
        },
        _ => Fate::Stays,
    });
    result.add(&[stamp.members(hinted, !has_meta)], left > 0, edits);
    Shape::Object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(params: &str, token: Option<&[u8]>) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{params},"id":7}}"#);
        let frame = Frame::skim(text.into()).unwrap();
        let noted = Noted::of(&frame, &frame.params());
        let mut edits = Edits::new();
        edits.push(frame.id_span().unwrap(), b"12".as_slice());
        request(&frame, noted, token, &mut edits);
        let out = Frame::skim(edits.splice(&frame)).unwrap();
        assert_eq!(out.id_number(), Some(12));
        out.payload().unwrap().to_owned()
    }

    fn answered(result_: &str, method: Method, hints: Hints) -> (String, Shape, usize) {
        let stamp = Stamp::new(Some(r#"{"name":"s"}"#), hints);
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result_}}}"#);
        let frame = Frame::skim(text.into()).unwrap();
        let mut edits = Edits::new();
        let shape = result(&frame, method, &stamp, &mut edits);
        let count = edits.len();
        let out = Frame::skim(edits.splice(&frame)).unwrap();
        (out.payload().unwrap().to_owned(), shape, count)
    }

    #[test]
    fn the_envelope_is_taken_out_and_all_else_stays() {
        let params = r#"{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":"a","io.modelcontextprotocol\/clientInfo":{},"traceparent":"t","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info"},"arguments":{"n":1e400}}"#;
        assert_eq!(
            requested(params, Some(b"\"p12\"")),
            r#"{"name":"x","_meta":{"progressToken":"p12","traceparent":"t"},"arguments":{"n":1e400}}"#
        );
        assert_eq!(
            requested(
                r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
                None
            ),
            r#"{"_meta":{}}"#
        );
    }

    #[test]
    fn answers_to_questions_and_tasks_do_not_reach_the_child() {
        let params = r#"{"task":{},"name":"x","inputResponses":{},"arguments":{"task":1},"requestState":"s"}"#;
        assert_eq!(requested(params, None), r#"{"name":"x","arguments":{"task":1}}"#);
    }

    #[test]
    fn the_common_result_needs_one_edit() {
        let (text, shape, edits) =
            answered(r#"{"content":[{"text":"\"_meta\""}]}"#, Method::ToolsCall, Hints::default());
        assert_eq!((shape, edits), (Shape::Object, 1));
        assert_eq!(
            text,
            r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}},"content":[{"text":"\"_meta\""}]}"#
        );
    }

    #[test]
    fn results_without_members_and_results_that_are_no_objects() {
        let all = r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}"#;
        for empty in ["{}", r#"{"resultType":7}"#, r#"{"_meta":null}"#, r#"{"r\u0065sultType":1}"#]
        {
            assert_eq!(answered(empty, Method::ToolsCall, Hints::default()).0, all, "{empty}");
        }
        for other in ["7", "null", "[{}]"] {
            let (text, shape, edits) = answered(other, Method::ToolsCall, Hints::default());
            assert_eq!((text.as_str(), shape, edits), (other, Shape::Other, 0));
        }
        let stamp = Stamp::new(None, Hints::default());
        assert_eq!(stamp.members(false, true), "\"resultType\":\"complete\",");
        assert_eq!(stamp.meta_at_end(), "");
    }

    #[test]
    fn strays_are_replaced_and_meta_is_kept() {
        let said = r#"{"ttlMs":9,"resultType":"task","_meta":{"io.modelcontextprotocol/serverInfo":1,"a":1,"io.modelcontextprotocol/related-task":{}},"tools":[{"_meta":{"resultType":1}}],"cacheScope":"x"}"#;
        let meta = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"},"a":1},"tools":[{"_meta":{"resultType":1}}]"#;
        assert_eq!(
            answered(said, Method::ToolsList, Hints { ttl_ms: 5000, public: true }).0,
            format!(r#"{{"resultType":"complete","ttlMs":5000,"cacheScope":"public",{meta}}}"#)
        );
        assert_eq!(
            answered(said, Method::ToolsCall, Hints::default()).0,
            format!(r#"{{"resultType":"complete","ttlMs":9,{meta},"cacheScope":"x"}}"#)
        );
    }

    #[test]
    fn exactly_six_methods_carry_hints() {
        for (method, hinted) in [
            (Method::Discover, true),
            (Method::ToolsList, true),
            (Method::PromptsList, true),
            (Method::ResourcesList, true),
            (Method::ResourceTemplatesList, true),
            (Method::ResourcesRead, true),
            (Method::ToolsCall, false),
            (Method::PromptsGet, false),
            (Method::Complete, false),
            (Method::Other, false),
        ] {
            let (text, ..) = answered("{}", method, Hints::default());
            assert_eq!(text.contains(r#""ttlMs":0,"cacheScope":"private""#), hinted, "{method:?}");
        }
    }
}
