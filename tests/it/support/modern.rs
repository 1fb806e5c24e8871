//! A client without a handshake: each of its requests says all there is to know of it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::mcp::request;
use super::stream::Events;

pub(crate) const REVISION: &str = "2026-07-28";

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// Where it sends its requests, and what it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Modern {
    address: String,
    path: String,
    capabilities: Value,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    /// In the order in which they came: the last one is the answer.
    pub(crate) messages: Vec<Value>,
}

// === impl Modern ===

impl Modern {
    pub(crate) fn new(address: &str, path: &str) -> Self {
        Self {
            address: address.to_owned(),
            path: path.to_owned(),
            capabilities: json!({}),
            headers: Vec::new(),
        }
    }

    /// One that can be asked this.
    pub(crate) fn can(mut self, capabilities: &Value) -> Self {
        self.capabilities = capabilities.clone();
        self
    }

    /// One that can be asked anything.
    pub(crate) fn able(self) -> Self {
        self.can(&json!({"elicitation": {}, "sampling": {}, "roots": {}}))
    }

    /// Sends this header with every request.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn with_token(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    /// The same client at another path.
    pub(crate) fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// A request with all that has to be said in its body.
    pub(crate) fn message(&self, id: &Value, method: &str, params: &Value) -> Value {
        let mut message = request(id, method, params);
        let meta = &mut message["params"]["_meta"];
        meta[VERSION_KEY] = REVISION.into();
        meta[CAPABILITIES_KEY] = self.capabilities.clone();
        meta[CLIENT_KEY] = json!({"name": "ring", "version": "1"});
        message
    }

    /// A POST with the headers that repeat the body.
    pub(crate) fn request(&self, message: &Value) -> Request {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let params = &message["params"];
        let name = match message["method"].as_str() {
            Some("tools/call" | "prompts/get") => text(&params["name"]),
            Some("resources/read") => text(&params["uri"]),
            _ => String::new(),
        };
        let request = Request::post(&self.path, message)
            .header("MCP-Protocol-Version", &text(&params["_meta"][VERSION_KEY]))
            .header("Mcp-Method", &text(&message["method"]))
            .header("Mcp-Name", &name);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(&self.address)
    }

    pub(crate) fn post(&self, message: &Value) -> Answer {
        self.send(&self.request(message))
    }

    /// Sends a request and waits for its answer, whichever form it comes in.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: &Value) -> Said {
        static NEXT: AtomicU64 = AtomicU64::new(1000);
        let id = json!(NEXT.fetch_add(1, Ordering::Relaxed));
        let said = Said::of(self.post(&self.message(&id, method, params)));
        assert_eq!(said.body()["id"], id, "{said:?}");
        said
    }

    #[track_caller]
    pub(crate) fn tool(&self, name: &str, arguments: &Value) -> Said {
        self.call("tools/call", &json!({"name": name, "arguments": arguments}))
    }

    /// Opens a stream of changes.
    #[track_caller]
    pub(crate) fn listen(&self, id: &Value, filter: &Value) -> Events {
        let params = json!({"notifications": filter});
        self.post(&self.message(id, "subscriptions/listen", &params)).events()
    }
}

// === impl Said ===

impl Said {
    #[track_caller]
    pub(crate) fn of(answer: Answer) -> Self {
        let status = answer.status;
        let messages =
            if answer.is_stream() { answer.events().messages() } else { vec![answer.json()] };
        assert!(!messages.is_empty(), "{status} without an answer");
        Self { status, messages }
    }

    /// The answer.
    pub(crate) fn body(&self) -> &Value {
        &self.messages[self.messages.len() - 1]
    }

    #[track_caller]
    pub(crate) fn result(&self) -> &Value {
        let result = &self.body()["result"];
        assert!(result.is_object() && self.status == 200, "{self:?}");
        result
    }

    /// The text of a tool's result.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        let text = self.result()["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {self:?}"))
    }

    /// The status and the code of an error.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, i64) {
        let code = self.body()["error"]["code"].as_i64();
        (self.status, code.unwrap_or_else(|| panic!("no error in {self:?}")))
    }

    /// What the error says.
    #[track_caller]
    pub(crate) fn why(&self) -> &str {
        let why = self.body()["error"]["message"].as_str();
        why.unwrap_or_else(|| panic!("no error in {self:?}"))
    }
}
