//! Children of either era, and how it is found out which they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::{Daemon, Record, eventually};

/// What a scripted child does when it is sent something; `say` answers that.
struct Script {
    discover: &'static str,
    initialize: &'static str,
}

const DISCOVERED: &str = r#"say '"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"1"}}}'"#;
const INITIALIZED: &str = r#"say '"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"l","version":"1"}}'"#;
const NO_METHOD: &str = r#"say '"error":{"code":-32601,"message":"no"}'"#;
const NOT_THIS: &str = r#"say '"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"],"requested":"x"}}'"#;
const TOMORROW: &str =
    r#"say '"error":{"code":-32022,"message":"no","data":{"supported":["2031-01-01"]}}'"#;
const NOTHING: &str = ":";

const LEGACY: Script = Script { discover: NO_METHOD, initialize: INITIALIZED };
const MODERN: Script = Script { discover: DISCOVERED, initialize: NOT_THIS };

/// Short, for those that are silent.
const HASTE: &str = "probe_wait = \"300ms\"";

// === impl Script ===

impl Script {
    fn write(&self, desk: &Desk, more: &str) {
        let Self { discover, initialize } = self;
        let record = desk.path().join("heard");
        let text = format!(
            r#"#!/bin/sh
{more}
say() {{ printf '{{"jsonrpc":"2.0","id":%s,%s}}\n' "$id" "$1"; }}
while IFS= read -r line; do
    printf '%s\n' "$line" >> {}
    id=${{line#*\"id\":}}
    id=${{id%%,*}}
    case "$line" in
        *'"server/discover"'*) {discover} ;;
        *'"initialize"'*) {initialize} ;;
        *'"ping"'*) say '"result":{{}}' ;;
    esac
done
"#,
            record.display()
        );
        let path = desk.path().join("server.sh");
        desk.replace("server.sh", &text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, desk: Desk, keys: &str) -> (Daemon, Record) {
        self.write(&desk, "");
        let record = Record::at(desk.path().join("heard"));
        let config = config(desk.path(), keys);
        (Daemon::at(desk, &config), record)
    }
}

fn config(desk: &Path, keys: &str) -> String {
    let program = desk.join("server.sh").display().to_string();
    format!("[servers.demo]\ncommand = {program:?}\nstop_grace = \"200ms\"\n{keys}\n")
}

/// The questions it was asked for a greeting.
fn asked(record: &Record) -> Vec<String> {
    let methods =
        record.messages().into_iter().filter_map(|m| Some(m["method"].as_str()?.to_owned()));
    methods.filter(|method| matches!(&**method, "server/discover" | "initialize")).collect()
}

fn child(daemon: &Daemon) -> Value {
    daemon.status()["servers"]["demo"]["children"][0].clone()
}

/// Waits for a child, and says of which era it is.
#[track_caller]
fn era(daemon: &Daemon) -> String {
    let ready = || Some(child(daemon)).filter(|child| child["state"] == "ready");
    let child = eventually("a child that is ready", ready);
    let revision = match child["server"]["era"].as_str().unwrap() {
        "modern" => "2026-07-28",
        _ => "2025-06-18",
    };
    assert_eq!(child["server"]["revision"], revision);
    child["server"]["era"].as_str().unwrap().to_owned()
}

/// Waits until it has failed, and says why.
#[track_caller]
fn trouble(daemon: &Daemon) -> String {
    eventually("trouble", || Some(child(daemon)["trouble"].as_str()?.to_owned()))
}

fn ends(daemon: &Daemon) {
    let pid = daemon.child_pid("demo");
    kill_process(pid, Signal::KILL).unwrap();
    eventually("its end", || (child(daemon)["pid"] != pid.as_raw_nonzero().get()).then_some(()));
}

const D: &str = "server/discover";
const I: &str = "initialize";

#[test]
fn t36_each_answer_to_the_probe_leads_where_it_should() {
    let again = r#"case "$id" in *1\"*) say '"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}' ;; *) say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}' ;; esac"#;
    let dates = r#"say '"result":{"supportedVersions":["2025-06-18"],"capabilities":{}}'"#;
    let listless = r#"say '"error":{"code":-32022,"message":"no"}'"#;
    let broken = r#"printf '{"jsonrpc":"2.0","id":%s,"result":{},"error":{}}\n' "$id""#;
    let nobodys = r#"id=null; say '"error":{"code":-32600,"message":"no"}'"#;
    let chatter = r#"printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\nnoise\n'; say '"error":{"code":-32602,"message":"no"}'"#;
    for (discover, era_is, asks) in [
        (DISCOVERED, "modern", &[D][..]),
        (again, "modern", &[D, D]),
        (NO_METHOD, "legacy", &[D, I]),
        (dates, "legacy", &[D, I]),
        (listless, "legacy", &[D, I]),
        (broken, "legacy", &[D, I]),
        (nobodys, "legacy", &[D, I]),
        (chatter, "legacy", &[D, I]),
    ] {
        let begun = Instant::now();
        let script = Script { discover, initialize: INITIALIZED };
        let (daemon, record) = script.start(Desk::new(), "");
        assert_eq!(era(&daemon), era_is, "{discover}");
        assert_eq!(asked(&record), asks, "{discover}");
        assert!(begun.elapsed() < Duration::from_secs(4), "it waited: {discover}");
        daemon.logged(&format!("\"era\":\"{era_is}\""));
    }
}

#[test]
fn t36_a_child_that_ends_when_it_is_probed_is_started_again_at_once() {
    for discover in ["exit 1", "exec >&-; exec sleep 60", "kill -9 $$"] {
        let script = Script { discover, initialize: INITIALIZED };
        let (daemon, record) = script.start(Desk::new(), "");
        assert_eq!(era(&daemon), "legacy", "{discover}");
        assert_eq!(asked(&record), [D, I]);
        let child = child(&daemon);
        assert_eq!((&child["restarts"], &child["trouble"]), (&json!(0), &Value::Null));
        // It is known from then on.
        ends(&daemon);
        assert_eq!(era(&daemon), "legacy");
        assert_eq!(asked(&record), [D, I, I]);
    }
}

#[test]
fn t36_a_child_that_always_ends_fails_for_that() {
    let script = Script { discover: "exit 3", initialize: "exit 4" };
    let (daemon, record) = script.start(Desk::new(), "");
    let why = trouble(&daemon);
    assert!(why.contains("status 4"), "{why}");
    eventually("it is probed again", || (asked(&record).len() >= 4).then_some(()));
    assert_eq!(asked(&record)[..4], [D, I, D, I]);
}

#[test]
fn t36_a_child_that_is_silent_is_sent_initialize_too() {
    let late = r#"say '"error":{"code":-32601,"message":"no"}'; id='"stdiod-probe-1"'; say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}'"#;
    let early = r#"me=$id; id='"stdiod-probe-1"'; say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}'; id=$me; say '"error":{"code":-32601,"message":"no"}'"#;
    let probed_again = r#"case "$id" in *2\"*) say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}' ;; esac"#;
    for (discover, initialize, era_is, asks) in [
        (NOTHING, INITIALIZED, "legacy", &[D, I][..]),
        (NOTHING, late, "modern", &[D, I]),
        (NOTHING, early, "modern", &[D, I]),
        (probed_again, NOT_THIS, "modern", &[D, I, D]),
    ] {
        let (daemon, record) = Script { discover, initialize }.start(Desk::new(), HASTE);
        assert_eq!(era(&daemon), era_is, "{initialize}");
        assert_eq!(asked(&record), asks, "{initialize}");
    }
}

#[test]
fn t36_a_slow_child_that_takes_both_is_greeted_without_initialize_the_next_time() {
    let both = r#"me=$id; id='"stdiod-probe-1"'; say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}'; id=$me; say '"result":{"protocolVersion":"2025-06-18","capabilities":{}}'"#;
    // The first is slow, and its successor is not.
    let discover = r#"if [ -e "$0.slow" ]; then say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}'; else : > "$0.slow"; fi"#;
    let (daemon, record) = Script { discover, initialize: both }.start(Desk::new(), HASTE);
    assert_eq!(era(&daemon), "legacy");
    ends(&daemon);
    assert_eq!(era(&daemon), "modern");
    assert_eq!(asked(&record), [D, I, D]);
}

#[test]
fn t36_what_cannot_be_spoken_is_named() {
    let nonsense = r#"say '"result":"hello"'"#;
    let broken = r#"printf '{"jsonrpc":"2.0","id":1,"result":1,"error":2}\n'"#;
    let long = r#"say "\"result\":{\"x\":\"$(printf %05000d 0)\"}""#;
    let legacy = "era = \"legacy\"";
    let modern = "era = \"modern\"";
    for (script, keys, why) in [
        (Script { discover: TOMORROW, initialize: INITIALIZED }, "", "2031-01-01"),
        (Script { discover: NO_METHOD, initialize: TOMORROW }, "", "2031-01-01"),
        (Script { discover: NOT_THIS, initialize: INITIALIZED }, "", "says that it speaks"),
        (
            Script { discover: NO_METHOD, initialize: NO_METHOD },
            "",
            "server/discover with the error",
        ),
        (Script { discover: NO_METHOD, initialize: nonsense }, "", "no protocolVersion"),
        (Script { discover: NO_METHOD, initialize: broken }, "", "is no message"),
        (Script { discover: long, initialize: long }, "max_message = \"4KiB\"", "bytes long"),
        (MODERN, legacy, "it speaks only revision 2026-07-28, and era = \"legacy\""),
        (LEGACY, modern, "it speaks only revisions with a handshake, such as 2025-06-18"),
    ] {
        let begun = Instant::now();
        let (daemon, _) = script.start(Desk::new(), keys);
        let said = trouble(&daemon);
        assert!(said.contains(why), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(4), "it waited: {said}");
    }
}

#[test]
fn t36_an_era_that_is_written_down_is_not_asked_for() {
    for (script, keys, era_is, asks) in
        [(LEGACY, "era = \"legacy\"", "legacy", I), (MODERN, "era = \"modern\"", "modern", D)]
    {
        let (daemon, record) = script.start(Desk::new(), keys);
        assert_eq!((&*era(&daemon), asked(&record)), (era_is, vec![asks.to_owned()]));
    }
}

#[test]
fn t37_a_verdict_skips_the_probe_until_it_is_old_or_the_program_another() {
    let desk = Desk::new();
    let record = Record::at(desk.path().join("heard"));
    let state = format!("state_dir = {:?}\n", desk.path().join("memory"));
    let kept = desk.path().join("memory/recall/demo.json");
    let mut expected: Vec<&str> = Vec::new();
    let mut runs = |asks: &[&'static str], era_is: &str| {
        let daemon = Daemon::start(&format!("{state}{}", config(desk.path(), "")));
        assert_eq!(era(&daemon), era_is);
        expected.extend(asks);
        assert_eq!(asked(&record), expected);
        daemon.stopped();
        let text = fs::read_to_string(&kept).unwrap();
        let kept = serde_json::from_str::<Value>(&text).unwrap()["era"].clone();
        assert_eq!(kept["name"], era_is, "{text}");
        text
    };
    LEGACY.write(&desk, "");
    runs(&[D, I], "legacy");
    let text = runs(&[I], "legacy");
    let mut old: Value = serde_json::from_str(&text).unwrap();
    let since = old["era"]["since"].as_u64().unwrap();
    old["era"]["since"] = json!(since - 24 * 60 * 60 - 1);
    fs::write(&kept, old.to_string()).unwrap();
    runs(&[D, I], "legacy");
    runs(&[I], "legacy");
    LEGACY.write(&desk, "# another release");
    runs(&[D, I], "legacy");
    MODERN.write(&desk, "# and one that does without");
    runs(&[D], "modern");
    runs(&[D], "modern");
    LEGACY.write(&desk, "# and back");
    runs(&[D, I], "legacy");
}

#[test]
fn t37_a_verdict_that_turns_out_wrong_is_dropped() {
    // Modern the first time, and then an old one that ends when it is probed.
    let discover = r#"if [ -e "$0.old" ]; then exit 5; else : > "$0.old"; say '"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}'; fi"#;
    let (daemon, record) = Script { discover, initialize: INITIALIZED }.start(Desk::new(), "");
    assert_eq!(era(&daemon), "modern");
    ends(&daemon);
    assert_eq!(era(&daemon), "legacy");
    assert_eq!(asked(&record), [D, D, D, I]);
}

#[test]
fn t37_children_of_one_server_know_what_the_first_has_shown() {
    let (daemon, record) = LEGACY.start(Desk::new(), "mode = \"per-session\"");
    assert_eq!(era(&daemon), "legacy");
    let clients = [(); 2].map(|()| daemon.plain());
    eventually("each has a child of its own", || (asked(&record).len() == 4).then_some(()));
    assert_eq!(asked(&record), [D, I, I, I]);
    drop(clients);
}
