//! The configuration is read again: what it changes changes, and nothing else does.

use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::daemon::{command, lives};
use crate::support::mcp::{Mcp, request, text, tool};
use crate::support::{Daemon, Demo, Events, LIMIT, Request, eventually};

fn server(name: &str) -> String {
    Demo::new(name).toml()
}

fn path(name: &str) -> String {
    format!("/servers/{name}/mcp")
}

fn client(daemon: &Daemon, name: &str) -> Mcp {
    daemon.client(&path(name), "2025-11-25", &json!({}))
}

fn echo(client: &mut Mcp) {
    let answer = client.tool("echo", &json!({"text": "still here"}));
    assert!(text(&answer).contains("still here"), "{answer}");
}

fn slow(id: u64, ms: u64) -> Value {
    tool(&json!(id), "sleep", &json!({"ms": ms}))
}

/// Whether a stream that is held still brings what its server says.
fn hears(stream: &mut Events, client: &mut Mcp) {
    let answer = client.tool("announce_change", &json!({"list": "tools"}));
    assert!(answer["error"].is_null(), "{answer}");
    stream.until("list_changed");
}

/// Ends a load also when the test fails, which would else wait for it.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn gone(what: &str, pid: Pid) {
    eventually(what, || (!lives(pid)).then_some(()));
}

fn ended_in_order(mut stream: Events) {
    while stream.next_event().is_some() {}
    assert!(stream.raw().trim_end().ends_with("retry: 2000"), "{}", stream.raw());
}

#[test]
fn of_sixteen_servers_under_load_only_those_that_change_notice() {
    let names: Vec<String> = (0..16).map(|n| format!("s{n:02}")).collect();
    let (staying, leaving) = names.split_at(14);
    let all: String = names.iter().map(|name| server(name)).collect();
    let daemon = Daemon::start(&all);
    daemon.ready("/readyz");
    let pids: Vec<Pid> = names.iter().map(|name| daemon.child_pid(name)).collect();
    let mut clients: Vec<Mcp> = names.iter().map(|name| client(&daemon, name)).collect();
    let mut streams: Vec<Events> = clients.iter().map(Mcp::listen).collect();
    let (changed_stream, removed_stream) = {
        let removed = streams.pop().unwrap();
        (streams.pop().unwrap(), removed)
    };

    let done = AtomicBool::new(false);
    let calls: usize = thread::scope(|scope| {
        let ends = Done(&done);
        let callers: Vec<_> = clients[..14]
            .iter()
            .map(|client| {
                let (mut client, done) = (client.clone(), &done);
                scope.spawn(move || {
                    let mut calls = 0;
                    while !done.load(Ordering::Relaxed) {
                        echo(&mut client);
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        // A call at each of the two that go, which may end.
        let slow: Vec<_> = clients[14..]
            .iter()
            .map(|client| scope.spawn(|| client.post(&slow(7, 800)).json()))
            .collect();
        eventually("calls under way", || {
            let status = daemon.status();
            let busy = |name: &String| status["servers"][name]["children"][0]["in_flight"] == 1;
            leaving.iter().all(busy).then_some(())
        });

        let kept: String = staying.iter().map(|name| server(name)).collect();
        let changed = Demo::new(&leaving[0]).flags("--name other").toml();
        let said = daemon.reload(&format!("{kept}{changed}{}", server("s16")));
        assert!(
            said.contains("reloaded: added s16; restarted s14 (args); removed s15; 14 unchanged"),
            "{said}"
        );
        daemon.ready("/readyz");
        for call in slow {
            assert_eq!(text(&call.join().unwrap()), "Slept for 800 ms.");
        }
        for pid in &pids[14..] {
            gone("the replaced and the removed child", *pid);
        }
        drop(ends);
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!(calls >= 14, "{calls}");

    for (n, name) in staying.iter().enumerate() {
        assert_eq!(daemon.child_pid(name), pids[n], "{name}");
        hears(&mut streams[n], &mut clients[n]);
    }
    ended_in_order(changed_stream);
    ended_in_order(removed_stream);
    echo(&mut client(&daemon, "s14"));
    echo(&mut client(&daemon, "s16"));
    let answer = daemon.post(&path("s15"), &request(&json!(1), "ping", &json!({})));
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("s15"));
    let status = daemon.status();
    assert_eq!(status["reloads"]["taken"], 1);
    assert!(status["servers"]["s15"].is_null() && status["servers"]["s16"].is_object(), "{status}");
    daemon.stopped();
}

#[test]
fn a_broken_file_changes_nothing_and_is_reported_with_line_and_hint() {
    let daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let (mut client, pid) = (daemon.plain(), daemon.child_pid("demo"));
    let broken = format!("{}\n[servers.two]\ncomand = \"sh\"\n", server("demo"));
    let line = broken.lines().position(|line| line.starts_with("comand")).unwrap() + 1;
    let file = daemon.desk().path().join("stdiod.toml");

    let said = daemon.reload(&broken);
    assert!(said.contains("not reloaded: 1 error; everything goes on as it was"), "{said}");
    let problem = daemon.logged("comand");
    assert!(problem.contains(&format!("{}:{line}:", file.display())), "{problem}");
    assert!(problem.contains("did you mean `command`?"), "{problem}");
    let status = daemon.status();
    assert_eq!(status["reloads"]["last_refused"], "1 error");
    assert!(status["servers"]["two"].is_null());
    assert_eq!(daemon.child_pid("demo"), pid);
    echo(&mut client);

    let said = daemon.reload(&server("demo"));
    assert!(said.contains("reloaded: 1 unchanged"), "{said}");
    assert!(daemon.status()["reloads"]["last_refused"].is_null());
    daemon.stopped();
}

#[test]
fn listeners_come_and_go_and_leave_the_others_alone() {
    let desk = Desk::new();
    let address = |name: &str| format!("unix:{}", desk.path().join(name).display());
    let (one, two, own) = (address("one"), address("two"), address("own"));
    let listening = |on: &[&String]| format!("[http]\nlisten = {on:?}\n{}", server("demo"));
    let config = listening(&[&one]);
    let daemon = Daemon::as_configured(desk, &config);
    let first = Mcp::open(&one, "/mcp", "2025-11-25", &json!({}));
    let (stream, mut old) = (first.listen(), Request::listen("/sse").send(&one).events());
    old.until("event: endpoint");

    let said = daemon.reload(&listening(&[&one, &two]));
    assert!(said.contains(&format!("1 unchanged; listening on {two}")), "{said}");
    let mut second = Mcp::open(&two, "/mcp", "2025-11-25", &json!({}));
    let mut held = second.listen();

    thread::scope(|scope| {
        let call = scope.spawn(|| first.post(&slow(1, 700)).json());
        eventually("the call", || {
            let status = Request::get("/status").send(&two).json();
            (status["servers"]["demo"]["children"][0]["in_flight"] == 1).then_some(())
        });
        let said = daemon.reload(&listening(&[&two]));
        assert!(said.contains(&format!("no longer on {one}")), "{said}");
        ended_in_order(stream);
        assert!(std::os::unix::net::UnixStream::connect(daemon.desk().path().join("one")).is_err());
        assert_eq!(text(&call.join().unwrap()), "Slept for 700 ms.");
    });
    // The session is not the listener's: it goes on where one still is.
    let mut moved = first.at(&two);
    echo(&mut moved);
    hears(&mut held, &mut second);

    // A listener of one server takes over an address that was everybody's.
    let taking_over = format!(
        "[http]\nlisten = [{one:?}]\n{}",
        Demo::new("demo").keys(&format!("listen = {two:?}")).toml()
    );
    let said = daemon.reload(&taking_over);
    assert!(said.contains("adjusted demo (listen)"), "{said}");
    ended_in_order(held);
    assert_eq!(Request::get("/servers/other/mcp").send(&two).status, 404);
    echo(&mut first.at(&two));
    echo(&mut first.at(&one));

    // What cannot be bound is reported and tried again; the rest is as it was.
    let taken = UnixListener::bind(daemon.desk().path().join("own")).unwrap();
    let wanted = listening(&[&one, &own]);
    daemon.reload(&wanted);
    let said = daemon.logged("is in use by another process");
    assert!(said.contains("the next reload tries again"), "{said}");
    echo(&mut first.at(&one));
    drop(taken);
    let said = daemon.hang_up();
    assert!(said.contains(&format!("listening on {own}")), "{said}");
    echo(&mut first.at(&own));
    // The old dialect's stream had to end with its listener, though only after the time that calls get.
    while old.next_event().is_some() {}
    daemon.stopped();
}

#[test]
fn tokens_are_given_changed_and_taken_away() {
    let desk = Desk::new();
    let secret = |who: &str| format!("{who}-secret-0123456789");
    let entry = |who: &str| {
        let file = desk.write(who, &secret(who));
        format!("{{ name = {who:?}, file = {file:?} }}")
    };
    let with = |tokens: &[&String]| {
        let tokens: Vec<&str> = tokens.iter().map(|token| token.as_str()).collect();
        format!("[auth]\ntokens = [{}]\n{}", tokens.join(", "), server("demo"))
    };
    let (ann, bob) = (entry("ann"), entry("bob"));
    let (only_ann, both, only_bob) = (with(&[&ann]), with(&[&ann, &bob]), with(&[&bob]));
    let daemon = Daemon::at(desk, &only_ann);
    let status = |token: &str| {
        let ping = request(&json!(1), "ping", &json!({}));
        let bearer = format!("Bearer {token}");
        daemon.send(&Request::post("/mcp", &ping).header("Authorization", &bearer)).status
    };
    let pid = |token: &str| {
        let get = Request::get("/status").header("Authorization", &format!("Bearer {token}"));
        daemon.send(&get).json()["servers"]["demo"]["children"][0]["pid"].clone()
    };
    assert_eq!((status(&secret("ann")), status(&secret("bob"))), (200, 401));
    let there = || Some(pid(&secret("ann"))).filter(|pid| !pid.is_null());
    let before = eventually("its child", there);
    assert!(daemon.reload(&both).contains("changed auth.tokens; 1 unchanged"));
    assert_eq!((status(&secret("ann")), status(&secret("bob"))), (200, 200));
    let holding = |who: &str| Mcp::with_token(daemon.address(), "/mcp", &secret(who)).listen();
    let (mut anns, mut bobs) = (holding("ann"), holding("bob"));
    assert!(daemon.reload(&only_bob).contains("changed auth.tokens; 1 unchanged"));
    while anns.next_event().is_some() {}
    let change = tool(&json!(2), "announce_change", &json!({"list": "tools"}));
    let bearer = format!("Bearer {}", secret("bob"));
    daemon.send(&Request::post("/mcp", &change).header("Authorization", &bearer));
    bobs.until("list_changed");
    assert_eq!((status(&secret("ann")), status(&secret("bob"))), (401, 200));
    // The same file with another token.
    daemon.desk().replace("bob", &secret("new-bob"));
    assert!(daemon.hang_up().contains("changed auth.tokens; 1 unchanged"));
    assert_eq!((status(&secret("bob")), status(&secret("new-bob"))), (401, 200));
    daemon.desk().replace("bob", "");
    assert!(daemon.hang_up().contains("not reloaded: "));
    assert_eq!(status(&secret("new-bob")), 200);
    assert_eq!(pid(&secret("new-bob")), before);
    daemon.stopped();
}

#[test]
fn a_changed_secret_restarts_exactly_the_server_that_uses_it() {
    let desk = Desk::new();
    for name in ["key", "variables"] {
        desk.write(name, "KEY=one\n");
    }
    let users = [
        Demo::new("by_file").keys("env = { KEY = \"${file:key}\" }").toml(),
        Demo::new("by_variables").keys("env_file = [\"variables\"]").toml(),
        server("neither"),
    ];
    let daemon = Daemon::at(desk, &users.concat());
    let pids = || ["by_file", "by_variables", "neither"].map(|name| daemon.child_pid(name));
    let first = pids();
    assert!(daemon.hang_up().contains("reloaded: 3 unchanged"));
    daemon.desk().replace("key", "KEY=two\n");
    let said = daemon.hang_up();
    assert!(
        said.contains("restarted by_file (env); 2 unchanged") && !said.contains("two"),
        "{said}"
    );
    daemon.desk().replace("variables", "KEY=two\n");
    assert!(daemon.hang_up().contains("restarted by_variables (env); 2 unchanged"));
    let second = pids();
    assert!(second[0] != first[0] && second[1] != first[1] && second[2] == first[2]);
    // A secret that is gone is a mistake, and no reason to start a server without it.
    std::fs::remove_file(daemon.desk().path().join("key")).unwrap();
    assert!(daemon.hang_up().contains("not reloaded: 1 error"));
    assert_eq!(pids(), second);
    daemon.stopped();
}

#[test]
fn what_the_child_need_not_know_is_taken_over_while_it_runs() {
    let daemon = Daemon::demo("");
    let (mut client, pid) = (daemon.plain(), daemon.child_pid("demo"));
    let mut stream = client.listen();
    echo(&mut client);
    let keys = "tools = { deny = [\"echo\"] }\nrequest_timeout = \"300ms\"\npush_wait = \"1s\"";
    let said = daemon.reload(&Demo::new("demo").keys(keys).toml());
    assert!(said.contains("adjusted demo (request_timeout, push_wait, tools)"), "{said}");
    stream.until("notifications/tools/list_changed");
    let listed = client.call("tools/list", &json!({})).to_string();
    assert!(!listed.contains("\"echo\"") && listed.contains("\"sleep\""), "{listed}");
    assert!(client.tool("echo", &json!({"text": "x"}))["error"].is_object());
    let late = client.tool("sleep", &json!({"ms": 60_000}));
    assert!(late["error"]["message"].as_str().unwrap().contains("request_timeout"), "{late}");

    // Keys of the daemon that its servers go by.
    let http = "[http]\ncommit_after = \"100ms\"\nmax_body = \"300B\"\n[log]\nlevel = \"debug\"\npayloads = true\n";
    let said = daemon.reload(&format!("{http}{}", server("demo")));
    assert!(
        said.contains("changed http.max_body, http.commit_after, log.level, log.payloads"),
        "{said}"
    );
    // The slot takes up its new limits in its own time.
    eventually("a call becomes a stream", || client.post(&slow(5, 500)).is_stream().then_some(()));
    daemon.logged("stdiod::payload");
    let long = request(&json!(6), "ping", &json!({"x": "y".repeat(300)}));
    assert_eq!(client.post(&long).status, 413);
    daemon.logged("DEBUG");
    echo(&mut client);
    assert_eq!(daemon.child_pid("demo"), pid);

    daemon.reload(&format!("[log]\nformat = \"text\"\n{}", server("demo")));
    daemon.logged("log.format has changed; that takes effect when stdiod is restarted");
    daemon.stopped();
}

#[test]
fn a_watched_file_is_taken_up_however_it_is_replaced() {
    let desk = Desk::new();
    // As platforms do that swap a whole folder: the file is a link into a link to a folder.
    let folder = |n: usize, text: &str| {
        let folder = format!("v{n}");
        std::fs::create_dir(desk.path().join(&folder)).unwrap();
        desk.write(&format!("{folder}/10-more.toml"), text);
    };
    folder(1, &server("linked_one"));
    folder(2, &server("linked_two"));
    let link = |to: &str, name: &str| {
        let new = desk.path().join(".link");
        std::os::unix::fs::symlink(to, &new).unwrap();
        std::fs::rename(new, desk.path().join(name)).unwrap();
    };
    link("v1", "conf.d");
    let config = format!("watch = true\n{}", server("a"));
    let root = desk.path().to_owned();
    let daemon = Daemon::at(desk, &config);
    daemon.ready("/servers/linked_one/readyz");

    daemon.desk().replace("stdiod.toml", &format!("{config}{}", server("b")));
    daemon.logged("reloaded: added b; 2 unchanged");
    let new = root.join(".link");
    std::os::unix::fs::symlink("v2", &new).unwrap();
    std::fs::rename(new, root.join("conf.d")).unwrap();
    daemon.logged("reloaded: added linked_two; removed linked_one; 2 unchanged");
    // Written in place, and no longer watched after that.
    daemon.desk().write("stdiod.toml", &server("a"));
    daemon.logged("removed b; changed watch; 2 unchanged");
    daemon.stopped();
}

#[test]
fn many_wishes_at_once_end_with_what_was_written_last() {
    let daemon = Daemon::start(&server("s0"));
    for n in 1..20 {
        daemon.desk().replace("stdiod.toml", &server(&format!("s{n}")));
        daemon.signal(Signal::HUP);
    }
    daemon.ready("/servers/s19/readyz");
    let status = eventually("one server", || {
        let status = daemon.status();
        (status["servers"].as_object().unwrap().len() == 1).then_some(status)
    });
    assert!(status["servers"]["s19"].is_object(), "{status}");
    // Also right before the end.
    daemon.signal(Signal::HUP);
    daemon.stopped();
}

#[test]
fn the_service_manager_is_told_when_a_reload_begins_and_ends() {
    let desk = Desk::new();
    let told = UnixDatagram::bind(desk.path().join("notify")).unwrap();
    told.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = command();
    command.env("NOTIFY_SOCKET", desk.path().join("notify"));
    let next = || {
        let mut buffer = [0; 4096];
        let length = told.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let daemon = Daemon::run(desk, &server("a"), command, &["--listen", "127.0.0.1:0"]);
    assert!(next().contains("READY=1"));
    daemon.signal(Signal::HUP);
    let begun = next();
    assert!(begun.contains("RELOADING=1\n") && begun.contains("MONOTONIC_USEC="), "{begun}");
    assert!(next().contains("READY=1"));
    daemon.desk().replace("stdiod.toml", "nonsense");
    daemon.signal(Signal::HUP);
    assert!(next().contains("RELOADING=1"));
    assert!(next().contains("READY=1"), "a reload that changes nothing is over too");
    daemon.stopped();
}

#[test]
fn a_call_that_outlasts_its_server_is_told_why_it_ends() {
    let daemon = Daemon::start(&(server("a") + &server("b")));
    let begun = std::time::Instant::now();
    thread::scope(|scope| {
        let client = client(&daemon, "a");
        let call = scope.spawn(move || client.post(&slow(1, 600_000)).events().messages());
        eventually("the call", || {
            let status = daemon.status();
            (status["servers"]["a"]["children"][0]["in_flight"] == 1).then_some(())
        });
        daemon.reload(&server("b"));
        let message = call.join().unwrap().pop().unwrap();
        let why = message["error"]["message"].as_str().unwrap();
        assert!(why.contains("server a was restarted or removed"), "{message}");
    });
    assert!((9..13).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_secs(9));
    daemon.stopped();
}
