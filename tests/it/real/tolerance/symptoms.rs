//! What people read in their logs, where no single rule is the cause: whole exchanges, as gateways have them.

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::{Mortal, list};
use crate::support::mcp::{initialize, request};
use crate::support::{Answer, Daemon, Demo, Request};

/// What LiteLLM does each time it looks at a server, all over one connection that it keeps. Gives what `tools/list` was answered.
#[track_caller]
fn discover(daemon: &Daemon, path: &str) -> Value {
    let begun = daemon.post(path, &initialize("2025-11-25", &json!({})));
    assert_eq!(begun.status, 200, "initialize");
    let Some(session) = begun.header("mcp-session-id").map(str::to_owned) else {
        return begun.json();
    };
    let with = |request: Request| request.header("Mcp-Session-Id", &session);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let (_, noted) = begun.reused(&with(Request::post(path, &note)));
    assert_eq!(noted.status, 202, "initialized");
    let listening = daemon.send(&with(Request::listen(path)));
    assert!(listening.status == 200 && listening.is_stream(), "{listening:?}");
    let (_, listed) = noted.reused(&with(Request::post(path, &list())));
    assert_eq!((listed.status, listed.header("connection")), (200, None), "tools/list");
    let (listed, deleted) = listed.reused(&with(Request::new("DELETE", path)));
    assert_eq!(deleted.status, 200, "DELETE");
    assert_eq!(deleted.text(), "");
    serde_json::from_str(&listed).unwrap()
}

/// "MCP client `list_tools` was cancelled" and "Attempted to exit cancel scope in a different task": in Python before mcp 2 every
/// status but success and every connection that closes cancels the task that called, so a discovery must see neither, however
/// its server fares.
#[test]
fn symptom_no_step_of_a_discovery_is_refused_or_cut_however_the_server_fares() {
    let mortal = Mortal::start("");
    let daemon = &mortal.daemon;
    for _ in 0..20 {
        assert!(discover(daemon, "/mcp")["result"]["tools"].is_array());
    }
    kill_process(daemon.child_pid("demo"), Signal::KILL).unwrap();
    assert!(discover(daemon, "/mcp")["result"]["tools"].is_array(), "right after a death");
    mortal.kill_for_good();
    let answer = discover(daemon, "/mcp");
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("demo") && said.contains("status 3"), "the cause is told: {said}");
}

/// "Timeout while listing tools": LiteLLM 1.81 waits 30 s for an answer that an event stream ended without, or that came as
/// something else.
#[test]
fn symptom_a_list_that_became_a_stream_ends_with_its_answer_whatever_becomes_of_the_child() {
    let begin = |keys: &str| {
        let demo = Demo::new("demo").keys(keys).toml();
        let daemon = Daemon::start(&format!("[http]\ncommit_after = \"50ms\"\n{demo}"));
        daemon.ready("/readyz");
        daemon
    };
    let committed = |daemon: &Daemon, path: &str| -> Answer {
        kill_process(daemon.child_pid("demo"), Signal::STOP).unwrap();
        let message = request(&json!("l"), "tools/list", &json!({}));
        let answer = daemon.post(path, &message);
        assert!(answer.status == 200 && answer.is_stream(), "{answer:?}");
        answer
    };
    let ended = |answer: Answer| {
        let last = answer.events().messages().pop().expect("a stream ends with its answer");
        assert_eq!(last["id"], "l", "{last}");
        last
    };
    let daemon = begin("");
    let answer = committed(&daemon, "/mcp");
    kill_process(daemon.child_pid("demo"), Signal::KILL).unwrap();
    assert!(ended(answer)["result"]["tools"].is_array(), "the child is killed");

    let daemon = begin("request_timeout = \"300ms\"");
    let said = ended(committed(&daemon, "/mcp"))["error"]["message"].to_string();
    assert!(said.contains("timed out"), "the child hangs: {said}");

    let daemon = begin("");
    let client = daemon.plain();
    kill_process(daemon.child_pid("demo"), Signal::STOP).unwrap();
    let answer = client.post(&request(&json!("l"), "tools/list", &json!({})));
    assert_eq!(client.delete().status, 200);
    assert_eq!(ended(answer)["error"]["code"], -32800, "its session is ended");
}
