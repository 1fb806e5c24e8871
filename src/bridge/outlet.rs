//! Where the words for a client go: one HTTP answer or one standing stream, seen from the switchboard.

use bytes::Bytes;

use super::refusal::Refusal;
use super::ticket::Ticket;
use crate::wire::id::{EventId, RawId};
use crate::wire::splice::Span;
use crate::wire::text::Text;

/// The way to one client's waiting answer or stream. Offering never waits.
pub trait Outlet {
    fn offer(&self, event: Event, weight: Weight) -> Offer;

    /// Whether the reader is known to have left. Its goodbye may have overtaken the order that brought the outlet.
    fn is_gone(&self) -> bool;
}

/// What a client is told. The first event decides the form of the HTTP answer: `Answer` is a plain body, `Stream` an
/// event stream, `Refuse` an error that may choose its status.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer becomes a stream of events. With an id its events can be asked for again, beginning after that one; `prime`
    /// says to send it at once in an event without data.
    Stream { first: Option<EventId>, prime: bool },
    /// A notification or a request for the client.
    Message { id: Option<EventId>, text: Bytes },
    /// The response; nothing follows on this outlet. `error` is its code if it is an error.
    Answer { id: Option<EventId>, text: Text, error: Option<i32> },
    /// The response is a question: its client is to send the request again, with the answers and a state that is put into the text
    /// before it is sent. Nothing follows on this outlet.
    Asks(Box<Asks>),
    /// The bridge says no before anything was sent.
    Refuse { why: Refusal, id: Option<RawId> },
}

/// A response that asks.
#[derive(Clone, Debug)]
pub struct Asks {
    /// Of the request it answers.
    pub id: RawId,
    pub text: Bytes,
    /// Where the sealed ticket goes.
    pub hole: Span,
    pub ticket: Ticket,
}

/// How much it matters that an event arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Progress and logs: a slow reader loses them.
    Droppable,
    /// Answers and questions: room is reserved for them.
    Needed,
}

/// What became of an offered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Taken,
    /// The reader is too slow.
    Full,
    /// The reader left.
    Gone,
}
