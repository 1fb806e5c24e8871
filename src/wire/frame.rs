//! One JSON-RPC message: its bytes, and a card that says where its routing leaves lie.
//!
//! `Frame::skim` reads the text once: it must be UTF-8 and one JSON object, its top members are noted as places in
//! the text, nothing below them is opened. `Frame::splice` copies the text once with some places exchanged. What
//! nobody asked to change leaves exactly as it came: unknown members, key order, numbers no machine type can hold.

mod blanks;

use bytes::Bytes;
use serde_json::value::RawValue;

use self::blanks::{inner, on_one_line};
use super::id::RawId;
use super::meta::{Leaves, Meta, Params};
use super::method::Method;
use super::scan::{Broken, Scanner};
use super::splice::{Patch, Span, splice};
use super::text::Text;

/// A message.
#[derive(Clone, Debug)]
pub struct Frame {
    text: Bytes,
    card: Card,
}

/// All of a message but its text: what it is, and the places of its routing leaves.
#[derive(Clone, Debug)]
struct Card {
    kind: Kind,
    method: Method,
    id: Option<Span>,
    name: Option<Span>,
    payload: Option<Span>,
    /// Of `params`, if that is the payload.
    leaves: Leaves,
}

/// What a message is. A request and a notification carry `params` as payload, the other two `result` and `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Notification,
    Result,
    Error,
}

/// What one body or line holds.
#[derive(Debug)]
pub enum Body {
    One(Frame),
    /// An array: revision 2025-03-26 allows it over HTTP, and children of that age may print it. Its parts stand or fall
    /// alone.
    Many(Vec<Result<Frame, Malformed>>),
}

/// A text that is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("the text is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not a legal JSON-RPC message. The id is kept where it could be read.
    #[error("not a JSON-RPC message: {why}")]
    NotMessage { id: Option<RawId>, why: &'static str },
    #[error("the text is longer than any message may be")]
    TooLong,
}

/// The places of the top members of a message. One that is `null` is there.
#[derive(Default)]
struct Top {
    jsonrpc: Option<Span>,
    id: Option<Span>,
    method: Option<Span>,
    params: Option<Span>,
    result: Option<Span>,
    error: Option<Span>,
    leaves: Leaves,
    /// Why it is no message, though it is JSON.
    flaw: Option<&'static str>,
    has_breaks: bool,
}

/// How nearly all messages begin. That is known at a glance.
const OPENING: &[u8] = br#"{"jsonrpc":"2.0","#;

/// The place of the version in that.
const OPENING_VERSION: Span = Span { start: 11, end: 16 };

// === impl Frame ===

impl Frame {
    /// Reads one message. The text may be pretty-printed; the frame's own text is always on one line.
    pub fn skim(text: Bytes) -> Result<Self, Malformed> {
        match Body::read(text)? {
            Body::One(frame) => Ok(frame),
            Body::Many(_) => Err(Malformed::NotMessage { id: None, why: "an array is a batch" }),
        }
    }

    pub fn text(&self) -> &Bytes {
        &self.text
    }

    pub fn kind(&self) -> Kind {
        self.card.kind
    }

    /// The method of a request or notification; `Method::Other` for the two kinds of answers.
    pub fn method(&self) -> Method {
        self.card.method
    }

    /// The method as it was written, quotes taken off; empty for answers.
    pub fn method_name(&self) -> &str {
        self.card.name.map_or("", |span| self.slice(span).trim_matches('"'))
    }

    pub fn id_span(&self) -> Option<Span> {
        self.card.id
    }

    /// The id as text, so that `7`, `"7"` and `7.0` stay apart. An error answer may carry `null` or none.
    pub fn id(&self) -> Option<RawId> {
        self.card.id.map(|span| RawId::of(&self.text[span.range()]))
    }

    /// The id as the number a bridge gives to its own requests. Some servers hand numbers back as strings.
    pub fn id_number(&self) -> Option<u64> {
        whole_number(unquoted(&self.text[self.card.id?.range()]))
    }

    pub fn payload_span(&self) -> Option<Span> {
        self.card.payload
    }

    /// `params`, `result` or `error`, whichever this kind of message has.
    pub fn payload(&self) -> Option<&str> {
        self.card.payload.map(|span| self.slice(span))
    }

    /// The view of `params`, or of whatever is the payload. Nothing is seen if a member that some rule looks at stands twice.
    pub fn params(&self) -> Params<'_> {
        self.clear_params().unwrap_or_default()
    }

    /// The view of `params` and of their `_meta`. `None` if a member that some rule looks at stands twice: whoever reads the
    /// message after us might take the other one.
    pub fn unambiguous(&self) -> Option<(Params<'_>, Meta<'_>)> {
        let params = self.clear_params()?;
        Some((params, Meta::unambiguous(params.meta)?))
    }

    /// Whether `params` have no `_meta`, and no member that might be one.
    pub fn lacks_meta(&self) -> bool {
        matches!(self.card.kind, Kind::Request | Kind::Notification) && self.card.leaves.lack_meta()
    }

    #[inline]
    fn clear_params(&self) -> Option<Params<'_>> {
        match self.card.kind {
            Kind::Request | Kind::Notification => {
                self.card.leaves.view(|at| self.slice(at), || self.payload())
            }
            Kind::Result | Kind::Error => Params::unambiguous(self.payload()),
        }
    }

    pub fn slice(&self, span: Span) -> &str {
        slice(&self.text, span)
    }

    /// The text with some places exchanged. Patches are in order and do not overlap.
    pub fn splice(&self, patches: &[Patch<'_>]) -> Bytes {
        splice(&self.text, patches)
    }

    /// The same to be handed on as it is: of a long text little is copied.
    pub fn pieced(&self, patches: &[Patch<'_>]) -> Text {
        Text::spliced(&self.text, patches)
    }
}

// === impl Body ===

impl Body {
    /// Reads a body or a line: one message, or an array of them.
    pub fn read(mut text: Bytes) -> Result<Self, Malformed> {
        Self::take(&mut text)
    }

    /// The same. The text of one message goes into it; what is anything else is left as it was.
    pub fn take(text: &mut Bytes) -> Result<Self, Malformed> {
        if text.len() >= u32::MAX as usize {
            return Err(Malformed::TooLong);
        }
        let inner = inner(text);
        if text.get(inner.start) != Some(&b'[') {
            let (card, has_breaks) = Card::read(&text[inner.clone()])?;
            let text = std::mem::take(text);
            let text = if inner.len() == text.len() { text } else { text.slice(inner) };
            return Ok(Self::One(Frame { text: on_one_line(text, has_breaks), card }));
        }
        let text = text.slice(inner);
        let mut spans = Vec::new();
        let has_breaks = stepped(&text, |scan| scan.items(|at| spans.push(at)))?;
        let text = on_one_line(text, has_breaks);
        let parts = spans.into_iter().map(|span| {
            let text = text.slice(span.range());
            Card::read(&text).map(|(card, _)| Frame { text, card })
        });
        Ok(Self::Many(parts.collect()))
    }
}

// === impl Top ===

impl Top {
    fn read(text: &[u8]) -> Result<Self, Malformed> {
        let mut top = Self::default();
        top.has_breaks = stepped(text, |scan| top.note(scan))?;
        Ok(top)
    }

    fn note(&mut self, scan: &mut Scanner<'_>) -> Result<(), Broken> {
        if scan.pass(OPENING) {
            self.jsonrpc = Some(OPENING_VERSION);
        } else if !scan.enter()? {
            return Ok(());
        }
        scan.rest_of_members(|scan, key| {
            let Some(name) = scan.name(&key) else {
                self.flaw = Some("the name of a member is no text");
                return scan.value().map(|_| ());
            };
            let mut leaves = None;
            let place = match &*name {
                b"jsonrpc" => &mut self.jsonrpc,
                b"id" => &mut self.id,
                b"method" => &mut self.method,
                b"params" => {
                    leaves = Some(&mut self.leaves);
                    &mut self.params
                }
                b"result" => &mut self.result,
                b"error" => &mut self.error,
                _ => return scan.value().map(|_| ()),
            };
            let at = match leaves {
                Some(leaves) if scan.peek() == Some(b'{') => leaves.note(scan)?,
                _ => scan.value()?,
            };
            if place.replace(at).is_some() {
                self.flaw = Some("a member stands twice");
            }
            Ok(())
        })
    }
}

// === impl Card ===

impl Card {
    /// Reads one message from a text that has no blanks around it. Tells too whether line breaks stand in it, which have to go.
    fn read(text: &[u8]) -> Result<(Self, bool), Malformed> {
        if text.first() != Some(&b'{') {
            // Tell broken JSON from JSON of the wrong shape before blaming the shape.
            stepped(text, |scan| scan.value().map(|_| ()))?;
            return Err(Malformed::NotMessage { id: None, why: "a message is a JSON object" });
        }
        let top = Top::read(text)?;
        if let Some(why) = top.flaw {
            return Err(Malformed::NotMessage { id: None, why });
        }

        let bad = |why| Malformed::NotMessage { id: readable_id(top.id, text), why };
        if top.jsonrpc.is_none_or(|at| text[at.range()] != *b"\"2.0\"") {
            return Err(bad("\"jsonrpc\" must be \"2.0\""));
        }
        let id_is_value = begins(top.id, text, is_id);
        let (kind, payload) = match (top.method, top.result, top.error) {
            (Some(method), None, None) => {
                if !begins(Some(method), text, |first| first == b'"') {
                    return Err(bad("\"method\" must be a string"));
                }
                if top.params.is_some()
                    && !begins(top.params, text, |first| matches!(first, b'{' | b'[' | b'n'))
                {
                    return Err(bad("\"params\" must be an object"));
                }
                match top.id {
                    None => (Kind::Notification, top.params),
                    Some(_) if id_is_value => (Kind::Request, top.params),
                    Some(_) => return Err(bad("\"id\" must be a string or a number")),
                }
            }
            (None, Some(result), None) if id_is_value => (Kind::Result, Some(result)),
            (None, Some(_), None) => {
                return Err(bad("a result needs an \"id\" that is a string or a number"));
            }
            (None, None, Some(error)) => {
                if top.id.is_some() && !id_is_value && !begins(top.id, text, |first| first == b'n')
                {
                    return Err(bad("\"id\" must be a string, a number or null"));
                }
                if !begins(Some(error), text, |first| first == b'{') {
                    return Err(bad("\"error\" must be an object"));
                }
                (Kind::Error, Some(error))
            }
            (Some(_), _, _) => return Err(bad("a message with a method has no result or error")),
            (None, Some(_), Some(_)) => {
                return Err(bad("a message has a result or an error, not both"));
            }
            (None, None, None) => return Err(bad("a message has a method, a result or an error")),
        };

        let method = top.method.map_or(Method::Other, |at| Method::read(&text[at.range()]));
        let Top { id, method: name, leaves, has_breaks, .. } = top;
        Ok((Self { kind, method, id, name, payload, leaves }, has_breaks))
    }
}

/// Whether a member is there and begins so.
fn begins(member: Option<Span>, text: &[u8], so: impl Fn(u8) -> bool) -> bool {
    member.is_some_and(|at| so(text[at.range()][0]))
}

/// Whether a string or a number begins so.
fn is_id(first: u8) -> bool {
    matches!(first, b'"' | b'-' | b'0'..=b'9')
}

fn readable_id(id: Option<Span>, text: &[u8]) -> Option<RawId> {
    id.filter(|_| begins(id, text, is_id)).map(|at| RawId::of(&text[at.range()]))
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// A number of digits alone. Read from bytes, since every answer of a child is looked up by one.
fn whole_number(digits: &[u8]) -> Option<u64> {
    let put = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, put) }
}

fn slice(text: &[u8], at: Span) -> &str {
    std::str::from_utf8(&text[at.range()]).expect("skimmed text is UTF-8")
}

/// Steps through a whole text with `step`. Tells whether there are line breaks between its tokens.
fn stepped(
    text: &[u8],
    step: impl FnOnce(&mut Scanner<'_>) -> Result<(), Broken>,
) -> Result<bool, Malformed> {
    let mut scan = Scanner::new(text);
    let is_json = step(&mut scan).and_then(|()| scan.end()).is_ok();
    // A text that is neither UTF-8 nor JSON is told to be not UTF-8.
    if !(is_json && scan.is_ascii()) && std::str::from_utf8(text).is_err() {
        return Err(Malformed::NotUtf8);
    }
    if is_json { Ok(scan.has_breaks()) } else { Err(Malformed::NotJson(what_is_wrong(text))) }
}

/// What is wrong with a text that is not JSON, and where.
#[cold]
fn what_is_wrong(text: &[u8]) -> String {
    let read: Result<&RawValue, _> = serde_json::from_slice(text);
    read.err().map_or_else(|| "it cannot be read".to_owned(), |error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skim(text: &str) -> Frame {
        Frame::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn refuse(text: &str) -> Malformed {
        Frame::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap_err()
    }

    fn why(text: &str) -> (Option<String>, &'static str) {
        match refuse(text) {
            Malformed::NotMessage { id, why } => (id.map(|id| id.as_str().to_owned()), why),
            other @ (Malformed::NotUtf8 | Malformed::NotJson(_) | Malformed::TooLong) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn the_four_kinds_are_told_apart() {
        let request =
            skim(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}"#);
        assert_eq!((request.kind(), request.method()), (Kind::Request, Method::ToolsCall));
        assert_eq!(request.id().unwrap().as_str(), "7");
        assert_eq!(request.payload(), Some(r#"{"name":"x"}"#));
        let note = skim(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!((note.kind(), note.payload()), (Kind::Notification, None));
        let result = skim(r#"{"jsonrpc":"2.0","id":"7","result":null}"#);
        assert_eq!((result.kind(), result.payload()), (Kind::Result, Some("null")));
        let error = skim(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}"#);
        assert_eq!((error.kind(), error.id().unwrap().as_str()), (Kind::Error, "null"));
        assert_eq!(skim(r#"{"jsonrpc":"2.0","error":{}}"#).id(), None);
    }

    #[test]
    fn wrong_shapes_name_their_fault_and_keep_the_id() {
        assert_eq!(why(r#"{"id":3,"method":"ping"}"#).0.as_deref(), Some("3"));
        assert_eq!(why(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#).0, None);
        assert_eq!(why(r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#).0, None);
        assert_eq!(why(r#"{"jsonrpc":"2.0","id":"a","method":3}"#).0.as_deref(), Some("\"a\""));
        assert_eq!(
            why(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"s"}"#).1,
            "\"params\" must be an object"
        );
        for text in [
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","result":1}"#,
            r#"{"jsonrpc":"2.0","result":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#,
            "7",
            "null",
            "\"x\"",
            "[]",
        ] {
            why(text);
        }
    }

    #[test]
    fn broken_json_is_not_mended() {
        for text in ["", " ", "{", "{\"a\":}", "{} {}", "{\"a\":\"\n\"}", "nul", "{\"a\":01}"] {
            assert!(matches!(refuse(text), Malformed::NotJson(_)), "{text:?}");
        }
        let bad = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}");
        assert_eq!(Frame::skim(bad).unwrap_err(), Malformed::NotUtf8);
    }

    #[test]
    fn a_pretty_text_comes_out_on_one_line_with_its_places_kept() {
        let frame = skim(
            "\r\n{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 1,\n \"method\": \"a\\nb\",\n \"params\": {\n}\n}\n",
        );
        assert!(!frame.text().iter().any(|b| matches!(b, b'\n' | b'\r')));
        assert_eq!(frame.payload(), Some("{ }"));
        assert_eq!(frame.method_name(), "a\\nb");
    }

    #[test]
    fn escaped_member_names_match() {
        let frame = skim(r#"{"jsonrpc":"2.0","\u0069d":5,"me\u0074hod":"tools\/list"}"#);
        assert_eq!((frame.id().unwrap().as_str(), frame.method()), ("5", Method::ToolsList));
    }

    #[test]
    fn splicing_leaves_all_else_alone() {
        let frame = skim(
            r#"{"z":1e400,"jsonrpc":"2.0","id":"a","n":12345678901234567890123,"method":"x","params":{"b":1,"a":2}}"#,
        );
        let id = frame.id_span().unwrap();
        let params = frame.payload_span().unwrap();
        let out = frame.splice(&[
            Patch { at: id, with: b"31" },
            Patch { at: params.inside(), with: b"\"c\":3," },
        ]);
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            r#"{"z":1e400,"jsonrpc":"2.0","id":31,"n":12345678901234567890123,"method":"x","params":{"c":3,"b":1,"a":2}}"#
        );
    }

    #[test]
    fn parts_of_a_batch_stand_or_fall_alone() {
        let text = "[ {\"jsonrpc\":\"2.0\",\n\"method\":\"ping\",\"id\":1}, 3, {\"jsonrpc\":\"2.0\",\"method\":\"x\"} ]";
        let Ok(Body::Many(parts)) = Body::read(Bytes::from_static(text.as_bytes())) else {
            panic!("an array is a batch")
        };
        assert_eq!(parts.len(), 3);
        assert!(parts[0].as_ref().is_ok_and(|frame| !frame.text().contains(&b'\n')));
        assert!(parts[1].is_err() && parts[2].is_ok());
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{}{}}}",
            "[".repeat(1 << 20),
            "]".repeat(1 << 20)
        );
        assert_eq!(skim(&deep).kind(), Kind::Notification);
    }

    #[test]
    fn numbers_come_back_as_strings_from_some_servers() {
        assert_eq!(skim(r#"{"jsonrpc":"2.0","id":"31","result":{}}"#).id_number(), Some(31));
        assert_eq!(skim(r#"{"jsonrpc":"2.0","id":31,"result":{}}"#).id_number(), Some(31));
        assert_eq!(skim(r#"{"jsonrpc":"2.0","id":"x","result":{}}"#).id_number(), None);
    }
}
