//! Changes, subscriptions and log messages.

use serde_json::json;

use super::child::{error, log, result, tools_changed, updated};
use super::*;

fn accept(pair: &mut Pair) {
    for method in ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"] {
        pair.child.on(method, |request| vec![result(request, &json!({}))]);
    }
}

fn subscribe(pair: &mut Pair, front: FrontId, uri: &str) -> Post {
    let post = pair.call(front, format!("s{uri}"), "resources/subscribe", &json!({"uri": uri}));
    pair.drive();
    post
}

#[test]
fn t26_subscribers_are_counted() {
    let mut pair = Pair::shared();
    accept(&mut pair);
    let fronts: Vec<FrontId> = (0..3).map(|_| pair.session(Version::V2025_11_25)).collect();
    for front in &fronts {
        assert!(subscribe(&mut pair, *front, "a:/x").letters.answer().is_some());
    }
    assert_eq!(pair.child.methods(), ["resources/subscribe"], "once for all");
    for front in &fronts[..2] {
        pair.call(*front, 1, "resources/unsubscribe", &json!({"uri": "a:/x"}));
    }
    assert!(pair.child.heard().is_empty());
    pair.close(fronts[2]);
    assert_eq!(pair.child.one()["params"]["uri"], "a:/x", "the end of a session counts");
    let never = pair.call(fronts[0], 2, "resources/unsubscribe", &json!({"uri": "a:/y"}));
    assert!(never.letters.answer().is_some() && pair.child.heard().is_empty());
}

#[test]
fn t26_who_asks_meanwhile_shares_the_childs_word() {
    for accepted in [true, false] {
        let mut pair = Pair::shared();
        let fronts: Vec<FrontId> = (0..3).map(|_| pair.session(Version::V2025_11_25)).collect();
        let posts: Vec<Post> =
            fronts.iter().map(|front| subscribe(&mut pair, *front, "a:/x")).collect();
        let asked = pair.child.one();
        let word = if accepted { result(&asked, &json!({})) } else { error(&asked, -32002) };
        pair.says(&word);
        for post in posts {
            let answer = post.letters.answer().unwrap();
            assert_eq!(
                (answer["id"].as_str(), answer.get("result").is_some()),
                (Some("sa:/x"), accepted)
            );
        }
    }
}

#[test]
fn t27_only_subscribers_of_a_resource_or_of_what_it_lies_in_hear_of_it() {
    let mut pair = Pair::shared();
    accept(&mut pair);
    let fronts: Vec<FrontId> = (0..3).map(|_| pair.session(Version::V2025_11_25)).collect();
    let streams: Vec<Post> =
        fronts.iter().map(|front| pair.listen(*front, Vanish::Detach)).collect();
    subscribe(&mut pair, fronts[0], "a:/x");
    subscribe(&mut pair, fronts[1], "a:/x/y");
    let heard = |pair: &mut Pair, uri: &str| -> Vec<usize> {
        let before: Vec<usize> = streams.iter().map(|s| s.letters.messages().len()).collect();
        pair.says(&updated(uri));
        streams.iter().zip(before).map(|(s, before)| s.letters.messages().len() - before).collect()
    };
    assert_eq!(heard(&mut pair, "a:/x"), [1, 0, 0]);
    assert_eq!(heard(&mut pair, "a:/x/y"), [1, 1, 0]);
    assert_eq!(heard(&mut pair, "a:/xy"), [0, 0, 0]);
    assert_eq!(pair.dropped(Dropped::Unheard), 1);
}

#[test]
fn t28_every_session_hears_once_that_a_list_changed() {
    let mut pair = Pair::shared();
    let two = pair.session(Version::V2025_11_25);
    let streams = [pair.listen(two, Vanish::Detach), pair.listen(two, Vanish::Detach)];
    let later = pair.session(Version::V2025_06_18);
    let sse = pair.session(Version::V2024_11_05);
    let standing = pair.listen(sse, Vanish::EndSession);
    pair.wait(secs(1));
    pair.says(&tools_changed());
    pair.says(&tools_changed());
    let heard: usize = streams.iter().map(|stream| stream.letters.messages().len()).sum();
    assert_eq!((heard, standing.letters.messages().len()), (2, 2));

    let listen = pair.listen(later, Vanish::Detach);
    assert_eq!(listen.letters.methods(), ["notifications/tools/list_changed"], "once for both");
    let again = pair.listen(later, Vanish::Detach);
    assert!(again.letters.messages().is_empty());
    let newcomer = pair.session(Version::V2025_11_25);
    let listen = pair.listen(newcomer, Vanish::Detach);
    assert!(listen.letters.messages().is_empty(), "it knows no older list");
}

#[test]
fn t29_each_session_hears_from_its_own_level_on_and_the_child_the_most_verbose() {
    let mut pair = Pair::shared();
    accept(&mut pair);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    let c = pair.session(Version::V2025_11_25);
    let streams = [a, b, c].map(|front| pair.listen(front, Vanish::Detach));
    for (front, level) in [(b, "error"), (a, "debug"), (b, "error")] {
        pair.call(front, level, "logging/setLevel", &json!({"level": level}));
        pair.drive();
    }
    let levels: Vec<_> =
        pair.child.heard().iter().map(|line| line["params"]["level"].clone()).collect();
    assert_eq!(levels, ["error", "debug"], "only changes are told");
    for level in ["debug", "info", "error"] {
        pair.says(&log(level, level));
    }
    let heard = streams.each_ref().map(|stream| stream.letters.messages().len());
    assert_eq!(heard, [3, 1, 2], "who never chose hears from info on");
    pair.close(a);
    assert_eq!(pair.child.one()["params"]["level"], "error");
    pair.close(b);
    assert_eq!(pair.child.one()["params"]["level"], "info");
}

#[test]
fn t30_no_log_line_crosses_between_principals() {
    let mut pair = Pair::shared();
    let a = pair.session_of(Version::V2025_11_25, &Principal::new("a"));
    let b = pair.session_of(Version::V2025_11_25, &Principal::new("b"));
    let streams = [a, b].map(|front| pair.listen(front, Vanish::Detach));
    let post = pair.tool(a, 1);
    pair.says(&log("error", "secret"));
    assert!(post.letters.is_empty());
    assert!(streams.iter().all(|stream| stream.letters.messages().is_empty()));
    pair.close(b);
    pair.says(&log("error", "late"));
    assert!(streams[0].letters.messages().is_empty(), "it may be about what b did");
    pair.dies();
    pair.ready();
    let post = pair.tool(a, 2);
    pair.says(&log("error", "mine"));
    assert_eq!(post.letters.messages().len(), 1, "this child knows one party alone");
    let other = Caller::Implicit(card(Version::V2025_03_26, &Principal::new("c"), pair.now));
    pair.request(other, true, &request(&json!(1), "tools/list", &json!({})));
    pair.says(&log("error", "secret"));
    assert_eq!(post.letters.messages().len(), 1);
}

#[test]
fn progress_has_to_rise_and_belong_to_a_running_call() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!("t"));
    let without = pair.tool(a, 2);
    let sent = pair.child.heard();
    for value in [1, 3, 2, 3, 4] {
        pair.says(&child::progress(&sent[0], value));
    }
    let told: Vec<_> =
        post.letters.messages().iter().map(|m| m["params"]["progress"].clone()).collect();
    assert_eq!(told, [1, 3, 4]);
    assert!(post.letters.messages().iter().all(|m| m["params"]["progressToken"] == "t"));
    let unwished = json!({"progressToken": sent[1]["id"], "progress": 1});
    pair.says(&child::notice("notifications/progress", &unwished));
    let unknown = json!({"progressToken": 4000, "progress": 1});
    pair.says(&child::notice("notifications/progress", &unknown));
    assert!(without.letters.is_empty());
    assert_eq!(pair.dropped(Dropped::StrayProgress), 4);
}

#[test]
fn unknown_notifications_reach_the_one_client_and_nobody_else() {
    let strange = child::notice("notifications/vendor", &json!({"x": 1}));
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let listen = pair.listen(a, Vanish::Detach);
    pair.says(&strange);
    pair.note(a, "notifications/vendor", &json!({}));
    assert!(listen.letters.messages().is_empty() && pair.child.heard().is_empty());
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    pair.says(&strange);
    assert_eq!(listen.letters.messages(), [strange]);
    pair.says(&updated("a:/unasked"));
    assert_eq!(listen.letters.messages().len(), 2, "old servers tell unasked");
}

#[test]
fn a_subscription_is_given_up_with_its_call() {
    let mut pair = Pair::shared();
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    let stream = pair.listen(a, Vanish::Detach);
    let cancelled = subscribe(&mut pair, a, "a:/x");
    pair.cancel(a, "sa:/x");
    assert_eq!(cancelled.letters.code(), Some(-32800));
    let asked = pair.child.one();
    let other = subscribe(&mut pair, b, "a:/x");
    assert!(pair.child.heard().is_empty(), "it is being asked already");
    pair.says(&result(&asked, &json!({})));
    assert!(other.letters.answer().is_some());
    pair.says(&updated("a:/x"));
    assert!(stream.letters.messages().is_empty(), "who was told no hears nothing");
    pair.close(b);
    assert_eq!(pair.child.methods(), ["resources/unsubscribe"]);
}

#[test]
fn who_unsubscribes_before_the_childs_word_has_both_calls_answered() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let joining = subscribe(&mut pair, a, "a:/x");
    let asked = pair.child.one();
    let leaving = pair.call(a, 1, "resources/unsubscribe", &json!({"uri": "a:/x"}));
    assert!(leaving.letters.answer().is_some());
    pair.says(&result(&asked, &json!({})));
    assert!(joining.letters.answer().is_some());
    assert_eq!(pair.child.methods(), ["resources/unsubscribe"]);
}

#[test]
fn subscriptions_are_bounded() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.subscriptions_max = 2);
    accept(&mut pair);
    let a = pair.session(Version::V2025_11_25);
    for (uri, code) in [("a:/1", None), ("a:/2", None), ("a:/3", Some(-32603)), ("a:/1", None)] {
        assert_eq!(subscribe(&mut pair, a, uri).letters.code(), code, "{uri}");
    }
}

#[test]
fn one_session_does_not_use_up_the_subscriptions_of_others() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.subscriptions_per_front = 2);
    accept(&mut pair);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    for (front, uri, code) in
        [(a, "a:/1", None), (a, "a:/2", None), (a, "a:/3", Some(-32603)), (b, "a:/3", None)]
    {
        assert_eq!(subscribe(&mut pair, front, uri).letters.code(), code, "{uri}");
    }
}

#[test]
fn a_hasty_level_does_not_overtake_the_end_of_the_handshake() {
    let mut pair = Pair::with(Tenancy::Private, |_| {});
    let a = pair.session(Version::V2025_11_25);
    pair.call(a, 1, "logging/setLevel", &json!({"level": "debug"}));
    assert_eq!(pair.child.methods(), ["notifications/initialized", "logging/setLevel"]);
}
