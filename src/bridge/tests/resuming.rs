//! Streams that are lost and taken up again.

use serde_json::json;

use super::child::{progress, result, tools_changed};
use super::*;
use crate::wire::id::StreamId;

#[test]
fn t11_a_lost_answer_is_given_once_to_the_client_that_comes_back() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let other = pair.tool_with_token(a, 2, &json!(2));
    let sent = pair.child.heard();
    for request in &sent {
        pair.says(&progress(request, 1));
    }
    let seen = *post.letters.ids().last().unwrap();
    pair.drop_reader(&post);
    assert!(pair.child.heard().is_empty(), "a lost connection cancels nothing");
    pair.says(&progress(&sent[0], 2));
    pair.says(&progress(&sent[1], 2));
    pair.says(&result(&sent[0], &json!({"mine": 1})));

    let back = pair.attach(a, seen);
    assert_eq!(back.letters.stream(), Some((Some(seen), false)), "it can be lost once more");
    let told: Vec<_> = back.letters.messages().iter().map(|m| m["params"].clone()).collect();
    assert_eq!(told, [json!({"progressToken": 1, "progress": 2})], "of this stream alone");
    assert_eq!(back.letters.answer().unwrap()["result"]["mine"], 1);
    assert!(back.letters.ids().iter().all(|id| id.stream == seen.stream && id.seq > seen.seq));
    pair.finish(&back);
    let again = pair.attach(a, seen);
    assert!(matches!(again.letters.refusal(), Some(Refusal::EventGone)), "it is given once");
    pair.says(&result(&sent[1], &json!({})));
    assert!(other.letters.answer().is_some());
}

#[test]
fn t11_a_stream_taken_up_while_the_call_runs_goes_on() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    pair.wait(secs(5));
    let (first, prime) = post.letters.stream().unwrap();
    assert!(prime);
    pair.drop_reader(&post);
    let back = pair.attach(a, first.unwrap());
    pair.says(&progress(&sent, 1));
    pair.says(&result(&sent, &json!({})));
    assert_eq!(back.letters.methods(), ["notifications/progress"]);
    assert!(back.letters.answer().is_some());
    let seqs: Vec<u64> = back.letters.ids().iter().map(|id| id.seq).collect();
    assert_eq!(seqs, [1, 2]);
}

#[test]
fn t11_another_session_cannot_take_up_a_stream() {
    let mut pair = Pair::shared();
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    let post = pair.tool(a, 1);
    pair.wait(secs(5));
    let first = post.letters.stream().unwrap().0.unwrap();
    pair.tool(b, 1);
    pair.wait(secs(5));
    let thief = pair.attach(b, first);
    assert!(matches!(thief.letters.refusal(), Some(Refusal::EventGone)));
    let unknown = EventId { stream: StreamId(2), seq: 0 };
    assert!(pair.attach(a, unknown).letters.refusal().is_some());
    let standing = EventId { stream: StreamId(3), seq: 0 };
    let again = pair.attach(a, standing);
    assert!(again.letters.stream().is_some(), "what stood before a restart stands again");
    let future = EventId { seq: 99, ..first };
    assert!(pair.attach(a, future).letters.refusal().is_some());
}

#[test]
fn kept_events_age() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool(a, 1);
    let sent = pair.child.one();
    pair.wait(secs(5));
    let first = post.letters.stream().unwrap().0.unwrap();
    pair.says(&result(&sent, &json!({})));
    pair.drop_reader(&post);
    pair.wait(secs(330));
    assert!(pair.attach(a, first).letters.refusal().is_some());
    assert!(pair.board.deadline().is_none(), "nothing is left to wait for");
}

#[test]
fn a_standing_stream_taken_up_again_is_told_what_changed_meanwhile() {
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    let first = listen.letters.stream().unwrap().0.unwrap();
    pair.drop_reader(&listen);
    pair.says(&tools_changed());
    pair.asks("roots/list");
    let back = pair.attach(a, first);
    assert_eq!(back.letters.methods(), ["notifications/tools/list_changed", "roots/list"]);
    pair.wait(secs(10));
    assert!(pair.child.heard().is_empty(), "the question has found its way");
}

#[test]
fn a_replay_that_does_not_fit_is_cut_and_goes_on_where_it_ended() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    for n in 1..=20 {
        pair.says(&progress(&sent, n));
    }
    let mut seen = post.letters.stream().unwrap().0.unwrap();
    pair.drop_reader(&post);
    for round in 0..10 {
        let back = pair.post();
        back.letters.holds(8);
        let (call, after, outlet) = (back.call, seen, back.letters.clone());
        let who = pair.who(a);
        pair.order(Order::Attach { call, who, after, outlet });
        let ids = back.letters.ids();
        let seqs: Vec<u64> = ids.iter().map(|id| id.seq).collect();
        let expected: Vec<u64> = (seen.seq + 1..=20.min(seen.seq + 7)).collect();
        assert_eq!(seqs, expected, "without a gap");
        seen = *ids.last().unwrap();
        if seen.seq == 20 {
            assert_eq!(round, 2);
            pair.says(&result(&sent, &json!({})));
            assert!(back.letters.answer().is_some());
            return;
        }
        assert!(back.letters.is_closed());
    }
    panic!("it never came to the end");
}

#[test]
fn closing_the_connection_of_a_call_leaves_the_rest_to_who_comes_back() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let old = pair.session(Version::V2025_06_18);
    let (post, kept) = (pair.tool(a, 1), pair.tool(old, 1));
    let sent = pair.child.heard();
    for request in &sent {
        let params = json!({"requestId": request["id"]});
        pair.says(&child::notice("notifications/stdiod/close_stream", &params));
    }
    assert!(post.letters.is_closed() && !kept.letters.is_closed());
    let first = post.letters.stream().unwrap().0.unwrap();
    pair.says(&result(&sent[0], &json!({})));
    assert!(pair.attach(a, first).letters.answer().is_some());
}

#[test]
fn the_goodbye_of_a_reader_that_was_replaced_ends_nothing() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    pair.wait(secs(5));
    let first = post.letters.stream().unwrap().0.unwrap();
    let back = pair.attach(a, first);
    assert!(post.letters.is_closed());
    pair.drop_reader(&post);
    pair.wait(secs(400));
    pair.says(&progress(&sent, 1));
    pair.says(&result(&sent, &json!({})));
    assert_eq!(back.letters.methods(), ["notifications/progress"]);
    assert!(back.letters.answer().is_some());
}
