//! Sessions that are opened and left: what they cost, and whether they still work.

use std::cell::RefCell;
use std::rc::Rc;
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
use crate::report::Report;
use crate::rng::Rng;

const WORKERS: usize = 8;
const RSS_MORE_KIB: u64 = 2 * 1024;
const SAMPLE: usize = 2000;

pub(super) async fn run(options: &Options) -> Result<Report, String> {
    let sessions = options.form(10_000, 100_000);
    let mut report = Report::new("dormant: sessions that are opened and left");
    let daemon = Daemon::start(options, vec![Server::new("shared")]).await?;
    open(&daemon, 1000).await?;
    sleep(Duration::from_secs(1)).await;
    let before = proc::rss_kib(daemon.pid());
    let begun = Instant::now();
    let ids = open(&daemon, sessions).await?;
    let took = begun.elapsed();
    sleep(Duration::from_secs(1)).await;
    let after = proc::rss_kib(daemon.pid());
    let more = after.saturating_sub(before);
    report.figure("sessions", sessions);
    report.figure("opened per second", format!("{:.0}", sessions as f64 / took.as_secs_f64()));
    report.figure("RSS before", format!("{before} KiB"));
    report.figure("RSS after", format!("{after} KiB"));
    report
        .figure("a session costs", format!("{:.0} bytes", more as f64 * 1024.0 / sessions as f64));
    report.check("they cost less than 2 MiB", more < RSS_MORE_KIB, format!("{more} KiB"));

    let mut rng = Rng::new(options.seed);
    let mut works = 0;
    let mut peer = Peer::new(daemon.address, "shared", "2025-06-18");
    for n in 0..SAMPLE {
        peer.session = rng.pick(&ids).cloned();
        works += usize::from(peer.echo(&format!("{n}")).await == Outcome::Right);
    }
    report.check("they still work", works == SAMPLE, format!("{works} of a sample of {SAMPLE}"));
    quiet(&daemon, &mut report).await;
    farewell(daemon, &mut report).await;
    Ok(report)
}

async fn open(daemon: &Daemon, sessions: usize) -> Result<Vec<String>, String> {
    let ids = Rc::new(RefCell::new(Vec::with_capacity(sessions)));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (address, ids) = (daemon.address, Rc::clone(&ids));
        workers.spawn_local(async move {
            let mut peer = Peer::new(address, "shared", "2025-06-18");
            for _ in 0..sessions / WORKERS {
                peer.greet(&json!({})).await.map_err(|outcome| format!("{outcome:?}"))?;
                ids.borrow_mut().extend(peer.session.take());
            }
            Ok::<(), String>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(ids.take())
}
