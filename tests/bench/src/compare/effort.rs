//! The cases, and how much of each is done.

use std::time::Duration;

use super::found::Found;
use super::subject::{Children, Sessions, Subject};
use super::{big, call, churn, held, parallel, progress, servers, start, stateless};
use crate::bridge::Bridge;
use crate::client::{Budget, Client};

#[derive(Clone, Copy, PartialEq)]
pub enum Case {
    Call,
    Servers,
    Parallel,
    Churn,
    Stateless,
    Big,
    Progress,
    Held,
    Start,
}

pub const CASES: [(&str, Case); 9] = [
    ("call", Case::Call),
    ("servers", Case::Servers),
    ("parallel", Case::Parallel),
    ("churn", Case::Churn),
    ("stateless", Case::Stateless),
    ("big", Case::Big),
    ("progress", Case::Progress),
    ("held", Case::Held),
    ("start", Case::Start),
];

/// How much is done of everything. Who is slow is stopped by the clock.
#[derive(Clone, Copy)]
pub struct Effort {
    pub calls: usize,
    /// For each point.
    pub time: Duration,
    pub round_trips: usize,
    pub posts: usize,
    pub posts_time: Duration,
    pub results: usize,
    pub events: usize,
    /// How many calls tell of so many.
    pub event_calls: usize,
    pub sessions: usize,
    pub rest: Duration,
    pub starts: usize,
}

/// The longest that a peer has for a point.
const PEERS_TIME: Duration = Duration::from_millis(1500);

/// One subject in one case of one round.
pub struct Bench<'a> {
    pub subject: &'a Subject,
    pub effort: Effort,
}

// === impl Case ===

impl Case {
    pub async fn run(self, bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
        match self {
            Self::Call => call::run(bench, found).await,
            Self::Servers => servers::run(bench, found).await,
            Self::Parallel => parallel::run(bench, found).await,
            Self::Churn => churn::run(bench, found).await,
            Self::Stateless => stateless::run(bench, found).await,
            Self::Big => big::run(bench, found).await,
            Self::Progress => progress::run(bench, found).await,
            Self::Held => held::run(bench, found).await,
            Self::Start => start::run(bench, found).await,
        }
    }
}

// === impl Effort ===

impl Effort {
    /// For the fast, that is the floors and stdiod.
    pub fn full() -> Self {
        Self {
            calls: 50_000,
            time: Duration::from_secs(6),
            round_trips: 3000,
            posts: 50_000,
            posts_time: Duration::from_secs(6),
            results: 10,
            events: 20_000,
            event_calls: 3,
            sessions: 1000,
            rest: Duration::from_secs(5),
            starts: 3,
        }
    }

    /// For peers, of which one would take hours for what takes the floor minutes.
    pub fn of_peers(self) -> Self {
        Self {
            time: self.time.min(PEERS_TIME),
            posts_time: self.posts_time.min(PEERS_TIME),
            results: 1,
            events: 2000,
            event_calls: 1,
            sessions: self.sessions.min(100),
            rest: Duration::from_secs(2),
            starts: 1,
            ..self
        }
    }

    /// For a look.
    pub fn quick() -> Self {
        Self {
            calls: 10_000,
            time: Duration::from_secs(2),
            round_trips: 500,
            posts: 10_000,
            posts_time: Duration::from_secs(2),
            results: 4,
            events: 5000,
            event_calls: 3,
            sessions: 200,
            rest: Duration::from_secs(1),
            starts: 1,
        }
    }

    /// A million requests without a session, however long they take.
    pub fn million(self) -> Self {
        Self { posts: 1_000_000, posts_time: Duration::from_hours(1), ..self }
    }
}

// === impl Bench ===

impl Bench<'_> {
    /// Starts the subject and waits until each of its servers answers.
    pub async fn start(&self, servers: usize) -> Result<Bridge, String> {
        let bridge = self.subject.launch(servers, Children::Quick, Sessions::Kept)?;
        let ready = if self.subject.is_http_floor() {
            let attempt = async || self.client(&bridge, 0).await?.calls(1).await;
            bridge.until(attempt).await.map(drop)
        } else {
            bridge.wait().await
        };
        ready.map_err(|error| explained(&bridge, &error))?;
        Ok(bridge)
    }

    /// A client of this server.
    pub async fn client(&self, bridge: &Bridge, server: usize) -> Result<Client, String> {
        let path = &bridge.paths[server];
        if self.subject.is_http_floor() {
            Client::sessionless(bridge.address, path).await
        } else {
            Client::open(bridge.address, path).await
        }
    }

    /// So many clients of the first servers in turn.
    pub async fn clients(
        &self,
        bridge: &Bridge,
        clients: usize,
        servers: usize,
    ) -> Result<Vec<Client>, String> {
        let mut all = Vec::with_capacity(clients);
        for n in 0..clients {
            all.push(self.client(bridge, n % servers).await?);
        }
        Ok(all)
    }

    pub fn budget(&self) -> Budget {
        Budget::new(self.effort.calls, self.effort.time)
    }

    /// A little before it counts.
    pub fn warm_up(&self) -> Budget {
        Budget::new(self.effort.calls / 20, self.effort.time / 10)
    }
}

/// With the last words of the bridge.
pub fn explained(bridge: &Bridge, error: &str) -> String {
    match bridge.last_words() {
        words if words.is_empty() => error.to_owned(),
        words => format!("{error}; it said: {words}"),
    }
}
