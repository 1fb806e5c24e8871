//! Where the daemon listens, and what it speaks there.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
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
    let v6 = v6.split_once("listening on ").unwrap().1.split(',').next().unwrap().to_owned();
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

#[test]
fn the_log_says_who_gets_to_which_address() {
    let desk = Desk::new();
    let socket = desk.path().join("http.sock");
    let config = format!(
        "[http]\nlisten = [\"127.0.0.1:0\", \"unix:{}\"]\n{}{}",
        socket.display(),
        Demo::new("a").toml(),
        Demo::new("b").keys("listen = \"[::1]:0\"").toml()
    );
    let daemon = Daemon::as_configured(desk, &config);
    let hint = daemon.logged("containers get to none of these");
    let line = format!(
        r#"[http] listen = [\"127.0.0.1:0\", \"unix:{}\", \"10.88.0.1:8750\"]"#,
        socket.display()
    );
    assert!(hint.contains(&line) && hint.contains("[auth]"), "{hint}");
    assert!(!hint.contains("--config"), "there is a file: {hint}");
    assert_eq!(said(&daemon, "listening on "), 3);
    assert_eq!(said(&daemon, ", for this host alone"), 3);
    let here = format!("server a: http://{}/servers/a/mcp\"", daemon.address());
    assert_eq!(said(&daemon, &here), 1);
    assert_eq!(said(&daemon, "in containers"), 0);
}

/// An address for documentation, which no network has.
const ELSEWHERE: &str = "192.0.2.1:0";

#[test]
fn an_address_of_a_network_that_is_not_there_yet_is_listened_on_and_promised_to_nobody() {
    let desk = Desk::new();
    let token = desk.write("token", "0123456789abcdef0123456789abcdef\n");
    let config = |more: &str| {
        format!(
            "[http]\nlisten = [{ELSEWHERE:?}, \"127.0.0.1:0\", \"[2001:db8::1]:0\"{more}]\n\
             [auth]\ntokens = [{{ name = \"gateway\", file = {token:?} }}]\n{}",
            Demo::new("a").toml()
        )
    };
    let daemon = Daemon::as_configured(desk, &config(""));
    let near = daemon.logged("listening on 127.0.0.1:");
    let near = near.split_once("listening on ").unwrap().1.split(',').next().unwrap().to_owned();
    daemon.logged(&format!("server a: http://{near}/servers/a/mcp\""));
    for far in ["192.0.2.1", "[2001:db8::1]"] {
        let line = daemon.logged(&format!("listening on {far}:"));
        assert!(line.contains(", for nobody yet"), "{line}");
        let none = format!("no network of this host has the address of {far}:");
        assert_eq!(said(&daemon, &none), 1);
    }
    assert_eq!(said(&daemon, "in containers"), 0);
    assert_eq!(said(&daemon, "containers get to none"), 0, "one that is to come may let them in");
    // A token is asked for on every address then, that of this host alone too.
    assert_eq!(Request::post("/mcp", &list()).send(&near).status, 401);
    let good = Request::post("/mcp", &list())
        .header("Authorization", "Bearer 0123456789abcdef0123456789abcdef");
    assert_eq!(good.send(&near).status, 200);
    daemon.reload(&config(", \"203.0.113.1:0\""));
    let later = daemon.logged("listening on 203.0.113.1:");
    assert!(later.contains(", for nobody yet"), "{later}");
    daemon.stopped();
}

#[test]
fn containers_are_told_the_name_of_the_host_only_for_listeners_on_all_addresses() {
    let desk = Desk::new();
    let token = desk.write("token", "0123456789abcdef0123456789abcdef\n");
    let config = format!(
        "[http]\nlisten = [\"127.0.0.1:0\"]\n\
         [auth]\ntokens = [{{ name = \"gateway\", file = {token:?} }}]\n{}{}",
        Demo::new("a").keys("listen = \"0.0.0.0:0\"").toml(),
        Demo::new("b").keys("listen = \"127.0.0.1:0\"").toml()
    );
    let daemon = Daemon::as_configured(desk, &config);
    let port = daemon.own_address("a").rsplit_once(':').unwrap().1.to_owned();
    daemon.logged(&format!(
        "server a: http://127.0.0.1:{port}/mcp, in containers http://host.containers.internal:{port}/mcp"
    ));
    daemon.logged("server b: ");
    assert_eq!(said(&daemon, "in containers"), 1, "to the main listener they do not get");
    assert_eq!(said(&daemon, "server b: "), 1);
    assert_eq!(said(&daemon, "containers get to none"), 0);
}

#[test]
fn without_a_file_the_advice_is_to_write_one() {
    let daemon = Daemon::one_liner(&[], &[]);
    let hint = daemon.logged("containers get to none of these");
    assert!(hint.contains("`stdiod serve --config FILE`"), "{hint}");
    assert!(hint.contains("[http] listen = ") && hint.contains("[auth]"), "{hint}");
}

#[test]
fn c18_a_refused_host_is_named_with_the_key_to_set_and_warned_of_once() {
    let daemon = Daemon::demo("");
    for _ in 0..3 {
        let asked = Request::post("/mcp", &list()).header("Host", "litellm-host:8750");
        let answer = daemon.send(&asked);
        assert_eq!((answer.status, answer.header("content-type")), (403, Some("application/json")));
        let body = answer.json();
        assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &Value::Null));
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("\"litellm-host:8750\"") && message.contains("http.allowed_hosts"),
            "{message}"
        );
    }
    assert_eq!(daemon.send(&Request::get("/mcp").header("Host", "another.example")).status, 403);
    let other = daemon.logged("another.example");
    assert!(other.contains(r#"add \"another.example\" to [http] allowed_hosts"#), "{other}");
    let line = daemon.logged("litellm-host");
    assert!(line.contains("\"host\":\"litellm-host:8750\""), "{line}");
    assert!(line.contains(r#"add \"litellm-host\" to [http] allowed_hosts"#), "{line}");
    assert_eq!(said(&daemon, "litellm-host"), 1);
    // Doing what it says helps.
    daemon.reload(&format!(
        "[http]\nallowed_hosts = [\"litellm-host\"]\n{}",
        Demo::new("demo").toml()
    ));
    let asked = Request::post("/mcp", &list()).header("Host", "litellm-host:8750");
    assert_eq!(daemon.send(&asked).status, 200);
}

#[test]
fn c18_made_up_hosts_hide_no_origin_and_those_that_are_not_named_are_counted() {
    let daemon = Daemon::demo("");
    for n in 0..18 {
        let asked = Request::get("/mcp").header("Host", &format!("made-up-{n}.example"));
        assert_eq!(daemon.send(&asked).status, 403);
    }
    assert_eq!(said(&daemon, "made-up-"), 16);
    let asked = Request::get("/mcp").header("Origin", "https://app.example");
    assert_eq!(daemon.send(&asked).status, 403);
    daemon.logged("\"origin\":\"https://app.example\"");
    // Nobody comes any more to say it with.
    daemon.signal(Signal::TERM);
    let closing = daemon.logged("more requests were refused with 403 for their Host");
    assert!(
        closing.contains("\"requests\":2") && closing.contains("\"last\":\"made-up-17.example\""),
        "{closing}"
    );
}

/// How many lines of its log hold this.
fn said(daemon: &Daemon, needle: &str) -> usize {
    daemon.log().iter().filter(|line| line.contains(needle)).count()
}
