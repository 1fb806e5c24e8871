//! Streams of changes: of clients without a session, and of the bridge itself.

use serde_json::json;

use super::child::{error, log, notice, progress, result, tools_changed, updated};
use super::eras::acknowledged;
use super::modern::*;
use super::*;
use crate::wire::id::{Flight, UpstreamId};
use crate::wire::version::Era;

pub(super) fn accept(pair: &mut Pair) {
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        pair.child.on(method, |request| vec![result(request, &json!({}))]);
    }
}

/// What a child without a handshake says on a stream.
pub(super) fn on_stream(id: &Value, method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"][SUBSCRIPTION] = id.clone();
    notice(method, &params)
}

pub(super) fn caller() -> Caller {
    modern("p", "{}")
}

#[test]
fn t25_a_stream_begins_with_what_is_honoured_under_the_clients_own_id() {
    let wanted = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": false,
        "resourceSubscriptions": ["a:/x"],
    });
    for id in [json!(7), json!("7"), json!("L1")] {
        let mut pair = Pair::shared();
        accept(&mut pair);
        let listen = pair.hears(&caller(), id.clone(), &wanted);
        assert!(listen.letters.messages().is_empty(), "the child's word is waited for");
        pair.says(&tools_changed());
        assert!(listen.letters.messages().is_empty(), "nothing comes before it");
        pair.drive();
        let told = listen.letters.messages();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(
            told[0]["params"]["notifications"],
            json!({"toolsListChanged": true, "resourceSubscriptions": ["a:/x"]}),
            "the child tells of no prompts"
        );
        assert_eq!(told[0]["params"]["_meta"][SUBSCRIPTION], id);
    }
}

#[test]
fn t25_a_stream_carries_what_was_asked_for_and_ends_with_a_result() {
    let mut pair = Pair::shared();
    let listen = pair.hears(&caller(), "L", &json!({"toolsListChanged": true}));
    let other = pair.hears(&caller(), "M", &json!({"resourcesListChanged": true}));
    let params = json!({"name": "x", "_meta": {"progressToken": 1, LEVEL: "debug"}});
    let call = pair.wants(&caller(), 1, "tools/call", &params);
    let request = pair.child.heard().pop().unwrap();
    pair.says(&progress(&request, 1));
    pair.says(&log("error", "x"));
    pair.says(&tools_changed());
    pair.says(&updated("a:/x"));
    assert_eq!(call.letters.messages().len(), 2);
    let told = listen.letters.messages();
    assert_eq!(listen.letters.methods()[1..], ["notifications/tools/list_changed"]);
    assert_eq!(told[1]["params"]["_meta"][SUBSCRIPTION], "L");
    assert_eq!(other.letters.messages().len(), 1);
    assert_eq!(pair.board.calls(), 1, "nobody waits for a stream");
    pair.turn(Switchboard::hang_up);
    let end = listen.letters.answer().unwrap();
    assert_eq!((&end["id"], &end["result"]["_meta"][SUBSCRIPTION]), (&json!("L"), &json!("L")));
    assert_eq!(end["result"]["resultType"], "complete");
    assert!(other.letters.answer().is_some());
}

#[test]
fn t25_what_is_wrong_with_a_stream_is_said() {
    for era in [Era::Legacy, Era::Modern] {
        let mut pair = Pair::of(era);
        for filter in
            [json!(7), json!({"toolsListChanged": 1}), json!({"resourceSubscriptions": [1]})]
        {
            assert_eq!(pair.hears(&caller(), 1, &filter).letters.code(), Some(-32602), "{filter}");
        }
        let text = request(
            &json!(1),
            "subscriptions/listen",
            &enveloped(&caller(), &json!({"notifications": {}})),
        );
        let post = pair.request(caller(), false, &text);
        assert!(matches!(post.letters.refusal(), Some(Refusal::NeedsStream)));
        assert!(pair.child.heard().is_empty());
        assert!(pair.is_empty_handed() || era == Era::Modern);
    }
}

#[test]
fn t25_a_stream_on_a_newer_child_is_the_childs_own() {
    let mut pair = Pair::modern();
    let listen = pair.hears(&caller(), "L", &json!({"toolsListChanged": true}));
    let request = pair.child.one();
    assert_eq!(request["params"]["notifications"], json!({"toolsListChanged": true}));
    let id = request["id"].clone();
    let change = on_stream(&id, "notifications/tools/list_changed", &json!({}));
    pair.says(&change);
    assert!(listen.letters.messages().is_empty(), "nothing comes before the acknowledgement");
    pair.says(&acknowledged(&id, &json!({"toolsListChanged": true})));
    pair.says(&change);
    pair.says(&on_stream(&json!(id.to_string()), "notifications/tools/list_changed", &json!({})));
    let told = listen.letters.messages();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|message| message["params"]["_meta"][SUBSCRIPTION] == "L"));
    assert_eq!(told[0]["params"]["notifications"], json!({"toolsListChanged": true}));
    pair.drop_reader(&listen);
    assert_eq!(pair.child.one()["params"]["requestId"], id);
    pair.says(&change);
    assert_eq!(listen.letters.messages().len(), 3);
}

#[test]
fn t25_a_newer_child_may_end_a_stream_in_either_way() {
    for by_result in [true, false] {
        let mut pair = Pair::modern();
        let listen = pair.hears(&caller(), 7, &json!({"toolsListChanged": true}));
        let request = pair.child.one();
        pair.says(&acknowledged(&request["id"], &json!({})));
        let end = json!({"resultType": "complete", "_meta": {SUBSCRIPTION: request["id"]}});
        let end = result(&request, &end);
        let cancel = notice("notifications/cancelled", &json!({"requestId": request["id"]}));
        for line in if by_result { [&end, &cancel] } else { [&cancel, &end] } {
            pair.says(line);
        }
        let answer = listen.letters.answer().unwrap();
        assert_eq!(
            (&answer["id"], &answer["result"]["_meta"][SUBSCRIPTION]),
            (&json!(7), &json!(7))
        );
        assert!(pair.child.heard().is_empty(), "what it has ended is not taken back");
    }
    let mut pair = Pair::modern();
    let listen = pair.hears(&caller(), 7, &json!({"toolsListChanged": true}));
    let request = pair.child.one();
    pair.says(&error(&request, -32601));
    assert_eq!(listen.letters.code(), Some(-32601));
}

#[test]
fn t25_a_slow_child_does_not_hold_up_the_acknowledgement() {
    let mut pair = Pair::shared();
    let listen = pair.hears(&caller(), 1, &json!({"resourceSubscriptions": ["a:/x", "a:/y"]}));
    let asked = pair.child.heard();
    pair.says(&error(&asked[0], -32602));
    pair.wait(Duration::from_millis(499));
    assert!(listen.letters.messages().is_empty());
    pair.wait(Duration::from_millis(1));
    let told = listen.letters.messages();
    assert_eq!(told[0]["params"]["notifications"], json!({"resourceSubscriptions": ["a:/y"]}));
    pair.says(&error(&asked[1], -32602));
    assert_eq!(listen.letters.messages().len(), 1);
}

#[test]
fn t26_streams_and_sessions_are_counted_together() {
    let mut pair = Pair::shared();
    accept(&mut pair);
    let wanted = json!({"resourceSubscriptions": ["a:/x"]});
    let listens = [pair.hears(&caller(), 1, &wanted), pair.hears(&caller(), 1, &wanted)];
    let a = pair.session(Version::V2025_11_25);
    pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/x"}));
    pair.drive();
    assert_eq!(pair.child.methods(), ["resources/subscribe"], "once for all");
    assert!(listens.iter().all(|listen| listen.letters.messages().len() == 1));
    assert!(pair.board.is_in_use());
    pair.drop_reader(&listens[0]);
    pair.close(a);
    assert!(pair.child.heard().is_empty());
    pair.drop_reader(&listens[1]);
    assert_eq!(pair.child.methods(), ["resources/unsubscribe"]);
    assert!(!pair.board.is_in_use() && pair.is_empty_handed());
    // Who leaves before the child's word is unsubscribed after it.
    let hasty = pair.hears(&caller(), 1, &wanted);
    let asked = pair.child.one();
    pair.drop_reader(&hasty);
    assert!(pair.child.heard().is_empty());
    pair.says(&result(&asked, &json!({})));
    assert_eq!(pair.child.methods(), ["resources/unsubscribe"]);
    assert!(pair.is_empty_handed());
}

#[test]
fn t27_updates_reach_the_streams_that_asked_for_them_or_for_what_they_lie_in() {
    let mut pair = Pair::shared();
    accept(&mut pair);
    let listens = ["a:/x", "a:/x/y", "b:/"].map(|uri| {
        let listen = pair.hears(&caller(), uri, &json!({"resourceSubscriptions": [uri]}));
        pair.drive();
        listen
    });
    let all = pair.hears(&caller(), 9, &json!({"resourcesListChanged": true}));
    let mut heard = |uri: &str| {
        let count = |listen: &Post| listen.letters.messages().len();
        let before = listens.each_ref().map(count);
        pair.says(&updated(uri));
        let after = listens.each_ref().map(count);
        [0, 1, 2].map(|n| after[n] - before[n])
    };
    assert_eq!(heard("a:/x"), [1, 0, 0]);
    assert_eq!(heard("a:/x/y"), [1, 1, 0]);
    assert_eq!(heard("a:/xy"), [0, 0, 0]);
    assert_eq!(heard("b:/1"), [0, 0, 1]);
    assert_eq!(all.letters.messages().len(), 1);
    let told = listens[1].letters.messages().pop().unwrap();
    assert_eq!(
        (&told["params"]["uri"], &told["params"]["_meta"][SUBSCRIPTION]),
        (&json!("a:/x/y"), &json!("a:/x/y"))
    );
}

#[test]
fn a_token_of_a_stream_is_exchanged_like_any_other() {
    let mut pair = Pair::modern();
    let params = json!({"notifications": {}, "_meta": {"progressToken": 64}});
    let listen = pair.wants(&caller(), 1, "subscriptions/listen", &params);
    let request = pair.child.one();
    assert_eq!(request["params"]["_meta"]["progressToken"], request["id"]);
    pair.says(&acknowledged(&request["id"], &json!({})));
    pair.says(&progress(&request, 1));
    assert_eq!(listen.letters.messages().len(), 1);
}

#[test]
fn t26_who_leaves_before_the_childs_word_leaves_nothing_when_that_is_gone() {
    let mut pair = Pair::shared();
    let wanted = json!({"resourceSubscriptions": ["a:/x", "a:/y"]});
    let listen = pair.hears(&caller(), 1, &wanted);
    pair.dies();
    pair.ready();
    pair.drop_reader(&listen);
    pair.dies();
    assert!(pair.is_empty_handed());
}

#[test]
fn a_number_that_the_child_made_up_ends_no_stream() {
    let mut pair = Pair::shared();
    let listen = pair.hears(&caller(), 1, &json!({"toolsListChanged": true}));
    let number = UpstreamId::call(listen.call, Flight::default()).0;
    pair.says(&json!({"jsonrpc": "2.0", "id": number, "result": {}}));
    assert!(listen.letters.answer().is_none());
    assert_eq!(pair.dropped(Dropped::StrayAnswer), 1);
}

#[test]
fn t26_streams_of_changes_are_bounded_for_one_client_and_for_all() {
    for era in [Era::Legacy, Era::Modern] {
        let mut pair = Pair::of(era);
        let filter = json!({"toolsListChanged": true});
        let mut open = Vec::new();
        for principal in ["a", "b", "c", "d"].map(|name| modern(name, "{}")) {
            open.extend((0..256).map(|n| pair.hears(&principal, n, &filter)));
            let one_more = pair.hears(&principal, 256, &filter);
            assert_eq!(one_more.letters.code(), Some(-32603));
            assert!(matches!(one_more.letters.refusal(), Some(Refusal::Busy { .. })));
        }
        assert!(open.iter().all(|listen| listen.letters.refusal().is_none()));
        pair.drop_reader(&open.remove(0));
        assert!(pair.hears(&modern("e", "{}"), 1, &filter).letters.refusal().is_none());
        assert!(pair.hears(&modern("f", "{}"), 1, &filter).letters.refusal().is_some());
        assert_eq!(pair.board.listens(), 1024);
    }
}

#[test]
fn t26_a_stream_of_changes_keeps_no_long_request() {
    let mut pair = Pair::shared();
    let wanted = |length: usize| json!({"resourceSubscriptions": ["x".repeat(length)]});
    let long = pair.hears(&caller(), 1, &wanted(64 << 10));
    assert_eq!(long.letters.code(), Some(-32602));
    assert!(pair.child.heard().is_empty() && pair.is_empty_handed());
    assert!(pair.hears(&caller(), 1, &wanted(63 << 10)).letters.refusal().is_none());
}

#[test]
fn t26_streams_of_one_client_do_not_use_up_the_subscriptions_of_others() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| {
        (limits.subscriptions_max, limits.subscriptions_per_front) = (8, 2);
    });
    accept(&mut pair);
    let a = modern("a", "{}");
    let mut opens = |caller: &Caller, n: u32| {
        let uris = [format!("a:/{n}"), format!("b:/{n}")];
        let listen = pair.hears(caller, n, &json!({"resourceSubscriptions": uris}));
        pair.drive();
        listen
    };
    let first = [opens(&a, 1), opens(&a, 2)];
    assert!(matches!(opens(&a, 3).letters.refusal(), Some(Refusal::Busy { .. })));
    let other = opens(&modern("b", "{}"), 4);
    let honoured = &other.letters.messages()[0]["params"]["notifications"];
    assert_eq!(honoured["resourceSubscriptions"], json!(["a:/4", "b:/4"]));
    pair.drop_reader(&first[0]);
    assert!(
        pair.hears(&a, 5, &json!({"resourceSubscriptions": ["a:/5"]})).letters.refusal().is_none()
    );
}
