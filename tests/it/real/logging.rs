//! What the daemon says of itself, whoever listens.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::lives;
use crate::support::mcp::text;
use crate::support::{Daemon, Demo, LIMIT, eventually};

/// One that says so much of each call that nobody could keep it for a reader who never comes.
fn talkative() -> Daemon {
    Daemon::start(&format!("[log]\npayloads = true\n{}", Demo::new("demo").toml()))
}

/// Has it say some 5 MiB, while it answers all calls.
fn chat(daemon: &Daemon) {
    let mut client = daemon.plain();
    let word = "x".repeat(64 * 1024);
    for _ in 0..40 {
        assert_eq!(text(&client.tool("echo", &json!({"text": word}))), word);
    }
}

#[test]
fn a_reader_of_the_log_that_stalls_holds_up_no_call_and_hears_what_it_missed() {
    let daemon = talkative();
    let unread = daemon.unread();
    chat(&daemon);
    drop(unread);
    let line = daemon.logged("lines of the log were lost because standard error took none");
    let said: Value = serde_json::from_str(&line).unwrap();
    let count = said["message"].as_str().unwrap().split(' ').next().unwrap();
    assert!(count.parse::<u32>().unwrap() > 0, "{line}");
    assert_eq!(said["level"], "WARN");
    assert!(daemon.hang_up().contains("reloaded: "), "it goes on");
    let lines = daemon.log();
    for line in lines {
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "it was cut: {line}");
    }
    daemon.stopped();
}

#[test]
fn a_reader_of_the_log_that_stalls_does_not_keep_it_from_leaving() {
    let mut daemon = talkative();
    let unread = daemon.unread();
    chat(&daemon);
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    eventually("its end", || (!lives(daemon.pid())).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(unread);
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
}

#[test]
fn its_last_words_are_written() {
    let mut daemon = Daemon::demo("");
    daemon.ready("/readyz");
    daemon.signal(Signal::TERM);
    daemon.ended(LIMIT);
    let last = daemon.log().pop().unwrap();
    assert!(last.contains("\"message\":\"stopped\""), "{last}");
}

#[test]
fn what_was_said_before_a_fatal_error_stands_before_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // The warning is one of the log, because nobody looks at the terminal of a daemon.
    let config = Demo::new("demo").keys("mode = \"shared\"\nspare = 1").toml();
    let refused = Daemon::refused(&Desk::new(), &config, &["--listen", &address]);
    assert_eq!(refused.code, Some(1));
    let said: Vec<&str> = refused.said.lines().collect();
    assert!(said[0].starts_with("{\"timestamp\":\""), "{said:?}");
    assert!(said[0].contains("\"level\":\"WARN\"") && said[0].contains("spare"), "{said:?}");
    assert!(said[1].starts_with("error: "), "{said:?}");
}
