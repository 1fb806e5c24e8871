//! What the daemon holds at rest, before and after.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::daemon::Daemon;
use crate::proc;
use crate::report::Report;

#[derive(Clone, Debug)]
pub(crate) struct Baseline {
    rss_kib: u64,
    descriptors: usize,
    kinds: String,
    processes: usize,
}

impl Baseline {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self {
            rss_kib: proc::rss_kib(daemon.pid()),
            descriptors: proc::descriptors(daemon.pid()),
            kinds: proc::descriptor_kinds(daemon.pid()),
            processes: proc::marked(&daemon.mark).len(),
        }
    }

    /// Waits until the daemon holds no more than before, for so long at most, and then says what it holds.
    pub(crate) async fn settled(
        &self,
        daemon: &Daemon,
        within: Duration,
        rss_more_kib: u64,
    ) -> Self {
        let end = Instant::now() + within;
        loop {
            sleep(Duration::from_millis(200)).await;
            let now = Self::of(daemon);
            let back = now.descriptors == self.descriptors
                && now.processes == self.processes
                && now.rss_kib <= self.rss_kib + rss_more_kib;
            if back || Instant::now() >= end {
                return now;
            }
        }
    }

    pub(crate) fn compare(
        &self,
        after: &Self,
        rss_more_kib: u64,
        daemon: &Daemon,
        report: &mut Report,
    ) {
        report.figure("RSS before", format!("{} KiB", self.rss_kib));
        report.figure("RSS after", format!("{} KiB", after.rss_kib));
        let grown = after.rss_kib.saturating_sub(self.rss_kib);
        report.check(
            &format!("memory within {} MiB of before", rss_more_kib / 1024),
            grown <= rss_more_kib,
            format!("{grown} KiB more"),
        );
        report.check(
            "descriptors as before",
            after.descriptors == self.descriptors,
            format!("{} then {} ({})", self.descriptors, after.descriptors, after.kinds),
        );
        if after.descriptors != self.descriptors {
            report.note(format!("descriptors before: {}", self.kinds));
        }
        report.check(
            "processes as before",
            after.processes == self.processes,
            format!("{} then {}", self.processes, after.processes),
        );
        let zombies = proc::zombies(daemon.pid());
        report.check("no zombie", zombies == 0, zombies);
    }
}

/// Nothing is under way any more, and the daemon found no fault in itself.
pub(crate) async fn quiet(daemon: &Daemon, report: &mut Report) {
    let end = Instant::now() + Duration::from_secs(5);
    let in_flight = loop {
        let status = daemon.status().await;
        let servers = status["servers"].as_object().cloned().unwrap_or_default();
        let children = servers
            .values()
            .flat_map(|server| server["children"].as_array().cloned().unwrap_or_default());
        let in_flight: u64 = children.filter_map(|child: Value| child["in_flight"].as_u64()).sum();
        if in_flight == 0 && !servers.is_empty() || Instant::now() >= end {
            break in_flight;
        }
        sleep(Duration::from_millis(100)).await;
    };
    report.check("no call left in a child", in_flight == 0, in_flight);
    faultless(daemon, report);
}

pub(crate) fn faultless(daemon: &Daemon, report: &mut Report) {
    let faults = daemon.faults();
    report.check("the daemon logged no fault of its own", faults.is_empty(), faults.len());
    for fault in faults.iter().take(5) {
        report.note(fault);
    }
}

/// Ends the daemon as a service manager would; nothing of it may be left.
pub(crate) async fn farewell(mut daemon: Daemon, report: &mut Report) {
    daemon.signal(rustix::process::Signal::TERM);
    let ended = daemon.ended(Duration::from_secs(15)).await;
    report.check(
        "it ends when told to",
        ended.is_ok(),
        ended.map_or_else(|why| why, crate::report::ms),
    );
    sleep(Duration::from_millis(300)).await;
    let left = proc::marked(&daemon.mark);
    let said: Vec<String> = left
        .iter()
        .map(|left| format!("{} of {} (parent {})", left.pid, left.server, left.parent))
        .collect();
    report.check(
        "no process left",
        left.is_empty(),
        if said.is_empty() { "0".to_owned() } else { said.join(", ") },
    );
    if !report.holds() {
        report.note(format!("the daemon's log is in {}", daemon.keep()));
    }
}
