//! The slots of requests that come without a session and can be asked something, by pool.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::handle::{Link, WeakLink};
use crate::bridge::lane::Pool;

/// What is known of them; the warden knows better, and is asked where nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// Held for one look or one change, never across a wait.
    table: Mutex<HashMap<Pool, WeakLink>>,
}

/// Beyond this many, those that are gone are looked for.
const TIDY_FROM: usize = 32;

// === impl Pools ===

impl Pools {
    pub(crate) fn find(&self, pool: &Pool) -> Option<Link> {
        self.lock().get(pool)?.upgrade()
    }

    /// The slot with this number.
    pub(crate) fn numbered(&self, slot: u64) -> Option<Link> {
        self.lock().values().filter_map(WeakLink::upgrade).find(|link| link.number() == slot)
    }

    pub(crate) fn keep(&self, pool: Pool, link: &Link) {
        let mut table = self.lock();
        if table.len() >= TIDY_FROM {
            table.retain(|_, link| link.is_open());
        }
        table.insert(pool, link.downgrade());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pool, WeakLink>> {
        // Nothing that panics is done under the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
