//! Children that rest: what is answered for them, what wakes them, and what is remembered beyond the daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{Mcp, request, text};
use crate::support::{Daemon, Demo, LIMIT, Record, eventually, program};

/// How long a gateway polls.
const POLLING: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(250);

fn recorded(keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").keys(keys).recorded(&desk);
    (Daemon::at(desk, &demo.toml()), record)
}

/// A daemon that keeps what it remembers on another desk than its own.
fn remembering(desk: &Desk, demo: &Demo) -> Daemon {
    let state = desk.path().join("memory");
    Daemon::start(&format!("state_dir = \"{}\"\n{}", state.display(), demo.toml()))
}

fn kept(desk: &Desk) -> std::path::PathBuf {
    desk.path().join("memory/recall/demo.json")
}

/// What a gateway does every now and then: a session, its tools, and no goodbye.
fn poll(daemon: &Daemon) -> Value {
    daemon.plain().call("tools/list", &json!({}))["result"].clone()
}

fn child(daemon: &Daemon) -> Value {
    daemon.status()["servers"]["demo"]["children"][0].clone()
}

#[track_caller]
fn rests(daemon: &Daemon) {
    eventually("the child rests", || (child(daemon)["state"] == "stopped").then_some(()));
}

fn starts(record: &Record) -> usize {
    record.of("initialize").len()
}

#[test]
fn a_gateway_that_polls_neither_wakes_a_child_nor_keeps_it_awake() {
    let (daemon, record) = recorded("idle_stop = \"1s\"");
    let tools = poll(&daemon);
    let end = Instant::now() + LIMIT;
    while child(&daemon)["state"] != "stopped" {
        assert_eq!(poll(&daemon), tools);
        assert!(Instant::now() < end, "polling keeps it running");
    }
    let asked = record.of("tools/list").len();
    let begun = Instant::now();
    let mut polls = 0;
    while begun.elapsed() < POLLING {
        assert_eq!(poll(&daemon), tools);
        assert_eq!(daemon.get("/readyz").status, 200);
        polls += 1;
        thread::sleep(PAUSE);
    }
    assert_eq!((starts(&record), record.of("tools/list").len()), (1, asked));
    assert!(child(&daemon)["calls"]["recalled"].as_u64().unwrap() >= 2 * polls);
    daemon.logged("\"recalled\":true");

    let mut client = daemon.plain();
    assert_eq!(text(&client.tool("echo", &json!({"text": "awake"}))), "awake");
    assert_eq!((starts(&record), child(&daemon)["state"].clone()), (2, json!("ready")));
    eventually("it rests again", || {
        poll(&daemon);
        (child(&daemon)["state"] == "stopped").then_some(())
    });
    assert_eq!(starts(&record), 2);
    println!("{polls} polls in {:?}", begun.elapsed());
}

#[test]
fn many_first_calls_at_once_wake_one_child() {
    let (daemon, record) = recorded("idle_stop = \"200ms\"");
    poll(&daemon);
    rests(&daemon);
    thread::scope(|scope| {
        for n in 0..50 {
            let daemon = &daemon;
            scope.spawn(move || {
                let answer = daemon.plain().tool("echo", &json!({"text": n.to_string()}));
                assert_eq!(text(&answer), n.to_string());
            });
        }
    });
    assert_eq!((starts(&record), record.of("tools/call").len()), (2, 50));
}

#[test]
fn a_lazy_server_is_answered_for_after_a_restart() {
    let desk = Desk::new();
    let lazy = |keys: &str| {
        Demo::new("demo").keys("start = \"lazy\"").keys(keys).flags("--page 3").recorded(&desk)
    };
    let (demo, record) = lazy("");
    let daemon = remembering(&desk, &demo);
    let ask = |daemon: &Daemon, params: Value| {
        daemon.post("/mcp", &request(&json!("l"), "tools/list", &params)).text()
    };
    let first = ask(&daemon, json!({}));
    let cursor = serde_json::from_str::<Value>(&first).unwrap()["result"]["nextCursor"].clone();
    let second = ask(&daemon, json!({"cursor": cursor}));
    daemon.stopped();

    let daemon = remembering(&desk, &demo);
    assert_eq!(daemon.get("/readyz").status, 200);
    let newcomer = Mcp::closed(daemon.address(), "/mcp", "2025-11-25");
    let greeting = newcomer.initialize(&json!({})).json();
    assert_eq!(greeting["result"]["serverInfo"]["name"], "stdiod-demo");
    assert_eq!(ask(&daemon, json!({})), first, "to the byte");
    assert_eq!(ask(&daemon, json!({"cursor": cursor})), second);
    let now = child(&daemon);
    assert_eq!((&now["pid"], &now["state"]), (&Value::Null, &json!("stopped")));
    assert_eq!(now["server"]["name"], "stdiod-demo");
    assert_eq!(starts(&record), 1);
    assert_eq!(text(&daemon.plain().tool("echo", &json!({"text": "x"}))), "x");
    assert_eq!(starts(&record), 2);
    drop(daemon);

    // What may be seen is decided when it is shown.
    let (hiding, record) = lazy("tools = { deny = [\"echo\"] }");
    let daemon = remembering(&desk, &hiding);
    let shown = ask(&daemon, json!({}));
    assert!(first.contains("\"echo\"") && !shown.contains("\"echo\""), "{shown}");
    assert_eq!(starts(&record), 2);
}

#[test]
fn what_was_said_survives_a_daemon_that_is_killed() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").keys("start = \"lazy\"").recorded(&desk);
    let mut daemon = remembering(&desk, &demo);
    let tools = poll(&daemon);
    eventually("the lists are kept", || {
        fs::read_to_string(kept(&desk)).ok()?.contains("tools/list").then_some(())
    });
    daemon.signal(Signal::KILL);
    daemon.ended(LIMIT);
    let daemon = remembering(&desk, &demo);
    assert_eq!(poll(&daemon), tools);
    assert_eq!(starts(&record), 1);
    let mode = fs::metadata(kept(&desk)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A program that is a script, so that it can be changed.
fn script(desk: &Desk, more: &str) -> String {
    let program = program();
    let text = format!("#!/bin/sh\n{more}\nexec {program} demo-server \"$@\"\n");
    let path = desk.write("server.sh", &text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A server whose script does this first, whenever it is started.
pub(super) fn scripted(desk: &Desk, name: &str, more: &str) -> (String, Record) {
    let (demo, record) = Demo::new(name).recorded(desk);
    let program = format!("command = {:?}", program());
    let script = script(desk, more);
    let toml = demo.toml().replace(&program, &format!("command = {script:?}"));
    (toml.replace("\"demo-server\", ", ""), record)
}

#[test]
fn t37_what_has_changed_is_asked_afresh() {
    let desk = Desk::new();
    let (toml, record) = scripted(&desk, "demo", "");
    let start = |more: &str| {
        let state = desk.path().join("memory");
        let more = format!("{toml}start = \"lazy\"\n{more}");
        Daemon::start(&format!("state_dir = \"{}\"\n{more}", state.display()))
    };
    let mut expected = 0;
    let mut check = |more: &str, change: &dyn Fn(), asks: bool| {
        change();
        let daemon = start(more);
        poll(&daemon);
        expected += usize::from(asks);
        assert_eq!(starts(&record), expected, "{more}");
        daemon.stopped();
    };
    let nothing = || ();
    let upgrade = || drop(script(&desk, "# another release"));
    let secret = "env = { TOKEN = \"a secret value\" }";
    check("", &nothing, true);
    check("", &nothing, false);
    check("", &upgrade, true);
    check("", &nothing, false);
    check(secret, &nothing, true);
    check(secret, &nothing, false);
    check("cwd = \"/\"", &nothing, true);
    check("cwd = \"/\"", &nothing, false);
    let text = fs::read_to_string(kept(&desk)).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_is_kept_of_a_server_goes_with_it() {
    let desk = Desk::new();
    let state = format!("state_dir = \"{}\"\n", desk.path().join("memory").display());
    let config =
        |servers: &[Demo]| state.clone() + &servers.iter().map(Demo::toml).collect::<String>();
    let daemon = Daemon::start(&config(&[Demo::new("demo"), Demo::new("other")]));
    let listed = |part: &str| {
        daemon.client("/servers/demo/mcp", "2025-11-25", &json!({})).call("tools/list", &json!({}));
        eventually("the lists are kept", || {
            let text = fs::read_to_string(kept(&desk)).ok()?;
            (text.contains("tools/list") && !text.contains(part)).then_some(text)
        })
    };
    let fingerprint = |text: &str| {
        serde_json::from_str::<Value>(text).unwrap()["fingerprint"].as_str().unwrap().to_owned()
    };
    let first = fingerprint(&listed("no such thing"));
    // What is kept of another child in its place is that child's.
    daemon.reload(&config(&[Demo::new("demo").keys("cwd = \"/\""), Demo::new("other")]));
    listed(&first);
    daemon.reload(&config(&[Demo::new("other")]));
    eventually("nothing is kept of it", || (!kept(&desk).exists()).then_some(()));
    daemon.stopped();
    assert!(!kept(&desk).exists());
}

#[test]
fn a_program_that_is_upgraded_while_its_child_rests_is_asked_afresh() {
    let desk = Desk::new();
    let (toml, record) = scripted(&desk, "demo", "");
    let daemon = Daemon::start(&format!("{toml}idle_stop = \"200ms\"\n"));
    poll(&daemon);
    rests(&daemon);
    poll(&daemon);
    assert_eq!(starts(&record), 1);
    script(&desk, "# another release");
    eventually("it is woken for its lists", || {
        poll(&daemon);
        (starts(&record) == 2).then_some(())
    });
    daemon.logged("it has changed since it last ran");
}

/// For LiteLLM behind whose mcp-proxy a dead child still counts as healthy.
#[test]
fn c19_a_server_that_fails_is_not_answered_for() {
    let desk = Desk::new();
    let broken = desk.path().join("broken");
    let fails = format!("test -e {} && echo out of order >&2 && exit 3", broken.display());
    let (toml, _record) = scripted(&desk, "demo", &fails);
    let daemon = Daemon::start(&format!("{toml}idle_stop = \"200ms\"\n"));
    poll(&daemon);
    rests(&daemon);
    fs::write(&broken, "").unwrap();
    poll(&daemon);
    let client = daemon.plain();
    let said = |method: &str| {
        let answer = client.post(&request(&json!(1), method, &json!({"name": "echo"}))).json();
        answer["error"]["message"].as_str().unwrap_or_default().to_owned()
    };
    assert!(said("tools/call").contains("status 3"));
    assert_eq!(daemon.get("/readyz").status, 503);
    let listed = said("tools/list");
    assert!(listed.contains("status 3") && listed.contains("out of order"), "{listed}");
    fs::remove_file(&broken).unwrap();
    eventually("it is well again", || (daemon.get("/readyz").status == 200).then_some(()));
    rests(&daemon);
    poll(&daemon);
    assert_eq!(daemon.get("/readyz").status, 200, "what is over is over");
}

#[test]
fn streams_do_not_keep_a_child_and_hear_that_lists_may_have_changed() {
    let (daemon, record) = recorded("idle_stop = \"200ms\"");
    let mut client = daemon.plain();
    let mut listening = client.listen();
    client.call("tools/list", &json!({}));
    client.call("logging/setLevel", &json!({"level": "debug"}));
    rests(&daemon);
    client.call("logging/setLevel", &json!({"level": "error"}));
    assert_eq!(starts(&record), 1);
    client.tool("echo", &json!({"text": "x"}));
    let heard: Vec<Value> = std::iter::from_fn(|| listening.message()).take(3).collect();
    assert!(heard.iter().all(|m| m["method"].as_str().unwrap().ends_with("list_changed")));
    let levels: Vec<Value> =
        record.of("logging/setLevel").iter().map(|m| m["params"]["level"].clone()).collect();
    assert_eq!(levels, ["debug", "error"]);
}

#[test]
fn a_subscriber_who_listens_keeps_the_child_and_calls_it_back() {
    let (daemon, record) = recorded("idle_stop = \"200ms\"");
    let mut client = daemon.plain();
    client.call("resources/subscribe", &json!({"uri": "demo://welcome"}));
    let listening = client.listen();
    // Five times as long as an idle child is left.
    thread::sleep(Duration::from_secs(1));
    assert_eq!(child(&daemon)["state"], "ready");
    drop(listening);
    rests(&daemon);
    let _listening = client.listen();
    eventually("it is back", || (child(&daemon)["state"] == "ready").then_some(()));
    record.wait("it is told again", |_| record.of("resources/subscribe").len() == 2);
}

#[test]
fn a_call_under_way_keeps_the_child_however_long_it_takes() {
    let (daemon, record) = recorded("idle_stop = \"200ms\"");
    let answer = daemon.plain().tool("sleep", &json!({"ms": 1000}));
    assert_eq!(text(&answer), "Slept for 1000 ms.");
    assert_eq!(starts(&record), 1);
    rests(&daemon);
}

#[test]
fn a_private_child_rests_too_and_comes_back_for_its_session() {
    let (daemon, record) =
        recorded("idle_stop = \"200ms\"\nmode = \"per-session\"\nstart = \"lazy\"");
    let mut client = daemon.plain();
    client.tool("echo", &json!({"text": "x"}));
    let private = || -> Option<Value> {
        let children = daemon.status()["servers"]["demo"]["children"].clone();
        children.as_array().unwrap().iter().find(|c| c["lane"] == "private").cloned()
    };
    // Its slot goes with it: what the session is stands in its id.
    eventually("it rests", || private().is_none().then_some(()));
    assert!(client.call("tools/list", &json!({}))["result"].is_object());
    let recalled = private().unwrap()["calls"]["recalled"].clone();
    assert_eq!((starts(&record), recalled), (2, json!(0)));
}

#[test]
fn a_stateful_session_keeps_what_it_holds_at_its_child() {
    let (daemon, record) = recorded("idle_stop = \"200ms\"\nstateful = true\nstart = \"lazy\"");
    let mut client = daemon.plain();
    assert_eq!(text(&client.tool("count_state", &json!({}))), "1");
    // Five times as long as an idle child is left.
    thread::sleep(Duration::from_secs(1));
    assert_eq!(text(&client.tool("count_state", &json!({}))), "2");
    assert_eq!(starts(&record), 1);
}

#[test]
fn a_list_that_has_changed_is_asked_for_again() {
    let (daemon, record) = recorded("idle_stop = \"200ms\"");
    let before = poll(&daemon);
    daemon.plain().tool("toggle_tool", &json!({}));
    rests(&daemon);
    let asked = record.of("tools/list").len();
    // The new process has no surprises, so that it says what the first one said at first.
    assert_eq!(poll(&daemon), before);
    assert_eq!((starts(&record), record.of("tools/list").len()), (2, asked + 1));
}

/// Warnings about what is kept.
fn warnings(daemon: &Daemon) -> usize {
    let about = |line: &&String| {
        line.contains("\"WARN\"") && line.contains("what this server said last cannot be")
    };
    daemon.log().iter().filter(about).count()
}

#[test]
fn without_a_place_to_keep_it_all_goes_on() {
    type Spoil<'a> = &'a dyn Fn(&Path);
    let spoil: [(&str, Spoil<'_>); 3] = [
        ("a file in place of the directory", &|state| fs::write(state.join("recall"), "").unwrap()),
        ("a full disk", &|state| {
            fs::create_dir(state.join("recall")).unwrap();
            std::os::unix::fs::symlink("/dev/full", state.join("recall/.demo.new")).unwrap();
        }),
        ("a spoilt file", &|state| {
            fs::create_dir(state.join("recall")).unwrap();
            fs::write(state.join("recall/demo.json"), "{\"form\":1").unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        let desk = Desk::new();
        let state = desk.path().join("memory");
        fs::create_dir(&state).unwrap();
        spoil(&state);
        let (demo, record) = Demo::new("demo").keys("idle_stop = \"1s\"").recorded(&desk);
        let daemon = remembering(&desk, &demo);
        let tools = poll(&daemon);
        daemon.logged("what this server said last cannot be");
        rests(&daemon);
        assert_eq!((poll(&daemon), starts(&record)), (tools, 1), "{what}");
        assert_eq!(text(&daemon.plain().tool("echo", &json!({"text": "x"}))), "x", "{what}");
        assert_eq!(warnings(&daemon), 1, "{what}");
        daemon.stopped();
    }
}
