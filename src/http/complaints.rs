//! Warnings about what clients send, each said once in a while: a gateway that polls with the wrong name is not to fill the log,
//! and nobody who makes up names is.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What was warned of a moment ago.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    since: Option<Instant>,
    names: Vec<Box<str>>,
    unsaid: u64,
}

/// How many went unsaid before this one, as the end of a sentence.
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
    /// Says it, unless the same was said of this name within the last minute, or much was of others.
    pub(super) fn about(&self, name: &str, say: impl FnOnce(&str, More)) {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        if let Some(more) = self.due(&name, Instant::now()) {
            say(&name, more);
        }
    }

    fn due(&self, name: &str, now: Instant) -> Option<More> {
        let mut said = self.lock();
        let mut unsaid = 0;
        if said.since.is_none_or(|since| now.duration_since(since) >= PAUSE) {
            unsaid = said.unsaid;
            *said = Said { since: Some(now), ..Said::default() };
        }
        if said.names.len() == NAMES_MAX || said.names.iter().any(|known| **known == *name) {
            said.unsaid += 1;
            return None;
        }
        said.names.push(name.into());
        Some(More(unsaid))
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

    fn says(complaints: &Complaints, name: &str, now: Instant) -> Option<String> {
        complaints.due(name, now).map(|more| more.to_string())
    }

    #[test]
    fn each_name_is_said_once_a_minute_and_what_was_not_is_counted() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        assert_eq!(says(&complaints, "a", start).as_deref(), Some(""));
        assert_eq!(says(&complaints, "a", start), None);
        assert_eq!(says(&complaints, "b", start).as_deref(), Some(""));
        assert_eq!(
            says(&complaints, "a", start + PAUSE.saturating_sub(Duration::from_millis(1))),
            None
        );
        let more = "; 2 more requests were refused since the last such warning";
        assert_eq!(says(&complaints, "a", start + PAUSE).as_deref(), Some(more));
        assert_eq!(says(&complaints, "a", start + PAUSE), None);
    }

    #[test]
    fn made_up_names_neither_fill_the_log_nor_the_memory() {
        let complaints = Complaints::default();
        let (long, mut said) = ("ä".repeat(10_000), Vec::new());
        for n in 0..1000 {
            complaints.about(&format!("{n}{long}"), |name, _| said.push(name.to_owned()));
        }
        assert_eq!(said.len(), NAMES_MAX);
        assert!(said.iter().all(|name| name.chars().count() == NAME_CHARS_MAX));
        assert_eq!(complaints.lock().names.len(), NAMES_MAX);
    }
}
