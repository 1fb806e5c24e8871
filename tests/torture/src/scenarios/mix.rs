//! Clients of every kind at servers of every temper, while children die and hang, clients vanish, and the daemon is told
//! to reload or is killed.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::baseline::{Baseline, farewell, quiet};
use crate::chaos::{Blow, Chaos};
use crate::clients;
use crate::daemon::{Daemon, Server};
use crate::havoc::{GUEST, Havoc, watch, well};
use crate::ledger::Ledger;
use crate::options::Options;
use crate::report::Report;
use crate::rng::Rng;
use crate::world::World;

const RSS_MORE_KIB: u64 = 16 * 1024;

const SERVERS: [(&str, &str); 5] = [
    ("calm", "--act-up"),
    ("crash1", "--act-up"),
    ("crash2", "--act-up --half-line"),
    ("hang", "--act-up"),
    ("noisy", "--act-up --banner --pieces --stderr-noise"),
];

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let mut report =
        Report::new("mix: clients of every kind among crashes, hangs, noise and vanishing");
    let mut rng = Rng::new(options.seed);
    let mut servers: Vec<Server> =
        SERVERS.iter().map(|(name, flags)| server(name, flags)).collect();
    if options.reload {
        servers.push(server(GUEST, "--act-up"));
    }
    let daemon = Daemon::start(options, servers).await?;

    // Everything has been used once before the daemon is measured.
    let warm_up = World::new(daemon.address, Ledger::new(Chaos::default()), true, options.seed);
    let mut crowd = crowd(&warm_up, options, &mut rng.fork(), 1);
    // Peaks come before the measurement too, as far as they do not come from the chaos itself.
    sleep(Duration::from_secs(options.form(3, 5))).await;
    warm_up.over.set(true);
    warm_up.calm.set(true);
    let ended =
        timeout(Duration::from_mins(1), async { while crowd.join_next().await.is_some() {} }).await;
    report.check("every client ended, before the chaos", ended.is_ok(), crowd.len());
    let failed = warm_up.ledger.failed();
    report.check("no wrong answer before the chaos", failed == 0, failed);
    warm_up.ledger.explain(&mut report);
    well(daemon.address, &Chaos::default(), Duration::from_secs(20)).await;
    sleep(Duration::from_secs(1)).await;
    let before = Baseline::of(&daemon);

    let chaos = Chaos::default();
    let sealed = options.knows("state_dir");
    let world = World::new(daemon.address, Ledger::new(chaos.clone()), sealed, options.seed);
    world.exits_left.set(options.form(3, 6));
    if options.reload {
        chaos.begin(Blow::Reload, GUEST);
    }
    let mut crowd = self::crowd(&world, options, &mut rng.fork(), options.form(1, 3));
    let mut havoc = Havoc::new(daemon, chaos.clone(), rng.fork(), options);
    let until = Instant::now() + Duration::from_secs(options.form(15, 180));
    let watching = watch(world.address, chaos.clone());
    let raging = async {
        havoc.rage(until).await;
        havoc.repair().await;
        world.over.set(true);
        let well = well(world.address, &chaos, Duration::from_mins(1)).await;
        // The last answers may lag a little behind.
        sleep(Duration::from_millis(1200)).await;
        world.calm.set(true);
        let ended =
            timeout(Duration::from_secs(90), async { while crowd.join_next().await.is_some() {} });
        (well, ended.await.is_ok())
    };
    let (well, ended) = tokio::select! {
        () = watching => (false, false),
        ends = raging => ends,
    };
    if let Some(why) = havoc.broken.take() {
        return Err(why);
    }
    havoc.tell(&mut report);
    for (what, count) in world.counts.borrow().iter() {
        report.figure(what, count);
    }
    world.ledger.tell(&mut report);
    report.check("every server was well again", well, well);
    report.check("every client came to its end", ended, crowd.len());
    let (usable, all) = world.usable.get();
    report.check(
        "every session works at the end",
        usable == all && all > 0,
        format!("{usable} of {all}"),
    );

    let daemon = havoc.daemon;
    let after = before.settled(&daemon, Duration::from_secs(10), RSS_MORE_KIB).await;
    before.compare(&after, RSS_MORE_KIB, &daemon, &mut report);
    quiet(&daemon, &mut report).await;
    farewell(daemon, &mut report).await;
    Ok(report)
}

fn server(name: &str, flags: &str) -> Server {
    let server =
        Server::new(name).flags(flags).key("max_children = 8").key("stop_grace = \"500ms\"");
    server.key("max_message = \"1MiB\"").key("request_timeout = \"8s\"")
}

/// So many of each kind at each server.
fn crowd(world: &Rc<World>, options: &Options, rng: &mut Rng, each: usize) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    for (server, _) in SERVERS {
        for (_, live) in clients::ALL {
            for _ in 0..each {
                crowd.spawn_local(live(Rc::clone(world), server.to_owned(), rng.fork()));
            }
        }
    }
    if options.reload {
        let stateless = clients::ALL.iter().find(|(name, _)| *name == "stateless");
        if let Some((_, live)) = stateless {
            crowd.spawn_local(live(Rc::clone(world), GUEST.to_owned(), rng.fork()));
        }
    }
    crowd
}
