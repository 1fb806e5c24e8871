//! Tasks of a child without a handshake for clients with one, which know no such tasks: their call stays open, the bridge asks the
//! child now and then how the task stands, and answers with what came of it.
//!
//! ```text
//!  flying ──task──► absorbed ──working──► asked again, with progress for its client
//!                      ▲  ├──input required──► its client is asked by requests, and the child is given the answers ─┐
//!                      │  └──over──► settled                                                                       │
//!                      └───────────────────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::time::Duration;

use bytes::Bytes;

use super::Switchboard;
use super::crossing::{Upshot, undeclared};
use super::tasking::view;
use crate::bridge::call::{Call, Stage};
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::rounds::{self, Rounds};
use crate::bridge::tasks::Absorbed;
use crate::bridge::timers::Due;
use crate::bridge::translate::legacy_to_modern::Envelope;
use crate::bridge::translate::rounds::{Entry, retry};
use crate::bridge::translate::tasks::{Status, TaskView};
use crate::bridge::turn::Turn;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, UpstreamId};
use crate::wire::method::Method;
use crate::wire::raw;

/// How often a child is asked that does not say how often it wants to be, and the bounds of what it may say.
const POLL: Duration = Duration::from_secs(1);
const POLL_MIN: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(60);

impl<R: Outlet> Switchboard<R> {
    /// The child has made a task of a call whose client knows none.
    pub(super) fn absorb(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let task = view(frame);
        let Some(name) = task.name.and_then(raw::string) else {
            let (server, why) =
                (self.limits.server.clone(), "it answers with a task that has no taskId");
            return self.refuse(id, Refusal::ChildErred { server, why }, turn);
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.absorbed = Some(Box::new(Absorbed {
            name: name.into(),
            every: POLL,
            serial: None,
            asked: Vec::new(),
            said: None,
        }));
        // It takes no place of those that wait: the child has answered.
        call.state = Stage::Absorbed;
        self.flying -= 1;
        self.goes_on(id, &task, turn);
    }

    /// What the client of a call says of itself with each request to a child without a handshake.
    pub(super) fn envelope_of(&self, call: &Call<R>) -> &Envelope {
        let front = call.front().and_then(|front| self.fronts.get(&front));
        front.and_then(|front| front.envelope.as_deref()).unwrap_or_else(|| {
            if self.bridges_tasks() {
                Envelope::of_nobody_with_tasks()
            } else {
                Envelope::of_nobody()
            }
        })
    }

    /// Asks the child how the task of a call stands, if that has to be known.
    pub(super) fn look_after(&mut self, id: CallId, turn: &mut Turn) {
        self.about_absorbed(id, Method::TasksGet, "", turn);
    }

    /// Gives the child what its client answered.
    pub(super) fn answer_absorbed(&mut self, id: CallId, turn: &mut Turn) {
        let rounds = self.calls.get_mut(&id).and_then(|call| call.rounds.as_mut());
        let given = rounds.map(|rounds| std::mem::take(&mut rounds.given)).unwrap_or_default();
        let given: Vec<(&str, &str)> = given.iter().map(|(key, text)| (&**key, &**text)).collect();
        self.about_absorbed(id, Method::TasksUpdate, &retry(&given, None), turn);
    }

    /// Nobody waits for the task of a call any more.
    pub(super) fn drop_absorbed(&mut self, id: CallId, turn: &mut Turn) {
        let absorbed = self.calls.get_mut(&id).and_then(|call| call.absorbed.take());
        if let Some(absorbed) = absorbed {
            self.abandon_task(&absorbed.name, turn);
        }
    }

    fn about_absorbed(&mut self, id: CallId, method: Method, more: &str, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(absorbed) = call.absorbed.as_ref().filter(|it| it.serial.is_none()) else {
            return;
        };
        let more = format!("{more}\"_meta\":{{{}}}", self.envelope_of(call).bare());
        let name = absorbed.name.clone();
        let serial = self.ask_about_task(method, &name, &more, turn);
        if let Some(absorbed) = self.calls.get_mut(&id).and_then(|call| call.absorbed.as_mut()) {
            absorbed.serial = Some(serial);
        }
    }

    /// The child's answer to a request about the task of a call. False if it is none.
    pub(super) fn absorbed_answered(
        &mut self,
        serial: u64,
        frame: &Frame,
        turn: &mut Turn,
    ) -> bool {
        let Some(id) = self.absorbed_by(serial) else { return false };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if let Some(absorbed) = &mut call.absorbed {
            absorbed.serial = None;
        }
        // Whoever cannot say how its task stands has lost it.
        if frame.kind() == Kind::Error {
            call.absorbed = None;
            self.end_absorbed(id, frame, turn);
            return true;
        }
        let task = view(frame);
        match task.status {
            // That is also what an answer to `tasks/update` looks like.
            Status::Working => self.goes_on(id, &task, turn),
            Status::InputRequired => self.ask_for_task(id, &task, turn),
            Status::Completed | Status::Failed | Status::Cancelled => {
                call.absorbed = None;
                self.over(id, &task, turn);
            }
        }
        true
    }

    /// What the child answered to a request about the task of a call cannot be passed on. False if it is none.
    pub(super) fn absorbed_spoilt(&mut self, serial: u64, why: &Refusal, turn: &mut Turn) -> bool {
        let Some(id) = self.absorbed_by(serial) else { return false };
        self.drop_absorbed(id, turn);
        self.refuse(id, why.clone(), turn);
        true
    }

    /// The call whose task this request of the bridge's own is about.
    fn absorbed_by(&self, serial: u64) -> Option<CallId> {
        let waits = |absorbed: &Absorbed| absorbed.serial == Some(serial);
        let mut calls = self.calls.iter();
        calls.find(|(_, call)| call.absorbed.as_deref().is_some_and(waits)).map(|(id, _)| *id)
    }

    /// A task is not over: its client hears what is said of it, and the child is asked again.
    fn goes_on(&mut self, id: CallId, task: &TaskView<'_>, turn: &mut Turn) {
        let (limits, timers) = (&self.limits, &mut self.timers);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(absorbed) = &mut call.absorbed else { return };
        if let Some(every) = task.poll {
            absorbed.every = every.clamp(POLL_MIN, POLL_MAX);
        }
        timers.set(turn.now + absorbed.every, Due::Round(id));
        let longest = call.started + limits.request_timeout_max;
        call.deadline = (turn.now + limits.request_timeout).min(longest).max(call.deadline);
        let said = task.message.filter(|said| absorbed.said.as_deref() != Some(*said));
        let (Some(said), Some(token)) = (said, &call.token) else { return };
        absorbed.said = Some(said.into());
        call.progress = call.progress.max(0.0) + 1.0;
        let (token, progress) = (token.as_str(), call.progress);
        let text: Bytes = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress},"message":{said}}}}}"#
        )
        .into();
        self.tell_progress(id, text, turn);
    }

    /// A task needs something of its client.
    fn ask_for_task(&mut self, id: CallId, task: &TaskView<'_>, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let front = call.front();
        let Some(absorbed) = &mut call.absorbed else { return };
        // A question has one name for as long as the task lives.
        let is_new = |entry: &Entry<'_>| absorbed.asked.iter().all(|key| **key != *entry.key);
        let new: Vec<Entry<'_>> = task.questions().into_iter().filter(is_new).collect();
        let (Some(front), false) = (front, new.is_empty()) else {
            if front.is_none() {
                let why = "the server asks its client something, and that has no session";
                return self.fail_round(id, why, turn);
            }
            return self.goes_on(id, task, turn);
        };
        if let Some(lacks) = undeclared(&new, call.caller.card()) {
            let why =
                format!("the server needs a capability that its client did not declare: {lacks}");
            return self.fail_round(id, &why, turn);
        }
        absorbed.asked.extend(new.iter().map(|entry| entry.key.into()));
        let rounds = call.rounds.get_or_insert_with(|| Rounds::new(turn.now));
        rounds.count += 1;
        rounds.missing = new.len();
        if rounds.count > rounds::SENT_AGAIN_MAX {
            let why = format!(
                "the server asked its client more than {} times for one call",
                rounds::SENT_AGAIN_MAX
            );
            return self.fail_round(id, &why, turn);
        }
        let longest = call.started + self.limits.request_timeout_max;
        call.deadline = (turn.now + rounds::IDLE_MAX).min(longest);
        self.timers.set(call.deadline, Due::Deadline(id));
        for entry in new {
            self.ask_for_round(id, front, &entry, turn);
        }
    }

    /// Answers with what came of a task.
    fn over(&mut self, id: CallId, task: &TaskView<'_>, turn: &mut Turn) {
        let outcome = match (task.status, task.result, task.error) {
            (Status::Completed, Some(result), _) => format!("\"result\":{result}"),
            (Status::Failed, _, Some(error)) => format!("\"error\":{error}"),
            (Status::Cancelled, _, _) => {
                let said = task.message.and_then(raw::string).unwrap_or_default();
                return self.fail_round(
                    id,
                    &format!("the server cancelled its task: {said}"),
                    turn,
                );
            }
            _ => {
                let (server, why) =
                    (self.limits.server.clone(), "its task is over, and nothing came of it");
                return self.refuse(id, Refusal::ChildErred { server, why }, turn);
            }
        };
        let number = UpstreamId::own(self.own_requests).0;
        let text: Bytes = format!(r#"{{"jsonrpc":"2.0","id":{number},{outcome}}}"#).into();
        if let Ok(frame) = Frame::skim(text) {
            return self.end_absorbed(id, &frame, turn);
        }
        let (server, why) = (self.limits.server.clone(), "what came of its task is no response");
        self.refuse(id, Refusal::ChildErred { server, why }, turn);
    }

    /// Settles a call with a response that is not to its own request.
    fn end_absorbed(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        match self.to_legacy(call, frame) {
            Upshot::Final(text, outcome) => self.settle(id, text, outcome, turn),
            Upshot::Refused(why) => self.refuse(id, why, turn),
            Upshot::Asks(_)
            | Upshot::Loops
            | Upshot::Task
            | Upshot::Absorbed
            | Upshot::Plain
            | Upshot::Fetch => {
                let (server, why) =
                    (self.limits.server.clone(), "what came of its task is not complete");
                self.refuse(id, Refusal::ChildErred { server, why }, turn);
            }
        }
    }
}
