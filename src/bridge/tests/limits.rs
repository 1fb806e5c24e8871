//! Queues, deadlines and other bounds.

use serde_json::json;

use super::child::{progress, result};
use super::*;

#[test]
fn what_waits_for_a_child_is_bounded_in_bytes() {
    let mut pair = Pair::starting(Tenancy::Shared, |limits| limits.waiting_bytes_max = 1000);
    let a = pair.session(Version::V2025_11_25);
    let params = json!({"name": "x", "arguments": "y".repeat(2000)});
    let first = pair.call(a, 1, "tools/call", &params);
    let second = pair.tool(a, 2);
    assert!(first.letters.is_empty(), "one may always wait");
    assert!(matches!(second.letters.refusal(), Some(Refusal::Busy { .. })));
    pair.note(a, "notifications/cancelled", &json!({"requestId": 1}));
    assert!(pair.tool(a, 3).letters.is_empty(), "there is room again");
}

#[test]
fn beyond_concurrency_calls_wait_in_order() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 2);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    for n in 0..6 {
        let front = if n % 2 == 0 { a } else { b };
        pair.call(front, n, "tools/call", &json!({"name": "x", "n": n}));
    }
    let mut order = Vec::new();
    let mut flying = pair.child.heard();
    assert_eq!(flying.len(), 2);
    while !flying.is_empty() {
        let next = flying.remove(0);
        order.push(next["params"]["n"].as_u64().unwrap());
        pair.says(&result(&next, &json!({})));
        flying.extend(pair.child.heard());
        assert!(flying.len() <= 2);
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn behind_concurrency_sessions_take_turns() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    for n in 0..200 {
        pair.tool(a, n);
    }
    let quick = pair.call(b, 1, "tools/call", &json!({"name": "quick"}));
    let newcomer = pair.call(b, 2, "initialize", &json!({}));
    assert!(newcomer.letters.answer().is_some(), "a newcomer waits for nobody");
    for _ in 0..3 {
        let sent = pair.child.one();
        pair.says(&result(&sent, &json!({})));
    }
    let sent = pair.child.one();
    assert_eq!(sent["params"]["name"], "x", "and then it is the other's turn again");
    assert!(quick.letters.answer().is_some());
}

#[test]
fn a_call_that_takes_too_long_is_cancelled_and_its_place_freed() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    let slow = pair.tool(a, 1);
    let sent = pair.child.one();
    pair.wait(secs(10));
    pair.tool(a, 2);
    assert!(pair.child.heard().is_empty());
    pair.wait(secs(590));
    let told = pair.child.heard();
    assert_eq!(told[0]["params"]["requestId"], sent["id"]);
    assert_eq!(told[1]["method"], "tools/call");
    assert!(slow.letters.answer().unwrap()["error"]["message"].as_str().unwrap().contains("600 s"));
}

#[test]
fn progress_gives_more_time_up_to_the_maximum() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    for n in 1..=7 {
        pair.wait(secs(500));
        pair.says(&progress(&sent, n));
        assert!(post.letters.answer().is_none());
    }
    pair.wait(secs(99));
    assert!(post.letters.answer().is_none());
    pair.wait(secs(1));
    assert_eq!(post.letters.code(), Some(-32603), "an hour is the most");
    assert_eq!(pair.child.methods(), ["notifications/cancelled"]);
}

#[test]
fn a_call_whose_client_cannot_be_answered_ends_after_orphan_ttl() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    pair.drop_reader(&post);
    pair.wait(secs(200));
    pair.says(&progress(&sent, 1));
    pair.wait(secs(99));
    assert_eq!(pair.board.calls(), 1, "the work may be worth doing");
    pair.wait(secs(1));
    assert_eq!(pair.child.methods(), ["notifications/cancelled"]);
    assert_eq!(pair.board.calls(), 0);
}

fn too_long() -> Refusal {
    Refusal::ChildTooLong { server: ServerName::new("git").unwrap(), bytes: 100, limit: 10 }
}

#[test]
fn an_answer_too_long_is_said_to_be_so_and_only_of_what_was_asked() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool(a, 1);
    let number = pair.child.one()["id"].as_u64().unwrap();
    let waiting = pair.tool(a, 2);
    let mut overlong = |number| pair.turn(|board, turn| board.spoilt(number, too_long(), turn));
    overlong(number + 4);
    overlong(number + 1);
    overlong(4000);
    assert!(post.letters.is_empty() && waiting.letters.is_empty());
    overlong(number);
    assert!(matches!(post.letters.refusal(), Some(Refusal::ChildTooLong { .. })));
    assert_eq!(pair.dropped(Dropped::StrayAnswer), 3);

    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let joining = pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/"}));
    let number = pair.child.one()["id"].as_u64().unwrap();
    pair.turn(|board, turn| board.spoilt(number, too_long(), turn));
    assert!(matches!(joining.letters.refusal(), Some(Refusal::ChildTooLong { .. })));
}

#[test]
fn a_slot_that_shuts_settles_everything() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    let listen = pair.listen(a, Vanish::Detach);
    let posts = [pair.tool(a, 1), pair.tool(a, 2)];
    let joining = pair.call(a, 3, "resources/subscribe", &json!({"uri": "a:/"}));
    pair.turn(|board, turn| board.shut(&Refusal::Interrupted, turn));
    for post in posts.iter().chain([&joining]) {
        assert!(matches!(post.letters.refusal(), Some(Refusal::Interrupted)));
    }
    assert!(listen.letters.is_closed());
    assert_eq!(pair.board.calls(), 0);
}

#[test]
fn a_call_whose_client_may_come_back_ends_too_unless_it_does() {
    for returns in [true, false] {
        let mut pair = Pair::shared();
        let a = pair.session(Version::V2025_11_25);
        let post = pair.tool(a, 1);
        pair.wait(secs(5));
        let first = post.letters.stream().unwrap().0.unwrap();
        pair.child.heard();
        pair.drop_reader(&post);
        pair.wait(secs(250));
        let back = returns.then(|| pair.attach(a, first));
        pair.wait(secs(50));
        assert_eq!(pair.child.heard().is_empty(), returns);
        assert_eq!(pair.board.calls(), usize::from(returns));
        if let Some(back) = back {
            pair.drop_reader(&back);
            pair.wait(secs(300));
            assert_eq!(pair.board.calls(), 0, "the time begins anew");
        }
    }
}

#[test]
fn other_limits_hold_from_then_on_and_changed_tools_are_told() {
    let limits = Limits::new(ServerName::new("git").unwrap());
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    let standing = pair.listen(a, Vanish::Detach);
    pair.tool(a, 1);
    pair.tool(a, 2);
    assert_eq!(pair.child.methods(), ["tools/call"]);

    let more = Limits { concurrency: 2, ..limits };
    pair.turn(|board, turn| board.adjust(more.clone(), turn));
    assert_eq!(pair.child.methods(), ["tools/call"], "the one that waited");
    assert!(standing.letters.messages().is_empty(), "its tools are the same");

    let filter = crate::config::model::ToolFilter { deny: vec!["rm".into()], ..Default::default() };
    let fewer =
        Limits { concurrency: 3, tools: crate::bridge::policy::ToolPolicy::new(filter), ..more };
    pair.turn(|board, turn| board.adjust(fewer, turn));
    assert_eq!(standing.letters.methods(), ["notifications/tools/list_changed"]);
    let hidden = pair.call(a, 3, "tools/call", &json!({"name": "rm"}));
    assert_eq!(hidden.letters.code(), Some(-32602));
}
