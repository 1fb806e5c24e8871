//! A letter box: an outlet that keeps what is put into it, and can be slow or gone.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;

use crate::bridge::outlet::{Event, Offer, Outlet, Weight};
use crate::bridge::refusal::Refusal;
use crate::wire::id::EventId;

/// One end of a letter box; the switchboard holds another until it lets go of it.
#[derive(Clone, Debug)]
pub(super) struct Letters(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    events: Vec<Event>,
    /// How many more events it takes. What is droppable must leave two places free.
    room: usize,
    gone: bool,
}

// === impl Letters ===

impl Letters {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(Inner { events: Vec::new(), room: usize::MAX, gone: false })))
    }

    /// From now on it takes so many events and no more.
    pub(super) fn holds(&self, room: usize) {
        self.0.borrow_mut().room = room;
    }

    /// The reader leaves without a word.
    pub(super) fn leave(&self) {
        self.0.borrow_mut().gone = true;
    }

    /// Whether the switchboard has let go of it.
    pub(super) fn is_closed(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.0.borrow().events.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().events.is_empty()
    }

    /// The messages before the response.
    pub(super) fn messages(&self) -> Vec<Value> {
        let texts = self.events().into_iter().filter_map(|event| match event {
            Event::Message { text, .. } => Some(text),
            Event::Stream { .. } | Event::Answer { .. } | Event::Asks(_) | Event::Refuse { .. } => {
                None
            }
        });
        texts.map(|text| serde_json::from_slice(&text).unwrap()).collect()
    }

    /// The methods of the messages before the response.
    pub(super) fn methods(&self) -> Vec<String> {
        let name = |message: &Value| message["method"].as_str().unwrap_or("").to_owned();
        self.messages().iter().map(name).collect()
    }

    /// The response as text; `None` if there was none. There is never more than one.
    pub(super) fn answer_text(&self) -> Option<String> {
        let mut texts: Vec<String> = Vec::new();
        for event in self.events() {
            match event {
                Event::Answer { mut text, .. } => {
                    texts.push(String::from_utf8(text.join().to_vec()).unwrap());
                }
                Event::Asks(asks) => texts.push(String::from_utf8(asks.text.into()).unwrap()),
                Event::Refuse { .. } => texts.push(String::new()),
                Event::Stream { .. } | Event::Message { .. } => {
                    assert!(texts.is_empty(), "nothing follows an answer");
                }
            }
        }
        assert!(texts.len() <= 1, "an answer comes once: {texts:?}");
        texts.pop().filter(|text| !text.is_empty())
    }

    pub(super) fn answer(&self) -> Option<Value> {
        self.answer_text().map(|text| serde_json::from_str(&text).unwrap())
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.events().into_iter().find_map(|event| match event {
            Event::Refuse { why, .. } => Some(why),
            Event::Stream { .. }
            | Event::Message { .. }
            | Event::Answer { .. }
            | Event::Asks(_) => None,
        })
    }

    /// The code of the error it got, from the server or from the bridge.
    pub(super) fn code(&self) -> Option<i64> {
        let refused = self.refusal().map(|why| i64::from(why.fault().code));
        refused.or_else(|| self.answer()?["error"]["code"].as_i64())
    }

    /// The opening of the event stream, if it became one.
    pub(super) fn stream(&self) -> Option<(Option<EventId>, bool)> {
        self.events().into_iter().find_map(|event| match event {
            Event::Stream { first, prime } => Some((first, prime)),
            Event::Message { .. }
            | Event::Answer { .. }
            | Event::Asks(_)
            | Event::Refuse { .. } => None,
        })
    }

    /// The ids of all messages and of the response.
    pub(super) fn ids(&self) -> Vec<EventId> {
        let ids = self.events().into_iter().filter_map(|event| match event {
            Event::Message { id, .. } | Event::Answer { id, .. } => id,
            Event::Stream { .. } | Event::Asks(_) | Event::Refuse { .. } => None,
        });
        ids.collect()
    }
}

impl Outlet for Letters {
    fn offer(&self, event: Event, weight: Weight) -> Offer {
        let mut inner = self.0.borrow_mut();
        let needed = if weight == Weight::Droppable { 3 } else { 1 };
        if inner.gone {
            return Offer::Gone;
        }
        if inner.room < needed {
            return Offer::Full;
        }
        inner.room -= 1;
        inner.events.push(event);
        Offer::Taken
    }

    fn is_gone(&self) -> bool {
        self.0.borrow().gone
    }
}
