//! What becomes of everybody when the child dies and another comes.

use serde_json::json;

use super::child::{result, updated};
use super::*;

#[test]
fn t42_calls_that_act_fail_at_once_and_reads_are_repeated_once() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let act = pair.tool(a, 1);
    let read = pair.call(a, 2, "resources/read", &json!({"uri": "a:/x"}));
    let list = pair.call(a, 3, "tools/list", &json!({}));
    let before = pair.child.heard();
    pair.dies();
    let why = act.letters.refusal().unwrap();
    assert!(matches!(why, Refusal::ChildGone { .. }) && why.fault().code == -32603);
    assert!(read.letters.is_empty() && list.letters.is_empty());

    pair.ready();
    let again = pair.child.heard();
    let methods: Vec<_> = again.iter().map(|line| line["method"].clone()).collect();
    assert_eq!(methods, ["notifications/initialized", "resources/read", "tools/list"]);
    assert!(
        again.iter().all(
            |line| before.iter().all(|old| old["id"] != line["id"]) || line.get("id").is_none()
        )
    );
    pair.says(&result(&before[1], &json!({"old": true})));
    assert!(read.letters.is_empty(), "the dead child's number answers nothing");
    pair.says(&result(&again[1], &json!({"new": true})));
    assert_eq!(read.letters.answer().unwrap()["result"]["new"], true);

    pair.dies();
    assert_eq!(list.letters.code(), Some(-32603), "once is enough");
    assert_eq!(pair.board.fronts(), 1, "the session stays");
}

#[test]
fn t42_a_new_child_is_told_of_subscriptions_and_level_and_clients_of_changes() {
    let mut pair = Pair::shared();
    for method in ["resources/subscribe", "logging/setLevel"] {
        pair.child.on(method, |request| vec![result(request, &json!({}))]);
    }
    let a = pair.session(Version::V2025_11_25);
    let listen = pair.listen(a, Vanish::Detach);
    pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/x"}));
    pair.call(a, 2, "logging/setLevel", &json!({"level": "debug"}));
    pair.drive();
    pair.child.heard();
    pair.dies();
    pair.says(&updated("a:/x"));
    assert!(listen.letters.messages().is_empty(), "the dead say nothing");
    pair.ready();
    let told = pair.child.heard();
    assert_eq!(told[1]["params"], json!({"uri": "a:/x"}));
    assert_eq!(told[2]["params"], json!({"level": "debug"}));
    assert_eq!(told.len(), 3);
    assert_eq!(
        listen.letters.methods(),
        ["notifications/tools/list_changed", "notifications/resources/list_changed"],
        "what the child announces may have changed"
    );
    pair.drive();
    pair.says(&updated("a:/x"));
    assert_eq!(listen.letters.messages().len(), 3);
}

#[test]
fn a_private_childs_successor_is_greeted_to_the_end_by_the_bridge() {
    let (mut pair, _) = Pair::private();
    pair.dies();
    pair.ready();
    assert_eq!(pair.child.methods(), ["notifications/initialized"]);
}

#[test]
fn questions_of_a_dead_child_are_taken_back() {
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    pair.asks("roots/list");
    pair.dies();
    assert_eq!(listen.letters.methods(), ["roots/list", "notifications/cancelled"]);
    assert_eq!(pair.board.asks(), 0);
    let id = listen.letters.messages()[0]["id"].clone();
    pair.ready();
    pair.child.heard();
    pair.answer(a, &id);
    assert!(pair.child.heard().is_empty());
}

#[test]
fn calls_wait_for_a_starting_child_and_go_in_order() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let a = pair.session(Version::V2025_11_25);
    for n in 0..5 {
        pair.call(a, n, "tools/call", &json!({"name": "x", "n": n}));
    }
    assert!(pair.child.heard().is_empty());
    pair.ready();
    let sent: Vec<_> = pair.child.heard().iter().map(|line| line["params"]["n"].clone()).collect();
    assert_eq!(sent[1..], [0, 1, 2, 3, 4]);
}

#[test]
fn calls_wait_for_a_child_no_longer_than_start_wait() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let a = pair.session(Version::V2025_11_25);
    let text = request(&json!(1), "tools/call", &json!({"name": "x"}));
    let post = pair.request(pair.caller(a), false, &text);
    pair.wait(Duration::from_millis(19_999));
    assert!(post.letters.is_empty());
    pair.wait(Duration::from_millis(1));
    assert!(matches!(post.letters.refusal(), Some(Refusal::NoChild { .. })));
    pair.ready();
    assert_eq!(pair.child.methods(), ["notifications/initialized"], "it is not sent any more");
}

#[test]
fn who_comes_when_a_start_has_outlived_start_wait_hardly_waits_for_it() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let a = pair.session(Version::V2025_11_25);
    let mut n = 0;
    let mut ask = |pair: &mut Pair| {
        n += 1;
        let text = request(&json!(n), "tools/call", &json!({"name": "x"}));
        pair.request(pair.caller(a), false, &text)
    };
    pair.begins();
    pair.wait(Duration::from_millis(19_999));
    let early = ask(&mut pair);
    pair.wait(Duration::from_millis(1));
    // A second attempt changes nothing about it.
    pair.begins();
    let late = ask(&mut pair);
    pair.wait(Duration::from_millis(999));
    assert!(late.letters.is_empty() && early.letters.is_empty());
    pair.wait(Duration::from_millis(1));
    let Some(Refusal::NoChild { why, .. }) = late.letters.refusal() else { panic!("it waits") };
    assert!(why.contains("still starting after 21 s") && why.contains("start_wait"), "{why}");
    pair.wait(Duration::from_millis(18_998));
    assert!(early.letters.is_empty(), "who came in time has all of it");
    pair.wait(Duration::from_millis(1));
    assert!(early.letters.refusal().is_some());

    // What is there at last was not waited for in vain.
    let late = ask(&mut pair);
    pair.wait(Duration::from_millis(500));
    pair.ready();
    assert_eq!(pair.child.methods(), ["notifications/initialized", "tools/call"]);
    assert!(late.letters.is_empty());
    pair.dies();
    pair.begins();
    let next = ask(&mut pair);
    pair.wait(secs(19));
    assert!(next.letters.is_empty(), "its successor has its own time");
    pair.rests();
    pair.begins();
    let next = ask(&mut pair);
    pair.wait(secs(19));
    assert!(next.letters.is_empty());
}

#[test]
fn when_waiting_is_pointless_all_are_told_why_until_a_child_is_there() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let a = pair.session(Version::V2025_11_25);
    let waiting = pair.tool(a, 1);
    pair.is_given_up();
    let late = pair.tool(a, 2);
    for post in [&waiting, &late] {
        assert!(matches!(post.letters.refusal(), Some(Refusal::NoChild { .. })));
    }
    assert!(pair.call(a, 3, "ping", &json!({})).letters.answer().is_some());
    pair.ready();
    let call = pair.tool(a, 4);
    pair.child.on("tools/call", |request| vec![result(request, &json!({}))]);
    pair.drive();
    assert!(call.letters.answer().is_some());
}

#[test]
fn who_waits_for_a_place_at_a_ready_child_has_the_time_of_a_request() {
    let mut pair = Pair::starting(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    pair.tool(a, 1);
    let second = pair.tool(a, 2);
    pair.wait(secs(19));
    pair.ready();
    let first = pair.child.heard().pop().unwrap();
    pair.wait(secs(500));
    assert!(second.letters.answer().is_none());
    pair.says(&result(&first, &json!({})));
    assert_eq!(pair.child.methods(), ["tools/call"]);
}

#[test]
fn who_waited_for_a_place_at_a_dead_child_waits_for_the_next_no_longer_than_start_wait() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    pair.tool(a, 1);
    let second = pair.tool(a, 2);
    pair.wait(secs(4));
    pair.dies();
    pair.wait(secs(20));
    assert_eq!(second.letters.code(), Some(-32603));
    let message = second.letters.answer().unwrap()["error"]["message"].clone();
    assert!(message.as_str().unwrap().contains("start_wait"), "{message}");
}

#[test]
fn subscriptions_under_way_when_the_child_dies_wait_for_the_next_or_are_refused() {
    for comes in [true, false] {
        let mut pair = Pair::shared();
        let a = pair.session(Version::V2025_11_25);
        let text = request(&json!(1), "resources/subscribe", &json!({"uri": "a:/"}));
        let post = pair.request(pair.caller(a), false, &text);
        pair.dies();
        pair.child.on("resources/subscribe", |request| vec![result(request, &json!({}))]);
        pair.child.react();
        assert!(post.letters.is_empty());
        if comes {
            pair.ready();
            pair.drive();
            assert!(post.letters.answer().is_some());
        } else {
            pair.is_given_up();
            assert!(matches!(post.letters.refusal(), Some(Refusal::NoChild { .. })));
        }
        assert_eq!(pair.board.calls(), 0);
    }
}

#[test]
fn nothing_is_left_of_subscribers_who_leave_while_no_child_is_there() {
    let mut pair = Pair::shared();
    pair.child.on("resources/subscribe", |request| vec![result(request, &json!({}))]);
    let a = pair.session(Version::V2025_11_25);
    pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/"}));
    pair.drive();
    pair.call(a, 2, "resources/subscribe", &json!({"uri": "b:/"}));
    pair.cancel(a, 2);
    pair.dies();
    pair.close(a);
    assert!(pair.board.is_empty_handed());
    pair.child.heard();
    pair.ready();
    assert_eq!(pair.child.methods(), ["notifications/initialized"]);
}
