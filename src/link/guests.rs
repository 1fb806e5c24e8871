//! Clients that introduce themselves with each request. Who said the same a moment ago is known, and what was made of it
//! serves again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bridge::greeting::Hello;
use crate::bridge::lane::AskSet;
use crate::wire::envelope::Envelope;
use crate::wire::version::Version;

/// The last of them.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    /// Held for one look or one change, never across a wait. The last that was new comes last.
    known: Mutex<VecDeque<Guest>>,
}

/// What a request says of its client.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) hello: Arc<Hello>,
    pub(crate) declared: AskSet,
    /// What it calls itself; empty if it does not.
    pub(crate) name: Arc<str>,
}

const KNOWN_MAX: usize = 16;

/// Who says more of itself than this is met anew each time.
const BYTES_MAX: usize = 8 * 1024;

// === impl Guests ===

impl Guests {
    pub(crate) fn meet(&self, envelope: &Envelope<'_>) -> Guest {
        let mut known = self.lock();
        if let Some(guest) = known.iter().find(|guest| guest.says(envelope)) {
            return guest.clone();
        }
        let guest = Guest::new(envelope);
        if guest.hello.capabilities.len() + guest.hello.client_info.len() <= BYTES_MAX {
            if known.len() == KNOWN_MAX {
                known.pop_front();
            }
            known.push_back(guest.clone());
        }
        guest
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Guest>> {
        // Nothing that panics is done under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Guest ===

impl Guest {
    fn new(envelope: &Envelope<'_>) -> Self {
        let hello = Hello {
            version: Version::MODERN,
            capabilities: envelope.capabilities.into(),
            client_info: info(envelope).into(),
        };
        Self {
            declared: AskSet::declared(&hello.capabilities),
            name: hello.client_name().into(),
            hello: Arc::new(hello),
        }
    }

    fn says(&self, envelope: &Envelope<'_>) -> bool {
        *self.hello.client_info == *info(envelope)
            && *self.hello.capabilities == *envelope.capabilities
    }
}

fn info<'a>(envelope: &Envelope<'a>) -> &'a str {
    envelope.client_info.unwrap_or("{}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::envelope::Sighted;
    use crate::wire::frame::Frame;

    fn meet(guests: &Guests, client: &str) -> Guest {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"roots":{{}}}},"io.modelcontextprotocol/clientInfo":{{"name":"{client}"}}}}}}}}"#
        );
        let frame = Frame::skim(text.into()).unwrap();
        guests.meet(&Envelope::read(&Sighted::new(&frame, None)).unwrap())
    }

    #[test]
    fn who_says_the_same_again_is_known() {
        let guests = Guests::default();
        let (one, other, again) = (meet(&guests, "a"), meet(&guests, "b"), meet(&guests, "a"));
        assert!(Arc::ptr_eq(&one.hello, &again.hello));
        assert_eq!((&*one.name, &*other.name), ("a", "b"));
        assert_eq!(one.declared, AskSet::declared(r#"{"roots":{}}"#));
    }

    #[test]
    fn few_are_remembered_and_none_that_says_much() {
        let guests = Guests::default();
        for n in 0..2 * KNOWN_MAX {
            meet(&guests, &n.to_string());
        }
        meet(&guests, &"x".repeat(BYTES_MAX));
        assert_eq!(guests.lock().len(), KNOWN_MAX);
        assert!(guests.lock().iter().all(|guest| guest.name.len() < 3));
    }
}
