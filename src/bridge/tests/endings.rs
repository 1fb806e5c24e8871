//! How calls end whose clients were asked something in rounds.

use serde_json::json;

use super::child::{notice, result};
use super::modern::*;
use super::rounds::asked;
use super::*;

#[test]
fn a_last_word_that_comes_early_is_kept_for_who_comes_back() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, _) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.says(&result(&request, &json!({"n": 1})));
    pair.says(&result(&request, &json!({"n": 2})));
    assert_eq!((pair.board.asks(), pair.dropped(Dropped::StrayAnswer)), (0, 1));
    assert_eq!(pair.child.one()["error"]["code"], -32603, "its question has lost its call");
    let again = pair.returns(&caller, 2, &first, &json!({"ask-1": {}}));
    assert!(pair.child.heard().is_empty(), "it waits for no answer any more");
    let answer = again.letters.answer().unwrap();
    assert_eq!((&answer["id"], &answer["result"]["n"]), (&json!(2), &json!(1)));
    assert_eq!(answer["result"]["resultType"], "complete");
    assert!(pair.is_empty_handed());

    let (first, request, _) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.says(&result(&request, &json!({})));
    pair.child.heard();
    pair.wait(secs(600));
    assert!(pair.child.heard().is_empty(), "what it has ended is not taken back");
    assert!(first.letters.asks().is_some() && pair.is_empty_handed());
}

#[test]
fn a_last_word_that_comes_while_answers_wait_is_told_at_once() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    let (first, request, _) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.uses(&caller, 2);
    pair.child.heard();
    let again = pair.returns(&caller, 3, &first, &json!({"ask-1": {}}));
    pair.says(&result(&request, &json!({"n": 1})));
    assert_eq!(again.letters.answer().unwrap()["result"]["n"], 1);
    assert_eq!(pair.child.one()["error"]["code"], -32603, "its question is not left open");
}

#[test]
fn whoever_comes_back_and_leaves_has_cancelled() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    let (first, request, ids) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.uses(&caller, 2);
    pair.child.heard();
    let again = pair.returns(&caller, 3, &first, &json!({"ask-1": {}}));
    pair.drop_reader(&again);
    let told = pair.child.heard();
    assert_eq!(told[0]["params"]["requestId"], request["id"]);
    assert_eq!(
        (told.len(), &told[1]["id"], &told[1]["error"]["code"]),
        (2, &ids[0], &json!(-32603))
    );
    assert_eq!(pair.board.calls(), 1);
}

#[test]
fn whoever_leaves_without_the_questions_has_cancelled_too() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let post = pair.uses(&caller, 1);
    pair.asks("elicitation/create");
    post.letters.leave();
    pair.collect();
    assert_eq!(pair.child.methods(), ["tools/call", "notifications/cancelled", "result"]);
    assert!(pair.is_empty_handed());

    let (post, ..) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.finish(&post);
    assert!(pair.child.heard().is_empty(), "who has read them may come back");
    pair.drop_reader(&post);
    assert_eq!(pair.child.methods(), ["notifications/cancelled", "result"]);
    assert!(pair.is_empty_handed());
}

#[test]
fn a_question_that_is_taken_back_is_asked_no_more() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, ids) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.says(&notice("notifications/cancelled", &json!({"requestId": ids[0]})));
    assert_eq!(pair.board.asks(), 0);
    let again = pair.returns(&caller, 2, &first, &json!({"ask-1": {}}));
    assert!(again.letters.is_empty() && pair.child.heard().is_empty());
    pair.says(&result(&request, &json!({})));
    assert!(again.letters.answer().is_some() && pair.is_empty_handed());
}

#[test]
fn a_question_that_is_taken_back_while_its_call_waits_does_not_send_the_call_twice() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    let read = json!({"uri": "a:/x"});
    let first = pair.wants(&caller, 1, "resources/read", &read);
    let request = pair.child.one();
    let id = pair.asks("elicitation/create");
    pair.collect();
    pair.says(&notice("notifications/cancelled", &json!({"requestId": id})));
    pair.uses(&caller, 2);
    let other = pair.child.one();
    let at = first.letters.ticket();
    let again = pair.returns_to(&caller, 3, at, "resources/read", &json!({}));
    pair.says(&result(&other, &json!({})));
    assert!(pair.child.heard().is_empty());
    pair.says(&result(&request, &json!({"contents": []})));
    assert_eq!(again.letters.answer().unwrap()["id"], 3);
}

#[test]
fn an_answer_to_a_question_that_is_taken_back_is_not_told() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    let (first, _, ids) = asked(&mut pair, &caller, &["elicitation/create"]);
    pair.uses(&caller, 2);
    let other = pair.child.one();
    pair.returns(&caller, 3, &first, &json!({"ask-1": {}}));
    pair.says(&notice("notifications/cancelled", &json!({"requestId": ids[0]})));
    pair.says(&result(&other, &json!({})));
    assert!(pair.child.heard().is_empty());
}

#[test]
fn rounds_end_with_their_child() {
    let mut pair = Pair::pooled(true);
    let caller = modern("anonymous", ALL);
    let (suspended, ..) = asked(&mut pair, &caller, &["elicitation/create"]);
    let read = json!({"uri": "a:/x"});
    let first = pair.wants(&caller, 1, "resources/read", &read);
    pair.asks("elicitation/create");
    pair.collect();
    let flying = pair.uses(&caller, 3);
    let at = first.letters.ticket();
    let returning = pair.returns_to(&caller, 4, at, "resources/read", &json!({"ask-1": {}}));
    pair.child.heard();
    pair.dies();
    for post in [&flying, &returning] {
        assert!(matches!(post.letters.refusal(), Some(Refusal::ChildGone { .. })));
    }
    assert!(pair.is_empty_handed());
    pair.ready();
    assert_eq!(pair.child.methods(), ["notifications/initialized"], "nothing is left of it");
    let late = pair.returns(&caller, 5, &suspended, &json!({}));
    assert!(matches!(late.letters.refusal(), Some(Refusal::StateInvalid)));
}

#[test]
fn a_read_that_nobody_was_asked_for_yet_is_repeated_without_its_questions() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let post = pair.wants(&caller, 1, "resources/read", &json!({"uri": "a:/x"}));
    pair.asks("elicitation/create");
    pair.dies();
    pair.child.heard();
    pair.ready();
    let request = pair.child.heard().remove(1);
    pair.collect();
    assert!(post.letters.is_empty());
    pair.asks("roots/list");
    pair.collect();
    assert_eq!(post.letters.questions().as_object().unwrap().len(), 1);
    assert_eq!(request["method"], "resources/read");
}

#[test]
fn a_spoilt_answer_ends_a_suspended_call() {
    let (mut pair, caller) = (Pair::pooled(false), modern("p", ALL));
    let (first, request, _) = asked(&mut pair, &caller, &["elicitation/create"]);
    let number = request["id"].as_u64().unwrap();
    pair.turn(|board, turn| board.spoilt(number, Refusal::Interrupted, turn));
    assert!(pair.is_empty_handed());
    let late = pair.returns(&caller, 5, &first, &json!({}));
    assert_eq!(late.letters.code(), Some(-32602));
}
