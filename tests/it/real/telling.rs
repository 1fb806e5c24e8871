//! What servers tell without being asked: changed lists and resources, log messages.

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{Mcp, request, text, tool};
use crate::support::{Daemon, Demo, Events, Record, eventually};

fn recorded(flags: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).recorded(&desk);
    (Daemon::at(desk, &demo.toml()), record)
}

fn subscribe(client: &mut Mcp, uri: &str) {
    assert_eq!(client.call("resources/subscribe", &json!({"uri": uri}))["result"], json!({}));
}

fn unsubscribe(client: &mut Mcp, uri: &str) {
    assert_eq!(client.call("resources/unsubscribe", &json!({"uri": uri}))["result"], json!({}));
}

/// What a client heard, once its session is over.
fn heard(client: &Mcp, listening: Events) -> Vec<Value> {
    client.delete();
    listening.messages()
}

#[test]
fn t26_subscribers_are_counted_and_the_child_is_asked_once() {
    let (daemon, record) = recorded("");
    let uri = "demo://welcome";
    let mut clients: Vec<Mcp> = (0..3).map(|_| daemon.plain()).collect();
    for client in &mut clients {
        subscribe(client, uri);
    }
    assert_eq!(record.of("resources/subscribe").len(), 1);
    unsubscribe(&mut clients[0], uri);
    unsubscribe(&mut clients[0], "demo://never");
    assert_eq!(record.of("resources/unsubscribe"), [] as [Value; 0]);
    clients[1].delete();
    unsubscribe(&mut clients[2], uri);
    record.wait_for("resources/unsubscribe");
    let (asked, taken) = (record.of("resources/subscribe"), record.of("resources/unsubscribe"));
    assert_eq!((asked.len(), taken.len()), (1, 1));
    assert_eq!(taken[0]["params"], json!({"uri": uri}));
}

#[test]
fn t26_the_end_of_a_session_counts_as_leaving() {
    let (daemon, record) = recorded("");
    let mut client = daemon.plain();
    subscribe(&mut client, "demo://welcome");
    client.delete();
    record.wait_for("resources/unsubscribe");
}

#[test]
fn t27_updates_reach_subscribers_of_the_resource_and_of_what_holds_it() {
    let (daemon, record) = recorded("");
    let (mut exact, mut above, mut beside, mut none) =
        (daemon.plain(), daemon.plain(), daemon.plain(), daemon.plain());
    let listening: Vec<Events> = [&exact, &above, &beside, &none].map(Mcp::listen).into();
    subscribe(&mut exact, "demo://docs/page");
    subscribe(&mut above, "demo://docs");
    subscribe(&mut beside, "demo://doc");
    let answer = none.tool("touch_resource", &json!({"uri": "demo://docs/page"}));
    assert_eq!(text(&answer), "The update of demo://docs/page was announced.");
    none.call("ping", &json!({}));
    assert_eq!(record.of("resources/subscribe").len(), 3);
    let counts: Vec<usize> = [&exact, &above, &beside, &none]
        .into_iter()
        .zip(listening)
        .map(|(client, events)| {
            let heard = heard(client, events);
            assert!(heard.iter().all(|m| m["params"] == json!({"uri": "demo://docs/page"})));
            heard.len()
        })
        .collect();
    assert_eq!(counts, [1, 1, 0, 0]);
}

#[test]
fn t28_a_changed_list_is_told_to_every_session_once() {
    let (daemon, _record) = recorded("");
    let mut clients: Vec<Mcp> = (0..3).map(|_| daemon.plain()).collect();
    let listening: Vec<Events> = clients[..2].iter().map(Mcp::listen).collect();
    clients[0].tool("toggle_tool", &json!({}));
    clients[0].tool("announce_change", &json!({"list": "prompts"}));
    clients[0].tool("announce_change", &json!({"list": "prompts"}));
    // The third held no stream; each kind is remembered for it once.
    let late = clients[2].listen();
    let of = |messages: Vec<Value>| -> Vec<String> {
        messages.iter().map(|m| m["method"].as_str().unwrap().to_owned()).collect()
    };
    let (tools, prompts) =
        ("notifications/tools/list_changed", "notifications/prompts/list_changed");
    for (client, events) in clients.iter().zip(listening) {
        assert_eq!(of(heard(client, events)), [tools, prompts, prompts]);
    }
    assert_eq!(of(heard(&clients[2], late)), [tools, prompts]);
}

#[test]
fn t29_each_session_hears_what_it_asked_for_and_the_child_what_the_finest_needs() {
    let (daemon, record) = recorded("");
    let (mut fine, mut coarse) = (daemon.plain(), daemon.plain());
    coarse.call("logging/setLevel", &json!({"level": "error"}));
    fine.call("logging/setLevel", &json!({"level": "debug"}));
    let levels = || -> Vec<Value> {
        record.of("logging/setLevel").iter().map(|m| m["params"]["level"].clone()).collect()
    };
    eventually("the child's level is raised", || (levels() == ["error", "debug"]).then_some(()));
    let log = |client: &mut Mcp, level: &str| {
        let call = tool(&json!(1), "log", &json!({"level": level, "text": "t"}));
        let answer = client.post(&call);
        if answer.is_stream() { answer.events().messages().len() } else { 1 }
    };
    assert_eq!(log(&mut fine, "debug"), 2, "the message, then the answer");
    assert_eq!(log(&mut coarse, "debug"), 1, "the answer alone");
    assert_eq!(log(&mut coarse, "error"), 2);
    coarse.call("logging/setLevel", &json!({"level": "debug"}));
    assert_eq!(levels(), ["error", "debug"], "nothing has changed for the child");
    let refused = coarse.call("logging/setLevel", &json!({"level": "loud"}));
    assert_eq!(refused["error"]["code"], -32602);
    fine.delete();
    coarse.call("logging/setLevel", &json!({"level": "warning"}));
    eventually("the child's level is lowered", || {
        (levels() == ["error", "debug", "warning"]).then_some(())
    });
}

#[test]
fn log_messages_of_a_private_child_reach_its_client() {
    let (daemon, _record) = recorded("");
    let client = daemon.client("/mcp", "2025-11-25", &json!({"roots": {}}));
    let listening = client.listen();
    let call = tool(&json!(1), "test_tool_with_logging", &json!({}));
    let with_stream = client.post(&call).events().messages();
    assert_eq!(with_stream.len(), 4, "{with_stream:?}");
    let request = client.request(&call).header("Accept", "application/json");
    assert_eq!(client.send(&request).json()["id"], 1);
    assert_eq!(heard(&client, listening).len(), 3, "those of the call that had no stream");
}

/// For every client with an idle timeout; mcp-proxy 0.13 drops all of it.
#[test]
fn c24_progress_comes_while_the_call_runs() {
    let (daemon, _record) = recorded("");
    let client = daemon.plain();
    let mut call = tool(&json!("long"), "sleep", &json!({"ms": 5000}));
    call["params"]["_meta"] = json!({"progressToken": "half way"});
    let mut events = client.post(&call).events();
    let progress = events.message().unwrap();
    assert_eq!(progress["params"]["progressToken"], "half way");
    assert_eq!(client.post(&request(&json!(2), "ping", &json!({}))).status, 200);
    client.delete();
    assert_eq!(events.message().unwrap()["error"]["code"], -32800);
}
