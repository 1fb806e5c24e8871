//! What a switchboard is allowed.

use std::time::Duration;

use crate::bridge::policy::ToolPolicy;
use crate::bridge::stream_log::Bounds;
use crate::config::model::{LegacyOutput, TasksChoice, ToolFilter};
use crate::wire::id::ServerName;

/// What a switchboard is allowed.
#[derive(Clone, Debug)]
pub struct Limits {
    pub server: ServerName,
    /// Calls at the child at once; 0 is no limit.
    pub concurrency: usize,
    pub request_timeout: Duration,
    pub request_timeout_max: Duration,
    pub start_wait: Duration,
    pub push_wait: Duration,
    pub commit_after: Duration,
    /// How long a call goes on whose client has gone and cannot be answered any more.
    pub orphan_ttl: Duration,
    /// Calls one session has open at once.
    pub calls_per_front: usize,
    /// Bytes of requests that wait for the child.
    pub waiting_bytes_max: usize,
    /// Questions of the child open at once.
    pub asks_max: usize,
    /// Resources subscribed to at once, by all sessions together.
    pub subscriptions_max: usize,
    pub subscriptions_per_front: usize,
    /// Fronts that hold nothing and are kept for a while, as many that act act again soon.
    pub resting_max: usize,
    /// What is kept of the streams of one session.
    pub log: Bounds,
    /// Bytes kept of the streams of all sessions together.
    pub log_bytes_max: usize,
    pub tools: ToolPolicy,
    pub legacy_output: LegacyOutput,
    /// Tasks go between the eras.
    pub tasks: TasksChoice,
}

// === impl Limits ===

impl Limits {
    /// The defaults of the configuration, for one server.
    pub fn new(server: ServerName) -> Self {
        Self {
            server,
            concurrency: 0,
            request_timeout: Duration::from_secs(600),
            request_timeout_max: Duration::from_secs(3600),
            start_wait: Duration::from_secs(20),
            push_wait: Duration::from_secs(5),
            commit_after: Duration::from_secs(5),
            orphan_ttl: Duration::from_secs(300),
            calls_per_front: 1024,
            waiting_bytes_max: 64 << 20,
            asks_max: 1024,
            subscriptions_max: 4096,
            subscriptions_per_front: 256,
            resting_max: 64,
            log: Bounds::default(),
            // Eight sessions with as much as each may have, and far more than streams in sound use add up to.
            log_bytes_max: 64 << 20,
            tools: ToolPolicy::new(ToolFilter::default()),
            legacy_output: LegacyOutput::Raw,
            tasks: TasksChoice::Off,
        }
    }
}
