//! Output of tools that is no object, for clients that expect one (`legacy_output = wrap`).
//!
//! Revisions without a handshake allow any schema and any value; older clients may refuse a whole list of tools over one
//! such schema. Wrapped, schema `S` and value `v` become an object with the one property `result`.

use std::sync::LazyLock;

use memchr::memmem;

use super::edits::Edits;
use super::object::{Fate, Member, Names, Object, may_hide_names};
use super::payload;
use crate::wire::frame::Frame;
use crate::wire::raw;
use crate::wire::splice::Span;

/// Schemas nested deeper keep their references as they are: each level is walked again for the next.
const DEPTH_MAX: usize = 32;

/// Wraps the output schemas in a list of tools that do not promise an object.
pub fn schemas(list: &Frame, edits: &mut Edits<'_>) {
    static NAME: LazyLock<Names<1>> = LazyLock::new(|| Names::new(["\"outputSchema\""]));

    if !NAME.may_be_in(list.payload().unwrap_or_default()) {
        return;
    }
    let Some(tools) = payload(list).and_then(|result| result.get("tools")) else { return };
    for (tool, base) in tools.parts() {
        let schema = Object::at(tool, base).and_then(|tool| tool.get("outputSchema"));
        if let Some(schema) = schema.filter(|schema| schema.value != "null") {
            wrap_schema(&schema, edits);
        }
    }
}

/// Wraps the structured output of a call that is no object.
pub fn output(result: &Frame, edits: &mut Edits<'_>) {
    static NAME: LazyLock<Names<1>> = LazyLock::new(|| Names::new(["\"structuredContent\""]));

    if !NAME.may_be_in(result.payload().unwrap_or_default()) {
        return;
    }
    let content = payload(result).and_then(|result| result.get("structuredContent"));
    if let Some(content) = content.filter(|content| content.object().is_none()) {
        put_around(content.value_at(), b"{\"result\":", b"}", edits);
    }
}

fn wrap_schema(schema: &Member<'_>, edits: &mut Edits<'_>) {
    let mut open = String::from("{\"type\":\"object\",\"properties\":{\"result\":");
    if let Some(root) = schema.object() {
        let kind = root.get("type").and_then(|kind| raw::string(kind.value));
        if kind.as_deref() == Some("object") {
            return;
        }
        // The dialect is told at the root or nowhere.
        let mut dialect = None;
        root.weed(edits, |member, _| {
            let is_dialect = member.is("$schema");
            if is_dialect {
                dialect = Some(member.value);
            }
            Fate::goes_if(is_dialect)
        });
        if let Some(dialect) = dialect {
            open = format!("{{\"$schema\":{dialect},{}", &open[1..]);
        }
        if memmem::find(schema.value.as_bytes(), b"\"$ref\"").is_some()
            || may_hide_names(schema.value)
        {
            point_into_result(root, Holds::Keywords, DEPTH_MAX, edits);
        }
    }
    put_around(schema.value_at(), open.as_bytes(), b"},\"required\":[\"result\"]}", edits);
}

fn put_around(at: Span, open: &[u8], close: &[u8], edits: &mut Edits<'_>) {
    edits.push(Span { start: at.start, end: at.start }, open.to_vec());
    edits.push(Span { start: at.end, end: at.end }, close.to_vec());
}

/// What the names in an object of a schema are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Keywords,
    /// Of properties or definitions; each value is a schema.
    Names,
}

/// Moves references to places in the schema to where these are now. A schema with an id of its own is the root of what is in it, so
/// nothing moves there; what looks like a reference in plain values is none.
fn point_into_result(schema: Object<'_>, holds: Holds, depth: usize, edits: &mut Edits<'_>) {
    let is_root_itself = |id: Member<'_>| {
        raw::string(id.value).is_some_and(|id| !id.is_empty() && !id.starts_with('#'))
    };
    if depth == 0 || (holds == Holds::Keywords && schema.get("$id").is_some_and(is_root_itself)) {
        return;
    }
    for member in schema.members() {
        let name = member.name();
        let inner = match (holds, &*name) {
            (Holds::Keywords, "$ref") => {
                if let Some(pointer) = raw::string(member.value)
                    && (*pointer == *"#" || pointer.starts_with("#/"))
                {
                    // Behind the quote and the mark, which may be escaped.
                    let mark = member.value.len() - tail_of(member.value).len();
                    let at = member.value_at().start + u32::try_from(mark).expect("it is short");
                    let at = Span { start: at, end: at };
                    edits.push(at, b"/properties/result".as_slice());
                }
                continue;
            }
            (Holds::Keywords, "const" | "enum" | "default" | "examples") => continue,
            (
                Holds::Keywords,
                "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions",
            ) => Holds::Names,
            (Holds::Keywords | Holds::Names, _) => Holds::Keywords,
        };
        if let Some(object) = member.object() {
            point_into_result(object, inner, depth - 1, edits);
        }
        for (part, base) in member.parts() {
            if let Some(object) = Object::at(part, base) {
                point_into_result(object, inner, depth - 1, edits);
            }
        }
    }
}

/// What follows the `#` of a raw reference.
fn tail_of(reference: &str) -> &str {
    reference.strip_prefix("\"#").or_else(|| reference.strip_prefix("\"\\u0023")).unwrap_or("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(result: &str, wrap: fn(&Frame, &mut Edits<'_>)) -> String {
        let text = format!(r#"{{"jsonrpc":"2.0","id":4,"result":{result}}}"#);
        let frame = Frame::skim(text.into()).unwrap();
        let mut edits = Edits::new();
        wrap(&frame, &mut edits);
        let out = Frame::skim(edits.splice(&frame)).unwrap();
        out.payload().unwrap().to_owned()
    }

    fn schema(schema: &str) -> String {
        let list =
            format!(r#"{{"tools":[{{"name":"a"}},{{"name":"b","outputSchema":{schema},"x":1}}]}}"#);
        let out = wrapped(&list, schemas);
        let inner = out.strip_prefix(r#"{"tools":[{"name":"a"},{"name":"b","outputSchema":"#);
        inner.and_then(|inner| inner.strip_suffix(r#","x":1}]}"#)).unwrap().to_owned()
    }

    #[test]
    fn schemas_of_other_things_than_objects_are_wrapped() {
        for same in [r##"{"type":"object","properties":{"n":{"$ref":"#"}}}"##, "null"] {
            assert_eq!(schema(same), same);
        }
        for (inner, moved) in [
            (r#"{"type":"array"}"#, r#"{"type":"array"}"#),
            ("true", "true"),
            ("{}", "{}"),
            (
                r##"{"anyOf":[{"$ref":"#/$defs/a"},{"$r\u0065f":"#"}],"$defs":{"$ref":{"$ref":"other#/x"},"default":{"$ref":"#/a"}}}"##,
                r##"{"anyOf":[{"$ref":"#/properties/result/$defs/a"},{"$r\u0065f":"#/properties/result"}],"$defs":{"$ref":{"$ref":"other#/x"},"default":{"$ref":"#/properties/result/a"}}}"##,
            ),
            (
                r##"{"const":{"$ref":"#/a"},"items":{"$id":"urn:x","$ref":"#/b"}}"##,
                r##"{"const":{"$ref":"#/a"},"items":{"$id":"urn:x","$ref":"#/b"}}"##,
            ),
            (
                r#"{"items":{"$ref":"\u0023/b"}}"#,
                r#"{"items":{"$ref":"\u0023/properties/result/b"}}"#,
            ),
        ] {
            let whole = format!(
                r#"{{"type":"object","properties":{{"result":{moved}}},"required":["result"]}}"#
            );
            assert_eq!(schema(inner), whole);
        }
        assert_eq!(
            schema(r#"{"$schema":"d","type":"string"}"#),
            r#"{"$schema":"d","type":"object","properties":{"result":{"type":"string"}},"required":["result"]}"#
        );
    }

    #[test]
    fn deep_schemas_end() {
        let deep =
            format!("{}{}{}", "{\"items\":".repeat(5000), r##"{"$ref":"#"}"##, "}".repeat(5000));
        assert!(schema(&deep).contains(&deep), "references that deep are left alone");
    }

    #[test]
    fn output_that_is_no_object_is_wrapped() {
        for (content, out) in [
            ("[1,1e400]", r#"{"result":[1,1e400]}"#),
            ("null", r#"{"result":null}"#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
        ] {
            let result = |c| format!(r#"{{"content":[],"structuredContent":{c},"x":1}}"#);
            assert_eq!(wrapped(&result(content), output), result(out));
        }
        let other = r#"{"content":[{"structuredContent":1}]}"#;
        assert_eq!(wrapped(other, output), other);
    }
}
