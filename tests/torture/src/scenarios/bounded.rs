//! Sessions by the thousand that are opened, used once and dropped without a word, a third of them with a wish for a
//! child of their own.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::baseline::{Baseline, farewell, quiet};
use crate::chaos::Chaos;
use crate::daemon::{Daemon, Server};
use crate::ledger::{Leave, Ledger};
use crate::options::Options;
use crate::peer::Peer;
use crate::proc;
use crate::report::Report;
use crate::world::World;

const WORKERS: u64 = 64;
const CEILING: usize = 16;
const RSS_MORE_KIB: u64 = 4 * 1024;
/// Half of the crowd at most wait at once, and a turn takes some milliseconds.
const TURN: Duration = Duration::from_secs(3);

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let sessions = options.form(1000, 10_000);
    let mut report = Report::new(
        "bounded: sessions dropped without a word, a third with a wish for a child of their own",
    );
    let mut server = Server::new("auto").key("mode = \"auto\"").key("stop_grace = \"500ms\"");
    server = server.key(&format!("max_children = {CEILING}"));
    let rests = options.knows("idle_stop");
    if rests {
        server = server.key("idle_stop = \"2s\"");
    }
    let daemon = Daemon::start(options, vec![server]).await?;

    // Enough to have been at the ceiling once.
    let warm_up = World::new(daemon.address, Ledger::new(Chaos::default()), true, options.seed);
    crowd(&warm_up, 300).await;
    rest(&daemon, rests).await;
    let before = Baseline::of(&daemon);
    let idle = proc::marked(&daemon.mark).len();

    let world = World::new(daemon.address, Ledger::new(Chaos::default()), true, options.seed);
    let begun = Instant::now();
    let most = Cell::new(0);
    let watching = async {
        loop {
            most.set(most.get().max(proc::marked(&daemon.mark).len()));
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = crowd(&world, sessions) => {}
    }
    report.figure("sessions", sessions);
    report.figure("sessions/s", format!("{:.0}", sessions as f64 / begun.elapsed().as_secs_f64()));
    report.figure("most children", most.get());
    world.ledger.tell(&mut report);
    rest(&daemon, rests).await;
    let after = before.settled(&daemon, Duration::from_secs(10), RSS_MORE_KIB).await;
    report.check(&format!("never more than {CEILING} children"), most.get() <= CEILING, most.get());
    let slowest = world.ledger.slowest();
    let in_turn = slowest <= TURN;
    report.check(
        "whoever waits for a child gets one in turn",
        in_turn,
        format!("{slowest:.1?} at most"),
    );
    let now = proc::marked(&daemon.mark).len();
    if rests {
        report.check(
            "children are back at the idle number",
            now <= idle,
            format!("{idle} then {now}"),
        );
    } else {
        report
            .note(format!("this daemon has no idle_stop: {now} children rest where {idle} began"));
    }
    before.compare(&after, RSS_MORE_KIB, &daemon, &mut report);
    quiet(&daemon, &mut report).await;
    farewell(daemon, &mut report).await;
    Ok(report)
}

/// Gives children nobody uses the time to be put to rest.
async fn rest(daemon: &Daemon, rests: bool) {
    let end = Instant::now() + Duration::from_secs(10);
    sleep(Duration::from_secs(1)).await;
    while rests && !proc::marked(&daemon.mark).is_empty() && Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
    }
}

async fn crowd(world: &Rc<World>, sessions: u64) {
    let left = Rc::new(Cell::new(sessions));
    let mut crowd = JoinSet::new();
    for _ in 0..WORKERS {
        let (world, left) = (Rc::clone(world), Rc::clone(&left));
        crowd.spawn_local(async move {
            while let Some(rest) = left.get().checked_sub(1) {
                left.set(rest);
                one(&world, rest.is_multiple_of(3)).await;
            }
        });
    }
    while crowd.join_next().await.is_some() {}
}

async fn one(world: &World, declares: bool) {
    let mut peer = Peer::new(world.address, "auto", "2025-06-18");
    let (kind, able) =
        if declares { ("private", json!({"sampling": {}})) } else { ("shared", json!({})) };
    let leave = Leave { scarce: declares, ..Leave::default() };
    let made = world.ledger.make(kind, "auto", leave);
    let opened = peer.open(&able).await;
    if !world.ledger.settle(made, &opened) {
        return;
    }
    let payload = world.payload(kind);
    let made = world.ledger.make(kind, "auto", leave);
    let outcome = peer.echo(&payload).await;
    world.ledger.settle(made, &outcome);
}
