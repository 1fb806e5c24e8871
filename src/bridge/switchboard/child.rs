//! What is known of the child.

use std::sync::Arc;
use std::time::Instant;

use super::{Switchboard, Tenancy};
use crate::bridge::greeting::Abilities;
use crate::bridge::outlet::Outlet;
use crate::bridge::translate::modern_to_legacy::Stamp;
use crate::wire::version::Era;

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
    pub fn explain(&mut self, absence: Absence) {
        self.absence = absence;
    }
}
