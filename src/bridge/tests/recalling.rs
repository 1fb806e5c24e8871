//! What is answered for a child that rests, and what is not.

use serde_json::json;

use super::child::{error, notice, result, tools_changed};
use super::*;
use crate::bridge::switchboard::Need;

const LISTS: [&str; 4] =
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

/// A shared child that has been asked for its tools, and rests.
fn resting(change: impl Fn(&mut Limits)) -> (Pair, FrontId) {
    let mut pair = Pair::with(Tenancy::Shared, change);
    pair.child.on("tools/list", |request| {
        let tools = json!([{"name": "show"}, {"name": "hide"}]);
        vec![result(request, &json!({"tools": tools}))]
    });
    pair.child.on("prompts/list", |request| vec![error(request, -32601)]);
    let a = pair.session(Version::V2025_11_25);
    for method in ["tools/list", "prompts/list"] {
        pair.call(a, method, method, &json!({}));
    }
    pair.drive();
    pair.rests();
    pair.child.heard();
    (pair, a)
}

fn need(pair: &Pair, method: &str, params: &Value) -> Need {
    let request = frame(&request(&json!(1), method, params));
    let outlet = Letters::new();
    let reach = Reach::Own { outlet, streams: true };
    let caller = pair.caller(FrontId(1));
    pair.board.need(&Order::Call { call: CallId(999), caller, request, reach })
}

fn recalled(pair: &Pair) -> usize {
    let is_one = |note: &&Note| matches!(note, Note::Settled(settled) if settled.recalled);
    pair.notes.iter().filter(is_one).count()
}

#[test]
fn handshakes_and_known_lists_are_answered_for_a_child_that_rests() {
    let (mut pair, a) = resting(|_| {});
    let b = pair.session(Version::V2025_06_18);
    let greeting = pair.call(b, 1, "initialize", &json!({})).letters.answer().unwrap();
    assert_eq!(greeting["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(greeting["result"]["serverInfo"]["name"], "pretend");
    pair.note(b, "notifications/initialized", &json!({}));
    let token = json!({"_meta": {"progressToken": "p"}});
    let tools = pair.call(b, "l", "tools/list", &token).letters.answer_text().unwrap();
    assert_eq!(
        tools,
        r#"{"jsonrpc":"2.0","id":"l","result":{"tools":[{"name":"show"},{"name":"hide"}]}}"#
    );
    let unknown = pair.call(a, 3, "prompts/list", &json!({})).letters.answer().unwrap();
    assert_eq!((&unknown["id"], &unknown["error"]["code"]), (&json!(3), &json!(-32601)));
    assert!(pair.child.heard().is_empty());
    assert_eq!((recalled(&pair), pair.board.calls()), (3, 0));
}

#[test]
fn all_else_waits_for_the_child() {
    let (mut pair, a) = resting(|_| {});
    for (method, params) in [
        ("tools/call", json!({"name": "x"})),
        ("resources/list", json!({})),
        ("tools/list", json!({"cursor": "2"})),
        ("tools/list", json!({"filter": 1})),
        ("tools/list", json!({"_meta": {"traceparent": "t"}})),
        ("resources/subscribe", json!({"uri": "a:/x"})),
        ("completion/complete", json!({})),
        ("vendor/thing", json!({})),
    ] {
        assert_eq!(need(&pair, method, &params), Need::Child, "{method}");
    }
    for method in ["initialize", "tools/list", "prompts/list", "logging/setLevel"] {
        assert_eq!(need(&pair, method, &json!({})), Need::Memory, "{method}");
    }
    assert_eq!(need(&pair, "ping", &json!({})), Need::Nothing);
    let call = pair.tool(a, 1);
    pair.wakes();
    let list = pair.call(a, 2, "tools/list", &json!({}));
    assert!(call.letters.is_empty() && list.letters.is_empty(), "it is starting and is waited for");
    pair.ready();
    assert_eq!(pair.child.methods()[1..], ["tools/call", "tools/list"]);
    assert_eq!(recalled(&pair), 0);
}

#[test]
fn a_running_child_is_always_asked_and_what_it_says_replaces_what_it_said() {
    let (mut pair, a) = resting(|_| {});
    pair.wakes();
    pair.ready();
    pair.child.on("tools/list", |request| vec![result(request, &json!({"tools": [3]}))]);
    let list = |pair: &mut Pair| pair.call(a, 1, "tools/list", &json!({}));
    let asked = list(&mut pair);
    pair.drive();
    assert_eq!(asked.letters.answer().unwrap()["result"]["tools"], json!([3]));
    pair.rests();
    assert_eq!(list(&mut pair).letters.answer().unwrap()["result"]["tools"], json!([3]));
    // An error is no list, and not the last word either.
    pair.wakes();
    pair.ready();
    pair.child.on("tools/list", |request| vec![error(request, -32603)]);
    list(&mut pair);
    pair.drive();
    pair.rests();
    assert_eq!(need(&pair, "tools/list", &json!({})), Need::Child);
}

#[test]
fn a_changed_list_is_forgotten_with_the_answers_under_way() {
    let (mut pair, a) = resting(|_| {});
    pair.wakes();
    pair.ready();
    let under_way = pair.call(a, 1, "tools/list", &json!({}));
    pair.says(&tools_changed());
    pair.drive();
    assert!(under_way.letters.answer().is_some());
    pair.rests();
    assert_eq!(need(&pair, "tools/list", &json!({})), Need::Child);
    assert_eq!(need(&pair, "prompts/list", &json!({})), Need::Memory);
    pair.wakes();
    pair.ready();
    for method in LISTS {
        pair.child.on(method, |request| vec![result(request, &json!({}))]);
        pair.call(a, method, method, &json!({}));
    }
    pair.drive();
    pair.says(&notice("notifications/resources/list_changed", &json!({})));
    pair.rests();
    let needs = LISTS.map(|method| need(&pair, method, &json!({})));
    assert_eq!(needs, [Need::Memory, Need::Memory, Need::Child, Need::Child]);
}

#[test]
fn hidden_tools_stay_hidden() {
    let denied = |limits: &mut Limits| {
        let deny = vec!["hide".to_owned()];
        let filter = crate::config::model::ToolFilter { deny, ..Default::default() };
        limits.tools = crate::bridge::policy::ToolPolicy::new(filter);
    };
    let (mut pair, a) = resting(denied);
    let list = pair.call(a, 1, "tools/list", &json!({})).letters.answer().unwrap();
    assert_eq!(list["result"]["tools"], json!([{"name": "show"}]));
}

#[test]
fn a_failing_child_is_never_answered_for() {
    let (mut pair, a) = resting(|_| {});
    pair.wakes();
    let waiting = pair.call(a, 1, "tools/list", &json!({}));
    pair.dies();
    assert!(waiting.letters.is_empty());
    pair.is_given_up();
    let late = pair.call(a, 2, "initialize", &json!({}));
    for post in [&waiting, &late] {
        assert!(matches!(post.letters.refusal(), Some(Refusal::NoChild { .. })));
    }
    assert_eq!(recalled(&pair), 0);
}

#[test]
fn a_private_child_is_never_answered_for() {
    let (mut pair, a) = Pair::private();
    pair.child.on("tools/list", |request| vec![result(request, &json!({"tools": []}))]);
    pair.call(a, 1, "tools/list", &json!({}));
    pair.drive();
    pair.rests();
    for method in ["initialize", "tools/list", "logging/setLevel", "resources/unsubscribe"] {
        assert_eq!(need(&pair, method, &json!({"uri": "a:/x"})), Need::Child, "{method}");
    }
    assert!(pair.call(a, 2, "tools/list", &json!({})).letters.is_empty());
}

#[test]
fn levels_and_goodbyes_to_resources_wait_for_nobody_and_the_child_hears_of_them_when_it_is_back() {
    let (mut pair, a) = resting(|_| {});
    pair.wakes();
    for method in ["resources/subscribe", "logging/setLevel"] {
        pair.child.on(method, |request| vec![result(request, &json!({}))]);
    }
    pair.ready();
    for uri in ["a:/x", "a:/y"] {
        pair.call(a, uri, "resources/subscribe", &json!({"uri": uri}));
    }
    pair.drive();
    pair.rests();
    pair.child.heard();
    let left = pair.call(a, 1, "resources/unsubscribe", &json!({"uri": "a:/x"}));
    let level = pair.call(a, 2, "logging/setLevel", &json!({"level": "debug"}));
    let loud = pair.call(a, 3, "logging/setLevel", &json!({"level": "loud"}));
    assert!(left.letters.answer().is_some() && level.letters.answer().is_some());
    assert_eq!(loud.letters.code(), Some(-32602));
    pair.wakes();
    pair.ready();
    let told: Vec<Value> = pair.child.heard().into_iter().map(|m| m["params"].clone()).collect();
    assert_eq!(told[1..], [json!({"uri": "a:/y"}), json!({"level": "debug"})]);
}

#[test]
fn who_was_answered_from_memory_is_told_of_changes_when_the_first_child_is_there() {
    let (old, _) = resting(|_| {});
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    pair.board.remember(old.board.memory().clone());
    pair.board.child_rests(true);
    let a = pair.session(Version::V2025_11_25);
    let listen = pair.listen(a, Vanish::Detach);
    assert!(pair.call(a, 1, "tools/list", &json!({})).letters.answer().is_some());
    pair.call(a, 2, "logging/setLevel", &json!({"level": "debug"}));
    pair.wakes();
    pair.ready();
    let heard = pair.child.methods();
    assert_eq!(heard, ["notifications/initialized", "logging/setLevel"]);
    assert_eq!(
        listen.letters.methods(),
        ["notifications/tools/list_changed", "notifications/resources/list_changed"]
    );
}

#[test]
fn only_a_subscriber_who_listens_keeps_a_child_or_wakes_it() {
    let mut pair = Pair::shared();
    pair.child.on("resources/subscribe", |request| vec![result(request, &json!({}))]);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    pair.listen(b, Vanish::Detach);
    pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/x"}));
    pair.drive();
    assert!(!pair.board.is_in_use(), "one listens, and another subscribed");
    let listen = |pair: &Pair, front| {
        let (call, outlet) = (CallId(99), Letters::new());
        let who = pair.who(front);
        pair.board.need(&Order::Listen { call, who, outlet, vanish: Vanish::Detach })
    };
    assert_eq!((listen(&pair, a), listen(&pair, b)), (Need::Child, Need::Nothing));
    pair.listen(a, Vanish::Detach);
    assert!(pair.board.is_in_use());
    pair.close(a);
    assert!(!pair.board.is_in_use());
    pair.call(b, 1, "tools/list", &json!({}));
    assert!(!pair.board.is_in_use(), "who polls is no user");
    pair.tool(b, 2);
    assert!(pair.board.is_in_use());
}

#[test]
fn forgetting_the_child_makes_it_needed() {
    let (mut pair, _) = resting(|_| {});
    pair.board.forget_child();
    for method in ["initialize", "tools/list"] {
        assert_eq!(need(&pair, method, &json!({})), Need::Child);
    }
}
