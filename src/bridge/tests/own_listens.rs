//! Streams of changes on which the bridge itself listens, for sessions on a child without a handshake.

use serde_json::json;

use super::child::{error, notice, result, tools_changed};
use super::eras::acknowledged;
use super::listens::{caller, on_stream};
use super::*;

#[test]
fn t26_sessions_on_a_newer_child_share_one_stream_of_the_bridge() {
    let mut pair = Pair::modern();
    let fronts: Vec<FrontId> = (0..3).map(|_| pair.session(Version::V2025_11_25)).collect();
    let uri = json!({"uri": "a:/x"});
    let posts: Vec<Post> =
        fronts.iter().map(|front| pair.call(*front, 1, "resources/subscribe", &uri)).collect();
    let asked = pair.child.one();
    assert_eq!(asked["params"]["notifications"], json!({"resourceSubscriptions": ["a:/x"]}));
    pair.says(&acknowledged(&asked["id"], &json!({"resourceSubscriptions": ["a:/x"]})));
    assert!(posts.iter().all(|post| post.letters.answer().is_some()));
    let stream = pair.listen(fronts[0], Vanish::Detach);
    pair.says(&on_stream(
        &asked["id"],
        "notifications/resources/updated",
        &json!({"uri": "a:/x/y"}),
    ));
    let told = stream.letters.messages();
    assert_eq!(
        told,
        [notice("notifications/resources/updated", &json!({"uri": "a:/x/y", "_meta": {}}))]
    );
    pair.call(fronts[0], 2, "resources/unsubscribe", &uri);
    pair.close(fronts[1]);
    assert!(pair.child.heard().is_empty());
    pair.close(fronts[2]);
    let cancelled = pair.child.one();
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], asked["id"]);
}

#[test]
fn t26_a_newer_child_that_does_not_honour_a_resource_is_not_listened_to() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_11_25);
    let subscribe = |pair: &mut Pair, id: u32| {
        let post = pair.call(a, id, "resources/subscribe", &json!({"uri": "a:/x"}));
        (post, pair.child.one())
    };
    let (post, asked) = subscribe(&mut pair, 1);
    pair.says(&acknowledged(&asked["id"], &json!({})));
    assert_eq!(post.letters.code(), Some(-32602));
    assert_eq!(pair.child.one()["params"]["requestId"], asked["id"]);
    for (id, line) in [
        (2, (|asked: &Value| error(asked, -32601)) as fn(&Value) -> Value),
        (3, |asked| result(asked, &json!({"resultType": "complete"}))),
    ] {
        let (post, asked) = subscribe(&mut pair, id);
        pair.says(&line(&asked));
        assert_eq!(post.letters.code(), Some(-32602), "a stream that has ended tells of nothing");
        assert!(pair.child.heard().is_empty());
    }
    pair.close(a);
    assert!(pair.is_empty_handed());
}

#[test]
fn t26_a_stream_of_the_bridge_that_its_child_ends_is_opened_again_after_a_while() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    pair.ready_modern();
    let lists = pair.child.one();
    let a = pair.session(Version::V2025_11_25);
    pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/x"}));
    let mut asked = pair.child.one();
    let honoured = json!({"resourceSubscriptions": ["a:/x"]});
    pair.says(&acknowledged(&asked["id"], &honoured));
    for (n, pause) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        if n % 2 == 0 {
            pair.says(&result(&asked, &json!({"resultType": "complete"})));
        } else {
            pair.says(&notice("notifications/cancelled", &json!({"requestId": asked["id"]})));
        }
        pair.wait(Duration::from_millis(pause * 1000 - 1));
        assert!(pair.child.heard().is_empty());
        pair.wait(Duration::from_millis(1));
        let again = pair.child.one();
        assert_ne!(again["id"], asked["id"]);
        asked = again;
        pair.says(&acknowledged(&asked["id"], &honoured));
    }
    pair.wait(secs(61));
    let stream = pair.listen(a, Vanish::Detach);
    pair.says(&acknowledged(&lists["id"], &json!({})));
    pair.says(&acknowledged(&asked["id"], &json!({})));
    pair.says(&result(&lists, &json!({"resultType": "complete"})));
    pair.wait(secs(1));
    let again = pair.child.one();
    assert_eq!(again["params"]["notifications"], lists["params"]["notifications"]);
    assert!(stream.letters.messages().is_empty());
    pair.says(&acknowledged(&again["id"], &json!({})));
    pair.says(&acknowledged(&again["id"], &json!({})));
    assert_eq!(stream.letters.messages().len(), 2, "what has changed meanwhile nobody has told");
    pair.close(a);
    assert!(pair.is_empty_handed());
}

#[test]
fn t28_sessions_on_a_newer_child_hear_of_changed_lists_once() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    pair.ready_modern();
    let lists = pair.child.one();
    assert_eq!(
        lists["params"]["notifications"],
        json!({"toolsListChanged": true, "resourcesListChanged": true})
    );
    let a = pair.session(Version::V2025_11_25);
    let stream = pair.listen(a, Vanish::Detach);
    let listen = pair.hears(&caller(), 1, &json!({"toolsListChanged": true}));
    pair.child.heard();
    pair.says(&on_stream(&lists["id"], "notifications/tools/list_changed", &json!({})));
    assert_eq!(stream.letters.messages(), [tools_changed()]);
    assert!(listen.letters.messages().is_empty(), "it hears of it on the child's own stream");
    pair.says(&tools_changed());
    assert_eq!(stream.letters.messages().len(), 1, "one that belongs to no stream is nobody's");
}

#[test]
fn t28_a_newer_child_that_refuses_to_be_listened_to_is_not_asked_again() {
    let ends: [fn(&Value) -> Value; 3] = [
        |asked| error(asked, -32601),
        |asked| result(asked, &json!({"resultType": "complete"})),
        |asked| notice("notifications/cancelled", &json!({"requestId": asked["id"]})),
    ];
    for (is_open, end) in [(false, ends[0]), (false, ends[1]), (false, ends[2]), (true, ends[0])] {
        let mut pair = Pair::starting(Tenancy::Shared, |_| {});
        pair.ready_modern();
        let lists = pair.child.one();
        let a = pair.session(Version::V2025_11_25);
        let stream = pair.listen(a, Vanish::Detach);
        if is_open {
            pair.says(&acknowledged(&lists["id"], &json!({"toolsListChanged": true})));
            pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/x"}));
            let asked = pair.child.one();
            pair.says(&acknowledged(&asked["id"], &json!({"resourceSubscriptions": ["a:/x"]})));
            pair.says(&end(&asked));
        }
        pair.says(&end(&lists));
        pair.wait(secs(3600));
        assert!(pair.child.heard().is_empty() && stream.letters.messages().is_empty());
        // Its successor may know how.
        pair.dies();
        pair.ready_modern();
        assert_eq!(pair.child.heard().len(), 1 + usize::from(is_open));
    }
}

#[test]
fn t28_a_spoilt_end_of_a_stream_of_the_bridge_is_an_end() {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    pair.ready_modern();
    let lists = pair.child.one();
    pair.says(&acknowledged(&lists["id"], &json!({"toolsListChanged": true})));
    let number = lists["id"].as_u64().unwrap();
    pair.turn(|board, turn| board.spoilt(number, Refusal::Interrupted, turn));
    pair.wait(secs(1));
    assert_eq!(pair.child.one()["params"]["notifications"], lists["params"]["notifications"]);
}
