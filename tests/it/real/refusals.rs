//! Bad input: each kind, with its status, its code, and the id of the request wherever that can be read.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::support::mcp::request;
use crate::support::stream::connect_tcp;
use crate::support::{Answer, Daemon, Demo, Request};

fn raw(body: &str) -> Request {
    Request::post("/mcp", &Value::Null).body(body)
}

#[track_caller]
fn refused(answer: Answer, status: u16, code: i32, id: &Value) {
    assert_eq!(answer.status, status);
    let body = answer.json();
    assert_eq!((&body["error"]["code"], &body["id"]), (&json!(code), id), "{body}");
    assert_eq!(body["jsonrpc"], "2.0");
    assert!(body["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
}

#[test]
fn bodies_that_are_no_message_are_400_with_the_id_that_could_be_read() {
    let daemon = Daemon::demo("");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, code, id) in [
        ("", -32700, json!(null)),
        ("hello", -32700, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", -32700, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} trailing", -32700, json!(null)),
        ("null", -32600, json!(null)),
        ("true", -32600, json!(null)),
        ("\"text\"", -32600, json!(null)),
        ("42", -32600, json!(null)),
        ("{}", -32600, json!(null)),
        ("{\"id\":7,\"method\":\"ping\"}", -32600, json!(7)),
        ("{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}", -32600, json!(7)),
        ("{\"jsonrpc\":\"2.0\",\"id\":\"s\"}", -32600, json!("s")),
        ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":5}", -32600, json!(7)),
        ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"ping\"}", -32600, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}", -32600, json!(null)),
        (&deep, -32600, json!(null)),
    ] {
        let shown = &body[..body.len().min(80)];
        let answer = daemon.send(&raw(body));
        assert_eq!(answer.status, 400, "{shown}");
        let said = answer.json();
        assert_eq!(said["error"]["code"], code, "{shown}: {said}");
        if !id.is_null() {
            assert_eq!(said["id"], id, "{shown}: {said}");
        }
    }
    let not_utf8 = Request::post("/mcp", &Value::Null).body(&b"{\"jsonrpc\":\"\xff\"}"[..]);
    refused(daemon.send(&not_utf8), 400, -32700, &Value::Null);
}

#[test]
fn however_deep_a_message_is_it_harms_nobody() {
    let daemon = Daemon::demo("");
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"jsonrpc":"2.0","id":4,"method":"x","params":{{"a":{deep}}}}}"#);
    let answer = daemon.send(&raw(&body));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["error"]["code"], -32602, "this server reads no deeper than it can");
    assert_eq!(daemon.plain().call("ping", &json!({}))["result"], json!({}));
}

#[test]
fn headers_that_do_not_fit_are_refused_with_the_id_of_the_request() {
    let daemon = Daemon::demo("");
    let list = request(&json!("r-1"), "tools/list", &json!({}));
    let id = json!("r-1");
    let with =
        |name: &str, value: &str| daemon.send(&Request::post("/mcp", &list).header(name, value));
    refused(with("Content-Type", "text/plain"), 415, -32600, &id);
    refused(with("Content-Type", "application/jsonl"), 415, -32600, &id);
    refused(with("Accept", "text/html"), 406, -32600, &id);
    refused(with("MCP-Protocol-Version", "1999-01-01"), 400, -32600, &id);
    refused(with("MCP-Protocol-Version", "nonsense"), 400, -32600, &id);
    refused(with("Mcp-Session-Id", "forged"), 404, -32600, &id);
    for (name, value) in [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Type", "APPLICATION/JSON"),
        ("Content-Type", ""),
        ("MCP-Protocol-Version", "2024-11-05"),
        ("MCP-Protocol-Version", " 2025-06-18 "),
        ("Mcp-Method", "tools/list"),
        ("Mcp-Name", "whatever"),
    ] {
        let answer = with(name, value);
        assert_eq!(answer.status, 200, "{name}: {value}");
        assert!(answer.json()["result"]["tools"].is_array());
    }
}

#[test]
fn unknown_paths_servers_and_methods_are_told_apart() {
    let two = Demo::new("a").toml() + &Demo::new("b").toml();
    let daemon = Daemon::start(&two);
    let list = request(&json!(1), "tools/list", &json!({}));
    for path in ["/nothing", "/mcp", "/sse", "/servers", "/servers/a", "/servers/a/other"] {
        assert_eq!(daemon.post(path, &list).status, 404, "{path}");
    }
    let unknown = daemon.post("/servers/c/mcp", &list);
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"]["message"].as_str().unwrap().contains("\"c\""));
    for (method, path, allow) in [
        ("PUT", "/servers/a/mcp", "GET, POST, DELETE"),
        ("PATCH", "/servers/a/mcp/", "GET, POST, DELETE"),
        ("GET", "/servers/a/messages", "POST"),
        ("POST", "/servers/a/sse", "GET"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/status", "GET, HEAD"),
    ] {
        let answer = daemon.send(&Request::new(method, path));
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[test]
fn a_body_over_the_limit_is_413_however_it_comes() {
    let daemon =
        Daemon::start(&format!("[http]\nmax_body = \"64KiB\"\n{}", Demo::new("demo").toml()));
    let body = |bytes: usize| {
        let text = "x".repeat(bytes);
        request(&json!(1), "ping", &json!({"text": text})).to_string()
    };
    assert_eq!(daemon.send(&raw(&body(60_000))).status, 200);
    assert_eq!(daemon.send(&raw(&body(60_000)).chunked()).status, 200);
    refused(daemon.send(&raw(&body(70_000))), 413, -32600, &Value::Null);
    refused(daemon.send(&raw(&body(70_000)).chunked()), 413, -32600, &Value::Null);
    refused(daemon.send(&raw(&body(8 << 20))), 413, -32600, &Value::Null);
    refused(daemon.send(&raw(&body(8 << 20)).chunked()), 413, -32600, &Value::Null);
    // One that only says so is refused before it sends any of it.
    let mut stream = connect_tcp(daemon.address());
    stream
        .write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
}

#[test]
fn what_is_not_http_disturbs_nobody() {
    let daemon = Daemon::demo("");
    for junk in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: nine\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\njunk",
        b"GET /healthz HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = connect_tcp(daemon.address());
        stream.write_all(junk).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(!rest.starts_with("HTTP/1.1 2") && !rest.starts_with("HTTP/1.1 5"), "{rest}");
    }
    let long = Request::get("/healthz").header("X-Long", &"x".repeat(1 << 20));
    let mut stream = connect_tcp(daemon.address());
    stream.write_all(&long.bytes()).ok();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 431"), "a head without end");
    assert_eq!(daemon.get("/healthz").status, 200);
    daemon.stopped();
}
