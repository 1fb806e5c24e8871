//! How a fresh child is greeted, and what it says of itself.
//!
//! Children of the two eras are greeted differently, and which a child is shows only in what it answers. So it is probed with
//! `server/discover` first, unless that is known, and greeted with `initialize` if it makes nothing of that:
//!
//! ```text
//!            ┌─ a DiscoverResult with our revision ───────────────────────► modern
//!            ├─ -32022 that names our revision ───► probe once more ──────► modern
//!  probe ────┼─ -32022 that names only others without a handshake ────────► failed
//!            ├─ anything else ────────────────────► initialize ───────────► legacy
//!            ├─ exit ─────────────────────────────► initialize, new process
//!            └─ silence ──────────────────────────► initialize too, the probe stays open:
//!                  a result of initialize ────────► legacy (a late DiscoverResult counts for the next process)
//!                  initialize refused ────────────► modern with the DiscoverResult, however late it is
//! ```
//!
//! - `hello`: how the client introduces itself
//! - `questions`: what it is sent
//! - `supported`: the revisions an error names
//! - `abilities`: what the child said of itself
//! - `welcome`: how clients with a handshake are told

mod abilities;
mod hello;
mod questions;
mod supported;
mod welcome;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use self::abilities::{Abilities, Lists};
pub use self::hello::Hello;
use self::questions::GREETING;
use self::supported::Supported;
use crate::config::model::EraChoice;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{RawId, ServerName};
use crate::wire::method::Method;
use crate::wire::raw;
use crate::wire::version::{Era, Version};

/// What decides how a child is greeted.
#[derive(Clone, Debug)]
pub struct Manner {
    pub choice: EraChoice,
    /// What an earlier child of the server has shown.
    pub known: Option<Era>,
    /// The process before this one ended when it was probed.
    pub was_fatal: bool,
    /// How long a probe may stay without an answer before `initialize` is sent too.
    pub probe_wait: Duration,
    /// Shared children lose what cannot be shared.
    pub shared: bool,
}

/// The greeting of one process.
#[derive(Debug)]
pub struct Greeting {
    manner: Manner,
    hello: Hello,
    server: ServerName,
    probe: Leg,
    /// How many probes there were: a child that names our revision is probed once more.
    probes: u8,
    initialize: Leg,
    /// What the probe was answered with if that was of no use.
    refused: String,
    /// What it said to the probe, while `initialize` is still open.
    found: Option<Box<Abilities>>,
    until: Option<Instant>,
    is_over: bool,
}

/// One of the two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    Unsent,
    Open,
    /// It was answered.
    Over,
}

/// What something meant for the greeting.
#[derive(Debug)]
pub enum Heard {
    /// Not part of it.
    Nothing,
    /// Part of it, or too early to be anything.
    Taken,
    /// This is to be sent.
    Say(Bytes),
    Ready {
        abilities: Box<Abilities>,
        /// What that shows of the server's era; nothing if it was not asked.
        shows: Option<Era>,
    },
    /// After all, the next process is to be greeted as one of this era.
    Shows(Era),
    /// The child answered, and it cannot be used.
    Failed(Arc<str>),
}

/// Bytes of an error that are shown.
const ERROR_SHOWN: usize = 1024;

// === impl Greeting ===

impl Greeting {
    /// Begins with this line.
    pub fn begin(
        hello: &Hello,
        server: &ServerName,
        manner: Manner,
        now: Instant,
    ) -> (Self, Bytes) {
        let mut greeting = Self {
            hello: hello.clone(),
            server: server.clone(),
            probe: Leg::Unsent,
            probes: 0,
            initialize: Leg::Unsent,
            refused: String::new(),
            found: None,
            until: None,
            is_over: false,
            manner,
        };
        let line = match (greeting.manner.choice, greeting.manner.known) {
            (EraChoice::Legacy, _) | (EraChoice::Auto, Some(Era::Legacy)) => greeting.initialize(),
            (EraChoice::Auto, _) if greeting.manner.was_fatal => greeting.initialize(),
            (EraChoice::Auto, None) => {
                greeting.until = Some(now + greeting.manner.probe_wait);
                greeting.probe()
            }
            // Whoever is sent `initialize` while it is slow may be bound to it from then on.
            (EraChoice::Modern, _) | (EraChoice::Auto, Some(Era::Modern)) => greeting.probe(),
        };
        (greeting, line)
    }

    /// The line that ends a handshake.
    pub fn close() -> Bytes {
        Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    }

    /// When [`Self::tick`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Whether the child knows nothing of us but a probe. If it ends now, that may be why.
    pub fn is_probing(&self) -> bool {
        let is_first = self.probes == 1 && self.manner.known.is_none();
        let is_free = self.manner.choice == EraChoice::Auto;
        is_free && is_first && self.probe == Leg::Open && self.initialize == Leg::Unsent
    }

    /// Whether the child was taken for a modern one because others of the server were.
    pub fn trusts(&self) -> bool {
        self.manner.known == Some(Era::Modern) && self.manner.choice == EraChoice::Auto
    }

    /// Whether an answer is still to come.
    pub fn is_open(&self) -> bool {
        !self.is_over || self.probe == Leg::Open
    }

    /// Looks at a message of the child.
    pub fn hear(&mut self, frame: &Frame, now: Instant) -> Heard {
        let payload = frame.payload().unwrap_or("");
        match frame.kind() {
            Kind::Request if frame.method() == Method::Ping => Heard::Nothing,
            Kind::Request | Kind::Notification if self.initialize == Leg::Unsent => Heard::Taken,
            Kind::Request | Kind::Notification => Heard::Nothing,
            Kind::Result if self.is_probe(frame.id().as_ref()) => self.discovered(payload, now),
            Kind::Error if self.is_last_probe(frame.id().as_ref()) => self.unprobed(payload),
            Kind::Result | Kind::Error if self.is_over => Heard::Nothing,
            Kind::Result if frame.id_number() == Some(GREETING) => self.initialized(payload),
            Kind::Error if frame.id_number() == Some(GREETING) => self.uninitialized(payload),
            // Who could not read a question cannot say to which this is the answer; the probe came first.
            Kind::Error if is_nobodys(frame) && self.probe == Leg::Open => self.unprobed(payload),
            Kind::Error if is_nobodys(frame) => self.uninitialized(payload),
            Kind::Result | Kind::Error => Heard::Taken,
        }
    }

    /// Looks at a line of the child that bears this id and is no message.
    pub fn spoilt(&mut self, id: &RawId, why: &str) -> Heard {
        if self.is_last_probe(Some(id)) {
            return self.useless(format!("no message ({why})"));
        }
        let is_ours = id.as_str().trim_matches('"').parse() == Ok(GREETING);
        if is_ours && self.initialize == Leg::Open && !self.is_over {
            return self.failed(format!("its answer to initialize is no message: {why}"));
        }
        Heard::Nothing
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Heard {
        if self.until.is_none_or(|until| until > now) {
            return Heard::Taken;
        }
        self.until = None;
        match self.found.take() {
            // It does not care for `initialize`, not even to refuse it.
            Some(found) => self.ready(found, Some(Era::Modern)),
            None if self.initialize == Leg::Unsent => Heard::Say(self.initialize()),
            None => Heard::Taken,
        }
    }

    /// The answer to a probe is a result.
    fn discovered(&mut self, payload: &str, now: Instant) -> Heard {
        let Some(abilities) = Abilities::of_discovery(payload) else {
            if let Supported::Unknown(dates) = Supported::of_result(payload)
                && !self.is_over
            {
                return self.incompatible(&dates);
            }
            let what =
                "nothing that is a DiscoverResult with revisions known here and each member once";
            return self.useless(what.into());
        };
        let abilities = Box::new(abilities.named(self.server.as_str()));
        self.probe = Leg::Over;
        match self.initialize {
            _ if self.is_over => Heard::Shows(Era::Modern),
            Leg::Open => {
                // If it takes that as well, it may be bound to it.
                self.found = Some(abilities);
                self.until = Some(now + self.manner.probe_wait);
                Heard::Taken
            }
            Leg::Unsent | Leg::Over => self.ready(abilities, Some(Era::Modern)),
        }
    }

    /// The answer to the last probe is an error.
    fn unprobed(&mut self, error: &str) -> Heard {
        let is_first = self.probes == 1;
        match Supported::of_version_error(error) {
            Supported::Mutual if is_first && !self.is_over => {
                self.until = None;
                Heard::Say(self.probe())
            }
            Supported::Unknown(dates) if !self.is_over => self.incompatible(&dates),
            Supported::Mutual | Supported::Unknown(_) | Supported::Nothing | Supported::Legacy => {
                self.useless(format!("the error {}", shown(error)))
            }
        }
    }

    /// The last probe has led nowhere.
    fn useless(&mut self, answer: String) -> Heard {
        self.probe = Leg::Over;
        self.refused = answer;
        match self.initialize {
            _ if self.is_over => Heard::Taken,
            // It has said that it speaks our revision, and nothing else would do.
            _ if self.probes > 1 => {
                let (version, answer) = (Version::MODERN, &self.refused);
                self.failed(format!(
                    "it says that it speaks revision {version}, and answered server/discover in it with {answer}"
                ))
            }
            Leg::Unsent => {
                self.until = None;
                Heard::Say(self.initialize())
            }
            Leg::Open => Heard::Taken,
            Leg::Over => self.speechless(),
        }
    }

    /// The answer to `initialize` is a result.
    fn initialized(&mut self, payload: &str) -> Heard {
        if self.initialize != Leg::Open {
            return Heard::Taken;
        }
        self.initialize = Leg::Over;
        let Some(abilities) = Abilities::of_initialize(payload, self.manner.shared) else {
            return match self.found.take() {
                Some(found) => self.ready(found, Some(Era::Modern)),
                None => self.failed(
                    "its answer to initialize has no protocolVersion with a handshake and capabilities, or a member of it stands twice"
                        .into(),
                ),
            };
        };
        if self.manner.choice == EraChoice::Modern {
            return self.failed(format!(
                "it speaks only revisions with a handshake, such as {}, and era = \"modern\" allows none of them: write era = \"auto\"",
                abilities.version
            ));
        }
        let shows = match self.found.take() {
            // A process is of one era for life, and this one took `initialize`. The next is not asked that.
            Some(_) => Some(Era::Modern),
            None if self.manner.choice == EraChoice::Legacy => None,
            None => (self.probes > 0 || self.manner.was_fatal).then_some(Era::Legacy),
        };
        self.ready(Box::new(abilities), shows)
    }

    /// The answer to `initialize` is an error.
    fn uninitialized(&mut self, error: &str) -> Heard {
        if self.initialize != Leg::Open {
            return Heard::Taken;
        }
        self.initialize = Leg::Over;
        if let Some(found) = self.found.take() {
            return self.ready(found, Some(Era::Modern));
        }
        // Who has no handshake names its revisions in any error to one.
        match (self.manner.choice, Supported::of_error(error)) {
            (EraChoice::Legacy, Supported::Mutual) => self.failed(format!(
                "it speaks only revision {}, and era = \"legacy\" does not allow it: write era = \"auto\"",
                Version::MODERN
            )),
            (EraChoice::Auto, Supported::Mutual) if self.probes < 2 => Heard::Say(self.probe()),
            (_, Supported::Unknown(dates)) => self.incompatible(&dates),
            (EraChoice::Auto, _) if self.probe == Leg::Unsent => Heard::Say(self.probe()),
            (EraChoice::Auto, _) if self.probe == Leg::Open => Heard::Taken,
            (_, _) if self.probes > 0 => {
                let answer = format!(", and initialize with the error {}", shown(error));
                self.refused.push_str(&answer);
                self.speechless()
            }
            (_, _) => self.failed(format!("it answered initialize with the error {}", shown(error))),
        }
    }

    fn ready(&mut self, abilities: Box<Abilities>, shows: Option<Era>) -> Heard {
        (self.is_over, self.until) = (true, None);
        Heard::Ready { abilities, shows }
    }

    fn failed(&mut self, why: String) -> Heard {
        (self.is_over, self.until, self.probe) = (true, None, Leg::Over);
        Heard::Failed(why.into())
    }

    fn speechless(&mut self) -> Heard {
        self.failed(format!("it answered server/discover with {}", self.refused))
    }

    fn incompatible(&mut self, dates: &str) -> Heard {
        self.failed(format!(
            "it speaks only revisions that are not known here: {dates} (known are {} and {} to {})",
            Version::MODERN,
            Version::V2024_11_05,
            Version::NEWEST_LEGACY
        ))
    }

    fn probe(&mut self) -> Bytes {
        self.probes += 1;
        self.probe = Leg::Open;
        questions::probe(&self.hello, self.probes)
    }

    fn initialize(&mut self) -> Bytes {
        self.initialize = Leg::Open;
        questions::initialize(&self.hello)
    }

    /// Whether this is the id of a probe that has no answer yet.
    fn is_probe(&self, id: Option<&RawId>) -> bool {
        self.probe == Leg::Open
            && id.and_then(questions::probe_number).is_some_and(|number| number <= self.probes)
    }

    fn is_last_probe(&self, id: Option<&RawId>) -> bool {
        self.probe == Leg::Open && id.and_then(questions::probe_number) == Some(self.probes)
    }
}

fn shown(error: &str) -> &str {
    raw::clipped_to(error, ERROR_SHOWN)
}

/// Whether an answer names no question.
fn is_nobodys(frame: &Frame) -> bool {
    frame.id().is_none_or(|id| id.as_str() == "null")
}

#[cfg(test)]
mod tests;
