//! The first transport over HTTP: a standing stream, and an address to post to.

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{initialize, request, text, tool};
use crate::support::{Daemon, Demo, Events, Request, eventually};

/// A client of the first transport: a stream, and an address to post to.
pub(super) struct Old {
    pub(super) events: Events,
    address: String,
    path: String,
}

impl Old {
    pub(super) fn open(daemon: &Daemon, path: &str, revision: &str) -> Self {
        let mut old = Self::greeted(daemon, path, revision, &json!({}));
        let greeting = old.events.message().unwrap();
        assert_eq!(greeting["result"]["protocolVersion"], revision);
        old.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        old
    }

    /// The stream is open and `initialize` is sent.
    pub(super) fn greeted(
        daemon: &Daemon,
        path: &str,
        revision: &str,
        capabilities: &Value,
    ) -> Self {
        let answer = daemon.send(&Request::listen(path));
        assert_eq!(answer.header("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        let mut events = answer.events();
        let first = events.next_event().unwrap();
        assert_eq!(first.event, "endpoint");
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let expected = path.replace("/sse", "/messages?sessionId=");
        assert!(first.data.starts_with(&expected), "{}", first.data);
        let mut old = Self { events, address: daemon.address().to_owned(), path: first.data };
        old.post(&initialize(revision, capabilities));
        old
    }

    pub(super) fn post(&mut self, message: &Value) {
        let answer = Request::post(&self.path, message).send(&self.address);
        assert_eq!((answer.status, answer.text().as_str()), (202, "Accepted"));
    }
}

#[test]
fn t13_a_closed_sse_stream_ends_its_session_and_cancels_its_calls() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let mut old = Old::open(&daemon, "/sse", "2024-11-05");
    old.post(&request(&json!("l"), "tools/list", &json!({})));
    let listed = old.events.message().unwrap();
    assert_eq!(listed["id"], "l");
    assert!(listed["result"]["tools"].as_array().unwrap().len() > 5);
    old.post(&tool(&json!(8), "sleep", &json!({"ms": 60_000})));
    let call = record.wait_for("tools/call");
    let path = old.path.clone();
    drop(old);
    let cancelled = record.wait_for("notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], call["id"]);
    let late = daemon.post(&path, &request(&json!(9), "ping", &json!({})));
    assert_eq!(late.status, 404);
    assert_eq!(daemon.post("/messages", &json!({})).status, 400);
    let unknown = daemon.post("/messages?sessionId=00", &request(&json!(1), "ping", &json!({})));
    assert_eq!(unknown.status, 404);
    let status = daemon.status();
    assert_eq!(status["servers"]["demo"]["sessions"], 0);
}

#[test]
fn its_client_is_asked_on_the_stream_by_a_child_of_its_own() {
    let daemon = Daemon::demo("");
    let able = json!({"elicitation": {}, "sampling": {}});
    let mut old = Old::greeted(&daemon, "/servers/demo/sse", "2025-06-18", &able);
    assert_eq!(old.events.message().unwrap()["id"], 0);
    old.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    old.post(&tool(&json!(1), "test_sampling", &json!({"prompt": "hm?"})));
    let question = old.events.message().unwrap();
    assert_eq!(question["method"], "sampling/createMessage");
    let result =
        json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "yes"}});
    old.post(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
    let answer = old.events.message().unwrap();
    assert_eq!((text(&answer), &answer["id"]), ("LLM response: yes", &json!(1)));
    drop(old);
    eventually("its child leaves with it", || {
        let demo = daemon.status()["servers"]["demo"].clone();
        (demo["children"].as_array()?.len() == 1 && demo["sessions"] == 0).then_some(())
    });
}

#[test]
fn errors_of_a_broken_server_come_on_the_stream() {
    let daemon = Daemon::start("[servers.gone]\ncommand = \"no-such-program-anywhere\"\n");
    for capabilities in [json!({}), json!({"roots": {}})] {
        let mut old = Old::greeted(&daemon, "/sse", "2024-11-05", &capabilities);
        let answer = old.events.message().unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(0), &json!(-32603)));
        assert!(answer["error"]["message"].as_str().unwrap().contains("was not found"), "{answer}");
        old.post(&request(&json!(1), "ping", &json!({})));
        assert_eq!(old.events.message().unwrap()["result"], json!({}), "the session is there");
    }
}

#[test]
fn what_is_posted_is_judged_before_it_is_accepted() {
    let daemon = Daemon::demo("");
    let mut old = Old::open(&daemon, "/sse", "2024-11-05");
    let post = |body: &str| daemon.send(&Request::post(&old.path, &Value::Null).body(body));
    for (body, code) in [("{", -32700), ("[1]", -32600), ("7", -32600)] {
        let answer = post(body);
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["code"], code, "{body}");
    }
    let typed = Request::post(&old.path, &Value::Null).header("Content-Type", "text/plain");
    let ping = |id: u64| request(&json!(id), "ping", &json!({}));
    assert_eq!(daemon.send(&typed.body(ping(1).to_string())).status, 415);
    old.post(&json!([ping(2), ping(3)]));
    assert_eq!(old.events.message().unwrap()["id"], 2);
    assert_eq!(old.events.message().unwrap()["id"], 3);
    old.post(&ping(4));
    assert_eq!(old.events.message().unwrap()["id"], 4, "nothing came of the others");
    old.post(&tool(&json!(5), "sleep", &json!({"ms": 300})));
    old.post(&tool(&json!(5), "echo", &json!({"text": "x"})));
    let twice = old.events.message().unwrap();
    assert_eq!((&twice["id"], &twice["error"]["code"]), (&json!(5), &json!(-32600)));
    assert_eq!(text(&old.events.message().unwrap()), "Slept for 300 ms.");
}

#[test]
fn a_call_under_way_is_answered_while_the_daemon_stops() {
    let mut daemon = Daemon::demo("");
    let mut old = Old::greeted(&daemon, "/sse", "2024-11-05", &json!({}));
    old.events.message().unwrap();
    old.post(&tool(&json!(1), "sleep", &json!({"ms": 800})));
    old.post(&tool(&json!(2), "echo", &json!({"text": "it is under way"})));
    assert_eq!(old.events.message().unwrap()["id"], 2);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(text(&old.events.message().unwrap()), "Slept for 800 ms.");
    assert_eq!(daemon.ended(crate::support::LIMIT).code(), Some(0));
}

#[test]
fn a_call_without_a_greeting_is_answered_too() {
    let daemon = Daemon::demo("");
    let mut events = daemon.send(&Request::listen("/sse")).events();
    let path = events.next_event().unwrap().data;
    assert_eq!(daemon.post(&path, &request(&json!("l"), "tools/list", &json!({}))).status, 202);
    assert!(events.message().unwrap()["result"]["tools"].is_array());
}
