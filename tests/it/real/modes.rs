//! Who shares a child with whom, what happens when there are none left, and who comes first.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sse::Old;
use crate::support::child::Desk;
use crate::support::mcp::{Mcp, initialize, text, tool};
use crate::support::{Daemon, Demo, Record, eventually};

/// A daemon whose server has so many children and this in its table.
fn daemon(max_children: u32, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let keys = format!("max_children = {max_children}\n{keys}");
    let (demo, record) = Demo::new("demo").keys(&keys).recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    daemon.ready("/readyz");
    (daemon, record)
}

/// A client that wants a child of its own.
fn private(daemon: &Daemon) -> Mcp {
    daemon.client("/mcp", "2025-11-25", &json!({"roots": {}}))
}

fn children(daemon: &Daemon) -> Vec<Value> {
    daemon.status()["servers"]["demo"]["children"].as_array().unwrap().clone()
}

fn in_lane(daemon: &Daemon, lane: &str) -> Vec<Value> {
    children(daemon).into_iter().filter(|child| child["lane"] == lane).collect()
}

/// Does something while all calls of these clients are under way.
fn while_busy<T>(daemon: &Daemon, clients: &[Mcp], ms: u32, act: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || {
                let slept = client.post(&tool(&json!(1), "sleep", &json!({"ms": ms}))).json();
                assert!(text(&slept).starts_with("Slept"), "{slept}");
            });
        }
        eventually("all are busy", || {
            let calls = children(daemon).iter().filter(|child| child["in_flight"] == 1).count();
            (calls == clients.len()).then_some(())
        });
        act()
    })
}

#[test]
fn who_finds_no_child_is_refused_at_once_where_that_is_wanted() {
    let (daemon, _) = daemon(2, "overflow = \"refuse\"");
    let busy = [daemon.plain(), private(&daemon)];
    while_busy(&daemon, &busy, 2000, || {
        let begun = Instant::now();
        let answer = daemon.post("/mcp", &initialize("2025-11-25", &json!({"roots": {}})));
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
        let body = answer.json();
        let said = body["error"]["message"].as_str().unwrap();
        assert!(said.contains("demo") && said.contains("max_children"), "{said}");
        assert_eq!(body["error"]["data"]["retryable"], true);
        assert_eq!(text(&daemon.plain().tool("echo", &json!({"text": "x"}))), "x");
        let mut old = Old::greeted(&daemon, "/sse", "2024-11-05", &json!({"roots": {}}));
        let told = old.events.message().unwrap();
        assert_eq!(told["id"], 0);
        assert!(told["error"]["message"].as_str().unwrap().contains("max_children"), "{told}");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    });
    assert_eq!(text(&private(&daemon).tool("echo", &json!({"text": "x"}))), "x");
}

#[test]
fn a_client_that_holds_a_stream_keeps_its_child_where_others_are_refused() {
    let (daemon, _) = daemon(2, "overflow = \"refuse\"");
    let mut holder = private(&daemon);
    let listening = holder.listen();
    assert_eq!(text(&holder.tool("count_state", &json!({}))), "1");
    while_busy(&daemon, &[daemon.plain()], 1000, || {
        let refused = daemon.post("/mcp", &initialize("2025-11-25", &json!({"roots": {}})));
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains("max_children"));
    });
    assert_eq!(text(&holder.tool("count_state", &json!({}))), "2");
    drop(listening);
}

#[test]
fn who_had_a_child_waits_for_another_where_newcomers_are_refused_or_share() {
    for overflow in ["refuse", "share"] {
        let keys = format!("overflow = \"{overflow}\"\nmode = \"per-session\"\nstart = \"lazy\"");
        let (daemon, record) = daemon(2, &keys);
        // The third takes the place of the first, and then nobody gives way for a while.
        let (mut evicted, others) = (private(&daemon), [private(&daemon), private(&daemon)]);
        let answer = while_busy(&daemon, &others, 1000, || {
            evicted.tool("echo", &json!({"text": "patient"}))
        });
        assert_eq!(text(&answer), "patient");
        let roots = |m: &&Value| m["params"]["capabilities"]["roots"].is_object();
        let greeted = record.of("initialize").iter().filter(roots).count();
        assert_eq!(greeted, 4, "overflow = {overflow}: the first is greeted again as it was");
    }
}

#[test]
fn who_finds_no_child_shares_one_where_that_is_wanted_and_is_asked_nothing() {
    let (daemon, record) = daemon(2, "overflow = \"share\"");
    let first = private(&daemon);
    while_busy(&daemon, &[first], 1500, || {
        let mut second = private(&daemon);
        let asked = second.tool("ask_roots", &json!({}));
        assert!(text(&asked).contains("did not declare"), "{asked}");
        assert_eq!(in_lane(&daemon, "shared")[0]["sessions"], 1);
        assert_eq!(in_lane(&daemon, "private").len(), 1);
    });
    daemon.logged("what it said it can be asked is ignored");
    assert_eq!(record.of("initialize").len(), 2);
}

#[test]
fn a_spare_child_begins_a_session_without_the_time_to_start() {
    let desk = Desk::new();
    let (demo, record) =
        Demo::new("demo").flags("--slow-start 800").keys("spare = 1").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    daemon.ready("/readyz");
    assert!(in_lane(&daemon, "spare").is_empty(), "nothing is known of who will come");
    let begun = Instant::now();
    let mut first = private(&daemon);
    assert!(begun.elapsed() > Duration::from_millis(700), "{:?}", begun.elapsed());
    assert_eq!(text(&first.tool("count_state", &json!({}))), "1");
    let spare = eventually("a spare child", || {
        in_lane(&daemon, "spare").pop().filter(|child| child["state"] == "ready")
    });
    assert_eq!((&spare["sessions"], &spare["trouble"]), (&json!(0), &Value::Null));
    // The shared one and the first have heard that the handshake is done; the spare one waits for that.
    assert_eq!(record.of("notifications/initialized").len(), 2);

    let begun = Instant::now();
    let mut second = private(&daemon);
    assert_eq!(text(&second.tool("count_state", &json!({}))), "1");
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
    let own = in_lane(&daemon, "private").into_iter().map(|child| child["pid"].clone());
    assert!(own.collect::<Vec<_>>().contains(&spare["pid"]));
    assert_eq!(record.of("notifications/initialized").len(), 3);
    // Another is made ready, and none of them outlives the daemon.
    eventually("another spare child", || in_lane(&daemon, "spare").pop());
    daemon.stopped();
}

#[test]
fn spare_children_make_room_and_others_do_not_make_room_for_them() {
    let (daemon, _) = daemon(3, "spare = 2\nmode = \"per-session\"");
    eventually("two are ready", || {
        let ready = in_lane(&daemon, "spare").into_iter().filter(|child| child["state"] == "ready");
        (ready.count() == 2).then_some(())
    });
    let mut clients: Vec<Mcp> = (0..2).map(|_| daemon.plain()).collect();
    clients.push(private(&daemon));
    for client in &mut clients[..2] {
        assert_eq!(text(&client.tool("count_state", &json!({}))), "1");
    }
    while_busy(&daemon, &clients, 1500, || {
        assert_eq!(in_lane(&daemon, "spare"), [] as [Value; 0]);
    });
}

#[test]
fn one_session_with_many_calls_waiting_holds_up_another_by_a_turn_or_two() {
    let (daemon, record) = daemon(1, "concurrency = 1");
    let mut many = Old::open(&daemon, "/sse", "2024-11-05");
    for id in 1..=200 {
        many.post(&tool(&json!(id), "sleep", &json!({"ms": 20})));
    }
    let mut other = daemon.plain();
    let calls = || record.of("tools/call");
    let before = calls().len();
    assert_eq!(text(&other.tool("echo", &json!({"text": "x"}))), "x");
    let all = calls();
    let place = all.iter().position(|call| call["params"]["name"] == "echo").unwrap();
    // Some were on their way between the look and the call.
    assert!(place - before < 20, "its turn came after {} others", place - before);
    assert!(all.len() < 150, "and the many were not through");
    let ids: Vec<Value> = (0..200).map(|_| many.events.message().unwrap()["id"].clone()).collect();
    assert_eq!(ids, (1..=200).map(|id| json!(id)).collect::<Vec<_>>(), "in their order");
}

/// What a ring of sessions found.
struct Found {
    most_children: usize,
    failed: usize,
}

/// Sessions that come, call once and are never heard of again; every third wants a child of its own.
fn come_and_vanish(daemon: &Daemon, sessions: usize, workers: usize) -> Found {
    let (next, failed, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut most, mut before) = (0, offspring(daemon));
            while !done.load(Ordering::Relaxed) {
                let now = offspring(daemon);
                // Who was there at both looks was there between them, with all others of whom that is true.
                most = most.max(now.intersection(&before).count());
                before = now;
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let work = || {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= sessions {
                    return;
                }
                let mut client = if n.is_multiple_of(3) { private(daemon) } else { daemon.plain() };
                let said = client.tool("echo", &json!({"text": "x"}));
                failed.fetch_add(usize::from(said["error"].is_object()), Ordering::Relaxed);
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ends: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        for end in ends {
            end.unwrap();
        }
        Found { most_children: watching.join().unwrap(), failed: failed.load(Ordering::Relaxed) }
    })
}

/// The living children of the daemon, without its keeper.
fn offspring(daemon: &Daemon) -> BTreeSet<i32> {
    let parent = daemon.pid().as_raw_nonzero().to_string();
    let is_its = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let said = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if said.split(|byte| *byte == 0).nth(1) == Some(b"keeper") {
            return false;
        }
        let mut rest = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        rest.next().is_some_and(|state| state != "Z") && rest.next() == Some(&parent)
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_its).collect()
}

fn descriptors(daemon: &Daemon) -> usize {
    let fds = format!("/proc/{}/fd", daemon.pid().as_raw_nonzero());
    std::fs::read_dir(fds).unwrap().count()
}

#[test]
fn sessions_that_vanish_leave_neither_processes_nor_slots_behind() {
    let (daemon, _) = daemon(4, "");
    let before = descriptors(&daemon);
    let found = come_and_vanish(&daemon, 300, 16);
    assert_eq!(found.failed, 0);
    assert!(found.most_children <= 4, "{} children", found.most_children);
    // Of a hundred slots those are left whose child is running.
    eventually("slots without a child end", || (children(&daemon).len() <= 4 + 1).then_some(()));
    // Connections close in their own time; three pipes and a handle belong to each of three idle children.
    eventually("descriptors are given back", || {
        (descriptors(&daemon) <= before + 3 * 4).then_some(())
    });
    assert_eq!(text(&private(&daemon).tool("echo", &json!({"text": "x"}))), "x");
}
