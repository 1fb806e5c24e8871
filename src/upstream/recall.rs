//! Keeping what a child said last beyond its own life and ours.
//!
//! The memory itself is the switchboard's. Here it is read before the slot begins, written a moment after it has changed, and
//! measured against what the next child would be started from. Files are read and written beside the slot's task, which never
//! waits for a disk while a child is there to be served.

mod fingerprint;
mod shelf;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) use self::fingerprint::Fingerprint;
use self::shelf::Shelf;
use super::site::{self, PATIENCE, Site};
use crate::bridge::memory::Memory;
use crate::link::era::Verdict;
use crate::wire::id::ServerName;

/// The keeper of one slot's memory.
#[derive(Debug)]
pub(super) struct Recall {
    file: Option<Arc<Shelf>>,
    /// What the child was started from that is remembered; nobody knows if that could not be found out in time.
    fingerprint: Option<Fingerprint>,
    /// When that was last compared with what is there.
    looked: Instant,
    /// The revision of the memory that was written.
    written: u64,
    /// The verdict on its era that was written.
    judged: Option<Verdict>,
    wrote: Option<Instant>,
    due: Option<Instant>,
    writing: JoinSet<()>,
}

/// How long a change waits for further ones before it is written.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

/// The least time between two files. Some lists are never the same twice.
const WRITE_AGAIN: Duration = Duration::from_secs(10);

/// How long after a failure writing is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// How often the files of a resting child's program are looked at while it is answered for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

// === impl Recall ===

impl Recall {
    /// Reads what was kept, if it is of a child that would be started from the same.
    pub(super) async fn open(
        state: Option<&Path>,
        server: &ServerName,
        site: &Site,
    ) -> (Self, Memory, Option<Verdict>) {
        let file = state.map(|state| Arc::new(Shelf::new(state, server)));
        let looked = Instant::now();
        let fingerprint = site.fingerprint().await;
        let (memory, judged) = match (fingerprint, file.clone()) {
            (Some(fingerprint), Some(shelf)) => read(shelf, fingerprint, server).await,
            // A start says why.
            (None, _) | (_, None) => (Memory::default(), None),
        };
        let recall = Self {
            file,
            fingerprint,
            looked,
            written: memory.revision(),
            judged,
            wrote: None,
            due: None,
            writing: JoinSet::new(),
        };
        (recall, memory, judged)
    }

    /// Whether a child started from what was found would be the one that is remembered. From now on it is. Where nothing could be
    /// found out, it may be another.
    pub(super) fn holds(&mut self, found: Option<Fingerprint>, looked: Instant) -> bool {
        self.looked = looked;
        std::mem::replace(&mut self.fingerprint, found) == found && found.is_some()
    }

    /// Whether it is a while since that was looked at.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.looked) >= LOOK_AGAIN
    }

    /// Writes no more: the file is another's now, or nobody's.
    pub(super) fn hand_over(&mut self) {
        self.file = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what has changed, once it has settled.
    pub(super) fn keep(&mut self, memory: &Memory, verdict: Option<Verdict>, now: Instant) {
        while self.writing.try_join_next().is_some() {}
        let Some(file) = &self.file else { return };
        let is_troubled = file.is_troubled();
        if !self.is_news(memory, verdict) && !is_troubled {
            self.due = None;
            return;
        }
        let pause = if is_troubled { TRY_AGAIN } else { SETTLED_AFTER };
        let soonest = self.wrote.map_or(now, |wrote| wrote + WRITE_AGAIN);
        let due = *self.due.get_or_insert_with(|| soonest.max(now + pause));
        if due > now {
            return;
        }
        self.due = None;
        if self.writing.is_empty() {
            self.wrote = Some(now);
            self.write(memory, verdict);
        }
    }

    /// Writes what has not been written.
    pub(super) async fn close(&mut self, memory: &Memory, verdict: Option<Verdict>) {
        let finish = async {
            while self.writing.join_next().await.is_some() {}
            if self.is_news(memory, verdict) {
                self.write(memory, verdict);
            }
            while self.writing.join_next().await.is_some() {}
        };
        // A disk that does not answer is not worth waiting for.
        timeout(PATIENCE, finish).await.ok();
    }

    fn is_news(&self, memory: &Memory, verdict: Option<Verdict>) -> bool {
        memory.revision() != self.written || kept(verdict) != self.judged
    }

    fn write(&mut self, memory: &Memory, verdict: Option<Verdict>) {
        let (Some(file), Some(fingerprint)) = (self.file.clone(), self.fingerprint) else {
            return;
        };
        (self.written, self.judged) = (memory.revision(), kept(verdict));
        let judged = self.judged;
        let memory = memory.clone();
        self.writing.spawn_blocking(move || file.write(&fingerprint.to_string(), &memory, judged));
    }
}

/// Removes what is kept of a server that is no more.
pub(crate) async fn forget(state: &Path, server: &ServerName) {
    let shelf = Shelf::new(state, server);
    let mut removing = JoinSet::new();
    removing.spawn_blocking(move || shelf.remove());
    // A file that stays takes room and does no harm.
    timeout(PATIENCE, removing.join_next()).await.ok();
}

/// What of a verdict is worth keeping: one that nobody asked for is none.
fn kept(verdict: Option<Verdict>) -> Option<Verdict> {
    verdict.filter(|verdict| verdict.since > 0)
}

async fn read(
    shelf: Arc<Shelf>,
    fingerprint: Fingerprint,
    server: &ServerName,
) -> (Memory, Option<Verdict>) {
    let _room = site::room().await;
    let mut reading = JoinSet::new();
    reading.spawn_blocking(move || shelf.read(&fingerprint.to_string()));
    if let Ok(Some(Ok(kept))) = timeout(PATIENCE, reading.join_next()).await {
        return kept;
    }
    tracing::warn!(server = %server, "the state directory does not answer: what this server said last is not known");
    (Memory::default(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::ProcessLimits;
    use crate::upstream::process::Recipe;

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_seen_counts_as_changed() {
        let recipe = Recipe {
            command: "sh".into(),
            args: Vec::new(),
            cwd: None,
            environment: std::collections::BTreeMap::new(),
            limits: ProcessLimits::default(),
        };
        let found = Some(Fingerprint::of(&recipe));
        let name = ServerName::new("s").unwrap();
        let (mut recall, ..) = Recall::open(None, &name, &Site::hung(recipe)).await;
        let now = Instant::now();
        let holds = [None, found, found, None, None, found].map(|found| recall.holds(found, now));
        assert_eq!(holds, [false, false, true, false, false, false]);
        assert!(!recall.is_old(now) && recall.is_old(now + LOOK_AGAIN));
    }
}
