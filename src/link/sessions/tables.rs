//! What is kept of sessions: those used a moment ago, those with a child of their own, and which were ended.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
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
    pub(super) recent: ById,
    pub(super) earlier: ById,
    /// The slots of those with a child of their own.
    pub(super) homes: HashMap<FrontId, Home>,
}

/// Sessions by their ids.
pub(super) type ById = HashMap<Box<str>, Known, BuildHasherDefault<TailHasher>>;

/// Takes the end of an id for its hash. It belongs to a seal that is ours, so what is in the table is as good as random, and nobody
/// can choose what is.
#[derive(Debug, Default)]
pub(super) struct TailHasher(u64);

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

// === impl TailHasher ===

impl Hasher for TailHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(tail) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*tail);
        }
    }

    /// An id is written in letters, whose upper bits vary little: all of them are folded into the place and the mark.
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    fn finish(&self) -> u64 {
        let product = u128::from(self.0) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        product as u64 ^ (product >> 64) as u64
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
