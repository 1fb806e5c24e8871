//! Numbers that several hold and one thread changes. What is not locked costs nothing, and there is nobody to lock it against.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are of something.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicUsize);

// === impl Count ===

impl Count {
    pub(super) fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(super) fn add(&self) {
        self.set(self.get() + 1);
    }

    /// One less; what is left.
    pub(super) fn sub(&self) -> usize {
        let left = self.get() - 1;
        self.set(left);
        left
    }
}
