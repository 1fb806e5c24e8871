//! Where the daemon listens, and what it speaks there.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::command;
use crate::support::mcp::{Mcp, request, text, tool};
use crate::support::{Daemon, Demo, Request};

fn list() -> Value {
    request(&json!(1), "tools/list", &json!({}))
}

#[test]
fn several_addresses_a_unix_socket_and_a_servers_own_listener_serve_at_once() {
    let desk = Desk::new();
    let socket = desk.path().join("http.sock");
    // What a process that was killed left behind is no obstacle.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let config = format!(
        "[http]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\", \"unix:{}\"]\n{}{}",
        socket.display(),
        Demo::new("a").keys("listen = \"127.0.0.1:0\"").toml(),
        Demo::new("b").toml()
    );
    let daemon = Daemon::as_configured(desk, &config);
    let own = daemon.own_address("a");
    let by_socket = format!("unix:{}", socket.display());
    let v6 = daemon.logged("listening on [::1]");
    let v6 = v6.split_once("listening on ").unwrap().1.split('"').next().unwrap().to_owned();
    for address in [daemon.address(), &v6, &by_socket] {
        for server in ["a", "b"] {
            let mut client =
                Mcp::open(address, &format!("/servers/{server}/mcp"), "2025-11-25", &json!({}));
            assert_eq!(text(&client.tool("echo", &json!({"text": address}))), address);
        }
        assert_eq!(Request::get("/healthz").send(address).text(), "ok\n");
        assert_eq!(Request::post("/mcp", &list()).send(address).status, 404, "two share it");
    }
    let any_host = Request::get("/healthz").header("Host", "whatever");
    assert_eq!(any_host.send(&by_socket).status, 200);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    assert!(
        Mcp::open(&own, "/mcp", "2025-06-18", &json!({})).call("tools/list", &json!({}))["result"]
            .is_object()
    );
    assert_eq!(
        Request::post("/servers/b/mcp", &list()).send(&own).status,
        404,
        "it shows its own alone"
    );
    assert_eq!(Request::listen("/sse").send(&own).status, 200);
    daemon.stopped();
    assert!(!socket.exists());
}

#[test]
fn an_address_in_use_is_named_with_who_to_ask() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let desk = Desk::new();
    let socket = desk.path().join("s.sock");
    let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let unix = format!("unix:{}", socket.display());
    let flags = ["--listen", &address.to_string(), "--listen", &unix];
    let refused = Daemon::refused(&desk, &Demo::new("demo").toml(), &flags);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(
        refused.said.contains(&format!("{address} is in use by another process")),
        "{}",
        refused.said
    );
    assert!(
        refused.said.contains(&format!("ss -ltnp 'sport = :{}'", address.port())),
        "{}",
        refused.said
    );
    assert!(refused.said.contains("ss -lxp"), "both are told of: {}", refused.said);
    assert!(socket.exists(), "another's socket stays");
}

#[test]
fn open_addresses_beyond_this_machine_are_refused_without_tokens() {
    let desk = Desk::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = Daemon::refused(&desk, &Demo::new("demo").toml(), &["--listen", address]);
        assert_eq!(refused.code, Some(2), "{}", refused.said);
        assert!(
            refused.said.contains("[auth]") || refused.said.contains("auth"),
            "{}",
            refused.said
        );
    }
    let file = desk.write("token", "a-long-and-secret-token\n");
    let config = format!(
        "[auth]\ntokens = [{{ name = \"n\", file = {file:?} }}]\n{}",
        Demo::new("demo").toml()
    );
    let daemon = Daemon::run(desk, &config, command(), &["--listen", "0.0.0.0:0"]);
    let local = daemon.address().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(Request::post("/mcp", &list()).send(&local).status, 401);
    assert_eq!(Request::get("/healthz").send(&local).status, 200);
}

/// For every client behind nginx, which cuts off an upstream that is silent for a minute.
#[test]
fn c16_silent_streams_get_comments() {
    let daemon =
        Daemon::start(&format!("[http]\nkeep_alive = \"200ms\"\n{}", Demo::new("demo").toml()));
    let client = daemon.plain();
    let mut listening = client.listen();
    listening.until(": keep-alive\n\n: keep-alive\n\n");
    let call = client.request(&tool(&json!(1), "sleep", &json!({"ms": 700})));
    let mut events = client.send(&call.header("Accept", "text/event-stream")).events();
    while events.next_event().is_some() {}
    assert!(events.raw().contains("Slept for 700 ms."), "{}", events.raw());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "another program's view of the daemon is wanted")]
fn h2c_is_spoken_with_prior_knowledge_and_by_curl() {
    let daemon = Daemon::demo("");
    let url = format!("http://{}/mcp", daemon.address());
    let body = list().to_string();
    for (flag, version) in
        [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1"), ("--http1.0", "1")]
    {
        let output = std::process::Command::new("curl")
            .args(["-sS", "--max-time", "20", flag, "-w", "\n%{http_version} %{response_code}"])
            .args(["-H", "content-type: application/json", "-d", &body, &url])
            .output()
            .expect("curl is needed here");
        let said = String::from_utf8_lossy(&output.stdout);
        let (answer, seen) = said.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(seen, format!("{version} 200"), "{said}");
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert!(answer["result"]["tools"].is_array());
    }
}
