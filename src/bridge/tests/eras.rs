//! Clients of each era on children of each.

use serde_json::json;

use super::child::{error, input_required, notice, progress, result};
use super::modern::*;
use super::*;
use crate::bridge::outlet::Event;
use crate::bridge::switchboard::Need;
use crate::wire::version::Era;

pub(super) const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// One request of a client of this era, in the pair as it is.
pub(super) fn asks_of(pair: &mut Pair, client: Era, method: &str, params: &Value) -> Post {
    match client {
        Era::Legacy => {
            let front = pair.session(Version::V2025_11_25);
            pair.call(front, 1, method, params)
        }
        Era::Modern => pair.wants(&modern("anonymous", "{}"), 1, method, params),
    }
}

#[test]
fn t5_what_went_with_the_handshake_is_unknown_and_the_child_sees_nothing() {
    let methods = [
        "ping",
        "initialize",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
    ];
    for (era, method) in ERAS.into_iter().flat_map(|era| methods.map(|method| (era, method))) {
        let mut pair = Pair::of(era);
        let params = json!({"uri": "a:/x", "level": "debug"});
        let post = asks_of(&mut pair, Era::Modern, method, &params);
        let why = post.letters.refusal();
        assert!(matches!(why, Some(Refusal::MethodUnknown(_))), "{method}: {why:?}");
        assert!(pair.child.heard().is_empty(), "{method}");
        pair.rests();
        let request = frame(&request(&json!(1), method, &json!({})));
        let reach = Reach::Own { outlet: Letters::new(), streams: true };
        let (call, caller) = (CallId(99), modern("p", "{}"));
        let order = Order::Call { call, caller, request, reach };
        assert_eq!(pair.board.need(&order), Need::Nothing, "{method} wakes nobody");
    }
    for era in ERAS {
        for method in ["server/discover", "subscriptions/listen"] {
            let mut pair = Pair::of(era);
            let post = asks_of(&mut pair, Era::Legacy, method, &json!({}));
            assert_eq!(post.letters.code(), Some(-32601));
            assert!(pair.child.heard().is_empty());
        }
    }
}

#[test]
fn t6_the_childs_own_no_to_a_method_reaches_both_eras() {
    for (child, client) in ERAS.into_iter().flat_map(|era| ERAS.map(|client| (era, client))) {
        let mut pair = Pair::of(child);
        let post = asks_of(&mut pair, client, "vendor/thing", &json!({}));
        let request = pair.child.one();
        pair.says(&error(&request, -32601));
        // The code is what the status is taken from.
        let code = post.letters.events().into_iter().find_map(|event| match event {
            Event::Answer { error, .. } => error,
            Event::Stream { .. }
            | Event::Message { .. }
            | Event::Asks(_)
            | Event::Refuse { .. } => None,
        });
        assert_eq!(code, Some(-32601));
    }
}

#[test]
fn t7_sessions_see_no_words_of_the_newer_era() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_11_25);
    for (method, params) in [("ping", json!({})), ("logging/setLevel", json!({"level": "info"}))] {
        let post = pair.call(a, method, method, &params);
        assert_eq!(
            post.letters.answer_text().unwrap(),
            format!(r#"{{"jsonrpc":"2.0","id":"{method}","result":{{}}}}"#)
        );
    }
    let greeting = pair.call(a, "i", "initialize", &json!({})).letters.answer_text().unwrap();
    for word in ["resultType", "ttlMs", "cacheScope", SERVER_INFO, "supportedVersions"] {
        assert!(!greeting.contains(word), "{greeting}");
    }
    assert!(greeting.contains(r#""protocolVersion":"2025-11-25""#), "{greeting}");
    assert!(pair.child.heard().is_empty(), "all of that is the bridge's to answer");
    let post = pair.call(a, 1, "tools/list", &json!({}));
    let request = pair.child.one();
    pair.says(&result(
        &request,
        &json!({
            "tools": [], "resultType": "complete", "ttlMs": 5, "cacheScope": "public",
            "_meta": {SERVER_INFO: {"name": "s"}},
        }),
    ));
    let answer = post.letters.answer_text().unwrap();
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#);
}

#[test]
fn t7_a_subscription_is_answered_with_nothing_whatever_the_child_said() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/x"}));
    let listen = pair.child.one();
    assert_eq!(listen["method"], "subscriptions/listen");
    pair.says(&acknowledged(&listen["id"], &json!({"resourceSubscriptions": ["a:/x"]})));
    assert_eq!(post.letters.answer_text().unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}

/// A child's word on a stream of changes.
pub(super) fn acknowledged(id: &Value, honoured: &Value) -> Value {
    let params = json!({"notifications": honoured, "_meta": {SUBSCRIPTION: id}});
    notice("notifications/subscriptions/acknowledged", &params)
}

#[test]
fn t8_results_of_older_children_say_all_that_newer_clients_expect() {
    for (method, is_hinted) in [
        ("tools/list", true),
        ("prompts/list", true),
        ("resources/list", true),
        ("resources/templates/list", true),
        ("resources/read", true),
        ("tools/call", false),
        ("prompts/get", false),
        ("completion/complete", false),
        ("vendor/thing", false),
    ] {
        let mut pair = Pair::shared();
        let post = asks_of(&mut pair, Era::Modern, method, &json!({"uri": "a:/x"}));
        let request = pair.child.one();
        pair.says(&result(&request, &json!({"x": 1})));
        let said = post.letters.answer().unwrap()["result"].clone();
        assert_eq!(said["resultType"], "complete", "{method}");
        assert_eq!(said["_meta"][SERVER_INFO]["name"], "pretend");
        assert_eq!(said["x"], 1);
        let hints = (said.get("ttlMs").cloned(), said.get("cacheScope").cloned());
        let wanted = is_hinted.then(|| json!(0)).zip(is_hinted.then(|| json!("private"))).unzip();
        assert_eq!(hints, wanted, "{method}");
    }
    let mut pair = Pair::shared();
    let post = asks_of(&mut pair, Era::Modern, "server/discover", &json!({}));
    let said = post.letters.answer().unwrap()["result"].clone();
    assert_eq!((&said["supportedVersions"], &said["ttlMs"]), (&json!(["2026-07-28"]), &json!(0)));
    assert_eq!(said["_meta"][SERVER_INFO]["name"], "pretend");
    assert!(pair.child.heard().is_empty());
}

#[test]
fn t9_a_hundred_clients_of_both_eras_may_all_use_one_id_and_one_token() {
    for era in ERAS {
        let mut pair = Pair::of(era);
        let caller = modern("anonymous", "{}");
        let mut posts = Vec::new();
        for n in 0..100u64 {
            let id = if n % 2 == 0 { json!(1) } else { json!("1") };
            let params = json!({"name": "x", "of": n, "_meta": {"progressToken": 1}});
            let post = if n % 4 < 2 {
                let front = pair.session(Version::V2025_06_18);
                pair.call(front, id.clone(), "tools/call", &params)
            } else {
                pair.wants(&caller, id.clone(), "tools/call", &params)
            };
            posts.push((n, id, post));
        }
        let mut sent = pair.child.heard();
        sent.reverse();
        for request in &sent {
            let mut line = progress(request, 1);
            line["params"]["of"] = request["params"]["of"].clone();
            pair.says(&line);
        }
        for request in &sent {
            pair.says(&result(request, &json!({"of": request["params"]["of"]})));
        }
        for (n, id, post) in posts {
            let told = &post.letters.messages()[0]["params"];
            assert_eq!((&told["of"], &told["progressToken"]), (&json!(n), &json!(1)));
            let answer = post.letters.answer().unwrap();
            assert_eq!((&answer["id"], &answer["result"]["of"]), (&id, &json!(n)));
        }
        assert_eq!(pair.board.calls(), 0);
    }
}

#[test]
fn t12_a_client_without_a_session_cancels_by_leaving() {
    for era in ERAS {
        let mut pair = Pair::of(era);
        let caller = modern("p", "{}");
        let params = json!({"name": "x", "_meta": {"progressToken": 1}});
        let post = pair.wants(&caller, 1, "tools/call", &params);
        let request = pair.child.one();
        pair.drop_reader(&post);
        let cancelled = pair.child.one();
        assert_eq!(cancelled["method"], "notifications/cancelled");
        assert_eq!(cancelled["params"]["requestId"], request["id"]);
        pair.says(&progress(&request, 1));
        pair.says(&result(&request, &json!({})));
        pair.drop_reader(&post);
        assert!(pair.child.heard().is_empty() && post.letters.is_empty());
        assert!(pair.is_empty_handed());
    }
}

#[test]
fn t21_nobody_is_asked_what_it_did_not_declare() {
    for (kind, lack) in [
        ("sampling/createMessage", "sampling"),
        ("elicitation/create", "elicitation"),
        ("roots/list", "roots"),
    ] {
        for tenancy in [Tenancy::Shared, Tenancy::Pooled { exclusive: false }] {
            let mut pair = Pair::with(tenancy, |_| {});
            let post = pair.uses(&modern("p", "{}"), 1);
            let request = pair.child.one();
            let id = pair.asks(kind);
            let told = pair.child.heard();
            assert_eq!((&told[0]["id"], &told[0]["error"]["code"]), (&id, &json!(-32601)));
            assert_eq!(told[1]["params"]["requestId"], request["id"], "it works in vain");
            assert_eq!(post.letters.code(), Some(-32021));
            let fault = post.letters.refusal().unwrap().fault();
            let data = fault.data.map(|data| serde_json::from_str::<Value>(data.get()).unwrap());
            assert_eq!(data, Some(json!({"requiredCapabilities": {lack: {}}})));
            pair.says(&result(&request, &json!({})));
            assert!(pair.is_empty_handed());
        }
    }
    // Who else may be meant is not harmed by it.
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let (one, two) = (pair.uses(&modern("p", "{}"), 1), pair.tool(a, 1));
    pair.asks("roots/list");
    assert!(one.letters.is_empty() && two.letters.is_empty());
    // Nor is who is at a child that was told of no client at all.
    let mut pair = Pair::shared();
    let one = pair.uses(&modern("p", ALL), 1);
    pair.child.heard();
    pair.asks("roots/list");
    assert_eq!(pair.child.methods(), ["error"]);
    assert!(one.letters.is_empty());
}

#[test]
fn t21_a_modern_child_asks_for_nothing_that_was_not_declared() {
    let forms = r#"{"elicitation":{}}"#;
    for (declared, entry, lack) in [
        ("{}", json!({"method": "sampling/createMessage"}), Some(json!({"sampling": {}}))),
        (forms, json!({"method": "elicitation/create", "params": {"mode": "form"}}), None),
        (
            forms,
            json!({"method": "elicitation/create", "params": {"mode": "url"}}),
            Some(json!({"elicitation": {"url": {}}})),
        ),
        (ALL, json!({"method": "elicitation/create", "params": {"mode": "url"}}), None),
    ] {
        let mut pair = Pair::modern();
        let post = pair.uses(&modern("p", declared), 1);
        let request = pair.child.one();
        pair.says(&input_required(&request, &json!({"k": entry}), &json!("s")));
        match lack {
            None => assert_eq!(post.letters.questions(), json!({"k": entry})),
            Some(lack) => {
                assert_eq!(post.letters.code(), Some(-32021));
                let fault = post.letters.refusal().unwrap().fault();
                assert!(fault.data.unwrap().get().contains(&lack.to_string()));
            }
        }
        assert!(!pair.board.is_awaited());
    }
    let mut pair = Pair::modern();
    let post = pair.uses(&modern("p", "{}"), 1);
    let request = pair.child.one();
    pair.says(&error(&request, -32021));
    assert_eq!(post.letters.code(), Some(-32021), "and its own word passes");
}

#[test]
fn t23_a_stray_question_of_a_shared_child_is_seen_by_nobody() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let stream = pair.listen(a, Vanish::Detach);
    let post = pair.tool(a, 1);
    let listen = pair.hears(&modern("q", ALL), 1, &json!({"toolsListChanged": true}));
    pair.child.heard();
    for kind in ["sampling/createMessage", "elicitation/create", "roots/list", "vendor/ask"] {
        let id = pair.asks(kind);
        let told = pair.child.one();
        assert_eq!((&told["id"], &told["error"]["code"]), (&id, &json!(-32601)));
    }
    assert!(post.letters.is_empty() && stream.letters.messages().is_empty());
    assert_eq!(listen.letters.messages().len(), 1);
    // One without a handshake reads no answers to what it must not ask.
    let mut pair = Pair::modern();
    for kind in ["ping", "roots/list"] {
        pair.asks(kind);
    }
    assert!(pair.child.heard().is_empty());
    assert_eq!(pair.dropped(Dropped::Unwanted), 2);
}

#[test]
fn t39_unknown_members_pass_in_all_four_cells() {
    for (child, client) in ERAS.into_iter().flat_map(|era| ERAS.map(|client| (era, client))) {
        let mut pair = Pair::of(child);
        let strange = json!({
            "z": [1, {"y": null}], "name": "x", "arguments": {"n": 1.50, "requestState": 1},
            "_meta": {"vendor/key": {"deep": true}, "traceparent": "00-1"},
        });
        let post = asks_of(&mut pair, client, "tools/call", &strange);
        let request = pair.child.one();
        let mut params = request["params"].clone();
        let meta = params["_meta"].as_object_mut().unwrap();
        meta.retain(|key, _| !key.starts_with("io.modelcontextprotocol/"));
        assert_eq!(params, strange, "{client:?} on {child:?}");
        let says_who = request["params"]["_meta"].as_object().unwrap().len() > 2;
        assert_eq!(says_who, child == Era::Modern);
        let said = json!({
            "content": [{"type": "new", "_meta": {"a": 1}}], "structuredContent": [7],
            "more": {"ttlMs": 1}, "_meta": {"vendor/key": 1},
        });
        let mut answered = said.clone();
        if child == Era::Modern {
            answered["resultType"] = json!("complete");
        }
        pair.says(&result(&request, &answered));
        let mut heard = post.letters.answer().unwrap()["result"].clone();
        let is_complete = heard["resultType"] == "complete";
        assert_eq!(is_complete, client == Era::Modern);
        heard.as_object_mut().unwrap().remove("resultType");
        heard["_meta"].as_object_mut().unwrap().remove(SERVER_INFO);
        assert_eq!(heard, said, "{client:?} on {child:?}");
    }
}

#[test]
fn modern_questions_pass_with_a_hole_for_the_state() {
    for (state, ticket) in [(json!("Q\u{1}"), Some(r#""Q\u0001""#)), (json!(null), None)] {
        let mut pair = Pair::modern();
        let post = pair.uses(&modern("p", ALL), 41);
        let request = pair.child.one();
        let mut line = input_required(&request, &json!({"k": {"method": "roots/list"}}), &state);
        if state.is_null() {
            line["result"].as_object_mut().unwrap().remove("requestState");
        }
        pair.says(&line);
        let asks = post.letters.asks().unwrap();
        let mut text = String::from_utf8(asks.text.to_vec()).unwrap();
        text.insert_str(asks.hole.start as usize, "SEAL");
        let text: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&text["id"], &text["result"]["requestState"]), (&json!(41), &json!("SEAL")));
        assert_eq!(
            asks.ticket,
            crate::bridge::ticket::Ticket::Child { state: ticket.map(Into::into) }
        );
        assert_eq!((pair.board.calls(), pair.board.asks()), (0, 0), "nothing is kept of it");
    }
}

#[test]
fn a_private_modern_child_hears_of_nothing_it_does_not_know() {
    let mut pair = Pair::starting(Tenancy::Private, |_| {});
    pair.ready_modern();
    let a = pair.session(Version::V2025_11_25);
    pair.call(a, 0, "initialize", &json!({}));
    pair.child.heard();
    for method in ["notifications/initialized", "notifications/roots/list_changed", "vendor/x"] {
        pair.note(a, method, &json!({}));
    }
    assert!(pair.child.heard().is_empty());
}
