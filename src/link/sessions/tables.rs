//! What is kept of sessions: those used a moment ago, those with a child of their own, and which were ended.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OnceCell, mpsc};

use super::Session;
use super::ended::Ended;
use crate::bridge::front::{Principal, Who};
use crate::bridge::seal::Keys;
use crate::link::directory::{Entry, WardenOrder};
use crate::link::handle::WeakLink;
use crate::wire::id::FrontId;

#[derive(Debug)]
pub(super) struct Tables {
    pub(super) keys: Keys,
    pub(super) ended: Ended,
    /// Those used a moment ago, by their ids, and those used a moment before.
    pub(super) recent: HashMap<Box<str>, Known>,
    pub(super) earlier: HashMap<Box<str>, Known>,
    /// The slots of those with a child of their own.
    pub(super) homes: HashMap<FrontId, Home>,
}

/// The slot of one session, or its making, which all that want it wait for.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) warden: mpsc::Sender<WardenOrder>,
    pub(super) link: Arc<OnceCell<WeakLink>>,
}

/// A session as it is remembered.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) who: Who,
    pub(super) link: WeakLink,
    /// The server it belongs to, as long as that runs.
    pub(super) warden: mpsc::Sender<WardenOrder>,
}

/// Sessions that were used a moment ago. A session that is not among them costs its client a microsecond.
pub(super) const RECENT_MAX: usize = 256;

// === impl Tables ===

impl Tables {
    pub(super) fn known(
        &mut self,
        id: &str,
        entry: &Entry,
        principal: &Principal,
    ) -> Option<Session> {
        let recent = self.recent.get(id);
        let is_recent = recent.is_some();
        let known = recent.or_else(|| self.earlier.get(id))?;
        if !known.warden.same_channel(&entry.warden) || known.who.card.principal != *principal {
            return None;
        }
        let session = Session { who: known.who.clone(), link: known.link.upgrade()? };
        if !is_recent {
            let known = known.clone();
            self.remember(id, known);
        }
        Some(session)
    }

    pub(super) fn remember(&mut self, id: &str, known: Known) {
        if self.recent.len() >= RECENT_MAX {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(id.into(), known);
    }
}

// === impl Home ===

impl Home {
    /// Whether its slot listens, or is being made.
    pub(super) fn is_open(&self) -> bool {
        match self.link.get() {
            Some(link) => link.is_open(),
            None => Arc::strong_count(&self.link) > 1,
        }
    }

    pub(super) fn serves(&self, entry: &Entry) -> bool {
        self.warden.same_channel(&entry.warden) && self.is_open()
    }
}
