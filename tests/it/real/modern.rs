//! Requests without a handshake: in which forms they may come and are answered, how they are refused, and what of the era before
//! does not concern them.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::command;
use crate::support::mcp::{initialize, request};
use crate::support::modern::{REVISION, Said};
use crate::support::{Answer, Daemon, Demo, Modern, Record, Request};

const ERAS: [&str; 2] = ["legacy", "modern"];

fn recorded(flags: &str, rest: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).recorded(&desk);
    let daemon = Daemon::at(desk, &format!("{rest}{}", demo.toml()));
    daemon.ready("/readyz");
    // The last of what a child is sent unasked, so that all else that it hears is on account of a test.
    let last = ["notifications/initialized", "subscriptions/listen"];
    record.wait("the end of its greeting", |m| last.iter().any(|last| m["method"] == *last));
    (daemon, record)
}

/// A refusal as clients without a handshake can use it: the status, the code, and the id of their request.
#[track_caller]
fn refused(answer: Answer, status: u16, code: i32, id: &Value) -> Value {
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("retry-after").is_some(), status == 503);
    assert_eq!(answer.header("mcp-session-id"), None);
    let body = answer.json();
    assert_eq!((&body["error"]["code"], &body["id"]), (&json!(code), id), "{body}");
    assert_eq!(body["jsonrpc"], "2.0");
    assert!(body["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
    body["error"].clone()
}

#[test]
fn t3_initialize_in_an_envelope_is_unknown_and_without_one_opens_a_session() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era}"), "");
        let greeted = record.of("initialize").len();
        let client = daemon.modern();
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}});
        let message = client.message(&json!("i"), "initialize", &params);
        let error = refused(client.post(&message), 404, -32601, &json!("i"));
        assert_eq!(error["message"], "Method not found: initialize");
        assert_eq!(record.of("initialize").len(), greeted, "the child saw nothing of it");
        let plain = daemon.plain();
        assert!(!plain.session.is_empty());
        // Both eras go on side by side.
        assert!(client.call("tools/list", &json!({})).result()["tools"].is_array());
        assert_eq!(plain.clone().call("ping", &json!({}))["result"], json!({}));
    }
}

#[test]
fn t4_what_is_wrong_with_an_envelope_is_told_in_the_order_clients_expect() {
    let (daemon, record) = recorded("--era legacy", "");
    let client = daemon.modern();
    let before = record.raw().len();
    let dated = |date: &str| {
        let mut message = client.message(&json!("x"), "tools/list", &json!({}));
        message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = date.into();
        message
    };
    let bare = request(&json!("x"), "tools/list", &json!({}));
    let bare = client.request(&bare).header("MCP-Protocol-Version", REVISION);
    let error = refused(client.send(&bare), 400, -32602, &json!("x"));
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("protocolVersion") && said.contains("clientCapabilities"), "{said}");

    let later = client.request(&dated("2027-03-01"));
    let differs = later.clone().header("MCP-Protocol-Version", REVISION);
    refused(client.send(&differs), 400, -32020, &json!("x"));
    let error = refused(client.send(&later), 400, -32022, &json!("x"));
    assert_eq!(error["data"]["requested"], "2027-03-01");
    let discovered = client.call("server/discover", &json!({}));
    let known = discovered.result()["supportedVersions"].as_array().unwrap().clone();
    let supported = error["data"]["supported"].as_array().unwrap();
    assert!(!supported.is_empty() && supported.iter().all(|date| known.contains(date)), "{error}");

    for (key, code) in [("protocolVersion", -32602), ("clientCapabilities", -32602)] {
        let mut message = dated(REVISION);
        let meta = message["params"]["_meta"].as_object_mut().unwrap();
        meta.remove(&format!("io.modelcontextprotocol/{key}"));
        let request = client.request(&message).header("MCP-Protocol-Version", REVISION);
        refused(client.send(&request), 400, code, &json!("x"));
    }
    let good = client.request(&dated(REVISION));
    for (header, value) in [
        ("MCP-Protocol-Version", ""),
        ("MCP-Protocol-Version", "2025-11-25"),
        ("Mcp-Method", ""),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Method", "TOOLS/LIST"),
    ] {
        refused(client.send(&good.clone().header(header, value)), 400, -32020, &json!("x"));
    }
    let twice = good.clone().also("Mcp-Method", "tools/list");
    refused(client.send(&twice), 400, -32020, &json!("x"));
    let padded = good.header("Mcp-Method", "  tools/list\t");
    assert_eq!(client.send(&padded).status, 200);
    // One list, and nothing of what was refused.
    assert_eq!(record.of("tools/list").len(), 1);
    assert!(record.raw().len() <= before + 1, "{:?}", record.raw());
}

#[test]
fn t5_what_went_out_with_the_handshake_is_unknown_and_no_child_hears_of_it() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era}"), "");
        let client = daemon.modern();
        for (method, params) in [
            ("ping", json!({})),
            ("logging/setLevel", json!({"level": "debug"})),
            ("resources/subscribe", json!({"uri": "test://watched-resource"})),
            ("resources/unsubscribe", json!({"uri": "test://watched-resource"})),
            ("tasks/list", json!({})),
            ("tasks/result", json!({"taskId": "t"})),
        ] {
            let said = client.call(method, &params);
            assert_eq!(said.error(), (404, -32601), "{method}: {said:?}");
        }
        assert_eq!(client.tool("echo", &json!({"text": "x"})).text(), "x");
        let heard: Vec<String> = record
            .messages()
            .iter()
            .filter_map(|message| message["method"].as_str())
            .filter(|method| {
                ![
                    "server/discover",
                    "initialize",
                    "notifications/initialized",
                    "subscriptions/listen",
                    "tools/list",
                    "tools/call",
                ]
                .contains(method)
            })
            .map(str::to_owned)
            .collect();
        assert_eq!(heard, [] as [&str; 0], "{era}");
    }
}

#[test]
fn t6_a_method_its_child_does_not_know_is_404_here_and_200_for_those_with_a_handshake() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era}"), "");
        let said = daemon.modern().call("demo/unheard", &json!({"a": 1}));
        assert_eq!(said.error(), (404, -32601), "{era}: {said:?}");
        assert_eq!(record.of("demo/unheard").len(), 1, "it was asked");
        let answer = daemon.post("/mcp", &request(&json!("u"), "demo/unheard", &json!({})));
        assert_eq!(answer.status, 200, "{era}");
        let body = answer.json();
        assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32601), &json!("u")));
        assert_eq!(record.of("demo/unheard").len(), 2);
    }
}

#[test]
fn a_request_is_answered_in_the_form_its_client_takes() {
    for era in ERAS {
        let (daemon, _) = recorded(&format!("--era {era}"), "[http]\ncommit_after = \"100ms\"\n");
        let client = daemon.modern().able();
        let mut sleep = client.message(
            &json!("s"),
            "tools/call",
            &json!({"name": "sleep", "arguments": {"ms": 400}}),
        );
        sleep["params"]["_meta"]["progressToken"] = json!("p");
        let list = client.message(&json!("l"), "tools/list", &json!({}));
        let form = |message: &Value, accept: &str| {
            client.send(&client.request(message).header("Accept", accept))
        };
        for accept in ["*/*", "", "application/json", "application/json, text/event-stream"] {
            assert!(!form(&list, accept).is_stream(), "{era} {accept}");
        }
        let stream = form(&list, "text/event-stream");
        assert!(stream.is_stream());
        assert_eq!(stream.header("x-accel-buffering"), Some("no"));
        assert!(Said::of(stream).result()["tools"].is_array());

        let whole = Said::of(form(&sleep, "application/json"));
        assert_eq!((whole.text(), whole.messages.len()), ("Slept for 400 ms.", 1));
        for accept in ["text/event-stream", "*/*"] {
            let answer = form(&sleep, accept);
            assert!(answer.is_stream());
            let mut events = answer.events();
            let messages: Vec<Value> = std::iter::from_fn(|| events.message()).collect();
            let (answer, notes) = messages.split_last().unwrap();
            assert_eq!(answer["id"], "s");
            assert_eq!(answer["result"]["resultType"], "complete");
            assert_eq!(notes.len(), 9);
            assert!(notes.iter().all(|note| note["params"]["progressToken"] == "p"), "{notes:?}");
            assert_eq!(events.last_event_id(), "", "there is nothing to take up again");
            assert!(!events.raw().contains("retry:"), "{}", events.raw());
        }
        // A question is an answer like any other.
        let ask = client.message(&json!("a"), "tools/call", &json!({"name": "ask_roots"}));
        let asked = Said::of(form(&ask, "application/json"));
        assert_eq!(asked.result()["resultType"], "input_required");
    }
}

#[test]
fn older_and_newer_http_carry_it_too() {
    let (daemon, _) = recorded("--era modern", "");
    let client = daemon.modern();
    let list = client.message(&json!("l"), "tools/list", &json!({}));
    let answer = client.send(&client.request(&list).http10());
    assert_eq!((answer.status, answer.is_chunked()), (200, false));
    assert!(Said::of(answer).result()["tools"].is_array());
    let mut sleep = client.message(
        &json!("s"),
        "tools/call",
        &json!({"name": "sleep", "arguments": {"ms": 50}}),
    );
    sleep["params"]["_meta"]["progressToken"] = json!(1);
    let stream = client.send(&client.request(&sleep).http10());
    assert_eq!((stream.is_chunked(), stream.is_stream()), (false, true));
    assert_eq!(Said::of(stream).text(), "Slept for 50 ms.");

    let url = format!("http://{}/mcp", daemon.address());
    #[expect(clippy::disallowed_methods, reason = "here the test is the one who starts processes")]
    let output = std::process::Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "20",
            "--http2-prior-knowledge",
            "-w",
            "\n%{http_version} %{response_code}",
        ])
        .args(["-H", "content-type: application/json", "-H", "mcp-method: tools/list"])
        .args(["-H", "mcp-protocol-version: 2026-07-28", "-d", &list.to_string(), &url])
        .output()
        .expect("curl is needed here");
    let said = String::from_utf8_lossy(&output.stdout);
    let (answer, seen) = said.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(seen, "2 200", "{said}");
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["result"]["resultType"], "complete");
}

#[test]
fn what_belongs_to_sessions_and_resuming_does_not_concern_it() {
    for era in ERAS {
        let (daemon, _) = recorded(&format!("--era {era}"), "");
        let client = daemon.modern();
        let live = daemon.plain().session;
        let echo = client.message(
            &json!("e"),
            "tools/call",
            &json!({"name": "echo", "arguments": {"text": "x"}}),
        );
        for session in ["of-another-life", &live] {
            let request = client.request(&echo).header("Mcp-Session-Id", session);
            let answer = client.send(&request.header("Last-Event-ID", "7f-0"));
            assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
            assert_eq!(Said::of(answer).text(), "x");
        }
        for method in ["GET", "DELETE", "PUT"] {
            let request = Request::new(method, "/mcp").header("Accept", "text/event-stream");
            let request = request.header("MCP-Protocol-Version", REVISION);
            let answer = daemon.send(&request.header("Mcp-Session-Id", &live));
            assert_eq!(answer.header("allow"), Some("POST"), "{method}");
            refused(answer, 405, -32600, &Value::Null);
        }
        let mut session = daemon.plain();
        assert_eq!(session.call("ping", &json!({}))["result"], json!({}), "and it is not over");
    }
}

#[test]
fn messages_that_ask_for_nothing_are_taken_and_dropped() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era}"), "");
        let client = daemon.modern();
        let before = record.raw().len();
        for method in [
            "notifications/cancelled",
            "notifications/initialized",
            "notifications/roots/list_changed",
            "demo/note",
        ] {
            let mut note = client.message(&Value::Null, method, &json!({"requestId": 1}));
            note.as_object_mut().unwrap().remove("id");
            for request in [
                client.request(&note),
                Request::post("/mcp", &note),
                client.request(&note).header("Accept", "text/html"),
            ] {
                let answer = client.send(&request);
                assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{method}");
            }
            let bare = json!({"jsonrpc": "2.0", "method": method});
            let bare = Request::post("/mcp", &bare).header("MCP-Protocol-Version", REVISION);
            assert_eq!(client.send(&bare).status, 202);
        }
        for answer in [
            json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}),
        ] {
            let request = Request::post("/mcp", &answer);
            assert_eq!(client.send(&request).status, 202);
            // Here nobody is asked by requests, so who says that it is of this era has nothing to answer.
            let request = request.header("MCP-Protocol-Version", REVISION);
            refused(client.send(&request), 400, -32600, &Value::Null);
        }
        assert_eq!(client.tool("echo", &json!({"text": "x"})).text(), "x");
        let after: Vec<Value> = record.messages().split_off(before);
        let methods: Vec<&str> = after.iter().filter_map(|m| m["method"].as_str()).collect();
        assert_eq!(methods, ["tools/list", "tools/call"], "{era}");
    }
}

#[test]
fn t31_an_array_with_a_request_of_this_era_is_refused() {
    let (daemon, record) = recorded("--era legacy", "");
    let client = daemon.modern();
    let before = record.raw().len();
    let echo = client.message(
        &json!("e"),
        "tools/call",
        &json!({"name": "echo", "arguments": {"text": "x"}}),
    );
    let list = request(&json!(1), "tools/list", &json!({}));
    for array in [json!([echo]), json!([list, echo])] {
        for version in ["", "2025-03-26", REVISION] {
            let request = Request::post("/mcp", &array).header("MCP-Protocol-Version", version);
            refused(client.send(&request), 400, -32600, &Value::Null);
        }
    }
    let request = Request::post("/mcp", &json!([list])).header("MCP-Protocol-Version", REVISION);
    refused(client.send(&request), 400, -32600, &Value::Null);
    assert_eq!(record.raw().len(), before);
}

#[test]
fn t50_every_refusal_of_a_request_carries_its_id() {
    let rest = "[http]\nmax_body = \"64KiB\"\n";
    let (daemon, record) = recorded("--era legacy", rest);
    let client = daemon.modern();
    let before = record.raw().len();
    let id = json!("my-id");
    let list = client.message(&id, "tools/list", &json!({}));
    let good = client.request(&list);
    let given = |status, code, request: &Request| refused(client.send(request), status, code, &id);
    given(406, -32600, &good.clone().header("Accept", "text/html"));
    given(415, -32600, &good.clone().header("Content-Type", "text/plain"));
    given(400, -32600, &good.clone().body(list.to_string().replace("2.0", "1.0")));
    let listen = client.message(&id, "subscriptions/listen", &json!({"notifications": {}}));
    given(406, -32600, &client.request(&listen).header("Accept", "application/json"));
    for params in [json!({}), json!({"notifications": 7})] {
        let listen = client.message(&id, "subscriptions/listen", &params);
        given(400, -32602, &client.request(&listen));
    }
    for (member, value) in [
        ("inputResponses", json!(null)),
        ("inputResponses", json!([])),
        ("requestState", json!(null)),
        ("requestState", json!("sd1.none")),
    ] {
        let params = json!({"name": "echo", member: value});
        given(400, -32602, &client.request(&client.message(&id, "tools/call", &params)));
    }
    let mut twice = list.to_string();
    twice = twice.replace(r#""params":{"#, r#""params":{"_meta":{},"#);
    given(400, -32602, &good.clone().body(twice));
    assert_eq!(record.raw().len(), before, "no child has heard of any");

    // What is refused before its body has been read has no id that could be named: whoever is not let in is not listened to,
    // and no server of that name is no server that knows this era.
    let unread = |status, request: &Request| {
        refused(client.send(request), status, -32600, &Value::Null);
    };
    unread(403, &good.clone().header("Host", "evil.example"));
    unread(403, &good.clone().header("Origin", "http://evil.example"));
    unread(404, &client.at("/servers/none/mcp").request(&list));
    unread(404, &client.at("/nothing").request(&list));
    unread(413, &good.clone().body("x".repeat(70_000)));
    refused(client.send(&good.clone().body("{\"jsonrpc\"")), 400, -32700, &Value::Null);
}

#[test]
fn t50_whoever_is_not_let_in_hears_so_before_anything_else() {
    let desk = Desk::new();
    let token = |who: &str| {
        let file = desk.write(who, &format!("{who}-secret-0123456789"));
        let server = if who == "ann" { "demo" } else { "other" };
        format!("{{ name = {who:?}, file = {file:?}, servers = [{server:?}] }}")
    };
    let (ann, bob) = (token("ann"), token("bob"));
    let (demo, record) = Demo::new("demo").recorded(&desk);
    let other = Demo::new("other").toml();
    let daemon =
        Daemon::at(desk, &format!("[auth]\ntokens = [{ann}, {bob}]\n{}{other}", demo.toml()));
    daemon.ready("/servers/demo/readyz");
    let client = Modern::new(daemon.address(), "/servers/demo/mcp");
    let list = client.message(&json!(1), "tools/list", &json!({}));
    let answer = client.post(&list);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    refused(answer, 401, -32600, &Value::Null);
    let wrong = client.clone().with_token("nobody-secret-0123456789");
    refused(wrong.post(&list), 401, -32600, &Value::Null);
    let bob = client.clone().with_token("bob-secret-0123456789");
    refused(bob.post(&list), 403, -32600, &Value::Null);
    assert_eq!(record.of("tools/list").len(), 0);
    let ann = client.with_token("ann-secret-0123456789");
    assert!(ann.call("tools/list", &json!({})).result()["tools"].is_array());
    assert!(record.raw().iter().all(|line| !line.contains("secret")), "no child sees a token");
}

#[test]
fn t50_a_server_that_cannot_be_reached_is_503_with_a_time_to_come_back() {
    let missing = "[servers.missing]\ncommand = \"/nowhere/to/be/found\"\n".to_owned();
    let broken = Demo::new("broken").flags("--exit-at-start 3").toml();
    let silent =
        Demo::new("silent").flags("--hang-initialize").keys("start_wait = \"100ms\"").toml();
    let daemon = Daemon::start(&(missing + &broken + &silent));
    for server in ["missing", "broken", "silent"] {
        let plain = Modern::new(daemon.address(), &format!("/servers/{server}/mcp"));
        for client in [plain.clone(), plain.able()] {
            for (method, params) in [
                ("tools/list", json!({})),
                ("tools/call", json!({"name": "echo"})),
                ("server/discover", json!({})),
                ("subscriptions/listen", json!({"notifications": {}})),
            ] {
                let id = json!(format!("{server} {method}"));
                let answer = client.post(&client.message(&id, method, &params));
                // Clients that begin with this one take a 5xx for an outage, and then try nothing else.
                let status = if method == "server/discover" { 200 } else { 503 };
                let error = refused(answer, status, -32603, &id);
                assert_eq!(error["data"]["retryable"], true);
                assert!(error["message"].as_str().unwrap().contains(server), "{error}");
            }
        }
    }
}

#[test]
fn t50_a_daemon_that_stops_says_so_to_each_request() {
    let (mut daemon, record) = recorded("--era modern", "");
    let client = daemon.modern();
    std::thread::scope(|scope| {
        let slow = client.message(
            &json!("slow"),
            "tools/call",
            &json!({"name": "sleep", "arguments": {"ms": 1000}}),
        );
        let call = {
            let client = client.clone();
            scope.spawn(move || Said::of(client.post(&slow)))
        };
        record.wait_for("tools/call");
        // Open before the stop, and in the middle of a request.
        let id = json!("late");
        let bytes = client.request(&client.message(&id, "tools/list", &json!({}))).bytes();
        let mut connection = crate::support::stream::connect(daemon.address());
        let (head, rest) = bytes.split_at(bytes.len() - 10);
        std::io::Write::write_all(&mut connection, head).unwrap();
        daemon.get("/healthz");
        daemon.signal(Signal::TERM);
        daemon.logged("stopping: ");
        std::io::Write::write_all(&mut connection, rest).unwrap();
        refused(Answer::of(connection), 503, -32603, &id);
        assert_eq!(call.join().unwrap().text(), "Slept for 1000 ms.");
    });
    assert_eq!(daemon.ended(crate::support::LIMIT).code(), Some(0));
}

#[test]
fn capabilities_of_any_length_are_told_to_the_child_as_they_are() {
    for era in ERAS {
        let (daemon, _) = recorded(&format!("--era {era}"), "");
        let capabilities = json!({"elicitation": {}, "experimental": {"x": "y".repeat(2048)}});
        let client = daemon.modern().can(&capabilities);
        let whoami = client.tool("whoami", &json!({}));
        let said = whoami.result().to_string();
        assert!(said.contains("elicitation"), "{era}: {said}");
        // Pools are not named by that much, so what is no question is left out for a child with a handshake.
        assert_eq!(said.contains("yyyy"), era == "modern", "{said}");
        let asked = client.tool("test_elicitation", &json!({"message": "Who?"}));
        assert_eq!(asked.result()["resultType"], "input_required");
    }
}

#[test]
fn a_servers_own_address_and_a_one_liner_serve_it_at_the_root() {
    let desk = Desk::new();
    let config = Demo::new("a").keys("listen = \"127.0.0.1:0\"").toml()
        + &Demo::new("b").flags("--era modern").toml();
    let daemon = Daemon::run(desk, &config, command(), &["--listen", "127.0.0.1:0"]);
    let own = daemon.own_address("a");
    let expect = |address: &str, path: &str| {
        let client = Modern::new(address, path).able();
        assert_eq!(
            client.call("server/discover", &json!({})).result()["supportedVersions"],
            json!([REVISION])
        );
        assert_eq!(client.tool("echo", &json!({"text": path})).text(), path);
        assert_eq!(client.tool("ask_roots", &json!({})).result()["resultType"], "input_required");
    };
    expect(&own, "/mcp");
    expect(&own, "/servers/a/mcp/");
    expect(daemon.address(), "/servers/a/mcp");
    expect(daemon.address(), "/servers/b/mcp");
    for flags in [&[][..], &["--era", "legacy"], &["--era", "modern"]] {
        let daemon = Daemon::one_liner(&["--name", "one"], flags);
        expect(daemon.address(), "/mcp");
        expect(daemon.address(), "/servers/one/mcp");
        // The other era is served there too.
        assert_eq!(daemon.post("/mcp", &initialize("2025-11-25", &json!({}))).status, 200);
        daemon.stopped();
    }
}

#[test]
fn what_a_client_of_the_wrong_era_hears_says_what_to_do() {
    let (daemon, record) = recorded("--era legacy", "");
    let before = record.raw().len();
    for answer in [json!({"result": {}}), json!({"error": {"code": 1, "message": "no"}})] {
        let mut answer = answer;
        answer["jsonrpc"] = "2.0".into();
        answer["id"] = 1.into();
        let post = Request::post("/mcp", &answer).header("MCP-Protocol-Version", REVISION);
        let error = refused(daemon.send(&post), 400, -32600, &Value::Null);
        let said = error["message"].as_str().unwrap();
        assert!(said.contains("knows no responses") && said.contains("inputResponses"), "{said}");
        assert_eq!(daemon.post("/mcp", &answer).status, 202, "of the era before it is welcome");
    }
    let discover = request(&json!("d"), "server/discover", &json!({}));
    let error = refused(daemon.post("/mcp", &discover), 200, -32601, &json!("d"));
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("_meta") && said.contains(REVISION), "{said}");
    assert_eq!(record.raw().len(), before, "the child saw nothing of it");
}

#[test]
fn a_server_that_breaks_the_rules_is_said_to() {
    let (daemon, _) = recorded("--era modern --ask-on-list", "");
    let list = daemon.modern().call("tools/list", &json!({}));
    assert_eq!(list.error(), (200, -32603));
    assert!(list.why().contains("demo breaks the rules of the protocol"), "{}", list.why());
}
