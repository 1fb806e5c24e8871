//! Questions of a child without a handshake to clients with one.

use serde_json::json;

use super::child::{error, input_required, progress, result};
use super::modern::*;
use super::*;

/// The child has answered a call of a session with these questions, and nobody has answered them.
fn asked(requests: &Value, state: &Value) -> (Pair, FrontId, Post, Vec<Value>) {
    let mut pair = Pair::modern();
    let a = knows_pages(&mut pair);
    let post = pair.tool(a, 2);
    let request = pair.child.one();
    pair.says(&input_required(&request, requests, state));
    let asked = post.letters.messages();
    (pair, a, post, asked)
}

/// A session that can be sent to pages.
fn knows_pages(pair: &mut Pair) -> FrontId {
    let hello = Hello {
        version: Version::V2025_11_25,
        capabilities: ALL.into(),
        client_info: r#"{"name":"old"}"#.into(),
    };
    let card = card(Version::V2025_11_25, &Principal::anonymous(), pair.now);
    pair.enters(FrontCard { hello: Arc::new(hello), ..card })
}

fn says_no(pair: &mut Pair, front: FrontId, id: &Value, code: i32) {
    let text = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "not now"}});
    pair.order(Order::Answer { front, answer: frame(&text.to_string()) });
}

#[test]
fn t22_sampling_is_asked_by_a_request_and_the_call_is_sent_again() {
    let requests = json!({"s": {"method": "sampling/createMessage", "params": {"maxTokens": 5}}});
    let (mut pair, a, post, asked) = asked(&requests, &json!("Q1"));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["method"], "sampling/createMessage");
    assert_eq!(asked[0]["params"], json!({"maxTokens": 5}));
    assert!(pair.child.heard().is_empty());
    pair.answer(a, &asked[0]["id"]);
    let again = pair.child.one();
    assert_eq!(again["method"], "tools/call");
    let params = &again["params"];
    assert_eq!((&params["name"], &params["requestState"]), (&json!("x"), &json!("Q1")));
    assert_eq!(params["inputResponses"], json!({"s": {"by": 1}}));
    assert_eq!(params["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    pair.says(&result(&again, &json!({"resultType": "complete", "content": []})));
    let answer = post.letters.answer_text().unwrap();
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
    pair.close(a);
    assert!(pair.is_empty_handed());
    assert_eq!(pair.outcomes(), [Outcome::Result]);
}

#[test]
fn t22_keys_and_state_go_back_byte_for_byte() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_06_18);
    let post = pair.tool(a, 2);
    let number = pair.child.one()["id"].clone();
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":{number},"result":{{"resultType":"input_required","inputRequests":{{"k\u0065y":{{"method":"roots/list"}}}},"requestState":"Q\u00311\/+="}}}}"#
    );
    let line = frame(&line);
    pair.turn(|board, turn| board.line(&line, turn));
    let id = post.letters.messages()[0]["id"].clone();
    pair.child.lines();
    let roots = r#"{"roots":[{"uri":"file:\/\/\/a","n":1.50}]}"#;
    let answer = frame(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{roots}}}"#));
    pair.order(Order::Answer { front: a, answer });
    let sent = pair.child.lines().remove(0);
    assert!(sent.contains(r#""requestState":"Q\u00311\/+=""#), "{sent}");
    assert!(sent.contains(&format!(r#""inputResponses":{{"k\u0065y":{roots}}}"#)), "{sent}");
    let again: Value = serde_json::from_str(&sent).unwrap();
    assert_ne!(again["id"], number, "each sending has a number of its own");
}

#[test]
fn t22_all_questions_of_a_round_are_asked_at_once_and_each_round_stands_alone() {
    let requests = json!({
        "e": {"method": "elicitation/create", "params": {"message": "?"}},
        "r": {"method": "roots/list"},
    });
    let (mut pair, a, post, asked) = asked(&requests, &json!(null));
    assert_eq!(asked.len(), 2);
    pair.answer(a, &asked[1]["id"]);
    assert!(pair.child.heard().is_empty());
    pair.answer(a, &asked[0]["id"]);
    let again = pair.child.one();
    assert_eq!(again["params"]["inputResponses"].as_object().unwrap().len(), 2);
    assert!(again["params"].get("requestState").is_none());
    let requests = json!({"r": {"method": "roots/list"}});
    pair.says(&input_required(&again, &requests, &json!("Q2")));
    let id = post.letters.messages()[2]["id"].clone();
    pair.answer(a, &id);
    let last = pair.child.one();
    assert_eq!(last["params"]["inputResponses"], json!({"r": {"by": 1}}));
    assert_eq!(last["params"]["requestState"], "Q2");
    pair.answer(a, &id);
    assert!(pair.child.heard().is_empty(), "an answer counts once");
}

#[test]
fn t22_a_page_gets_an_id_and_whoever_cannot_visit_it_is_not_asked() {
    let params = json!({"mode": "url", "url": "https://a", "message": "?"});
    let requests = json!({"p": {"method": "elicitation/create", "params": params}});
    let (_, _, post, asked) = asked(&requests, &json!(null));
    assert!(post.letters.answer().is_none());
    assert!(!asked[0]["params"]["elicitationId"].as_str().unwrap().is_empty());
    assert_eq!(asked[0]["params"]["url"], "https://a");

    let mut pair = Pair::modern();
    let forms_only = pair.session(Version::V2025_06_18);
    let post = pair.tool(forms_only, 2);
    let request = pair.child.one();
    pair.says(&input_required(&request, &requests, &json!(null)));
    assert!(post.letters.messages().is_empty());
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);
}

#[test]
fn t22_a_refusal_ends_the_call_but_for_a_form() {
    let requests = json!({
        "e": {"method": "elicitation/create"},
        "s": {"method": "sampling/createMessage"},
    });
    let (mut pair, a, post, asked) = asked(&requests, &json!(null));
    let of = |method: &str| asked.iter().find(|m| m["method"] == method).unwrap()["id"].clone();
    says_no(&mut pair, a, &of("sampling/createMessage"), -1);
    let messages = post.letters.messages();
    let taken_back = messages.last().unwrap();
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], of("elicitation/create"));
    let answer = post.letters.answer().unwrap();
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("not now"));
    assert!(pair.child.heard().is_empty(), "the child knows nothing of it");

    let requests = json!({"e": {"method": "elicitation/create"}});
    let (mut pair, a, _, asked) = self::asked(&requests, &json!(null));
    says_no(&mut pair, a, &asked[0]["id"], -32603);
    let again = pair.child.one();
    assert_eq!(again["params"]["inputResponses"], json!({"e": {"action": "cancel"}}));
}

#[test]
fn t22_other_calls_that_cannot_go_on_fail_with_an_error() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_06_18);
    let post = pair.call(a, 1, "prompts/get", &json!({"name": "x"}));
    let request = pair.child.one();
    pair.says(&input_required(&request, &json!({"r": {"method": "roots/list"}}), &json!(null)));
    says_no(&mut pair, a, &post.letters.messages()[0]["id"], -32603);
    assert_eq!(post.letters.code(), Some(-32603));
}

#[test]
fn t22_nobody_answers_in_time() {
    let requests = json!({"e": {"method": "elicitation/create"}});
    let (mut pair, _, post, asked) = asked(&requests, &json!(null));
    pair.wait(secs(600));
    let again = pair.child.one();
    assert_eq!(again["params"]["inputResponses"], json!({"e": {"action": "cancel"}}));
    let taken_back = post.letters.messages().pop().unwrap();
    assert_eq!(taken_back["params"]["requestId"], asked[0]["id"]);
    pair.says(&result(&again, &json!({"resultType": "complete"})));
    assert!(post.letters.answer().is_some());

    let requests = json!({"s": {"method": "sampling/createMessage"}});
    let (mut pair, _, post, _) = self::asked(&requests, &json!(null));
    pair.wait(secs(600));
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);
    assert!(pair.child.heard().is_empty() && pair.board.asks() == 0);
}

#[test]
fn t22_without_a_stream_the_call_fails_after_a_while() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_06_18);
    let text = request(&json!(1), "tools/call", &json!({"name": "x"}));
    let post = pair.request(pair.caller(a), false, &text);
    let request = pair.child.one();
    pair.says(&input_required(&request, &json!({"r": {"method": "roots/list"}}), &json!(null)));
    pair.wait(secs(5));
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);
    assert_eq!(pair.board.asks(), 0);
    // With a standing stream it is asked there.
    let stream = pair.listen(a, Vanish::Detach);
    let text = super::request(&json!(2), "tools/call", &json!({"name": "x"}));
    let post = pair.request(pair.caller(a), false, &text);
    let request = pair.child.one();
    pair.says(&input_required(&request, &json!({"r": {"method": "roots/list"}}), &json!(null)));
    let id = stream.letters.messages()[0]["id"].clone();
    pair.answer(a, &id);
    let again = pair.child.one();
    pair.says(&result(&again, &json!({"resultType": "complete"})));
    assert!(post.letters.answer().is_some());
}

#[test]
fn t22_a_client_that_cancels_is_asked_no_more() {
    let requests = json!({"r": {"method": "roots/list"}});
    let (mut pair, a, post, asked) = asked(&requests, &json!(null));
    pair.cancel(a, 2);
    assert_eq!(post.letters.methods(), ["roots/list", "notifications/cancelled"]);
    assert_eq!(post.letters.code(), Some(-32800));
    pair.answer(a, &asked[0]["id"]);
    assert!(pair.child.heard().is_empty(), "between rounds there is nothing to take back");
    pair.close(a);
    assert!(pair.is_empty_handed());
}

#[test]
fn t22_a_state_alone_is_sent_again_after_a_while_and_not_for_ever() {
    let (mut pair, _, post, asked) = asked(&json!(null), &json!("0"));
    assert!(asked.is_empty());
    for n in 1..=8 {
        pair.wait(Duration::from_millis(249));
        assert!(pair.child.heard().is_empty());
        pair.wait(Duration::from_millis(1));
        let again = pair.child.one();
        assert_eq!(again["params"]["requestState"], json!((n - 1).to_string()));
        pair.says(&input_required(&again, &json!(null), &json!(n.to_string())));
    }
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);
    assert_eq!(pair.board.calls(), 0);
}

#[test]
fn t22_questions_where_none_are_allowed_and_misshapen_ones_are_the_childs_fault() {
    for (method, requests) in [
        ("tools/list", json!({"r": {"method": "roots/list"}})),
        ("tools/call", json!({"r": {"method": "ping"}})),
        ("tools/call", json!({})),
    ] {
        let mut pair = Pair::modern();
        let a = pair.session(Version::V2025_06_18);
        let post = pair.call(a, 1, method, &json!({"name": "x"}));
        let request = pair.child.one();
        pair.says(&input_required(&request, &requests, &json!(null)));
        assert_eq!(post.letters.code(), Some(-32603), "{method} {requests}");
    }
}

#[test]
fn t22_open_questions_are_bounded() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.asks_max = 1);
    pair.dies();
    pair.ready_modern();
    let a = pair.session(Version::V2025_06_18);
    let post = pair.tool(a, 1);
    let request = pair.child.heard().pop().unwrap();
    let two = json!({"r": {"method": "roots/list"}, "s": {"method": "roots/list"}});
    pair.says(&input_required(&request, &two, &json!(null)));
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);
    assert_eq!(pair.board.asks(), 0);
}

#[test]
fn progress_goes_on_after_a_round_under_the_same_token() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_06_18);
    let post = pair.tool_with_token(a, 1, &json!("t"));
    let first = pair.child.one();
    pair.says(&progress(&first, 1));
    pair.says(&input_required(&first, &json!({"r": {"method": "roots/list"}}), &json!(null)));
    let id = post.letters.messages()[1]["id"].clone();
    pair.answer(a, &id);
    let again = pair.child.one();
    pair.says(&progress(&first, 5));
    pair.says(&progress(&again, 1));
    pair.says(&progress(&again, 2));
    let told = post.letters.messages();
    let told: Vec<_> = told.iter().filter(|m| m["method"] == "notifications/progress").collect();
    assert_eq!(told.len(), 2, "it has to rise, and the first sending is over");
    assert_eq!(
        (&told[1]["params"]["progressToken"], &told[1]["params"]["progress"]),
        (&json!("t"), &json!(2))
    );
}

#[test]
fn a_tool_is_not_called_twice_because_its_child_died() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_06_18);
    let post = pair.tool(a, 1);
    pair.dies();
    assert!(matches!(post.letters.refusal(), Some(Refusal::ChildGone { .. })));
    pair.ready_modern();
    assert!(!pair.child.methods()[1..].contains(&"tools/call".to_owned()));
    // A round goes on at the next child, which is not supposed to remember the last.
    let post = pair.tool(a, 2);
    let request = pair.child.one();
    pair.says(&input_required(&request, &json!({"r": {"method": "roots/list"}}), &json!("Q")));
    let id = post.letters.messages()[0]["id"].clone();
    pair.dies();
    pair.answer(a, &id);
    pair.ready_modern();
    let again = pair.child.heard().pop().unwrap();
    assert_eq!(again["params"]["requestState"], "Q");
    pair.says(&error(&again, -32603));
    assert_eq!(post.letters.code(), Some(-32603));
}
