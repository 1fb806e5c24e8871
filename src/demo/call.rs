//! One call, of a tool or of something else that may take its time, as that sees it: its arguments, who calls, and what
//! it may do besides answering.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::flight::Flight;
use super::modern::{self, Keep, Round};
use super::server::{Server, gravity};
use super::tasks::Task;
use crate::wire::fault::{Fault, INTERNAL_ERROR, INVALID_PARAMS};
use crate::wire::frame::Frame;
use crate::wire::id::RawId;
use crate::wire::raw::Raw;
use crate::wire::version::Version;

/// What a request gives back: its result, or a protocol error.
pub(super) type Outcome = Result<Value, Fault>;

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) server: &'a Server,
    pub(super) id: RawId,
    pub(super) flight: Arc<Flight>,
    pub(super) arguments: Map<String, Value>,
    pub(super) front: Front,
    /// Set once the call has been answered with a task.
    pub(super) task: OnceLock<Arc<Task>>,
    /// The task the client asked for; only clients of 2025-11-25 do.
    pub(super) wanted_task: Option<Value>,
    /// The progress token as it was written; absent when nobody wants progress.
    token: Option<String>,
}

/// Who calls.
#[derive(Debug)]
pub(super) enum Front {
    /// The client that sent `initialize`.
    Legacy,
    /// Whoever the request says.
    Modern(Box<Round>),
}

// === impl Call ===

impl<'a> Call<'a> {
    pub(super) fn new(server: &'a Server, id: RawId, frame: &Frame, front: Front) -> Self {
        let token = frame.params().meta().progress_token.map(Raw::get);
        let token = token.filter(|raw| !raw.starts_with(['n', 't', 'f', '{', '[']));
        Self {
            server,
            id,
            flight: Arc::default(),
            arguments: Map::new(),
            front,
            task: OnceLock::new(),
            wanted_task: None,
            token: token.map(str::to_owned),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Fault> {
        self.optional_text(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.arguments.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    pub(super) fn count(&self, name: &str, most: u64) -> Result<u64, Fault> {
        let value = self.arguments.get(name).ok_or_else(|| missing(name))?;
        value
            .as_u64()
            .filter(|count| *count <= most)
            .ok_or_else(|| wrong(name, &format!("a whole number from 0 to {most}")))
    }

    pub(super) fn number(&self, name: &str) -> Result<&serde_json::Number, Fault> {
        match self.arguments.get(name) {
            None => Err(missing(name)),
            Some(Value::Number(number)) => Ok(number),
            Some(_) => Err(wrong(name, "a number")),
        }
    }

    /// Lets time pass. A cancelled call should end at once; nobody will see what it says.
    pub(super) fn pause(&self, ms: u64) -> Result<(), Fault> {
        self.flight.pause(Duration::from_millis(ms)).map_err(|_| cancelled())
    }

    /// Tells how far the call has come, if the client wants to know. `done` rises from one telling to the next.
    pub(super) fn progress(&self, done: u64, total: u64, message: &str) {
        let Some(token) = &self.token else { return };
        if self.is_silent() {
            return;
        }
        let message = if self.server.version() >= Version::V2025_03_26 {
            format!(r#","message":{}"#, Value::from(message))
        } else {
            String::new()
        };
        self.server.voice.say(
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{done},"total":{total}{message}}}}}"#
            )
            .as_bytes(),
        );
    }

    /// Sends a log message if the client wants messages as grave as this. Tells whether it does.
    pub(super) fn log(&self, level: &str, data: &Value) -> bool {
        let threshold = match &self.front {
            Front::Legacy => Some(self.server.threshold()),
            Front::Modern(round) => round.envelope.threshold,
        };
        let is_wanted = !self.is_silent()
            && threshold.is_some_and(|threshold| gravity(level) >= Some(threshold));
        if is_wanted {
            self.server.log(level, data);
        }
        is_wanted
    }

    /// What the client said of itself.
    pub(super) fn client(&self) -> Value {
        match &self.front {
            Front::Legacy => self.server.client(),
            Front::Modern(round) => json!({
                "protocolVersion": modern::VERSION,
                "clientInfo": round.envelope.client_info,
                "capabilities": round.envelope.capabilities,
            }),
        }
    }

    pub(super) fn is_modern(&self) -> bool {
        matches!(self.front, Front::Modern(_))
    }

    /// How long the result may be kept, in the era that says so.
    pub(super) fn keep(&self) -> Option<Keep> {
        match &self.front {
            Front::Legacy => None,
            Front::Modern(round) => round.keep,
        }
    }

    /// Nobody hears more of a call that was cancelled or has been answered with a task.
    fn is_silent(&self) -> bool {
        self.flight.is_cancelled() || self.task.get().is_some()
    }
}

/// A result that is one text.
pub(super) fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// A result that tells the model what went wrong.
pub(super) fn failure(why: &str) -> Value {
    json!({"content": [{"type": "text", "text": why}], "isError": true})
}

pub(super) fn cancelled() -> Fault {
    Fault::new(INTERNAL_ERROR, "the call was cancelled")
}

fn missing(name: &str) -> Fault {
    Fault::new(INVALID_PARAMS, format!("the argument \"{name}\" is missing"))
}

fn wrong(name: &str, wanted: &str) -> Fault {
    Fault::new(INVALID_PARAMS, format!("the argument \"{name}\" must be {wanted}"))
}
