//! JSON into the marked tree. `serde_json` does not say where values stand, but a raw value borrows from the text, so
//! its address does. Comments and trailing commas, which editors allow in their own files, are blanked first.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::node::{Entry, Kind, Node};
use super::Malformed;

type Marked = Node<Range<usize>>;

/// The members of an object in order, doubles included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// Deeper than any configuration, shallower than the stack.
const DEPTH_MAX: usize = 64;

pub(super) fn parse(text: &str) -> Result<Marked, Malformed> {
    let plain = blank_extras(text);
    let raw: &RawValue =
        serde_json::from_str(&plain).map_err(|error| malformed(&plain, 0, &error))?;
    read(&plain, raw, DEPTH_MAX)
}

fn read(text: &str, raw: &RawValue, depth: usize) -> Result<Marked, Malformed> {
    let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
    let mark = start..start + raw.get().len();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Malformed { message: "it is nested too deeply".to_owned(), at: mark });
    };
    let bad = |error: serde_json::Error| malformed(text, start, &error);
    let kind = match raw.get().as_bytes().first() {
        Some(b'{') => Kind::Table(members(text, raw, start, depth)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(bad)?;
            Kind::List(
                items.into_iter().map(|item| read(text, item, depth)).collect::<Result<_, _>>()?,
            )
        }
        Some(b'"') => Kind::Text(serde_json::from_str(raw.get()).map_err(bad)?),
        Some(b't') => Kind::Truth(true),
        Some(b'f') => Kind::Truth(false),
        Some(b'n') | None => Kind::Null,
        Some(_) => match raw.get().parse() {
            Ok(whole) => Kind::Whole(whole),
            Err(_) => Kind::Fraction(serde_json::from_str(raw.get()).map_err(bad)?),
        },
    };
    Ok(Node::new(kind, mark))
}

fn members(
    text: &str,
    raw: &RawValue,
    start: usize,
    depth: usize,
) -> Result<Vec<Entry<Range<usize>>>, Malformed> {
    let Members(members) =
        serde_json::from_str(raw.get()).map_err(|error| malformed(text, start, &error))?;
    let mut entries: Vec<Entry<Range<usize>>> = Vec::with_capacity(members.len());
    let mut cursor = start + 1;
    for (key, raw) in members {
        let value = read(text, raw, depth)?;
        // Between one value and the next stand a comma, the key and a colon, so the first quote opens the key.
        let opens = text[cursor..value.mark.start].find('"').map_or(cursor, |at| cursor + at);
        let closes =
            text[opens..value.mark.start].rfind('"').map_or(value.mark.start, |at| opens + at + 1);
        cursor = value.mark.end;
        let key_mark = opens..closes;
        if entries.iter().any(|entry| entry.key == key) {
            return Err(Malformed {
                message: format!("the key {key:?} stands here twice"),
                at: key_mark,
            });
        }
        entries.push(Entry { key, key_mark, value });
    }
    Ok(entries)
}

fn malformed(text: &str, base: usize, error: &serde_json::Error) -> Malformed {
    let line_start: usize =
        text[base..].split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (base + line_start + error.column().saturating_sub(1)).min(text.len());
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let message = message.replace("expected ident", "expected true, false or null");
    Malformed { message, at: at..at + 1 }
}

/// Blanks `//` and `/* */` comments and commas before a closing bracket, keeping every offset.
fn blank_extras(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => {
                comma = None;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            (b'/', Some(b'/')) => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    bytes[at] = b' ';
                    at += 1;
                }
            }
            (b'/', Some(b'*')) => {
                let end = text[at + 2..].find("*/").map_or(bytes.len(), |end| at + end + 4);
                for byte in bytes[at..end].iter_mut().filter(|byte| **byte != b'\n') {
                    *byte = b' ';
                }
                at = end - 1;
            }
            (b',', _) => comma = Some(at),
            (b'}' | b']', _) => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
            }
            (byte, _) if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

// === impl Members ===

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lead_back_to_the_text() {
        let text = "{ // who\n  \"a\": {\"b\\\"c\": [1, \"x,}\", ],}, /* ] */ \"d\": null }";
        let root = parse(text).unwrap();
        let a = root.get("a").unwrap();
        assert_eq!(&text[a.key_mark.clone()], "\"a\"");
        let list = a.value.get("b\"c").unwrap();
        assert_eq!(&text[list.key_mark.clone()], "\"b\\\"c\"");
        assert_eq!(&text[list.value.mark.clone()], "[1, \"x,}\", ]");
        assert!(matches!(&root.get("d").unwrap().value.kind, Kind::Null));
    }

    #[test]
    fn faults_have_a_place() {
        let check =
            |text: &str, at: usize| assert_eq!(parse(text).unwrap_err().at.start, at, "{text}");
        check("{\n \"a\": tru }", 11);
        check("{\"a\":1, \"a\":2}", 8);
        check("", 0);
    }
}
