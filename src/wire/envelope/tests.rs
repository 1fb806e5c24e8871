use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wire::id::RawId;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const INFO: &str = "io.modelcontextprotocol/clientInfo";

fn frame(text: &str) -> Frame {
    Frame::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn request(method: &str, params: &Value) -> Frame {
    frame(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
}

/// A request with a whole envelope for this revision.
fn enveloped(method: &str, version: &str, mut params: Value) -> Frame {
    params["_meta"] = json!({VERSION: version, CAPABILITIES: {}});
    request(method, &params)
}

fn labels<'h>(headers: &'h [(&'h str, &'h str)]) -> Labels<'h> {
    let said = |name: &str| {
        let named = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_bytes()).collect()
    };
    Labels {
        version: said("mcp-protocol-version"),
        method: said("mcp-method"),
        name: said("mcp-name"),
    }
}

fn read(frame: &Frame) -> Result<Envelope<'_>, BadEnvelope> {
    Envelope::read(&Sighted::new(frame, None))
}

/// The code of the refusal, or zero.
fn code(frame: &Frame, headers: &[(&str, &str)]) -> i32 {
    Envelope::examine(&Sighted::new(frame, None), &labels(headers))
        .map_or_else(|why| why.fault().code, |_| 0)
}

fn said(objection: &Objection) -> String {
    objection.fault().message
}

#[test]
fn the_body_decides_the_era_and_the_header_where_it_is_silent() {
    let modern = json!({"_meta": {VERSION: "2026-07-28"}});
    let modern_note = |version: &str| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"_meta": {VERSION: version}}});
    let bare_note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let (old, new, none) = (Some("2025-11-25"), Some("2026-07-28"), None);
    for (frame, header, era) in [
        (request("tools/list", &modern), none, Era::Modern),
        (request("tools/list", &modern), old, Era::Modern),
        (request("initialize", &modern), none, Era::Modern),
        (request("initialize", &modern), old, Era::Modern),
        (request("tools/list", &json!({"_meta": {VERSION: "v999.0.0"}})), none, Era::Modern),
        (request("tools/list", &json!({"_meta": {VERSION: "2025-11-25"}})), none, Era::Modern),
        (request("tools/list", &json!({"_meta": {VERSION: null}})), none, Era::Modern),
        (frame(&modern_note("x").to_string()), none, Era::Modern),
        (request("tools/list", &json!({})), new, Era::Modern),
        (request("tools/list", &json!({})), Some(" 2026-07-28\t"), Era::Modern),
        (request("tools/list", &json!({})), Some("2027-01-01"), Era::Modern),
        (request("tools/list", &json!({"_meta": {CAPABILITIES: {}}})), new, Era::Modern),
        (request("initialize", &json!({"protocolVersion": "2026-07-28"})), new, Era::Modern),
        (frame(&bare_note.to_string()), new, Era::Modern),
        (request("tools/list", &json!({})), none, Era::Legacy),
        (request("tools/list", &json!({})), old, Era::Legacy),
        (request("tools/list", &json!({})), Some("1999-01-01"), Era::Legacy),
        (request("tools/list", &json!({"_meta": {CAPABILITIES: {}}})), none, Era::Legacy),
        (request("tools/list", &json!({VERSION: "2026-07-28"})), none, Era::Legacy),
        (request("tools/call", &json!({"arguments": modern.clone()})), none, Era::Legacy),
        (request("tools/list", &json!({"_meta": [VERSION]})), none, Era::Legacy),
        (request("initialize", &json!({"protocolVersion": "2026-07-28"})), none, Era::Legacy),
        (frame(&bare_note.to_string()), none, Era::Legacy),
        (
            frame(&json!({"jsonrpc": "2.0", "id": 1, "result": modern.clone()}).to_string()),
            new,
            Era::Legacy,
        ),
        (frame(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#), new, Era::Legacy),
    ] {
        let text = String::from_utf8_lossy(frame.text()).into_owned();
        assert_eq!(era_of(&frame, header), era, "{text} {header:?}");
    }
}

#[test]
fn no_spelling_hides_the_era() {
    for params in [
        r#"{"_meta":{"io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}"#,
        r#"{"_m\u0065ta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/protocol\u0056ersion":"2026-07-28"}}"#,
        r#"{"_meta":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
        r#"{"name":"a","name":"b","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        assert_eq!(era_of(&frame(&text), None), Era::Modern, "{params}");
    }
}

#[test]
fn an_envelope_is_read() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-\u00328","io.modelcontextprotocol/clientCapabilities":{ "x" : 1e400 },"io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/logLevel":"info"}}}"#;
    let frame = frame(text);
    let envelope = read(&frame).unwrap();
    assert_eq!((&*envelope.version, envelope.is_served()), ("2026-07-28", true));
    assert_eq!(envelope.capabilities, r#"{ "x" : 1e400 }"#);
    assert_eq!(envelope.client_info, Some(r#"{"name":"c"}"#));
    assert_eq!(envelope.log_level.map(Raw::get), Some("\"info\""));
    let bare = enveloped("tools/list", "2026-07-28", json!({}));
    let envelope = read(&bare).unwrap();
    assert!(envelope.client_info.is_none() && envelope.log_level.is_none());
    let odd = json!({"_meta": {VERSION: "2026-07-28", CAPABILITIES: {}, INFO: "me"}});
    assert!(read(&request("x", &odd)).unwrap().client_info.is_none());
}

#[test]
fn what_an_envelope_lacks_is_named() {
    let both = || BadEnvelope::Lacks(vec![VERSION, CAPABILITIES]);
    let wrong = |key, what| BadEnvelope::Wrong { key, what };
    for (params, why) in [
        (json!({}), both()),
        (json!([]), both()),
        (json!(null), both()),
        (json!({"_meta": null}), both()),
        (json!({"_meta": []}), both()),
        (json!({"_meta": {INFO: {}}}), both()),
        (json!({"_meta": {VERSION: "2026-07-28"}}), BadEnvelope::Lacks(vec![CAPABILITIES])),
        (json!({"_meta": {CAPABILITIES: {}}}), BadEnvelope::Lacks(vec![VERSION])),
        (json!({"_meta": {VERSION: 1, CAPABILITIES: {}}}), wrong(VERSION, "a string")),
        (json!({"_meta": {VERSION: null, CAPABILITIES: {}}}), wrong(VERSION, "a string")),
        (json!({"_meta": {VERSION: "x", CAPABILITIES: []}}), wrong(CAPABILITIES, "an object")),
        (json!({"_meta": {VERSION: "x", CAPABILITIES: null}}), wrong(CAPABILITIES, "an object")),
    ] {
        assert_eq!(read(&request("tools/list", &params)).unwrap_err(), why, "{params}");
    }
    let bare = frame(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(read(&bare).unwrap_err(), both());
    assert_eq!(
        said(&Objection::Envelope(both())),
        "Invalid params: params._meta lacks io.modelcontextprotocol/protocolVersion and io.modelcontextprotocol/clientCapabilities, without which no request is complete since revision 2026-07-28"
    );
    for params in [
        r#"{"_meta":{},"_meta":{}}"#,
        r#"{"name":"a","name":"b","_meta":{}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"a","io.modelcontextprotocol\/protocolVersion":"b"}}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}"#);
        assert_eq!(read(&frame(&text)).unwrap_err(), BadEnvelope::Ambiguous, "{params}");
    }
}

/// What `server-stateless` of the conformance suite sends to be refused, and the codes it expects.
#[test]
fn requests_of_the_stateless_scenario_get_the_codes_it_expects() {
    let (now, odd) = ("2026-07-28", "v999.0.0");
    let info = json!({"name": "conformance-client", "version": "1.0.0"});
    let discover = "server/discover";
    for (params, header, code_expected) in [
        (json!({}), now, -32602),
        (json!({"_meta": {INFO: info, CAPABILITIES: {}}}), now, -32602),
        (json!({"_meta": {VERSION: now, INFO: info}}), now, -32602),
        (json!({"_meta": {VERSION: now, CAPABILITIES: {}}}), now, 0),
        (json!({"_meta": {VERSION: now, INFO: info, CAPABILITIES: {}}}), now, 0),
        (json!({"_meta": {VERSION: odd, INFO: info, CAPABILITIES: {}}}), odd, -32022),
        (json!({"_meta": {VERSION: odd, INFO: info, CAPABILITIES: {}}}), now, -32020),
    ] {
        let frame = request(discover, &params);
        assert_eq!(era_of(&frame, Some(header)), Era::Modern);
        let headers = [("MCP-Protocol-Version", header), ("Mcp-Method", discover)];
        assert_eq!(code(&frame, &headers), code_expected, "{params} {header}");
    }
    let frame = enveloped(discover, odd, json!({}));
    let headers = [("MCP-Protocol-Version", odd), ("Mcp-Method", discover)];
    let why = Envelope::examine(&Sighted::new(&frame, None), &labels(&headers)).unwrap_err();
    assert_eq!(
        why.fault().answer(Some(&RawId::new("301"))),
        r#"{"jsonrpc":"2.0","id":301,"error":{"code":-32022,"message":"Unsupported protocol version v999.0.0; served here without a handshake: 2026-07-28, and after initialize: 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25","data":{"supported":["2026-07-28"],"requested":"v999.0.0"}}}"#
    );
    // It sends no `Mcp-Name` with these, and no other parameters.
    for (method, code_expected) in [
        ("initialize", -32601),
        ("ping", -32601),
        ("logging/setLevel", -32601),
        ("resources/subscribe", -32601),
        ("resources/unsubscribe", -32601),
        ("tasks/list", -32601),
        ("tasks/result", -32601),
        // Whether there is such a method is for the child to say.
        ("unknown/method", 0),
        ("prompts/list", 0),
        ("subscriptions/listen", 0),
    ] {
        let frame = enveloped(method, now, json!({}));
        let headers = [("MCP-Protocol-Version", now), ("Mcp-Method", method)];
        assert_eq!(code(&frame, &headers), code_expected, "{method}");
    }
}

/// What `http-header-validation` of the conformance suite sends, and whether it wants it accepted.
#[test]
fn requests_of_the_header_scenario_are_accepted_and_refused_as_it_expects() {
    let call = json!({"name": "add", "arguments": {}});
    let none = json!({});
    for (method, params, headers, code_expected) in [
        ("tools/list", &none, vec![("Mcp-Method", "prompts/list")], -32020),
        ("tools/list", &none, vec![], -32020),
        ("tools/call", &call, vec![("Mcp-Method", "tools/call"), ("Mcp-Name", "wrong")], -32020),
        ("tools/call", &call, vec![("Mcp-Method", "tools/call"), ("Mcp-Name", "  add  ")], 0),
        ("tools/call", &call, vec![("Mcp-Method", "tools/call")], -32020),
        ("tools/list", &none, vec![("mcp-method", "tools/list")], 0),
        ("tools/list", &none, vec![("MCP-METHOD", "tools/list")], 0),
        ("tools/list", &none, vec![("Mcp-Method", "TOOLS/LIST")], -32020),
    ] {
        let headers = [vec![("MCP-Protocol-Version", "2026-07-28")], headers].concat();
        let frame = enveloped(method, "2026-07-28", params.clone());
        assert_eq!(code(&frame, &headers), code_expected, "{method} {headers:?}");
    }
}

#[test]
fn the_first_of_several_objections_is_told() {
    let bare = |meta: Value| request("ping", &json!({"_meta": meta}));
    for (frame, headers, code_expected) in [
        (bare(json!({CAPABILITIES: {}})), vec![], -32602),
        (bare(json!({VERSION: "x", CAPABILITIES: {}})), vec![], -32020),
        (
            bare(json!({VERSION: "x", CAPABILITIES: {}})),
            vec![("mcp-protocol-version", "x"), ("mcp-method", "ping")],
            -32022,
        ),
        (
            bare(json!({VERSION: "2026-07-28", CAPABILITIES: {}})),
            vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", "ping")],
            -32601,
        ),
    ] {
        assert_eq!(code(&frame, &headers), code_expected);
    }
}

/// Refusals of the headers of a request that is otherwise in order.
fn head_fault(method: &str, params: &Value, headers: &[(&str, &str)]) -> Option<BadHead> {
    let frame = enveloped(method, "2026-07-28", params.clone());
    let envelope = read(&frame).unwrap();
    envelope.headers_agree(&frame, &labels(headers)).err()
}

#[test]
fn every_header_that_is_wrong_is_named() {
    let (version, method) = (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"));
    let name = |value| ("mcp-name", value);
    let call = json!({"name": "add"});
    for (headers, said) in [
        (
            vec![],
            "the header MCP-Protocol-Version is missing; it has to repeat the protocolVersion of params._meta",
        ),
        (vec![version], "the header Mcp-Method is missing; it has to repeat the method"),
        (vec![version, method], "the header Mcp-Name is missing; it has to repeat params.name"),
        (
            vec![version, version, method, name("add")],
            "the header MCP-Protocol-Version is sent more than once",
        ),
        (
            vec![version, method, method, name("add")],
            "the header Mcp-Method is sent more than once",
        ),
        (
            vec![version, method, name("add"), name("add")],
            "the header Mcp-Name is sent more than once",
        ),
        (
            vec![version, method, name("=?base64?YQ?=")],
            "the header Mcp-Name cannot be read: its base64 is not well-formed",
        ),
        (
            vec![version, method, name("ädd")],
            "the header Mcp-Name cannot be read: it holds characters that have to be wrapped in base64",
        ),
        (
            vec![version, method, name("sub")],
            "the header Mcp-Name says \"sub\", and params.name something else",
        ),
        (
            vec![version, ("mcp-method", "=?base64?dG9vbHMvY2FsbA==?="), name("add")],
            "the header Mcp-Method says \"=?base64?dG9vbHMvY2FsbA==?=\", and the method something else",
        ),
        (
            vec![("mcp-protocol-version", "2026-07-29"), method, name("add")],
            "the header MCP-Protocol-Version says \"2026-07-29\", and the protocolVersion of params._meta something else",
        ),
        (
            vec![("mcp-protocol-version", "2026-07-28, 2026-07-28"), method, name("add")],
            "the header MCP-Protocol-Version says \"2026-07-28, 2026-07-28\", and the protocolVersion of params._meta something else",
        ),
    ] {
        assert_eq!(head_fault("tools/call", &call, &headers).unwrap().to_string(), said);
    }
    let frame = enveloped("tools/call", "2026-07-28", call);
    let labels = Labels { version: Said::One(b"\xff"), ..Labels::default() };
    let why = read(&frame).unwrap().headers_agree(&frame, &labels).unwrap_err();
    assert!(matches!(why, BadHead::Unreadable { header: "MCP-Protocol-Version", .. }));
}

#[test]
fn the_name_repeats_what_the_method_is_about() {
    for (method, params, name, fine) in [
        ("tools/call", json!({"name": "a"}), Some("a"), true),
        ("tools/call", json!({"name": "ü"}), Some("=?base64?w7w=?="), true),
        ("tools/call", json!({"name": "a"}), Some("=?base64?YQ==?="), true),
        ("tools/call", json!({"name": "=?base64?YQ==?="}), Some("=?base64?YQ==?="), false),
        ("tools/call", json!({"name": "a"}), Some("A"), false),
        ("tools/call", json!({"name": "a", "uri": "b"}), Some("b"), false),
        ("prompts/get", json!({"name": "a"}), Some("a"), true),
        ("prompts/get", json!({"name": "a"}), None, false),
        ("resources/read", json!({"uri": "file:///a b"}), Some("file:///a b"), true),
        ("resources/read", json!({"uri": "file:///a"}), None, false),
        ("tasks/get", json!({"taskId": "t"}), Some("t"), true),
        ("tasks/get", json!({"taskId": "t"}), None, false),
        ("tasks/update", json!({"taskId": "t"}), Some("u"), false),
        ("tasks/cancel", json!({"taskId": "t"}), Some("t"), true),
        // There is nothing to repeat, so the child may tell what is wrong; but a header that says something is none.
        ("tools/call", json!({}), None, true),
        ("tools/call", json!({"name": null}), None, true),
        ("tools/call", json!({"name": 7}), None, true),
        ("tools/call", json!({"name": 7}), Some("7"), false),
        ("tools/call", json!({}), Some("a"), false),
        ("tools/call", json!({"name": null}), Some("null"), false),
        // These have no such header, and one that is there means nothing.
        ("tools/list", json!({"name": "a"}), None, true),
        ("tools/list", json!({}), Some("a"), true),
        ("vendor/thing", json!({"name": "a"}), None, true),
        ("resources/subscribe", json!({"uri": "file:///a"}), None, true),
    ] {
        let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        headers.extend(name.map(|name| ("mcp-name", name)));
        let found = head_fault(method, &params, &headers);
        assert_eq!(found.is_none(), fine, "{method} {params} {name:?}: {found:?}");
    }
}

#[test]
fn a_method_is_compared_as_it_is_meant() {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools\/li\u0073t","params":{{"_meta":{{"{VERSION}":"2026-07-28","{CAPABILITIES}":{{}}}}}}}}"#
    );
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "\ttools/list ")];
    assert_eq!(code(&frame(&text), &headers), 0);
}

#[test]
fn a_long_header_is_not_repeated_at_length() {
    let long = "x".repeat(10_000);
    let headers = [("mcp-protocol-version", &*long)];
    assert!(head_fault("tools/list", &json!({}), &headers).unwrap().to_string().len() < 400);
}

proptest! {
    #[test]
    fn what_a_client_wraps_is_always_accepted(name in any::<String>()) {
        let value = headers::encode(&name).into_owned();
        let labels = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", &*value),
        ];
        prop_assert_eq!(head_fault("tools/call", &json!({"name": name}), &labels), None);
    }

    #[test]
    fn no_params_make_it_fail(text in "[\\[\\]{}\",:0-9a\\\\u ]{0,40}", value in any::<String>()) {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{text}}}"#);
        if let Ok(frame) = Frame::skim(text.into()) {
            era_of(&frame, Some(&value));
            prop_assert!(Envelope::examine(&Sighted::new(&frame, None), &labels(&[("mcp-name", &value)])).is_err());
        }
    }
}
