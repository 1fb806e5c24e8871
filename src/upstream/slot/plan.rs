//! What a slot is made from, and what of it can change.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::Gauge;
use crate::bridge::greeting::Hello;
use crate::bridge::lifecycle::Pace;
use crate::bridge::switchboard::{Limits, Tenancy};
use crate::config::model::EraChoice;
use crate::link::era::EraCell;
use crate::link::tools::Tools;
use crate::upstream::nursery::Nursery;
use crate::upstream::places::HostRoom;
use crate::upstream::site::Site;
use crate::wire::id::ServerName;

/// What a slot is made from.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Plan {
    pub(in crate::upstream) name: ServerName,
    pub(in crate::upstream) tenancy: Tenancy,
    pub(in crate::upstream) hello: Hello,
    pub(in crate::upstream) site: Site,
    pub(in crate::upstream) policy: Policy,
    pub(in crate::upstream) line_max: usize,
    /// What the child holds for its session must not be lost unnoticed: they end together.
    pub(in crate::upstream) stateful: bool,
    /// Start at once rather than with the first call.
    pub(in crate::upstream) eager: bool,
    /// Wait, started and greeted, for a session. Until one comes it takes no place another wants, and a failure ends it.
    pub(in crate::upstream) spare: bool,
    /// Places for processes of this server.
    pub(in crate::upstream) permits: Arc<Semaphore>,
    /// The places all servers share.
    pub(in crate::upstream) host: Arc<HostRoom>,
    pub(in crate::upstream) nursery: Nursery,
    /// Permits to be busy starting, shared by all servers: programs that start together slow each other down.
    pub(in crate::upstream) starts: Arc<Semaphore>,
    /// Told when a place of this server is wanted and none is free.
    pub(in crate::upstream) squeezed: Arc<Notify>,
    /// Told when a child has come to rest.
    pub(in crate::upstream) rested: Arc<Notify>,
    pub(in crate::upstream) gauge: Arc<Gauge>,
    /// Which eras it may be of.
    pub(in crate::upstream) choice: EraChoice,
    /// What children of this server have shown of their era.
    pub(in crate::upstream) era: Arc<EraCell>,
    /// What is known of the tools of this server.
    pub(in crate::upstream) tools: Arc<Tools>,
    /// Where to keep what it said last.
    pub(in crate::upstream) state: Option<Arc<Path>>,
}

/// What of a plan can change while a child runs.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Policy {
    pub(in crate::upstream) limits: Limits,
    pub(in crate::upstream) pace: Pace,
    /// How long a probe may stay without an answer.
    pub(in crate::upstream) probe_wait: Duration,
    /// How long a child may be unused before it is put to rest.
    pub(in crate::upstream) idle_stop: Option<Duration>,
    /// Log what is said, word for word.
    pub(in crate::upstream) payloads: bool,
}
