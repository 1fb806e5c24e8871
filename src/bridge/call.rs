//! A call: one request of a client on its way through.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::front::{FrontCard, Level, Who};
use super::memory::Question;
use super::rounds::Rounds;
use super::tasks::{Absorbed, TaskId};
use super::translate::Noted;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, Flight, FrontId, RawId, RawToken, StreamId};
use crate::wire::little::Little;
use crate::wire::method::Method;
use crate::wire::splice::Span;
use crate::wire::version::Era;

/// Who makes a call.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A session.
    Front(Who),
    /// Nobody who can be spoken to again: the request came without a session.
    Implicit(FrontCard),
}

/// How a call's client can be reached while it runs.
#[derive(Debug)]
pub enum Reach<R> {
    /// On the answer to its own POST, which may become an event stream if `streams`.
    Own { outlet: R, streams: bool },
    /// On its front's standing stream and nowhere else: revision 2024-11-05, where the POST is answered at once.
    Standing,
}

#[derive(Debug)]
pub(super) struct Call<R> {
    pub caller: Caller,
    pub client_id: RawId,
    pub method: Method,
    pub token: Option<RawToken>,
    /// The place of that token in the request.
    pub token_at: Option<Span>,
    /// What translation has to know of the request.
    pub noted: Noted,
    /// What its client is asked in rounds.
    pub rounds: Option<Box<Rounds>>,
    /// The task of its own that its client asks about.
    pub task: Option<TaskId>,
    /// The task that its client knows nothing of, and that its answer waits for.
    pub absorbed: Option<Box<Absorbed>>,
    /// Whether the child was told that it may make a task of it.
    pub offer: Offer,
    /// What a child with a handshake said of the task that is asked about, while it is asked for its outcome.
    pub fetched: Option<Box<Frame>>,
    /// The request asks for a task.
    pub wants_task: bool,
    pub path: Path<R>,
    pub state: Stage,
    /// The request, while it may still have to be sent: until then, or for good if it may be repeated.
    pub request: Option<Frame>,
    pub repeated: bool,
    /// Which sending of it this is.
    pub flight: Flight,
    /// What it asks of a child, where the answer is to be remembered.
    pub question: Option<Box<Question>>,
    /// It was answered from memory.
    pub recalled: bool,
    /// Nobody but the child could answer it.
    pub works: bool,
    pub started: Instant,
    pub deadline: Instant,
    /// Since when nobody reads its answer.
    pub vanished: Option<Instant>,
    /// The last progress told; it has to rise.
    pub progress: f64,
    /// The newest progress, while its reader has no room for it.
    pub behind: Option<Bytes>,
    /// The least grave log messages its client wants to hear, if it said so with the request.
    pub level: Option<Level>,
    /// What is written to the log of calls: the tool, prompt or resource, or the method itself.
    pub name: Little,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the queue: no child yet, or too many calls in flight.
    Waiting,
    /// At the child.
    Flying,
    /// A stream of changes: it has no end of its own.
    Listening,
    /// Its client was asked something by an answer, and is to come back.
    Suspended,
    /// Its client has come back with answers, which wait in the queue for the child to be free for them.
    Returning,
    /// Its client is being asked something by requests, and it is then sent again.
    Asking,
    /// Its rest is a task of the child, which is asked now and then how that stands.
    Absorbed,
    /// Answered together with others that subscribe to the same resource.
    Joining,
}

/// Whether a child with a handshake may make a task of a call, which it has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    None,
    Made,
    /// It makes no tasks of calls of this tool, and was asked again without one.
    Refused,
}

/// How well a call's client can be asked something while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hearing {
    Deaf,
    Away,
    Near,
}

/// What is left of a [`Reach`] as the call goes on.
#[derive(Debug)]
pub(super) enum Path<R> {
    Own {
        /// `None` once the client has gone.
        outlet: Option<R>,
        streams: bool,
        /// The answer has become an event stream.
        open: bool,
        stream: StreamId,
        /// Whose goodbye counts: the call's own, or that of a GET that took the stream up again.
        reader: CallId,
    },
    Standing,
}

// === impl Caller ===

impl Caller {
    pub fn card(&self) -> &FrontCard {
        match self {
            Self::Front(who) => &who.card,
            Self::Implicit(card) => card,
        }
    }
}

// === impl Call ===

impl<R> Call<R> {
    pub(super) fn front(&self) -> Option<FrontId> {
        match &self.caller {
            Caller::Front(who) => Some(who.front),
            Caller::Implicit(_) => None,
        }
    }

    pub(super) fn card(&self) -> &FrontCard {
        self.caller.card()
    }

    /// When it has taken too long, or has gone on too long for nobody.
    pub(super) fn ends(&self, orphan_ttl: Duration) -> Instant {
        self.vanished.map_or(self.deadline, |since| self.deadline.min(since + orphan_ttl))
    }

    pub(super) fn is_modern(&self) -> bool {
        self.card().version.era() == Era::Modern
    }

    /// How well its client can be asked something on its answer: not at all, when it comes back for it, or now.
    pub(super) fn hearing(&self) -> Hearing {
        match &self.path {
            Path::Own { streams: false, .. } => Hearing::Deaf,
            Path::Own { outlet: None, .. } => Hearing::Away,
            Path::Own { outlet: Some(_), .. } | Path::Standing => Hearing::Near,
        }
    }

    /// Whether it is silent and may still become an event stream by itself.
    pub(super) fn may_commit(&self) -> bool {
        matches!(&self.path, Path::Own { outlet: Some(_), streams: true, open: false, .. })
    }
}
