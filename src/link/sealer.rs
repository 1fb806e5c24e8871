//! What seals the questions to one request, should there be any.

use super::sessions::{now_us, random};
use crate::bridge::front::Principal;
use crate::bridge::seal::Keys;
use crate::bridge::ticket::{Bond, Digest, Ticket, digest};
use crate::wire::frame::Frame;
use crate::wire::id::ServerName;
use crate::wire::method::Method;

/// Makes the state that a client hands back of a ticket.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub(crate) keys: Keys,
    pub(crate) server: ServerName,
    pub(crate) principal: Principal,
    pub(crate) request: Sealable,
    /// Where the questions come from.
    pub(crate) slot: u64,
}

/// The request that a ticket is bound to.
#[derive(Debug)]
pub(crate) enum Sealable {
    /// Nothing is worked out before there is a ticket, which most requests never get.
    Whole(Frame),
    /// What is long is not kept for that, however many are in flight.
    Digest(Method, Digest),
}

/// Bytes of a request that is kept whole.
const WHOLE_MAX: usize = 64 * 1024;

/// How long a client may think, in microseconds. A switchboard may give up earlier.
const THOUGHT_MAX_US: u64 = 3600 * 1_000_000;

// === impl Sealer ===

impl Sealer {
    /// `None` if that cannot be.
    pub(super) fn seal(&self, ticket: Ticket) -> Option<String> {
        let ticket = match ticket {
            Ticket::Suspended { call, round, .. } => {
                Ticket::Suspended { slot: self.slot, call, round }
            }
            Ticket::Child { .. } | Ticket::Visited => ticket,
        };
        let (server, principal) = (&self.server, &self.principal);
        let bond = match &self.request {
            Sealable::Whole(request) => Bond::of(server, principal, request),
            &Sealable::Digest(method, params) => Bond { server, principal, method, params },
        };
        ticket.seal(&self.keys, &bond, now_us() + THOUGHT_MAX_US, random())
    }
}

// === impl Sealable ===

impl Sealable {
    pub(crate) fn of(request: &Frame) -> Self {
        if request.text().len() <= WHOLE_MAX {
            return Self::Whole(request.clone());
        }
        Self::Digest(request.method(), digest(request.payload()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_sealed_without_being_kept() {
        for (length, is_kept) in [(10, true), (WHOLE_MAX, false)] {
            let text = "x".repeat(length);
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{text}","_meta":{{}}}}}}"#
            );
            let request = Frame::skim(text.into()).unwrap();
            let sealer = Sealer {
                keys: Keys::new(&[[7; 32]]).unwrap(),
                server: ServerName::new("s").unwrap(),
                principal: Principal::anonymous(),
                request: Sealable::of(&request),
                slot: 3,
            };
            assert_eq!(matches!(sealer.request, Sealable::Whole(_)), is_kept);
            let state = sealer.seal(Ticket::Visited).unwrap();
            let bond = Bond::of(&sealer.server, &sealer.principal, &request);
            assert_eq!(Ticket::open(&sealer.keys, &bond, now_us(), &state), Some(Ticket::Visited));
        }
    }
}
