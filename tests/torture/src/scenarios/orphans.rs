//! The daemon is killed under load, and told to stop under load, with 16 servers whose processes start others: some deaf
//! to SIGTERM, some in a session of their own. Nobody may be left.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::baseline::farewell;
use crate::daemon::{Daemon, Server};
use crate::options::Options;
use crate::peer::Peer;
use crate::proc;
use crate::report::{Report, median_and_worst};
use crate::rng::Rng;

const SERVERS: usize = 16;

/// By turns: what a server is told to do, and how many processes it is then.
const TEMPERS: [(&str, &str, usize); 4] = [
    ("group", "--fork-grandchild", 2),
    ("deaf", "--fork-grandchild --ignore-sigterm --ignore-eof", 2),
    ("session", "--fork-grandchild-setsid", 2),
    ("both", "--fork-grandchild --fork-grandchild-setsid --ignore-sigterm --ignore-eof", 3),
];

/// How long after the end of the daemon somebody may still be there.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
struct Found {
    rounds: u32,
    /// From the end of the daemon until nobody was left; only of rounds in which that came.
    gone: Vec<Duration>,
    ended: Vec<Duration>,
    left: BTreeMap<String, usize>,
    late: usize,
}

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let mut report =
        Report::new("orphans: the daemon ends under load; who is left of 16 families?");
    let rounds = options.rounds.unwrap_or(options.form(3, 50));
    let servers = (0..SERVERS).map(|n| {
        let (temper, flags, _) = TEMPERS[n % TEMPERS.len()];
        Server::new(&format!("{temper}{n}"))
            .flags(&format!("--act-up {flags}"))
            .key("stop_grace = \"1s\"")
    });
    let mut daemon = Daemon::start(options, servers.collect()).await?;
    let mut rng = Rng::new(options.seed);
    let (mut killed, mut told) = (Found::default(), Found::default());
    for round in 0..2 * rounds {
        let (signal, found) =
            if round < rounds { (Signal::KILL, &mut killed) } else { (Signal::TERM, &mut told) };
        one(&mut daemon, signal, found, &mut rng).await?;
        daemon.spawn()?;
        daemon.ready(Duration::from_secs(30)).await?;
    }
    for (name, found) in [("SIGKILL", &mut killed), ("SIGTERM", &mut told)] {
        report.figure(&format!("{name}: rounds"), found.rounds);
        report.figure(
            &format!("{name}: daemon ended, median / worst"),
            median_and_worst(&mut found.ended),
        );
        report.figure(
            &format!("{name}: all gone, median / worst"),
            median_and_worst(&mut found.gone),
        );
        let left: usize = found.left.values().sum();
        report.figure(&format!("{name}: left after 3 s"), left);
        let kinds: Vec<String> =
            found.left.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { "0".to_owned() } else { kinds.join(", ") };
        report.check(&format!("nobody is left 3 s after {name}"), left == 0, kinds);
    }
    report.check(
        "SIGTERM ends it within 10 s",
        told.late == 0,
        format!("{} of {} late", told.late, told.rounds),
    );
    farewell(daemon, &mut report).await;
    Ok(report)
}

async fn one(
    daemon: &mut Daemon,
    signal: Signal,
    found: &mut Found,
    rng: &mut Rng,
) -> Result<(), String> {
    // Everybody has been born.
    let expected: usize = (0..SERVERS).map(|n| TEMPERS[n % TEMPERS.len()].2).sum();
    let begun = Instant::now();
    while proc::marked(&daemon.mark).len() < expected {
        if begun.elapsed() > Duration::from_secs(10) {
            let seen = proc::marked(&daemon.mark).len();
            return Err(format!("{expected} processes were expected, {seen} are there"));
        }
        sleep(Duration::from_millis(20)).await;
    }
    let mut load = JoinSet::new();
    for server in &daemon.servers {
        load.spawn_local(caller(daemon.address, Rc::from(server.name.as_str()), rng.fork()));
    }
    sleep(Duration::from_millis(rng.between(100, 400))).await;
    // Helpers of the daemon itself count too.
    let helpers = proc::children(daemon.pid());
    daemon.signal(signal);
    if let Ok(took) = daemon.ended(Duration::from_secs(10)).await {
        found.ended.push(took);
    } else {
        found.late += 1;
        daemon.signal(Signal::KILL);
        daemon.ended(Duration::from_secs(5)).await?;
    }
    found.rounds += 1;
    load.abort_all();
    let begun = Instant::now();
    let alive =
        |mark: &str| !proc::marked(mark).is_empty() || helpers.iter().any(|pid| proc::lives(*pid));
    while alive(&daemon.mark) && begun.elapsed() < GRACE {
        sleep(Duration::from_millis(5)).await;
    }
    let left = proc::marked(&daemon.mark);
    if !alive(&daemon.mark) {
        found.gone.push(begun.elapsed());
    }
    for orphan in &left {
        let temper = orphan.server.trim_end_matches(|c: char| c.is_ascii_digit());
        *found.left.entry(temper.to_owned()).or_default() += 1;
        proc::signal(orphan.pid, Signal::KILL);
    }
    let helpers_left = helpers
        .iter()
        .filter(|pid| proc::lives(**pid) && !left.iter().any(|l| l.pid == **pid))
        .count();
    if helpers_left > 0 {
        *found.left.entry("helper".to_owned()).or_default() += helpers_left;
    }
    Ok(())
}

/// Calls until it is stopped; whether it is answered is not the question here.
async fn caller(address: std::net::SocketAddr, server: Rc<str>, mut rng: Rng) {
    let mut peer = Peer::new(address, &server, "2025-06-18");
    loop {
        let arguments = json!({"text": "x", "ms": rng.below(50)});
        if peer.tool("act_up", &arguments).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    }
}
