//! The child's end: it remembers what it was asked and what it asked, and checks what it is sent.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde_json::{Value, json};

/// A request it was sent.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    /// The session that it says it is of.
    of: Value,
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
    /// Its questions of this life, and how often each was answered.
    questions: HashMap<String, u32>,
    asked: u64,
    greeted: bool,
}

// === impl Child ===

impl Child {
    /// A new process, which knows nothing of what the last one was told.
    pub(super) fn new_life(&mut self) {
        self.pending.clear();
        self.questions.clear();
        self.greeted = false;
    }

    pub(super) fn hear(&mut self, line: &Bytes) {
        assert!(!line.contains(&b'\n'), "a message is one line");
        let value: Value = serde_json::from_slice(line).expect("the child is told JSON");
        let method = value["method"].as_str();
        match (method, value.get("id")) {
            (Some(_), Some(id)) => {
                assert!(self.greeted, "a request before the end of the handshake: {value}");
                let number = id.as_u64().expect("our own numbers");
                assert!(self.seen.insert(number), "{number} is used twice");
                let params = &value["params"];
                let token = params["_meta"]["progressToken"].clone();
                assert!(token.is_null() || token == *id, "a token of ours: {value}");
                let of = params["of"].clone();
                self.pending.push(Pending { number, of, token, cancelled: false, progress: 0 });
            }
            (Some("notifications/initialized"), None) => {
                assert!(!self.greeted, "the handshake ends once");
                self.greeted = true;
            }
            (Some("notifications/cancelled"), None) => {
                let number = value["params"]["requestId"].as_u64().expect("our own number");
                let pending = self.pending.iter_mut().find(|p| p.number == number);
                let pending = pending.expect("what is cancelled is at the child");
                assert!(!std::mem::replace(&mut pending.cancelled, true), "it is cancelled once");
            }
            (Some(_), None) => {}
            (None, id) => {
                let id = id.expect("an answer has an id").to_string();
                let count = self.questions.get_mut(&id).expect("an answer to a question");
                *count += 1;
                assert_eq!(*count, 1, "a question is answered once: {value}");
            }
        }
    }

    /// Its answer to something it was asked.
    pub(super) fn answers(&mut self, n: usize, well: bool) -> Option<Value> {
        let place = n.checked_rem(self.pending.len())?;
        let Pending { number, of, .. } = self.pending.remove(place);
        Some(if well {
            json!({"jsonrpc": "2.0", "id": number, "result": {"of": of, "tools": []}})
        } else {
            json!({"jsonrpc": "2.0", "id": number, "error": {"code": -32042, "message": "no"}})
        })
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

    pub(super) fn asks(&mut self, method: &str) -> Value {
        self.asked += 1;
        let id = json!(format!("q{}", self.asked));
        self.questions.insert(id.to_string(), 0);
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
    }

    /// It takes a question back, and counts it as answered if it was not.
    pub(super) fn takes_back(&mut self, n: usize) -> Option<Value> {
        let mut open = self.open_questions();
        open.sort_unstable();
        let id = open.get(n.checked_rem(open.len())?)?.clone();
        self.questions.insert(id.clone(), 1);
        let id: Value = serde_json::from_str(&id).expect("it was JSON");
        let params = json!({"requestId": id});
        Some(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))
    }

    pub(super) fn open_questions(&self) -> Vec<String> {
        let open = self.questions.iter().filter(|(_, count)| **count == 0);
        open.map(|(id, _)| id.clone()).collect()
    }
}
