//! Rules 16 to 18: connections and addresses. What is said of HTTP/1.0, of comments on silent streams and of names of hosts is
//! shown in `forms` and `doors`.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::list;
use crate::support::child::Desk;
use crate::support::mcp::tool;
use crate::support::stream::connect_tcp;
use crate::support::{Answer, Daemon, Demo, Request};

/// For LiteLLM, which keeps connections and loses a server for that listing if one closes under a request.
#[test]
fn c17_a_connection_serves_many_requests_and_pipelined_ones_in_order() {
    let daemon = Daemon::demo("");
    let mut answer = daemon.post("/mcp", &list());
    for id in 0..50 {
        let next = Request::post("/mcp", &tool(&json!(id), "echo", &json!({"text": "x"})));
        let (before, after) = answer.reused(&next);
        assert!(before.starts_with('{'), "{before}");
        assert_eq!(after.header("connection"), None);
        answer = after;
    }
    let mut stream = connect_tcp(daemon.address());
    let two = [
        Request::post("/mcp", &tool(&json!("first"), "sleep", &json!({"ms": 300}))),
        Request::post("/mcp", &tool(&json!("second"), "echo", &json!({"text": "x"})))
            .header("Connection", "close"),
    ];
    stream.write_all(&two.map(|request| request.bytes()).concat()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    let (first, second) = (all.find("\"first\"").unwrap(), all.find("\"second\"").unwrap());
    assert!(first < second, "{all}");
}

/// For LiteLLM and every Python client, whose library sends a body apart from its head: a refusal may come between the two.
#[test]
fn c17_a_refusal_that_does_not_wait_for_the_body_says_whether_the_connection_stays() {
    let desk = Desk::new();
    let file = desk.write("token", "a-secret-0123456789");
    let auth =
        format!("[auth]\ntokens = [{{ name = \"n\", file = {:?} }}]\n", file.to_str().unwrap());
    let config = format!("{auth}[http]\nmax_body = \"64KiB\"\n{}", Demo::new("demo").toml());
    let daemon = Daemon::at(desk, &config);
    let good = |request: Request| request.header("Authorization", "Bearer a-secret-0123456789");
    let long = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": "x".repeat(300_000)});
    for (request, status) in [
        (Request::post("/mcp", &list()), 401),
        (Request::post("/nothing", &list()), 404),
        (Request::post("/servers/none/mcp", &list()), 401),
        (good(Request::post("/servers/none/mcp", &list())), 404),
        (good(Request::post("/mcp", &list())).header("Host", "evil.example"), 403),
        (good(Request::post("/mcp", &list())).header("Origin", "http://evil.example"), 403),
        (good(Request::post("/mcp", &long)), 413),
        (good(Request::new("POST", "/sse")).body(list().to_string()), 405),
        (Request::post("/healthz", &list()), 405),
    ] {
        let bytes = request.bytes();
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        for comes in [true, false] {
            let mut stream = connect_tcp(daemon.address());
            stream.write_all(&bytes[..head]).unwrap();
            if comes {
                thread::sleep(Duration::from_millis(50));
                stream.write_all(&bytes[head..]).unwrap();
            }
            let answer = Answer::of(Box::new(stream));
            assert_eq!(answer.status, status, "{request:?}");
            let closes = answer.header("connection") == Some("close");
            // What is too long is not read to its end, and what does not come is not waited for.
            assert_eq!(closes, !comes || status == 413, "{request:?}");
            if !closes {
                let (_, next) = answer.reused(&Request::get("/healthz"));
                assert_eq!(next.status, 200, "{request:?}");
            }
        }
    }
}

/// For curl and libraries like it, which ask before they send a long body.
#[test]
fn c17_a_body_that_waits_to_be_asked_for_is_not_asked_for_when_nobody_wants_it() {
    let daemon = Daemon::demo("");
    let asking = |path: &str, connection: &str| {
        let request = Request::post(path, &list()).header("Expect", "100-continue");
        let bytes = request.header("Connection", connection).bytes();
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let mut stream = connect_tcp(daemon.address());
        stream.write_all(&bytes[..head]).unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        if said.ends_with(b"100") {
            stream.write_all(&bytes[head..]).unwrap();
        }
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        (String::from_utf8_lossy(&said).into_owned(), rest)
    };
    let (said, rest) = asking("/nothing", "");
    assert_eq!(said, "HTTP/1.1 404");
    assert!(rest.contains("connection: close"), "{rest}");
    let (said, rest) = asking("/mcp", "close");
    assert_eq!(said, "HTTP/1.1 100");
    assert!(rest.contains("HTTP/1.1 200") && rest.contains("\"tools\""), "{rest}");
}

/// For clients that announce a body where there is none to send.
#[test]
fn c17_nobody_waits_for_the_body_of_a_request_that_has_none() {
    let daemon = Daemon::demo("");
    let began = Instant::now();
    for (method, path, status) in [("GET", "/healthz", 200), ("DELETE", "/mcp", 400)] {
        for body in ["", "{}"] {
            for _ in 0..4 {
                let request = Request::new(method, path).header("Content-Length", "2").body(body);
                let answer = request.send(daemon.address());
                assert_eq!(answer.status, status, "{method}");
                if body.is_empty() {
                    assert_eq!(answer.header("connection"), Some("close"), "{method}");
                }
            }
        }
    }
    // A second for each would be eight.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

/// For every client, where a stream was opened on the connection before and has ended.
#[test]
fn c17_a_connection_outlives_the_streams_it_carried() {
    let daemon = Daemon::demo("");
    let mut call = tool(&json!(1), "sleep", &json!({"ms": 100}));
    call["params"]["_meta"] = json!({"progressToken": 1});
    let mut answer = daemon.post("/mcp", &call);
    for _ in 0..5 {
        assert!(answer.is_stream());
        let (before, after) = answer.reused(&Request::post("/mcp", &call));
        assert!(before.contains("Slept for 100 ms."), "{before}");
        answer = after;
    }
}

/// For every LiteLLM: mcp-proxy 0.8.2 answers 404 without the slash, and all its tools are gone.
#[test]
fn c18_a_trailing_slash_changes_nothing_and_nobody_is_sent_elsewhere() {
    let daemon = Daemon::demo("");
    for path in ["/mcp", "/mcp/", "/servers/demo/mcp", "/servers/demo/mcp/", "/mcp?x=1"] {
        assert_eq!(daemon.post(path, &list()).status, 200, "{path}");
        let mut client = daemon.client(path, "2025-11-25", &json!({}));
        drop(client.listen());
        assert!(client.call("tools/list", &json!({}))["result"].is_object(), "{path}");
        assert_eq!(client.delete().status, 200, "{path}");
    }
    for path in ["/sse", "/sse/", "/servers/demo/sse/"] {
        assert_eq!(daemon.send(&Request::listen(path)).status, 200, "{path}");
    }
    assert_eq!(daemon.get("/healthz/").status, 200);
    assert_eq!(daemon.post("/messages/", &Value::Null).status, 400, "it is there");
}
