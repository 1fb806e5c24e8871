//! What each fuzz target does with its input. The ordinary tests replay the corpora through the same functions.
//!
//! A body panics when the code under it breaks a promise; that it returns at all is a promise too.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use serde_json::value::RawValue;
use stdiod::wire::frame::{Body, Frame, Kind, Malformed};
use stdiod::wire::headers;
use stdiod::wire::id::RawId;
use stdiod::wire::lines::{Line, Lines};
use stdiod::wire::meta::{Members, Params};
use stdiod::wire::overlong::overlong_id;
use stdiod::wire::raw::Raw;
use stdiod::wire::splice::Patch;
use stdiod::wire::sse::{self, Decoder, SseEvent};

#[path = "switchboard/mod.rs"]
mod operations;

/// Messages: what is JSON is told as another reader tells it. Whatever is accepted is on one line, its leaves lie where they are
/// said to lie, and a splice changes those alone.
pub(crate) fn frame(input: &[u8]) {
    let body = Body::read(Bytes::copy_from_slice(input));
    let is_text = std::str::from_utf8(input).is_ok();
    let is_json = is_text && serde_json::from_slice::<&RawValue>(input).is_ok();
    let is_read = !matches!(body, Err(Malformed::NotUtf8 | Malformed::NotJson(_)));
    assert_eq!(is_read, is_json, "two readers disagree: {body:?}");
    match body {
        Ok(Body::One(frame)) => sound(&frame),
        Ok(Body::Many(frames)) => frames.iter().flatten().for_each(sound),
        Err(_) => {}
    }
}

fn sound(frame: &Frame) {
    let text = frame.text();
    assert!(!text.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "a frame is on one line");
    let members = Members::of(std::str::from_utf8(text).expect("a frame is UTF-8"));
    let raw = |key| members.get(key).map(Raw::get);
    assert_eq!(frame.id().as_ref().map(RawId::as_str), raw("id"));
    let payload = match frame.kind() {
        Kind::Request | Kind::Notification => raw("params"),
        Kind::Result => raw("result"),
        Kind::Error => raw("error"),
    };
    assert_eq!(frame.payload(), payload);
    let _ = (frame.id_number(), frame.method_name());
    let again = Params::of(frame.payload());
    assert_eq!(frame.params(), again, "what was noted is what is read again");
    let _ = again.meta();

    if let Some(at) = frame.id_span() {
        let changed = Frame::skim(frame.splice(&[Patch { at, with: b"4711" }]))
            .expect("a frame with another id is a frame");
        assert_eq!(changed.id().expect("it has an id").as_str(), "4711");
        assert_eq!((changed.kind(), changed.payload()), (frame.kind(), frame.payload()));
        let old = frame.slice(at).to_owned();
        let back = Patch { at: changed.id_span().expect("it has an id"), with: old.as_bytes() };
        assert_eq!(changed.splice(&[back]), text);
    }
}

/// Lines: the first byte chooses the ceiling, the second the size of the pieces. However the bytes arrive, the same
/// lines come out, and nothing is lost.
pub(crate) fn lines(input: &[u8]) {
    let [limit, size, text @ ..] = input else { return };
    let limit = usize::from(*limit) * 4;
    let pieces = cut(limit, text, usize::from(*size).max(1));
    assert_eq!(pieces, cut(limit, text, text.len().max(1)));

    let expected = text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_blank = line.iter().all(|byte| b" \t\r".contains(byte));
        (!is_blank || line.len() > limit).then_some(line.len() as u64)
    });
    let found = pieces.iter().map(|line| match line {
        Line::Whole(text) | Line::Cut(text) => text.len() as u64,
        Line::Overlong { length, .. } => *length,
    });
    assert!(expected.eq(found), "every line that is not blank is accounted for");

    for line in &pieces {
        if let Line::Overlong { head, tail, .. } = line {
            let _ = overlong_id(head, tail);
        }
    }
    certain(text);
}

fn cut(limit: usize, text: &[u8], size: usize) -> Vec<Line> {
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for piece in text.chunks(size) {
        lines.space().extend_from_slice(piece);
        found.extend(std::iter::from_fn(|| lines.next_line()));
    }
    found.extend(lines.end());
    found
}

/// An id that is read from the two ends of a sound response is the id of that response.
fn certain(text: &[u8]) {
    let Ok(frame) = Frame::skim(Bytes::copy_from_slice(text)) else { return };
    let text = frame.text();
    for size in [16, 64, text.len()] {
        let size = size.min(text.len());
        let id = overlong_id(&text[..size], &text[text.len() - size..]);
        if let Some(id) = id {
            assert_eq!(frame.id().as_ref().map(RawId::as_str), Some(id));
            assert!(matches!(frame.kind(), Kind::Result | Kind::Error), "only answers have it");
        }
    }
}

/// Events: the same come out however the bytes arrive, and those read can be written and read again.
pub(crate) fn sse(input: &[u8]) {
    let [size, text @ ..] = input else { return };
    let whole = read(text, text.len().max(1));
    assert_eq!(whole, read(text, usize::from(*size).max(1)));
    for event in whole.into_iter().flatten() {
        if event.data.contains(['\r', '\n']) || event.event != "message" {
            continue;
        }
        let mut out = BytesMut::new();
        sse::event(&mut out, event.id.as_deref(), event.data.as_bytes());
        let again = read(&out, out.len()).expect("what is written is no longer than what was read");
        assert_eq!(again, [SseEvent { retry: None, ..event }]);
    }
}

fn read(text: &[u8], size: usize) -> Option<Vec<SseEvent>> {
    let mut decoder = Decoder::new(1 << 16);
    for piece in text.chunks(size) {
        decoder.push(piece).ok()?;
    }
    Some(std::iter::from_fn(|| decoder.next_event()).collect())
}

/// Header values: a value has one meaning, and a text one value that means it. After a line end the input goes on with
/// a leaf of a body.
pub(crate) fn headers(input: &[u8]) {
    let (value, leaf) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, input),
    };
    if let Ok(text) = std::str::from_utf8(value) {
        let encoded = headers::encode(text);
        assert_eq!(headers::decode(encoded.as_bytes()).as_deref(), Ok(text));
    }
    if let Ok(text) = headers::decode(value) {
        let quoted = serde_json::to_string(&text).expect("a string is always JSON");
        assert_eq!(headers::agrees(value, &quoted), Ok(true));
    }
    let Ok(leaf) = std::str::from_utf8(leaf) else { return };
    if let Ok(true) = headers::agrees(value, leaf) {
        let leaf: Value = serde_json::from_str(leaf).unwrap_or_default();
        assert!(!leaf.is_object() && !leaf.is_array(), "only plain leaves agree");
    }
}

/// Switchboards: whatever clients, the child and time do, what it promises holds.
pub(crate) fn switchboard(input: &[u8]) {
    operations::run(input);
}
