//! What seals the questions to one request, should there be any.

use super::sessions::{now_us, random};
use crate::bridge::front::Principal;
use crate::bridge::seal::Keys;
use crate::bridge::ticket::{Bond, Ticket};
use crate::wire::frame::Frame;
use crate::wire::id::ServerName;

/// Makes the state that a client hands back of a ticket. Nothing is worked out before there is one.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub(crate) keys: Keys,
    pub(crate) server: ServerName,
    pub(crate) principal: Principal,
    pub(crate) request: Frame,
    /// Where the questions come from.
    pub(crate) slot: u64,
}

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
        let bond = Bond::of(&self.server, &self.principal, &self.request);
        ticket.seal(&self.keys, &bond, now_us() + THOUGHT_MAX_US, random())
    }
}
