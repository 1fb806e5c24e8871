//! The handle to a slot.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

use super::letterbox::{Letterbox, NoRoom};
use super::replies::{Post, Replies};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Order;
use crate::wire::id::{CallId, FrontId, ServerName};

/// The orders of clients to one slot, in order.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Wires>);

/// A handle that does not keep what lies behind it: who is remembered longer than its slot must not hold that.
#[derive(Clone, Debug)]
pub(crate) struct WeakLink(Weak<Wires>);

#[derive(Debug)]
struct Wires {
    server: ServerName,
    letterbox: Letterbox,
    /// No other slot has it, of this process or an earlier one.
    number: u64,
}

/// The end a slot holds. As long as it is there, so is the way to it.
#[derive(Debug)]
pub(crate) struct Inbox(Link);

/// A goodbye that has not been said, and the room for it.
#[derive(Debug)]
pub(crate) struct Farewell {
    link: Link,
    call: CallId,
}

/// A call that cannot begin at once, most often because the child does not read.
pub(crate) type Delayed = Pin<Box<dyn Future<Output = Result<Replies, Refusal>> + Send>>;

/// How long an order waits for a child that does not read.
const PATIENCE: Duration = Duration::from_secs(10);

// === impl Link ===

impl Link {
    pub(crate) fn new(server: ServerName) -> (Self, Inbox) {
        let number = getrandom::u64().unwrap_or_default();
        let link = Self(Arc::new(Wires { server, letterbox: Letterbox::default(), number }));
        (link.clone(), Inbox(link))
    }

    pub(crate) fn downgrade(&self) -> WeakLink {
        WeakLink(Arc::downgrade(&self.0))
    }

    /// A number for a call, and the room for its goodbye.
    pub(crate) fn admit(&self) -> Result<Farewell, Refusal> {
        let call = self.0.letterbox.reserve().map_err(|why| match why {
            NoRoom::Full => self.busy("too many calls and streams are open"),
            NoRoom::Closed => self.closed(),
        })?;
        Ok(Farewell { link: self.clone(), call })
    }

    /// Begins a call whose answer comes to `replies`. What takes longer waits while the child does not read, but not for ever.
    pub(crate) fn call<F>(self, mut replies: Replies, order: F) -> Result<Replies, Delayed>
    where
        F: FnOnce(CallId) -> Order<Post> + Send + 'static,
    {
        // Most often there is room.
        match self.0.letterbox.begin(order) {
            Ok(call) => {
                replies.promise(Farewell { link: self, call });
                Ok(replies)
            }
            // Apart, so that nobody carries along what waiting takes.
            Err(order) => Err(Box::pin(self.call_later(replies, order))),
        }
    }

    async fn call_later<F>(self, mut replies: Replies, order: F) -> Result<Replies, Refusal>
    where
        F: FnOnce(CallId) -> Order<Post>,
    {
        replies.promise(self.begin(order).await?);
        Ok(replies)
    }

    /// Begins a call, one of several whose answers come together. The goodbye has to be promised for it at once.
    pub(crate) async fn begin<F>(&self, order: F) -> Result<Farewell, Refusal>
    where
        F: FnOnce(CallId) -> Order<Post>,
    {
        let farewell = self.admit()?;
        self.send(order(farewell.call())).await?;
        Ok(farewell)
    }

    /// Sends an order. Waits while the child does not read, but not for ever.
    pub(crate) async fn send(&self, order: Order<Post>) -> Result<(), Refusal> {
        // Most often there is room, and then no timer is needed.
        let mut order = Some(order);
        match self.0.letterbox.try_send(&mut order) {
            Ok(()) => return Ok(()),
            Err(NoRoom::Closed) => return Err(self.closed()),
            Err(NoRoom::Full) => {}
        }
        // Apart, so that nobody carries along what waiting takes.
        match Box::pin(timeout(PATIENCE, self.0.letterbox.send(order))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(self.busy("it does not read its standard input")),
        }
    }

    /// Ends a session. Never waits; a slot with no room for this has thousands of goodbyes to read first, and a session that
    /// is not closed then is only idle.
    pub(crate) fn close(&self, front: FrontId) {
        // A slot that is gone, or going, needs no telling.
        if self.0.letterbox.tell(Order::Close { front }) == Err(NoRoom::Full) {
            tracing::warn!(server = %self.0.server, "a session could not be closed: its slot is flooded");
        }
    }

    /// What its slot is called where nobody may mistake another for it.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether the slot still listens.
    pub(crate) fn is_open(&self) -> bool {
        self.0.letterbox.is_open()
    }

    fn busy(&self, what: &'static str) -> Refusal {
        Refusal::Busy { server: self.0.server.clone(), what }
    }

    fn closed(&self) -> Refusal {
        Refusal::NoChild { server: self.0.server.clone(), why: "it is being stopped".into() }
    }
}

// === impl WeakLink ===

impl WeakLink {
    /// The handle again, if its slot still listens.
    pub(crate) fn upgrade(&self) -> Option<Link> {
        self.0.upgrade().map(Link).filter(Link::is_open)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.upgrade().is_some()
    }
}

// === impl Inbox ===

impl Inbox {
    /// Whether there is anything for the slot, which is woken if there is not.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.0.letterbox.poll(cx)
    }

    pub(crate) fn has_orders(&self) -> bool {
        self.0.0.letterbox.has_orders()
    }

    pub(crate) fn next_order(&self) -> Option<Order<Post>> {
        self.0.0.letterbox.take_order()
    }

    /// The next goodbye or closing.
    pub(crate) fn next_control(&self) -> Option<Order<Post>> {
        self.0.0.letterbox.take_control()
    }

    /// Whoever comes now finds the link closed. What has come, and goodbyes of those who were admitted, is still there to take.
    pub(crate) fn close(&self) {
        self.0.0.letterbox.close();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.0.letterbox.abandon();
    }
}

// === impl Farewell ===

impl Farewell {
    pub(crate) fn call(&self) -> CallId {
        self.call
    }

    /// Says it: the call's reader has gone, after all of it (`finished`) or before. Neither waits nor fails.
    pub(super) fn say(self, finished: bool) {
        self.link.0.letterbox.say(self.call, finished);
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.link.0.letterbox.release();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Waker;

    use super::*;
    use crate::link::letterbox::CALLS_MAX;

    fn order(front: u64) -> Order<Post> {
        Order::Close { front: FrontId::new(0, front) }
    }

    fn front(order: Option<Order<Post>>) -> Option<u64> {
        match order {
            Some(Order::Close { front }) => Some(front.serial()),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    fn link() -> (Link, Inbox) {
        Link::new(ServerName::new("s").unwrap())
    }

    #[tokio::test]
    async fn senders_wait_for_room_and_are_let_in_as_they_came() {
        let (link, inbox) = link();
        for n in 0..256 {
            link.send(order(n)).await.unwrap();
        }
        let mut late: Vec<_> = (256..259).map(|n| Box::pin(link.send(order(n)))).collect();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(late.iter_mut().all(|late| late.as_mut().poll(&mut cx).is_pending()));
        assert_eq!(front(inbox.next_order()), Some(0));
        // Who comes now does not overtake those who wait.
        let mut last = Box::pin(link.send(order(259)));
        assert!(last.as_mut().poll(&mut cx).is_pending());
        assert!(late[1].as_mut().poll(&mut cx).is_pending());
        assert!(late[0].as_mut().poll(&mut cx).is_ready());
        // What was told to one that gives up is told to the next.
        assert_eq!(front(inbox.next_order()), Some(1));
        drop(late.remove(1));
        assert!(late[1].as_mut().poll(&mut cx).is_ready());
        assert!(last.as_mut().poll(&mut cx).is_pending());
        for n in (2..257).chain([258]) {
            assert_eq!(front(inbox.next_order()), Some(n));
        }
        assert!(last.as_mut().poll(&mut cx).is_ready());
        assert_eq!(front(inbox.next_order()), Some(259));
        assert_eq!(front(inbox.next_order()), None);
    }

    #[tokio::test]
    async fn a_call_waits_for_room_like_any_order() {
        let (link, inbox) = link();
        for n in 0..256 {
            link.send(order(n)).await.unwrap();
        }
        let call = || {
            let (_, replies) = crate::link::replies::channel(1);
            link.clone().call(replies, |call| Order::Goodbye { call, finished: false })
        };
        let mut delayed = call().expect_err("there is no room");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(delayed.as_mut().poll(&mut cx).is_pending());
        assert_eq!(front(inbox.next_order()), Some(0));
        // Who comes now does not overtake who waits.
        assert!(call().is_err());
        assert!(matches!(delayed.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
        drop(delayed);
        for n in 1..256 {
            assert_eq!(front(inbox.next_order()), Some(n));
        }
        assert!(matches!(inbox.next_order(), Some(Order::Goodbye { .. })));
        inbox.close();
        let closed = call().expect_err("nobody listens").await;
        assert!(matches!(closed, Err(Refusal::NoChild { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_or_for_a_closed_slot() {
        let (link, inbox) = link();
        for n in 0..256 {
            link.send(order(n)).await.unwrap();
        }
        assert!(matches!(link.send(order(0)).await, Err(Refusal::Busy { .. })));
        let close = async { inbox.close() };
        let (sent, ()) = tokio::join!(link.send(order(0)), close);
        assert!(matches!(sent, Err(Refusal::NoChild { .. })));
        assert!(!link.is_open() && link.admit().is_err());
    }

    #[test]
    fn goodbyes_have_their_room_until_the_slot_is_gone() {
        let (link, inbox) = link();
        let mut farewells: Vec<Farewell> = std::iter::from_fn(|| link.admit().ok()).collect();
        assert_eq!(farewells.len(), CALLS_MAX);
        // One that is said keeps its place until it is heard, and one that never is leaves it.
        farewells.pop().unwrap().say(true);
        assert!(link.admit().is_err());
        drop(farewells.pop());
        drop(link.admit().unwrap());
        assert!(matches!(inbox.next_control(), Some(Order::Goodbye { finished: true, .. })));
        inbox.close();
        farewells.pop().unwrap().say(false);
        assert!(matches!(inbox.next_control(), Some(Order::Goodbye { finished: false, .. })));
        drop(inbox);
        farewells.pop().unwrap().say(false);
        assert!(link.0.letterbox.take_control().is_none());
    }

    #[test]
    fn a_slot_is_woken_once_for_what_comes() {
        struct Count(AtomicU64);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicU64::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let (link, inbox) = link();
        let farewell = link.admit().unwrap();
        for _ in 0..2 {
            assert!(inbox.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        link.close(FrontId::new(0, 1));
        farewell.say(true);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(inbox.poll(&mut Context::from_waker(&waker)).is_ready());
    }
}
