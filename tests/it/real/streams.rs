//! Event streams: what they begin with, what is put on which, and how a lost one is taken up again.

use serde_json::{Value, json};

use super::sse::Old;
use crate::support::child::Desk;
use crate::support::mcp::{Mcp, text, tool};
use crate::support::{Daemon, Demo, Events, Request, eventually};

const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// A call that tells how far it is.
fn slow(id: &Value, ms: u64) -> Value {
    let mut call = tool(id, "sleep", &json!({"ms": ms}));
    call["params"]["_meta"] = json!({"progressToken": id});
    call
}

#[test]
fn t11_a_lost_stream_is_resumed_and_its_call_was_not_cancelled() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let client = daemon.plain();
    let mut events = client.post(&slow(&json!(1), 1500)).events();
    let mut other = client.post(&slow(&json!(2), 1000)).events();
    assert_eq!(events.message().unwrap()["params"]["progress"], 1);
    let after = events.last_event_id().to_owned();
    assert!(!after.is_empty());
    drop(events);

    let resumed = client.resume(&after);
    assert!(resumed.header("mcp-session-id").is_some());
    let mut resumed = resumed.events();
    let mut messages = Vec::new();
    while let Some(message) = resumed.message() {
        messages.push(message);
    }
    let last = resumed.last_event_id().to_owned();
    let (answer, progress) = messages.split_last().unwrap();
    assert_eq!((text(answer), &answer["id"]), ("Slept for 1500 ms.", &json!(1)));
    let steps: Vec<&Value> = progress.iter().map(|p| &p["params"]["progress"]).collect();
    assert_eq!(steps, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(progress.iter().all(|p| p["params"]["progressToken"] == 1), "another's stream");

    eventually("a stream that was read to its end is forgotten", || {
        let again = client.resume(&last);
        (again.status == 400 && again.json()["error"]["code"] == -32600).then_some(())
    });
    assert_eq!(text(&std::iter::from_fn(|| other.message()).last().unwrap()), "Slept for 1000 ms.");
    assert_eq!(record.of("notifications/cancelled"), [] as [Value; 0]);
}

#[test]
fn t11_an_answer_that_came_while_nobody_listened_is_kept() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    let mut events = client.post(&slow(&json!(1), 300)).events();
    events.message().unwrap();
    let after = events.last_event_id().to_owned();
    drop(events);
    // A second call outlasts the first.
    client.tool("sleep", &json!({"ms": 600}));
    let messages = client.resume(&after).events().messages();
    assert_eq!(messages.iter().filter(|m| m["id"] == 1).count(), 1);
    assert_eq!(text(messages.last().unwrap()), "Slept for 300 ms.");
}

#[test]
fn an_unknown_or_broken_event_id_is_400_and_the_session_lives() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    for id in ["nonsense", "2-1", "fffffffffffffffe-3", "-", "é"] {
        let answer = client.resume(id);
        assert_eq!(answer.status, 400, "{id}");
        assert_eq!(answer.json()["error"]["code"], -32600, "{id}");
    }
    assert_eq!(client.call("ping", &json!({}))["result"], json!({}));
}

#[test]
fn t14_only_clients_of_2025_11_25_are_primed() {
    let daemon = Daemon::demo("");
    for revision in REVISIONS {
        let client = daemon.client("/mcp", revision, &json!({}));
        let mut listening = client.listen();
        client.post(&tool(&json!(9), "announce_change", &json!({"list": "tools"})));
        listening.until("list_changed");
        let mut calling = client.post(&slow(&json!(1), 200)).events();
        while calling.next_event().is_some() {}
        for (what, raw) in [("GET", listening.raw()), ("POST", calling.raw())] {
            let first = raw.split("\n\n").next().unwrap();
            let is_primed = first.starts_with("id: ") && first.ends_with("data: ");
            assert_eq!(is_primed, revision == "2025-11-25", "{what} {revision}: {first:?}");
            let rest = &raw[first.len()..];
            assert!(!rest.contains("data: \n"), "{what} {revision}: {raw}");
            assert_eq!(
                raw.contains("\nid: "),
                revision != "2024-11-05",
                "{what} {revision}: {raw}"
            );
        }
    }
    let raw = sse_transcript(&daemon);
    assert!(!raw.contains("\nid: ") && !raw.contains("data: \n"), "{raw}");
}

fn sse_transcript(daemon: &Daemon) -> String {
    let mut old = Old::open(daemon, "/sse", "2025-11-25");
    old.post(&slow(&json!(1), 200));
    old.events.until("Slept for");
    old.events.raw()
}

#[test]
fn t16_of_two_standing_streams_each_message_takes_one() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    let (first, second) = (client.listen(), client.listen());
    for list in ["tools", "prompts", "resources", "tools"] {
        client.tool("announce_change", &json!({"list": list}));
    }
    assert_eq!(client.delete().status, 200);
    let (first, second) = (first.messages(), second.messages());
    assert_eq!((first.len(), second.len()), (0, 4), "the newest takes all");
}

#[test]
fn t16_when_the_newest_stream_is_lost_an_older_one_takes_over() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    let (mut first, second) = (client.listen(), client.listen());
    drop(second);
    // What is said before the loss is noticed is kept for the lost stream, so it is said again.
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| first.until("tools/list_changed"));
        eventually("the older stream is used", || {
            client.tool("announce_change", &json!({"list": "tools"}));
            heard.is_finished().then_some(())
        });
    });
}

#[test]
fn beyond_four_standing_streams_the_oldest_ends() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    let mut all: Vec<Events> = (0..5).map(|_| client.listen()).collect();
    let fifth = all.pop().unwrap();
    assert_eq!(all.remove(0).messages(), [] as [Value; 0]);
    client.tool("announce_change", &json!({"list": "tools"}));
    client.delete();
    assert_eq!(fifth.messages().len(), 1);
    assert!(all.into_iter().all(|stream| stream.messages().is_empty()));
}

fn elicitation(client: &Mcp, id: u64) -> Request {
    client.request(&tool(&json!(id), "test_elicitation", &json!({"message": "Who?"})))
}

#[test]
fn t17_a_question_is_asked_on_the_stream_of_its_call() {
    let daemon = Daemon::demo("");
    let client = daemon.client("/mcp", "2025-11-25", &json!({"elicitation": {}}));
    let mut events = client.send(&elicitation(&client, 1)).events();
    let question = events.message().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Who?");
    client
        .reply(&question, &json!({"action": "accept", "content": {"username": "u", "email": "e"}}));
    let rest = events.messages();
    assert_eq!(rest.len(), 1);
    assert!(text(&rest[0]).starts_with("User response: action=accept"), "{rest:?}");
}

#[test]
fn t17_a_question_goes_to_the_standing_stream_where_the_call_has_none() {
    let daemon = Daemon::demo("");
    let client = daemon.client("/mcp", "2025-06-18", &json!({"elicitation": {}}));
    let mut listening = client.listen();
    std::thread::scope(|scope| {
        let call = elicitation(&client, 1).header("Accept", "application/json");
        let asker = client.clone();
        let called = scope.spawn(move || asker.send(&call).json());
        let question = listening.message().unwrap();
        assert_eq!(question["method"], "elicitation/create");
        client.reply(&question, &json!({"action": "decline"}));
        assert!(text(&called.join().unwrap()).contains("action=decline"));
    });
}

#[test]
fn t17_a_question_without_a_channel_is_refused_after_push_wait() {
    let daemon = Daemon::start(&Demo::new("demo").keys("push_wait = \"500ms\"").toml());
    let client = daemon.client("/mcp", "2025-11-25", &json!({"elicitation": {}}));
    let call = elicitation(&client, 1).header("Accept", "application/json");
    let begun = std::time::Instant::now();
    let answer = client.send(&call).json();
    let took = begun.elapsed().as_millis();
    assert!(text(&answer).contains("client has no channel for server requests"), "{answer}");
    assert!((400..1500).contains(&took), "{took} ms");
}

#[test]
fn t17_a_stream_opened_within_push_wait_hears_the_question() {
    let daemon = Daemon::start(&Demo::new("demo").keys("push_wait = \"20s\"").toml());
    let client = daemon.client("/mcp", "2025-11-25", &json!({"elicitation": {}}));
    std::thread::scope(|scope| {
        let call = elicitation(&client, 1).header("Accept", "application/json");
        let asker = client.clone();
        let called = scope.spawn(move || asker.send(&call).json());
        eventually("the call is at the child", || {
            let child = daemon.status()["servers"]["demo"]["children"].clone();
            child.as_array()?.iter().any(|child| child["in_flight"] == 1).then_some(())
        });
        let mut listening = client.listen();
        let question = listening.message().unwrap();
        client.reply(&question, &json!({"action": "cancel"}));
        assert!(text(&called.join().unwrap()).contains("action=cancel"));
    });
}
