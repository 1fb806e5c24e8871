//! Sixteen servers under load: one is changed, one added, one taken away. The others must not notice.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::baseline::{farewell, quiet};
use crate::chaos::Chaos;
use crate::daemon::{Daemon, Server};
use crate::havoc::ready_pids;
use crate::ledger::{Ledger, Outcome};
use crate::options::Options;
use crate::peer::{Answer, Peer, same};
use crate::report::{Report, ms};
use crate::rng::Rng;
use crate::world::World;

const UNTOUCHED: usize = 14;
const EACH: usize = 4;
const WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let mut report =
        Report::new("reload: one of 16 servers changed, one added, one taken away, under load");
    let server = |name: &str| Server::new(name).flags("--act-up").key("stop_grace = \"1s\"");
    let mut servers: Vec<Server> = (0..UNTOUCHED).map(|n| server(&format!("same{n}"))).collect();
    servers.extend([server("changed"), server("removed")]);
    let mut daemon = Daemon::start(options, servers).await?;
    let world = World::new(daemon.address, Ledger::new(Chaos::default()), true, options.seed);
    let mut rng = Rng::new(options.seed);
    let (mut crowd, mut streams) = (JoinSet::new(), Vec::new());
    for n in 0..UNTOUCHED {
        for _ in 0..EACH {
            let mut peer = Peer::new(daemon.address, &format!("same{n}"), "2025-11-25");
            if !world.open("session", &mut peer, &json!({})).await {
                return Err("a session could not be opened".to_owned());
            }
            let stream = peer.twin().listen(None).await;
            streams.push(stream.map_err(|outcome| format!("a stream was refused: {outcome:?}"))?);
            crowd.spawn_local(caller(Rc::clone(&world), peer, rng.fork()));
        }
    }
    let before = pids(&daemon).await;
    let changed = pid(&daemon, "changed").await;
    let rounds = options.rounds.unwrap_or(options.form(1, 10));
    for round in 0..rounds {
        sleep(Duration::from_millis(options.form(1000, 2000))).await;
        // First one that must be refused as a whole.
        daemon.configure(Some("\n[servers.spoilt]\nno_such_key = 1\n"))?;
        daemon.signal(Signal::HUP);
        sleep(Duration::from_millis(500)).await;
        daemon.servers.retain(|server| {
            server.name != "removed" && server.name != "changed" && server.name != "added"
        });
        daemon.servers.push(server("changed").flags(&format!("--page {}", 10 + round)));
        daemon.servers.push(server("added").flags(&format!("--page {}", 10 + round)));
        daemon.configure(None)?;
        let begun = Instant::now();
        daemon.signal(Signal::HUP);
        let done = reached(&daemon, changed).await;
        if round == 0 {
            report.figure("until the change holds", ms(begun.elapsed()));
            report.check("the changed server has a new child", done.0, done.0);
            report.check("the added server answers", done.1, done.1);
            report.check("the removed server is gone", done.2, done.2);
        }
    }
    sleep(Duration::from_secs(1)).await;
    let after = pids(&daemon).await;
    let kept = before.iter().filter(|(name, pid)| after.get(*name) == Some(pid)).count();
    let open = still_open(&mut streams).await;
    world.over.set(true);
    world.calm.set(true);
    while crowd.join_next().await.is_some() {}
    report.figure("reloads", rounds);
    world.ledger.tell(&mut report);
    report.check(
        "untouched servers keep their child",
        kept == UNTOUCHED,
        format!("{kept} of {UNTOUCHED}"),
    );
    report.check(
        "their streams stay open",
        open == streams.len(),
        format!("{open} of {}", streams.len()),
    );
    let (usable, all) = world.usable.get();
    report.check(
        "their sessions go on",
        usable == all && all as usize == UNTOUCHED * EACH,
        format!("{usable} of {all}"),
    );
    drop(streams);
    quiet(&daemon, &mut report).await;
    farewell(daemon, &mut report).await;
    Ok(report)
}

/// Whether, in time, the changed server runs anew, the added one answers, and the removed one is gone.
async fn reached(daemon: &Daemon, old: Option<u32>) -> (bool, bool, bool) {
    let end = Instant::now() + WITHIN;
    loop {
        let new = pid(daemon, "changed").await;
        let changed = new.is_some() && new != old;
        let mut peer = Peer::new(daemon.address, "added", "2025-11-25");
        let added = peer.echo("hello").await == Outcome::Right;
        let mut peer = Peer::new(daemon.address, "removed", "2025-11-25");
        let removed = matches!(peer.echo("hello").await, Outcome::Refused { status: 404, .. });
        if (changed && added && removed) || Instant::now() >= end {
            return (changed, added, removed);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn caller(world: Rc<World>, mut peer: Peer, mut rng: Rng) {
    while !world.over.get() {
        let payload = world.payload("call");
        let made = world.ledger.make("call", &peer.server, world.leave());
        let arguments = json!({"text": payload, "ms": rng.below(100)});
        let outcome = same(peer.tool("act_up", &arguments).await, &payload);
        world.ledger.settle(made, &outcome);
        world.pause(&mut rng, 50).await;
    }
    world.finale("call", &mut peer).await;
}

async fn still_open(streams: &mut [Answer]) -> usize {
    let mut open = 0;
    for stream in streams {
        // Notifications may have come; the end may not.
        open += loop {
            match timeout(Duration::from_millis(10), stream.next()).await {
                Err(_) => break 1,
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None) | Err(_)) => break 0,
            }
        };
    }
    open
}

async fn pids(daemon: &Daemon) -> BTreeMap<String, u32> {
    let status = daemon.status().await;
    let untouched = daemon.servers.iter().filter(|server| server.name.starts_with("same"));
    untouched
        .filter_map(|server| {
            Some((server.name.clone(), *ready_pids(&status, &server.name).first()?))
        })
        .collect()
}

async fn pid(daemon: &Daemon, server: &str) -> Option<u32> {
    ready_pids(&daemon.status().await, server).first().copied()
}
