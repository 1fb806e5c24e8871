//! Questions to the client. A tool asks in one way; how the question travels depends on the era. The old one sends a
//! request and waits for its answer. The modern one ends the call with the question and runs the tool again from its
//! start once the answer is there. In a task the question stands with the task until somebody answers.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Call, Front, Outcome, cancelled, failure};
use super::flight::Interrupted;
use crate::wire::fault::{Fault, INTERNAL_ERROR};

/// How long a client, and the person behind it, may think about a question.
const ASK_LIMIT: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Its name, unlike that of any other question of the same call.
    pub(super) key: &'static str,
    pub(super) method: &'static str,
    pub(super) params: Value,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// To be told to the model: the client cannot be asked, or it refused.
    Told(String),
    /// To be answered with an error.
    Refused(Fault),
    /// The result that asks the client.
    Asked(Value),
    Cancelled,
}

// === impl Question ===

impl Question {
    pub(super) fn form(key: &'static str, message: &str, schema: &Value) -> Self {
        let params = json!({"message": message, "requestedSchema": schema});
        Self { key, method: "elicitation/create", params }
    }

    /// A form with one field.
    pub(super) fn field(key: &'static str, message: &str, name: &str, kind: &str) -> Self {
        let schema = json!({
            "type": "object",
            "properties": {name: {"type": kind}},
            "required": [name],
        });
        Self::form(key, message, &schema)
    }

    pub(super) fn sample(key: &'static str, prompt: &str) -> Self {
        Self { key, method: "sampling/createMessage", params: sample_params(prompt) }
    }

    pub(super) fn roots(key: &'static str) -> Self {
        Self { key, method: "roots/list", params: json!({}) }
    }

    /// What a client has to declare to be asked this.
    pub(super) fn capability(&self) -> Value {
        match self.method {
            "sampling/createMessage" => json!({"sampling": {}}),
            "roots/list" => json!({"roots": {}}),
            _ if self.params["mode"] == "url" => json!({"elicitation": {"url": {}}}),
            _ => json!({"elicitation": {}}),
        }
    }

    /// Whether a client with these capabilities can be asked this.
    pub(super) fn suits(&self, capabilities: &Value) -> bool {
        let declared = |name: &str| capabilities.get(name).and_then(Value::as_object);
        match self.method {
            "sampling/createMessage" => declared("sampling").is_some(),
            "roots/list" => declared("roots").is_some(),
            _ if self.params["mode"] == "url" => {
                declared("elicitation").is_some_and(|modes| modes.contains_key("url"))
            }
            // Nothing said of the kind of elicitation means forms, as in the revision that began it.
            _ => declared("elicitation")
                .is_some_and(|modes| modes.is_empty() || modes.contains_key("form")),
        }
    }

    pub(super) fn request(&self) -> Value {
        json!({"method": self.method, "params": self.params})
    }
}

// === impl Call ===

impl Call<'_> {
    /// Asks the client a question.
    pub(super) fn ask(&self, question: Question) -> Result<Value, NoAnswer> {
        let answers = self.ask_all(&[question])?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    /// Asks the client some questions at once, and gives the answers in their order.
    pub(super) fn ask_all(&self, questions: &[Question]) -> Result<Vec<Value>, NoAnswer> {
        match (&self.front, self.task.get()) {
            (Front::Modern(round), Some(task)) => task.ask(self, round, questions),
            (Front::Modern(round), None) => round.ask(self.server, questions),
            (Front::Legacy, _) => {
                let unable = questions.iter().find(|question| !self.can_ask(question));
                if let Some(question) = unable.filter(|_| !self.server.args.stray_ask) {
                    let method = question.method;
                    let needed = method.split('/').next().unwrap_or(method);
                    return Err(NoAnswer::Told(format!(
                        "This tool has to ask the client ({method}), but the client did not declare the capability \
                         `{needed}` when it connected."
                    )));
                }
                self.request_all(questions)
            }
        }
    }

    /// Asks even a client that cannot be asked, where the era leaves it to the client to say so.
    pub(super) fn insist(&self, question: Question) -> Result<Value, NoAnswer> {
        match self.front {
            Front::Legacy => {
                let answers = self.request_all(&[question])?;
                Ok(answers.into_iter().next().unwrap_or_default())
            }
            Front::Modern(_) => self.ask(question),
        }
    }

    pub(super) fn can_ask(&self, question: &Question) -> bool {
        question.suits(&self.client()["capabilities"])
    }

    /// Sends the questions as requests and waits for all answers. With one that does not come, the others are withdrawn.
    fn request_all(&self, questions: &[Question]) -> Result<Vec<Value>, NoAnswer> {
        let server = self.server;
        let task = self.task.get();
        if let Some(task) = task {
            task.is_waiting(server, true);
        }
        let open: Vec<u64> = questions
            .iter()
            .map(|question| {
                let mut params = question.params.clone();
                if let Some(task) = task {
                    params["_meta"] = task.related();
                }
                server.ask(Some(&self.flight), question.method, &params)
            })
            .collect();
        let answers = open.iter().zip(questions).map(|(ask, question)| self.answer(*ask, question));
        let answers: Result<Vec<Value>, NoAnswer> = answers.collect();
        for ask in open {
            let was_open = server.forget_ask(ask);
            if was_open {
                server.notify("notifications/cancelled", &json!({"requestId": ask}));
            }
        }
        if let Some(task) = task {
            task.is_waiting(server, false);
        }
        answers
    }

    fn answer(&self, ask: u64, question: &Question) -> Result<Value, NoAnswer> {
        let method = question.method;
        match self.flight.answer(ask, ASK_LIMIT) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => {
                Err(NoAnswer::Told(format!("The client answered {method} with an error: {error}")))
            }
            Err(Interrupted::Cancelled) => Err(NoAnswer::Cancelled),
            Err(Interrupted::TimedOut) => {
                Err(NoAnswer::Told(format!("The client did not answer {method} in time.")))
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
            Self::Refused(_) | Self::Asked(_) | Self::Cancelled => self.bare_outcome(),
        }
    }

    /// The outcome of something else: only tools have results that tell of a failure.
    pub(super) fn bare_outcome(self) -> Outcome {
        match self {
            Self::Told(why) => Err(Fault::new(INTERNAL_ERROR, why)),
            Self::Refused(fault) => Err(fault),
            Self::Asked(result) => Ok(result),
            Self::Cancelled => Err(cancelled()),
        }
    }
}

impl From<Fault> for NoAnswer {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

pub(super) fn sample_params(prompt: &str) -> Value {
    json!({
        "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}],
        "maxTokens": 100,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_asked_what_it_declared_and_nothing_else() {
        let form = Question::field("a", "Who?", "name", "string");
        let params = json!({"mode": "url", "url": "https://example.com", "message": "Go."});
        let url = Question { key: "b", method: "elicitation/create", params };
        let sample = Question::sample("c", "Why?");
        let roots = Question::roots("d");
        for (capabilities, expected) in [
            (json!({}), [false, false, false, false]),
            (json!({"elicitation": {}, "roots": {}}), [true, false, false, true]),
            (json!({"elicitation": {"url": {}}}), [false, true, false, false]),
            (json!({"elicitation": {"url": {}, "form": {}}}), [true, true, false, false]),
            (json!({"sampling": {}}), [false, false, true, false]),
            (json!({"sampling": true}), [false, false, false, false]),
        ] {
            let found =
                [&form, &url, &sample, &roots].map(|question| question.suits(&capabilities));
            assert_eq!(found, expected, "{capabilities}");
        }
        for question in [form, url, sample, roots] {
            assert!(question.suits(&question.capability()));
        }
    }
}
