//! Calls, their ids, their answers and their cancelling.

use serde_json::json;

use super::child::{error, progress, result};
use super::*;

#[test]
fn t07_ping_and_set_level_are_answered_with_nothing_else() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let ping = pair.call(a, 1, "ping", &json!({}));
    assert_eq!(ping.letters.answer_text().unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert!(pair.child.heard().is_empty(), "the bridge answers for itself");
    let level = pair.call(a, "l", "logging/setLevel", &json!({"level": "debug"}));
    assert_eq!(level.letters.answer_text().unwrap(), r#"{"jsonrpc":"2.0","id":"l","result":{}}"#);
    let loud = pair.call(a, 2, "logging/setLevel", &json!({"level": "loud"}));
    assert_eq!(loud.letters.code(), Some(-32602));
    assert_eq!(pair.outcomes(), [Outcome::Result, Outcome::Result, Outcome::Refused]);
}

#[test]
fn t07_ping_is_answered_while_no_child_is_there() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let a = pair.session(Version::V2025_06_18);
    assert!(pair.call(a, 1, "ping", &json!({})).letters.answer().is_some());
}

#[test]
fn t09_a_hundred_clients_with_the_same_ids_get_their_own_answers() {
    let mut pair = Pair::shared();
    pair.child.on("tools/call", |request| {
        let me = &request["params"]["arguments"];
        vec![progress(request, 1), progress(request, 2), result(request, &json!({"me": me}))]
    });
    let mut posts = Vec::new();
    for n in 0..100 {
        let front = pair.session(Version::V2025_11_25);
        let params = json!({"name": "x", "arguments": n, "_meta": {"progressToken": 1}});
        posts.push((n, json!(1), pair.call(front, 1, "tools/call", &params)));
        posts.push((n + 100, json!("1"), {
            let params = json!({"name": "x", "arguments": n + 100, "_meta": {"progressToken": 1}});
            pair.call(front, "1", "tools/call", &params)
        }));
    }
    let sent = pair.child.heard();
    let mut numbers: Vec<u64> = sent.iter().map(|line| line["id"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 200, "no number is used twice");
    pair.drive();
    for (n, id, post) in posts {
        let answer = post.letters.answer().unwrap();
        assert_eq!((&answer["id"], &answer["result"]["me"]), (&id, &json!(n)));
        let heard = post.letters.messages();
        assert_eq!(heard.len(), 2);
        assert!(heard.iter().all(|message| message["params"]["progressToken"] == json!(1)));
    }
}

#[test]
fn t10_nobody_cancels_the_call_of_another() {
    let mut pair = Pair::shared();
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    let post = pair.tool(b, 1);
    pair.child.heard();
    pair.cancel(a, 1);
    assert!(pair.child.heard().is_empty());
    assert!(post.letters.is_empty());
    assert_eq!(pair.dropped(Dropped::Unwanted), 1);
}

#[test]
fn t10_the_child_is_told_of_a_cancelled_call_by_its_own_number_and_nothing_follows() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!("t"));
    let request = pair.child.one();
    pair.cancel(a, 1);
    let told = pair.child.one();
    assert_eq!(told["method"], "notifications/cancelled");
    assert_eq!(told["params"]["requestId"], request["id"]);
    assert_eq!(post.letters.code(), Some(-32800));
    pair.says(&progress(&request, 1));
    pair.says(&result(&request, &json!({})));
    assert_eq!(post.letters.events().len(), 1, "nothing follows the end");
    assert_eq!(pair.dropped(Dropped::StrayAnswer), 1);
    assert_eq!(pair.dropped(Dropped::StrayProgress), 1);
    assert_eq!(pair.outcomes(), [Outcome::Cancelled]);
}

#[test]
fn a_call_that_is_cancelled_while_it_waits_never_reaches_the_child() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    pair.tool(a, 1);
    let waiting = pair.tool(a, 2);
    pair.child.heard();
    pair.cancel(a, 2);
    assert!(pair.child.heard().is_empty());
    assert_eq!(waiting.letters.code(), Some(-32800));
    pair.cancel(a, 1);
    assert_eq!(pair.child.methods(), ["notifications/cancelled"]);
}

#[test]
fn a_handshake_is_never_cancelled() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let a = pair.session(Version::V2025_06_18);
    let post = pair.call(a, 0, "initialize", &json!({"protocolVersion": "2025-06-18"}));
    pair.cancel(a, 0);
    pair.ready();
    let answer = post.letters.answer().unwrap();
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answer["result"]["serverInfo"]["name"], "pretend");
}

#[test]
fn t48_a_second_call_with_an_id_in_flight_is_refused_and_the_first_completes() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let first = pair.tool(a, 1);
    let second = pair.tool(a, 1);
    assert!(matches!(second.letters.refusal(), Some(Refusal::DuplicateId)));
    let other = pair.tool(a, "1");
    pair.child.on("tools/call", |request| vec![result(request, &json!({}))]);
    pair.drive();
    assert_eq!(first.letters.answer().unwrap()["id"], 1);
    assert_eq!(other.letters.answer().unwrap()["id"], "1");
    let again = pair.tool(a, 1);
    pair.drive();
    assert!(again.letters.answer().is_some(), "an id is free once it is answered");
}

#[test]
fn a_closing_that_overtakes_its_opening_leaves_nothing() {
    let mut pair = Pair::shared();
    let front = pair.session(Version::V2025_11_25);
    pair.order(Order::Close { front });
    let post = pair.tool(front, 1);
    assert!(matches!(post.letters.refusal(), Some(Refusal::SessionGone)));
    assert_eq!(pair.board.fronts(), 0);
}

#[test]
fn t32_a_caller_without_a_session_is_served_and_keeps_nothing() {
    let mut pair = Pair::shared();
    let caller = Caller::Implicit(card(Version::V2025_03_26, &Principal::anonymous(), pair.now));
    let list = pair.request(caller.clone(), true, &request(&json!(1), "tools/list", &json!({})));
    let sent = pair.child.one();
    pair.says(&child::log("info", "working"));
    assert!(list.letters.is_empty(), "a log line does not make an event stream of it");
    pair.says(&result(&sent, &json!({"tools": []})));
    assert!(list.letters.answer().is_some() && list.letters.stream().is_none());

    let text = request(&json!(1), "resources/subscribe", &json!({"uri": "a:/"}));
    let subscribe = pair.request(caller.clone(), true, &text);
    assert_eq!(subscribe.letters.code(), Some(-32600));
    let text = request(&json!(1), "logging/setLevel", &json!({"level": "debug"}));
    let level = pair.request(caller, true, &text);
    assert!(level.letters.answer().is_some());
    assert!(pair.child.heard().is_empty());
}

#[test]
fn t32_who_accepts_no_event_stream_never_gets_one() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let params = json!({"name": "x", "_meta": {"progressToken": 1}});
    let text = request(&json!(1), "tools/call", &params);
    let post = pair.request(pair.caller(a), false, &text);
    let sent = pair.child.one();
    pair.says(&progress(&sent, 1));
    pair.says(&child::log("error", "x"));
    pair.wait(secs(60));
    assert!(post.letters.is_empty());
    pair.says(&result(&sent, &json!({})));
    assert!(post.letters.answer().is_some());
}

#[test]
fn t39_what_the_bridge_does_not_know_arrives_unchanged() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let text = r#"{"x":1, "method":"tools/call","params":{"z":[1.50,1e400],"name":"x","_meta":{"k":{"b":1,"a":2},"progressToken":"t"}},"id":"me","jsonrpc":"2.0","q":9223372036854775808}"#;
    let mut sent = Vec::new();
    let mut turn = Turn::new(pair.now);
    let post = pair.post();
    let reach = Reach::Own { outlet: post.letters.clone(), streams: true };
    let order =
        Order::Call { call: post.call, caller: pair.caller(a), request: frame(text), reach };
    pair.board.order(order, &mut turn);
    sent.append(&mut turn.to_child);
    assert_eq!(
        sent[0],
        r#"{"x":1, "method":"tools/call","params":{"z":[1.50,1e400],"name":"x","_meta":{"k":{"b":1,"a":2},"progressToken":64}},"id":64,"jsonrpc":"2.0","q":9223372036854775808}"#
    );
    let answer = frame(r#"{"y":1e400,"id":64,"result":{"b":1, "a":[2.0]},"jsonrpc":"2.0"}"#);
    pair.board.line(&answer, &mut turn);
    assert_eq!(
        post.letters.answer_text().unwrap(),
        r#"{"y":1e400,"id":"me","result":{"b":1, "a":[2.0]},"jsonrpc":"2.0"}"#
    );
}

#[test]
fn a_servers_own_error_passes_and_a_code_too_new_is_said_in_old_words() {
    for (version, code) in [(Version::V2025_11_25, -32042), (Version::V2025_06_18, -32603)] {
        let mut pair = Pair::shared();
        pair.child.on("tools/call", |request| vec![error(request, -32042)]);
        let a = pair.session(version);
        let post = pair.tool(a, 1);
        pair.drive();
        assert_eq!(post.letters.code(), Some(code));
        assert_eq!(pair.outcomes(), [Outcome::Error(-32042)]);
    }
}

#[test]
fn hidden_tools_are_neither_listed_nor_called() {
    let filter = |deny: &str| crate::config::model::ToolFilter {
        allow: vec!["*".into()],
        deny: vec![deny.into()],
    };
    let mut pair = Pair::with(Tenancy::Shared, |limits| {
        limits.tools = crate::bridge::policy::ToolPolicy::new(filter("rm"));
    });
    pair.child.on("tools/list", |request| {
        vec![result(request, &json!({"tools": [{"name": "rm"}, {"name": "ls"}]}))]
    });
    let a = pair.session(Version::V2025_11_25);
    let list = pair.call(a, 1, "tools/list", &json!({}));
    pair.drive();
    let listed = list.letters.answer().unwrap();
    assert_eq!(listed["result"], json!({"tools": [{"name": "ls"}]}));
    assert_eq!(listed["id"], 1);
    pair.child.heard();
    let call = pair.call(a, 2, "tools/call", &json!({"name": "rm"}));
    assert_eq!(call.letters.code(), Some(-32602));
    for params in [json!({"name": 7}), json!({}), json!(["rm"])] {
        let unnamed = pair.call(a, 3, "tools/call", &params);
        assert_eq!(unnamed.letters.code(), Some(-32602), "{params}");
    }
    assert!(pair.child.heard().is_empty());
}

#[test]
fn a_late_or_invented_answer_changes_nothing_but_a_counter() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool(a, 1);
    let sent = pair.child.one();
    for id in [json!(0), json!(1), json!(5), json!(8), json!("x"), json!(-4), json!(4.5)] {
        pair.says(&json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
    assert_eq!(pair.dropped(Dropped::StrayAnswer), 7);
    assert!(post.letters.is_empty());
    pair.says(&result(&sent, &json!({})));
    pair.says(&result(&sent, &json!({})));
    assert_eq!((pair.dropped(Dropped::StrayAnswer), pair.outcomes().len()), (8, 1));
}

#[test]
fn a_shared_child_is_not_asked_for_tasks() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let params = json!({"task": {"ttl": 1}, "name": "x", "_meta": {"progressToken": "t"}});
    pair.call(a, 1, "tools/call", &params);
    let sent = pair.child.one();
    assert_eq!(sent["params"], json!({"name": "x", "_meta": {"progressToken": sent["id"]}}));
}

#[test]
fn params_that_say_a_thing_twice_never_reach_the_child() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    for params in [
        r#"{"name":"ls","name":"rm"}"#,
        r#"{"name":"ls","_meta":{"progressToken":1,"progressToken":8}}"#,
        r#"{"name":"ls","_meta":{},"_meta":{"progressToken":8}}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let post = pair.request(pair.caller(a), true, &text);
        assert_eq!(post.letters.code(), Some(-32602), "{params}");
    }
    assert!(pair.child.heard().is_empty());
}

#[test]
fn what_is_no_progress_token_is_left_alone() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(null));
    let sent = pair.child.one();
    assert_eq!(sent["params"]["_meta"]["progressToken"], json!(null));
    let invented = json!({"progressToken": sent["id"], "progress": 1});
    pair.says(&child::notice("notifications/progress", &invented));
    assert!(post.letters.is_empty());
}

#[test]
fn a_newcomer_is_greeted_although_all_places_are_taken() {
    let mut pair = Pair::starting(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    pair.tool(a, 1);
    pair.tool(a, 2);
    let early = pair.call(a, 3, "initialize", &json!({}));
    pair.ready();
    let late = pair.call(a, 4, "initialize", &json!({}));
    assert!(early.letters.answer().is_some() && late.letters.answer().is_some());
    assert_eq!(pair.child.methods(), ["notifications/initialized", "tools/call"]);
    assert_eq!(pair.board.calls(), 2);
}

#[test]
fn a_closed_session_says_nothing_to_the_child() {
    let (mut pair, a) = Pair::private();
    pair.close(a);
    pair.note(a, "notifications/roots/list_changed", &json!({}));
    assert!(pair.child.heard().is_empty());
    assert_eq!(pair.dropped(Dropped::Unwanted), 1);
}

#[test]
fn a_goodbye_that_overtook_its_call_counts() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.post();
    pair.drop_reader(&post);
    let text = request(&json!(1), "tools/call", &json!({"name": "x"}));
    let reach = Reach::Own { outlet: post.letters.clone(), streams: true };
    let (call, caller, request) = (post.call, pair.caller(a), frame(&text));
    pair.order(Order::Call { call, caller, request, reach });
    assert!(post.letters.is_closed());
    pair.wait(secs(300));
    assert_eq!(pair.child.methods(), ["tools/call", "notifications/cancelled"]);
}
