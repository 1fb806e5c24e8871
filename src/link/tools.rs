//! Which headers the tools of a server want to see repeated, as its list said last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bridge::mirrors::Mirrors;

/// What is known of a server's tools.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// How often they may have changed.
    changes: AtomicU64,
    /// Held for one look or one change, never across a wait.
    known: Mutex<Option<Known>>,
    /// Held by who lists them.
    listing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    mirrors: Arc<Mirrors>,
    changes: u64,
}

// === impl Tools ===

impl Tools {
    /// What is known, unless it may be out of date.
    pub(crate) fn known(&self) -> Option<Arc<Mirrors>> {
        let changes = self.changes();
        let known = self.lock();
        known
            .as_ref()
            .filter(|known| known.changes == changes)
            .map(|known| Arc::clone(&known.mirrors))
    }

    /// To be held while they are listed, so that many who want to know list them once.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.listing.lock().await
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// They may be others now.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps what a list said that was asked for after so many changes.
    pub(crate) fn learned(&self, changes: u64, mirrors: Mirrors) -> Arc<Mirrors> {
        let mirrors = Arc::new(mirrors);
        *self.lock() = Some(Known { mirrors: Arc::clone(&mirrors), changes });
        mirrors
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        // Nothing that panics is done under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
