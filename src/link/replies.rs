//! The way back from a slot to one waiting client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::sealer::Sealer;
use crate::bridge::outlet::{Asks, Event, Offer, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Order;
use crate::wire::id::CallId;
use crate::wire::splice::{Patch, splice};

/// The slot's end: events are offered, never awaited.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    events: mpsc::Sender<Event>,
    waiting: Arc<AtomicUsize>,
}

/// The client's end. Dropping it says goodbye for every call that was promised to it.
#[derive(Debug)]
pub(crate) struct Replies {
    events: mpsc::Receiver<Event>,
    waiting: Arc<AtomicUsize>,
    farewells: Vec<Farewell>,
    /// Answers that have been taken out.
    answered: usize,
    /// The answer became a stream whose events are kept until we say that we had them all.
    kept: bool,
    sealer: Option<Box<Sealer>>,
}

/// A goodbye that has not been said.
#[derive(Debug)]
pub(crate) struct Farewell {
    permit: mpsc::OwnedPermit<Order<Post>>,
    call: CallId,
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
    let (sender, receiver) = mpsc::channel(events_max);
    let waiting = Arc::new(AtomicUsize::new(0));
    let post = Post { events: sender, waiting: Arc::clone(&waiting) };
    let replies = Replies {
        events: receiver,
        waiting,
        farewells: Vec::new(),
        answered: 0,
        kept: false,
        sealer: None,
    };
    (post, replies)
}

// === impl Farewell ===

impl Farewell {
    pub(super) fn new(permit: mpsc::OwnedPermit<Order<Post>>, call: CallId) -> Self {
        Self { permit, call }
    }

    pub(crate) fn call(&self) -> CallId {
        self.call
    }
}

// === impl Post ===

impl Outlet for Post {
    fn offer(&self, event: Event, weight: Weight) -> Offer {
        let bytes = size(&event);
        let waiting = self.waiting.load(Ordering::Relaxed);
        let full = match weight {
            Weight::Droppable => self.events.capacity() <= RESERVED || waiting + bytes > BYTES_MAX,
            Weight::Needed => waiting > NEEDED_BYTES_MAX,
        };
        if full {
            return if self.events.is_closed() { Offer::Gone } else { Offer::Full };
        }
        match self.events.try_send(event) {
            Ok(()) => {
                self.waiting.fetch_add(bytes, Ordering::Relaxed);
                Offer::Taken
            }
            Err(mpsc::error::TrySendError::Full(_)) => Offer::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => Offer::Gone,
        }
    }

    fn is_gone(&self) -> bool {
        self.events.is_closed()
    }
}

// === impl Replies ===

impl Replies {
    /// Promises that a goodbye is said for this call when the reader leaves.
    pub(crate) fn promise(&mut self, farewell: Farewell) {
        self.farewells.push(farewell);
    }

    /// Has questions sealed in this way. Without it there are none.
    pub(crate) fn sealed_by(&mut self, sealer: Sealer) {
        self.sealer = Some(Box::new(sealer));
    }

    pub(crate) async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let polled = self.events.poll_recv(cx);
        if let Poll::Ready(Some(event)) = &polled {
            self.waiting.fetch_sub(size(event), Ordering::Relaxed);
            match event {
                Event::Stream { first, .. } => self.kept |= first.is_some(),
                Event::Answer { id, .. } => {
                    self.kept |= id.is_some();
                    self.answered += 1;
                }
                Event::Refuse { .. } | Event::Asks(_) => self.answered += 1,
                Event::Message { id, .. } => self.kept |= id.is_some(),
            }
        }
        polled.map(|event| match event {
            Some(Event::Asks(asks)) => Some(self.seal(*asks)),
            event => event,
        })
    }

    /// A response that asks, with its state in it: from here on a response like any other.
    fn seal(&self, asks: Asks) -> Event {
        let Asks { id, text, hole, ticket } = asks;
        let Some(state) = self.sealer.as_ref().and_then(|sealer| sealer.seal(ticket)) else {
            return Event::Refuse { why: Refusal::StateTooLong, id: Some(id) };
        };
        let text = splice(&text, &[Patch { at: hole, with: state.as_bytes() }]);
        Event::Answer { id: None, text, error: None }
    }

    /// Whether every call has had its answer.
    pub(crate) fn is_complete(&self) -> bool {
        self.answered > 0 && self.answered >= self.farewells.len()
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        let finished = self.is_complete();
        // A plain answer that has been handed over leaves nothing behind that a goodbye could end.
        if finished && !self.kept {
            return;
        }
        for Farewell { permit, call } in self.farewells.drain(..) {
            permit.send(Order::Goodbye { call, finished });
        }
    }
}

fn size(event: &Event) -> usize {
    match event {
        Event::Message { text, .. } | Event::Answer { text, .. } => text.len(),
        Event::Asks(asks) => asks.text.len(),
        Event::Stream { .. } | Event::Refuse { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::link::handle::Link;
    use crate::wire::id::ServerName;

    fn message(bytes: usize) -> Event {
        Event::Message { id: None, text: Bytes::from(vec![b'x'; bytes]) }
    }

    fn answer() -> Event {
        Event::Answer { id: None, text: Bytes::from_static(b"{}"), error: None }
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
        let answer = || Event::Answer { id: None, text: vec![b'x'; 16 << 20].into(), error: None };
        let taken = (0..10).filter(|_| post.offer(answer(), Weight::Needed) == Offer::Taken);
        assert_eq!(taken.count(), 5, "one more than fits, however long it is");
    }

    #[tokio::test]
    async fn goodbye_is_said_unless_a_plain_answer_was_handed_over() {
        let (link, mut inbox) = Link::new(ServerName::new("s").unwrap());
        let mut said = |events: Vec<Event>, read: usize| {
            let (post, mut replies) = channel(EVENTS_MAX);
            let farewell = link.admit().unwrap();
            let id = farewell.call();
            replies.promise(farewell);
            for event in events {
                post.offer(event, Weight::Needed);
            }
            let mut cx = Context::from_waker(std::task::Waker::noop());
            for _ in 0..read {
                assert!(replies.poll_next(&mut cx).is_ready());
            }
            drop(replies);
            match inbox.control.try_recv() {
                Ok(Order::Goodbye { call, finished }) if call == id => Some(finished),
                Ok(other) => panic!("{other:?}"),
                Err(_) => None,
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
        let kept = Event::Answer { id: Some(first), text: Bytes::from_static(b"{}"), error: None };
        assert_eq!(said(vec![resumed, kept], 2), Some(true));
    }
}
