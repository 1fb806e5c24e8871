//! Keeping what a child said last beyond its own life and ours.
//!
//! The memory itself is the switchboard's. Here it is read before the slot begins, written a moment after it has changed, and
//! measured against what the next child would be started from. Files are read and written beside the slot's task, which never
//! waits for a disk while it serves.

mod fingerprint;
mod shelf;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use self::fingerprint::Fingerprint;
use self::shelf::Shelf;
use super::process::Recipe;
use crate::bridge::memory::Memory;
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

/// How long a slot waits for the disk before it begins and when it ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the files of a resting child's program are looked at while it is answered for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

// === impl Recall ===

impl Recall {
    /// Reads what was kept, if it is of a child that would be started from the same.
    pub(super) async fn open(
        state: Option<&Path>,
        server: &ServerName,
        recipe: Arc<Recipe>,
    ) -> (Self, Memory) {
        let file = state.map(|state| Arc::new(Shelf::new(state, server)));
        let mut reading = JoinSet::new();
        let from = file.clone();
        reading.spawn_blocking(move || {
            let fingerprint = Fingerprint::of(&recipe);
            let memory = from.map(|shelf| shelf.read(&fingerprint.to_string()));
            (fingerprint, memory.unwrap_or_default())
        });
        let read = timeout(PATIENCE, reading.join_next()).await.ok().flatten();
        let (fingerprint, memory) = if let Some(Ok((fingerprint, memory))) = read {
            (Some(fingerprint), memory)
        } else {
            tracing::warn!(server = %server, "the state directory does not answer: what this server said last is not known");
            (None, Memory::default())
        };
        let recall = Self {
            file,
            fingerprint,
            looked: Instant::now(),
            written: memory.revision(),
            wrote: None,
            due: None,
            writing: JoinSet::new(),
        };
        (recall, memory)
    }

    /// Whether a child started now would be the one that is remembered. From now on it is.
    pub(super) fn holds(&mut self, recipe: &Recipe, now: Instant) -> bool {
        self.looked = now;
        let found = Some(Fingerprint::of(recipe));
        std::mem::replace(&mut self.fingerprint, found) == found
    }

    /// The same, unless it has just been looked.
    pub(super) fn still_holds(&mut self, recipe: &Recipe, now: Instant) -> bool {
        now.duration_since(self.looked) < LOOK_AGAIN || self.holds(recipe, now)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what has changed, once it has settled.
    pub(super) fn keep(&mut self, memory: &Memory, now: Instant) {
        while self.writing.try_join_next().is_some() {}
        let Some(file) = &self.file else { return };
        let is_troubled = file.is_troubled();
        if memory.revision() == self.written && !is_troubled {
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
            self.write(memory);
        }
    }

    /// Writes what has not been written.
    pub(super) async fn close(&mut self, memory: &Memory) {
        let finish = async {
            while self.writing.join_next().await.is_some() {}
            if memory.revision() != self.written {
                self.write(memory);
            }
            while self.writing.join_next().await.is_some() {}
        };
        // A disk that does not answer is not worth waiting for.
        timeout(PATIENCE, finish).await.ok();
    }

    fn write(&mut self, memory: &Memory) {
        let (Some(file), Some(fingerprint)) = (self.file.clone(), self.fingerprint) else {
            return;
        };
        self.written = memory.revision();
        let memory = memory.clone();
        self.writing.spawn_blocking(move || file.write(&fingerprint.to_string(), &memory));
    }
}
