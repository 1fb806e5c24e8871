//! The child's end: it remembers what it was asked and what it asked, and checks what it is sent.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde_json::{Value, json};

use super::ASKS;

/// A request it was sent.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    /// The client that it says it is of.
    of: Value,
    method: String,
    /// What a stream of changes is to tell.
    filter: Value,
    token: Value,
    /// Somebody took it back; it may answer all the same.
    cancelled: bool,
    progress: u32,
}

#[derive(Debug, Default)]
pub(super) struct Child {
    /// Every number it was ever given, in this life or an earlier one.
    seen: HashSet<u64>,
    pub(super) pending: Vec<Pending>,
    /// Its questions of this life.
    questions: HashMap<String, Question>,
    asked: u64,
    /// It is spoken to without a handshake.
    pub(super) is_modern: bool,
    greeted: bool,
    /// What it works on: what it was told of last.
    current: Option<u64>,
}

/// Something it asked.
#[derive(Clone, Debug)]
struct Question {
    /// The request that made it ask, and whose that is.
    of: Value,
    cause: Option<u64>,
    answers: u32,
}

/// What stands before the members of an envelope.
const OURS: &str = "io.modelcontextprotocol/";

// === impl Child ===

impl Child {
    /// A new process, which knows nothing of what the last one was told.
    pub(super) fn new_life(&mut self) {
        self.pending.clear();
        self.questions.clear();
        self.greeted = false;
        self.current = None;
    }

    pub(super) fn hear(&mut self, line: &Bytes) {
        assert!(!line.contains(&b'\n'), "a message is one line");
        let value: Value = serde_json::from_slice(line).expect("the child is told JSON");
        let method = value["method"].as_str();
        match (method, value.get("id")) {
            (Some(method), Some(id)) => {
                assert!(
                    self.greeted || self.is_modern,
                    "a request before the end of the handshake: {value}"
                );
                let number = id.as_u64().expect("our own numbers");
                assert!(self.seen.insert(number), "{number} is used twice");
                let params = &value["params"];
                let token = params["_meta"]["progressToken"].clone();
                assert!(token.is_null() || token == *id, "a token of ours: {value}");
                let is_enveloped = params["_meta"]
                    .as_object()
                    .is_some_and(|meta| meta.keys().any(|key| key.starts_with(OURS)));
                assert_eq!(is_enveloped, self.is_modern, "spoken to in its own way: {value}");
                if !self.is_modern {
                    assert!(params.get("requestState").is_none(), "of no concern to it: {value}");
                }
                let of = params["of"].clone();
                let given = params["inputResponses"].as_object().into_iter().flatten();
                for (_, answer) in given {
                    assert!(answer["of"].is_null() || answer["of"] == of, "another's: {value}");
                }
                if matches!(method, "tools/call" | "resources/read" | "prompts/get") {
                    self.current = Some(number);
                }
                let (method, filter) = (method.to_owned(), params["notifications"].clone());
                let (cancelled, progress) = (false, 0);
                self.pending.push(Pending {
                    number,
                    of,
                    method,
                    filter,
                    token,
                    cancelled,
                    progress,
                });
            }
            (Some("notifications/initialized"), None) => {
                assert!(
                    !self.greeted && !self.is_modern,
                    "the handshake ends once, if there is one"
                );
                self.greeted = true;
            }
            (Some("notifications/cancelled"), None) => {
                let number = value["params"]["requestId"].as_u64().expect("our own number");
                let pending = self.pending.iter_mut().find(|p| p.number == number);
                let pending = pending.expect("what is cancelled is at the child");
                assert!(!std::mem::replace(&mut pending.cancelled, true), "it is cancelled once");
            }
            (Some(_), None) => assert!(!self.is_modern, "it knows no such notification: {value}"),
            (None, id) => {
                assert!(!self.is_modern, "it reads no answers: {value}");
                let id = id.expect("an answer has an id").to_string();
                let question = self.questions.get_mut(&id).expect("an answer to a question");
                question.answers += 1;
                assert_eq!(question.answers, 1, "a question is answered once: {value}");
                let of = &value["result"]["of"];
                let is_right = of.is_null() || question.of.is_null() || *of == question.of;
                assert!(is_right, "{} is answered by another: {value}", question.of);
                if value.get("result").is_some() {
                    self.current = question.cause.or(self.current);
                }
            }
        }
    }

    /// Its answer to something it was asked; `how` chooses between what it may say.
    pub(super) fn answers(&mut self, n: usize, how: usize) -> Option<Value> {
        let place = n.checked_rem(self.pending.len())?;
        let Pending { number, of, .. } = self.pending.remove(place);
        let code = [-32042, -32601, -32021, -32002][how / 4 % 4];
        let error =
            json!({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": "no"}});
        let result = match (how % 4, self.is_modern) {
            (0, _) => return Some(error),
            (1, true) => {
                let ask = |kind: usize| json!({"method": ASKS[kind % 4], "params": {"of": of}});
                let entries = match how / 4 % 4 {
                    0 => json!(null),
                    1 => json!({"a": ask(how / 16)}),
                    _ => json!({"a": ask(how / 16), "b": ask(how / 64)}),
                };
                let state = json!(number.to_string());
                json!({"resultType": "input_required", "inputRequests": entries, "requestState": state, "of": of})
            }
            (_, true) => json!({"of": of, "tools": [], "resultType": "complete", "ttlMs": 0}),
            (_, false) => json!({"of": of, "tools": []}),
        };
        Some(json!({"jsonrpc": "2.0", "id": number, "result": result}))
    }

    /// Something on a stream of changes; `how` chooses what.
    pub(super) fn tells_of_changes(&self, n: usize, how: usize) -> Option<Value> {
        let streams = self.pending.iter().filter(|it| it.method == "subscriptions/listen");
        let streams: Vec<&Pending> = streams.filter(|it| !it.cancelled).collect();
        let stream = streams.get(n.checked_rem(streams.len())?)?;
        let (method, mut params) = match how % 4 {
            0 | 1 => (
                "notifications/subscriptions/acknowledged",
                json!({"notifications": if how.is_multiple_of(8) { json!({}) } else { stream.filter.clone() }}),
            ),
            2 => ("notifications/tools/list_changed", json!({})),
            _ => ("notifications/resources/updated", json!({"uri": "a:/x"})),
        };
        params["of"] = stream.of.clone();
        params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": stream.number});
        Some(json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// It uses a number as an answer's, whatever it stands for. True if something waited for that.
    pub(super) fn uses(&mut self, number: u64) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| pending.number != number || pending.cancelled);
        self.pending.len() != before
    }

    pub(super) fn progresses(&mut self, n: usize, step: u32) -> Option<Value> {
        let place = n.checked_rem(self.pending.len())?;
        let pending = &mut self.pending[place];
        pending.progress += step;
        let token =
            if pending.token.is_null() { json!(pending.number) } else { pending.token.clone() };
        let params =
            json!({"progressToken": token, "progress": pending.progress, "of": pending.of});
        Some(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))
    }

    /// It asks something, if `for_one` for what it works on and for nothing else.
    pub(super) fn asks(&mut self, method: &str, for_one: bool) -> Option<Value> {
        let cause = self.current.and_then(|current| {
            self.pending.iter().find(|pending| pending.number == current && !pending.cancelled)
        });
        if for_one && cause.is_none() {
            return None;
        }
        let cause = cause.filter(|_| for_one);
        let of = cause.map_or(Value::Null, |cause| cause.of.clone());
        self.asked += 1;
        let id = json!(format!("q{}", self.asked));
        if !self.is_modern {
            let cause = cause.map(|cause| cause.number);
            self.questions.insert(id.to_string(), Question { of: of.clone(), cause, answers: 0 });
        }
        Some(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"of": of}}))
    }

    /// It takes a question back, and counts it as answered if it was not.
    pub(super) fn takes_back(&mut self, n: usize) -> Option<Value> {
        let mut open = self.open_questions();
        open.sort_unstable();
        let id = open.get(n.checked_rem(open.len())?)?.clone();
        if let Some(question) = self.questions.get_mut(&id) {
            question.answers = 1;
        }
        let id: Value = serde_json::from_str(&id).expect("it was JSON");
        let params = json!({"requestId": id});
        Some(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
    }

    pub(super) fn open_questions(&self) -> Vec<String> {
        let open = self.questions.iter().filter(|(_, question)| question.answers == 0);
        open.map(|(id, _)| id.clone()).collect()
    }
}
