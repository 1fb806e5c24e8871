//! Nothing is left behind: not when the daemon is killed, not when it is stopped, not when a child ends by itself, whatever
//! the child has started and however far that has run.
//!
//! The tests go a few rounds; `ORPHAN_ROUNDS=50` makes them go more.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getsid, kill_process};
use serde_json::json;

use crate::support::daemon::lives;
use crate::support::mcp::tool;
use crate::support::{Daemon, Demo, LIMIT, eventually, program};

/// After so long nobody may be there any more.
const SOON: Duration = Duration::from_secs(3);

const ROUNDS: u32 = 2;

/// What the nursery does is told at this level.
const DEBUG: &str = "[log]\nlevel = \"debug\"\n\n";

fn rounds() -> u32 {
    let wanted = std::env::var("ORPHAN_ROUNDS").ok();
    wanted.map_or(ROUNDS, |wanted| wanted.parse().unwrap())
}

/// Servers that start others in all ways: in their group or a session of their own, obedient or not, by way of a shell, and
/// with an empty environment. With the number of processes they tell of.
fn households() -> (String, usize) {
    let servers = [
        ("plain", "--fork-grandchild", 1),
        ("far", "--fork-grandchild --fork-grandchild-setsid", 2),
        ("deaf", "--fork-grandchild --fork-grandchild-setsid --stubborn-grandchild", 2),
        ("bare", "--fork-grandchild --bare-grandchild", 1),
        ("worst", "--ignore-sigterm --ignore-eof --fork-grandchild --fork-grandchild-setsid", 2),
    ];
    let toml = |(name, flags, _): &(&str, &str, usize)| {
        let keys = "stop_grace = \"300ms\"";
        Demo::new(name).flags(&format!("{flags} --crash-tool")).keys(keys).toml()
    };
    // What a package runner looks like: the child is a shell, and the server already a grandchild.
    let program = program();
    let line =
        format!("{program} demo-server --era legacy --crash-tool --fork-grandchild-setsid; true");
    let shell = format!("[servers.shell]\ncommand = \"sh\"\nargs = [\"-c\", {line:?}]\n");
    let config: String = servers.iter().map(toml).chain([shell]).collect();
    (config, servers.iter().map(|(_, _, started)| started).sum::<usize>() + 1)
}

/// All that children have told of so far, once there are so many.
fn grandchildren(daemon: &Daemon, count: usize) -> Vec<Pid> {
    eventually("the children have started others", || {
        let log = daemon.log();
        // Errors repeat what was said.
        let said = log.iter().filter(|line| line.contains("stdiod::stderr"));
        let told = said.filter_map(|line| {
            let (_, rest) = line.split_once("grandchild pid ")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Pid::from_raw(digits.parse().unwrap())
        });
        let pids: Vec<Pid> = told.collect();
        (pids.len() >= count).then_some(pids)
    })
}

fn children(daemon: &Daemon) -> Vec<Pid> {
    let status = daemon.status();
    let servers = status["servers"].as_object().unwrap().values();
    let children = servers.flat_map(|server| server["children"].as_array().unwrap());
    let pids = children.filter_map(|child| Pid::from_raw(child["pid"].as_i64()?.try_into().ok()?));
    pids.collect()
}

/// All processes that carry the mark of this daemon, also those nobody told of.
fn marked(child: Pid) -> Vec<Pid> {
    let environment = |pid: &str| std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = |environment: &[u8]| {
        let mut variables = environment.split(|byte| *byte == 0);
        let value = variables.find_map(|pair| pair.strip_prefix(b"_STDIOD_CHILD="))?;
        Some(value.split(|byte| *byte == b'-').next()?.to_vec())
    };
    let ours = mark(&environment(&child.as_raw_nonzero().to_string()));
    assert!(ours.is_some(), "a child is marked");
    let listed = std::fs::read_dir("/proc").unwrap();
    let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let found = names.filter(|name| {
        name.bytes().all(|byte| byte.is_ascii_digit()) && mark(&environment(name)) == ours
    });
    found.filter_map(|name| Pid::from_raw(name.parse().unwrap())).collect()
}

/// The children and all they started, once they have told of so many.
fn families(daemon: &Daemon, count: usize) -> Vec<Pid> {
    let mut all = grandchildren(daemon, count);
    let children = children(daemon);
    all.extend(marked(children[0]));
    all.extend(children);
    all
}

fn alive(pids: &[Pid]) -> Vec<Pid> {
    pids.iter().copied().filter(|pid| lives(*pid)).collect()
}

/// Waits until nobody is there, and says how long that took.
#[track_caller]
fn gone_soon(pids: &[Pid]) -> Duration {
    let begun = Instant::now();
    loop {
        let alive = alive(pids);
        if alive.is_empty() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < SOON, "{alive:?} of {pids:?} are still there");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The process that watches over this daemon.
fn keeper(daemon: &Daemon) -> Pid {
    let parent = daemon.pid().as_raw_nonzero().to_string();
    eventually("a keeper", || {
        std::fs::read_dir("/proc").unwrap().find_map(|entry| {
            let path = entry.ok()?.path();
            let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let is_ours = fields.nth(1)? == parent;
            let line = std::fs::read_to_string(path.join("cmdline")).ok()?;
            let pid = Pid::from_raw(pid)?;
            (is_ours && line.split('\0').nth(1) == Some("keeper") && lives(pid)).then_some(pid)
        })
    })
}

/// Calls a server until told to stop, and does not mind when there is nobody.
fn load(address: &str, server: &str, done: &AtomicBool) {
    let body = tool(&json!(1), "echo", &json!({"text": "x".repeat(1000)})).to_string();
    let request = format!(
        "POST /servers/{server}/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    while !done.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        if stream.write_all(request.as_bytes()).is_ok() {
            drop(stream.read_to_end(&mut Vec::new()));
        }
    }
}

#[test]
fn a_killed_daemon_leaves_nothing() {
    let (config, count) = households();
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds() {
        let mut daemon = Daemon::start(&config);
        daemon.ready("/readyz");
        let mut all = families(&daemon, count);
        all.push(keeper(&daemon));
        assert_eq!(alive(&all), all);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for server in ["plain", "far", "deaf", "bare", "shell"] {
                let (address, done) = (daemon.address().to_owned(), &done);
                scope.spawn(move || load(&address, server, done));
            }
            thread::sleep(Duration::from_millis(50));
            daemon.signal(Signal::KILL);
            assert_eq!(daemon.ended(LIMIT).code(), None);
            slowest = slowest.max(gone_soon(&all));
            done.store(true, Ordering::Relaxed);
        });
    }
    println!("{} rounds of SIGKILL: nobody after {slowest:?} at most", rounds());
}

#[test]
fn a_killed_daemon_leaves_nothing_that_was_seen_to_descend_from_it() {
    // Neither group nor environment tell of this one, only the tree, and of that only as long as its parent lives.
    let flags = "--fork-grandchild-setsid --bare-grandchild --stubborn-grandchild";
    let config = format!("{DEBUG}{}", Demo::new("demo").flags(flags).toml());
    let mut daemon = Daemon::start(&config);
    daemon.ready("/readyz");
    let all = families(&daemon, 1);
    daemon.logged("a descendant was seen");
    daemon.signal(Signal::KILL);
    daemon.ended(LIMIT);
    gone_soon(&all);
}

#[test]
fn t43_a_stopped_daemon_leaves_nothing() {
    let (config, count) = households();
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds() {
        let mut daemon = Daemon::start(&config);
        daemon.ready("/readyz");
        let mut all = families(&daemon, count);
        all.push(keeper(&daemon));
        let begun = Instant::now();
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.ended(Duration::from_secs(10)).code(), Some(0));
        slowest = slowest.max(begun.elapsed());
        assert_eq!(alive(&all), [], "they are gone before it is");
    }
    println!("{} rounds of SIGTERM: over after {slowest:?} at most", rounds());
}

#[test]
fn t43_those_outside_the_group_are_asked_before_they_are_killed() {
    let flags = "--ignore-eof --ignore-sigterm --fork-grandchild-setsid --bare-grandchild";
    let keys = "stop_grace = \"400ms\"";
    let mut daemon = Daemon::start(&Demo::new("demo").flags(flags).keys(keys).toml());
    daemon.ready("/readyz");
    let all = families(&daemon, 1);
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(begun.elapsed() > Duration::from_millis(750), "two rungs of the ladder came first");
    assert_eq!(alive(&all), []);
}

#[test]
fn a_child_that_ends_by_itself_leaves_nothing() {
    let (config, count) = households();
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds() {
        let daemon = Daemon::start(&config);
        daemon.ready("/readyz");
        let all = families(&daemon, count);
        for server in ["plain", "far", "deaf", "bare", "worst", "shell"] {
            let path = format!("/servers/{server}/mcp");
            let mut client = daemon.client(&path, "2025-11-25", &json!({}));
            assert_eq!(client.tool("crash", &json!({"code": 4}))["error"]["code"], -32603);
        }
        slowest = slowest.max(gone_soon(&all));
        // Those of the successors are nobody's orphans.
        let told = grandchildren(&daemon, 2 * count);
        daemon.ready("/readyz");
        assert_eq!(alive(&told[count..]), told[count..]);
        daemon.stopped();
    }
    println!("{} rounds of a crash: nobody after {slowest:?} at most", rounds());
}

#[test]
fn a_keeper_that_is_killed_is_replaced_and_its_successor_knows_all() {
    let (config, count) = households();
    let mut daemon = Daemon::start(&format!("{DEBUG}{config}"));
    daemon.ready("/readyz");
    let mut all = families(&daemon, count);
    let first = keeper(&daemon);
    kill_process(first, Signal::KILL).unwrap();
    let second = eventually("another keeper", || Some(keeper(&daemon)).filter(|pid| *pid != first));
    daemon.logged("another is started");
    daemon.logged(&format!("and knows\",\"pid\":{}", second.as_raw_nonzero()));
    assert_eq!(alive(&all), all, "nobody else was touched");
    all.push(second);
    daemon.signal(Signal::KILL);
    daemon.ended(LIMIT);
    gone_soon(&all);
}

fn memory(pid: Pid, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let status = status.unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_keeper_is_not_stopped_with_the_daemon_and_costs_little() {
    let mut daemon = Daemon::start(&Demo::new("demo").toml());
    daemon.ready("/readyz");
    let keeper = keeper(&daemon);
    eventually("a session of its own", || (getsid(Some(keeper)) == Ok(keeper)).then_some(()));
    let taken = |signal: Signal| {
        let status = format!("/proc/{}/status", keeper.as_raw_nonzero());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let bits = u64::from_str_radix(line.trim(), 16).unwrap();
        bits >> (signal.as_raw() - 1) & 1 == 1
    };
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        eventually("it is ready for the signal", || taken(signal).then_some(()));
        kill_process(keeper, signal).unwrap();
    }
    assert!(lives(keeper));
    let own = memory(keeper, "RssAnon:");
    println!("the keeper takes {} KiB, {own} of its own", memory(keeper, "VmRSS:"));
    assert!(own < 2048, "{own} KiB");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(LIMIT).code(), Some(0));
    assert!(!lives(keeper), "it left with the daemon");
}
