//! How many connections there are at once, over all listeners. The number can be changed while some are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The places for connections.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Count>);

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place(Arc<Count>);

#[derive(Debug)]
struct Count {
    taken: AtomicUsize,
    most: AtomicUsize,
    /// Told when a place has become free.
    freed: Notify,
}

// === impl Places ===

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        let (taken, most) = (AtomicUsize::new(0), AtomicUsize::new(most));
        Self(Arc::new(Count { taken, most, freed: Notify::new() }))
    }

    /// From now on so many. Connections that are open beyond that stay; new ones wait until there is room again.
    pub(crate) fn allow(&self, most: usize) {
        self.0.most.store(most, Ordering::Relaxed);
        self.0.freed.notify_waiters();
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> Place {
        loop {
            // Asked for before looking, so that a place freed in between is not missed.
            let mut freed = std::pin::pin!(self.0.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.try_take() {
                return place;
            }
            freed.await;
        }
    }

    fn try_take(&self) -> Option<Place> {
        let most = self.0.most.load(Ordering::Relaxed);
        let one_more = |taken: usize| (taken < most).then_some(taken + 1);
        let taken = &self.0.taken;
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        // All of the few listeners look again: the one that is told may be on its way out.
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_are_waited_for_and_their_number_changes() {
        let places = Places::new(2);
        let (one, two) = (places.take().await, places.take().await);
        let soon = Duration::from_millis(1);
        assert!(timeout(soon, places.take()).await.is_err());
        places.allow(3);
        let three = timeout(soon, places.take()).await.unwrap();
        places.allow(1);
        drop((one, two));
        assert!(timeout(soon, places.take()).await.is_err(), "one is still there");
        let (waiting, ()) = tokio::join!(timeout(soon, places.take()), async { drop(three) });
        assert!(waiting.is_ok());
    }
}
