use proptest::prelude::*;
use serde_json::{Value, json};

use super::schema::Why;
use super::*;

/// Headers as a face hands them in.
struct Head(Vec<(String, Vec<u8>)>);

impl Head {
    fn of(headers: &[(&str, &str)]) -> Self {
        Self(headers.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect())
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &value[..]).collect()
    }
}

/// The mirrors of one tool `t` with these properties.
fn learnt(properties: &Value) -> Mirrors {
    of_schema(&json!({"type": "object", "properties": properties}))
}

fn of_schema(schema: &Value) -> Mirrors {
    let mut mirrors = Mirrors::default();
    mirrors.learn(&json!({"tools": [{"name": "t", "inputSchema": schema}]}).to_string());
    mirrors
}

fn region() -> Mirrors {
    learnt(&json!({"region": {"type": "string", "x-mcp-header": "Region"}}))
}

/// Whether a call of `t` with these arguments and headers is in order.
fn check(mirrors: &Mirrors, arguments: &str, headers: &[(&str, &str)]) -> Result<(), Mismatch> {
    let head = Head::of(headers);
    let params = format!(r#"{{"name":"t","arguments":{arguments}}}"#);
    mirrors.check("t", Some(&params), |name| head.values(name))
}

fn flaw(mirrors: &Mirrors) -> Option<Why> {
    mirrors.invalid().next().map(|(_, flaw)| flaw.why)
}

/// Whether this tool is remembered from a list.
fn keeps(mirrors: &Mirrors, tool: &str) -> bool {
    mirrors.tools.contains_key(tool)
}

#[test]
fn a_header_repeats_its_argument() {
    let mirrors = region();
    for (arguments, value) in [
        (r#"{"region":"us-west1"}"#, "us-west1"),
        (r#"{"region":"us-west1"}"#, "  us-west1\t"),
        (r#"{"region":"¡hola!"}"#, "=?base64?wqFob2xhIQ==?="),
        (r#"{"region":"\u0061"}"#, "a"),
        (r#"{"r\u0065gion":"a"}"#, "a"),
        (r#"{"region":""}"#, ""),
    ] {
        assert_eq!(check(&mirrors, arguments, &[("mcp-param-region", value)]), Ok(()));
    }
}

#[test]
fn every_way_not_to_repeat_it_is_told() {
    let mirrors = region();
    let (header, property): (Box<str>, Box<str>) = ("Mcp-Param-Region".into(), "region".into());
    let said = |value| vec![("Mcp-Param-Region", value)];
    let unreadable =
        |why| Mismatch::Unreadable { header: header.clone(), property: property.clone(), why };
    let missing = Mismatch::Missing { header: header.clone(), property: property.clone() };
    let unasked = Mismatch::Unasked { header: header.clone(), property: property.clone() };
    let differs = Mismatch::Differs { header: header.clone(), property: property.clone() };
    let ambiguous = Mismatch::Ambiguous { header: header.clone(), property: property.clone() };
    for (arguments, headers, why) in [
        (r#"{"region":"a"}"#, vec![], &missing),
        (r#"{"region":""}"#, vec![], &missing),
        (r#"{"region":false}"#, vec![], &missing),
        (r#"{"region":{}}"#, vec![], &missing),
        ("{}", said("a"), &unasked),
        ("{}", said(""), &unasked),
        (r#"{"region":null}"#, said("null"), &unasked),
        ("null", said("a"), &unasked),
        ("[]", said("a"), &unasked),
        (r#"{"region":"a"}"#, said("A"), &differs),
        (r#"{"region":"a"}"#, said("=?base64?Yg==?="), &differs),
        (r#"{"region":{}}"#, said("{}"), &differs),
        (
            r#"{"region":"a"}"#,
            [said("a"), said("a")].concat(),
            &Mismatch::Twice { header: header.clone() },
        ),
        ("{}", [said("a"), said("a")].concat(), &Mismatch::Twice { header: header.clone() }),
        (r#"{"region":"a"}"#, said("=?base64?YQ?="), &unreadable(BadHeader::NotBase64)),
        (r#"{"region":"ü"}"#, said("ü"), &unreadable(BadHeader::NotPlain)),
        (r#"{"region":"a","region":"b"}"#, said("a"), &ambiguous),
        (r#"{"region":"a","r\u0065gion":"b"}"#, said("b"), &ambiguous),
        (r#"{"region":"a"},"arguments":{"region":"b"}"#, said("a"), &ambiguous),
    ] {
        let found = check(&mirrors, arguments, &headers).unwrap_err();
        assert_eq!(&found, why, "{arguments} {headers:?}");
        assert!(found.to_string().contains("Mcp-Param-Region"), "{found}");
    }
}

#[test]
fn without_a_value_no_header_is_expected() {
    for arguments in ["{}", r#"{"region":null}"#, r#"{"other":1}"#, "null", "[]", "3"] {
        assert_eq!(check(&region(), arguments, &[]), Ok(()), "{arguments}");
    }
    assert_eq!(region().check("t", None, |_| vec![]), Ok(()));
    assert!(region().check("t", None, |_| vec![&b"a"[..]]).is_err());
}

#[test]
fn numbers_are_compared_as_numbers_and_booleans_as_words() {
    let mirrors = learnt(&json!({
        "n": {"type": "integer", "x-mcp-header": "N"},
        "b": {"type": "boolean", "x-mcp-header": "B"},
    }));
    for (arguments, headers, fine) in [
        (r#"{"n":42}"#, vec![("Mcp-Param-N", "42.0")], true),
        (r#"{"n":42.0}"#, vec![("Mcp-Param-N", "42")], true),
        (r#"{"n":0}"#, vec![("Mcp-Param-N", "0")], true),
        (r#"{"n":42}"#, vec![("Mcp-Param-N", "43")], false),
        (r#"{"n":9007199254740993}"#, vec![("Mcp-Param-N", "9007199254740992")], false),
        (r#"{"n":42}"#, vec![("Mcp-Param-N", "0x2a")], false),
        (r#"{"b":false}"#, vec![("Mcp-Param-B", "false")], true),
        (r#"{"b":true}"#, vec![("Mcp-Param-B", "True")], false),
        (r#"{"b":true}"#, vec![("Mcp-Param-B", "1")], false),
        (r#"{"b":true,"n":1}"#, vec![("Mcp-Param-N", "1"), ("Mcp-Param-B", "true")], true),
        (r#"{"b":true,"n":1}"#, vec![("Mcp-Param-N", "true"), ("Mcp-Param-B", "1")], false),
        (r#"{"b":true,"n":1}"#, vec![("Mcp-Param-N", "1")], false),
    ] {
        assert_eq!(check(&mirrors, arguments, &headers).is_ok(), fine, "{arguments} {headers:?}");
    }
}

/// What `http-custom-header-server-validation` of the conformance suite sends, with a second annotated argument that has to be
/// there.
#[test]
fn the_cases_of_the_conformance_suite_come_out_as_it_expects() {
    let mirrors = of_schema(&json!({
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "priority": {"type": "integer", "x-mcp-header": "Priority"},
            "query": {"type": "string"},
        },
        "required": ["region", "priority", "query"],
    }));
    for (body, value, accepted) in [
        ("Hello", Some("=?base64?SGVsbG8=?="), true),
        ("Hello", Some("=?base64?SGVsbG8?="), false),
        ("Hello", Some("=?base64?SGVs!!!bG8=?="), false),
        ("SGVsbG8=", Some("SGVsbG8="), true),
        ("=?base64?SGVsbG8=", Some("=?base64?SGVsbG8="), true),
        ("test-value", None, false),
    ] {
        let arguments = json!({"priority": 0, "query": "test-default", "region": body});
        let mut headers = vec![("Mcp-Param-Priority", "0")];
        headers.extend(value.map(|value| ("Mcp-Param-Region", value)));
        let found = check(&mirrors, &arguments.to_string(), &headers);
        assert_eq!(found.is_ok(), accepted, "{body} {value:?}");
    }
}

#[test]
fn nested_arguments_are_found_by_their_path() {
    let mirrors = learnt(&json!({
        "outer": {"type": "object", "properties": {
            "inner.most": {"type": "string", "x-mcp-header": "Nested"},
        }},
        "inner.most": {"type": "string"},
    }));
    let header = [("Mcp-Param-Nested", "x")];
    assert_eq!(
        check(&mirrors, r#"{"outer":{"inner.most":"x"},"inner.most":"y"}"#, &header),
        Ok(())
    );
    for arguments in [r#"{"inner.most":"x"}"#, r#"{"outer":"x"}"#, r#"{"outer":null}"#, "{}"] {
        assert_eq!(check(&mirrors, arguments, &[]), Ok(()), "{arguments}");
        let found = check(&mirrors, arguments, &header).unwrap_err();
        assert!(found.to_string().contains("outer.inner.most"), "{found}");
    }
    let twice = r#"{"outer":{"inner.most":"x"},"outer":{}}"#;
    assert!(matches!(check(&mirrors, twice, &header), Err(Mismatch::Ambiguous { .. })));
}

#[test]
fn annotations_that_break_a_rule_switch_the_check_off() {
    let header = |name: Value| json!({"a": {"type": "string", "x-mcp-header": name}});
    let typed = |kind: Value| json!({"a": {"type": kind, "x-mcp-header": "A"}});
    let good = json!({"type": "string", "x-mcp-header": "A"});
    let holder = json!({"type": "object", "properties": {"a": good}});
    for (properties, why) in [
        (header(json!("")), Why::NotToken),
        (header(json!("a b")), Why::NotToken),
        (header(json!("a:b")), Why::NotToken),
        (header(json!("a\r\nb")), Why::NotToken),
        (header(json!("ü")), Why::NotToken),
        (header(json!(7)), Why::NotToken),
        (header(json!(null)), Why::NotToken),
        (header(json!("a".repeat(257))), Why::NotToken),
        (typed(json!("number")), Why::Type),
        (typed(json!("object")), Why::Type),
        (typed(json!("array")), Why::Type),
        (typed(json!(["string", "null"])), Why::Type),
        (typed(json!(null)), Why::Type),
        (json!({"a": {"x-mcp-header": "A"}}), Why::Type),
        (json!({"a": good, "b": {"type": "string", "x-mcp-header": "a"}}), Why::NotUnique),
        (json!({"a": good, "o": holder}), Why::NotUnique),
        (json!({"l": {"type": "array", "items": good}}), Why::Unreachable),
        (json!({"l": {"type": "array", "items": holder}}), Why::Unreachable),
        (json!({"l": {"type": "array", "prefixItems": [{}, holder]}}), Why::Unreachable),
        (json!({"l": {"oneOf": [holder]}}), Why::Unreachable),
        (json!({"l": {"anyOf": [{"type": "null"}, good]}}), Why::Unreachable),
        (json!({"l": {"allOf": [holder]}}), Why::Unreachable),
        (json!({"l": {"not": holder}}), Why::Unreachable),
        (json!({"l": {"additionalProperties": good}}), Why::Unreachable),
        (json!({"l": {"patternProperties": {"^a": good}}}), Why::Unreachable),
        (
            json!({"good": good, "l": {"items": {"type": "string", "x-mcp-header": "B"}}}),
            Why::Unreachable,
        ),
    ] {
        let mirrors = learnt(&properties);
        assert_eq!(flaw(&mirrors), Some(why), "{properties}");
        assert!(mirrors.is_empty() && keeps(&mirrors, "t"));
        assert_eq!(check(&mirrors, r#"{"a":"x"}"#, &[("Mcp-Param-A", "y")]), Ok(()));
    }
    for keyword in ["if", "then", "else", "oneOf", "anyOf", "allOf", "not"] {
        assert_eq!(
            flaw(&of_schema(&json!({keyword: holder}))),
            Some(Why::Unreachable),
            "{keyword}"
        );
    }
    for keyword in ["$defs", "definitions", "dependentSchemas"] {
        let schema = json!({"properties": {"l": {"$ref": "#/$defs/d"}}, keyword: {"d": good}});
        assert_eq!(flaw(&of_schema(&schema)), Some(Why::Unreachable), "{keyword}");
    }
    assert_eq!(flaw(&of_schema(&good)), Some(Why::Unreachable));
    let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"A","x-mcp-header":"B"}}}"#;
    let mut mirrors = Mirrors::default();
    mirrors.learn(&format!(r#"{{"tools":[{{"name":"t","inputSchema":{twice}}}]}}"#));
    assert_eq!(flaw(&mirrors), Some(Why::Twice));
}

#[test]
fn a_flaw_says_where_it_is() {
    let mirrors = learnt(&json!({"l": {"items": {"properties": {"a": {"x-mcp-header": "A"}}}}}));
    let (tool, flaw) = mirrors.invalid().next().unwrap();
    assert_eq!(tool, "t");
    assert_eq!(
        flaw.to_string(),
        "x-mcp-header of l.items.a: the property is not reached through properties alone"
    );
}

#[test]
fn words_that_only_look_like_annotations_are_none() {
    for properties in [
        json!({"x-mcp-header": {"type": "string"}}),
        json!({"a": {"type": "object", "default": {"x-mcp-header": "A"}}}),
        json!({"a": {"const": {"x-mcp-header": "A"}}}),
        json!({"a": {"enum": [{"x-mcp-header": "A"}]}}),
        json!({"a": {"examples": [{"x-mcp-header": "A"}]}}),
        json!({"a": {"type": "string", "description": "see x-mcp-header"}}),
        json!({"a": {"type": "string", "X-Mcp-Header": "A"}}),
        json!({"a": {"type": "string", "description": "\u{1}"}}),
    ] {
        let mirrors = learnt(&properties);
        assert_eq!((mirrors.is_empty(), flaw(&mirrors)), (true, None), "{properties}");
        assert!(keeps(&mirrors, "t"));
    }
}

#[test]
fn an_escaped_spelling_is_an_annotation_too() {
    let mut mirrors = Mirrors::default();
    mirrors.learn(
        r#"{"tools":[{"n\u0061me":"\u0074","input\u0053chema":{"propert\u0069es":{"a":{"type":"str\u0069ng","x\u002dmcp-header":"\u0041"}}}}]}"#,
    );
    assert_eq!(check(&mirrors, r#"{"a":"x"}"#, &[("Mcp-Param-A", "x")]), Ok(()));
    assert!(check(&mirrors, r#"{"a":"x"}"#, &[("Mcp-Param-A", "y")]).is_err());
}

#[test]
fn pages_add_up_and_a_newer_page_replaces() {
    let page = |name: &str, header: &str| {
        let properties = json!({"a": {"type": "string", "x-mcp-header": header}});
        json!({"tools": [{"name": name, "inputSchema": {"properties": properties}}]}).to_string()
    };
    let mut mirrors = Mirrors::default();
    assert!(mirrors.is_empty() && !keeps(&mirrors, "t"));
    mirrors.learn(&page("t", "A"));
    mirrors.learn(&page("u", "A"));
    assert!(keeps(&mirrors, "t") && keeps(&mirrors, "u") && !keeps(&mirrors, "v"));
    assert!(check(&mirrors, r#"{"a":"x"}"#, &[("Mcp-Param-A", "x")]).is_ok());
    mirrors.learn(&page("t", "B"));
    assert!(check(&mirrors, r#"{"a":"x"}"#, &[("Mcp-Param-B", "x")]).is_ok());
    mirrors.learn(r#"{"tools":[{"name":"t","inputSchema":{}},{"name":"u"}]}"#);
    assert!(mirrors.is_empty() && keeps(&mirrors, "t"));
    assert_eq!(mirrors.bytes, 2, "only the two names are left");
}

#[test]
fn what_no_list_names_is_not_checked() {
    let mirrors = region();
    assert_eq!(mirrors.check("other", Some("{}"), |_| vec![&b"x"[..]]), Ok(()));
    assert_eq!(
        check(&mirrors, r#"{"region":"a"}"#, &[("Mcp-Param-Region", "a"), ("Mcp-Param-X", "y")]),
        Ok(())
    );
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let mut mirrors = Mirrors::default();
    let tools: Vec<Value> = (0..TOOLS_MAX).map(|n| json!({"name": format!("tool-{n}")})).collect();
    mirrors.learn(&json!({"tools": tools}).to_string());
    assert!(keeps(&mirrors, "tool-9999") && !keeps(&mirrors, "other"));
    mirrors.learn(r#"{"tools":[{"name":"tool-7"}]}"#);
    assert!(mirrors.tools.len() == TOOLS_MAX, "one that is known takes no further room");
    mirrors.learn(r#"{"tools":[{"name":"one-more"}]}"#);
    assert!(!keeps(&mirrors, "one-more"));
    assert_eq!(mirrors.tools.len(), TOOLS_MAX);

    let mut mirrors = Mirrors::default();
    mirrors.learn(&json!({"tools": [{"name": "n".repeat(BYTES_MAX)}, {"name": "t"}]}).to_string());
    assert_eq!((mirrors.tools.len(), mirrors.bytes), (1, BYTES_MAX));
}

#[test]
fn a_tool_has_no_more_annotations_than_a_request_has_headers() {
    let annotated = |count: usize| {
        let property =
            |n| (format!("p{n}"), json!({"type": "string", "x-mcp-header": format!("P{n}")}));
        learnt(&Value::Object((0..count).map(property).collect()))
    };
    assert!(!annotated(100).is_empty());
    assert_eq!(flaw(&annotated(101)), Some(Why::TooMany));
}

#[test]
fn depth_is_no_danger() {
    let nest = |depth: usize| {
        let mut schema = json!({"type": "string", "x-mcp-header": "A"});
        for _ in 0..depth {
            schema = json!({"properties": {"a": schema}});
        }
        schema
    };
    assert!(!of_schema(&nest(31)).is_empty());
    assert_eq!(flaw(&of_schema(&nest(32))), Some(Why::TooDeep));
    let deep = format!(
        r#"{{"tools":[{{"name":"t","inputSchema":{}"x-mcp-header"{}}}]}}"#,
        r#"{"not":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    let mut mirrors = Mirrors::default();
    mirrors.learn(&deep);
    assert_eq!(flaw(&mirrors), Some(Why::TooDeep));
    let arguments = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(check(&region(), &arguments, &[]), Ok(()));
}

proptest! {
    #[test]
    fn what_a_client_wraps_is_always_accepted(text in any::<String>(), n in any::<i64>()) {
        let mirrors = learnt(&json!({
            "s": {"type": "string", "x-mcp-header": "S"},
            "n": {"type": "integer", "x-mcp-header": "N"},
        }));
        let (s, number) = (headers::encode(&text).into_owned(), n.to_string());
        let arguments = json!({"s": text, "n": n}).to_string();
        let both = [("Mcp-Param-S", &*s), ("Mcp-Param-N", &*number)];
        prop_assert_eq!(check(&mirrors, &arguments, &both), Ok(()));
        prop_assert!(check(&mirrors, &arguments, &both[1..]).is_err());
    }

    #[test]
    fn no_text_makes_it_fail(text in any::<String>(), near in "[\\[\\]{}\",:0-9a\\\\u ]{0,40}") {
        let mut mirrors = region();
        for text in [&text, &near] {
            mirrors.learn(text);
            mirrors.learn(&format!(r#"{{"tools":[{{"name":"u","inputSchema":{text},"x-mcp-header":1}}]}}"#));
            drop(mirrors.check("t", Some(text), |_| vec![text.as_bytes()]));
        }
    }
}
