//! Where what clients want lies until their slot takes it.
//!
//! Orders wait for their turn, and senders for room. What must be heard whatever a child does has room of its own: a goodbye's
//! is reserved before its call begins. Both ends live on one thread: the lock is never waited for, it only lets the compiler
//! know.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::counts::Count;
use super::replies::Post;
use crate::bridge::switchboard::Order;
use crate::wire::id::CallId;

#[derive(Debug, Default)]
pub(super) struct Letterbox {
    letters: Mutex<Letters>,
    /// Goodbyes that have not been said.
    reserved: Count,
    /// The reader does not listen any more.
    closed: AtomicBool,
    /// There is room for one more order.
    room: Notify,
}

#[derive(Debug, Default)]
struct Letters {
    orders: VecDeque<Order<Post>>,
    /// Goodbyes and closings, which a child that does not read must not hold up.
    control: VecDeque<Order<Post>>,
    /// Calls that have begun.
    calls: u64,
    /// Senders that wait for room.
    senders: usize,
    slot: Option<Waker>,
    reader: Reader,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reader {
    #[default]
    Listens,
    /// It takes nothing but what is here, and the goodbyes that were promised to it.
    Leaves,
    Gone,
}

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    Full,
    Closed,
}

/// A sender that waits for room, counted while it does.
struct Waits<'a>(&'a Letterbox);

/// Orders that wait for a slot's attention.
const ORDERS_MAX: usize = 256;

/// Calls and streams open at one slot.
pub(super) const CALLS_MAX: usize = 16_384;

/// A queue that had to grow larger gives its memory back when it is empty.
const KEPT_MAX: usize = 64;

// === impl Letterbox ===

impl Letterbox {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        // Nothing that panics is done under the lock.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a call, and the room for its goodbye.
    pub(super) fn reserve(&self) -> Result<CallId, NoRoom> {
        let mut letters = self.lock();
        self.has_room(&letters)?;
        self.reserved.add();
        Ok(letters.next_call())
    }

    /// Gives that room back.
    pub(super) fn release(&self) {
        self.reserved.sub();
    }

    /// Reserves the room for a goodbye and puts in the order that begins its call, if there is room for both at once.
    pub(super) fn begin<F>(&self, order: F) -> Result<CallId, F>
    where
        F: FnOnce(CallId) -> Order<Post>,
    {
        let mut letters = self.lock();
        if letters.senders > 0
            || letters.orders.len() >= ORDERS_MAX
            || self.has_room(&letters).is_err()
        {
            return Err(order);
        }
        self.reserved.add();
        let call = letters.next_call();
        letters.orders.push_back(order(call));
        wake(letters);
        Ok(call)
    }

    fn has_room(&self, letters: &Letters) -> Result<(), NoRoom> {
        if letters.reader != Reader::Listens {
            return Err(NoRoom::Closed);
        }
        if self.reserved.get() + letters.control.len() >= CALLS_MAX {
            return Err(NoRoom::Full);
        }
        Ok(())
    }

    /// Says a goodbye for which there is room.
    pub(super) fn say(&self, call: CallId, finished: bool) {
        let mut letters = self.lock();
        if letters.reader != Reader::Gone {
            letters.control.push_back(Order::Goodbye { call, finished });
            wake(letters);
        }
    }

    /// Puts in an order if there is room, and nobody waits for that; else `order` is left.
    pub(super) fn try_send(&self, order: &mut Option<Order<Post>>) -> Result<(), NoRoom> {
        let mut letters = self.lock();
        if letters.senders > 0 && letters.reader == Reader::Listens {
            return Err(NoRoom::Full);
        }
        letters.take_in(order)?;
        wake(letters);
        Ok(())
    }

    /// The same, and waits for room.
    pub(super) async fn send(&self, mut order: Option<Order<Post>>) -> Result<(), NoRoom> {
        let _waits = Waits::new(self);
        let mut is_told = false;
        loop {
            // Before the look, so that whatever comes after it is heard.
            let told = self.room.notified();
            {
                let mut letters = self.lock();
                if letters.reader != Reader::Listens {
                    return Err(NoRoom::Closed);
                }
                // Who came first is told first, and takes what room there is.
                if (is_told || letters.senders == 1) && letters.take_in(&mut order).is_ok() {
                    wake(letters);
                    return Ok(());
                }
            }
            told.await;
            is_told = true;
        }
    }

    /// Puts in what nobody may have to wait for.
    pub(super) fn tell(&self, order: Order<Post>) -> Result<(), NoRoom> {
        let mut letters = self.lock();
        self.has_room(&letters)?;
        letters.control.push_back(order);
        wake(letters);
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// Whether there is anything for the slot, which is woken if there is not.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut letters = self.lock();
        if !letters.control.is_empty() || !letters.orders.is_empty() {
            return Poll::Ready(());
        }
        match &mut letters.slot {
            Some(slot) => slot.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.lock().orders.is_empty()
    }

    pub(super) fn take_order(&self) -> Option<Order<Post>> {
        let mut letters = self.lock();
        let order = take(&mut letters.orders);
        let is_awaited = letters.senders > 0 && order.is_some();
        drop(letters);
        if is_awaited {
            self.room.notify_one();
        }
        order
    }

    pub(super) fn take_control(&self) -> Option<Order<Post>> {
        take(&mut self.lock().control)
    }

    /// From here on nothing new is taken.
    pub(super) fn close(&self) {
        self.lock().reader = Reader::Leaves;
        self.closed.store(true, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// The slot is gone, and what lies here with it.
    pub(super) fn abandon(&self) {
        let mut letters = self.lock();
        letters.reader = Reader::Gone;
        self.closed.store(true, Ordering::Relaxed);
        let unread = (std::mem::take(&mut letters.orders), std::mem::take(&mut letters.control));
        letters.slot = None;
        drop(letters);
        drop(unread);
        self.room.notify_waiters();
    }
}

fn take(queue: &mut VecDeque<Order<Post>>) -> Option<Order<Post>> {
    let order = queue.pop_front();
    if queue.is_empty() && queue.capacity() > KEPT_MAX {
        *queue = VecDeque::new();
    }
    order
}

/// Wakes the slot, once the lock is released.
fn wake(mut letters: MutexGuard<'_, Letters>) {
    let slot = letters.slot.take();
    drop(letters);
    if let Some(slot) = slot {
        slot.wake();
    }
}

// === impl Letters ===

impl Letters {
    fn take_in(&mut self, order: &mut Option<Order<Post>>) -> Result<(), NoRoom> {
        if self.reader != Reader::Listens {
            return Err(NoRoom::Closed);
        }
        if self.orders.len() >= ORDERS_MAX {
            return Err(NoRoom::Full);
        }
        if let Some(order) = order.take() {
            self.orders.push_back(order);
        }
        Ok(())
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }
}

// === impl Waits ===

impl<'a> Waits<'a> {
    fn new(letterbox: &'a Letterbox) -> Self {
        letterbox.lock().senders += 1;
        Self(letterbox)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
    }
}
