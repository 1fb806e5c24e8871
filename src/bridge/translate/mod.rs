//! Translation between the eras, as edits of a message's text.
//!
//! A client of one era can use a child of the other because their messages differ in few members. This room knows for each
//! message and each unequal pair of eras what to add, take out, exchange or refuse. It decides rows, not flow: whoever moves the
//! messages asks for the [`Edits`](edits::Edits), adds its own, an id for instance, and makes them all in one copy. Nothing
//! nobody named is touched, so unknown members, key order and the digits of numbers arrive as they were sent.
//!
//! ```text
//!  modern_to_legacy   a client without a handshake on a child with one
//!  legacy_to_modern   a client with a handshake on a child without one
//!  errors             what each of the two sees of the other's errors
//!  rounds             questions of the server, as requests and as results that ask
//!  tasks              what is said of work that goes on after its call
//!  capabilities       what each tells the other it can do
//!  wrap               output that is no object, for clients that expect one
//! ```
//!
//! Speed: a request is looked into where [`Noted`] points, once. A result is not opened where searches for the names in question
//! find nothing; a name may also be written with escapes, so a text in which plain letters are escaped is always opened.

pub mod edits;
mod object;

pub mod capabilities;
pub mod errors;
pub mod legacy_to_modern;
pub mod modern_to_legacy;
pub mod rounds;
pub mod tasks;
pub mod wrap;

use crate::wire::frame::Frame;
use crate::wire::meta::{self, Params, key};
use crate::wire::splice::Span;
use edits::Edits;
use object::{Fate, Object};

/// What translation has to know of a request's `params`, noted when they were read for other reasons. It is true of that one
/// text only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    meta: Option<Span>,
    /// A member stands in them that one of the eras does not know.
    extras: bool,
}

/// Members of `_meta` that only revisions without a handshake put into requests.
const ENVELOPE: [&str; 5] = [
    key::PROTOCOL_VERSION,
    key::CLIENT_CAPABILITIES,
    key::CLIENT_INFO,
    key::LOG_LEVEL,
    key::SUBSCRIPTION_ID,
];

// === impl Noted ===

impl Noted {
    pub fn of(request: &Frame, params: &Params<'_>) -> Self {
        let extras = [params.input_responses, params.request_state, params.task];
        Self {
            meta: params.meta.map(|raw| meta::place(raw, request.text())),
            extras: extras.iter().any(Option::is_some),
        }
    }
}

/// The payload of a message, if it is an object.
fn payload(frame: &Frame) -> Option<Object<'_>> {
    Object::at(frame.payload()?, frame.payload_span()?.start)
}

/// Takes the envelope out of a `_meta` and exchanges the token in it. Gives how many members are left.
fn without_envelope<'a>(meta: Object<'_>, token: Option<&'a [u8]>, edits: &mut Edits<'a>) -> usize {
    meta.weed(edits, |member, edits| {
        let name = member.name();
        if let Some(token) = token
            && name == "progressToken"
        {
            edits.push(member.value_at(), token);
        }
        Fate::goes_if(ENVELOPE.contains(&&*name))
    })
}

#[cfg(test)]
mod tests;
