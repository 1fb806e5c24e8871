//! Rules 11 to 14: clients of either era, and those that find out which one they meet.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::{Mortal, at_once};
use crate::support::child::Desk;
use crate::support::mcp::{initialize, request, text};
use crate::support::modern::{REVISION, Said};
use crate::support::{Daemon, Demo, Request};

/// FastMCP 4 gives an answer to its probe ten seconds.
const PROBE_MAX: Duration = Duration::from_secs(9);

/// For rmcp, which asks for 2026-07-28 and expects to be offered less, and for every older client.
#[test]
fn c11_a_newer_revision_is_answered_with_the_newest_known_one() {
    let daemon = Daemon::demo("");
    for (asked, answered) in [
        ("2026-07-28", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
        ("nonsense", "2025-11-25"),
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
    ] {
        let request = Request::post("/mcp", &initialize(asked, &json!({})));
        // With the header of a newer revision it would be a request of that, and lack what such a request has to say.
        let known = asked == answered;
        for version in ["", if known { asked } else { "2025-11-25" }] {
            let answer = daemon.send(&request.clone().header("MCP-Protocol-Version", version));
            assert_eq!(answer.status, 200, "{asked}");
            assert!(answer.header("mcp-session-id").is_some());
            assert_eq!(answer.json()["result"]["protocolVersion"], answered);
        }
    }
}

/// For the TypeScript client in mode auto, which takes no other era after a 401, a 500 or a hang.
#[test]
fn c12_a_probe_that_lacks_its_envelope_is_told_so_at_once() {
    for flags in ["--hang", "--exit-at-start 1"] {
        let daemon = Daemon::demo(flags);
        let discover = Request::post("/mcp", &request(&json!("d"), "server/discover", &json!({})));
        for (version, status, code) in [("", 200, -32601), (REVISION, 400, -32602)] {
            let discover = discover.clone().header("MCP-Protocol-Version", version);
            let answer = at_once(flags, || daemon.send(&discover));
            assert_eq!(answer.status, status, "{flags} {version}");
            let body = answer.json();
            assert_eq!((&body["error"]["code"], &body["id"]), (&json!(code), &json!("d")));
        }
    }
}

/// For rmcp and the TypeScript client in mode auto, and for FastMCP 4, which waits ten seconds and no longer.
#[test]
fn c12_a_probe_is_answered_properly_whatever_the_child_does() {
    let probe = |daemon: &Daemon, how: &str| {
        let modern = daemon.modern();
        let begun = Instant::now();
        let answer = modern.post(&modern.message(&json!("d"), "server/discover", &json!({})));
        let mut said = Said::of(answer);
        assert!(begun.elapsed() < PROBE_MAX, "{how}: {:?}", begun.elapsed());
        assert_eq!(said.status, 200, "{how}");
        said.messages.pop().unwrap()
    };
    let mortal = Mortal::start("");
    assert!(probe(&mortal.daemon, "ready")["result"]["supportedVersions"].is_array());
    mortal.freeze();
    assert!(probe(&mortal.daemon, "it hangs")["result"]["supportedVersions"].is_array());
    mortal.kill_for_good();
    assert!(probe(&mortal.daemon, "it is gone")["error"]["message"].is_string());

    let lazy = Daemon::start(&Demo::new("demo").keys("start = \"lazy\"").toml());
    assert!(probe(&lazy, "not started")["result"]["supportedVersions"].is_array());
    let missing = Daemon::start("[servers.demo]\ncommand = \"no-such-program-anywhere\"\n");
    assert!(probe(&missing, "not there")["error"]["message"].is_string());
    let starting = Daemon::demo("--hang");
    assert!(probe(&starting, "it starts")["error"]["message"].is_string());
}

/// For the 11 of 15 clients that know sessions alone, and the four that need none.
#[test]
fn c13_both_eras_are_served_at_one_url_whichever_the_server_is_of() {
    for era in ["legacy", "modern", "dual"] {
        let daemon = Daemon::demo(&format!("--era {era}"));
        let mut old = daemon.plain();
        let new = daemon.modern();
        for _ in 0..3 {
            assert_eq!(text(&old.tool("echo", &json!({"text": era}))), era);
            assert_eq!(new.tool("echo", &json!({"text": era})).text(), era);
            assert!(old.call("tools/list", &json!({}))["result"]["tools"].is_array());
            assert!(new.call("tools/list", &json!({})).result()["tools"].is_array());
        }
    }
}

/// For FastMCP 4 and the clients in mode auto, which send no id, open no stream and end nothing.
#[test]
fn c14_a_client_without_a_session_goes_on_after_a_restart_as_if_there_was_none() {
    let desk = Desk::new();
    let (demo, _) = Demo::new("demo").recorded(&desk);
    let mut daemon = Daemon::at(desk, &demo.toml());
    for how in [Signal::TERM, Signal::KILL] {
        daemon = daemon.follow(how);
        let client = daemon.modern();
        assert_eq!(client.tool("echo", &json!({"text": "x"})).text(), "x");
        // What belongs to sessions is refused by name, and an id that somebody sends along is nobody's.
        for method in ["GET", "DELETE"] {
            let request = Request::new(method, "/mcp").header("MCP-Protocol-Version", REVISION);
            let answer = daemon.send(&request);
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        }
        let list = client.message(&json!(1), "tools/list", &json!({}));
        let list = client.request(&list).header("Mcp-Session-Id", "of-another-life");
        let answer = at_once("a list", || daemon.send(&list));
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
    }
}
