//! What the scanner says, and the reader it took the place of.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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

/// Texts that are as long as a block, or nearly so, with something in them that asks for a second look.
fn long_text() -> impl Strategy<Value = String> {
    let size = prop_oneof![0_usize..12, 28_usize..36, 60_usize..68, 92_usize..100, 120_usize..200];
    let odd = select(vec![
        "",
        "",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u00e9",
        "\\ud800",
        "\\ud83d\\ude00",
        "é",
        "😀",
        "\u{7f}",
        "!",
        "#",
        " ",
        "\u{80}",
        "\\/",
        "]",
        "[",
        "[^",
    ]);
    (size, odd, any::<Index>()).prop_map(|(size, odd, at)| {
        let at = at.index(size + 1);
        format!("\"{}{odd}{}\"", "x".repeat(at), "y".repeat(size - at))
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "7",
            "-1.5e-3",
            "1E+400",
            "0.0",
            "12345678901234567890123",
            "\"2.0\"",
            "\"\"",
            "{}",
            "[]",
            "[ ]",
            "{\n}",
        ])
        .prop_map(str::to_owned),
        long_text(),
    ];
    leaf.prop_recursive(5, 24, 5, |part| {
        prop_oneof![
            (vec(part.clone(), 0..5), blank()).prop_map(|(parts, blank)| {
                format!("[{blank}{}{blank}]", parts.join(&format!("{blank},")))
            }),
            (vec((name(), part), 0..6), blank())
                .prop_map(|(members, blank)| { object(&members, &blank) }),
        ]
    })
}

fn blank() -> impl Strategy<Value = String> {
    select(vec!["", "", "", " ", "\n", "\r\n\t", "    "]).prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec![
            "\"a\"", "\"_meta\"", "\"name\"", "\"uri\"", "\"requestId\"", "\"task\"", "\"level\"", "\"n\\u0061me\"",
            "\"x\"", "\"\\ud800\"", "\"arguments\"",
        ])
        .prop_map(str::to_owned),
        1 => long_text(),
    ]
}

fn object(members: &[(String, String)], blank: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{name}{blank}:{blank}{value}")).collect();
    format!("{{{blank}{}{blank}}}", members.join(","))
}

fn message() -> impl Strategy<Value = String> {
    let top = select(vec![
        "\"id\"",
        "\"method\"",
        "\"params\"",
        "\"result\"",
        "\"error\"",
        "\"\\u0069d\"",
        "\"x\"",
        "\"\\udc00\"",
    ]);
    let kind = select(vec![
        r#""method":"tools/call","id":1"#,
        r#""id":"a","method":"notifications\/progress""#,
        r#""method":"x""#,
        r#""id":7,"result":{}"#,
        r#""error":{"code":1}"#,
        r#""id":3"#,
    ]);
    let params = prop_oneof![
        3 => (vec((name(), value()), 0..8), blank())
            .prop_map(|(members, blank)| format!(r#","params":{}"#, object(&members, &blank))),
        1 => Just(String::new()),
    ];
    let more = vec((top, value()), 0..2);
    (kind, params, more, blank()).prop_map(|(kind, params, more, blank)| {
        let more: Vec<String> =
            more.iter().map(|(name, value)| format!(",{blank}{name}:{value}")).collect();
        format!(r#"{{"jsonrpc":"2.0",{blank}{kind}{blank}{params}{}}}"#, more.concat())
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => message(),
        1 => vec(message(), 0..3).prop_map(|parts| format!("[{}]", parts.join(" ,"))),
        1 => value(),
    ]
}

/// What a text is changed by: bytes are flipped, put in, taken out, or it ends there.
#[derive(Clone, Debug)]
enum Change {
    Flip(u8),
    Insert(&'static [u8]),
    Remove,
    End,
}

fn change() -> impl Strategy<Value = Change> {
    const ODD: [&[u8]; 24] = [
        b"\"",
        b"\\",
        b"\n",
        b"\x00",
        b"\x1f",
        b"\x20",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc3\xa9",
        b"\xed\xa0\x80",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b".",
        b"e",
        b"\\u",
        b"\xc3",
        b"true",
    ];
    prop_oneof![
        2 => (0_u32..8).prop_map(|bit| Change::Flip(1 << bit)),
        4 => select(ODD.to_vec()).prop_map(Change::Insert),
        1 => Just(Change::Remove),
        1 => Just(Change::End),
    ]
}

fn changed(text: String, changes: &[(Index, Change)]) -> Vec<u8> {
    let mut text = text.into_bytes();
    for (at, change) in changes {
        if text.is_empty() {
            break;
        }
        let at = at.index(text.len());
        match change {
            Change::Flip(bits) => text[at] ^= bits,
            Change::Insert(bytes) => drop(text.splice(at..at, bytes.iter().copied())),
            Change::Remove => drop(text.remove(at)),
            Change::End => text.truncate(at),
        }
    }
    text
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
