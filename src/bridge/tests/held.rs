//! Calls whose clients have answered, while the child works on another one that may ask too.

use serde_json::json;

use super::child::result;
use super::*;
use crate::bridge::outlet::Event;
use crate::bridge::ticket::Ticket;

fn caller(pair: &Pair) -> Caller {
    Caller::Implicit(card(Version::MODERN, &Principal::anonymous(), pair.now))
}

/// A pooled child that works on one call and is owed the answers to another: that one's retry, and both as the child got them.
fn held() -> (Pair, Post, Value, Value) {
    let mut pair = Pair::with(Tenancy::Pooled { exclusive: true }, |_| {});
    let first =
        pair.request(caller(&pair), true, &request(&json!(1), "tools/call", &json!({"name": "x"})));
    let asking = pair.child.one();
    pair.asks("elicitation/create");
    pair.wait(Duration::from_millis(20));
    let ticket = first.letters.events().into_iter().find_map(|event| match event {
        Event::Asks(asks) => Some(asks.ticket),
        Event::Stream { .. }
        | Event::Message { .. }
        | Event::Answer { .. }
        | Event::Refuse { .. } => None,
    });
    let Some(Ticket::Suspended { call, round, .. }) = ticket else { panic!("no ticket") };
    pair.request(caller(&pair), true, &request(&json!(2), "tools/call", &json!({"name": "y"})));
    let other = pair.child.one();
    let params = json!({"name": "x", "inputResponses": {"ask-1": {"action": "accept"}}});
    let retry = pair.post();
    let reach = Reach::Own { outlet: retry.letters.clone(), streams: true };
    let request = frame(&request(&json!(3), "tools/call", &params));
    let (call_of_retry, caller) = (retry.call, caller(&pair));
    pair.order(Order::Retry {
        call: call_of_retry,
        caller,
        request,
        reach,
        suspended: call,
        round,
    });
    assert_eq!(pair.child.methods(), [] as [&str; 0], "it waits for its turn");
    (pair, retry, asking, other)
}

#[test]
fn answers_reach_the_child_when_the_other_call_has_ended() {
    let (mut pair, retry, asking, other) = held();
    pair.says(&result(&other, &json!({"content": []})));
    assert_eq!(pair.child.methods(), ["result"]);
    pair.says(&result(&asking, &json!({"content": []})));
    assert_eq!(retry.letters.answer().unwrap()["id"], 3);
    assert!(pair.board.is_empty_handed());
}

#[test]
fn who_leaves_meanwhile_takes_the_call_back_and_agrees_to_nothing() {
    let (mut pair, retry, asking, _) = held();
    pair.drop_reader(&retry);
    let heard = pair.child.heard();
    assert_eq!(heard[0]["params"]["requestId"], asking["id"], "{heard:?}");
    assert!(heard[1]["error"].is_object() && heard.len() == 2, "{heard:?}");
    assert_eq!(pair.board.asks(), 0);
}

#[test]
fn a_child_that_does_not_wait_for_the_answers_is_heard_at_once() {
    let (mut pair, retry, asking, other) = held();
    pair.says(&result(&asking, &json!({"content": []})));
    assert_eq!(retry.letters.answer().unwrap()["id"], 3);
    pair.says(&result(&other, &json!({"content": []})));
    assert_eq!(pair.child.methods(), ["error"], "nobody answers its question any more");
    assert!(pair.board.is_empty_handed());
}

#[test]
fn a_child_that_ends_meanwhile_is_told_of() {
    let (mut pair, retry, _, _) = held();
    pair.dies();
    assert!(matches!(retry.letters.refusal(), Some(Refusal::ChildGone { .. })));
    pair.ready();
    assert!(!pair.child.methods().iter().any(|method| method == "result"));
    assert!(pair.board.is_empty_handed());
}

#[test]
fn a_child_that_works_one_by_one_is_given_the_answers_after_a_while() {
    let (mut pair, retry, asking, _) = held();
    pair.wait(secs(2));
    assert_eq!(pair.child.methods(), ["result"], "or the other call would never end");
    // Two may be meant now, and nobody is asked on a guess.
    pair.asks("elicitation/create");
    assert_eq!(pair.child.methods(), ["error"]);
    pair.says(&result(&asking, &json!({"content": []})));
    assert_eq!(retry.letters.answer().unwrap()["id"], 3);
}

#[test]
fn what_may_not_ask_goes_past_calls_that_may() {
    let (mut pair, _retry, _, _) = held();
    let list = pair.request(caller(&pair), true, &request(&json!(4), "tools/list", &json!({})));
    let asked = pair.child.one();
    assert_eq!(asked["method"], "tools/list");
    pair.says(&result(&asked, &json!({"tools": []})));
    assert_eq!(list.letters.answer().unwrap()["id"], 4);
    pair.request(caller(&pair), true, &request(&json!(5), "tools/call", &json!({"name": "z"})));
    assert_eq!(pair.child.methods(), [] as [&str; 0], "this one may ask");
}
