//! A host with many servers, some of them broken: the others do not notice, and everybody is told the truth.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::{command, resident};
use crate::support::mcp::{Mcp, request, text};
use crate::support::program::is_optimised;
use crate::support::{Daemon, Demo, eventually};

fn list() -> Value {
    request(&json!("l"), "tools/list", &json!({}))
}

/// Thirteen servers that work and three that do not, each in its own way.
fn sixteen() -> String {
    let well: String = (0..13).map(|n| Demo::new(&format!("well-{n}")).toml()).collect();
    let missing = "[servers.missing]\ncommand = \"no-such-program-anywhere\"\n";
    let exits = Demo::new("exits").flags("--exit-at-start 7").toml();
    let silent =
        Demo::new("silent").flags("--hang").keys("start_timeout = \"1s\"\nstop_grace = \"200ms\"");
    well + missing + &exits + &silent.toml()
}

fn path(server: &str) -> String {
    format!("/servers/{server}/mcp")
}

/// For LiteLLM, which waits for the slowest of all its servers.
#[test]
fn c23_thirteen_of_sixteen_servers_answer_within_two_seconds_of_the_start() {
    let begun = Instant::now();
    let daemon = Daemon::start(&sixteen());
    std::thread::scope(|scope| {
        for n in 0..13 {
            let daemon = &daemon;
            scope.spawn(move || {
                let answer = daemon.post(&path(&format!("well-{n}")), &list());
                assert_eq!(answer.status, 200);
                assert!(answer.json()["result"]["tools"].as_array().unwrap().len() > 5);
            });
        }
    });
    let took = begun.elapsed();
    println!("13 of 16 servers listed after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let begun = Instant::now();
    daemon.stopped();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn readyz_names_those_that_are_not_ready_and_why() {
    let daemon = Daemon::start(&sixteen());
    let not_ready = eventually("three are known to be broken", || {
        let answer = daemon.get("/readyz");
        assert_eq!(answer.status, 503);
        let body = answer.json();
        let waiting = body["not_ready"].as_object().unwrap().clone();
        let settled = waiting.len() == 3 && waiting.values().all(|why| why["state"] == "failed");
        settled.then_some(waiting)
    });
    for (server, why) in [
        ("missing", "command \"no-such-program-anywhere\" was not found"),
        ("exits", "it exited with status 7; its last words on stderr: demo-server: told to exit"),
        ("silent", "it did not answer its handshake within 1 s"),
    ] {
        let said = not_ready[server]["why"].as_str().unwrap();
        assert!(said.contains(why), "{server}: {said}");
        let one = daemon.get(&format!("/servers/{server}/readyz"));
        assert_eq!(one.status, 503);
        assert!(one.json()["not_ready"][server]["why"].is_string());
    }
    let one = daemon.get("/servers/well-3/readyz");
    assert_eq!((one.status, one.json()["servers"].clone()), (200, json!(["well-3"])));
}

/// For LiteLLM 1.81, which cancels everything over a status that is no success.
#[test]
fn c7_c23_calls_to_a_broken_server_say_at_once_what_is_wrong() {
    let daemon = Daemon::start(&sixteen());
    eventually("all three are given up", || {
        let waiting = daemon.get("/readyz").json()["not_ready"].clone();
        let states = ["missing", "exits", "silent"].map(|name| waiting[name]["state"].clone());
        states.iter().all(|state| state == "failed").then_some(())
    });
    for (server, why) in [
        ("missing", "was not found"),
        ("exits", "status 7"),
        ("silent", "did not answer its handshake"),
    ] {
        let mut client = Mcp::closed(daemon.address(), &path(server), "2025-11-25");
        let begun = Instant::now();
        let greeting = client.initialize(&json!({}));
        assert_eq!((greeting.status, greeting.header("mcp-session-id")), (200, None));
        let answers = [
            greeting.json(),
            client.call("tools/list", &json!({})),
            client.tool("echo", &json!({"text": "x"})),
            // One that can be asked would get a child of its own, which fares no better.
            client.call("ping", &json!({})),
        ];
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(2), "{server}: {took:?}");
        for answer in &answers[..3] {
            assert_eq!(answer["error"]["code"], -32603, "{answer}");
            assert_eq!(answer["error"]["data"]["retryable"], true);
            let said = answer["error"]["message"].as_str().unwrap();
            assert!(said.contains(server) && said.contains(why), "{said}");
            assert!(said.contains("times in a row"), "{said}");
        }
        assert_eq!(answers[3]["result"], json!({}), "a ping is answered by the bridge");
    }
}

#[test]
fn a_first_call_to_a_missing_program_does_not_wait_for_it() {
    let daemon = Daemon::start("[servers.missing]\ncommand = \"no-such-program-anywhere\"\n");
    let begun = Instant::now();
    let answer = daemon.post("/mcp", &list()).json();
    assert!(answer["error"]["message"].as_str().unwrap().contains("was not found"), "{answer}");
    let asked =
        daemon.post("/mcp", &crate::support::mcp::initialize("2025-11-25", &json!({"roots": {}})));
    assert_eq!((asked.status, asked.header("mcp-session-id")), (200, None));
    assert!(asked.json()["error"]["message"].as_str().unwrap().contains("was not found"));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn a_child_that_asks_and_reads_nothing_costs_no_memory() {
    let ping = "{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"id\\\":1,\\\"method\\\":\\\"ping\\\"}";
    let config = format!("[servers.pest]\ncommand = \"yes\"\nargs = [\"{ping}\"]\n");
    let daemon = Daemon::start(&(config + &Demo::new("well").toml()));
    let mut well = daemon.client("/servers/well/mcp", "2025-11-25", &json!({}));
    well.call("tools/list", &json!({}));
    let dropped = || daemon.status()["servers"]["pest"]["children"][0]["dropped"].as_u64();
    eventually("answers it does not read are let go", || {
        (dropped().is_some_and(|dropped| dropped > 200_000)).then_some(())
    });
    let grown = daemon.resident() >> 20;
    assert!(grown < 120, "{grown} MiB");
    assert_eq!(well.call("ping", &json!({}))["result"], json!({}));
}

#[test]
fn an_answer_that_comes_after_the_time_to_start_greets_nobody() {
    let keys = "start_timeout = \"400ms\"";
    let daemon = Daemon::start(&Demo::new("late").flags("--slow-start 700").keys(keys).toml());
    daemon.logged("did not answer its handshake");
    let answer = daemon.post("/mcp", &list()).json();
    assert!(answer["error"]["message"].as_str().unwrap().contains("start_timeout"), "{answer}");
    assert!(!daemon.log().iter().any(|line| line.contains("\"ready\"")), "{:?}", daemon.log());
}

#[test]
fn programs_that_are_no_servers_are_found_out() {
    let entry = |name: &str, command: &str, args: &str| {
        format!(
            "[servers.{name}]\ncommand = {command:?}\nargs = [{args}]\nstart_timeout = \"1s\"\nstop_grace = \"200ms\"\n"
        )
    };
    let config = entry("echoes", "cat", "")
        + &entry("floods", "yes", "")
        + &entry("leaves", "true", "")
        + &entry("mute", "sh", "\"-c\", \"exec >&-; exec sleep 60\"")
        + &Demo::new("well").toml();
    let daemon = Daemon::start(&config);
    assert!(daemon.post(&path("well"), &list()).json()["result"]["tools"].is_array());
    for (server, why) in [
        ("echoes", ""),
        ("floods", "did not answer its handshake within 1 s"),
        ("leaves", "it exited with status 0"),
        ("mute", "it closed its standard output"),
    ] {
        let said = eventually(server, || {
            let said = daemon.get(&format!("/servers/{server}/readyz")).json()["not_ready"][server]
                .clone();
            (said["state"] == "failed").then(|| said["why"].as_str().unwrap().to_owned())
        });
        assert!(said.contains(why), "{server}: {said}");
        let answer = daemon.post(&path(server), &list()).json();
        assert!(answer["error"]["message"].as_str().unwrap().contains(server), "{answer}");
    }
    daemon.stopped();
}

/// For LiteLLM, which lists once when it starts, and for all clients that never try again.
#[test]
fn c25_who_comes_while_a_server_starts_waits_for_it() {
    let daemon = Daemon::demo("--slow-start 700");
    assert_eq!(daemon.get("/readyz").status, 503);
    let mut client = daemon.plain();
    assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
    assert_eq!(daemon.get("/readyz").status, 200);
}

/// For LiteLLM, which shows no server before the slowest has answered.
#[test]
fn c23_who_waits_too_long_for_a_starting_server_is_told_so() {
    let daemon =
        Daemon::start(&Demo::new("demo").flags("--hang").keys("start_wait = \"300ms\"").toml());
    let answer = daemon.post("/mcp", &list());
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("demo") && said.contains("start_wait"), "{said}");
    assert_eq!(answer["id"], "l");
}

#[test]
fn a_server_that_crashes_again_and_again_is_given_up_and_taken_back() {
    let daemon = Daemon::demo("--crash-after 0 --crash-code 5");
    let mut client = daemon.plain();
    for _ in 0..3 {
        let answer = client.tool("echo", &json!({"text": "x"}));
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains("it exited with status 5"), "{said}");
    }
    // It is tried again, later and later, and its session lists as soon as it is back.
    eventually("it is back", || {
        let answer = client.call("tools/list", &json!({}));
        let is_back = answer["result"]["tools"].is_array();
        let told = answer["error"]["message"].as_str();
        assert!(is_back || told.is_some_and(|why| why.contains("status 5")), "{answer}");
        is_back.then_some(())
    });
    let child = daemon.status()["servers"]["demo"]["children"][0].clone();
    assert!(child["restarts"].as_u64().unwrap() >= 3, "{child}");
}

#[test]
fn a_lazy_server_starts_with_its_first_call() {
    let daemon = Daemon::start(&Demo::new("demo").keys("start = \"lazy\"").toml());
    assert_eq!(daemon.get("/readyz").status, 200, "nothing is expected of it yet");
    assert_eq!(daemon.status()["servers"]["demo"]["state"], "stopped");
    assert!(daemon.post("/mcp", &list()).json()["result"]["tools"].is_array());
    assert_eq!(daemon.status()["servers"]["demo"]["state"], "ready");
}

#[test]
fn check_names_what_it_can_without_starting_anything() {
    let desk = Desk::new();
    let file = desk.write("stdiod.toml", &sixteen());
    let checked = command().args(["check", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("no-such-program-anywhere"), "{said}");
    assert!(said.contains("missing") && said.contains("PATH"), "{said}");
}

#[test]
fn sixteen_idle_servers_cost_the_daemon_little() {
    let config: String = (0..16).map(|n| Demo::new(&format!("s{n}")).toml()).collect();
    let daemon = Daemon::start(&config);
    daemon.ready("/readyz");
    for n in 0..16 {
        assert_eq!(daemon.post(&path(&format!("s{n}")), &list()).status, 200);
    }
    let bytes = resident(daemon.pid());
    println!("16 idle servers: {} KiB RSS", bytes >> 10);
    assert!(bytes < lean(), "{bytes} bytes");
}

#[test]
fn what_only_starting_needs_is_given_back() {
    let daemon = Daemon::start(&Demo::new("demo").keys("start = \"lazy\"").toml());
    daemon.ready("/readyz");
    let given_back = daemon.most_resident().saturating_sub(daemon.resident());
    println!("given back after the start: {} KiB", given_back >> 10);
    assert!(given_back > 512 << 10, "{given_back} bytes");
}

/// What the daemon may take.
fn lean() -> u64 {
    if is_optimised() { 12 << 20 } else { 28 << 20 }
}

#[test]
fn ten_thousand_idle_sessions_cost_the_daemon_little() {
    let daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let greeting = crate::support::mcp::initialize("2025-11-25", &json!({}));
    let open = |count: u32| {
        let first = daemon.post("/mcp", &greeting);
        let request = crate::support::Request::post("/mcp", &greeting);
        (1..count).fold(first, |answer, _| answer.reused(&request).1)
    };
    open(200);
    let before = daemon.resident();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(open(2500).status, 200));
        }
    });
    let grown = daemon.resident().saturating_sub(before);
    println!("10,000 idle sessions: {} KiB more", grown >> 10);
    assert_eq!(daemon.status()["servers"]["demo"]["sessions"], 0);
    assert!(grown < 2 << 20, "{grown} bytes");
    assert_eq!(text(&daemon.plain().tool("echo", &json!({"text": "x"}))), "x");
}
