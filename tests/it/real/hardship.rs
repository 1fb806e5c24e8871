//! Children that misbehave, clients that dawdle, and everybody else who must not notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::lives;
use crate::support::mcp::{Mcp, request, text, tool};
use crate::support::{Daemon, Demo, LIMIT, Record, eventually};

fn recorded(flags: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).keys(keys).recorded(&desk);
    (Daemon::at(desk, &demo.toml()), record)
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("no error in {answer}"))
}

#[test]
fn t40_junk_on_stdout_is_skipped_and_counted() {
    let daemon = Daemon::demo("--banner");
    let mut client = daemon.plain();
    assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
    let noise = daemon.status()["servers"]["demo"]["children"][0]["stdout"]["noise"].clone();
    assert!(noise.as_u64().is_some_and(|lines| lines >= 4), "{}", daemon.status());
    daemon.logged("belong on standard error");
}

#[test]
fn a_child_that_never_stops_talking_is_still_spoken_to() {
    let daemon = Daemon::demo("--flood");
    let mut client = daemon.plain();
    for n in 0..20 {
        let said = n.to_string();
        assert_eq!(text(&client.tool("echo", &json!({"text": said}))), said);
    }
    let dropped = daemon.status()["servers"]["demo"]["children"][0]["dropped"].clone();
    assert!(dropped.as_u64().is_some_and(|dropped| dropped > 1000), "{}", daemon.status());
    daemon.stopped();
}

#[test]
fn t40_a_line_of_20_mib_is_an_error_for_its_caller_alone() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut other = daemon.plain();
            text(&other.tool("sleep", &json!({"ms": 1000}))).to_owned()
        });
        let long = client.tool("emit", &json!({"bytes": 20 << 20}));
        assert_eq!(long["error"]["code"], -32603);
        assert!(
            message(&long).contains("max_message") && message(&long).contains("demo"),
            "{long}"
        );
        assert_eq!(other.join().unwrap(), "Slept for 1000 ms.");
    });
    assert_eq!(text(&client.tool("emit", &json!({"bytes": 8 << 20}))).len(), 8 << 20);
    assert_eq!(daemon.status()["servers"]["demo"]["children"][0]["restarts"], 0);
}

#[test]
fn t40_a_long_line_before_anything_else_is_skipped() {
    let daemon = Daemon::demo("--huge-line 20971520");
    assert_eq!(text(&daemon.plain().tool("echo", &json!({"text": "x"}))), "x");
}

#[test]
fn t40_half_a_line_at_the_exit_is_nobodys_answer() {
    let daemon = Daemon::demo("--half-line --crash-tool");
    let mut client = daemon.plain();
    let crashed = client.tool("crash", &json!({"code": 3}));
    assert_eq!(crashed["error"]["code"], -32603);
    assert!(message(&crashed).contains("it exited with status 3"), "{crashed}");
    assert_eq!(text(&client.tool("echo", &json!({"text": "back"}))), "back");
    daemon.logged("belong on standard error");
}

/// How long calls take, the slowest of many.
fn slowest(client: &mut Mcp, calls: u32) -> Duration {
    let one = |_| {
        let begun = Instant::now();
        assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
        begun.elapsed()
    };
    (0..calls).map(one).max().unwrap()
}

#[test]
fn t41_a_reader_of_a_byte_a_second_slows_nobody_and_costs_little() {
    let daemon = Daemon::demo("");
    let mut quick = daemon.plain();
    let before = slowest(&mut quick, 100);
    let rss_before = daemon.resident();

    let dawdler = daemon.plain();
    let mut listening = dawdler.listen();
    let big = dawdler.post(&tool(&json!("big"), "emit", &json!({"bytes": 4 << 20})));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                listening.sip(Duration::from_millis(100));
            }
        });
        // Far more than may wait for one reader, in messages and in bytes.
        let flood = scope.spawn(|| {
            let log = json!({"level": "error", "text": "x".repeat(64 << 10)});
            let call = dawdler.request(&tool(&json!(1), "log", &log));
            let call = call.header("Accept", "application/json");
            for _ in 0..800 {
                assert_eq!(text(&dawdler.send(&call).json()), "Sent.");
            }
            for _ in 0..400 {
                let change = tool(&json!(2), "announce_change", &json!({"list": "tools"}));
                assert_eq!(dawdler.post(&change).status, 200);
            }
        });
        let mut during = Duration::ZERO;
        while !flood.is_finished() {
            during = during.max(slowest(&mut quick, 20));
        }
        done.store(true, Ordering::Relaxed);
        flood.join().unwrap();
        let grown = daemon.resident().saturating_sub(rss_before) >> 20;
        println!("slowest before {before:?}, during {during:?}; RSS grew by {grown} MiB");
        assert!(during < before + Duration::from_millis(700), "{before:?}, then {during:?}");
        // An answer of 4 MiB that nobody reads is among it, as it came and as it is sent.
        assert!(grown < 48, "{grown} MiB");
    });
    drop(big);
}

#[test]
fn t41_progress_without_end_for_a_reader_that_sips_slows_nobody_and_costs_little() {
    let daemon = Daemon::demo("--hasty-tool");
    let mut quick = daemon.plain();
    slowest(&mut quick, 100);
    let rss_before = daemon.resident();
    let dawdler = daemon.plain();
    let params = json!({
        "name": "hasty", "arguments": {"steps": 100_000}, "_meta": {"progressToken": "t"},
    });
    let mut telling = dawdler.post(&request(&json!(1), "tools/call", &params)).events();
    let done = AtomicBool::new(false);
    let (during, grown) = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                telling.sip(Duration::from_millis(100));
            }
        });
        let child = || daemon.status()["servers"]["demo"]["children"][0].clone();
        let (mut during, mut grown) = (Duration::ZERO, 0);
        while child()["in_flight"] != 0 {
            during = during.max(slowest(&mut quick, 10));
            grown = grown.max(daemon.resident().saturating_sub(rss_before) >> 20);
        }
        assert!(child()["dropped"].as_u64().unwrap() > 10_000, "{}", child());
        done.store(true, Ordering::Relaxed);
        (during, grown)
    });
    println!("slowest {during:?}; RSS grew by {grown} MiB");
    assert!(during < Duration::from_secs(1), "{during:?}");
    assert!(grown < 16, "{grown} MiB");
    // Whoever goes on reading after all hears how far it came, and then the answer.
    let told = telling.messages();
    let (answer, progress) = told.split_last().unwrap();
    assert_eq!(text(answer), "Done.");
    assert_eq!(progress.last().unwrap()["params"]["progress"], 100_000);
    assert!(progress.len() < 50_000, "{} of 100,000", progress.len());
}

#[test]
fn t41_progress_in_a_flood_is_all_told_to_whoever_reads_it() {
    let daemon = Daemon::demo("--hasty-tool");
    let client = daemon.plain();
    let params = json!({
        "name": "hasty", "arguments": {"steps": 20_000}, "_meta": {"progressToken": "t"},
    });
    let told = client.post(&request(&json!(1), "tools/call", &params)).events().messages();
    let (answer, progress) = told.split_last().unwrap();
    assert_eq!(text(answer), "Done.");
    let mut steps = progress.iter().map(|it| it["params"]["progress"].as_u64().unwrap());
    let strange = steps.by_ref().zip(1..).find(|(step, expected)| step != expected);
    assert_eq!((strange, progress.len()), (None, 20_000), "the first that is not as it should be");
}

#[test]
fn t41_what_is_kept_for_lost_readers_is_bounded_over_all_sessions() {
    let daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let rss_before = daemon.resident();
    // Each of them may keep 8 MiB; together they would keep three times what all may, which is far beyond
    // what the allocator adds by itself.
    let sessions: Vec<Mcp> = (0..24).map(|_| daemon.plain()).collect();
    let log = json!({"level": "error", "text": "x".repeat(1 << 20)});
    let mut first = None;
    for session in &sessions {
        let mut listening = session.listen();
        let call = session.request(&tool(&json!(1), "log", &log));
        let call = call.header("Accept", "application/json");
        for _ in 0..8 {
            assert_eq!(text(&session.send(&call).json()), "Sent.");
            listening.message().unwrap();
        }
        first.get_or_insert_with(|| listening.last_event_id().replace("-8", "-1"));
    }
    let grown = daemon.resident().saturating_sub(rss_before) >> 20;
    let child = daemon.status()["servers"]["demo"]["children"][0].clone();
    println!("RSS grew by {grown} MiB, {} were forgotten", child["dropped"]);
    assert!(grown < 2 * 64, "{grown} MiB");
    assert!(child["dropped"].as_u64().unwrap() >= 16, "{child}");
    // The oldest are gone, and no gap is passed over in silence.
    assert_eq!(sessions[0].resume(&first.unwrap()).status, 400);
}

/// For the Python and TypeScript SDKs and FastMCP, which never initialize again.
#[test]
fn c20_t42_a_child_killed_in_a_call_is_told_of_at_once_and_the_session_goes_on() {
    let (daemon, record) = recorded("", "");
    let mut client = daemon.plain();
    client.call("resources/subscribe", &json!({"uri": "demo://welcome"}));
    client.call("logging/setLevel", &json!({"level": "warning"}));
    let mut listening = client.listen();
    let caller = client.clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let answer = caller.post(&tool(&json!(1), "sleep", &json!({"ms": 60_000})));
            (answer.json(), Instant::now())
        });
        record.wait_for("tools/call");
        kill_process(daemon.child_pid("demo"), Signal::KILL).unwrap();
        let killed = Instant::now();
        let (answer, told) = waiting.join().unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32603), &json!(1)));
        assert!(message(&answer).contains("it was killed by SIGKILL (9)"), "{answer}");
        assert_eq!(answer["error"]["data"]["retryable"], true);
        let took = told.duration_since(killed);
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
    assert!(client.call("tools/list", &json!({}))["result"]["tools"].is_array());
    assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
    eventually("the new child learns what the old one knew", || {
        let subscribed = record.of("resources/subscribe").len();
        let levels = record.of("logging/setLevel");
        let level = &levels.last()?["params"]["level"];
        (subscribed == 2 && levels.len() == 2 && level == "warning").then_some(())
    });
    for list in ["tools", "resources", "prompts"] {
        listening.until(&format!("notifications/{list}/list_changed"));
    }
    client.tool("touch_resource", &json!({"uri": "demo://welcome"}));
    listening.until("notifications/resources/updated");
}

/// For the same clients, where they can be asked something and so share with nobody.
#[test]
fn c20_t42_a_session_with_a_child_of_its_own_goes_on_with_a_new_one() {
    let (daemon, record) = recorded("--crash-tool", "start = \"lazy\"");
    let mut client = daemon.client("/mcp", "2025-06-18", &json!({"roots": {}}));
    assert_eq!(text(&client.tool("count_state", &json!({}))), "1");
    assert!(message(&client.tool("crash", &json!({}))).contains("SIGABRT"));
    assert_eq!(text(&client.tool("count_state", &json!({}))), "1", "a fresh one counts anew");
    let greetings = record.of("initialize");
    assert_eq!(greetings.len(), 2);
    assert_eq!(greetings[0]["params"], greetings[1]["params"], "the handshake is replayed");
    assert_eq!(record.of("notifications/initialized").len(), 2);
}

#[test]
fn t42_reads_that_are_safe_are_repeated_and_tool_calls_are_not() {
    let (daemon, record) = recorded("", "");
    let client = daemon.plain();
    // Stopped, it takes in both and answers neither.
    let pid = daemon.child_pid("demo");
    kill_process(pid, Signal::STOP).unwrap();
    thread::scope(|scope| {
        let read =
            scope.spawn(|| client.post(&request(&json!(1), "tools/list", &json!({}))).json());
        let call =
            scope.spawn(|| client.post(&tool(&json!(2), "echo", &json!({"text": "x"}))).json());
        eventually("both are under way", || {
            (daemon.status()["servers"]["demo"]["children"][0]["in_flight"] == 2).then_some(())
        });
        kill_process(pid, Signal::KILL).unwrap();
        assert!(read.join().unwrap()["result"]["tools"].is_array());
        assert_eq!(call.join().unwrap()["error"]["code"], -32603);
    });
    assert_eq!(record.of("tools/call"), [] as [Value; 0]);
}

/// The pid that a child told of on its stderr.
fn grandchild(daemon: &Daemon) -> Pid {
    let line = daemon.logged("grandchild pid ");
    let (_, rest) = line.split_once("grandchild pid ").unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Pid::from_raw(digits.parse().unwrap()).unwrap()
}

#[test]
fn t43_a_stubborn_child_and_what_it_started_are_gone_after_the_daemon() {
    let flags = "--ignore-sigterm --ignore-eof --fork-grandchild";
    let mut daemon =
        Daemon::start(&Demo::new("demo").flags(flags).keys("stop_grace = \"300ms\"").toml());
    daemon.ready("/readyz");
    let (child, grandchild) = (daemon.child_pid("demo"), grandchild(&daemon));
    assert!(lives(child) && lives(grandchild));
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(begun.elapsed() > Duration::from_millis(550), "two rungs of the ladder came first");
    assert!(daemon.logged("stopped: ").contains("it was killed by SIGKILL (9)"));
    eventually("they are gone", || (!lives(child) && !lives(grandchild)).then_some(()));
}

#[test]
fn t43_an_obedient_child_leaves_when_its_stdin_ends() {
    let mut daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let child = daemon.child_pid("demo");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(daemon.logged("stopped: ").contains("it exited with status 0"));
    assert!(!lives(child));
}

#[test]
fn a_child_that_leaves_a_process_holding_its_stdout_is_still_seen_to_end() {
    let flags = "--crash-tool --fork-grandchild-setsid --stubborn-grandchild";
    let (daemon, _record) = recorded(flags, "");
    let mut client = daemon.plain();
    let first = grandchild(&daemon);
    let begun = Instant::now();
    let answer = client.tool("crash", &json!({"code": 4}));
    let took = begun.elapsed();
    assert!(message(&answer).contains("status 4"), "{answer}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
    eventually("it is ended, though it ignores SIGTERM", || (!lives(first)).then_some(()));
}

#[test]
fn a_child_that_reads_nothing_holds_up_only_its_own_callers() {
    let config = Demo::new("deaf").toml() + &Demo::new("well").toml();
    let daemon = Daemon::start(&config);
    daemon.ready("/readyz");
    let deaf = daemon.client("/servers/deaf/mcp", "2025-11-25", &json!({}));
    let pid = daemon.child_pid("deaf");
    kill_process(pid, Signal::STOP).unwrap();
    let load = "x".repeat(4 << 20);
    thread::scope(|scope| {
        for id in 0..4 {
            let call = deaf.request(&tool(&json!(id), "echo", &json!({"text": load})));
            let call = call.header("Accept", "application/json");
            let deaf = &deaf;
            scope.spawn(move || assert_eq!(text(&deaf.send(&call).json()).len(), 4 << 20));
        }
        let mut well = daemon.client("/servers/well/mcp", "2025-11-25", &json!({}));
        eventually("more is queued than the child takes", || {
            (daemon.status()["servers"]["deaf"]["children"][0]["in_flight"] == 4).then_some(())
        });
        assert!(slowest(&mut well, 50) < Duration::from_secs(1));
        // What the child is not needed for goes on.
        let begun = Instant::now();
        let mut other = daemon.client("/servers/deaf/mcp", "2025-11-25", &json!({}));
        assert_eq!(other.call("ping", &json!({}))["result"], json!({}));
        let listening = other.listen();
        assert_eq!(other.delete().status, 200);
        assert_eq!(listening.messages(), [] as [Value; 0]);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        kill_process(pid, Signal::CONT).unwrap();
    });
}

#[test]
fn a_server_that_hangs_in_its_handshake_holds_up_the_first_request_and_no_later_one() {
    let wait = Duration::from_secs(3);
    let hangs = Demo::new("hangs").flags("--hang").keys("start_wait = \"3s\"");
    let daemon = Daemon::at(Desk::new(), &(hangs.toml() + &Demo::new("well").toml()));
    let list = |server: &str| {
        let asked = Instant::now();
        let path = format!("/servers/{server}/mcp");
        let answer = daemon.post(&path, &request(&json!(1), "tools/list", &json!({}))).json();
        (answer, asked.elapsed())
    };
    let first = list("hangs");
    assert!(message(&first.0).contains("still starting") && first.1 >= wait, "{first:?}");
    for _ in 0..2 {
        let (answer, took) = list("hangs");
        assert_eq!(answer["error"]["code"], -32603);
        assert!(message(&answer).contains("still starting"), "{answer}");
        assert!(took < Duration::from_millis(2500), "{took:?}");
    }
    assert!(list("well").0["result"]["tools"].is_array());
}
