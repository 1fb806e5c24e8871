//! The books: every call is written down when it is made and struck out when it is settled, with the right answer or with an
//! error that has a name and a cause under way. Everything else is a failure.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::chaos::{Blow, Chaos};
use crate::http::Trouble;
use crate::report::Report;

/// How a call ended, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Right,
    /// An answer that cannot be: of another, of the wrong kind, given twice.
    Wrong(String),
    Fault {
        code: i64,
        message: String,
    },
    /// A status other than 200, and what its body said.
    Refused {
        status: u16,
        message: String,
    },
    Trouble(Trouble),
    /// The stream ended in good order and brought no answer.
    Unanswered,
}

/// What may come of a call besides its answer.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a reason of its own")]
pub(crate) struct Leave {
    /// It was cancelled.
    pub(crate) cancelled: bool,
    /// It asked for more than a message may hold.
    pub(crate) huge: bool,
    /// Its session may have ended with an earlier daemon.
    pub(crate) forgotten: bool,
    /// More clients want a child of their own than may have one.
    pub(crate) scarce: bool,
    /// Its stream was cut by the client, so that what was written into the connection last may be lost for good.
    pub(crate) cut: bool,
}

/// A call that has been made.
#[derive(Debug)]
pub(crate) struct Made {
    kind: &'static str,
    server: String,
    pub(crate) from: Instant,
    pub(crate) leave: Leave,
}

/// The errors the daemon may give, by what they say. No other is legal in any chaos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    ChildGone,
    NoChild,
    Busy,
    TimedOut,
    TooLong,
    Cancelled,
    Stopping,
    SessionGone,
    EventGone,
    UnknownServer,
}

#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    books: Rc<RefCell<Books>>,
    pub(crate) chaos: Chaos,
}

#[derive(Debug, Default)]
struct Books {
    made: u64,
    settled: u64,
    ends: BTreeMap<String, u64>,
    kinds: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
    failed: u64,
    slowest: Duration,
}

const FAILURES_KEPT: usize = 12;

// === impl Named ===

impl Named {
    const ALL: [(Self, i64, &'static str, &'static str); 10] = [
        (Self::ChildGone, -32603, "ended during this call: ", "child gone"),
        (Self::NoChild, -32603, "is not available: ", "no child"),
        (Self::Busy, -32603, "is busy: ", "busy"),
        (Self::TimedOut, -32603, "timed out after ", "timed out"),
        (Self::TooLong, -32603, "more than its max_message", "too long"),
        (Self::Cancelled, -32800, "Request cancelled", "cancelled"),
        (Self::Stopping, -32603, "stdiod is stopping", "stopping"),
        (Self::SessionGone, -32600, "Session not found", "session gone"),
        (Self::EventGone, -32600, "names no event that is still kept", "event gone"),
        (Self::UnknownServer, -32600, "no server named", "unknown server"),
    ];

    fn of(code: i64, message: &str) -> Option<(Self, &'static str)> {
        let found =
            Self::ALL.iter().find(|(_, known, part, _)| *known == code && message.contains(part));
        found.map(|(named, _, _, word)| (*named, *word))
    }
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn new(chaos: Chaos) -> Self {
        Self { books: Rc::default(), chaos }
    }

    pub(crate) fn make(&self, kind: &'static str, server: &str, leave: Leave) -> Made {
        let mut books = self.books.borrow_mut();
        books.made += 1;
        *books.kinds.entry(kind).or_default() += 1;
        Made { kind, server: server.to_owned(), from: Instant::now(), leave }
    }

    /// Strikes a call out; true if it was answered rightly.
    pub(crate) fn settle(&self, made: Made, outcome: &Outcome) -> bool {
        let end = self.judge(&made, outcome);
        let took = made.from.elapsed();
        let mut books = self.books.borrow_mut();
        books.settled += 1;
        books.slowest = books.slowest.max(took);
        match end {
            Ok(word) => *books.ends.entry(word.to_owned()).or_default() += 1,
            Err(why) => {
                let Made { kind, server, .. } = made;
                books.fail(format!("{kind} at {server}, after {took:?}: {why}"));
            }
        }
        *outcome == Outcome::Right
    }

    /// A call whose client left before it could see an end.
    pub(crate) fn abandon(&self, made: Made) {
        let mut books = self.books.borrow_mut();
        books.settled += 1;
        books.slowest = books.slowest.max(made.from.elapsed());
        *books.ends.entry("client left".to_owned()).or_default() += 1;
    }

    /// Something that must never be, whichever call it belongs to.
    pub(crate) fn fail(&self, why: String) {
        self.books.borrow_mut().fail(why);
    }

    /// The word for a legal end, or why it is none.
    fn judge(&self, made: &Made, outcome: &Outcome) -> Result<&'static str, String> {
        let met = |blow| self.chaos.met(blow, &made.server, made.from);
        let legal =
            |word: &'static str, is: bool| if is { Ok(word) } else { Err(format!("{outcome:?}")) };
        let (code, message) = match outcome {
            Outcome::Right => return Ok("right answer"),
            Outcome::Wrong(why) => return Err(why.clone()),
            Outcome::Trouble(Trouble::Lost | Trouble::Unreachable) => {
                return legal("connection lost", met(Blow::Daemon));
            }
            Outcome::Trouble(Trouble::Late | Trouble::Garbled(_)) => {
                return Err(format!("{outcome:?}"));
            }
            Outcome::Unanswered => return legal("stream ended", met(Blow::Daemon)),
            Outcome::Fault { code, message } => (*code, message),
            Outcome::Refused { status: 404 | 400, message } => (-32600, message),
            // An old client's message that was answered with an error where it was posted.
            Outcome::Refused { status: 200, message } => (-32603, message),
            Outcome::Refused { .. } => return Err(format!("{outcome:?}")),
        };
        let (named, word) =
            Named::of(code, message).ok_or_else(|| format!("an unknown error: {outcome:?}"))?;
        let is = match named {
            Named::ChildGone => met(Blow::Death) || met(Blow::Reload),
            Named::NoChild => met(Blow::Death) || met(Blow::Reload) || made.leave.scarce,
            Named::Busy => met(Blow::Death) || met(Blow::Hang) || made.leave.scarce,
            // A daemon that is stopping finishes calls, but takes no new connection that could cancel one.
            Named::TimedOut => met(Blow::Hang) || (made.leave.cancelled && met(Blow::Daemon)),
            Named::TooLong => made.leave.huge,
            Named::Cancelled => made.leave.cancelled,
            Named::Stopping => met(Blow::Daemon) || met(Blow::Reload),
            Named::SessionGone => made.leave.forgotten,
            Named::EventGone => made.leave.cut || made.leave.forgotten || met(Blow::Daemon),
            Named::UnknownServer => met(Blow::Reload),
        };
        legal(word, is)
    }

    /// How long the slowest call took.
    pub(crate) fn slowest(&self) -> Duration {
        self.books.borrow().slowest
    }

    pub(crate) fn failed(&self) -> u64 {
        self.books.borrow().failed
    }

    /// The figures, and what must hold of all calls.
    pub(crate) fn tell(&self, report: &mut Report) {
        let books = self.books.borrow();
        report.figure("calls made", books.made);
        for (word, count) in &books.ends {
            report.figure(&format!("  ended with: {word}"), count);
        }
        let kinds: Vec<String> =
            books.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        report.note(format!("calls by kind of client: {}", kinds.join(", ")));
        report.figure("slowest settled", format!("{:.1} s", books.slowest.as_secs_f64()));
        let open = books.made - books.settled;
        report.check("every call was settled once", open == 0, format!("{open} open"));
        report.check(
            "no wrong, foreign, double or unknown answer",
            books.failed == 0,
            format!("{} found", books.failed),
        );
        drop(books);
        self.explain(report);
    }

    /// The first failures, word for word.
    pub(crate) fn explain(&self, report: &mut Report) {
        for failure in &self.books.borrow().failures {
            report.note(failure);
        }
    }
}

// === impl Books ===

impl Books {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(why.chars().take(400).collect());
        }
    }
}
