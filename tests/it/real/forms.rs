//! The forms requests and answers take: arrays, no session, every `Accept`, every `Host` and `Origin`.

use serde_json::{Value, json};

use crate::support::mcp::{Mcp, initialize, request, text, tool};
use crate::support::{Answer, Daemon, Demo, Request};

fn list() -> Value {
    request(&json!(1), "tools/list", &json!({}))
}

fn note() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

fn progressing(id: u64, ms: u64) -> Value {
    let mut call = tool(&json!(id), "sleep", &json!({"ms": ms}));
    call["params"]["_meta"] = json!({"progressToken": id});
    call
}

#[track_caller]
fn refused(answer: Answer, status: u16, code: i32) {
    assert_eq!(answer.status, status);
    let body = answer.json();
    assert_eq!(body["error"]["code"], code, "{body}");
}

#[test]
fn t31_an_array_is_answered_as_one_where_its_revision_has_them() {
    let daemon = Daemon::demo("");
    let client = daemon.client("/mcp", "2025-03-26", &json!({}));
    let echo = tool(&json!("e"), "echo", &json!({"text": "x"}));
    let answer =
        client.post(&json!([list(), note(), echo, {"jsonrpc": "2.0", "id": 5, "result": {}}]));
    assert_eq!(answer.status, 200);
    let answers = answer.json();
    let mut ids: Vec<String> =
        answers.as_array().unwrap().iter().map(|a| a["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"e\"", "1"]);

    let notes = client.post(&json!([note(), note()]));
    assert_eq!((notes.status, notes.text().as_str()), (202, ""));
    refused(client.post(&json!([])), 400, -32600);
    refused(client.post(&json!([list(), initialize("2025-03-26", &json!({}))])), 400, -32600);
    refused(client.post(&json!([list(), list()])), 400, -32600);
    refused(client.post(&json!([list(), 7])), 400, -32600);
    let many: Vec<Value> = (0..101).map(|id| request(&json!(id), "ping", &json!({}))).collect();
    assert_eq!(client.post(&json!(many)).json()["error"]["code"], -32603);
}

#[test]
fn t31_without_session_or_revision_an_array_is_taken_too() {
    let daemon = Daemon::demo("");
    let answers = daemon.post("/mcp", &json!([list()])).json();
    assert_eq!(answers[0]["id"], 1);
    let newer =
        Request::post("/mcp", &json!([list()])).header("MCP-Protocol-Version", "2025-06-18");
    refused(daemon.send(&newer), 400, -32600);
}

#[test]
fn t31_later_revisions_refuse_arrays() {
    let daemon = Daemon::demo("");
    for revision in ["2025-06-18", "2025-11-25"] {
        refused(daemon.client("/mcp", revision, &json!({})).post(&json!([list()])), 400, -32600);
    }
}

#[test]
fn t31_an_array_with_progress_becomes_one_stream_that_ends_with_the_last_answer() {
    let daemon = Daemon::demo("");
    let client = daemon.client("/mcp", "2025-03-26", &json!({}));
    let batch = json!([progressing(1, 300), progressing(2, 500), list_as(3)]);
    let messages = client.post(&batch).events().messages();
    let answered: Vec<&Value> =
        messages.iter().filter(|m| m.get("result").is_some()).map(|m| &m["id"]).collect();
    assert_eq!(answered, [3, 1, 2]);
    for id in [1, 2] {
        let steps = messages.iter().filter(|m| m["params"]["progressToken"] == id).count();
        assert_eq!(steps, 9, "of call {id}");
    }
}

fn list_as(id: u64) -> Value {
    request(&json!(id), "tools/list", &json!({}))
}

#[test]
fn t31_a_child_that_prints_arrays_is_understood() {
    let daemon = Daemon::demo("--array");
    let mut client = daemon.plain();
    assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
    let messages = client.post(&progressing(4, 200)).events().messages();
    assert_eq!(messages.len(), 10);
    assert!(messages.iter().all(Value::is_object), "{messages:?}");
}

#[test]
fn a_child_that_prints_in_pieces_or_with_string_ids_is_understood() {
    for flags in ["--pieces", "--string-ids", "--stderr-noise", "--banner --pieces --array"] {
        let daemon = Daemon::demo(flags);
        let mut client = daemon.plain();
        assert_eq!(text(&client.tool("echo", &json!({"text": "größe 🎉"}))), "größe 🎉", "{flags}");
        let lists = client.call("resources/list", &json!({}));
        assert!(lists["result"]["resources"].is_array(), "{flags}");
    }
}

/// For curl, the first thing anybody tries, and for programs that send one type alone.
#[test]
fn c15_t32_a_request_without_a_session_is_answered_whatever_it_accepts() {
    let daemon = Daemon::demo("");
    for (accept, status) in [
        ("*/*", 200),
        ("application/json", 200),
        ("application/*;q=0.1", 200),
        ("", 200),
        ("text/event-stream", 200),
        ("application/json, text/event-stream", 200),
        ("text/html", 406),
    ] {
        let answer = daemon.send(&Request::post("/mcp", &list()).header("Accept", accept));
        assert_eq!(answer.status, status, "{accept}");
        assert_eq!(answer.header("mcp-session-id"), None);
        let is_stream = accept == "text/event-stream";
        assert_eq!(answer.is_stream(), is_stream, "{accept}");
        let body =
            if is_stream { answer.events().messages().pop().unwrap() } else { answer.json() };
        assert_eq!(body["id"], 1);
        assert_eq!(body["result"]["tools"].is_array(), status == 200, "{accept}");
    }
}

#[test]
fn t32_who_takes_only_json_never_gets_a_stream() {
    let config = format!("[http]\ncommit_after = \"100ms\"\n{}", Demo::new("demo").toml());
    let daemon = Daemon::start(&config);
    let client = daemon.plain();
    let call = client.request(&progressing(1, 600)).header("Accept", "application/json");
    assert_eq!(text(&client.send(&call).json()), "Slept for 600 ms.");
    let implicit = Request::post("/mcp", &progressing(1, 600)).header("Accept", "application/json");
    assert_eq!(text(&daemon.send(&implicit).json()), "Slept for 600 ms.");
    let silent = client.post(&tool(&json!(2), "sleep", &json!({"ms": 600})));
    assert!(silent.is_stream(), "after commit_after");
    assert_eq!(silent.events().messages().len(), 1);
}

/// For every client behind nginx, whose defaults speak HTTP/1.0 to us.
#[test]
fn c16_t32_http_1_0_gets_whole_answers_without_chunks() {
    let daemon = Daemon::demo("");
    let answer = daemon.send(&Request::post("/mcp", &list()).http10());
    assert_eq!((answer.status, answer.is_chunked()), (200, false));
    assert!(answer.json()["result"]["tools"].is_array());
    let answer = daemon.send(&Request::post("/mcp", &list()).http10().header("Host", ""));
    assert_eq!(answer.status, 200, "such a client need not name a host");
    let stream = daemon.send(&Request::post("/mcp", &progressing(1, 200)).http10());
    assert_eq!((stream.is_chunked(), stream.is_stream()), (false, true));
    assert_eq!(stream.events().messages().len(), 10);
    let client = daemon.plain();
    let standing = client.send(&client.dressed(Request::listen("/mcp")).http10());
    let mut standing = standing.events();
    client.post(&tool(&json!(1), "announce_change", &json!({"list": "tools"})));
    standing.until("list_changed");
}

#[test]
fn t32_strict_mode_asks_for_the_session() {
    let config = format!("[http]\nlenient_sessions = false\n{}", Demo::new("demo").toml());
    let daemon = Daemon::start(&config);
    let answer = daemon.post("/mcp", &list());
    assert_eq!(answer.status, 400);
    let body = answer.json();
    assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32600), &json!(1)));
    assert!(body["error"]["message"].as_str().unwrap().contains("Mcp-Session-Id required"));
    assert!(daemon.plain().call("tools/list", &json!({}))["result"]["tools"].is_array());
}

#[test]
fn t32_what_needs_a_session_says_so() {
    let daemon = Daemon::demo("");
    let subscribe = request(&json!("s"), "resources/subscribe", &json!({"uri": "demo://welcome"}));
    let answer = daemon.post("/mcp", &subscribe);
    let body = answer.json();
    assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32600), &json!("s")));
    assert!(body["error"]["message"].as_str().unwrap().contains("needs a session"), "{body}");
    let level = request(&json!(2), "logging/setLevel", &json!({"level": "debug"}));
    assert_eq!(daemon.post("/mcp", &level).json()["result"], json!({}));
    assert_eq!(daemon.post("/mcp", &note()).status, 202);
}

/// For LiteLLM in a container, to which a refused Host looks like a cancelled call.
#[test]
fn c18_t34_only_hosts_and_origins_that_mean_this_machine_pass() {
    let rest =
        "[http]\nallowed_hosts = [\"mcp.internal\"]\nallowed_origins = [\"https://app.example\"]\n";
    let daemon = Daemon::start(&format!("{rest}{}", Demo::new("demo").toml()));
    let client = Mcp::open(daemon.address(), "/mcp", "2025-11-25", &json!({}));
    let table = [
        ("localhost", "", true),
        ("localhost:8750", "http://localhost:3000", true),
        ("127.0.0.1:1", "http://127.0.0.1:1", true),
        ("[::1]:8750", "http://[::1]", true),
        ("10.1.2.3", "", true),
        ("host.containers.internal:8750", "", true),
        ("host.docker.internal", "", true),
        ("MCP.internal:8750", "https://app.example", true),
        ("evil.example", "", false),
        ("localhost.evil.example", "", false),
        ("127.0.0.1.evil.example", "", false),
        ("localhost", "null", false),
        ("localhost", "http://evil.example", false),
        ("localhost", "http://localhost.evil.example", false),
        ("localhost", "http://10.1.2.3", false),
        ("localhost", "https://app.example.evil.example", false),
    ];
    for (host, origin, passes) in table {
        for (request, good) in [
            (client.request(&list()), 200),
            (client.dressed(Request::listen("/mcp")), 200),
            (Request::listen("/sse"), 200),
            (Request::post("/messages?sessionId=0", &list()), 404),
            (Request::get("/healthz"), 200),
            (Request::get("/status"), 200),
            (Request::get("/"), 200),
        ] {
            let request = request.header("Host", host).header("Origin", origin);
            let answer = daemon.send(&request);
            let expected = if passes { good } else { 403 };
            assert_eq!(answer.status, expected, "{host} {origin} {request:?}");
            if !passes {
                let key = if origin.is_empty() { "allowed_hosts" } else { "allowed_origins" };
                let said = answer.json()["error"]["message"].to_string();
                assert!(said.contains(key), "{said}");
            }
        }
    }
    assert!(daemon.logged("allowed_hosts").contains("evil.example"));
}

#[test]
fn browsers_of_allowed_origins_may_read_answers() {
    let rest = "[http]\nallowed_origins = [\"https://app.example\"]\n";
    let daemon = Daemon::start(&format!("{rest}{}", Demo::new("demo").toml()));
    let from = |origin: &str, request: Request| daemon.send(&request.header("Origin", origin));
    let asked = Request::new("OPTIONS", "/mcp")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type, mcp-param-region");
    let answer = from("https://app.example", asked.clone());
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(
        headers.contains("mcp-session-id") && headers.contains("mcp-param-region"),
        "{headers}"
    );
    let answer = from("https://app.example", Request::post("/mcp", &list()));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("mcp-session-id"));
    let answer = from("https://evil.example", asked);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
}
