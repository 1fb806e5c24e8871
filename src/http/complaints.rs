//! Warnings about what clients send, each said once in a while: a gateway that polls with the wrong name is not to fill the log,
//! and nobody who makes up names is.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What was warned of a moment ago. Each header has a budget of its own, so that names made up in one hide nothing in the other.
#[derive(Debug)]
pub(super) struct Complaints {
    pub(super) hosts: Budget,
    pub(super) origins: Budget,
}

/// The names of one header.
#[derive(Debug)]
pub(super) struct Budget {
    header: &'static str,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    since: Option<Instant>,
    names: Vec<Box<str>>,
    /// Requests under names that were said.
    repeated: u64,
    unnamed: Option<Unnamed>,
}

/// What is to be said of a request, in this order.
#[derive(Debug, Default)]
struct Due {
    /// Of the minute that has ended.
    unnamed: Option<Unnamed>,
    /// Of this request.
    more: Option<More>,
}

/// Requests whose names were not said, because there were too many.
#[derive(Debug, PartialEq, Eq)]
struct Unnamed {
    requests: u64,
    last: Box<str>,
}

/// How many more requests came under names that were said before this one, as the end of a sentence.
#[derive(Debug, Clone, Copy)]
pub(super) struct More(u64);

/// How long a warning holds.
const PAUSE: Duration = Duration::from_secs(60);

/// How many names are warned of in that time.
const NAMES_MAX: usize = 16;

/// How much of a name is told apart and shown. Those of hosts are shorter.
const NAME_CHARS_MAX: usize = 253;

// === impl Complaints ===

impl Complaints {
    pub(super) fn new() -> Self {
        Self { hosts: Budget::new("Host"), origins: Budget::new("Origin") }
    }

    /// Says what has not been said yet, when there will be no further request to say it with.
    pub(super) fn close(&self) {
        for budget in [&self.hosts, &self.origins] {
            let unnamed = budget.lock().unnamed.take();
            budget.say_unnamed(unnamed);
        }
    }
}

// === impl Budget ===

impl Budget {
    /// Says it, unless the same was said of this name within the last minute, or much was of others. Names that there was no
    /// room for are counted, and the count is said with the first request after that minute.
    pub(super) fn about(&self, name: &str, say: impl FnOnce(&str, More)) {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        let due = self.due(&name, Instant::now());
        self.say_unnamed(due.unnamed);
        if let Some(more) = due.more {
            say(&name, more);
        }
    }

    fn new(header: &'static str) -> Self {
        Self { header, said: Mutex::default() }
    }

    fn due(&self, name: &str, now: Instant) -> Due {
        let mut said = self.lock();
        let mut due = Due::default();
        let mut repeated = 0;
        if said.since.is_none_or(|since| now.duration_since(since) >= PAUSE) {
            repeated = said.repeated;
            due.unnamed = said.unnamed.take();
            *said = Said { since: Some(now), ..Said::default() };
        }
        if said.names.iter().any(|known| **known == *name) {
            said.repeated += 1;
        } else if said.names.len() == NAMES_MAX {
            let before = said.unnamed.take().map_or(0, |unnamed| unnamed.requests);
            said.unnamed = Some(Unnamed { requests: before + 1, last: name.into() });
        } else {
            said.names.push(name.into());
            due.more = Some(More(repeated));
        }
        due
    }

    fn say_unnamed(&self, unnamed: Option<Unnamed>) {
        if let Some(Unnamed { requests, last }) = unnamed {
            tracing::warn!(
                requests,
                last,
                "more requests were refused with 403 for their {}; no more than {NAMES_MAX} of these are named a minute",
                self.header
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, "; {more} more requests were refused since the last such warning"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(hosts: &Budget, name: &str, now: Instant) -> Option<String> {
        hosts.due(name, now).more.map(|more| more.to_string())
    }

    #[test]
    fn each_name_is_said_once_a_minute_and_what_was_not_is_counted() {
        let (hosts, start) = (Budget::new("Host"), Instant::now());
        assert_eq!(says(&hosts, "a", start).as_deref(), Some(""));
        assert_eq!(says(&hosts, "a", start), None);
        assert_eq!(says(&hosts, "b", start).as_deref(), Some(""));
        assert_eq!(says(&hosts, "a", start + PAUSE.saturating_sub(Duration::from_millis(1))), None);
        let more = "; 2 more requests were refused since the last such warning";
        assert_eq!(says(&hosts, "a", start + PAUSE).as_deref(), Some(more));
        assert_eq!(says(&hosts, "a", start + PAUSE), None);
    }

    #[test]
    fn names_that_there_was_no_room_for_are_said_once_the_minute_is_over() {
        let (complaints, start) = (Complaints::new(), Instant::now());
        let hosts = &complaints.hosts;
        for n in 0..NAMES_MAX {
            assert!(hosts.due(&format!("made-up-{n}"), start).more.is_some());
        }
        for name in ["another", "litellm-host"] {
            let due = hosts.due(name, start);
            assert!(due.more.is_none() && due.unnamed.is_none(), "{due:?}");
        }
        let origin = complaints.origins.due("https://app.example", start);
        assert!(origin.more.is_some(), "a budget of its own");
        // It comes with whatever request is next, and once.
        let due = hosts.due("made-up-0", start + PAUSE);
        assert_eq!(due.unnamed, Some(Unnamed { requests: 2, last: "litellm-host".into() }));
        assert!(due.more.is_some());
        assert_eq!(hosts.due("litellm-host", start + 2 * PAUSE).unnamed, None);
    }

    #[test]
    fn made_up_names_neither_fill_the_log_nor_the_memory() {
        let hosts = Budget::new("Host");
        let (long, mut said) = ("ä".repeat(10_000), Vec::new());
        for n in 0..1000 {
            hosts.about(&format!("{n}{long}"), |name, _| said.push(name.to_owned()));
        }
        assert_eq!(said.len(), NAMES_MAX);
        assert!(said.iter().all(|name| name.chars().count() == NAME_CHARS_MAX));
        let kept = hosts.lock();
        assert_eq!(kept.names.len(), NAMES_MAX);
        let unnamed = kept.unnamed.as_ref().unwrap();
        assert_eq!((unnamed.requests, unnamed.last.chars().count()), (984, NAME_CHARS_MAX));
    }
}
