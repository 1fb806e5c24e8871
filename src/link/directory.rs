//! Which servers there are, and what the HTTP side has to know of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::era::EraCell;
use super::handle::Link;
use super::pools::Pools;
use super::tools::Tools;
use crate::bridge::greeting::Hello;
use crate::bridge::lane::{Lane, Pool};
use crate::bridge::refusal::Refusal;
use crate::config::model::Server;
use crate::wire::id::ServerName;
use crate::wire::version::Era;

/// All servers by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    pub(crate) servers: BTreeMap<ServerName, Arc<Entry>>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: ServerName,
    pub(crate) config: Arc<Server>,
    /// The slot everybody may use.
    pub(crate) shared: Link,
    /// The task that makes slots for those who may not share.
    pub(crate) warden: mpsc::Sender<WardenOrder>,
    /// What its children have shown of their era.
    pub(crate) era: Arc<EraCell>,
    /// The slots of requests without a session that can be asked something.
    pub(crate) pools: Arc<Pools>,
    pub(crate) tools: Arc<Tools>,
}

/// What is wanted of a server as a whole.
#[derive(Debug)]
pub(crate) enum WardenOrder {
    /// A slot for one session alone.
    Private {
        hello: Hello,
        /// It had one before, and is neither refused nor put with others now.
        again: bool,
        answer: oneshot::Sender<Result<Place, Refusal>>,
    },
    /// The slot for all requests without a session of one pool.
    Pooled {
        pool: Pool,
        answer: oneshot::Sender<Result<Place, Refusal>>,
    },
    Report {
        answer: oneshot::Sender<Report>,
    },
    /// The configuration has changed in keys that the children need not know.
    Adjust(Adjustment),
}

/// What a running server can be told anew.
#[derive(Clone, Debug)]
pub(crate) struct Adjustment {
    pub(crate) config: Arc<Server>,
    pub(crate) commit_after: Duration,
    pub(crate) payloads: bool,
}

/// Where a session is put.
#[derive(Debug)]
pub(crate) enum Place {
    Private(Link),
    /// With all others.
    Shared,
}

/// How a server is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) children: Vec<ChildReport>,
}

/// How one child of a server is doing.
#[derive(Clone, Debug)]
pub(crate) struct ChildReport {
    pub(crate) lane: Lane,
    /// It waits for a client of its own.
    pub(crate) spare: bool,
    /// Calls whose clients were asked something and are to come back.
    pub(crate) suspended: usize,
    pub(crate) state: &'static str,
    pub(crate) pid: Option<u32>,
    /// Seconds in this state.
    pub(crate) for_s: u64,
    /// Processes that followed one that failed.
    pub(crate) restarts: u64,
    /// What went wrong last, until it has been well for a while.
    pub(crate) trouble: Option<Arc<str>>,
    pub(crate) about: Option<About>,
    pub(crate) fronts: usize,
    pub(crate) calls: usize,
    pub(crate) stderr: Vec<String>,
    pub(crate) counts: Counts,
}

/// What a child said of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) name: Box<str>,
    pub(crate) version: Box<str>,
    pub(crate) revision: Box<str>,
    pub(crate) era: Era,
}

/// What a slot has counted since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) results: u64,
    pub(crate) errors: u64,
    pub(crate) refused: u64,
    pub(crate) cancelled: u64,
    /// Of all these, how many were answered for a child that rests.
    pub(crate) recalled: u64,
    /// Lines on the child's stdout that are no messages.
    pub(crate) noise: u64,
    pub(crate) overlong: u64,
    /// Messages let go: for nobody, for somebody too slow, or answers to nothing.
    pub(crate) dropped: u64,
}

// === impl Entry ===

impl Entry {
    /// Where a session in this lane is put. One that finds no room may be put on the shared child, where nothing it declared
    /// counts.
    pub(crate) async fn place(&self, lane: Lane, hello: Hello) -> Result<Place, Refusal> {
        match lane {
            Lane::Shared => Ok(Place::Shared),
            Lane::Private | Lane::Pooled => self.private(hello, false).await,
        }
    }

    /// A slot for a session that had one of its own before.
    pub(crate) async fn again(&self, hello: Hello) -> Result<Link, Refusal> {
        match self.private(hello, true).await? {
            Place::Private(link) => Ok(link),
            Place::Shared => Ok(self.shared.clone()),
        }
    }

    async fn private(&self, hello: Hello, again: bool) -> Result<Place, Refusal> {
        let (answer, place) = oneshot::channel();
        self.warden
            .send(WardenOrder::Private { hello, again, answer })
            .await
            .map_err(|_| self.stopped())?;
        place.await.map_err(|_| self.stopped())?
    }

    /// The slot for requests without a session that can be asked something.
    pub(crate) async fn pooled(&self, pool: Pool) -> Result<Link, Refusal> {
        if let Some(link) = self.pools.find(&pool) {
            return Ok(link);
        }
        let (answer, place) = oneshot::channel();
        let order = WardenOrder::Pooled { pool: pool.clone(), answer };
        self.warden.send(order).await.map_err(|_| self.stopped())?;
        match place.await.map_err(|_| self.stopped())?? {
            Place::Private(link) => {
                self.pools.keep(pool, &link);
                Ok(link)
            }
            Place::Shared => Ok(self.shared.clone()),
        }
    }

    fn stopped(&self) -> Refusal {
        Refusal::NoChild { server: self.name.clone(), why: "it is being stopped".into() }
    }

    /// The same server under a configuration that its children can live with.
    pub(crate) async fn adjusted(&self, to: Adjustment) -> Arc<Self> {
        let config = Arc::clone(&to.config);
        // A warden that is gone has nothing to adjust any more.
        self.warden.send(WardenOrder::Adjust(to)).await.ok();
        let (name, shared) = (self.name.clone(), self.shared.clone());
        let (warden, era) = (self.warden.clone(), Arc::clone(&self.era));
        let (pools, tools) = (Arc::clone(&self.pools), Arc::clone(&self.tools));
        Arc::new(Self { name, config, shared, warden, era, pools, tools })
    }

    /// How the server is doing; `None` once it is stopped.
    pub(crate) async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        self.warden.send(WardenOrder::Report { answer }).await.ok()?;
        report.await.ok()
    }
}

// === impl Report ===

impl Report {
    /// The child that speaks for the server's health.
    pub(crate) fn shared(&self) -> Option<&ChildReport> {
        self.children.iter().find(|child| child.lane == Lane::Shared)
    }
}
