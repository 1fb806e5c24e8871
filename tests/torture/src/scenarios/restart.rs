//! Sessions, streams and calls across a restart of the daemon: told to stop first, killed then.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::baseline::{farewell, faultless};
use crate::chaos::{Blow, Chaos};
use crate::daemon::{Daemon, Server};
use crate::ledger::{Ledger, Outcome};
use crate::options::Options;
use crate::peer::{Answer, Peer, same};
use crate::report::{Report, ms};
use crate::rng::Rng;
use crate::world::World;

const SESSIONS: usize = 200;
/// Of these so many are deleted first, and so many have a call in flight.
const DELETED: usize = 20;
const CALLING: usize = 50;

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let mut report =
        Report::new("restart: 200 sessions with streams and calls, across the end of the daemon");
    if !options.knows("state_dir") {
        report.note("this daemon has no state_dir: its sessions end with it");
    }
    let servers = ["first", "second"]
        .map(|name| Server::new(name).flags("--act-up").key("stop_grace = \"1s\""));
    let mut daemon = Daemon::start(options, servers.into()).await?;
    let chaos = Chaos::default();
    let world = World::new(daemon.address, Ledger::new(chaos.clone()), true, options.seed);
    let mut rng = Rng::new(options.seed);
    let mut peers = Vec::new();
    for _ in 0..SESSIONS {
        let mut peer = Peer::new(daemon.address, "first", "2025-11-25");
        if !world.open("session", &mut peer, &json!({})).await {
            return Err("a session could not be opened".to_owned());
        }
        peers.push(peer);
    }
    let mut deleted = peers.split_off(SESSIONS - DELETED);
    for peer in &mut deleted {
        let status = peer.delete().await;
        if status != Ok(200) {
            return Err(format!("DELETE was answered with {status:?}"));
        }
    }
    for (how, signal) in [("told to stop", Signal::TERM), ("killed", Signal::KILL)] {
        let streams = hold(&mut peers).await;
        let mut calls = JoinSet::new();
        for peer in peers.iter().take(CALLING) {
            let (mut twin, payload) = (peer.twin(), world.payload("in flight"));
            let made = world.ledger.make("in flight", "first", world.leave());
            let arguments = json!({"text": payload, "ms": rng.between(500, 3000)});
            calls.spawn_local(async move {
                (made, same(twin.tool("act_up", &arguments).await, &payload))
            });
        }
        sleep(Duration::from_millis(300)).await;
        chaos.begin(Blow::Daemon, "");
        daemon.signal(signal);
        let took = daemon.ended(Duration::from_secs(15)).await;
        report.figure(&format!("{how}: it took"), took.clone().map_or_else(|why| why, ms));
        report.check(&format!("{how}: it ended"), took.is_ok(), took.is_ok());
        if took.is_err() {
            daemon.signal(Signal::KILL);
            daemon.ended(Duration::from_secs(5)).await?;
        }
        let mut right = 0;
        while let Some(call) = calls.join_next().await {
            let (made, outcome) = call.map_err(|error| error.to_string())?;
            right += usize::from(world.ledger.settle(made, &outcome));
        }
        report.figure(&format!("{how}: calls in flight answered"), format!("{right} of {CALLING}"));
        if signal == Signal::TERM {
            report.check(
                "told to stop: calls in flight were finished",
                right == CALLING,
                format!("{right} of {CALLING}"),
            );
        }
        drop(streams);
        daemon.spawn()?;
        daemon.ready(Duration::from_secs(20)).await?;
        chaos.end(Blow::Daemon, "");
        sleep(Duration::from_millis(1100)).await;

        let mut goes_on = 0;
        for peer in &mut peers {
            goes_on += usize::from(peer.echo(&world.payload(how)).await == Outcome::Right);
        }
        report.check(
            &format!("{how}: sessions go on without initialize"),
            goes_on == peers.len(),
            format!("{goes_on} of {}", peers.len()),
        );
        let again = hold(&mut peers).await.len();
        report.check(
            &format!("{how}: streams open again"),
            again == peers.len(),
            format!("{again} of {}", peers.len()),
        );
        strangers(&mut peers, &mut deleted, &mut rng, how, &mut report).await;
    }
    world.ledger.tell(&mut report);
    faultless(&daemon, &mut report);
    farewell(daemon, &mut report).await;
    Ok(report)
}

/// Opens a standing stream for each that gets one.
async fn hold(peers: &mut [Peer]) -> Vec<Answer> {
    let mut streams = Vec::new();
    for peer in peers {
        streams.extend(peer.twin().listen(None).await.ok());
    }
    streams
}

/// Ids that open nothing: deleted, shortened, with one letter changed, of another server.
async fn strangers(
    peers: &mut [Peer],
    deleted: &mut [Peer],
    rng: &mut Rng,
    how: &str,
    report: &mut Report,
) {
    let mut gone = 0;
    for peer in &mut *deleted {
        gone += usize::from(is_gone(peer).await);
    }
    report.check(
        &format!("{how}: deleted ids are 404"),
        gone == deleted.len(),
        format!("{gone} of {}", deleted.len()),
    );
    let (mut refused, mut tried) = (0, 0);
    for peer in peers.iter().take(20) {
        let Some(id) = peer.session.clone() else { continue };
        let mut changed: Vec<char> = id.chars().collect();
        let at = rng.below(changed.len() as u64) as usize;
        changed[at] = if changed[at] == 'a' { 'b' } else { 'a' };
        let changed: String = changed.into_iter().collect();
        let half = &id[..id.len() / 2];
        let (short, long) = (&id[..id.len() - 1], format!("{id}a"));
        for (server, id) in [
            ("first", changed.as_str()),
            ("first", half),
            ("first", short),
            ("first", &long),
            ("second", &id),
        ] {
            let mut stranger = Peer::new(peer.address, server, "2025-11-25");
            stranger.session = Some(id.to_owned());
            tried += 1;
            refused += usize::from(is_gone(&mut stranger).await);
        }
    }
    report.check(
        &format!("{how}: forged, cut and foreign ids are 404"),
        refused == tried,
        format!("{refused} of {tried}"),
    );
}

async fn is_gone(peer: &mut Peer) -> bool {
    let said = timeout(Duration::from_secs(10), peer.echo("nobody")).await;
    matches!(said, Ok(Outcome::Refused { status: 404, .. }))
}
