//! What is known of the child.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Switchboard, Tenancy};
use crate::bridge::greeting::Abilities;
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::translate::modern_to_legacy::Stamp;
use crate::wire::version::Era;

/// How long requests wait for a child that others have waited for in vain. One that hangs would hold up whoever asks all servers
/// each time.
const OVERDUE_WAIT: Duration = Duration::from_secs(1);

/// What a child that is not there is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    Starting,
    /// A place among the processes of its server.
    NoPlace,
    /// A place among the processes of all servers.
    HostFull,
}

/// What is known of the child.
#[derive(Debug)]
pub(super) enum Child {
    /// It is not there, or not ready. `hopeless` says why waiting is pointless.
    Absent { hopeless: Option<Arc<str>>, before: bool },
    Ready {
        abilities: Box<Abilities>,
        initialized: bool,
        /// When it said so last.
        said: Instant,
        /// What its results are given for clients without a handshake.
        stamp: Box<Stamp>,
    },
}

impl<R: Outlet> Switchboard<R> {
    pub fn abilities(&self) -> Option<&Abilities> {
        match &self.child {
            Child::Ready { abilities, .. } => Some(abilities),
            Child::Absent { .. } => None,
        }
    }

    pub(super) fn is_child_modern(&self) -> bool {
        self.abilities().is_some_and(|child| child.era == Era::Modern)
    }

    /// Whether what a child said of itself still holds. One with a handshake says it once and for all.
    pub(super) fn is_introduction_fresh(&self, now: Instant) -> bool {
        match &self.child {
            Child::Ready { abilities, said, .. } => {
                abilities.era == Era::Legacy || now < *said + abilities.ttl
            }
            Child::Absent { .. } => false,
        }
    }

    /// A child without a handshake has said anew what it is. False if that cannot be read.
    pub(super) fn introduced(&mut self, result: &str, now: Instant) -> bool {
        let Some(fresh) = Abilities::of_discovery(result) else { return false };
        let fresh = fresh.named(self.limits.server.as_str());
        if self.tenancy == Tenancy::Shared {
            self.recall.memory.greeted(&fresh);
        }
        let Child::Ready { abilities, said, .. } = &mut self.child else { return false };
        (**abilities, *said) = (fresh, now);
        true
    }

    /// Says what a child that is not there is waiting for.
    pub fn explain(&mut self, absence: Absence, now: Instant) {
        self.absence = absence;
        // Another attempt is no new beginning for those who wait.
        let is_starting = absence == Absence::Starting;
        self.starting = is_starting.then(|| self.starting.unwrap_or(now));
    }

    /// How long a request that comes now waits for a child that is not there.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        let wait = self.limits.start_wait;
        if self.is_overdue(now) { wait.min(OVERDUE_WAIT) } else { wait }
    }

    /// Whether the child has been starting for longer than anybody is to wait for it.
    fn is_overdue(&self, now: Instant) -> bool {
        self.starting.is_some_and(|since| since + self.limits.start_wait <= now)
    }

    /// Why there is no child yet, for a request of that time that has waited long enough.
    pub(super) fn still_absent(&self, asked: Instant, now: Instant) -> Refusal {
        let waited = now.duration_since(asked);
        let limit = waited.as_secs();
        // Who asks what the server is has another limit.
        let key = if waited < self.limits.start_wait { "" } else { " (start_wait)" };
        let why = match (self.absence, self.starting) {
            (Absence::Starting, Some(since)) if self.is_overdue(asked) => format!(
                "it is still starting after {} s, which is longer than start_wait, so requests hardly wait for it any more",
                now.duration_since(since).as_secs()
            ),
            (Absence::Starting, _) => format!("it is still starting after {limit} s{key}"),
            (Absence::NoPlace, _) => format!(
                "all its children are in use (max_children), and none became free in {limit} s{key}"
            ),
            (Absence::HostFull, _) => format!(
                "the children of all servers together are as many as this host may have (the top-level max_children), and none became free in {limit} s{key}"
            ),
        };
        self.no_child(&why.into())
    }
}
