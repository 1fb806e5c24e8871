//! Tasks of a child with a handshake for clients without one. Such a child makes a task of a call if it is told that it may, is asked
//! apart for what came of it, and asks by requests; the client hears all that in answers to `tasks/get`.
//!
//! A tool that makes no tasks refuses the call that offers one before it does anything, so that call is sent again without.

use bytes::Bytes;

use super::Switchboard;
use super::crossing::{Cell, Upshot, undeclared};
use super::expiring::unanswered;
use super::lines::error_code;
use super::tasking::{capability, news, view};
use crate::bridge::ask;
use crate::bridge::call::{Call, Offer, Stage};
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::tasks::{Asked, TaskId};
use crate::bridge::translate::capabilities::knows_tasks;
use crate::bridge::translate::modern_to_legacy::Stamp;
use crate::bridge::translate::rounds::{Entry, for_modern};
use crate::bridge::translate::tasks::{Status, TaskView, flattened, inlined, result};
use crate::bridge::turn::{Outcome, Turn};
use crate::wire::fault;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, RawId, UpstreamId};
use crate::wire::meta::{Members, Params};
use crate::wire::method::Method;
use crate::wire::raw;
use crate::wire::version::Era;

/// What tells a child that it may make a task of a call: a member of `params`, with a comma behind it. The time is that for which a
/// client may come back.
pub(super) const OFFER: &str = r#""task":{"ttl":3600000},"#;

impl<R: Outlet> Switchboard<R> {
    /// Whether the child may make a task of a call.
    pub(super) fn may_offer_task(&self, id: CallId) -> bool {
        self.bridges_tasks()
            && self.abilities().is_some_and(|child| child.tasks)
            && self.calls.get(&id).is_some_and(|call| {
                call.method == Method::ToolsCall
                    && self.cell(call) == (Cell { client: Era::Modern, child: Era::Legacy })
                    && knows_tasks(&call.card().hello.capabilities)
            })
    }

    /// Notes that the child may make a task of a call, unless it did not want to.
    pub(super) fn offer_task(&mut self, id: CallId) {
        if self.may_offer_task(id)
            && let Some(call) = self.calls.get_mut(&id)
            && call.offer == Offer::None
        {
            call.offer = Offer::Made;
        }
    }

    /// Sends a call again, of which the child makes no task.
    pub(super) fn ask_plainly(&mut self, id: CallId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.offer = Offer::Refused;
        call.state = Stage::Waiting;
        self.flying -= 1;
        self.send_again(id, turn);
    }

    /// What an answer comes to that has to do with tasks; nothing if it has not.
    pub(super) fn bridged(&self, call: &Call<R>, frame: &Frame, stamp: &Stamp) -> Option<Upshot> {
        let is_error = frame.kind() == Kind::Error;
        if call.offer == Offer::Made {
            if is_error {
                let is_plain = error_code(frame) == fault::METHOD_NOT_FOUND;
                return is_plain.then_some(Upshot::Plain);
            }
            return created(frame).name.is_some().then_some(Upshot::Task);
        }
        // A child that has tasks says so of a tool that can be had as a task only.
        let lacks_task = call.offer == Offer::None && call.method == Method::ToolsCall && is_error;
        let may = self.bridges_tasks() && self.abilities().is_some_and(|child| child.tasks);
        if lacks_task && may && error_code(frame) == fault::METHOD_NOT_FOUND {
            return Some(Upshot::Refused(Refusal::CapabilityRequired(capability().into())));
        }
        let task = call.task?;
        let answer = |kind: &str, members: &str| {
            let text = fault::result(&call.client_id, &result(kind, members, stamp));
            Some(Upshot::Final(text.into(), Outcome::Result))
        };
        if call.method == Method::TasksCancel {
            // That a task is over already is no error any more.
            let is_done = !is_error || error_code(frame) == fault::INVALID_PARAMS;
            return if is_done { answer("complete", "") } else { None };
        }
        let named = task.quoted();
        if let Some(said) = call.fetched.as_ref().and_then(|said| said.payload()) {
            let payload = frame.payload().unwrap_or("{}");
            // A tool that fails has come to its end; only what is no result at all has failed.
            let (status, member, outcome) = if is_error {
                ("\"failed\"", "error", payload.into())
            } else {
                ("\"completed\"", "result", inlined(payload))
            };
            let face = flattened(said, &named, Some(status));
            return answer("complete", &format!("{face},\"{member}\":{outcome}"));
        }
        if is_error {
            let is_unknown = super::tasking::is_unknown(call, frame);
            return is_unknown.then_some(Upshot::Refused(Refusal::TaskUnknown));
        }
        let said = frame.payload().unwrap_or("{}");
        match view(frame).status {
            Status::Completed | Status::Failed => Some(Upshot::Fetch),
            Status::Working | Status::Cancelled => {
                answer("complete", &flattened(said, &named, None))
            }
            Status::InputRequired => match self.asked_of(call, task) {
                Ok(None) => {
                    // Its questions are still to come.
                    answer("complete", &flattened(said, &named, Some("\"working\"")))
                }
                Ok(Some(asks)) => {
                    let face = flattened(said, &named, None);
                    answer("complete", &format!("{face},\"inputRequests\":{{{asks}}}"))
                }
                Err(lacking) => Some(Upshot::Refused(Refusal::CapabilityRequired(lacking.into()))),
            },
        }
    }

    /// What a task asks of the client of a call, as members of `inputRequests`; or what that would have had to declare.
    fn asked_of(&self, call: &Call<R>, task: TaskId) -> Result<Option<String>, &'static str> {
        let asks = self.tasks.get(task).map(|task| &task.asks[..]).unwrap_or_default();
        let mut members = Vec::new();
        let mut lacking = None;
        for Asked { question, .. } in asks {
            let (key, params) = (&question.key, question.params.as_deref());
            let entry = Entry { key, method: question.method, params };
            if let Some(lacks) = undeclared(&[entry], call.card()) {
                lacking = Some(lacks);
                continue;
            }
            let params = params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
            members.push(format!(r#""{key}":{{"method":"{}"{params}}}"#, question.method.name()));
        }
        match lacking {
            Some(lacking) if members.is_empty() => Err(lacking),
            Some(_) | None => Ok((!members.is_empty()).then(|| members.join(","))),
        }
    }

    /// The answer to a call that became a task.
    pub(super) fn told_of_task(&self, call: &Call<R>, frame: &Frame, task: TaskId) -> Bytes {
        let payload = Members::of(frame.payload().unwrap_or("{}"));
        let said = payload.get("task").map_or("{}", |task| task.get());
        let members = flattened(said, &task.quoted(), None);
        let text = match &self.child {
            super::Child::Ready { stamp, .. } => result("task", &members, stamp),
            super::Child::Absent { .. } => format!("{{\"resultType\":\"task\",{members}}}"),
        };
        fault::result(&call.client_id, &text)
    }

    /// A task is over: asks the child what came of it, under the next number of the call.
    pub(super) fn fetch(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(task) = call.task.and_then(|task| self.tasks.get(task)) else {
            return self.refuse(id, Refusal::TaskUnknown, turn);
        };
        call.fetched = Some(Box::new(frame.clone()));
        call.flight = call.flight.next();
        let (number, name) = (UpstreamId::call(id, call.flight).0, raw::quoted(&task.name));
        turn.send(outcome_request(number, &name));
    }

    /// A task has questions, which a child with a handshake may ask only whoever asks for the outcome.
    pub(super) fn look_for_questions(&mut self, task: TaskId, status: Status, turn: &mut Turn) {
        if self.is_child_modern() {
            return;
        }
        let Some(task) = self.tasks.get_mut(task) else { return };
        if status == Status::InputRequired && !std::mem::replace(&mut task.is_opened, true) {
            self.own_requests += 1;
            let number = UpstreamId::own(self.own_requests).0;
            turn.send(outcome_request(number, &raw::quoted(&task.name)));
        }
        if status.is_over() {
            let asked = std::mem::take(&mut task.asks);
            Self::answer_asked(asked, turn);
        }
    }

    /// A child with a handshake asks something for a task. False if it is for none that is known.
    pub(super) fn asked_for_task(
        &mut self,
        frame: &Frame,
        child_id: &RawId,
        turn: &mut Turn,
    ) -> bool {
        let related = frame.params().meta().related_task;
        let related = related.and_then(|it| Params::of(Some(it.get())).task_id);
        let name = related.and_then(|name| raw::string(name.get()));
        let Some(id) = name.and_then(|name| self.tasks.named(&name)) else { return false };
        let Some(task) = self.tasks.get_mut(id) else { return false };
        if ask::kind(frame.method()).is_none() {
            return false;
        }
        let params = frame.payload().map(|params| inlined(&for_modern(params)).as_ref().into());
        if !task.ask(child_id.clone(), frame.method(), params) {
            let why = self.busy("a task has asked its client too much");
            turn.send(why.fault().answer(Some(child_id)));
        }
        true
    }

    /// What a child with a handshake says of a task by itself. False if it is about none that is known.
    pub(super) fn heard_of_task(&mut self, frame: &Frame, turn: &mut Turn) -> bool {
        if frame.method() != Method::TasksStatus {
            return false;
        }
        let said = view(frame);
        let name = said.name.and_then(raw::string);
        let Some(id) = name.and_then(|name| self.tasks.named(&name)) else { return false };
        self.tasks.hear(id, news(&said));
        if said.status.is_over() {
            self.look_for_questions(id, said.status, turn);
        }
        true
    }

    /// Takes what a client answers to the questions of a task of a child with a handshake. False if that is for the child to take.
    pub(super) fn update_task(&mut self, id: CallId, params: &Params<'_>, turn: &mut Turn) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        let Some(task) = call.task.filter(|_| call.method == Method::TasksUpdate) else {
            return false;
        };
        let super::Child::Ready { stamp, abilities, .. } = &self.child else { return false };
        if abilities.era == Era::Modern {
            return false;
        }
        let given = params.input_responses.map_or("", |given| given.get());
        let given_members = Members::of(given);
        let is_sound = given_members.0.iter().all(|(_, answer)| answer.get().starts_with('{'));
        if !given.starts_with('{') || !is_sound {
            let why = "\"inputResponses\" and each of its members must be objects";
            self.refuse(id, Refusal::BadParams(why), turn);
            return true;
        }
        let text = fault::result(&call.client_id, &result("complete", "", stamp));
        if let Some(task) = self.tasks.get_mut(task) {
            task.asks.retain(|asked| match given_members.get(&asked.question.key) {
                Some(answer) => {
                    turn.send(fault::result(&asked.child_id, answer.get()));
                    false
                }
                None => true,
            });
        }
        self.settle(id, text, Outcome::Result, turn);
        true
    }

    /// Nobody will answer what was asked for a task.
    pub(super) fn answer_asked(asked: Vec<Asked>, turn: &mut Turn) {
        for Asked { question, child_id } in asked {
            turn.send(match unanswered(ask::kind(question.method)) {
                Ok(result) => fault::result(&child_id, result),
                Err(fault) => fault.answer(Some(&child_id)),
            });
        }
    }
}

/// The task in the answer to a call that offered one.
pub(super) fn created(frame: &Frame) -> TaskView<'_> {
    let members = Members::of(frame.payload().unwrap_or("{}"));
    let task = members.get("task").map_or("", |task| task.get());
    TaskView::read(task, 0)
}

fn outcome_request(number: u64, name: &str) -> Bytes {
    let method = Method::TasksResult.name();
    format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":{{"taskId":{name}}}}}"#)
        .into()
}
