//! One round of a request: it has the answers that were given to it so far, and either comes to an end with them or ends
//! in questions. The client answers those in a repetition of the request, which runs from the start again.

use serde_json::{Map, Value, json};

use super::envelope::{Envelope, incapable};
use super::{Keep, seal};
use crate::demo::ask::{NoAnswer, Question};
use crate::demo::server::Server;
use crate::wire::fault::{Fault, INVALID_PARAMS};

#[derive(Debug)]
pub(in crate::demo) struct Round {
    pub(in crate::demo) envelope: Envelope,
    /// Whether the client brought a state of an earlier round.
    pub(in crate::demo) is_later: bool,
    pub(in crate::demo) keep: Option<Keep>,
    answers: Map<String, Value>,
    purpose: Vec<u8>,
}

// === impl Round ===

impl Round {
    pub(super) fn begin(
        server: &Server,
        method: &str,
        params: &Value,
        envelope: Envelope,
        keep: Option<Keep>,
    ) -> Result<Self, Fault> {
        let bad = |why: &str| Fault::new(INVALID_PARAMS, why);
        let purpose = seal::purpose(method, params);
        let state = params.get("requestState");
        let mut answers = match state {
            None => Map::new(),
            Some(Value::String(state)) => {
                server.seal.open(&purpose, state).ok_or_else(|| bad("invalid requestState"))?
            }
            Some(_) => return Err(bad("invalid requestState")),
        };
        let is_later = state.is_some();
        match params.get("inputResponses") {
            None => {}
            Some(Value::Object(given)) if given.values().all(Value::is_object) => {
                answers.extend(given.clone());
            }
            Some(_) => return Err(bad("\"inputResponses\" must be an object of objects")),
        }
        Ok(Self { envelope, is_later, keep, answers, purpose })
    }

    /// The answers to these questions, in their order. If any is missing, the round ends here.
    pub(in crate::demo) fn ask(
        &self,
        server: &Server,
        questions: &[Question],
    ) -> Result<Vec<Value>, NoAnswer> {
        let is_open = |question: &&Question| !self.answers.contains_key(question.key);
        let open: Vec<&Question> = questions.iter().filter(is_open).collect();
        if open.is_empty() {
            return Ok(questions.iter().map(|known| self.answers[known.key].clone()).collect());
        }
        let unable = open.iter().find(|question| !question.suits(&self.envelope.capabilities));
        if let Some(question) = unable.filter(|_| !server.args.stray_ask) {
            return Err(NoAnswer::Refused(incapable(&question.capability())));
        }
        let requests: Map<String, Value> =
            open.iter().map(|question| (question.key.to_owned(), question.request())).collect();
        let mut result = json!({"resultType": "input_required", "inputRequests": requests});
        if !(server.args.bare_asks && self.answers.is_empty()) {
            result["requestState"] = server.seal.close(&self.purpose, &self.answers).into();
        }
        Err(NoAnswer::Asked(result))
    }
}
