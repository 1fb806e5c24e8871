//! Output that is no object, at clients with a handshake whose server has none.

use serde_json::json;

use super::child::result;
use super::*;
use crate::bridge::policy::ToolPolicy;
use crate::config::model::{LegacyOutput, ToolFilter};

/// A shared child without a handshake: a tool that gives a list, one that gives an object, and one to be hidden.
fn modern(change: impl Fn(&mut Limits)) -> (Pair, FrontId) {
    let mut pair = Pair::starting(Tenancy::Shared, change);
    let about = json!({
        "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
        "ttlMs": 0, "cacheScope": "private",
    });
    let abilities = Abilities::of_discovery(&about.to_string()).expect("a sound answer");
    pair.turn(|board, turn| board.ready(Box::new(abilities), turn));
    pair.child.on("tools/list", |request| {
        let tools = json!([
            {"name": "list", "outputSchema": {"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {}}}},
            {"name": "object", "outputSchema": {"type": "object"}},
            {"name": "hide", "outputSchema": {"type": "string"}},
        ]);
        let all = json!({"resultType": "complete", "ttlMs": 5, "cacheScope": "public", "tools": tools});
        vec![result(request, &all)]
    });
    pair.child.on("tools/call", |request| {
        let output = match request["params"]["name"].as_str() {
            Some("list") => json!([1, 2]),
            _ => json!({"n": 1}),
        };
        let all = json!({"resultType": "complete", "content": [], "structuredContent": output});
        vec![result(request, &all)]
    });
    let front = pair.session(Version::V2025_06_18);
    (pair, front)
}

fn answer(pair: &mut Pair, front: FrontId, method: &'static str, params: &Value) -> Value {
    let post = pair.call(front, method, method, params);
    pair.drive();
    post.letters.answer().unwrap()["result"].clone()
}

fn outputs(pair: &mut Pair, front: FrontId) -> [Value; 2] {
    ["list", "object"].map(|name| {
        answer(pair, front, "tools/call", &json!({"name": name}))["structuredContent"].clone()
    })
}

#[test]
fn t47_output_that_is_no_object_is_raw_by_default() {
    let (mut pair, front) = modern(|_| {});
    let list = answer(&mut pair, front, "tools/list", &json!({}));
    assert_eq!(list["tools"][0]["outputSchema"]["type"], "array");
    assert_eq!(outputs(&mut pair, front), [json!([1, 2]), json!({"n": 1})]);
}

#[test]
fn t47_output_that_is_no_object_is_wrapped_where_that_is_wished_for() {
    let (mut pair, front) = modern(|limits| limits.legacy_output = LegacyOutput::Wrap);
    let list = answer(&mut pair, front, "tools/list", &json!({}));
    assert_eq!(
        list["tools"][0]["outputSchema"],
        json!({
            "type": "object",
            "properties": {"result": {
                "type": "array", "items": {"$ref": "#/properties/result/$defs/n"}, "$defs": {"n": {}},
            }},
            "required": ["result"],
        })
    );
    assert_eq!(list["tools"][1]["outputSchema"], json!({"type": "object"}));
    assert_eq!(outputs(&mut pair, front), [json!({"result": [1, 2]}), json!({"n": 1})]);
}

#[test]
fn t47_what_is_hidden_and_what_is_remembered_is_wrapped_too() {
    let filter = ToolFilter { deny: vec!["hide".to_owned()], ..ToolFilter::default() };
    let (mut pair, front) = modern(|limits| {
        limits.legacy_output = LegacyOutput::Wrap;
        limits.tools = ToolPolicy::new(filter.clone());
    });
    let said = answer(&mut pair, front, "tools/list", &json!({}));
    assert_eq!(said["tools"].as_array().unwrap().len(), 2);
    assert_eq!(said["tools"][0]["outputSchema"]["required"], json!(["result"]));
    pair.rests();
    pair.child.heard();
    let recalled = answer(&mut pair, front, "tools/list", &json!({}));
    assert!(pair.child.heard().is_empty());
    assert_eq!(recalled, said);
    assert_eq!(
        recalled.as_object().unwrap().len(),
        1,
        "nothing of revision 2026-07-28: {recalled}"
    );
}
