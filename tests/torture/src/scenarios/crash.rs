//! A child is killed half a second after it is ready, again and again, while 32 sessions call it. In between the same
//! number of sessions call a child that nobody touches, in the same daemon, so that both rates are of the same minute.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::baseline::{farewell, quiet};
use crate::chaos::{Blow, Chaos};
use crate::daemon::{Daemon, Server};
use crate::havoc::ready_pids;
use crate::ledger::{Ledger, Outcome};
use crate::options::Options;
use crate::peer::{Peer, same};
use crate::report::{Report, median, median_and_worst};
use crate::rng::Rng;
use crate::world::World;

const SESSIONS: usize = 32;
/// Of these so many make calls that take a while, so that every death finds some under way.
const SLOW: usize = 8;
const PHASE: Duration = Duration::from_millis(500);
const VICTIM: &str = "victim";

/// Who may call now, and what was seen.
#[derive(Debug, Default)]
struct Stage {
    /// The server that is called; empty is none.
    on: Cell<&'static str>,
    /// Calls under way.
    busy: Cell<usize>,
    quick_rights: Cell<u64>,
    last_right: Cell<Option<Instant>>,
    /// When the last child died, and how long after it each call it had been working on was answered.
    died: Cell<Option<Instant>>,
    told: RefCell<Vec<Duration>>,
}

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let mut report =
        Report::new("crash: a child is killed half a second after it is ready, under 32 sessions");
    let daemon = Daemon::start(options, vec![server(VICTIM), server("calm")]).await?;
    let chaos = Chaos::default();
    let world = World::new(daemon.address, Ledger::new(chaos.clone()), true, options.seed);
    let stage = Rc::new(Stage::default());
    let mut rng = Rng::new(options.seed);
    let mut crowd = JoinSet::new();
    for name in [VICTIM, "calm"] {
        for n in 0..SESSIONS {
            let (world, stage) = (Rc::clone(&world), Rc::clone(&stage));
            crowd.spawn_local(caller(world, stage, name, n < SLOW, rng.fork()));
        }
    }
    let (mut disturbed, mut undisturbed) = (Vec::new(), Vec::new());
    let mut kills = 0;
    let until = Instant::now() + Duration::from_secs(options.form(10, 60));
    // Both have been called once before anything is measured.
    rate(&stage, VICTIM, PHASE).await;
    rate(&stage, "calm", PHASE).await;
    while Instant::now() < until {
        // From the first right answer on; before it the child was not back.
        stage.last_right.set(None);
        stage.on.set(VICTIM);
        let waiting = Instant::now();
        while stage.last_right.get().is_none() && waiting.elapsed() < Duration::from_secs(40) {
            sleep(Duration::from_millis(2)).await;
        }
        stage.died.set(None);
        chaos.end(Blow::Death, VICTIM);
        disturbed.push(rate(&stage, VICTIM, PHASE).await);
        stage.on.set(VICTIM);
        let pids = ready_pids(&daemon.status().await, VICTIM);
        if let Some(pid) = pids.first() {
            chaos.begin(Blow::Death, VICTIM);
            stage.died.set(Some(Instant::now()));
            crate::proc::signal(*pid, Signal::KILL);
            kills += 1;
        }
        // Some come while nobody is there.
        sleep(Duration::from_millis(100)).await;
        stage.on.set("");
        idle(&stage).await;
        undisturbed.push(rate(&stage, "calm", PHASE).await);
        idle(&stage).await;
    }
    // The longest pause before a start is half a minute.
    stage.last_right.set(None);
    stage.on.set(VICTIM);
    let waiting = Instant::now();
    while stage.last_right.get().is_none() && waiting.elapsed() < Duration::from_secs(40) {
        sleep(Duration::from_millis(5)).await;
    }
    chaos.end(Blow::Death, VICTIM);
    stage.on.set("");
    idle(&stage).await;
    sleep(Duration::from_millis(1200)).await;
    world.over.set(true);
    world.calm.set(true);
    while crowd.join_next().await.is_some() {}

    report.figure("children killed", kills);
    let mut told = stage.told.take();
    report.figure("calls in flight at a death", told.len());
    report.figure("their answer, median / worst", median_and_worst(&mut told));
    let (with, without) = (median(&mut disturbed), median(&mut undisturbed));
    report.figure("calls/s between deaths, median", format!("{with:.0}"));
    report.figure("calls/s undisturbed, median", format!("{without:.0}"));
    world.ledger.tell(&mut report);
    let worst = told.last().copied().unwrap_or_default();
    let in_time = !told.is_empty() && worst <= Duration::from_secs(1);
    report.check("calls in flight were answered within 1 s", in_time, crate::report::ms(worst));
    report.check(
        "calls/s within 20 % of undisturbed",
        with >= 0.8 * without,
        format!("{:.0} %", 100.0 * with / without),
    );
    let (usable, all) = world.usable.get();
    report.check(
        "no session was lost",
        usable == all && all as usize == 2 * SESSIONS,
        format!("{usable} of {all} work"),
    );
    quiet(&daemon, &mut report).await;
    farewell(daemon, &mut report).await;
    Ok(report)
}

fn server(name: &str) -> Server {
    Server::new(name).flags("--act-up").key("stop_grace = \"500ms\"")
}

/// Lets the sessions of a server call for so long and gives the quick calls per second.
async fn rate(stage: &Stage, server: &'static str, time: Duration) -> f64 {
    stage.quick_rights.set(0);
    stage.on.set(server);
    let begun = Instant::now();
    sleep(time).await;
    let rate = stage.quick_rights.get() as f64 / begun.elapsed().as_secs_f64();
    stage.on.set("");
    rate
}

/// Waits until nobody waits for an answer.
async fn idle(stage: &Stage) {
    while stage.busy.get() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn caller(
    world: Rc<World>,
    stage: Rc<Stage>,
    server: &'static str,
    slow: bool,
    mut rng: Rng,
) {
    let mut peer = Peer::new(world.address, server, "2025-06-18");
    if !world.open("session", &mut peer, &json!({})).await {
        return;
    }
    while !world.over.get() {
        if stage.on.get() != server {
            sleep(Duration::from_millis(1)).await;
            continue;
        }
        let payload = world.payload(server);
        let mut arguments = json!({"text": payload});
        if slow {
            arguments["ms"] = rng.between(50, 300).into();
        }
        let made = world.ledger.make(if slow { "slow" } else { "quick" }, server, world.leave());
        stage.busy.set(stage.busy.get() + 1);
        let from = made.from;
        let outcome =
            same(peer.tool(if slow { "act_up" } else { "echo" }, &arguments).await, &payload);
        stage.busy.set(stage.busy.get() - 1);
        if let (Outcome::Fault { message, .. }, Some(died)) = (&outcome, stage.died.get())
            && message.contains("ended during this call")
            && from <= died
        {
            stage.told.borrow_mut().push(died.elapsed());
        }
        if world.ledger.settle(made, &outcome) {
            stage.quick_rights.set(stage.quick_rights.get() + u64::from(!slow));
            // An answer may be of the child that has died meanwhile.
            if stage.died.get().is_none_or(|died| from > died) {
                stage.last_right.set(Some(Instant::now()));
            }
        } else {
            sleep(Duration::from_millis(10)).await;
        }
    }
    world.finale("session", &mut peer).await;
}
