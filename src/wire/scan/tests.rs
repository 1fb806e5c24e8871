//! What the scanner says, and the reader it took the place of.

mod texts;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::texts::{change, changed, text};
use super::*;
use crate::wire::frame::{Body, Frame, Kind, Malformed};
use crate::wire::meta::{Members, Params};
use crate::wire::raw::Raw;

/// The top members of a message, as serde reads them.
#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow, default, deserialize_with = "keep")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep")]
    error: Option<&'a RawValue>,
}

/// Some members of `params`, as serde reads them; more of them than a frame notes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Leaves<'a> {
    #[serde(borrow, rename = "_meta", deserialize_with = "keep")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    name: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    uri: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    request_id: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    task: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "keep")]
    level: Option<&'a RawValue>,
}

/// `Option<&RawValue>` alone would take `null` for absence.
fn keep<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// What serde says of a text: its top members, or what is wrong with it.
fn judged(text: &str) -> Result<Option<Top<'_>>, String> {
    let whole: Result<&RawValue, _> = serde_json::from_str(text);
    whole.map_err(|error| error.to_string())?;
    Ok(serde_json::from_str(text).ok())
}

/// Whether the scanner says of a text what serde says of it.
fn agree(text: &[u8]) {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    let body = Body::read(Bytes::copy_from_slice(text));
    let Ok(text) = std::str::from_utf8(&text[start..end]) else {
        return assert_eq!(body.unwrap_err(), Malformed::NotUtf8);
    };
    match (judged(text), body) {
        (Err(why), body) => assert_eq!(body.unwrap_err(), Malformed::NotJson(why), "{text:?}"),
        (Ok(_), Ok(Body::Many(parts))) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
            assert_eq!(parts.len(), items.len(), "{text:?}");
            for (part, item) in parts.into_iter().zip(items) {
                match_one(item.get(), part);
            }
        }
        (Ok(_), Ok(Body::One(frame))) => match_one(text, Ok(frame)),
        (Ok(_), Err(why)) => match_one(text, Err(why)),
    }
    if text.starts_with('{') && judged(text).is_ok() {
        members_agree(text);
    }
}

/// Whether one message is read, from JSON, as serde reads it.
fn match_one(text: &str, read: Result<Frame, Malformed>) {
    let top = judged(text).unwrap();
    let frame = match (&top, read) {
        (_, Err(Malformed::NotMessage { id, why })) => {
            if let Some(top) = &top {
                let said = top.id.map(RawValue::get);
                assert!(id.is_none_or(|id| Some(id.as_str()) == said), "{text:?}");
                assert!(!why.contains("twice") && !why.contains("is no text"), "{text:?}");
            } else {
                let is_object = text.starts_with('{');
                let whys = ["a member stands twice", "the name of a member is no text"];
                assert!(!is_object || whys.contains(&why), "{text:?}: {why}");
            }
            return;
        }
        (_, Err(other)) => panic!("{text:?}: {other:?}"),
        (None, Ok(_)) => panic!("{text:?} was accepted"),
        (Some(_), Ok(frame)) => frame,
    };
    let top = top.unwrap();
    let plain = |raw: &str| raw.replace(['\n', '\r'], " ");
    let said = |raw: Option<&RawValue>| raw.map(|raw| plain(raw.get()));
    assert_eq!(*frame.text(), plain(text));
    assert_eq!(top.jsonrpc.map(RawValue::get), Some("\"2.0\""));
    assert_eq!(frame.id().map(|id| id.as_str().to_owned()), said(top.id));
    let method = said(top.method).unwrap_or_default();
    assert_eq!(frame.method_name(), method.trim_matches('"'));
    let payload = match frame.kind() {
        Kind::Request | Kind::Notification => said(top.params),
        Kind::Result => said(top.result),
        Kind::Error => said(top.error),
    };
    assert_eq!(frame.payload(), payload.as_deref());

    let object = payload.as_deref().filter(|text| text.starts_with('{'));
    let leaves = object.and_then(|text| serde_json::from_str(text).ok());
    let leaves: Leaves<'_> = leaves.unwrap_or_default();
    let params = frame.params();
    assert_eq!(params, Params::of(frame.payload()), "{text:?}");
    let pairs = [
        (params.meta, leaves.meta),
        (params.name, leaves.name),
        (params.uri, leaves.uri),
        (params.request_id, leaves.request_id),
        (params.task, leaves.task),
        (params.level, leaves.level),
    ];
    for (ours, theirs) in pairs {
        assert_eq!(ours.map(Raw::get), theirs.map(RawValue::get), "{text:?}");
    }
}

/// Whether all members of an object are found where serde finds them.
fn members_agree(text: &str) {
    for (name, value) in Members::of(text).0 {
        let name = serde_json::to_string(&name).unwrap();
        let one = format!("{{{name}:{}}}", value.get());
        assert!(serde_json::from_str::<&RawValue>(&one).is_ok(), "{one:?}");
        let inner = Span::of(value.get(), text.as_bytes());
        let before = text[..inner.start as usize].trim_end();
        assert!(before.ends_with(':'), "{text:?}");
    }
}

proptest! {
    #[test]
    fn sound_texts_are_read_as_serde_reads_them(text in text()) {
        agree(text.as_bytes());
    }

    #[test]
    fn broken_texts_are_refused_as_serde_refuses_them(
        text in text(),
        changes in vec((any::<Index>(), change()), 1..4),
    ) {
        agree(&changed(text, &changes));
    }
}

#[test]
fn every_byte_is_judged_at_every_place_of_a_string() {
    for size in [0, 7, 8, 9, 31, 32, 33, 63, 64, 65, 95, 96, 97, 128, 160] {
        for at in 0..size {
            for byte in 0..=0xff {
                let mut text = vec![b'x'; size + 2];
                (text[0], text[size + 1], text[at + 1]) = (b'"', b'"', byte);
                // The same behind a character that is not ASCII.
                let wide = [b"[\"\xc3\xa9\",", &text[..], b"]"].concat();
                let (mut scan, mut wide) = (Scanner::new(&text), Scanner::new(&wide));
                let is_sound = scan.value().and_then(|_| scan.end()).is_ok();
                let is_plain = !matches!(byte, 0..0x20 | b'"' | b'\\');
                assert_eq!(is_sound, is_plain, "{byte} at {at} of {size}");
                assert_eq!(wide.value().is_ok(), is_plain, "{byte} at {at} of {size}");
                assert!(scan.is_ascii() == (byte < 0x80) && !wide.is_ascii());
            }
        }
    }
}

#[test]
fn numbers_are_judged() {
    for number in [
        "0",
        "-0",
        "00",
        "01",
        "-01",
        "-",
        "--1",
        "+1",
        "1.",
        ".1",
        "1.0",
        "1.e1",
        "1e",
        "1e+",
        "1e-1",
        "1E400",
        "1e+01",
        "-1.5E-07",
        "0x1",
        "1_0",
        "1a",
        "Infinity",
        "NaN",
        "0e0",
        "0.",
        "9999999999999999999999",
    ] {
        for text in [number.to_owned(), format!("[{number}]"), format!("{{\"a\":{number} }}")] {
            agree(text.as_bytes());
        }
    }
}

#[test]
fn brackets_have_to_match_however_deep_they_are() {
    for depth in [1, 127, 128, 129, 255, 256, 257, 1000] {
        let kinds: Vec<bool> = (0..depth).map(|n| n % 3 == 0 || n % 7 == 2).collect();
        let open: String =
            kinds.iter().map(|object| if *object { "{\"a\":" } else { "[" }).collect();
        let close: Vec<u8> =
            kinds.iter().rev().map(|object| if *object { b'}' } else { b']' }).collect();
        let sound = [open.as_bytes(), b"1", &close].concat();
        agree(&sound);
        for at in [0, depth / 2, depth - 1] {
            let mut wrong = sound.clone();
            wrong[open.len() + 1 + at] ^= b'}' ^ b']';
            agree(&wrong);
        }
        agree(&sound[..sound.len() - 1]);
        agree(&[&sound[..], b"]"].concat());
    }
}
