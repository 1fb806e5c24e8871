//! Sessions on a child that knows no handshake: what such a child asks in results they are asked by requests, and nothing of its
//! vocabulary reaches them.

use serde_json::{Value, json};

use super::sse::Old;
use crate::support::child::Desk;
use crate::support::mcp::{Mcp, request, text, tool};
use crate::support::{Daemon, Demo, Events, Record, eventually};

fn recorded(keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags("--era modern").keys(keys).recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    daemon.ready("/readyz");
    (daemon, record)
}

fn able(daemon: &Daemon) -> Mcp {
    daemon.client("/mcp", "2025-11-25", &json!({"elicitation": {}, "sampling": {}, "roots": {}}))
}

/// The next question of the child on a stream.
#[track_caller]
fn asked(events: &mut Events, method: &str) -> Value {
    let question = events.message().expect("a question");
    assert_eq!(question["method"], method, "{question}");
    assert!(question["id"].is_string() || question["id"].is_u64(), "{question}");
    question
}

fn accepted(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

fn sampled() -> Value {
    json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"})
}

fn elicitation() -> Value {
    tool(&json!("e"), "test_elicitation", &json!({"message": "Who?"}))
}

#[test]
fn t22_a_question_is_asked_on_the_stream_of_its_call() {
    let (daemon, record) = recorded("");
    let client = able(&daemon);
    let mut events = client.post(&elicitation()).events();
    let question = asked(&mut events, "elicitation/create");
    assert_eq!(question["params"]["message"], "Who?");
    client.reply(&question, &accepted(&json!({"username": "ann"})));
    let answer = events.message().unwrap();
    assert_eq!(answer["id"], "e");
    assert_eq!(text(&answer), "User response: action=accept, content={\"username\":\"ann\"}");
    assert_eq!(events.message(), None);
    let calls = record.of("tools/call");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[0]["params"]["arguments"], calls[1]["params"]["arguments"]);
    assert!(calls[1]["params"]["requestState"].is_string());
    // A child of this era is sent no answers.
    assert!(record.messages().iter().all(|message| message["method"].is_string()));
}

#[test]
fn t22_all_kinds_of_questions_at_once_and_one_after_the_other() {
    let (daemon, _) = recorded("");
    let client = able(&daemon);
    let name = accepted(&json!({"name": "Ann", "color": "green", "ok": true}));
    let roots = json!({"roots": [{"uri": "file:///srv"}]});
    for (tool_name, questions, expected) in [
        ("test_input_required_result_multiple_inputs", 3, "Paris Ann! Roots: file:///srv"),
        ("test_input_required_result_multi_round", 2, "Ann likes green."),
        ("test_input_required_result_request_state", 1, "state-ok"),
    ] {
        let mut events = client.post(&tool(&json!(1), tool_name, &json!({}))).events();
        for _ in 0..questions {
            let question = events.message().unwrap();
            let answer = match question["method"].as_str().unwrap() {
                "sampling/createMessage" => sampled(),
                "roots/list" => roots.clone(),
                _ => name.clone(),
            };
            client.reply(&question, &answer);
        }
        assert_eq!(text(&events.message().unwrap()), expected);
    }
}

#[test]
fn t17_a_question_goes_to_the_standing_stream_where_the_call_has_none() {
    let (daemon, _) = recorded("");
    let client = able(&daemon);
    let mut standing = client.listen();
    std::thread::scope(|scope| {
        let json_only = client.request(&elicitation()).header("Accept", "application/json");
        let asking = &client;
        let call = scope.spawn(move || asking.send(&json_only).json());
        let question = asked(&mut standing, "elicitation/create");
        client.reply(&question, &json!({"action": "decline"}));
        assert_eq!(text(&call.join().unwrap()), "User response: action=decline, content={}");
    });
}

#[test]
fn t17_without_any_stream_the_model_is_told_why() {
    let (daemon, record) = recorded("push_wait = \"100ms\"");
    let client = able(&daemon);
    let json_only = client.request(&elicitation()).header("Accept", "application/json");
    let answer = client.send(&json_only).json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(text(&answer).contains("no channel"), "{answer}");
    assert_eq!(record.of("tools/call").len(), 1);
    // A prompt has no such results.
    let prompt = json!({"name": "test_input_required_result_prompt"});
    let prompt = client.request(&request(&json!(2), "prompts/get", &prompt));
    let answer = client.send(&prompt.header("Accept", "application/json"));
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32603), &json!(2)), "{answer}");
}

#[test]
fn t21_t22_what_a_client_cannot_or_will_not_answer_is_told_in_its_terms() {
    let (daemon, _) = recorded("");
    let mut nobody = daemon.plain();
    let said = nobody.tool("test_missing_capability", &json!({}));
    assert_eq!(said["result"]["isError"], true, "{said}");
    let client = able(&daemon);
    let refuse = |question: &Value| {
        let error = json!({"code": -1, "message": "User rejected sampling request"});
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
        assert_eq!(client.post(&answer).status, 202);
    };
    let call = tool(&json!(1), "test_sampling", &json!({"prompt": "x"}));
    let mut events = client.post(&call).events();
    refuse(&asked(&mut events, "sampling/createMessage"));
    let answer = events.message().unwrap();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let mut events = client.post(&elicitation()).events();
    refuse(&asked(&mut events, "elicitation/create"));
    let answer = events.message().unwrap();
    assert_eq!(text(&answer), "User response: action=cancel, content={}", "{answer}");
}

#[test]
fn t7_nothing_of_the_other_era_reaches_a_session() {
    let (daemon, _) = recorded("");
    let mut client = able(&daemon);
    assert_eq!(client.call("ping", &json!({}))["result"], json!({}));
    assert_eq!(client.call("logging/setLevel", &json!({"level": "error"}))["result"], json!({}));
    for (method, params) in [
        ("tools/list", json!({})),
        ("prompts/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "demo://welcome"})),
        ("prompts/get", json!({"name": "test_simple_prompt"})),
        ("tools/call", json!({"name": "echo", "arguments": {"text": "x"}})),
    ] {
        let answer = client.call(method, &params);
        let result = answer["result"].as_object().unwrap_or_else(|| panic!("{method}: {answer}"));
        for member in ["resultType", "ttlMs", "cacheScope"] {
            assert!(!result.contains_key(member), "{method}: {answer}");
        }
        assert!(
            answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"].is_null(),
            "{method}"
        );
    }
    for method in ["server/discover", "subscriptions/listen"] {
        assert_eq!(client.call(method, &json!({}))["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn t29_a_session_hears_of_what_is_grave_enough_for_it() {
    let (daemon, _) = recorded("");
    let client = able(&daemon);
    let levels = |client: &Mcp| -> Vec<String> {
        let answer = client.post(&tool(&json!(1), "test_logging_tool", &json!({})));
        let messages =
            if answer.is_stream() { answer.events().messages() } else { vec![answer.json()] };
        messages
            .iter()
            .filter(|m| m["method"] == "notifications/message")
            .map(|m| m["params"]["level"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        levels(&client),
        ["info", "notice", "warning", "error", "critical", "alert", "emergency"]
    );
    let mut quiet = able(&daemon);
    assert_eq!(quiet.call("logging/setLevel", &json!({"level": "critical"}))["result"], json!({}));
    assert_eq!(levels(&quiet), ["critical", "alert", "emergency"]);
    let wrong = quiet.call("logging/setLevel", &json!({"level": "loud"}));
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
    assert_eq!(levels(&client).len(), 7, "the other one still hears all of it");
}

#[test]
fn t26_subscriptions_are_streams_of_the_bridge_at_the_child() {
    let (daemon, record) = recorded("");
    let (mut one, mut two) = (able(&daemon), daemon.plain());
    let uri = json!({"uri": "test://watched-resource"});
    let (mut standing, mut other) = (one.listen(), two.listen());
    let before = record.of("subscriptions/listen").len();
    for client in [&mut one, &mut two] {
        assert_eq!(client.call("resources/subscribe", &uri)["result"], json!({}));
    }
    assert_eq!(record.of("subscriptions/listen").len(), before + 1);
    two.tool("touch_resource", &json!({}));
    standing.until("notifications/resources/updated");
    other.until("notifications/resources/updated");
    for stream in [&standing, &other] {
        assert!(!stream.raw().contains("subscriptionId"), "{}", stream.raw());
    }
    assert_eq!(one.call("resources/unsubscribe", &uri)["result"], json!({}));
    assert_eq!(record.of("notifications/cancelled").len(), 0);
    assert_eq!(two.delete().status, 200);
    let asked = record.of("subscriptions/listen").pop().unwrap();
    let cancelled = record.wait_for("notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], asked["id"]);
}

#[test]
fn t15_a_session_that_ends_while_it_is_asked_takes_its_call_with_it() {
    let (daemon, record) = recorded("");
    let mut client = able(&daemon);
    let mut events = client.post(&elicitation()).events();
    let question = asked(&mut events, "elicitation/create");
    assert_eq!(client.delete().status, 200);
    // The question is taken back or not, and the call ends.
    let last = std::iter::from_fn(|| events.message()).last().unwrap();
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!("e"), &json!(-32800)), "{last}");
    let late = json!({"jsonrpc": "2.0", "id": question["id"], "result": accepted(&json!({}))});
    assert_eq!(client.post(&late).status, 404);
    assert_eq!(client.post(&elicitation()).status, 404);
    assert_eq!(record.of("tools/call").len(), 1, "the child hears of it no more");
    client = daemon.plain();
    assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
}

#[test]
fn t12_a_session_that_cancels_while_it_is_asked_hears_so() {
    let (daemon, record) = recorded("");
    let client = able(&daemon);
    let mut events = client.post(&elicitation()).events();
    let question = asked(&mut events, "elicitation/create");
    assert_eq!(client.notify("notifications/cancelled", &json!({"requestId": "e"})).status, 202);
    let rest: Vec<Value> = std::iter::from_fn(|| events.message()).collect();
    let last = rest.last().unwrap();
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!("e"), &json!(-32800)), "{rest:?}");
    // And it need not think about the question any more.
    assert!(
        rest.iter().any(|m| m["method"] == "notifications/cancelled"
            && m["params"]["requestId"] == question["id"]),
        "{rest:?}"
    );
    client.reply(&question, &accepted(&json!({})));
    assert_eq!(record.of("tools/call").len(), 1);
    assert_eq!(
        record.of("notifications/cancelled").len(),
        0,
        "between two rounds the child works on nothing"
    );
}

#[test]
fn the_first_transport_is_asked_on_its_stream() {
    let (daemon, _) = recorded("");
    let mut old = Old::greeted(&daemon, "/sse", "2024-11-05", &json!({"sampling": {}}));
    assert_eq!(old.events.message().unwrap()["result"]["protocolVersion"], "2024-11-05");
    old.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    old.post(&tool(&json!(1), "test_sampling", &json!({"prompt": "x"})));
    let question = asked(&mut old.events, "sampling/createMessage");
    old.post(&json!({"jsonrpc": "2.0", "id": question["id"], "result": sampled()}));
    assert_eq!(text(&old.events.message().unwrap()), "LLM response: Paris");
}

#[test]
fn t42_a_child_that_dies_while_a_session_is_asked_is_replaced_and_told_the_answers() {
    let (daemon, record) = recorded("");
    let client = able(&daemon);
    let mut events = client.post(&elicitation()).events();
    let question = asked(&mut events, "elicitation/create");
    let pid = daemon.child_pid("demo");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("another child", || {
        let now = daemon.status()["servers"]["demo"]["children"][0]["pid"].as_i64();
        now.filter(|now| *now != i64::from(pid.as_raw_nonzero().get()))
    });
    client.reply(&question, &accepted(&json!({"username": "ann"})));
    // Its state was under the key of the process that is gone.
    let answer = events.message().unwrap();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(record.of("tools/call").len(), 2);
}
