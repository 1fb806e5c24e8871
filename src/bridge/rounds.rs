//! What is kept of a call whose client is asked something in rounds: it is answered with questions, and goes on when they are.

use std::time::{Duration, Instant};

use super::translate::rounds::{Question, retry};
use crate::wire::frame::Frame;
use crate::wire::id::RawId;

/// The rounds of one call.
#[derive(Debug)]
pub(super) struct Rounds {
    /// How often its client was asked.
    pub count: u32,
    pub began: Instant,
    /// Questions made so far, for their names.
    pub named: u64,
    pub open: Vec<Open>,
    /// Raw answers for the child, by the ids of its questions, that wait until it may work on the call again.
    pub answers: Vec<(RawId, Box<str>)>,
    /// The child's last word, if it came while nobody could be told.
    pub said: Option<Frame>,
    /// What a child without a handshake wants to see again: the answers of the last round, raw, by raw keys, and its state.
    pub given: Vec<(Box<str>, Box<str>)>,
    pub state: Option<Box<str>>,
    /// How many of the last round are still to come.
    pub missing: usize,
}

/// A question of a child with a handshake to a client without one.
#[derive(Debug)]
pub(super) struct Open {
    pub question: Question,
    /// The ask it stands for.
    pub serial: u64,
    /// It is in what the client was sent last.
    pub told: bool,
}

/// How long further questions are waited for before the client is asked.
pub(super) const COLLECTED_AFTER: Duration = Duration::from_millis(20);

/// How long answers for the child wait for another call to end, where one at a time may ask. A child that works on one request
/// after the other would never end that one.
pub(super) const RETURNED_AFTER: Duration = Duration::from_secs(2);

/// How long a suspended call waits for its client, once and in all.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(600);
pub(super) const TOTAL_MAX: Duration = Duration::from_secs(3600);

/// How often one call may ask: in results, and by requests.
pub(super) const SUSPENDED_MAX: u32 = 16;
pub(super) const SENT_AGAIN_MAX: u32 = 8;

/// Calls that wait for one principal's clients, and for all.
pub(super) const OF_PRINCIPAL_MAX: usize = 64;
pub(super) const OF_ALL_MAX: usize = 1024;

/// How soon a call is sent again whose child wants nothing but that.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(250);

// === impl Rounds ===

impl Rounds {
    pub(super) fn new(now: Instant) -> Box<Self> {
        Box::new(Self {
            count: 0,
            began: now,
            named: 0,
            open: Vec::new(),
            answers: Vec::new(),
            said: None,
            given: Vec::new(),
            state: None,
            missing: 0,
        })
    }

    /// What the last round brought, as members of `params`.
    pub(super) fn retold(&self) -> String {
        let given: Vec<(&str, &str)> =
            self.given.iter().map(|(key, text)| (&**key, &**text)).collect();
        retry(&given, self.state.as_deref())
    }

    /// Until when a call that is suspended now waits.
    pub(super) fn expires(&self, now: Instant) -> Instant {
        (now + IDLE_MAX).min(self.began + TOTAL_MAX)
    }
}
