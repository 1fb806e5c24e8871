//! One turn of a switchboard: the moment it happens at, and what its owner is to do after it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::call::Caller;
use crate::wire::fault;
use crate::wire::id::FrontId;
use crate::wire::little::Little;
use crate::wire::method::{Method, RequestRoute, Subject};

/// One turn. The owner sets the time before it, empties the rest after it, and keeps the memory.
#[derive(Debug)]
pub struct Turn {
    pub now: Instant,
    /// Messages for the child's stdin, each one line without its line break.
    pub to_child: Vec<Bytes>,
    /// What is worth a log line or a counter.
    pub notes: Vec<Note>,
}

/// Something that happened.
#[derive(Debug)]
pub enum Note {
    /// The child may have other tools now.
    ToolsChanged,
    Settled(Settled),
    /// A message was let go on purpose.
    Dropped(Dropped),
    /// A front ended without being closed from outside.
    FrontGone(FrontId),
}

/// The end of a call.
#[derive(Debug)]
pub struct Settled {
    pub method: Method,
    /// The tool, prompt or resource it named; else the method as the client wrote it.
    pub name: Little,
    pub caller: Caller,
    pub outcome: Outcome,
    /// The child was not asked: it rests, and this is what it said last.
    pub recalled: bool,
    pub took: Duration,
    /// The length of the answer in bytes.
    pub bytes: usize,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Result,
    /// The server's own error, with its code.
    Error(i32),
    /// The bridge's error.
    Refused,
    Cancelled,
}

/// Why a message was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// An answer to nothing that is waited for: late, repeated or invented.
    StrayAnswer,
    /// Progress for no running call, or behind what was told before.
    StrayProgress,
    /// A notification nobody is there to hear, or nobody may.
    Unheard,
    /// A client that reads too slowly.
    SlowClient,
    /// The kept events of a stream, which were too many with those of all others.
    Forgotten,
    /// A notification of a client that this child must not see.
    Unwanted,
}

// === impl Settled ===

impl Settled {
    /// Whether it was the child that answered, and nobody for it.
    pub fn by_child(&self) -> bool {
        let asked = matches!(
            self.method.as_request(),
            RequestRoute::Forward | RequestRoute::CallTool | RequestRoute::Task
        );
        asked && !self.recalled && matches!(self.outcome, Outcome::Result | Outcome::Error(_))
    }

    /// The tool, prompt or resource; empty if the call named none.
    pub fn subject(&self) -> &str {
        match self.method.subject() {
            Subject::Name | Subject::Uri => self.name.as_str(),
            Subject::TaskId | Subject::None => "",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The code of the error that a call ended with.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Result => None,
            Self::Error(code) => Some(code),
            Self::Refused => Some(fault::INTERNAL_ERROR),
            Self::Cancelled => Some(fault::REQUEST_CANCELLED),
        }
    }
}

// === impl Turn ===

impl Turn {
    pub fn new(now: Instant) -> Self {
        Self { now, to_child: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn send(&mut self, text: Bytes) {
        self.to_child.push(text);
    }

    pub(super) fn dropped(&mut self, why: Dropped) {
        self.notes.push(Note::Dropped(why));
    }

    pub fn is_empty(&self) -> bool {
        self.to_child.is_empty() && self.notes.is_empty()
    }
}
