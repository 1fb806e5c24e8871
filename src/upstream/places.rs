//! Room for processes: so many for one server, and so many for all servers together.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The room all servers share.
#[derive(Debug)]
pub(crate) struct HostRoom {
    places: Arc<Semaphore>,
    max: usize,
    /// Told to all wardens when somebody wants a place and none is free.
    pub(super) squeezed: Notify,
    born: Instant,
    /// When room was last made for somebody, and when it was last said that nobody could, in milliseconds from `born`.
    made: AtomicU64,
    said: AtomicU64,
}

/// What a process takes up. Dropping it makes the room free again.
#[derive(Debug)]
pub(super) struct Places {
    _server: Option<OwnedSemaphorePermit>,
    _host: Option<OwnedSemaphorePermit>,
}

/// How long the room that one child makes may take to become free before another is asked.
const MADE_AGAIN: Duration = Duration::from_millis(500);

/// How often a slot that waits for a place says so.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How often it is said that the host is full.
const SAID_AGAIN: Duration = Duration::from_secs(10);

// === impl HostRoom ===

impl HostRoom {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
            max,
            squeezed: Notify::new(),
            born: Instant::now(),
            made: AtomicU64::new(0),
            said: AtomicU64::new(0),
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Whether the caller is the one to make room now. Of several who could, one does.
    pub(super) fn claim(&self) -> bool {
        self.is_full() && self.due(&self.made, MADE_AGAIN)
    }

    /// Whether it is time to say again that the host is full.
    pub(super) fn is_to_be_said(&self) -> bool {
        self.due(&self.said, SAID_AGAIN)
    }

    fn due(&self, last: &AtomicU64, again: Duration) -> bool {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // Zero is never.
        let now = ms(self.born.elapsed()) + 1;
        let before = last.load(Ordering::Relaxed);
        (before == 0 || now - before.min(now) >= ms(again))
            && last.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

// === impl Places ===

impl Places {
    /// A place of the server and of the host, if both are free.
    pub(super) fn try_take(server: &Arc<Semaphore>, host: &HostRoom) -> Option<Self> {
        let server = Arc::clone(server).try_acquire_owned().ok()?;
        let host = Arc::clone(&host.places).try_acquire_owned().ok()?;
        Some(Self { _server: Some(server), _host: Some(host) })
    }

    /// Waits for a place of the server and then for one of the host. As long as there is none, it asks again and again for
    /// room: several may wait where one made room, and who was busy may rest now.
    pub(super) async fn take(
        server: &Arc<Semaphore>,
        ask_server: impl Fn(),
        host: &HostRoom,
        ask_host: impl Fn(),
    ) -> Self {
        let server = asking(Arc::clone(server).acquire_owned(), ask_server).await;
        let host = asking(Arc::clone(&host.places).acquire_owned(), ask_host).await;
        Self { _server: server.ok(), _host: host.ok() }
    }
}

/// Waits, in the same place of the row all the time.
async fn asking<T>(waiting: impl Future<Output = T>, ask: impl Fn()) -> T {
    let mut waiting = pin!(waiting);
    loop {
        match tokio::time::timeout(ASK_AGAIN, &mut waiting).await {
            Ok(place) => return place,
            Err(_) => ask(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_of_the_host_is_waited_for_and_comes_back() {
        let (one, other) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(2)));
        let host = HostRoom::new(1);
        let held = Places::take(&one, || {}, &host, || {}).await;
        assert!(host.is_full());
        let mut waiting = std::pin::pin!(Places::take(&other, || {}, &host, || {}));
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, waiting.as_mut()).await.is_err());
        drop(held);
        waiting.await;
        assert!(!host.is_full());
    }

    #[tokio::test]
    async fn who_has_a_place_of_its_server_goes_on_asking_the_host() {
        let host = HostRoom::new(1);
        let held = Places::take(&Arc::new(Semaphore::new(1)), || {}, &host, || {}).await;
        let (own, asked) = (Arc::new(Semaphore::new(1)), AtomicU64::new(0));
        let ask_host = || {
            asked.fetch_add(1, Ordering::Relaxed);
        };
        let mut waiting = pin!(Places::take(&own, || panic!("it has its place"), &host, ask_host));
        assert!(tokio::time::timeout(ASK_AGAIN * 3, waiting.as_mut()).await.is_err());
        assert!(asked.load(Ordering::Relaxed) >= 2 && own.available_permits() == 0);
        drop(held);
        waiting.await;
    }

    #[tokio::test]
    async fn of_several_that_could_make_room_one_does() {
        let host = HostRoom::new(1);
        assert!(!host.claim(), "there is room");
        let _held = Places::take(&Arc::new(Semaphore::new(1)), || {}, &host, || {}).await;
        assert!(host.claim());
        assert!(!host.claim());
        tokio::time::sleep(MADE_AGAIN + Duration::from_millis(20)).await;
        assert!(host.claim());
    }
}
