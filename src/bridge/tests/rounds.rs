//! Questions of a child with a handshake to clients without one.

use serde_json::json;

use super::child::result;
use super::modern::*;
use super::*;

/// A call of a pooled child, at which the child has asked these things; the ids under which it did.
pub(super) fn asked(pair: &mut Pair, caller: &Caller, kinds: &[&str]) -> (Post, Value, Vec<Value>) {
    let post = pair.uses(caller, 41);
    let request = pair.child.one();
    let ids = kinds.iter().map(|kind| pair.asks(kind)).collect();
    pair.collect();
    (post, request, ids)
}

#[test]
fn t18_each_kind_suspends_a_call_and_its_answer_resumes_it() {
    for kind in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
        let (post, request, ids) = asked(&mut pair, &caller, &[kind]);
        let asks = post.letters.asks().unwrap();
        let text = post.letters.answer().unwrap();
        assert_eq!(
            (&text["id"], &text["result"]["resultType"]),
            (&json!(41), &json!("input_required"))
        );
        assert_eq!(text["result"]["_meta"][SERVER_INFO]["name"], "pretend");
        assert!(text["result"].get("ttlMs").is_none(), "an interim result has no hints");
        let whole = String::from_utf8(asks.text.to_vec()).unwrap();
        let hole = asks.hole.start as usize;
        assert_eq!((asks.hole.start, &whole[hole - 1..=hole]), (asks.hole.end, "\"\""));
        assert_eq!(
            post.letters.questions(),
            json!({"ask-1": {"method": kind, "params": {"x": 1}}})
        );
        assert!(pair.child.heard().is_empty() && pair.board.asks() == 1);
        assert!(!pair.board.is_awaited());

        let answer = json!({"action": "accept", "content": {"a": 1}});
        let again = pair.returns(&caller, "42", &post, &json!({"ask-1": answer}));
        let told = pair.child.one();
        assert_eq!((&told["id"], &told["result"]), (&ids[0], &answer));
        assert!(again.letters.is_empty());
        pair.says(&result(&request, &json!({"content": []})));
        let last = again.letters.answer().unwrap();
        assert_eq!(
            (&last["id"], &last["result"]["resultType"]),
            (&json!("42"), &json!("complete"))
        );
        assert!(pair.is_empty_handed());
        assert_eq!(pair.outcomes(), [Outcome::Result], "it was one call");
    }
}

#[test]
fn t18_a_call_asks_in_many_rounds_and_twice_in_one() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, ids) =
        asked(&mut pair, &caller, &["elicitation/create", "sampling/createMessage"]);
    assert_eq!(first.letters.questions().as_object().unwrap().len(), 2);
    let both = json!({"ask-2": {"b": 2}, "ask-1": {"a": 1}});
    let second = pair.returns(&caller, 2, &first, &both);
    let told: Vec<Value> = pair.child.heard();
    let told: Vec<_> = told.iter().map(|line| (&line["id"], &line["result"])).collect();
    assert_eq!(told, [(&ids[0], &json!({"a": 1})), (&ids[1], &json!({"b": 2}))]);
    let third_question = pair.asks("roots/list");
    pair.collect();
    assert_eq!(second.letters.ticket(), (first.call, 2));
    assert_eq!(
        second.letters.questions(),
        json!({"ask-3": {"method": "roots/list", "params": {"x": 3}}})
    );
    let third = pair.returns(&caller, 3, &second, &json!({"ask-3": {"roots": []}}));
    assert_eq!(pair.child.one()["id"], third_question);
    pair.says(&result(&request, &json!({})));
    assert_eq!(third.letters.answer().unwrap()["id"], 3);
    assert!(pair.is_empty_handed());
}

#[test]
fn t18_a_missing_answer_is_asked_for_again_and_others_are_ignored() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, ids) = asked(&mut pair, &caller, &["elicitation/create", "roots/list"]);
    let some = json!({"ask-2": {"roots": []}, "ask-9": {"x": 1}, "strange": {}});
    let second = pair.returns(&caller, 2, &first, &some);
    assert_eq!(pair.child.one()["id"], ids[1], "what was answered is told");
    assert_eq!(
        second.letters.questions().as_object().unwrap().keys().collect::<Vec<_>>(),
        ["ask-1"]
    );
    assert_eq!(second.letters.ticket().1, 2);
    let again = json!({"ask-1": {"action": "decline"}, "ask-2": {"roots": [1]}});
    let third = pair.returns(&caller, 3, &second, &again);
    assert_eq!(pair.child.one()["id"], ids[0], "each question is answered once");
    pair.says(&result(&request, &json!({})));
    assert!(third.letters.answer().is_some() && pair.is_empty_handed());
}

#[test]
fn t18_later_questions_wait_for_the_next_round() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, ids) = asked(&mut pair, &caller, &["elicitation/create"]);
    let late = pair.asks("roots/list");
    assert_eq!(first.letters.questions().as_object().unwrap().len(), 1);
    let second = pair.returns(&caller, 2, &first, &json!({"ask-1": {}}));
    assert_eq!(pair.child.one()["id"], ids[0]);
    assert_eq!(
        second.letters.questions().as_object().unwrap().keys().collect::<Vec<_>>(),
        ["ask-2"]
    );
    let third = pair.returns(&caller, 3, &second, &json!({"ask-2": {}}));
    assert_eq!(pair.child.one()["id"], late);
    pair.says(&result(&request, &json!({})));
    assert!(third.letters.answer().is_some());
}

#[test]
fn t18_progress_and_the_answer_go_to_the_latest_request() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let params = json!({"name": "x", "_meta": {"progressToken": "old"}});
    let first = pair.wants(&caller, 1, "tools/call", &params);
    let request = pair.child.one();
    pair.says(&child::progress(&request, 1));
    pair.asks("elicitation/create");
    pair.collect();
    pair.says(&child::progress(&request, 2));
    assert_eq!(first.letters.messages().len(), 1, "a suspended call is told nothing");
    let (suspended, round) = first.letters.ticket();
    let post = pair.post();
    let params =
        json!({"name": "x", "inputResponses": {"ask-1": {}}, "_meta": {"progressToken": 7}});
    let again = frame(&super::request(&json!(2), "tools/call", &enveloped(&caller, &params)));
    let reach = Reach::Own { outlet: post.letters.clone(), streams: true };
    let call = post.call;
    pair.order(Order::Retry { call, caller, request: again, reach, suspended, round });
    pair.says(&child::progress(&request, 3));
    assert_eq!(post.letters.messages()[0]["params"]["progressToken"], 7);
    pair.says(&result(&request, &json!({})));
    assert_eq!(post.letters.answer().unwrap()["id"], 2);
}

#[test]
fn t19_a_state_is_good_once_for_its_round_its_method_and_its_principal() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, ..) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.child.heard();
    let (call, round) = first.letters.ticket();
    let yes = json!({"ask-1": {"action": "accept"}});
    let other = modern("q", ALL);
    for (who, at, method) in [
        (&other, (call, round), "tools/call"),
        (&caller, (call, round + 1), "tools/call"),
        (&caller, (call, 0), "tools/call"),
        (&caller, (call, round), "prompts/get"),
        (&caller, (CallId(999), round), "tools/call"),
    ] {
        let post = pair.returns_to(who, 5, at, method, &yes);
        assert!(matches!(post.letters.refusal(), Some(Refusal::StateInvalid)), "{at:?} {method}");
        assert_eq!(post.letters.code(), Some(-32602));
        assert!(pair.child.heard().is_empty());
    }
    pair.returns(&caller, 6, &first, &yes);
    assert_eq!(pair.child.methods(), ["result"]);
    let twice = pair.returns(&caller, 7, &first, &yes);
    assert!(matches!(twice.letters.refusal(), Some(Refusal::StateInvalid)));
    assert!(pair.child.heard().is_empty());
}

#[test]
fn t19_misshapen_answers_leave_the_round_open() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, ..) = asked(&mut pair, &caller, &["elicitation/create"]);
    for wrong in [json!([]), json!(7), json!(null), json!({"ask-1": 7}), json!({"ask-1": null})] {
        let post = pair.returns(&caller, 5, &first, &wrong);
        assert_eq!(post.letters.code(), Some(-32602), "{wrong}");
    }
    assert!(pair.child.heard().is_empty());
    pair.returns(&caller, 6, &first, &json!({"ask-1": {}}));
    assert_eq!(pair.child.methods(), ["result"]);
}

#[test]
fn t20_whoever_does_not_come_back_is_given_up_and_the_child_is_told_in_order() {
    for asked_after in [0, 10, 500] {
        let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
        let post = pair.uses(&caller, 1);
        let request = pair.child.one();
        pair.wait(secs(asked_after));
        for kind in ["elicitation/create", "sampling/createMessage", "roots/list"] {
            pair.asks(kind);
        }
        pair.collect();
        pair.wait(secs(599));
        assert!(pair.child.heard().is_empty());
        pair.wait(secs(1));
        let told = pair.child.heard();
        assert_eq!(told[0]["method"], "notifications/cancelled");
        assert_eq!(told[0]["params"]["requestId"], request["id"]);
        assert_eq!(told[1]["result"], json!({"action": "cancel"}), "after {asked_after} s");
        assert_eq!(
            (&told[2]["error"]["code"], &told[3]["error"]["code"]),
            (&json!(-1), &json!(-32603))
        );
        assert_eq!(told.len(), 4);
        assert!(pair.is_empty_handed());
        let late = pair.returns(&caller, 2, &post, &json!({}));
        assert!(matches!(late.letters.refusal(), Some(Refusal::StateInvalid)));
        pair.says(&result(&request, &json!({})));
        assert_eq!(pair.dropped(Dropped::StrayAnswer), 1);
    }
}

#[test]
fn t20_rounds_are_bounded_in_number_and_in_time() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (mut post, request, _) = asked(&mut pair, &caller, &["elicitation/create"]);
    for round in 1..16 {
        assert_eq!(post.letters.ticket().1, round);
        post = pair.returns(&caller, round, &post, &json!({}));
    }
    let last = pair.returns(&caller, 16, &post, &json!({}));
    assert_eq!(pair.child.one()["error"]["code"], -32603, "the child is told that it asks in vain");
    assert!(last.letters.is_empty() && pair.board.asks() == 0);
    pair.asks("elicitation/create");
    assert_eq!(pair.child.one()["error"]["code"], -32603);
    pair.says(&result(&request, &json!({})));
    assert!(last.letters.answer().is_some() && pair.is_empty_handed());

    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (mut post, ..) = asked(&mut pair, &caller, &["elicitation/create"]);
    for round in 1..8 {
        pair.wait(secs(500));
        post = pair.returns(&caller, round, &post, &json!({}));
    }
    pair.wait(secs(101));
    assert!(pair.is_empty_handed(), "an hour is enough in all");
}

#[test]
fn t20_suspended_calls_of_one_principal_are_bounded() {
    let mut pair = Pair::pooled(false);
    let caller = modern("p", ALL);
    let mut posts = Vec::new();
    for n in 0..64 {
        let post = pair.uses(&caller, n);
        pair.asks("elicitation/create");
        pair.collect();
        posts.push(post);
    }
    assert!(posts.iter().all(|post| post.letters.asks().is_some()));
    pair.child.heard();
    let more = pair.uses(&caller, 65);
    pair.child.heard();
    pair.asks("elicitation/create");
    pair.collect();
    assert_eq!(pair.child.one()["error"]["code"], -32603);
    assert!(more.letters.is_empty());
    // Who is suspended already may be asked for the rest.
    let again = pair.returns(&caller, 99, &posts[63], &json!({}));
    assert_eq!(again.letters.ticket().1, 2);
}

#[test]
fn t24_two_anonymous_callers_are_each_asked_for_their_own_call() {
    let mut pair = Pair::pooled(true);
    let (a, b) = (modern("anonymous", ALL), modern("anonymous", ALL));
    let (first, second) = (pair.uses(&a, 1), pair.uses(&b, 1));
    let of_a = pair.child.one();
    let question_a = pair.asks("elicitation/create");
    pair.collect();
    assert!(first.letters.asks().is_some() && second.letters.is_empty());
    let of_b = pair.child.one();
    let question_b = pair.asks("sampling/createMessage");
    pair.collect();
    assert_eq!(second.letters.questions()["ask-1"]["method"], "sampling/createMessage");
    let back_b = pair.returns(&b, 2, &second, &json!({"ask-1": {"of": "b"}}));
    let told = pair.child.one();
    assert_eq!((&told["id"], &told["result"]["of"]), (&question_b, &json!("b")));
    // The child works for b: what a said waits.
    let back_a = pair.returns(&a, 2, &first, &json!({"ask-1": {"of": "a"}}));
    assert!(pair.child.heard().is_empty());
    pair.says(&result(&of_b, &json!({"of": "b"})));
    let told = pair.child.one();
    assert_eq!((&told["id"], &told["result"]["of"]), (&question_a, &json!("a")));
    pair.says(&result(&of_a, &json!({"of": "a"})));
    for (post, of) in [(back_a, "a"), (back_b, "b")] {
        assert_eq!(post.letters.answer().unwrap()["result"]["of"], of);
    }
    assert!(pair.is_empty_handed());
}

#[test]
fn t24_nobody_is_asked_on_a_guess() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    for n in 0..2 {
        pair.uses(&caller, n);
        pair.asks("elicitation/create");
        pair.collect();
    }
    pair.child.heard();
    pair.asks("elicitation/create");
    assert_eq!(pair.child.one()["error"]["code"], -32601, "either may be meant");
    assert_eq!(pair.board.asks(), 2);
}

#[test]
fn t24_some_answers_do_not_let_the_child_ask_while_it_works_for_another() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    let (first, ..) = asked(&mut pair, &caller, &["elicitation/create", "roots/list"]);
    pair.uses(&caller, 2);
    pair.child.heard();
    let second = pair.returns(&caller, 3, &first, &json!({"ask-1": {}}));
    assert!(pair.child.heard().is_empty() && second.letters.asks().is_some());
    // Giving up tells the child that neither is answered.
    pair.wait(secs(600));
    let told = pair.child.heard();
    assert_eq!(told.iter().filter(|line| line.get("method").is_none()).count(), 2);
}

#[test]
fn t18_who_leaves_a_later_round_without_its_questions_ends_the_call() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, _) = asked(&mut pair, &caller, &["elicitation/create"]);
    let second = pair.returns(&caller, 2, &first, &json!({"ask-1": {"action": "accept"}}));
    pair.child.heard();
    pair.asks("elicitation/create");
    pair.collect();
    assert_eq!(second.letters.ticket().1, 2);
    pair.drop_reader(&second);
    let told = pair.child.heard();
    assert_eq!(told[0]["params"]["requestId"], request["id"], "{told:?}");
    assert_eq!(told[1]["result"]["action"], "cancel", "{told:?}");
    assert!(pair.is_empty_handed());
}

#[test]
fn t18_what_a_client_does_not_declare_any_more_it_is_not_asked_again() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, ids) =
        asked(&mut pair, &caller, &["elicitation/create", "sampling/createMessage"]);
    let less = modern("p", r#"{"elicitation":{}}"#);
    let second = pair.returns(&less, 2, &first, &json!({"ask-1": {"action": "accept"}}));
    let told = pair.child.heard();
    assert_eq!((&told[0]["id"], &told[0]["error"]["code"]), (&ids[1], &json!(-32601)));
    assert_eq!((&told[1]["id"], &told[1]["result"]["action"]), (&ids[0], &json!("accept")));
    pair.says(&result(&request, &json!({})));
    assert_eq!(second.letters.answer().unwrap()["result"]["resultType"], "complete");
    assert!(pair.is_empty_handed());
}
