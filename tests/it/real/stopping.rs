//! How the daemon leaves: what is under way is finished, who listens is asked to come back, nothing is left behind.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::lives;
use crate::support::mcp::{request, text, tool};
use crate::support::stream::connect_tcp;
use crate::support::{Daemon, Demo, LIMIT, Record, Request, eventually};

fn recorded(flags: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).keys(keys).recorded(&desk);
    (Daemon::at(desk, &demo.toml()), record)
}

fn slow(id: u64, ms: u64) -> Value {
    tool(&json!(id), "sleep", &json!({"ms": ms}))
}

#[test]
fn a_call_under_way_is_answered_and_streams_are_asked_to_come_back() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut daemon, record) = recorded("", "");
        let client = daemon.plain();
        let mut listening = client.listen();
        let mut old = daemon.send(&Request::listen("/sse")).events();
        old.until("event: endpoint");
        let begun = Instant::now();
        thread::scope(|scope| {
            let plain = scope.spawn(|| client.post(&slow(1, 1200)).json());
            let mut streaming = slow(2, 1200);
            streaming["params"]["_meta"] = json!({"progressToken": 2});
            let mut stream = client.post(&streaming).events();
            record.wait("both calls", |m| m["params"]["_meta"].is_object());
            daemon.signal(signal);
            while listening.next_event().is_some() {}
            while old.next_event().is_some() {}
            assert_eq!(text(&plain.join().unwrap()), "Slept for 1200 ms.");
            assert_eq!(
                text(&std::iter::from_fn(|| stream.message()).last().unwrap()),
                "Slept for 1200 ms."
            );
        });
        for raw in [listening.raw(), old.raw()] {
            assert!(raw.trim_end().ends_with("retry: 2000"), "{raw}");
        }
        assert_eq!(daemon.ended(LIMIT).code(), Some(0));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn an_idle_daemon_leaves_at_once_and_closes_idle_connections() {
    let mut daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let client = daemon.plain();
    let mut listening = client.listen();
    let idle = connect_tcp(daemon.address());
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(listening.message(), None);
    drop(idle);
}

#[test]
fn a_second_signal_hurries() {
    let flags = "--ignore-sigterm --ignore-eof";
    let (mut daemon, record) = recorded(flags, "stop_grace = \"20s\"");
    let client = daemon.plain();
    let pid = daemon.child_pid("demo");
    let begun = Instant::now();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.post(&slow(1, 600_000)).json());
        record.wait_for("tools/call");
        daemon.signal(Signal::TERM);
        daemon.logged("stopping: ");
        daemon.signal(Signal::INT);
        let answer = call.join().unwrap();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(1), &json!(-32603)),
            "{answer}"
        );
    });
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!lives(pid));
}

#[test]
fn a_stopping_daemon_says_so_and_takes_nothing_new() {
    let (mut daemon, record) = recorded("", "");
    let client = daemon.plain();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.post(&slow(1, 2000)).json());
        record.wait_for("tools/call");
        // A connection that was open before may go on, and hears what is going on.
        let open = daemon.post("/mcp", &request(&json!(0), "ping", &json!({})));
        daemon.signal(Signal::TERM);
        daemon.logged("stopping: ");
        drop(open);
        assert_eq!(text(&call.join().unwrap()), "Slept for 2000 ms.");
    });
    let address = daemon.address().to_owned();
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(TcpStream::connect(&address).is_err());
}

/// What comes over a connection on which more is sent after the stop.
fn follows_on(mut connection: TcpStream, bytes: &[u8]) -> String {
    // The other end may be gone.
    connection.write_all(bytes).ok();
    let mut said = Vec::new();
    connection.read_to_end(&mut said).ok();
    String::from_utf8(said).unwrap()
}

#[test]
fn no_answer_is_cut_that_would_have_come_in_time() {
    let desk = Desk::new();
    let names = ["a", "b", "c", "d"];
    let config: String = names.iter().map(|name| Demo::new(name).toml()).collect();
    let mut daemon = Daemon::at(desk, &config);
    daemon.ready("/readyz");
    let private = json!({"roots": {}});
    // Eight calls a server: with JSON for an answer and with a stream, half of the sessions with a child of their own.
    let mut calls = Vec::new();
    for (n, name) in names.iter().cycle().take(32).enumerate() {
        let declared = if (n / 4) % 2 == 0 { json!({}) } else { private.clone() };
        let client = daemon.client(&format!("/servers/{name}/mcp"), "2025-11-25", &declared);
        let ms = 1000 + 100 * u64::try_from(n).unwrap();
        let mut call = slow(u64::try_from(n).unwrap(), ms);
        if n >= 16 {
            call["params"]["_meta"] = json!({"progressToken": n});
        }
        calls.push((client, call, format!("Slept for {ms} ms.")));
    }
    let (idle, mut half) = (connect_tcp(daemon.address()), connect_tcp(daemon.address()));
    let late = Request::post("/servers/a/mcp", &slow(99, 1)).bytes();
    let (first, second) = late.split_at(late.len() - 10);
    half.write_all(first).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        let answers: Vec<_> = calls
            .iter()
            .map(|(client, call, expected)| {
                scope.spawn(move || {
                    let answer = client.post(call);
                    let message = if answer.is_stream() {
                        answer.events().messages().pop().expect("the answer")
                    } else {
                        answer.json()
                    };
                    assert_eq!((&message["id"], text(&message)), (&call["id"], &**expected));
                })
            })
            .collect();
        eventually("all calls under way", || {
            let status = daemon.status();
            let servers = status["servers"].as_object().unwrap();
            let children =
                servers.values().flat_map(|server| server["children"].as_array().unwrap());
            let calls: u64 = children.map(|child| child["in_flight"].as_u64().unwrap()).sum();
            (calls == 32).then_some(())
        });
        daemon.signal(Signal::TERM);
        daemon.logged("stopping: ");
        let asked = Instant::now();
        // Who comes now may still have come in time; if not, it hears so. An idle connection may also just be over.
        let fair = |said: &str| said.contains("stopp") || said.contains("Slept for 1 ms.");
        let said = follows_on(idle, &late);
        assert!(said.is_empty() || fair(&said), "{said}");
        let said = follows_on(half, second);
        assert!(fair(&said), "{said}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        for answer in answers {
            answer.join().unwrap();
        }
    });
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_call_that_outlasts_the_stop_is_told_why_it_ends() {
    let (mut daemon, record) = recorded("", "");
    let client = daemon.plain();
    let begun = Instant::now();
    thread::scope(|scope| {
        let call = scope.spawn(|| client.post(&slow(1, 600_000)));
        record.wait_for("tools/call");
        daemon.signal(Signal::TERM);
        let answer = call.join().unwrap();
        assert_eq!(answer.status, 200);
        let message = answer.events().messages().pop().unwrap();
        assert!(
            message["error"]["message"].as_str().unwrap().contains("stdiod is stopping"),
            "{message}"
        );
    });
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    let took = begun.elapsed();
    assert!((9..13).contains(&took.as_secs()), "{took:?}");
}
