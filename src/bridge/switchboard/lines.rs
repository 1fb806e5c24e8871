//! What the child says.

use bytes::Bytes;

use super::{Child, Switchboard};
use crate::bridge::call::Call;
use crate::bridge::outlet::Outlet;
use crate::bridge::turn::{Dropped, Outcome, Turn};
use crate::wire::fault;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, Numbered, UpstreamId};
use crate::wire::ink::Ink;
use crate::wire::meta::Members;
use crate::wire::method::Method;
use crate::wire::splice::Patch;
use crate::wire::text::Text;
use crate::wire::version::Version;

impl<R: Outlet> Switchboard<R> {
    /// Takes a message of the child.
    pub fn line(&mut self, frame: &Frame, turn: &mut Turn) {
        match frame.kind() {
            Kind::Result | Kind::Error => self.response(frame, turn),
            Kind::Request => self.asked(frame, turn),
            Kind::Notification if matches!(self.child, Child::Ready { .. }) => {
                self.notice(frame, turn);
            }
            Kind::Notification => turn.dropped(Dropped::Unheard),
        }
        self.bury(turn);
    }

    fn response(&mut self, frame: &Frame, turn: &mut Turn) {
        match frame.id_number().and_then(|number| UpstreamId(number).read()) {
            Some(Numbered::Call { call: id, flight }) if self.is_flying(id, flight) => {
                self.conclude(id, frame, turn);
                self.pump(turn);
            }
            Some(Numbered::Call { call: id, flight }) if self.is_suspended(id, flight) => {
                self.said_too_early(id, frame, turn);
            }
            Some(Numbered::Call { .. }) | None => turn.dropped(Dropped::StrayAnswer),
            Some(Numbered::Own(serial)) => self.own_answer(serial, frame, turn),
        }
    }

    /// The child's answer with its client's id, trimmed by policy where it lists tools.
    pub(super) fn for_client(&self, call: &Call<R>, frame: &Frame, ink: &mut Ink) -> Text {
        let id = Patch {
            at: frame.id_span().expect("it was found by its id"),
            with: call.client_id.as_bytes(),
        };
        // Asked of errors alone: looking into a result would cost as much as reading it.
        if frame.kind() == Kind::Error
            && let Some(old) = self.too_new_for(call, frame)
        {
            return old.into();
        }
        let hides = call.method == Method::ToolsList && !self.limits.tools.is_open();
        if !hides {
            return Text::inked(frame.text(), &[id], ink);
        }
        let trimmed = frame.payload().and_then(|result| self.limits.tools.trim(result));
        let (Some((tools, trimmed)), Some(result)) = (trimmed, frame.payload_span()) else {
            return frame.pieced(&[id]);
        };
        let at = tools.moved(result.start);
        let result = Patch { at, with: trimmed.as_bytes() };
        if at.start < id.at.start {
            frame.pieced(&[result, id])
        } else {
            frame.pieced(&[id, result])
        }
    }

    /// An error whose code its client cannot know, said in words it can.
    fn too_new_for(&self, call: &Call<R>, frame: &Frame) -> Option<Bytes> {
        let version = call
            .front()
            .and_then(|front| self.fronts.get(&front))
            .map_or(Version::ASSUMED, |front| front.card.version);
        let error = Members::of(frame.payload()?);
        if version >= Version::V2025_11_25 || error_code(frame) != fault::URL_ELICITATION_REQUIRED {
            return None;
        }
        let message = error.get("message").map_or("\"URL elicitation required\"", |m| m.get());
        let (id, code) = (call.client_id.as_str(), fault::INTERNAL_ERROR);
        Some(
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#
            )
            .into(),
        )
    }

    /// An answer to a request of the bridge's own: only tasks and subscriptions wait for one. A child without a handshake answers
    /// subscriptions when it ends them.
    fn own_answer(&mut self, serial: u64, frame: &Frame, turn: &mut Turn) {
        if self.absorbed_answered(serial, frame, turn) {
            return;
        }
        if self.is_child_modern() {
            if !self.own_listen_ended(serial, frame.kind() == Kind::Error, turn) {
                turn.dropped(Dropped::StrayAnswer);
            }
            return;
        }
        self.subscription_decided(serial, frame.kind() == Kind::Result, Some(frame), turn);
    }

    /// Gives one of several waiting calls the answer to all of them.
    pub(super) fn share(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let at = frame.id_span().expect("it was found by its id");
        let text = frame.pieced(&[Patch { at, with: call.client_id.as_bytes() }]);
        self.settle(id, text, outcome(frame), turn);
    }
}

/// The code of an error.
pub(super) fn error_code(frame: &Frame) -> i32 {
    let code = frame.payload().and_then(|error| Members::of(error).get("code")?.get().parse().ok());
    code.unwrap_or(fault::INTERNAL_ERROR)
}

pub(super) fn outcome(frame: &Frame) -> Outcome {
    match frame.kind() {
        Kind::Error => Outcome::Error(error_code(frame)),
        Kind::Result | Kind::Request | Kind::Notification => Outcome::Result,
    }
}
