//! A gateway polls a server that sleeps: it must neither wake it nor wait for it. The first real call wakes it, once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::baseline::{farewell, quiet};
use crate::daemon::{Daemon, Server};
use crate::ledger::Outcome;
use crate::options::Options;
use crate::peer::Peer;
use crate::proc;
use crate::report::{Report, median_and_worst};

const CALLERS: usize = 50;

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let mut report = Report::new("cold: a gateway polls a server that sleeps");
    let heard =
        std::env::temp_dir().join(format!("stdiod-torture-cold-{}.log", std::process::id()));
    fs::remove_file(&heard).ok();
    let mut server = Server::new("sleepy").flags(&format!("--log {}", heard.display()));
    if options.knows("idle_stop") {
        server = server.key("idle_stop = \"1s\"");
    } else {
        report.note("this daemon has no idle_stop: its server never sleeps");
    }
    let daemon = Daemon::start(options, vec![server]).await?;
    let mut peer = Peer::new(daemon.address, "sleepy", "2025-06-18");
    let first = peer.echo("first").await;
    report.check("it answers once awake", first == Outcome::Right, format!("{first:?}"));
    // What it has never said nobody can answer for it: the gateway has found it once before.
    let found = peer.ask("tools/list", &json!({})).await;
    report.check("it was found while awake", found.is_ok(), found.is_ok());
    let slept = asleep(&daemon).await;
    report.check("it sleeps when nobody uses it", slept, slept);

    let before = starts(&heard);
    let (mut took, mut failed) = (Vec::new(), 0);
    let polls: u32 = options.form(10, 30);
    for _ in 0..polls {
        let begun = Instant::now();
        let mut gateway = Peer::new(daemon.address, "sleepy", "2025-06-18");
        let opened = gateway.open(&json!({})).await;
        let listed = gateway.ask("tools/list", &json!({})).await;
        let is_list = listed
            .as_ref()
            .is_ok_and(|list| list["tools"].as_array().is_some_and(|tools| !tools.is_empty()));
        failed += u32::from(opened != Outcome::Right || !is_list);
        took.push(begun.elapsed());
        sleep(Duration::from_secs(1).saturating_sub(begun.elapsed())).await;
    }
    let woken = starts(&heard) - before;
    let alive = proc::marked(&daemon.mark).len();
    report.figure("polls", polls);
    report.figure("a poll, median / worst", median_and_worst(&mut took));
    report.check("every poll was answered", failed == 0, format!("{failed} failed"));
    report.check(
        "polls woke it 0 times",
        woken == 0 && alive == 0,
        format!("{woken} times, {alive} processes run"),
    );

    let before = starts(&heard);
    let begun = Instant::now();
    let called = peer.echo("wake up").await;
    report.figure("the call that woke it", crate::report::ms(begun.elapsed()));
    let woken = starts(&heard) - before;
    report.check(
        "the first call woke it once",
        called == Outcome::Right && woken == 1,
        format!("{woken} times, {called:?}"),
    );

    asleep(&daemon).await;
    let before = starts(&heard);
    let mut callers = JoinSet::new();
    for n in 0..CALLERS {
        let mut peer = Peer::new(daemon.address, "sleepy", "2025-06-18");
        callers.spawn_local(async move { peer.echo(&format!("{n}")).await == Outcome::Right });
    }
    let mut right = 0;
    while let Some(done) = callers.join_next().await {
        right += usize::from(done.unwrap_or(false));
    }
    let woken = starts(&heard) - before;
    report.check(
        "50 calls at once woke it once",
        woken == 1 && right == CALLERS,
        format!("{woken} times, {right} answered"),
    );
    quiet(&daemon, &mut report).await;
    farewell(daemon, &mut report).await;
    fs::remove_file(&heard).ok();
    Ok(report)
}

/// How often a process was greeted so far.
fn starts(heard: &Path) -> usize {
    let text = fs::read(heard).unwrap_or_default();
    String::from_utf8_lossy(&text).matches("\"method\":\"initialize\"").count()
}

async fn asleep(daemon: &Daemon) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if proc::marked(&daemon.mark).is_empty() {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}
