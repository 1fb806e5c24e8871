//! The experimental tasks of 2025-11-25: the client asks for one, fetches its result apart, and is asked by requests.

use serde_json::{Value, json};

use super::{POLL_MS, RELATED_KEY, Server, State, Status, TTL, Task};
use crate::demo::call::{Call, Outcome, cancelled};
use crate::demo::catalog;
use crate::wire::fault::{Fault, INVALID_PARAMS};

/// What the server says of tasks when it is greeted.
pub(in crate::demo) fn capability() -> Value {
    json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}})
}

/// The result of the call that became a task.
pub(super) fn created(task: &Task) -> Value {
    json!({"task": base(task, &task.state())})
}

pub(in crate::demo) fn get(server: &Server, params: &Value) -> Outcome {
    let task = server.tasks.named(params)?;
    let state = task.state();
    Ok(base(&task, &state))
}

pub(in crate::demo) fn list(server: &Server, params: &Value) -> Outcome {
    let tasks = server.tasks.lock();
    let tasks: Vec<Value> = tasks.values().map(|task| base(task, &task.state())).collect();
    catalog::page("tasks", &tasks, params, None)
}

pub(in crate::demo) fn cancel(server: &Server, params: &Value) -> Outcome {
    let task = server.tasks.named(params)?;
    if !task.cancel(server) {
        return Err(Fault::new(INVALID_PARAMS, "the task is over"));
    }
    let state = task.state();
    Ok(base(&task, &state))
}

/// What the tool returned, once it has.
pub(in crate::demo) fn outcome(call: &Call<'_>, params: &Value) -> Outcome {
    let task = call.server.tasks.named(params)?;
    while !task.is_over() {
        call.pause(POLL_MS / 10)?;
    }
    let outcome = task.state().outcome.clone();
    let mut result = outcome.unwrap_or_else(|| Err(cancelled()))?;
    result["_meta"][RELATED_KEY] = json!({"taskId": task.id});
    Ok(result)
}

pub(super) fn tell(server: &Server, task: &Task) {
    let params = base(task, &task.state());
    server.notify("notifications/tasks/status", &params);
}

fn base(task: &Task, state: &State) -> Value {
    let mut base = task.face(state);
    base["ttl"] = json!(TTL.as_millis());
    base["pollInterval"] = POLL_MS.into();
    if state.status == Status::Cancelled {
        base["statusMessage"] = "cancelled by the client".into();
    }
    base
}
