//! Who does the damage in the mix: kills and stops children, reloads and kills the daemon, at random but by the seed.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::sleep;

use crate::chaos::{Blow, Chaos};
use crate::daemon::{Daemon, Server};
use crate::http;
use crate::options::Options;
use crate::proc;
use crate::report::Report;
use crate::rng::Rng;

#[derive(Debug)]
pub(crate) struct Havoc {
    pub(crate) daemon: Daemon,
    chaos: Chaos,
    rng: Rng,
    kills_left: u32,
    restarts_left: u32,
    reload: bool,
    pub(crate) kills: u32,
    pub(crate) stops: u32,
    pub(crate) reloads: u32,
    pub(crate) restarts: u32,
    pub(crate) broken: Option<String>,
}

/// The server that reloads change.
pub(crate) const GUEST: &str = "guest";

impl Havoc {
    pub(crate) fn new(daemon: Daemon, chaos: Chaos, rng: Rng, options: &Options) -> Self {
        Self {
            daemon,
            chaos,
            rng,
            // A child that dies again and again is started ever later, and the rest of the run would wait for it.
            kills_left: options.form(7, 12),
            restarts_left: if options.restarts { options.form(2, 6) } else { 0 },
            reload: options.reload,
            kills: 0,
            stops: 0,
            reloads: 0,
            restarts: 0,
            broken: None,
        }
    }

    pub(crate) async fn rage(&mut self, until: Instant) {
        while Instant::now() < until && self.broken.is_none() {
            sleep(Duration::from_millis(self.rng.between(100, 600))).await;
            match self.rng.below(10) {
                0..=3 => self.kill().await,
                4..=6 => self.stop().await,
                7 | 8 => self.hang_up(),
                _ => self.restart().await,
            }
        }
    }

    /// Puts everything back as it was configured at first, as far as that was changed.
    pub(crate) async fn repair(&mut self) {
        if !self.reload || self.broken.is_some() {
            return;
        }
        self.daemon.servers.retain(|server| server.name != GUEST);
        self.daemon.servers.push(Server::new(GUEST).flags("--act-up"));
        self.broken = self.daemon.configure(None).err();
        self.daemon.signal(Signal::HUP);
        let end = Instant::now() + Duration::from_secs(10);
        while self.daemon.status().await["servers"][GUEST]["state"] != "ready" {
            if Instant::now() > end {
                self.broken = Some("the configuration was not put back".to_owned());
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn kill(&mut self) {
        if self.kills_left == 0 {
            return;
        }
        let server = if self.rng.chance(50) { "crash1" } else { "crash2" };
        let pids = ready_pids(&self.daemon.status().await, server);
        if let Some(pid) = self.rng.pick(&pids) {
            self.chaos.begin(Blow::Death, server);
            proc::signal(*pid, Signal::KILL);
            self.kills += 1;
            self.kills_left -= 1;
        }
    }

    async fn stop(&mut self) {
        let pids = ready_pids(&self.daemon.status().await, "hang");
        if let Some(pid) = self.rng.pick(&pids) {
            self.chaos.begin(Blow::Hang, "hang");
            proc::signal(*pid, Signal::STOP);
            sleep(Duration::from_millis(self.rng.between(100, 2500))).await;
            proc::signal(*pid, Signal::CONT);
            self.chaos.end(Blow::Hang, "hang");
            self.stops += 1;
        }
    }

    /// SIGHUP, with a configuration that is the same, that changed, or that is wrong.
    fn hang_up(&mut self) {
        let mut spoilt = None;
        if self.reload {
            if self.rng.chance(40) {
                spoilt = Some("\n[servers.broken]\nno_such_key = 1\n");
            } else if self.daemon.servers.iter().any(|server| server.name == GUEST)
                && self.rng.chance(40)
            {
                self.daemon.servers.retain(|server| server.name != GUEST);
            } else {
                self.daemon.servers.retain(|server| server.name != GUEST);
                let page = format!("--act-up --page {}", self.rng.between(1, 50));
                self.daemon.servers.push(Server::new(GUEST).flags(&page));
            }
        }
        self.broken = self.daemon.configure(spoilt).err();
        self.daemon.signal(Signal::HUP);
        self.reloads += 1;
    }

    async fn restart(&mut self) {
        if self.restarts_left == 0 {
            return;
        }
        self.restarts_left -= 1;
        self.restarts += 1;
        self.chaos.begin(Blow::Daemon, "");
        self.daemon.signal(if self.rng.chance(50) { Signal::KILL } else { Signal::TERM });
        let again = async {
            self.daemon.ended(Duration::from_secs(15)).await?;
            self.daemon.configure(None)?;
            self.daemon.spawn()?;
            self.daemon.ready(Duration::from_secs(20)).await
        };
        self.broken = again.await.err();
        self.chaos.end(Blow::Daemon, "");
    }

    pub(crate) fn tell(&self, report: &mut Report) {
        report.figure("children killed", self.kills);
        report.figure("children stopped for a while", self.stops);
        report.figure("SIGHUP", self.reloads);
        report.figure("daemon restarts", self.restarts);
    }
}

/// Ends deaths when the server is well again. Runs until it is dropped.
pub(crate) async fn watch(address: std::net::SocketAddr, chaos: Chaos) {
    // Until then a death may not have been noticed.
    const NOTICED: Duration = Duration::from_millis(700);
    loop {
        sleep(Duration::from_millis(100)).await;
        let dying = chaos.under_way(Blow::Death);
        if dying.is_empty() {
            continue;
        }
        let Ok((200, text)) = http::get(address, "/status").await else { continue };
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        for (server, _) in &dying {
            let youngest = dying
                .iter()
                .filter(|(name, _)| name == server)
                .map(|(_, from)| from.elapsed())
                .min();
            let children =
                status["servers"][server]["children"].as_array().cloned().unwrap_or_default();
            let well = |child: &Value| child["state"] == "ready" || child["state"] == "stopped";
            if youngest.is_some_and(|age| age > NOTICED)
                && !children.is_empty()
                && children.iter().all(well)
            {
                chaos.end(Blow::Death, server);
            }
        }
    }
}

/// Waits until every server is well again.
pub(crate) async fn well(address: std::net::SocketAddr, chaos: &Chaos, within: Duration) -> bool {
    let end = Instant::now() + within;
    while Instant::now() < end {
        let open = [Blow::Death, Blow::Hang, Blow::Daemon]
            .iter()
            .any(|blow| !chaos.under_way(*blow).is_empty());
        if !open && http::get(address, "/readyz").await.is_ok_and(|(status, _)| status == 200) {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}

/// The children of a server that are ready.
pub(crate) fn ready_pids(status: &Value, server: &str) -> Vec<u32> {
    let children = status["servers"][server]["children"].as_array().cloned().unwrap_or_default();
    let ready = children.iter().filter(|child| child["state"] == "ready");
    ready.filter_map(|child| child["pid"].as_u64()).map(|pid| pid as u32).collect()
}
