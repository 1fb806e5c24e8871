//! Calls: whose answer is whose, what is passed on unchanged, and how a call ends before its time.

use std::thread;

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{request, text, tool};
use crate::support::{Answer, Daemon, Demo, Record};

/// A daemon with one demo server that writes down what it is sent.
fn recorded(flags: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).keys(keys).recorded(&desk);
    (Daemon::at(desk, &demo.toml()), record)
}

fn echo(answer: Answer) -> String {
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    text(&answer).to_owned()
}

#[test]
fn t7_an_empty_result_stays_empty_and_nothing_newer_is_added() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    assert_eq!(client.call("ping", &json!({}))["result"], json!({}));
    assert_eq!(client.call("logging/setLevel", &json!({"level": "error"}))["result"], json!({}));
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let answer = client.call(method, &json!({}));
        let members: Vec<&String> = answer["result"].as_object().unwrap().keys().collect();
        assert_eq!(members.len(), 1, "{method}: {members:?}");
    }
    let called = client.tool("echo", &json!({"text": "x"}));
    assert_eq!(called["result"], json!({"content": [{"type": "text", "text": "x"}]}));
    daemon.stopped();
}

#[test]
fn t9_a_hundred_clients_with_the_same_id_and_token_each_get_their_own() {
    let daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let clients: Vec<_> = (0..100).map(|_| daemon.plain()).collect();
    thread::scope(|scope| {
        for (n, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                let ms = 200 + n;
                let mut call = tool(&json!(1), "sleep", &json!({"ms": ms}));
                call["params"]["_meta"] = json!({"progressToken": 1});
                let messages = client.post(&call).events().messages();
                let (answer, progress) = messages.split_last().unwrap();
                assert_eq!(text(answer), format!("Slept for {ms} ms."));
                assert_eq!(answer["id"], 1);
                let steps: Vec<&Value> =
                    progress.iter().map(|p| &p["params"]["progress"]).collect();
                assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
                assert!(progress.iter().all(|p| p["params"]["progressToken"] == 1));
            });
        }
    });
    daemon.stopped();
}

#[test]
fn t9_a_number_and_a_string_of_the_same_look_are_two_ids() {
    let daemon = Daemon::demo("");
    let client = daemon.plain();
    thread::scope(|scope| {
        let slow =
            scope.spawn(|| client.post(&tool(&json!(1), "sleep", &json!({"ms": 400}))).json());
        let quick = client.post(&tool(&json!("1"), "echo", &json!({"text": "s"}))).json();
        assert_eq!((text(&quick), &quick["id"]), ("s", &json!("1")));
        let slow = slow.join().unwrap();
        assert_eq!((text(&slow), &slow["id"]), ("Slept for 400 ms.", &json!(1)));
    });
}

#[test]
fn t10_a_cancel_reaches_only_a_call_of_its_own_session() {
    let (daemon, record) = recorded("", "");
    let (a, b) = (daemon.plain(), daemon.plain());
    thread::scope(|scope| {
        let of_b = scope.spawn(|| b.post(&tool(&json!(6), "sleep", &json!({"ms": 600}))).json());
        record.wait_for("tools/call");
        let cancel = json!({"requestId": 6, "reason": "mine, I thought"});
        assert_eq!(a.notify("notifications/cancelled", &cancel).status, 202);
        assert_eq!(text(&of_b.join().unwrap()), "Slept for 600 ms.");
    });
    assert_eq!(record.of("notifications/cancelled"), [] as [Value; 0]);

    thread::scope(|scope| {
        let own = scope.spawn(|| a.post(&tool(&json!(7), "sleep", &json!({"ms": 60_000}))).json());
        let call = record.wait("the second call", |m| m["params"]["arguments"]["ms"] == 60_000);
        assert_eq!(a.notify("notifications/cancelled", &json!({"requestId": 7})).status, 202);
        let ended = own.join().unwrap();
        assert_eq!((&ended["error"]["code"], &ended["id"]), (&json!(-32800), &json!(7)));
        let told = record.wait_for("notifications/cancelled");
        assert_eq!(told["params"]["requestId"], call["id"], "the child knows it by another number");
    });
}

#[test]
fn t10_nothing_follows_the_end_of_a_cancelled_stream() {
    let (daemon, record) = recorded("--answer-cancelled", "");
    let mut client = daemon.plain();
    let mut call = tool(&json!("c"), "sleep", &json!({"ms": 3000}));
    call["params"]["_meta"] = json!({"progressToken": "p"});
    let mut events = client.post(&call).events();
    assert_eq!(events.message().unwrap()["params"]["progressToken"], "p");
    client.notify("notifications/cancelled", &json!({"requestId": "c"}));
    let rest = events.messages();
    assert_eq!(rest.last().unwrap()["error"]["code"], -32800);
    assert_eq!(rest.iter().filter(|message| message.get("id").is_some()).count(), 1);
    record.wait_for("notifications/cancelled");
    // The child answers all the same, and that answer is nobody's.
    assert_eq!(text(&client.tool("echo", &json!({"text": "on"}))), "on");
}

#[test]
fn t38_a_pretty_body_becomes_one_line_and_its_numbers_and_order_survive() {
    let (daemon, record) = recorded("", "");
    let client = daemon.plain();
    let body = "{\n  \"params\" : {\n    \"zeta\": 9223372036854775808,\n    \"name\": \"echo\",\r\n    \
         \"arguments\": { \"text\": \"a\\nb\" },\n    \"alpha\": 1e400,\n    \"beta\": -0.0\n  },\n  \
         \"method\": \"tools/call\",\n  \"id\": 12,\n\t\"jsonrpc\": \"2.0\"\n}\n";
    let answer = client.send(&client.request(&json!(null)).body(body)).json();
    assert_eq!(answer["id"], 12);
    let lines = record.raw();
    let line = lines.iter().find(|line| line.contains("tools/call")).unwrap();
    let packed: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    let (before, rest) = packed.split_once(r#""id":"#).unwrap();
    let (_, after) = rest.split_once(',').unwrap();
    assert_eq!(
        before,
        r#"{"params":{"zeta":9223372036854775808,"name":"echo","arguments":{"text":"a\nb"},"alpha":1e400,"beta":-0.0},"method":"tools/call","#
    );
    assert_eq!(after, r#""jsonrpc":"2.0"}"#);
}

#[test]
fn t39_what_nobody_knows_passes_in_both_directions() {
    let (daemon, record) = recorded("", "");
    let capabilities = json!({"sampling": {"of": "tomorrow"}, "telepathy": {"range_km": 5}});
    let mut client = daemon.client("/mcp", "2025-11-25", &capabilities);
    let params = json!({
        "name": "whoami", "later": [1, {"deep": null}],
        "_meta": {"vendor/trace": "t-1", "progressToken": "tok"},
    });
    let answer = client.call("tools/call", &params);
    let sent = record.wait("the call", |m| m["params"]["name"] == "whoami");
    let mut expected = params.clone();
    expected["_meta"]["progressToken"] = sent["params"]["_meta"]["progressToken"].clone();
    assert_eq!(sent["params"], expected);
    assert_ne!(sent["params"]["_meta"]["progressToken"], "tok");
    let about = &answer["result"]["structuredContent"];
    assert_eq!(about["capabilities"], capabilities);
    assert_eq!(about["clientInfo"], json!({"name": "ring", "version": "1"}));

    let unknown = client.call("future/method", &json!({"x": 1}));
    assert_eq!(unknown["error"]["code"], -32601, "it is the child's to know");
    assert_eq!(record.wait_for("future/method")["params"], json!({"x": 1}));
    client.notify("notifications/future", &json!({"y": 2}));
    assert_eq!(record.wait_for("notifications/future")["params"], json!({"y": 2}));
}

#[test]
fn t48_an_id_in_flight_is_not_used_twice_and_its_first_use_completes() {
    let (daemon, record) = recorded("", "");
    let client = daemon.plain();
    thread::scope(|scope| {
        let first =
            scope.spawn(|| client.post(&tool(&json!(4), "sleep", &json!({"ms": 700}))).json());
        record.wait_for("tools/call");
        let second = client.post(&tool(&json!(4), "echo", &json!({"text": "x"})));
        assert_eq!(second.status, 400);
        let second = second.json();
        assert_eq!((&second["error"]["code"], &second["id"]), (&json!(-32600), &json!(4)));
        assert_eq!(text(&first.join().unwrap()), "Slept for 700 ms.");
    });
    let again = client.post(&tool(&json!(4), "echo", &json!({"text": "free"})));
    assert_eq!(echo(again), "free");
    assert_eq!(record.of("tools/call").len(), 2);
}

#[test]
fn a_call_that_takes_too_long_is_cancelled_and_said_to_be() {
    let (daemon, record) = recorded("", "request_timeout = \"500ms\"");
    let answer = daemon.post("/mcp", &tool(&json!(1), "sleep", &json!({"ms": 60_000})));
    assert_eq!(answer.status, 200);
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], -32603);
    assert!(error["message"].as_str().unwrap().contains("request_timeout"), "{error}");
    let call = record.wait_for("tools/call");
    assert_eq!(record.wait_for("notifications/cancelled")["params"]["requestId"], call["id"]);
}

#[test]
fn calls_beyond_concurrency_queue_in_order() {
    let (daemon, record) = recorded("", "concurrency = 1");
    daemon.ready("/readyz");
    let client = daemon.plain();
    thread::scope(|scope| {
        let first =
            scope.spawn(|| client.post(&tool(&json!(0), "sleep", &json!({"ms": 500}))).json());
        record.wait_for("tools/call");
        let second = client.post(&request(&json!(1), "tools/list", &json!({}))).json();
        assert!(second["result"]["tools"].is_array());
        assert!(first.is_finished() || record.of("tools/list").len() == 1);
        assert_eq!(text(&first.join().unwrap()), "Slept for 500 ms.");
    });
    let methods: Vec<Value> = record.messages().into_iter().map(|m| m["method"].clone()).collect();
    assert_eq!(methods.last().unwrap(), "tools/list");
}

#[test]
fn a_greeting_does_not_queue_behind_the_calls_of_others() {
    let (daemon, record) = recorded("", "concurrency = 1");
    let client = daemon.plain();
    thread::scope(|scope| {
        let long =
            scope.spawn(|| client.post(&tool(&json!(0), "sleep", &json!({"ms": 60_000}))).json());
        record.wait_for("tools/call");
        let other = daemon.plain();
        assert_eq!(other.delete().status, 200);
        client.notify("notifications/cancelled", &json!({"requestId": 0}));
        assert_eq!(long.join().unwrap()["error"]["code"], -32800);
    });
}
