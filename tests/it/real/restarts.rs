//! The daemon is restarted, killed, or one of several: its sessions go on, and those that were ended stay so.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::{Resource, Rlimit, Signal};
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{Mcp, text, tool};
use crate::support::{Daemon, Demo, Record, Request, eventually};

const HOW: [Signal; 2] = [Signal::TERM, Signal::KILL];

fn asks() -> Value {
    json!({"sampling": {}, "roots": {"listChanged": true}, "experimental": {"x": {"y": 1}}})
}

fn echo(client: &mut Mcp) {
    assert_eq!(text(&client.tool("echo", &json!({"text": "still here"}))), "still here");
}

/// For the Python and TypeScript SDKs and FastMCP, which give up when they read 404.
#[test]
fn c21_t46_a_session_goes_on_after_the_daemon_was_restarted_or_killed() {
    for how in HOW {
        let daemon = Daemon::demo("");
        let mut client = daemon.plain();
        echo(&mut client);
        let daemon = daemon.follow(how);
        let mut client = client.at(daemon.address());
        echo(&mut client);
        assert_eq!(client.initialize(&json!({})).status, 400, "it has been greeted");
        assert_eq!(client.delete().status, 200);
        if how == Signal::KILL {
            // Nobody waits for the disk, so it may take a moment.
            let file = daemon.desk().path().join("state/ended-sessions");
            let is_written = || std::fs::metadata(&file).unwrap().len() > 0;
            eventually("the record", || is_written().then_some(()));
        }
        let daemon = daemon.follow(how);
        let client = client.at(daemon.address());
        assert_eq!(client.post(&tool(&json!(1), "echo", &json!({"text": "x"}))).status, 404);
        assert_eq!(client.send(&client.dressed(Request::listen("/mcp"))).status, 404);
        assert_eq!(client.delete().status, 404);
    }
}

#[test]
fn t46_a_private_child_is_greeted_again_as_its_client_did() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let mut client = daemon.client("/mcp", "2025-06-18", &asks());
    echo(&mut client);
    let greeted = |record: &Record| -> Vec<Value> {
        let all = record.of("initialize").into_iter();
        all.filter(|m| m["params"]["clientInfo"]["name"] == "ring").collect()
    };
    assert_eq!(greeted(&record).len(), 1);
    let daemon = daemon.follow(Signal::KILL);
    let mut client = client.at(daemon.address());
    echo(&mut client);
    let again = eventually("the second greeting", || greeted(&record).into_iter().nth(1));
    assert_eq!(again["params"], greeted(&record)[0]["params"]);
    assert_eq!(again["params"]["capabilities"], asks());
}

#[test]
fn t46_of_many_calls_that_bring_a_session_back_one_starts_its_child() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").keys("start = \"lazy\"").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let mut client = daemon.client("/mcp", "2025-11-25", &asks());
    echo(&mut client);
    let daemon = daemon.follow(Signal::KILL);
    let client = client.at(daemon.address());
    std::thread::scope(|scope| {
        for n in 0..20 {
            let client = &client;
            scope.spawn(move || {
                let call = tool(&json!(n), "echo", &json!({"text": n.to_string()}));
                assert_eq!(text(&client.post(&call).json()), n.to_string());
            });
        }
    });
    assert_eq!(record.of("initialize").len(), 2, "one before the restart, one after");
}

#[test]
fn t46_a_standing_stream_stands_again_and_is_told_that_lists_may_have_changed() {
    let daemon = Daemon::demo("");
    let client = daemon.plain();
    let mut listening = client.listen();
    client.post(&tool(&json!(1), "announce_change", &json!({"list": "tools"})));
    listening.until("list_changed");
    let id = listening.raw().lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let daemon = daemon.follow(Signal::KILL);
    let client = client.at(daemon.address());
    let mut again = client.resume(&id).events();
    again.until("notifications/tools/list_changed");
    client.post(&tool(&json!(2), "announce_change", &json!({"list": "resources"})));
    again.until("notifications/resources/list_changed");
}

/// For rmcp and mcp-remote, which begin anew when they read 404.
#[test]
fn c21_t46_what_was_forged_or_cut_or_is_anothers_is_404() {
    let config = ["a", "b"].map(|name| Demo::new(name).toml()).concat();
    let daemon = Daemon::start(&config);
    let client = daemon.client("/servers/a/mcp", "2025-11-25", &json!({}));
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let status = |path: &str, id: &str| {
        daemon.send(&Request::post(path, &ping).header("Mcp-Session-Id", id)).status
    };
    let id = &client.session;
    assert_eq!(status("/servers/a/mcp", id), 200);
    assert!(id.len() <= 200, "{} characters", id.len());
    assert_eq!(status("/servers/b/mcp", id), 404);
    assert_eq!(status("/servers/a/mcp", &id[..id.len() - 1]), 404);
    assert_eq!(status("/servers/a/mcp", &format!("{id}A")), 404);
    let (first, rest) = id.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    assert_eq!(status("/servers/a/mcp", &format!("{other}{rest}")), 404);
    assert_eq!(status("/servers/a/mcp", &"A".repeat(5000)), 404);
    let elsewhere = Daemon::start(&config);
    assert_eq!(
        client.at(elsewhere.address()).post(&ping).status,
        404,
        "another daemon has another key"
    );
}

#[test]
fn replicas_with_one_key_serve_the_same_sessions() {
    let keys = Desk::new();
    let file = keys.write("keys", &"5e".repeat(32));
    let config = format!("[sessions]\nkey_file = {file:?}\n{}", Demo::new("demo").toml());
    let replicas = [Daemon::start(&config), Daemon::start(&config)];
    for capabilities in [json!({}), asks()] {
        let client = replicas[0].client("/mcp", "2025-11-25", &capabilities);
        for turn in 0..6 {
            echo(&mut client.at(replicas[turn % 2].address()));
        }
    }
}

#[test]
fn a_session_that_must_not_change_children_ends_with_its_own() {
    let daemon = Daemon::start(&Demo::new("demo").keys("stateful = true").toml());
    let mut client = daemon.plain();
    echo(&mut client);
    let private = |daemon: &Daemon| {
        let status = daemon.status();
        let children = status["servers"]["demo"]["children"].as_array().unwrap().clone();
        children.into_iter().find(|child| child["lane"] == "private")
    };
    let pid = private(&daemon).unwrap()["pid"].as_i64().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    eventually("the end of the session", || (client.post(&ping).status == 404).then_some(()));
    assert!(eventually("no child", || private(&daemon).is_none().then_some(true)));
    let mut other = daemon.plain();
    echo(&mut other);
    let daemon = daemon.follow(Signal::TERM);
    assert_eq!(other.at(daemon.address()).post(&ping).status, 404);
}

#[test]
fn keys_are_turned_without_losing_a_session() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    let file = daemon.desk().path().join("state/session-keys");
    let keys = || std::fs::read_to_string(&file).unwrap();
    let before = keys();
    let mut rotate = crate::support::daemon::command();
    rotate.args(["key", "rotate", "--config"]).arg(daemon.desk().path().join("stdiod.toml"));
    rotate.env("STATE_DIRECTORY", daemon.desk().path().join("state"));
    let done = rotate.output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("a new key seals, 1 older still open"), "{said}");
    assert_eq!(keys().lines().last(), before.lines().last());
    daemon.signal(Signal::HUP);
    daemon.logged("reloaded: ");
    echo(&mut client);
    let mut newer = daemon.plain();
    std::fs::write(&file, before).unwrap();
    let daemon = daemon.follow(Signal::TERM);
    echo(&mut client.at(daemon.address()));
    newer = newer.at(daemon.address());
    assert_eq!(newer.delete().status, 404, "its key is gone");
}

#[test]
fn keys_are_only_turned_where_there_are_some() {
    let desk = Desk::new();
    let state = desk.path().join("home/.local/state/stdiod");
    let rotate = |args: &[&str]| {
        let mut rotate = crate::support::daemon::command();
        rotate.args(["key", "rotate"]).args(args).env("HOME", desk.path().join("home"));
        let done = rotate.output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = rotate(&[]);
    assert_eq!(code, Some(1), "{said}");
    let file = state.join("session-keys");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    assert!(said.contains("STATE_DIRECTORY=/var/lib/stdiod stdiod key rotate"), "{said}");
    assert!(!desk.path().join("home").exists(), "nothing is made unasked");
    let (code, said) = rotate(&["--create"]);
    assert!(code == Some(0) && said.contains("made, with one key"), "{said}");
    let (code, said) = rotate(&["--create"]);
    assert!(code == Some(0) && said.contains("1 older still open"), "{said}");
    let named = desk.path().join("named");
    let config = desk.write("stdiod.toml", &format!("[sessions]\nkey_file = {named:?}\n"));
    let (code, said) = rotate(&["--config", config.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("sessions.key_file names it"), "{said}");
}

#[test]
fn a_key_file_that_cannot_be_read_changes_nothing() {
    let demo = Demo::new("demo").toml();
    let daemon = Daemon::start(&demo);
    let mut client = daemon.plain();
    let with = |name: &str| {
        let file = daemon.desk().path().join(name);
        format!("[sessions]\nkey_file = {file:?}\n{demo}")
    };
    let said = daemon.reload(&with("absent"));
    assert!(said.contains("not reloaded: ") && said.contains("absent cannot be read"), "{said}");
    echo(&mut client);
    let said = daemon.reload(&demo);
    assert!(said.contains("reloaded: 1 unchanged"), "{said}");
}

#[test]
fn a_key_file_that_hangs_keeps_no_signal_waiting() {
    let demo = Demo::new("demo").toml();
    let daemon = Daemon::start(&demo);
    let hung = daemon.desk().path().join("hung");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &hung, kind, mode, 0).unwrap();
    let config = format!("[sessions]\nkey_file = {hung:?}\n{demo}");
    daemon.desk().replace("stdiod.toml", &config);
    daemon.signal(Signal::HUP);
    // Opening for writing only works once it is being read.
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
    let _writer = eventually("the reader", || rustix::fs::open(&hung, flags, mode).ok());
    echo(&mut daemon.plain());
    daemon.stopped();
}

#[test]
fn who_comes_while_another_writes_takes_over_from_it() {
    let first = Daemon::demo("");
    let state = first.desk().path().join("state");
    let config = format!("state_dir = {state:?}\n{}", Demo::new("demo").toml());
    let second = Daemon::start(&config);
    second.logged("another stdiod writes here");
    let clients = [first.plain(), second.plain()];
    for client in &clients {
        assert_eq!(client.delete().status, 200);
    }
    first.stopped();
    let second = second.follow(Signal::TERM);
    for client in clients {
        assert_eq!(client.at(second.address()).delete().status, 404);
    }
}

#[test]
fn a_disk_that_was_full_in_the_middle_of_a_record_mixes_up_no_sessions() {
    // A file that may not grow is a full disk, if the signal that goes with it is ignored.
    let limited = crate::support::daemon::by_shell("trap '' XFSZ");
    let daemon =
        Daemon::run(Desk::new(), &Demo::new("demo").toml(), limited, &["--listen", "127.0.0.1:0"]);
    let clients: Vec<Mcp> = (0..80).map(|_| daemon.plain()).collect();
    let file = daemon.desk().path().join("state/ended-sessions");
    let records = || std::fs::metadata(&file).unwrap().len() / 32;
    let before = rustix::process::getrlimit(Resource::Fsize);
    let limit = |bytes| {
        let limit = Rlimit { current: bytes, maximum: before.maximum };
        rustix::process::prlimit(Some(daemon.pid()), Resource::Fsize, limit).unwrap();
    };
    limit(Some(1000));
    // Every other one, so that they make no range.
    for client in clients.iter().step_by(2) {
        assert_eq!(client.delete().status, 200);
    }
    daemon.logged("sessions that end cannot be written down");
    assert_eq!(std::fs::metadata(&file).unwrap().len() % 32, 0, "no fragment is left");
    assert!(records() < 40, "{} records", records());
    limit(before.current);
    let daemon = daemon.follow(Signal::TERM);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for (n, client) in clients.iter().enumerate() {
        let expected = if n % 2 == 0 { 404 } else { 200 };
        assert_eq!(client.at(daemon.address()).post(&ping).status, expected, "session {n}");
    }
    assert_eq!(records(), 40, "all was written in the end");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_warned_about_and_done_without() {
    let desk = Desk::new();
    desk.write("state", "a file where the directory should be");
    let daemon = Daemon::at(desk, &Demo::new("demo").toml());
    daemon.logged("the state directory cannot be used");
    echo(&mut daemon.plain());
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("state")).unwrap();
    desk.write("state/session-keys", "no key\n");
    desk.write("state/ended-sessions", "neither are these");
    let state = desk.path().join("state");
    std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let daemon = Daemon::at(desk, &Demo::new("demo").toml());
    daemon.logged("everybody on this host can write to the state directory");
    daemon.logged("a part of this file is spoilt");
    daemon.logged("line 1 is no key");
    let client = daemon.plain();
    assert_eq!(client.delete().status, 200);
    assert_eq!(client.delete().status, 404);
}
