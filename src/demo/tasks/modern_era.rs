//! The tasks extension of 2026-07-28: everything about a task stands in the answer to `tasks/get`.

use serde_json::{Map, Value, json};

use super::{POLL_MS, Server, State, Status, TTL, Task};
use crate::demo::call::Outcome;
use crate::wire::fault::{Fault, INVALID_PARAMS};

/// The result of the call that became a task.
pub(super) fn created(task: &Task) -> Value {
    let mut created = base(task, &task.state());
    created["resultType"] = "task".into();
    created
}

pub(in crate::demo) fn get(server: &Server, params: &Value) -> Outcome {
    Ok(detail(&*server.tasks.named(params)?))
}

pub(in crate::demo) fn update(server: &Server, params: &Value) -> Outcome {
    let task = server.tasks.named(params)?;
    let answers = params["inputResponses"]
        .as_object()
        .filter(|answers| answers.values().all(Value::is_object))
        .ok_or_else(|| {
            Fault::new(INVALID_PARAMS, "\"inputResponses\" must be an object of objects")
        })?;
    task.answered(server, answers);
    Ok(json!({}))
}

/// Cancels the task. That it is over, or is cancelled already, is no error.
pub(in crate::demo) fn cancel(server: &Server, params: &Value) -> Outcome {
    server.tasks.named(params)?.cancel(server);
    Ok(json!({}))
}

/// The task as it is now.
pub(super) fn detail(task: &Task) -> Value {
    let state = task.state();
    let mut detail = base(task, &state);
    if state.status == Status::InputRequired {
        let asked =
            state.asked.iter().map(|(key, (_, request))| ((*key).to_owned(), request.clone()));
        detail["inputRequests"] = asked.collect::<Map<_, _>>().into();
    }
    match &state.outcome {
        None => {}
        Some(Ok(result)) => detail["result"] = result.clone(),
        Some(Err(fault)) => {
            detail["error"] = json!({"code": fault.code, "message": fault.message});
            if let Some(data) = &fault.data {
                detail["error"]["data"] = serde_json::from_str(data.get()).unwrap_or_default();
            }
        }
    }
    detail
}

fn base(task: &Task, state: &State) -> Value {
    let mut base = task.face(state);
    base["ttlMs"] = json!(TTL.as_millis());
    base["pollIntervalMs"] = POLL_MS.into();
    base
}
