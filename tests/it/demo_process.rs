//! The built-in server as a process: how it starts, ends and is left behind.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, kill_process, test_kill_process};
use serde_json::{Value, json};

use crate::support::program;

struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

// === impl Process ===

impl Process {
    #[allow(clippy::disallowed_methods, reason = "here the test is the one who starts children")]
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(program())
            .arg("demo-server")
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    fn greeted(flags: &[&str]) -> Self {
        let mut process = Self::start(flags);
        process.say("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
        assert_eq!(process.hear()["result"]["serverInfo"]["name"], "stdiod-demo");
        process
    }

    fn say(&mut self, method: &str, params: &Value) {
        let text = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(self.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    fn call(&mut self, tool: &str, arguments: &Value) {
        self.say("tools/call", &json!({"name": tool, "arguments": arguments}));
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// What is left on stdout, up to its end.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }

    /// The pid on the next line of stderr.
    fn grandchild(&mut self) -> Pid {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        let pid = line.trim().strip_prefix("grandchild pid ").unwrap().parse().unwrap();
        Pid::from_raw(pid).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn end(mut self) -> ExitStatus {
        self.stdin = None;
        self.child.wait().unwrap()
    }
}

/// A test that fails leaves no process behind.
impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn some_end_on_a_probe_and_serve_whoever_greets_them_first() {
    for flags in [&["--exit-before-initialize"][..], &["--discover", "exit"]] {
        let mut process = Process::start(flags);
        process.say(
            "server/discover",
            &json!({"_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            }}),
        );
        assert_eq!(process.rest(), "", "{flags:?}");
        assert_eq!(process.child.wait().unwrap().code(), Some(1), "{flags:?}");
        Process::greeted(flags).stdin = None;
    }
}

#[test]
fn the_state_of_a_round_outlives_the_process_if_its_key_does() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    });
    let mut params = json!({"name": "ask_roots", "_meta": meta});
    let mut ask = |flags: &[&str], state: Option<Value>| {
        let mut process = Process::start(flags);
        if let Some(state) = state {
            params["requestState"] = state;
            params["inputResponses"] = json!({"roots": {"roots": []}});
        }
        process.say("tools/call", &params);
        process.hear()
    };
    let key = ["--state-key", "the same"];
    let state = ask(&key, None)["result"]["requestState"].clone();
    let answer = ask(&key, Some(state.clone()));
    assert_eq!(answer["result"]["content"][0]["text"], "The client has no roots.");
    assert_eq!(ask(&[], Some(state))["error"]["code"], -32602);
}

#[test]
fn the_end_of_stdin_ends_it_well() {
    let mut process = Process::greeted(&[]);
    process.call("echo", &json!({"text": "hello"}));
    assert_eq!(process.hear()["result"]["content"][0]["text"], "hello");
    process.call("sleep", &json!({"ms": 600_000}));
    process.stdin = None;
    assert_eq!(process.rest(), "");
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn requests_from_a_file_are_answered_even_without_a_last_line_end() {
    let mut process = Process::start(&[]);
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap();
    drop(stdin);
    assert_eq!(process.hear(), json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn it_exits_at_the_start_when_told_to() {
    let mut process = Process::start(&["--exit-at-start", "7"]);
    assert_eq!(process.rest(), "");
    assert_eq!(process.end().code(), Some(7));
}

#[test]
fn it_crashes_after_so_many_calls_and_leaves_half_a_line() {
    let flags = ["--crash-after", "1", "--crash-code", "9", "--half-line"];
    let mut process = Process::greeted(&flags);
    process.call("count_state", &json!({}));
    assert_eq!(process.hear()["result"]["content"][0]["text"], "1");
    process.call("count_state", &json!({}));
    assert_eq!(process.rest(), r#"{"jsonrpc":"2.0","id":"#);
    assert_eq!(process.end().code(), Some(9));
}

#[test]
fn the_crash_tool_ends_it_by_code_or_by_signal() {
    for (arguments, code, signal) in
        [(json!({"code": 3}), Some(3), None), (json!({}), None, Some(Signal::ABORT.as_raw()))]
    {
        let mut process = Process::greeted(&["--crash-tool"]);
        process.call("crash", &arguments);
        assert_eq!(process.rest(), "");
        let status = process.end();
        assert_eq!((status.code(), status.signal()), (code, signal));
    }
    let mut process = Process::greeted(&[]);
    process.call("crash", &json!({}));
    assert_eq!(process.hear()["error"]["code"], -32602, "nobody crashes it by accident");
}

#[test]
fn a_slow_start_delays_the_first_answer() {
    let begun = Instant::now();
    let process = Process::greeted(&["--slow-start", "300"]);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn a_stubborn_one_survives_sigterm_and_the_end_of_stdin() {
    let mut process = Process::greeted(&["--ignore-sigterm", "--ignore-eof"]);
    kill_process(process.pid(), Signal::TERM).unwrap();
    process.say("ping", &json!({}));
    assert_eq!(process.hear()["result"], json!({}));
    process.stdin = None;
    thread::sleep(Duration::from_millis(200));
    assert_eq!(process.child.try_wait().unwrap(), None);
    kill_process(process.pid(), Signal::KILL).unwrap();
    assert_eq!(process.end().signal(), Some(Signal::KILL.as_raw()));

    let process = Process::greeted(&[]);
    kill_process(process.pid(), Signal::TERM).unwrap();
    assert_eq!(process.end().signal(), Some(Signal::TERM.as_raw()), "a plain one does not");
}

#[test]
fn a_grandchild_outlives_it_in_the_same_group_or_its_own() {
    for (flag, is_own) in [("--fork-grandchild", false), ("--fork-grandchild-setsid", true)] {
        let mut process = Process::greeted(&[flag]);
        let grandchild = process.grandchild();
        let group = getpgid(Some(process.pid())).unwrap();
        // It leaves the session in its own time.
        let end = Instant::now() + Duration::from_secs(10);
        while (getpgid(Some(grandchild)).unwrap() != group) != is_own {
            assert!(Instant::now() < end, "{flag}: the group is not as promised");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(process.end().code(), Some(0));
        let lives = test_kill_process(grandchild).is_ok();
        kill_process(grandchild, Signal::KILL).unwrap();
        assert!(lives, "{flag}: the grandchild went with its parent");
    }
}

#[test]
fn noise_on_stderr_is_more_than_a_pipe_holds() {
    let mut process = Process::start(&["--stderr-noise"]);
    let mut noise = Vec::new();
    process.stderr.read_until(b'#', &mut noise).unwrap();
    assert!(std::str::from_utf8(&noise).is_err());
    noise.clear();
    process.stderr.read_until(b'\n', &mut noise).unwrap();
    assert!(noise.len() > 64 * 1024, "{}", noise.len());
    process.say("ping", &json!({}));
    assert_eq!(process.hear()["result"], json!({}));
    assert_eq!(process.end().code(), Some(0));
}
