//! Work that goes on after its call was answered, and the requests about it.
//!
//! ```text
//!  client    child     what becomes of tasks
//!  modern    modern    pass, under names of ours that open to their owner alone
//!  legacy    legacy    pass unchanged on a child of one session, whom nobody else can ask; a shared child is asked for none
//!  unequal             hidden: neither side hears that the other knows tasks, unless `tasks` is "bridge"
//! ```
//!
//! Bridged, a legacy client's call stays open until the task is over (`absorbing`), and a modern one's task is a task of the child in
//! other words (`bridging`).
//!
//! Where tasks are hidden the requests about them are unknown methods. Where they are not, a task of somebody else and one that
//! never was are the same.

use std::borrow::Cow;

use super::crossing::Cell;
use super::lines::error_code;
use super::{Child, Switchboard, Tenancy};
use crate::bridge::call::Call;
use crate::bridge::listens::Filter;
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::tasks::{News, TaskId};
use crate::bridge::translate::capabilities::{TASKS, knows_tasks};
use crate::bridge::translate::edits::Edits;
use crate::bridge::translate::legacy_to_modern::Envelope;
use crate::bridge::translate::tasks::{Questions, TaskView};
use crate::bridge::turn::{Outcome, Turn};
use crate::config::model::TasksChoice;
use crate::wire::fault;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{CallId, UpstreamId};
use crate::wire::meta::{self, Members, Params};
use crate::wire::method::Method;
use crate::wire::raw::{self, Raw};
use crate::wire::version::Era;

impl<R: Outlet> Switchboard<R> {
    /// Whether tasks go between the eras here.
    pub(super) fn bridges_tasks(&self) -> bool {
        self.limits.tasks == TasksChoice::Bridge
    }

    /// Finds the task that a request is about, or says why there is none.
    pub(super) fn find_task(&mut self, id: CallId, params: &Params<'_>) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(&id) else { return Err(Refusal::Cancelled) };
        let unknown = || Refusal::MethodUnknown(call.method.name().into());
        match self.cell(call) {
            Cell { client: Era::Legacy, child: Era::Legacy } => {
                // All it can name are its own.
                return if self.tenancy == Tenancy::Private { Ok(()) } else { Err(unknown()) };
            }
            Cell { client: Era::Modern, child: Era::Modern } => {}
            Cell { client: Era::Modern, child: Era::Legacy } if self.bridges_tasks() => {}
            Cell { .. } => return Err(unknown()),
        }
        let has_tasks = self.abilities().is_some_and(|child| child.tasks);
        let card = call.card();
        if !knows_tasks(&card.hello.capabilities) {
            return Err(if has_tasks {
                Refusal::CapabilityRequired(capability().into())
            } else {
                unknown()
            });
        }
        let named = params.task_id.and_then(|raw| raw::string(raw.get()));
        let named = named.ok_or(Refusal::BadParams("\"taskId\" must be a string"))?;
        // A child that has made a task knows tasks, whatever it says of itself.
        let task = self.tasks.find(&named, &card.principal);
        let task = task.ok_or_else(|| if has_tasks { Refusal::TaskUnknown } else { unknown() })?;
        if let Some(call) = self.calls.get_mut(&id) {
            call.task = Some(task);
        }
        Ok(())
    }

    /// The child answers a call with a task: from now on that has a name its client can ask for.
    pub(super) fn become_task(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let server = self.limits.server.clone();
        let child_is_modern = self.is_child_modern();
        let task = if child_is_modern { view(frame) } else { super::bridging::created(frame) };
        let Some(name) = task.name.and_then(raw::string) else {
            let why = "it answers with a task that has no taskId";
            return self.refuse(id, Refusal::ChildErred { server, why }, turn);
        };
        let card = call.card();
        let opened = if call.method != Method::ToolsCall {
            Err(Refusal::ChildErred { server, why: "it answers with a task where none may be" })
        } else if !knows_tasks(&card.hello.capabilities) {
            let why = "it answers with a task, and its client declared to know none";
            Err(Refusal::ChildErred { server, why })
        } else {
            let opened = self.tasks.open(&card.principal, &name, news(&task), turn.now);
            opened.map_err(|_| self.busy("too many of its tasks are under way"))
        };
        let task_id = match opened {
            Ok(task) => task,
            Err(why) => {
                self.abandon_task(&name, turn);
                return self.refuse(id, why, turn);
            }
        };
        self.sweep_later(turn.now);
        let Some(call) = self.calls.get(&id) else { return };
        let text = if child_is_modern {
            let mut edits = Edits::new();
            let at = frame.id_span().expect("it was found by its id");
            edits.push(at, call.client_id.as_bytes());
            task.rename(task_id.quoted(), &mut edits);
            edits.splice(frame)
        } else {
            self.told_of_task(call, frame, task_id)
        };
        self.settle(id, text, Outcome::Result, turn);
    }

    /// Nobody will ever ask for a task: the child need not go on with it.
    pub(super) fn abandon_task(&mut self, name: &str, turn: &mut Turn) {
        let meta = Envelope::of_nobody_with_tasks().bare();
        // The members of another era do no harm.
        self.ask_about_task(Method::TasksCancel, name, &format!("\"_meta\":{{{meta}}}"), turn);
    }

    /// A request of the bridge's own about a task; gives the number it is known by. `more` are members of its `params`.
    pub(super) fn ask_about_task(
        &mut self,
        method: Method,
        name: &str,
        more: &str,
        turn: &mut Turn,
    ) -> u64 {
        self.own_requests += 1;
        let serial = self.own_requests;
        if matches!(self.child, Child::Ready { .. }) {
            let (id, method, name) = (UpstreamId::own(serial).0, method.name(), raw::quoted(name));
            turn.send(
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"taskId":{name},{more}}}}}"#
                )
                .into(),
            );
        }
        serial
    }

    /// Gives a request the child's name for the task it is about.
    pub(super) fn rename_for_child(&self, call: &Call<R>, request: &Frame, edits: &mut Edits<'_>) {
        let task = call.task.and_then(|task| self.tasks.get(task));
        if let Some(task) = task
            && let Some(leaf) = request.params().task_id
        {
            let at = meta::place(leaf, request.text());
            edits.push(at, raw::quoted(&task.name).into_bytes());
        }
    }

    /// Notes how a task stands, if an answer tells it.
    pub(super) fn hear_of_task(&mut self, id: CallId, frame: &Frame, turn: &mut Turn) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(task) = call.task else { return };
        if is_unknown(call, frame) {
            let asked = self.tasks.forget(task);
            Self::answer_asked(asked, turn);
        } else if frame.kind() == Kind::Result && call.fetched.is_none() {
            let view = view(frame);
            self.tasks.hear(task, news(&view));
            self.look_for_questions(task, view.status, turn);
        }
    }

    /// Those of the named tasks that belong to the client of a call.
    pub(super) fn own_tasks(&self, id: CallId, named: &[Cow<'_, str>]) -> Vec<TaskId> {
        let Some(call) = self.calls.get(&id) else { return Vec::new() };
        let card = call.card();
        if named.is_empty() || !knows_tasks(&card.hello.capabilities) {
            return Vec::new();
        }
        named.iter().filter_map(|name| self.tasks.find(name, &card.principal)).collect()
    }

    /// Lets the child of the same era hear, of the tasks that a client wants to hear of, of those it may.
    pub(super) fn rename_in_filter(&mut self, id: CallId, request: &Frame, edits: &mut Edits<'_>) {
        let Some(listen) = self.listens.get_mut(id) else { return };
        let names = listen.tasks.iter().filter_map(|task| self.tasks.get(*task));
        let names: Vec<String> = names.map(|task| raw::quoted(&task.name)).collect();
        if let Some(leaf) = task_ids(&request.params()) {
            let at = meta::place(leaf, request.text());
            edits.push(at, format!("[{}]", names.join(",")).into_bytes());
        }
    }

    /// Gives tasks in what the child says on a stream of changes the names their client knows. False if that must not hear it.
    pub(super) fn rename_on_stream(
        &mut self,
        id: CallId,
        frame: &Frame,
        params: &Params<'_>,
        edits: &mut Edits<'_>,
    ) -> bool {
        let Some(listen) = self.listens.get_mut(id) else { return false };
        let tasks = &self.tasks;
        let called = |name: &str| {
            let is_it = |task: &TaskId| tasks.get(*task).is_some_and(|task| *task.name == *name);
            listen.tasks.iter().copied().find(is_it)
        };
        if frame.method() == Method::ListenAcknowledged {
            if let Some(leaf) = task_ids(params) {
                let honoured = Filter::read(params.notifications.map(Raw::get));
                let honoured = honoured.map(|honoured| honoured.tasks).unwrap_or_default();
                let names = honoured.iter().filter_map(|name| called(name)).map(TaskId::quoted);
                let names = format!("[{}]", names.collect::<Vec<_>>().join(","));
                edits.push(meta::place(leaf, frame.text()), names.into_bytes());
            }
        } else if frame.method() == Method::TasksNotice {
            let task = view(frame);
            let Some(known) = task.name.and_then(raw::string).and_then(|name| called(&name)) else {
                return false;
            };
            task.rename(known.quoted(), edits);
            if let Some(call) = self.calls.get(&id) {
                task.ask_only(call.card().declared, edits);
            }
            self.tasks.hear(known, news(&task));
        }
        true
    }
}

/// Whether the child knows nothing of a task that we know.
pub(super) fn is_unknown<R>(call: &Call<R>, frame: &Frame) -> bool {
    let is_error = call.task.is_some() && frame.kind() == Kind::Error;
    is_error && call.method == Method::TasksGet && error_code(frame) == fault::INVALID_PARAMS
}

/// Gives an answer about a task the name its client knows, and leaves of its questions those that this client can be asked.
pub(super) fn rename_for_client<R>(
    call: &Call<R>,
    task: TaskId,
    frame: &Frame,
    edits: &mut Edits<'_>,
) -> Result<(), Refusal> {
    let view = view(frame);
    view.rename(task.quoted(), edits);
    match view.ask_only(call.card().declared, edits) {
        Questions::Fine => Ok(()),
        Questions::Lacking(capability) => Err(Refusal::CapabilityRequired(capability.into())),
    }
}

pub(super) fn view(frame: &Frame) -> TaskView<'_> {
    match (frame.payload(), frame.payload_span()) {
        (Some(payload), Some(at)) => TaskView::read(payload, at.start),
        _ => TaskView::default(),
    }
}

pub(super) fn news(task: &TaskView<'_>) -> News {
    News { is_over: task.status.is_over(), ttl: task.ttl }
}

/// The tasks in a filter of changes.
fn task_ids<'a>(params: &Params<'a>) -> Option<Raw<'a>> {
    Members::of(params.notifications?.get()).get("taskIds")
}

/// What a client has to declare to be given tasks.
pub(super) fn capability() -> String {
    format!(r#"{{"extensions":{{"{TASKS}":{{}}}}}}"#)
}
