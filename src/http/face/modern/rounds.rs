//! Calls that come again with answers to what they were asked: what a client keeps for us meanwhile is under seal, and bound to
//! who it is and to what it asked for.

use super::Suspended;
use crate::bridge::front::Principal;
use crate::bridge::refusal::Refusal;
use crate::bridge::seal::Keys;
use crate::bridge::ticket::{Bond, Ticket, digest};
use crate::http::Visit;
use crate::link::replies::Sealer;
use crate::link::sessions::{now_us, random};
use crate::wire::frame::Frame;
use crate::wire::id::ServerName;
use crate::wire::meta::{Members, Params};
use crate::wire::raw;
use crate::wire::splice::Patch;

/// How long a client may think, in microseconds. A switchboard may give up earlier.
const THOUGHT_MAX_US: u64 = 3600 * 1_000_000;

/// What seals the questions to one request.
pub(super) struct Seal {
    keys: Keys,
    server: ServerName,
    principal: Principal,
    /// As its client sent it.
    request: Frame,
}

// === impl Seal ===

impl Seal {
    pub(super) fn new(visit: &Visit, request: &Frame) -> Self {
        Self {
            keys: visit.house.sessions.keys(),
            server: visit.entry.name.clone(),
            principal: visit.principal.clone(),
            request: request.clone(),
        }
    }

    /// For questions that come from this slot.
    pub(super) fn on(self, slot: u64) -> Sealer {
        Sealer::new(move |ticket| {
            let ticket = match ticket {
                Ticket::Suspended { call, round, .. } => Ticket::Suspended { slot, call, round },
                Ticket::Child { .. } | Ticket::Visited => ticket,
            };
            let expires = now_us() + THOUGHT_MAX_US;
            ticket.seal(&self.keys, &self.bond(), expires, random())
        })
    }

    fn bond(&self) -> Bond<'_> {
        bond(&self.server, &self.principal, &self.request)
    }
}

impl Visit {
    /// A request as it goes to the child, and if it answers questions of a call that waits: in which slot and to which.
    pub(super) fn taken_up(
        &self,
        frame: Frame,
    ) -> Result<(Frame, Option<(u64, Suspended)>), Refusal> {
        let params = Params::of(frame.payload());
        if !frame.method().may_ask() {
            return Ok((frame, None));
        }
        if params.input_responses.is_some_and(|given| !given.get().starts_with('{')) {
            return Err(Refusal::BadParams("\"inputResponses\" must be an object"));
        }
        let Some(state) = params.request_state else { return Ok((frame, None)) };
        let text = raw::string(state.get()).ok_or(Refusal::StateInvalid)?;
        let keys = self.house.sessions.keys();
        let bond = bond(&self.entry.name, &self.principal, &frame);
        match Ticket::open(&keys, &bond, now_us(), &text).ok_or(Refusal::StateInvalid)? {
            Ticket::Suspended { slot, call, round } => Ok((frame, Some((slot, (call, round))))),
            Ticket::Child { state } => Ok((with_state(&frame, state.as_deref()), None)),
            Ticket::Visited => {
                if !are_accepted(&params) {
                    return Err(Refusal::Declined);
                }
                Ok((without(&frame, |key| matches!(key, "inputResponses" | "requestState")), None))
            }
        }
    }
}

fn bond<'a>(server: &'a ServerName, principal: &'a Principal, request: &Frame) -> Bond<'a> {
    Bond { server, principal, method: request.method(), params: digest(request.payload()) }
}

/// The request with the child's own state in place of ours.
fn with_state(frame: &Frame, state: Option<&str>) -> Frame {
    let Some(state) = state else { return without(frame, |key| key == "requestState") };
    let params = Params::of(frame.payload());
    let Some(leaf) = params.request_state else { return frame.clone() };
    let at = crate::wire::meta::place(leaf, frame.text());
    again(frame.splice(&[Patch { at, with: state.as_bytes() }]))
}

fn without(frame: &Frame, drop: impl Fn(&str) -> bool) -> Frame {
    let (Some(params), Some(at)) = (frame.payload(), frame.payload_span()) else {
        return frame.clone();
    };
    let kept = Members::of(params).without(drop);
    again(frame.splice(&[Patch { at, with: kept.as_bytes() }]))
}

fn again(text: bytes::Bytes) -> Frame {
    Frame::skim(text).expect("a member of a sound message was exchanged")
}

/// Whether the user has gone to all pages it was sent to.
fn are_accepted(params: &Params<'_>) -> bool {
    let Some(given) = params.input_responses else { return false };
    let given = Members::of(given.get());
    let accepts = |answer: &str| {
        Members::of(answer).get("action").is_some_and(|action| action.get() == "\"accept\"")
    };
    !given.0.is_empty() && given.0.iter().all(|(_, answer)| accepts(answer.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(params: &str) -> Frame {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        Frame::skim(text.into()).unwrap()
    }

    #[test]
    fn a_childs_state_takes_the_place_of_ours() {
        let ours = frame(r#"{"name":"x","requestState":"sd1.abc"}"#);
        assert_eq!(
            with_state(&ours, Some(r#""Q\u0031""#)).payload(),
            Some(r#"{"name":"x","requestState":"Q\u0031"}"#)
        );
        assert_eq!(with_state(&ours, None).payload(), Some(r#"{"name":"x"}"#));
    }

    #[test]
    fn all_pages_have_to_be_visited() {
        for (given, accepted) in [
            (r#"{"url-0":{"action":"accept"}}"#, true),
            (r#"{"url-0":{"action":"accept"},"url-1":{"action":"decline"}}"#, false),
            ("{}", false),
        ] {
            let frame = frame(&format!(r#"{{"inputResponses":{given}}}"#));
            assert_eq!(are_accepted(&Params::of(frame.payload())), accepted, "{given}");
        }
        assert!(!are_accepted(&Params::default()));
    }
}
