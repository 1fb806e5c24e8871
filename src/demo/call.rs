//! One tool call, as the tool sees it: its arguments, and what it may do besides answering.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::flight::{Flight, Interrupted};
use super::server::Server;
use crate::wire::fault::{Fault, INTERNAL_ERROR, INVALID_PARAMS};
use crate::wire::id::RawId;
use crate::wire::version::Version;

/// What a tool gives back: the result of `tools/call`, or a protocol error.
pub(super) type Outcome = Result<Value, Fault>;

/// How long a client, and the person behind it, may think about a question.
const ASK_LIMIT: Duration = Duration::from_secs(10 * 60);

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) server: &'a Server,
    pub(super) id: RawId,
    pub(super) flight: Arc<Flight>,
    pub(super) arguments: Map<String, Value>,
    /// The progress token as it was written; absent when nobody wants progress.
    pub(super) token: Option<String>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// To be told to the model: the client cannot be asked, or it refused.
    Told(String),
    Cancelled,
}

// === impl Call ===

impl Call<'_> {
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
        if self.flight.is_cancelled() {
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

    /// Asks the client a question and waits for its answer.
    pub(super) fn ask(&self, method: &str, params: &Value) -> Result<Value, NoAnswer> {
        let server = self.server;
        if !server.args.stray_ask && !server.may_ask(method) {
            let needed = method.split('/').next().unwrap_or(method);
            return Err(NoAnswer::Told(format!(
                "This tool has to ask the client ({method}), but the client did not declare the capability `{needed}` \
                 when it connected."
            )));
        }
        let ask = server.ask(Some(&self.flight), method, params);
        let answer = self.flight.answer(ask, ASK_LIMIT);
        server.forget_ask(ask);
        match answer {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                Err(NoAnswer::Told(format!("The client answered {method} with an error: {error}")))
            }
            Err(interrupted) => {
                server.notify("notifications/cancelled", &json!({"requestId": ask}));
                Err(match interrupted {
                    Interrupted::Cancelled => NoAnswer::Cancelled,
                    Interrupted::TimedOut => {
                        NoAnswer::Told(format!("The client did not answer {method} in time."))
                    }
                })
            }
        }
    }
}

// === impl NoAnswer ===

impl NoAnswer {
    /// The outcome of a tool that cannot go on without the answer.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Told(why) => Ok(failure(&why)),
            Self::Cancelled => Err(cancelled()),
        }
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

fn missing(name: &str) -> Fault {
    Fault::new(INVALID_PARAMS, format!("the argument \"{name}\" is missing"))
}

fn wrong(name: &str, wanted: &str) -> Fault {
    Fault::new(INVALID_PARAMS, format!("the argument \"{name}\" must be {wanted}"))
}

fn cancelled() -> Fault {
    Fault::new(INTERNAL_ERROR, "the call was cancelled")
}
