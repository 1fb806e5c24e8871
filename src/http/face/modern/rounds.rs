//! Calls that come again with answers to what they were asked: what a client keeps for us meanwhile is under seal, and bound to
//! who it is and to what it asked for.

use super::Suspended;
use crate::bridge::refusal::Refusal;
use crate::bridge::ticket::{Bond, Ticket};
use crate::http::Visit;
use crate::link::sessions::now_us;
use crate::wire::frame::Frame;
use crate::wire::meta::{Members, Params};
use crate::wire::raw;
use crate::wire::splice::Patch;

/// What a request is to the calls before it.
pub(super) enum TakenUp {
    New,
    /// It goes to the child in these words.
    Exchanged(Frame),
    /// It goes on with a call that waits in the slot of this number.
    Suspended(u64, Suspended),
}

impl Visit<'_> {
    /// What becomes of a request that answers questions.
    pub(super) fn taken_up(&self, frame: &Frame, params: &Params<'_>) -> Result<TakenUp, Refusal> {
        if !frame.method().may_ask() {
            return Ok(TakenUp::New);
        }
        if params.input_responses.is_some_and(|given| !given.get().starts_with('{')) {
            return Err(Refusal::BadParams("\"inputResponses\" must be an object"));
        }
        let Some(state) = params.request_state else { return Ok(TakenUp::New) };
        let text = raw::string(state.get()).ok_or(Refusal::StateInvalid)?;
        let keys = self.house.sessions.keys();
        let bond = Bond::of(&self.entry.name, self.principal, frame);
        match Ticket::open(&keys, &bond, now_us(), &text).ok_or(Refusal::StateInvalid)? {
            Ticket::Suspended { slot, call, round } => Ok(TakenUp::Suspended(slot, (call, round))),
            Ticket::Child { state } => Ok(TakenUp::Exchanged(with_state(frame, state.as_deref()))),
            Ticket::Visited if are_accepted(params) => {
                let is_ours = |key: &str| matches!(key, "inputResponses" | "requestState");
                Ok(TakenUp::Exchanged(without(frame, is_ours)))
            }
            Ticket::Visited => Err(Refusal::Declined),
        }
    }
}

/// The request with the child's own state in place of ours.
fn with_state(frame: &Frame, state: Option<&str>) -> Frame {
    let Some(state) = state else { return without(frame, |key| key == "requestState") };
    let params = frame.params();
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
            assert_eq!(are_accepted(&frame.params()), accepted, "{given}");
        }
        assert!(!are_accepted(&Params::default()));
    }
}
