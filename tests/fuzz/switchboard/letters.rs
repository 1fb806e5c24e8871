//! The ends of clients: letter boxes that know whose they are, and check what they are given.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use serde_json::Value;
use stdiod::bridge::outlet::{Event, Offer, Outlet, Weight};
use stdiod::bridge::ticket::Ticket;
use stdiod::wire::id::{CallId, EventId, FrontId, StreamId};

/// What all boxes have seen together.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Each event once, however often it was sent.
    events: RefCell<HashMap<EventId, Bytes>>,
    /// Whose a stream is.
    owners: RefCell<HashMap<StreamId, Option<FrontId>>>,
    count: Cell<usize>,
    logs: Cell<usize>,
}

/// One box, seen by its client and by the switchboard.
#[derive(Clone, Debug)]
pub(super) struct Letters(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    mail: Rc<Mail>,
    call: CallId,
    front: Option<FrontId>,
    /// What its client is called in all that concerns it.
    me: u64,
    /// The id its answer has to have, if it waits for one.
    id: Option<String>,
    room: Cell<usize>,
    gone: Cell<bool>,
    left: Cell<bool>,
    was_full: Cell<bool>,
    answers: Cell<usize>,
    first: Cell<Option<EventId>>,
    last: Cell<Option<EventId>>,
    asked: RefCell<Vec<String>>,
    /// The call that waits for its client, the round and the keys of that, if it was answered with questions.
    round: RefCell<Option<(CallId, u32, Vec<String>)>>,
}

// === impl Mail ===

impl Mail {
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    pub(super) fn logs(&self) -> usize {
        self.logs.get()
    }

    pub(super) fn some_event(&self, n: usize) -> Option<EventId> {
        let mut ids: Vec<EventId> = self.events.borrow().keys().copied().collect();
        ids.sort_unstable();
        (!ids.is_empty()).then(|| ids[n % ids.len()])
    }
}

// === impl Letters ===

impl Letters {
    pub(super) fn new(
        mail: &Rc<Mail>,
        call: CallId,
        front: Option<FrontId>,
        me: u64,
        id: Option<&str>,
    ) -> Self {
        Self(Rc::new(Inner {
            mail: Rc::clone(mail),
            call,
            front,
            me,
            id: id.map(str::to_owned),
            room: Cell::new(usize::MAX),
            gone: Cell::new(false),
            left: Cell::new(false),
            was_full: Cell::new(false),
            answers: Cell::new(0),
            first: Cell::new(None),
            last: Cell::new(None),
            asked: RefCell::default(),
            round: RefCell::default(),
        }))
    }

    pub(super) fn call(&self) -> CallId {
        self.0.call
    }

    pub(super) fn holds(&self, room: usize) {
        self.0.room.set(room);
    }

    pub(super) fn leave(&self) {
        self.0.gone.set(true);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.gone.get()
    }

    /// Whether it was answered, or had no right to an answer: it left, or was so slow that it was cut off.
    pub(super) fn is_over(&self) -> bool {
        self.is_answered()
            || self.is_gone()
            || self.0.was_full.get()
            || self.0.first.get().is_some()
    }

    /// Whether the switchboard may still put something into it. Of its client's ends one is in the list of all, and one more is
    /// in that of readers until it says goodbye.
    pub(super) fn is_held(&self) -> bool {
        Rc::strong_count(&self.0) > if self.0.left.get() { 1 } else { 2 }
    }

    /// Its client takes its end out of the list of readers.
    pub(super) fn says_goodbye(&self) {
        self.0.left.set(true);
        self.leave();
    }

    pub(super) fn is_answered(&self) -> bool {
        self.0.answers.get() > 0
    }

    pub(super) fn waits_for_answer(&self) -> bool {
        self.0.id.is_some()
    }

    pub(super) fn last(&self) -> Option<EventId> {
        self.0.last.get().or_else(|| self.0.first.get())
    }

    /// The ids of the questions it was asked.
    pub(super) fn asked(&self) -> Vec<String> {
        self.0.asked.borrow().clone()
    }

    pub(super) fn round(&self) -> Option<(CallId, u32, Vec<String>)> {
        self.0.round.borrow().clone()
    }

    pub(super) fn me(&self) -> u64 {
        self.0.me
    }

    fn read(&self, text: &Bytes, is_answer: bool) {
        let value: Value = serde_json::from_slice(text).expect("clients are told JSON");
        let me = self.0.me;
        for part in ["params", "result"] {
            let of = value[part]["of"].as_u64();
            assert!(of.is_none_or(|of| of == me), "{me} is told what concerns another: {value}");
        }
        let questions = value["result"]["inputRequests"].as_object();
        for (_, question) in questions.into_iter().flatten() {
            let of = question["params"]["of"].as_u64();
            assert!(of.is_none_or(|of| of == me), "{me} is asked for another: {value}");
        }
        if let (true, Some(id)) = (is_answer, &self.0.id) {
            assert_eq!(&value["id"].to_string(), id, "an answer has the id of its request");
        }
        match value["method"].as_str() {
            Some("notifications/message") => self.0.mail.logs.set(self.0.mail.logs.get() + 1),
            Some(_) if value.get("id").is_some() => {
                self.0.asked.borrow_mut().push(value["id"].to_string());
            }
            Some(_) | None => {}
        }
    }

    fn number(&self, id: EventId, text: &Bytes) {
        let mail = &self.0.mail;
        let owner = *mail.owners.borrow_mut().entry(id.stream).or_insert(self.0.front);
        assert_eq!(owner, self.0.front, "a stream belongs to one session");
        let known = mail.events.borrow_mut().entry(id).or_insert_with(|| text.clone()).clone();
        assert_eq!(known, text, "an event id stands for one event");
        let last = self.0.last.replace(Some(id)).or_else(|| self.0.first.get());
        assert!(last.is_none_or(|l| l.stream == id.stream && l.seq + 1 == id.seq), "no gaps");
    }
}

impl Outlet for Letters {
    fn offer(&self, event: Event, weight: Weight) -> Offer {
        let inner = &self.0;
        assert!(inner.answers.get() == 0, "nothing follows an answer: {event:?}");
        if inner.gone.get() {
            return Offer::Gone;
        }
        if inner.room.get() < if weight == Weight::Droppable { 3 } else { 1 } {
            inner.was_full.set(true);
            return Offer::Full;
        }
        inner.room.set(inner.room.get() - 1);
        inner.mail.count.set(inner.mail.count.get() + 1);
        match event {
            Event::Stream { first, prime } => {
                assert!(first.is_some() || !prime, "there is an id to prime with");
                assert!(inner.last.get().is_none(), "a stream begins at its beginning");
                inner.first.set(first);
            }
            Event::Message { id, text } => {
                self.read(&text, false);
                if let Some(id) = id {
                    self.number(id, &text);
                }
            }
            Event::Answer { id, mut text, .. } => {
                let text = text.join();
                self.read(text, true);
                if let Some(id) = id {
                    self.number(id, text);
                }
                inner.answers.set(1);
            }
            Event::Asks(asks) => {
                self.read(&asks.text, true);
                inner.answers.set(1);
                assert_eq!(asks.hole.start, asks.hole.end);
                if let Ticket::Suspended { call, round, .. } = asks.ticket {
                    let value: Value = serde_json::from_slice(&asks.text).expect("it was read");
                    let keys = value["result"]["inputRequests"].as_object().expect("questions");
                    let keys = keys.keys().cloned().collect();
                    assert!(round <= 16, "rounds are bounded");
                    *inner.round.borrow_mut() = Some((call, round, keys));
                }
            }
            Event::Refuse { id, .. } => {
                assert!(id.is_none_or(|id| Some(id.as_str()) == inner.id.as_deref()));
                inner.answers.set(1);
            }
        }
        Offer::Taken
    }

    fn is_gone(&self) -> bool {
        self.0.gone.get()
    }
}
