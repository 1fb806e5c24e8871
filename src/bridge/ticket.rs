//! What a client keeps for us between two rounds of one call: the `requestState` of revision 2026-07-28, under seal.
//!
//! A call that needs something of its client ends with a question, and the client makes it again with the answers. The ticket
//! says where the second request belongs. It is bound to the server, the principal, the method and the parameters of the
//! first, and ends at a set time; whoever hands in one that was altered, is too old or belongs elsewhere hears the same.

use sha2::{Digest as _, Sha256};

use super::front::Principal;
use super::seal::{Keys, Nonce};
use crate::wire::canon::canonical;
use crate::wire::frame::Frame;
use crate::wire::id::{CallId, ServerName};
use crate::wire::method::Method;

/// Where the retry of a call belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// To a child that keeps its own account: its state as a JSON string with its quotes, to be given back byte for byte, or
    /// nothing if it gave none.
    Child { state: Option<Box<str>> },
    /// To a call that waits in a slot of this process.
    Suspended { slot: u64, call: CallId, round: u32 },
    /// To nothing that waits: the user was sent to a page, and the call is made anew.
    Visited,
}

/// What a ticket is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bond<'a> {
    pub server: &'a ServerName,
    pub principal: &'a Principal,
    /// One that may ask its client for something, so never [`Method::Other`].
    pub method: Method,
    pub params: Digest,
}

/// The digest of a request's parameters.
pub type Digest = [u8; 32];

/// Before the seal, so that a ticket is known for one wherever it turns up.
const MARK: &str = "sd1.";

/// The first byte of what is sealed.
const FORM: u8 = 1;

const CHILD: u8 = 0;
const CHILD_WITHOUT: u8 = 1;
const SUSPENDED: u8 = 2;
const VISITED: u8 = 3;

/// Bytes of a seal around a child's longest state: a nonce, what we say ourselves, and a tag, in base64.
const LENGTH_MAX: usize = (Ticket::STATE_BYTES_MAX + 24 + 16 + 16).div_ceil(3) * 4;

/// The members of `params` that are not the same in every round.
const PER_ROUND: [&str; 3] = ["_meta", "inputResponses", "requestState"];

// === impl Ticket ===

impl Ticket {
    /// Bytes of a child's state. A longer one is not taken into a ticket.
    pub const STATE_BYTES_MAX: usize = 1024 * 1024;

    /// The ticket as a `requestState`, in letters that need no escape in JSON. It opens before `expires_us`, in microseconds
    /// since 1970. `None` if the child's state is too long.
    pub fn seal(
        &self,
        keys: &Keys,
        bond: &Bond<'_>,
        expires_us: u64,
        nonce: Nonce,
    ) -> Option<String> {
        if let Self::Child { state: Some(state) } = self
            && state.len() > Self::STATE_BYTES_MAX
        {
            return None;
        }
        let sealed = keys.seal(&bond.purpose(), nonce, &self.write(expires_us));
        Some(format!("{MARK}{sealed}"))
    }

    /// The ticket behind a `requestState`, if it is one of ours for this very request and not too old.
    pub fn open(keys: &Keys, bond: &Bond<'_>, now_us: u64, text: &str) -> Option<Self> {
        let sealed = text.strip_prefix(MARK)?;
        let (expires_us, ticket) =
            Self::read(&keys.open_long(&bond.purpose(), sealed, LENGTH_MAX)?)?;
        (now_us < expires_us).then_some(ticket)
    }

    fn write(&self, expires_us: u64) -> Vec<u8> {
        let mut bytes = vec![FORM];
        bytes.extend(expires_us.to_be_bytes());
        match self {
            Self::Child { state: Some(state) } => {
                bytes.push(CHILD);
                bytes.extend(state.as_bytes());
            }
            Self::Child { state: None } => bytes.push(CHILD_WITHOUT),
            Self::Suspended { slot, call, round } => {
                bytes.push(SUSPENDED);
                bytes.extend(slot.to_be_bytes());
                bytes.extend(call.0.to_be_bytes());
                bytes.extend(round.to_be_bytes());
            }
            Self::Visited => bytes.push(VISITED),
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<(u64, Self)> {
        let rest = bytes.strip_prefix(&[FORM])?;
        let (expires_us, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let ticket = match (*kind, rest) {
            (CHILD, state) => Self::Child { state: Some(std::str::from_utf8(state).ok()?.into()) },
            (CHILD_WITHOUT, []) => Self::Child { state: None },
            (SUSPENDED, rest) => {
                let (slot, rest) = rest.split_first_chunk()?;
                let (call, rest) = rest.split_first_chunk()?;
                let round = rest.try_into().ok()?;
                Self::Suspended {
                    slot: u64::from_be_bytes(*slot),
                    call: CallId(u64::from_be_bytes(*call)),
                    round: u32::from_be_bytes(round),
                }
            }
            (VISITED, []) => Self::Visited,
            _ => return None,
        };
        Some((u64::from_be_bytes(*expires_us), ticket))
    }
}

// === impl Bond ===

impl<'a> Bond<'a> {
    pub fn of(server: &'a ServerName, principal: &'a Principal, request: &Frame) -> Self {
        Self { server, principal, method: request.method(), params: digest(request.payload()) }
    }

    /// No two bonds make the same text: the names of servers and methods have no zero byte in them, a digest has one length, and
    /// the principal is the rest. Nothing else that is sealed begins like this.
    fn purpose(&self) -> Vec<u8> {
        let (server, method) = (self.server.as_str(), self.method.name());
        let who = self.principal.as_str();
        let parts: [&[u8]; 7] = [
            b"ticket\0",
            server.as_bytes(),
            b"\0",
            method.as_bytes(),
            b"\0",
            &self.params,
            who.as_bytes(),
        ];
        parts.concat()
    }
}

/// What a request asks for, whatever round it is in and however it is spelt. No parameters are as good as empty ones.
pub fn digest(params: Option<&str>) -> Digest {
    let params = params.map(|params| canonical(params, &PER_ROUND));
    let params = params.as_deref().filter(|params| *params != "null").unwrap_or("{}");
    Sha256::digest(params).into()
}

#[cfg(test)]
mod tests;
