//! The way back from a slot to one waiting client.
//!
//! Most calls see one event, their answer, so that has a place of its own and a queue is made for streams alone. Both ends live on
//! one thread: the lock is never waited for, it only lets the compiler know.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::counts::Count;
use super::handle::Farewell;
use super::sealer::Sealer;
use crate::bridge::outlet::{Asks, Event, Offer, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::wire::id::RawId;
use crate::wire::splice::Patch;
use crate::wire::text::Text;

/// The slot's end: events are offered, never awaited.
#[derive(Debug)]
pub(crate) struct Post(Arc<Table>);

/// The client's end. Dropping it says goodbye for every call that was promised to it.
#[derive(Debug)]
pub(crate) struct Replies {
    table: Arc<Table>,
    farewell: Option<Farewell>,
    /// Those of the other calls of a batch.
    others: Vec<Farewell>,
    /// Calls of a batch that never got as far as the slot.
    refused: usize,
    /// Whom an event will wake.
    waits: Option<(usize, usize)>,
    /// Answers that have been taken out.
    answered: usize,
    /// The answer became a stream whose events are kept until we say that we had them all.
    kept: bool,
    sealer: Option<Box<Sealer>>,
}

/// What stands between the two. What either asks most often can be seen without a lock.
#[derive(Debug)]
struct Table {
    tray: Mutex<Tray>,
    room: usize,
    /// Events that wait.
    waiting: Count,
    posts: Count,
    /// The reader has left.
    is_gone: AtomicBool,
}

#[derive(Debug)]
struct Tray {
    first: Option<Event>,
    /// What came behind the first.
    more: VecDeque<Event>,
    /// Bytes of the events that wait.
    bytes: usize,
    reader: Option<Waker>,
}

/// Events that wait for one reader.
pub(crate) const EVENTS_MAX: usize = 256;

/// Of these, how many places are for answers and questions alone.
const RESERVED: usize = 32;

/// Bytes that wait for one reader, above which progress and logs are let go.
const BYTES_MAX: usize = 4 << 20;

/// Bytes that wait for one reader, above which it is taken for one that does not read at all.
const NEEDED_BYTES_MAX: usize = 64 << 20;

/// Makes the two ends, with room for this many events.
pub(crate) fn channel(events_max: usize) -> (Post, Replies) {
    let tray = Tray { first: None, more: VecDeque::new(), bytes: 0, reader: None };
    let table = Arc::new(Table {
        tray: Mutex::new(tray),
        room: events_max,
        waiting: Count::default(),
        posts: Count::new(1),
        is_gone: AtomicBool::new(false),
    });
    let post = Post(Arc::clone(&table));
    let replies = Replies {
        table,
        farewell: None,
        others: Vec::new(),
        refused: 0,
        waits: None,
        answered: 0,
        kept: false,
        sealer: None,
    };
    (post, replies)
}

// === impl Table ===

impl Table {
    fn lock(&self) -> MutexGuard<'_, Tray> {
        // Nothing that panics is done under the lock.
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, tray: &mut Tray, event: Event, bytes: usize) {
        tray.bytes += bytes;
        if self.waiting.get() == 0 {
            tray.first = Some(event);
        } else {
            tray.more.push_back(event);
        }
        self.waiting.add();
    }

    fn take(&self) -> Option<Event> {
        if self.waiting.get() == 0 {
            return None;
        }
        let mut tray = self.lock();
        let event = tray.first.take().or_else(|| tray.more.pop_front())?;
        tray.bytes -= size(&event);
        self.waiting.sub();
        Some(event)
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }
}

/// Wakes the reader if it waits, once the lock is released.
fn wake(mut tray: MutexGuard<'_, Tray>) {
    let reader = tray.reader.take();
    drop(tray);
    if let Some(reader) = reader {
        reader.wake();
    }
}

// === impl Post ===

impl Outlet for Post {
    fn offer(&self, event: Event, weight: Weight) -> Offer {
        let table = &*self.0;
        if table.is_gone() {
            return Offer::Gone;
        }
        let bytes = size(&event);
        let waiting = table.waiting.get();
        let mut tray = table.lock();
        let full = match weight {
            Weight::Droppable => waiting + RESERVED >= table.room || tray.bytes + bytes > BYTES_MAX,
            Weight::Needed => waiting >= table.room || tray.bytes > NEEDED_BYTES_MAX,
        };
        if full {
            return Offer::Full;
        }
        table.put(&mut tray, event, bytes);
        wake(tray);
        Offer::Taken
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

impl Clone for Post {
    fn clone(&self) -> Self {
        self.0.posts.add();
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // Who has left waits for nothing, and who has something to take comes by itself.
        if self.0.posts.sub() == 0 && !self.0.is_gone() && self.0.waiting.get() == 0 {
            wake(self.0.lock());
        }
    }
}

// === impl Replies ===

impl Replies {
    /// Promises that a goodbye is said for this call when the reader leaves.
    pub(crate) fn promise(&mut self, farewell: Farewell) {
        if self.farewell.is_none() {
            self.farewell = Some(farewell);
        } else {
            self.others.push(farewell);
        }
    }

    /// Refuses one of several calls: that is its answer.
    pub(crate) fn refuse(&mut self, why: Refusal, id: Option<RawId>) {
        self.refused += 1;
        let mut tray = self.table.lock();
        self.table.put(&mut tray, Event::Refuse { why, id }, 0);
    }

    /// Has questions sealed in this way. Without it there are none.
    pub(crate) fn sealed_by(&mut self, sealer: Sealer) {
        self.sealer = Some(Box::new(sealer));
    }

    pub(crate) async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(event) = self.table.take() else {
            if self.table.posts.get() == 0 {
                return Poll::Ready(None);
            }
            // A connection asks again whenever anything happens to it.
            let waker = cx.waker();
            let asks = (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr());
            if self.waits != Some(asks) {
                self.waits = Some(asks);
                self.table.lock().reader = Some(waker.clone());
            }
            return Poll::Pending;
        };
        self.waits = None;
        match &event {
            Event::Stream { first, .. } => self.kept |= first.is_some(),
            Event::Answer { id, .. } => {
                self.kept |= id.is_some();
                self.answered += 1;
            }
            Event::Refuse { .. } | Event::Asks(_) => self.answered += 1,
            Event::Message { id, .. } => self.kept |= id.is_some(),
        }
        if let Event::Asks(asks) = event {
            return Poll::Ready(Some(self.seal(*asks)));
        }
        Poll::Ready(Some(event))
    }

    /// A response that asks, with its state in it: from here on a response like any other.
    fn seal(&self, asks: Asks) -> Event {
        let Asks { id, text, hole, ticket } = asks;
        let Some(state) = self.sealer.as_ref().and_then(|sealer| sealer.seal(ticket)) else {
            return Event::Refuse { why: Refusal::StateTooLong, id: Some(id) };
        };
        let text = Text::spliced(&text, &[Patch { at: hole, with: state.as_bytes() }]);
        Event::Answer { id: None, text, error: None }
    }

    /// Whether every call has had its answer.
    pub(crate) fn is_complete(&self) -> bool {
        let calls = usize::from(self.farewell.is_some()) + self.others.len() + self.refused;
        self.answered > 0 && self.answered >= calls
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.table.is_gone.store(true, Ordering::Relaxed);
        // Otherwise nobody holds the table but us.
        if self.table.posts.get() > 0 {
            let mut tray = self.table.lock();
            let unread = (tray.first.take(), std::mem::take(&mut tray.more));
            let reader = tray.reader.take();
            drop(tray);
            drop((unread, reader));
        }
        let finished = self.is_complete();
        // A plain answer that has been handed over leaves nothing behind that a goodbye could end.
        if finished && !self.kept {
            return;
        }
        for farewell in self.farewell.take().into_iter().chain(self.others.drain(..)) {
            farewell.say(finished);
        }
    }
}

fn size(event: &Event) -> usize {
    match event {
        Event::Message { text, .. } => text.len(),
        Event::Answer { text, .. } => text.len(),
        Event::Asks(asks) => asks.text.len(),
        Event::Stream { .. } | Event::Refuse { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::bridge::switchboard::Order;
    use crate::link::handle::Link;
    use crate::wire::id::ServerName;

    fn message(bytes: usize) -> Event {
        Event::Message { id: None, text: Bytes::from(vec![b'x'; bytes]) }
    }

    fn answer() -> Event {
        Event::Answer { id: None, text: Bytes::from_static(b"{}").into(), error: None }
    }

    #[tokio::test]
    async fn a_slow_reader_loses_progress_but_never_its_answer() {
        let (post, mut replies) = channel(EVENTS_MAX);
        let taken = (0..EVENTS_MAX)
            .filter(|_| post.offer(message(1), Weight::Droppable) == Offer::Taken)
            .count();
        assert_eq!(taken, EVENTS_MAX - RESERVED);
        assert_eq!(post.offer(answer(), Weight::Needed), Offer::Taken);
        for _ in 0..taken {
            assert!(matches!(replies.next().await, Some(Event::Message { .. })));
        }
        assert!(matches!(replies.next().await, Some(Event::Answer { .. })));
        drop(replies);
        assert_eq!(post.offer(answer(), Weight::Needed), Offer::Gone);
    }

    #[tokio::test]
    async fn a_batch_is_complete_when_each_call_is_answered_or_refused() {
        let (link, _inbox) = Link::new(ServerName::new("s").unwrap());
        let (post, mut replies) = channel(EVENTS_MAX);
        replies.promise(link.admit().unwrap());
        replies.refuse(Refusal::Interrupted, None);
        replies.promise(link.admit().unwrap());
        assert!(matches!(replies.next().await, Some(Event::Refuse { .. })));
        for _ in 0..2 {
            assert!(!replies.is_complete());
            post.offer(answer(), Weight::Needed);
            assert!(matches!(replies.next().await, Some(Event::Answer { .. })));
        }
        assert!(replies.is_complete());
    }

    #[tokio::test]
    async fn waiting_bytes_are_bounded_too() {
        let (post, mut replies) = channel(EVENTS_MAX);
        assert_eq!(post.offer(message(BYTES_MAX), Weight::Droppable), Offer::Taken);
        assert_eq!(post.offer(message(1), Weight::Droppable), Offer::Full);
        replies.next().await;
        assert_eq!(post.offer(message(1), Weight::Droppable), Offer::Taken);
    }

    #[test]
    fn a_reader_that_takes_nothing_is_given_up() {
        let (post, _replies) = channel(EVENTS_MAX);
        let answer = || Event::Answer {
            id: None,
            text: Bytes::from(vec![b'x'; 16 << 20]).into(),
            error: None,
        };
        let taken = (0..10).filter(|_| post.offer(answer(), Weight::Needed) == Offer::Taken);
        assert_eq!(taken.count(), 5, "one more than fits, however long it is");
    }

    #[tokio::test]
    async fn whoever_asked_last_is_woken() {
        struct Bell(AtomicBool);
        impl std::task::Wake for Bell {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let (post, mut replies) = channel(EVENTS_MAX);
        let bells = [(); 2].map(|()| Arc::new(Bell(AtomicBool::new(false))));
        let mut ask = |bell: &Arc<Bell>| {
            let waker = Waker::from(Arc::clone(bell));
            replies.poll_next(&mut Context::from_waker(&waker)).is_ready()
        };
        let rung = |bell: &Arc<Bell>| bell.0.swap(false, Ordering::Relaxed);
        assert!(!ask(&bells[0]) && !ask(&bells[0]) && !ask(&bells[1]));
        post.offer(message(1), Weight::Needed);
        assert!(!rung(&bells[0]) && rung(&bells[1]));
        // The same again, after it was woken once.
        assert!(ask(&bells[1]) && !ask(&bells[1]));
        drop(post);
        assert!(rung(&bells[1]) && ask(&bells[1]));
    }

    #[tokio::test]
    async fn goodbye_is_said_unless_a_plain_answer_was_handed_over() {
        let (link, inbox) = Link::new(ServerName::new("s").unwrap());
        let said = |events: Vec<Event>, read: usize| {
            let (post, mut replies) = channel(EVENTS_MAX);
            let farewell = link.admit().unwrap();
            let id = farewell.call();
            replies.promise(farewell);
            for event in events {
                post.offer(event, Weight::Needed);
            }
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..read {
                assert!(replies.poll_next(&mut cx).is_ready());
            }
            drop(replies);
            match inbox.next_control() {
                Some(Order::Goodbye { call, finished }) if call == id => Some(finished),
                Some(other) => panic!("{other:?}"),
                None => None,
            }
        };
        let first = crate::wire::id::EventId { stream: crate::wire::id::StreamId(1), seq: 0 };
        let stream = Event::Stream { first: Some(first), prime: false };
        assert_eq!(said(vec![answer()], 1), None);
        assert_eq!(said(vec![answer()], 0), Some(false));
        assert_eq!(said(vec![], 0), Some(false));
        assert_eq!(said(vec![stream.clone(), answer()], 2), Some(true));
        assert_eq!(said(vec![stream, answer()], 1), Some(false));
        // A stream that was taken up again does not begin with an id, but its events have theirs.
        let resumed = Event::Stream { first: None, prime: false };
        let kept =
            Event::Answer { id: Some(first), text: Bytes::from_static(b"{}").into(), error: None };
        assert_eq!(said(vec![resumed, kept], 2), Some(true));
    }
}
