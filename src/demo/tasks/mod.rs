//! Work that goes on after its call was answered. A tool says at some point that the rest of it is a task; the call is
//! answered with that, the thread goes on, and what the tool returns is kept for whoever asks for the task.
//!
//! Two revisions know tasks, each in its own words: 2025-11-25 as an [experiment](legacy), which is off without a flag,
//! and 2026-07-28 as an [extension](modern).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::ask::{NoAnswer, Question};
use super::call::{Call, Front, Outcome};
use super::era::Spoken;
use super::flight::{Flight, Interrupted};
use super::modern::{self, News, Round, TASKS, incapable};
use super::server::Server;
use crate::wire::fault::{Fault, INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND};

mod legacy;
mod modern_era;

pub(super) use legacy::{cancel as cancel_legacy, capability, get as get_legacy, list, outcome};
pub(super) use modern_era::{cancel, get, update};

/// Each task that is under way holds a thread.
const TASKS_MAX: usize = 1000;

/// How long a task can be asked for, and how long its questions stand.
const TTL: Duration = Duration::from_secs(10 * 60);
const POLL_MS: u64 = 200;

const RELATED_KEY: &str = "io.modelcontextprotocol/related-task";

/// Whether a tool can also be had without a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Optional,
    Required,
}

#[derive(Debug, Default)]
pub(super) struct Tasks(Mutex<HashMap<String, Arc<Task>>>);

#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    flight: Arc<Flight>,
    created: SystemTime,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    status: Status,
    updated: SystemTime,
    /// The questions that stand, by name, each with the number its answer is waited for under.
    asked: HashMap<&'static str, (u64, Value)>,
    /// Present once it is completed or failed.
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

// === impl Call ===

impl Call<'_> {
    /// Makes the rest of the call a task if the client knows tasks; without one it goes on as a call, if it may.
    pub(super) fn become_task(&self, need: Need) -> Result<(), Fault> {
        let answer: fn(&Task) -> Value = match &self.front {
            Front::Modern(round) if round.envelope.extends(TASKS) => modern_era::created,
            Front::Modern(_) if need == Need::Required => {
                return Err(incapable(&json!({"extensions": {(TASKS): {}}})));
            }
            Front::Legacy if self.wanted_task.is_some() => legacy::created,
            Front::Legacy if need == Need::Required && self.server.args.legacy_tasks => {
                return Err(Fault::new(METHOD_NOT_FOUND, "this tool can be called as a task only"));
            }
            Front::Modern(_) | Front::Legacy => return Ok(()),
        };
        let task = self.server.tasks.create(&self.flight)?;
        let outcome = Ok(answer(&task));
        // Another thread may ask for the task as soon as it is known, but nobody sets it twice.
        drop(self.task.set(task));
        self.server.became_task(self, outcome);
        Ok(())
    }
}

// === impl Tasks ===

impl Tasks {
    fn create(&self, flight: &Arc<Flight>) -> Result<Arc<Task>, Fault> {
        let mut tasks = self.lock();
        let now = SystemTime::now();
        tasks.retain(|_, task| !task.is_over() || now < task.created + TTL);
        if tasks.len() >= TASKS_MAX {
            return Err(Fault::new(INTERNAL_ERROR, "too many tasks at once, try again later"));
        }
        let state =
            State { status: Status::Working, updated: now, asked: HashMap::new(), outcome: None };
        let id = format!("{:032x}", u128::from_be_bytes(modern::random()));
        let task = Arc::new(Task {
            id: id.clone(),
            flight: Arc::clone(flight),
            created: now,
            state: Mutex::new(state),
        });
        tasks.insert(id, Arc::clone(&task));
        Ok(task)
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Task>> {
        self.lock().get(id).cloned()
    }

    /// The task that the params name.
    fn named(&self, params: &Value) -> Result<Arc<Task>, Fault> {
        let id = params["taskId"]
            .as_str()
            .ok_or_else(|| Fault::new(INVALID_PARAMS, "\"taskId\" must be a string"))?;
        self.find(id).ok_or_else(|| Fault::new(INVALID_PARAMS, "there is no such task"))
    }

    pub(super) fn cancel_all(&self) {
        for task in self.lock().values() {
            task.flight.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Task>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Task ===

impl Task {
    /// The tool has returned. If the task was cancelled meanwhile, nobody wants to know.
    pub(super) fn land(&self, server: &Server, outcome: Outcome) {
        let status = match &outcome {
            Ok(result) if result["isError"] == true && server.era.spoken() == Spoken::Legacy => {
                Status::Failed
            }
            Ok(_) => Status::Completed,
            Err(_) => Status::Failed,
        };
        self.change(server, status, |state| state.outcome = Some(outcome));
    }

    /// Ends the task; false if it is over.
    fn cancel(&self, server: &Server) -> bool {
        let is_cancelled = self.change(server, Status::Cancelled, |state| state.asked.clear());
        self.flight.cancel();
        is_cancelled
    }

    /// Lets the questions stand with the task until all are answered.
    pub(super) fn ask(
        &self,
        call: &Call<'_>,
        round: &Round,
        questions: &[Question],
    ) -> Result<Vec<Value>, NoAnswer> {
        let server = call.server;
        let unable = questions.iter().find(|one| !one.suits(&round.envelope.capabilities));
        if let Some(question) = unable {
            return Err(NoAnswer::Refused(incapable(&question.capability())));
        }
        let asks: Vec<u64> = questions.iter().map(|_| server.number_ask()).collect();
        self.change(server, Status::InputRequired, |state| {
            for (question, ask) in questions.iter().zip(&asks) {
                state.asked.insert(question.key, (*ask, question.request()));
            }
        });
        let answers = asks.iter().map(|ask| match call.flight.answer(*ask, TTL) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(NoAnswer::Told(error)),
            Err(Interrupted::Cancelled) => Err(NoAnswer::Cancelled),
            Err(Interrupted::TimedOut) => {
                Err(NoAnswer::Told("The client did not answer in time.".to_owned()))
            }
        });
        answers.collect()
    }

    /// Takes answers to questions that stand. Others do not matter.
    fn answered(&self, server: &Server, answers: &Map<String, Value>) {
        let mut brought = Vec::new();
        let mut state = self.state();
        for (key, answer) in answers {
            if let Some((ask, _)) = state.asked.remove(key.as_str()) {
                brought.push((ask, answer.clone()));
            }
        }
        let is_answered = !brought.is_empty() && state.asked.is_empty();
        drop(state);
        if is_answered {
            self.change(server, Status::Working, |_| ());
        }
        for (ask, answer) in brought {
            self.flight.bring(ask, Ok(answer));
        }
    }

    /// Marks that the client is asked, where the question is a request of its own.
    pub(super) fn is_waiting(&self, server: &Server, is_waiting: bool) {
        let status = if is_waiting { Status::InputRequired } else { Status::Working };
        self.change(server, status, |_| ());
    }

    /// What a message that belongs to the task says of it.
    pub(super) fn related(&self) -> Value {
        json!({(RELATED_KEY): {"taskId": self.id}})
    }

    fn is_over(&self) -> bool {
        self.state().status.is_over()
    }

    /// Changes the task unless it is over, and tells who wants to know.
    fn change(&self, server: &Server, status: Status, change: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state();
        if state.status.is_over() {
            return false;
        }
        state.status = status;
        state.updated = SystemTime::now();
        change(&mut state);
        drop(state);
        match server.era.spoken() {
            Spoken::Legacy => legacy::tell(server, self),
            Spoken::Modern => {
                server.listens.tell(server, News::Task(&self.id, &modern_era::detail(self)));
            }
        }
        true
    }

    /// What both revisions say of it in the same words.
    fn face(&self, state: &State) -> Value {
        json!({
            "taskId": self.id,
            "status": state.status.as_str(),
            "createdAt": humantime::format_rfc3339_millis(self.created).to_string(),
            "lastUpdatedAt": humantime::format_rfc3339_millis(state.updated).to_string(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Status ===

impl Status {
    fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
