//! What nobody named arrives byte for byte, whatever the texts look like.

use proptest::prelude::*;

use super::edits::Edits;
use super::legacy_to_modern::{self, Addition, Envelope, ResultType};
use super::modern_to_legacy::{self, Hints, Shape, Stamp};
use super::object::Object;
use super::{ENVELOPE, Noted};
use crate::wire::frame::Frame;
use crate::wire::meta::{Members, key};
use crate::wire::method::Method;
use crate::wire::version::Version;

type Pairs = Vec<(String, String)>;

/// Raw values, some of them traps for a reader in haste.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null"),
        Just("1e400"),
        Just("-0.0"),
        Just("12345678901234567890123"),
        Just(r#""""#),
        Just(r#""}],{\"_meta\":1}\\""#),
        Just(r#""caf\u00e9 \u0041""#),
        Just(r#""é — 漢""#),
        Just("{}"),
        Just("[ ]"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(" , "))),
            (name(), inner.clone(), inner)
                .prop_map(|(key, a, b)| format!("{{ {key}: {a},\"\\u007a\" :{b}}}")),
        ]
    })
}

/// Raw names of members: foreign ones, and all that some rule looks at, some of them escaped.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "resultType",
        "ttlMs",
        "cacheScope",
        "progressToken",
        "inputResponses",
        "requestState",
        "task",
        key::SERVER_INFO,
        key::RELATED_TASK,
        "structuredContent",
        "traceparent",
    ];
    let known: Vec<&str> = known.into_iter().chain(ENVELOPE).collect();
    let known = (prop::sample::select(known), any::<prop::sample::Index>(), 0..4).prop_map(
        |(name, place, disguise)| {
            let at = place.index(name.len());
            let letter = name.as_bytes()[at];
            match disguise {
                0 => format!("\"{}\\u{letter:04x}{}\"", &name[..at], &name[at + 1..]),
                1 => format!("\"{}\"", name.replace('/', "\\/")),
                _ => format!("\"{name}\""),
            }
        },
    );
    prop_oneof![known, "[a-z]{1,3}".prop_map(|name| format!("\"{name}\""))]
}

/// Members of an object, no name twice.
fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::vec((name(), value()), 0..7).prop_map(|pairs| {
        let mut seen = Vec::new();
        let mut kept = Vec::new();
        for (name, value) in pairs {
            let plain = unescaped(&name);
            if !seen.contains(&plain) {
                seen.push(plain);
                kept.push((name, value));
            }
        }
        kept
    })
}

/// An object, maybe with a `_meta` among its members, and maybe with blanks.
fn object() -> impl Strategy<Value = String> {
    let meta = prop::option::of((pairs(), any::<prop::sample::Index>()));
    (pairs(), meta, any::<bool>()).prop_map(|(mut pairs, meta, is_spaced)| {
        if let Some((meta, place)) = meta {
            let at = place.index(pairs.len() + 1);
            pairs.insert(at, ("\"_meta\"".to_owned(), written(&meta, is_spaced)));
        }
        written(&pairs, is_spaced)
    })
}

fn written(pairs: &Pairs, is_spaced: bool) -> String {
    let (colon, comma) = if is_spaced { (" : ", " ,\t") } else { (":", ",") };
    let members: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}{colon}{v}")).collect();
    let members = members.join(comma);
    if is_spaced { format!("{{ {members}\t}}") } else { format!("{{{members}}}") }
}

fn unescaped(raw: &str) -> String {
    serde_json::from_str(raw).unwrap()
}

/// The members as another reader sees them, those of `_meta` apart.
fn seen(text: &str, drop: &[&str], drop_in_meta: &[&str]) -> (Pairs, Pairs) {
    let list = |text: &str, drop: &[&str]| -> Pairs {
        let members = Members::of(text).0;
        let kept = members.iter().filter(|(name, _)| !drop.contains(&&**name));
        kept.map(|(name, value)| (name.to_string(), value.get().to_owned())).collect()
    };
    let meta = Members::of(text).get("_meta").map_or("{}", |meta| meta.get());
    let without_meta: Vec<&str> = drop.iter().copied().chain(["_meta"]).collect();
    (list(text, &without_meta), list(meta, drop_in_meta))
}

fn request(params: &str) -> Frame {
    let text = format!(r#"{{"z":1e400,"jsonrpc":"2.0","params":{params},"method":"x","id":1}}"#);
    Frame::skim(text.into()).unwrap()
}

fn result(result: &str) -> Frame {
    Frame::skim(format!(r#"{{"jsonrpc":"2.0","result":{result},"id":1}}"#).into()).unwrap()
}

fn to_modern(params: &str) -> String {
    let frame = request(params);
    let noted = Noted::of(&frame, &frame.params());
    let envelope = Envelope::new(Version::MODERN, "{}", r#"{"name":"c"}"#);
    let add = Addition { envelope: &envelope, level: Some("info"), token: None, round: "" };
    let mut edits = Edits::new();
    legacy_to_modern::request(&frame, noted, &add, &mut edits).unwrap();
    Frame::skim(edits.splice(&frame)).unwrap().payload().unwrap().to_owned()
}

fn to_legacy(params: &str, token: Option<&[u8]>) -> String {
    let frame = request(params);
    let noted = Noted::of(&frame, &frame.params());
    let mut edits = Edits::new();
    modern_to_legacy::request(&frame, noted, token, &mut edits);
    Frame::skim(edits.splice(&frame)).unwrap().payload().unwrap().to_owned()
}

fn result_to_modern(text: &str, method: Method) -> String {
    let stamp = Stamp::new(Some(r#"{"name":"s"}"#), Hints::default());
    let frame = result(text);
    let mut edits = Edits::new();
    assert_eq!(modern_to_legacy::result(&frame, method, &stamp, &mut edits), Shape::Object);
    Frame::skim(edits.splice(&frame)).unwrap().payload().unwrap().to_owned()
}

fn result_to_legacy(text: &str) -> String {
    let frame = result(text);
    let mut edits = Edits::new();
    assert_eq!(legacy_to_modern::result(&frame, &mut edits), ResultType::Complete);
    Frame::skim(edits.splice(&frame)).unwrap().payload().unwrap().to_owned()
}

const NOT_LEGACY: [&str; 3] = ["inputResponses", "requestState", "task"];

proptest! {
    #[test]
    fn members_are_those_another_reader_finds(text in object()) {
        let mine: Vec<_> = Object::of(&text).unwrap().members()
            .map(|member| (member.name().into_owned(), member.value.to_owned()))
            .collect();
        let theirs: Vec<_> = Members::of(&text).0.iter()
            .map(|(name, value)| (name.to_string(), value.get().to_owned()))
            .collect();
        prop_assert_eq!(mine, theirs);
    }

    #[test]
    fn a_request_to_a_legacy_child_keeps_foreign_members(text in object()) {
        let out = to_legacy(&text, None);
        prop_assert_eq!(seen(&out, &[], &[]), seen(&text, &NOT_LEGACY, &ENVELOPE));
    }

    #[test]
    fn a_token_and_nothing_else_is_exchanged(text in object()) {
        let out = to_legacy(&text, Some(b"31"));
        let drop: Vec<&str> = ENVELOPE.into_iter().chain(["progressToken"]).collect();
        prop_assert_eq!(seen(&out, &[], &["progressToken"]), seen(&text, &NOT_LEGACY, &drop));
        let had = seen(&text, &[], &[]).1.iter().any(|(name, _)| name == "progressToken");
        let has = seen(&out, &[], &[]).1.contains(&("progressToken".into(), "31".into()));
        prop_assert_eq!(had, has);
    }

    #[test]
    fn a_request_to_a_modern_child_keeps_foreign_members(text in object()) {
        let out = to_modern(&text);
        let strays = &NOT_LEGACY[..2];
        prop_assert_eq!(seen(&out, &[], &ENVELOPE), seen(&text, strays, &ENVELOPE));
        let (_, meta) = seen(&out, &[], &[]);
        for name in [key::PROTOCOL_VERSION, key::CLIENT_CAPABILITIES, key::CLIENT_INFO, key::LOG_LEVEL] {
            prop_assert_eq!(meta.iter().filter(|(known, _)| known == name).count(), 1);
        }
        // And back again.
        prop_assert_eq!(seen(&to_legacy(&out, None), &[], &[]), seen(&text, &NOT_LEGACY, &ENVELOPE));
    }

    #[test]
    fn a_result_for_a_modern_client_keeps_foreign_members(text in object(), lists: bool) {
        let method = if lists { Method::ToolsList } else { Method::ToolsCall };
        let out = result_to_modern(&text, method);
        let mine: &[&str] =
            if lists { &["resultType", "ttlMs", "cacheScope"] } else { &["resultType"] };
        let strays = [key::SERVER_INFO, key::RELATED_TASK];
        prop_assert_eq!(seen(&out, mine, &strays), seen(&text, mine, &strays));
        let (members, meta) = seen(&out, &[], &[]);
        prop_assert_eq!(meta.iter().filter(|(name, _)| name == key::SERVER_INFO).count(), 1);
        prop_assert!(meta.iter().all(|(name, _)| name != key::RELATED_TASK));
        for name in mine {
            prop_assert_eq!(members.iter().filter(|(known, _)| known == name).count(), 1);
        }
        // And back again.
        let all = ["resultType", "ttlMs", "cacheScope"];
        let back = result_to_legacy(&out);
        prop_assert_eq!(seen(&back, &[], &[]), seen(&text, &all, &strays));
    }

    #[test]
    fn what_needs_no_translation_comes_back_as_the_same_bytes(pairs in pairs()) {
        let foreign: Pairs = pairs
            .into_iter()
            .filter(|(name, _)| !["resultType", "ttlMs", "cacheScope"].contains(&&*unescaped(name)))
            .collect();
        let text = written(&foreign, false);
        prop_assert_eq!(result_to_legacy(&text), &*text);
        prop_assert_eq!(result_to_legacy(&result_to_modern(&text, Method::ToolsList)), text);
    }
}
