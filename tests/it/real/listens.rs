//! Streams of changes without a session: what is promised first, what comes and what never does, and how they end.

use std::collections::BTreeSet;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::modern::{LEVEL_KEY, SUBSCRIPTION_KEY, Said};
use crate::support::{Daemon, Demo, Events, LIMIT, Record, eventually};

const ERAS: [&str; 2] = ["legacy", "modern"];
const WATCHED: &str = "test://watched-resource";

fn recorded(flags: &str, rest: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).keys(keys).recorded(&desk);
    let daemon = Daemon::at(desk, &format!("{rest}{}", demo.toml()));
    daemon.ready("/readyz");
    (daemon, record)
}

/// The promise a stream begins with: what it will tell of.
#[track_caller]
fn acknowledged(events: &mut Events, id: &Value) -> Value {
    let first = events.message().unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    assert_eq!(first["params"]["_meta"][SUBSCRIPTION_KEY], *id, "{first}");
    first["params"]["notifications"].clone()
}

/// The next message, without what is the same on all of a stream.
#[track_caller]
fn told(events: &mut Events, id: &Value) -> (String, Value) {
    let message = events.message().expect("the stream goes on");
    assert_eq!(message["params"]["_meta"][SUBSCRIPTION_KEY], *id, "{message}");
    assert!(message.get("id").is_none(), "{message}");
    (message["method"].as_str().unwrap().to_owned(), message["params"]["uri"].clone())
}

/// The result with which a server ends a stream, and nothing after it.
#[track_caller]
fn ended(mut events: Events, id: &Value) {
    let last = events.message().expect("a result");
    assert_eq!(last["id"], *id, "{last}");
    assert_eq!(last["result"]["resultType"], "complete", "{last}");
    assert_eq!(last["result"]["_meta"][SUBSCRIPTION_KEY], *id, "{last}");
    assert_eq!(events.message(), None);
    assert!(!events.raw().contains("retry:"), "there is nothing to take up again");
}

fn uris(value: &Value) -> BTreeSet<&str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn t25_a_stream_tells_what_was_asked_for_and_nothing_else() {
    for era in ERAS {
        let (daemon, _) = recorded(&format!("--era {era}"), "", "");
        let client = daemon.modern();
        let (text, number) = (json!("L1"), json!(1));
        let everything = json!({
            "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": [WATCHED, "test://other"], "unheardOf": true,
        });
        let mut all = client.listen(&text, &everything);
        let honoured = acknowledged(&mut all, &text);
        assert_eq!(honoured["toolsListChanged"], true, "{era}");
        assert_eq!(honoured["promptsListChanged"], true);
        assert_eq!(honoured["resourcesListChanged"], true);
        assert_eq!(
            uris(&honoured["resourceSubscriptions"]),
            BTreeSet::from([WATCHED, "test://other"])
        );
        assert!(honoured.get("unheardOf").is_none(), "{honoured}");
        // The same number as a text is another stream, and the same id twice is no matter.
        let mut tools =
            client.listen(&number, &json!({"toolsListChanged": true, "promptsListChanged": false}));
        assert_eq!(acknowledged(&mut tools, &number), json!({"toolsListChanged": true}), "{era}");
        let twin = json!("1");
        let mut watching = client.listen(&twin, &json!({"resourceSubscriptions": [WATCHED]}));
        assert_eq!(
            acknowledged(&mut watching, &twin),
            json!({"resourceSubscriptions": [WATCHED]}),
            "{era}"
        );
        let mut second = client.listen(&number, &json!({"promptsListChanged": true}));
        assert_eq!(
            acknowledged(&mut second, &number),
            json!({"promptsListChanged": true}),
            "{era}"
        );

        // Progress and logs belong to the call that caused them.
        let mut call = client.message(
            &json!(9),
            "tools/call",
            &json!({"name": "sleep", "arguments": {"ms": 50}}),
        );
        call["params"]["_meta"]["progressToken"] = json!("p");
        assert!(Said::of(client.post(&call)).messages.len() > 1);
        let mut call = client.message(
            &json!(9),
            "tools/call",
            &json!({"name": "log", "arguments": {"level": "alert", "text": "t"}}),
        );
        call["params"]["_meta"][LEVEL_KEY] = json!("debug");
        assert_eq!(Said::of(client.post(&call)).text(), "Sent.");

        for list in ["prompts", "resources", "tools"] {
            client.tool("announce_change", &json!({"list": list}));
        }
        client.tool("touch_resource", &json!({"uri": "test://nobodys"}));
        client.tool("touch_resource", &json!({"uri": "test://other"}));
        client.tool("touch_resource", &json!({"uri": WATCHED}));
        client.tool("announce_change", &json!({"list": "prompts"}));
        let change = |list: &str| (format!("notifications/{list}/list_changed"), Value::Null);
        let update = |uri: &str| ("notifications/resources/updated".to_owned(), json!(uri));
        let expected = [
            change("prompts"),
            change("resources"),
            change("tools"),
            update("test://other"),
            update(WATCHED),
            change("prompts"),
        ];
        for expected in expected {
            assert_eq!(told(&mut all, &text), expected, "{era}");
        }
        assert_eq!(told(&mut watching, &twin), update(WATCHED), "{era}");
        assert_eq!(told(&mut second, &number), change("prompts"));
        assert_eq!(told(&mut second, &number), change("prompts"));
        assert_eq!(told(&mut tools, &number), change("tools"));
        client.tool("announce_change", &json!({"list": "tools"}));
        assert_eq!(told(&mut tools, &number), change("tools"), "nothing came between: {era}");
        drop((all, watching));
    }
}

#[test]
fn t25_a_daemon_that_stops_ends_each_stream_with_its_result() {
    for era in ERAS {
        let (mut daemon, _) = recorded(&format!("--era {era}"), "", "");
        let client = daemon.modern();
        let (one, two) = (json!("a"), json!(2));
        let filter = json!({"toolsListChanged": true, "resourceSubscriptions": [WATCHED]});
        let (mut first, mut second) =
            (client.listen(&one, &filter), client.listen(&two, &json!({})));
        acknowledged(&mut first, &one);
        assert_eq!(acknowledged(&mut second, &two), json!({}));
        daemon.signal(Signal::TERM);
        ended(first, &one);
        ended(second, &two);
        assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    }
}

#[test]
fn t25_a_child_that_ends_its_streams_ends_those_of_its_clients() {
    let (daemon, _) = recorded("--era modern --act-up", "", "");
    let client = daemon.modern();
    let id = json!("x");
    let mut events = client.listen(&id, &json!({"toolsListChanged": true}));
    acknowledged(&mut events, &id);
    client.tool("act_up", &json!({"text": "over", "how": "end_listens"}));
    ended(events, &id);
    // Who opens another is served.
    let mut events = client.listen(&id, &json!({"toolsListChanged": true}));
    acknowledged(&mut events, &id);
    client.tool("announce_change", &json!({"list": "tools"}));
    assert_eq!(told(&mut events, &id).0, "notifications/tools/list_changed");
}

#[test]
fn sessions_go_on_hearing_of_a_child_that_ends_its_streams() {
    let (daemon, record) = recorded("--era modern --act-up", "", "");
    let mut client = daemon.plain();
    let mut standing = client.listen();
    client.call("resources/subscribe", &json!({"uri": WATCHED}));
    client.tool("announce_change", &json!({"list": "tools"}));
    standing.until("notifications/tools/list_changed");
    let opened = record.of("subscriptions/listen").len();
    client.tool("act_up", &json!({"text": "over", "how": "end_listens"}));
    // What has changed while nobody was told is anybody's guess.
    standing.until("notifications/prompts/list_changed");
    eventually("both are opened again", || {
        (record.of("subscriptions/listen").len() == 2 * opened).then_some(())
    });
    client.tool("touch_resource", &json!({}));
    standing.until("notifications/resources/updated");
    let seen = standing.raw().matches("notifications/tools/list_changed").count();
    client.tool("announce_change", &json!({"list": "tools"}));
    while standing.raw().matches("notifications/tools/list_changed").count() == seen {
        standing.message().unwrap();
    }
}

#[test]
fn t25_a_stream_outlives_its_child_and_hears_that_lists_may_have_changed() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era}"), "", "");
        let client = daemon.modern();
        let id = json!("x");
        let filter = json!({"toolsListChanged": true, "resourceSubscriptions": [WATCHED]});
        let mut events = client.listen(&id, &filter);
        assert_eq!(acknowledged(&mut events, &id), filter);
        let asks = if era == "legacy" { "resources/subscribe" } else { "subscriptions/listen" };
        kill_process(daemon.child_pid("demo"), Signal::KILL).unwrap();
        eventually("the next child is asked", || (record.of(asks).len() == 2).then_some(()));
        client.tool("touch_resource", &json!({}));
        // What may have changed meanwhile may be told first, and a promise is made once.
        let (mut method, mut uri) = told(&mut events, &id);
        while method == "notifications/tools/list_changed" {
            (method, uri) = told(&mut events, &id);
        }
        assert_eq!((&*method, uri), ("notifications/resources/updated", json!(WATCHED)), "{era}");
    }
}

#[test]
fn t26_three_who_watch_are_one_to_the_child_and_the_last_takes_it_back() {
    let (daemon, record) = recorded("--era legacy", "", "");
    let client = daemon.modern();
    let mut plain = daemon.plain();
    let watch = |id: u64| {
        let mut events = client.listen(&json!(id), &json!({"resourceSubscriptions": [WATCHED]}));
        acknowledged(&mut events, &json!(id));
        events
    };
    let (first, mut second) = (watch(1), watch(2));
    let subscribed = plain.call("resources/subscribe", &json!({"uri": WATCHED}));
    assert_eq!(subscribed["result"], json!({}));
    let mut standing = plain.listen();
    drop(first);
    client.tool("touch_resource", &json!({}));
    assert_eq!(told(&mut second, &json!(2)).1, WATCHED);
    standing.until("notifications/resources/updated");
    assert!(!standing.raw().contains(SUBSCRIPTION_KEY), "{}", standing.raw());
    drop(second);
    assert_eq!(plain.call("resources/unsubscribe", &json!({"uri": WATCHED}))["result"], json!({}));
    record.wait_for("resources/unsubscribe");
    let both =
        ["resources/subscribe", "resources/unsubscribe"].map(|method| record.of(method).len());
    assert_eq!(both, [1, 1]);
}

#[test]
fn who_leaves_a_stream_takes_it_back_from_a_child_that_knows_it() {
    let (daemon, record) = recorded("--era modern", "", "");
    let client = daemon.modern();
    let mut events = client.listen(&json!(1), &json!({"toolsListChanged": true}));
    acknowledged(&mut events, &json!(1));
    let asked = record.of("subscriptions/listen").pop().unwrap();
    drop(events);
    let cancelled = record.wait_for("notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], asked["id"]);
}

#[test]
fn a_silent_stream_is_kept_alive_by_comments_and_no_other_thing_is_said() {
    for era in ERAS {
        let (daemon, _) = recorded(
            &format!("--era {era}"),
            "[http]\nkeep_alive = \"50ms\"\n",
            "request_timeout = \"200ms\"\nrequest_timeout_max = \"300ms\"",
        );
        let mut events = daemon.modern().listen(&json!(1), &json!({"promptsListChanged": true}));
        acknowledged(&mut events, &json!(1));
        // Far past every limit a call has.
        events.until(&": keep-alive\n\n".repeat(10));
        daemon.modern().tool("announce_change", &json!({"list": "prompts"}));
        assert_eq!(told(&mut events, &json!(1)).0, "notifications/prompts/list_changed");
    }
}
