//! The pretend child: it writes down what it was sent, and answers as it was told to.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use serde_json::{Value, json};

/// What the child says to a request.
pub(super) type Script = Box<dyn Fn(&Value) -> Vec<Value>>;

#[derive(Default)]
pub(super) struct Child {
    /// All it was sent since the test last looked.
    heard: Vec<Value>,
    /// The same as it was written.
    lines: Vec<String>,
    /// What it has not reacted to.
    unread: Vec<Value>,
    scripts: HashMap<&'static str, Script>,
    asked: u64,
}

// === impl Child ===

impl Child {
    pub(super) fn hear(&mut self, line: &Bytes) {
        let value: Value = serde_json::from_slice(line).unwrap();
        self.heard.push(value.clone());
        self.lines.push(String::from_utf8(line.to_vec()).unwrap());
        self.unread.push(value);
    }

    /// Requests of this method are answered with these lines.
    pub(super) fn on(
        &mut self,
        method: &'static str,
        script: impl Fn(&Value) -> Vec<Value> + 'static,
    ) {
        self.scripts.insert(method, Box::new(script));
    }

    /// What its scripts say to all it has not reacted to.
    pub(super) fn react(&mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        for request in std::mem::take(&mut self.unread) {
            let script = request["method"].as_str().and_then(|method| self.scripts.get(method));
            if let (Some(script), Some(_)) = (script, request.get("id")) {
                lines.extend(script(&request));
            }
        }
        lines
    }

    /// Everything it was sent since the last look.
    pub(super) fn heard(&mut self) -> Vec<Value> {
        self.lines.clear();
        std::mem::take(&mut self.heard)
    }

    /// The same, as it was written.
    pub(super) fn lines(&mut self) -> Vec<String> {
        self.heard.clear();
        std::mem::take(&mut self.lines)
    }

    /// The methods it was sent since the last look; a response shows as `result` or `error`.
    pub(super) fn methods(&mut self) -> Vec<String> {
        let name = |line: &Value| match line["method"].as_str() {
            Some(method) => method.to_owned(),
            None if line.get("result").is_some() => "result".to_owned(),
            None => "error".to_owned(),
        };
        self.heard().iter().map(name).collect()
    }

    /// The one line it was sent since the last look.
    pub(super) fn one(&mut self) -> Value {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "one line was expected: {heard:?}");
        heard.remove(0)
    }

    /// A question with an id of its own.
    pub(super) fn question(&mut self, method: &str) -> Value {
        self.asked += 1;
        let id = format!("q{}", self.asked);
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"x": self.asked}})
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("heard", &self.heard).finish_non_exhaustive()
    }
}

/// The result of a request.
pub(super) fn result(request: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": request["id"], "result": result})
}

/// The error of a request.
pub(super) fn error(request: &Value, code: i32) -> Value {
    json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": "no"}})
}

/// Progress of a request that came with a token.
pub(super) fn progress(request: &Value, value: u32) -> Value {
    let token = &request["params"]["_meta"]["progressToken"];
    notice("notifications/progress", &json!({"progressToken": token, "progress": value}))
}

/// A result that asks its client something.
pub(super) fn input_required(request: &Value, requests: &Value, state: &Value) -> Value {
    let asks =
        json!({"resultType": "input_required", "inputRequests": requests, "requestState": state});
    result(request, &asks)
}

pub(super) fn log(level: &str, text: &str) -> Value {
    notice("notifications/message", &json!({"level": level, "data": text}))
}

pub(super) fn updated(uri: &str) -> Value {
    notice("notifications/resources/updated", &json!({"uri": uri}))
}

pub(super) fn tools_changed() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
}

pub(super) fn notice(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}
