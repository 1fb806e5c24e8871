//! A client of the handshake era.

use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::stream::Events;

/// A session with a server, or what is left of one.
#[derive(Clone, Debug)]
pub(crate) struct Mcp {
    address: String,
    path: String,
    revision: String,
    pub(crate) session: String,
    headers: Vec<(String, String)>,
    next: u64,
}

// === impl Mcp ===

impl Mcp {
    /// The handshake: `initialize`, then `notifications/initialized`.
    #[track_caller]
    pub(crate) fn open(address: &str, path: &str, revision: &str, capabilities: &Value) -> Self {
        Self::opened(Self::closed(address, path, revision), capabilities)
    }

    /// The same with a token.
    #[track_caller]
    pub(crate) fn with_token(address: &str, path: &str, token: &str) -> Self {
        let mut client = Self::closed(address, path, "2025-11-25");
        client.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        Self::opened(client, &json!({}))
    }

    /// A client that has said nothing yet.
    pub(crate) fn closed(address: &str, path: &str, revision: &str) -> Self {
        Self {
            address: address.to_owned(),
            path: path.to_owned(),
            revision: revision.to_owned(),
            session: String::new(),
            headers: Vec::new(),
            // Tests name small ids themselves.
            next: 1000,
        }
    }

    #[track_caller]
    fn opened(mut self, capabilities: &Value) -> Self {
        let answer = self.initialize(capabilities);
        assert_eq!(answer.status, 200);
        answer.header("mcp-session-id").unwrap().clone_into(&mut self.session);
        let greeting = answer.json();
        assert_eq!(greeting["result"]["protocolVersion"], *self.revision, "{greeting}");
        assert_eq!(self.notify("notifications/initialized", &json!({})).status, 202);
        self
    }

    /// The same session at another address, of this daemon or of another.
    pub(crate) fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    pub(crate) fn initialize(&self, capabilities: &Value) -> Answer {
        self.send(&self.request(&initialize(&self.revision, capabilities)))
    }

    /// A POST of this client, to be sent or changed.
    pub(crate) fn request(&self, message: &Value) -> Request {
        self.dressed(Request::post(&self.path, message))
    }

    /// With the headers of this client.
    pub(crate) fn dressed(&self, mut request: Request) -> Request {
        if !self.session.is_empty() {
            request = request
                .header("Mcp-Session-Id", &self.session)
                .header("MCP-Protocol-Version", &self.revision);
        }
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(&self.address)
    }

    pub(crate) fn post(&self, message: &Value) -> Answer {
        self.send(&self.request(message))
    }

    pub(crate) fn notify(&self, method: &str, params: &Value) -> Answer {
        self.post(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// Answers a question of the server.
    #[track_caller]
    pub(crate) fn reply(&self, question: &Value, result: &Value) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        assert_eq!(self.post(&answer).status, 202);
    }

    /// Calls a method and gives the whole answer, whichever form it came in.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next;
        self.next += 1;
        let answer = self.post(&request(&json!(id), method, params));
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        let message = if answer.is_stream() {
            answer.events().messages().pop().expect("an answer at the end of the stream")
        } else {
            answer.json()
        };
        assert_eq!(message["id"], id, "{message}");
        message
    }

    /// Calls a tool and gives the whole answer.
    #[track_caller]
    pub(crate) fn tool(&mut self, name: &str, arguments: &Value) -> Value {
        self.call("tools/call", &json!({"name": name, "arguments": arguments}))
    }

    /// Opens a standing stream.
    #[track_caller]
    pub(crate) fn listen(&self) -> Events {
        let mut events = self.send(&self.dressed(Request::listen(&self.path))).events();
        // The first thing said, so that the stream is known to stand.
        events.until("\n\n");
        events
    }

    /// Takes a lost stream up again.
    pub(crate) fn resume(&self, after: &str) -> Answer {
        self.send(&self.dressed(Request::listen(&self.path)).header("Last-Event-ID", after))
    }

    pub(crate) fn delete(&self) -> Answer {
        self.send(&self.dressed(Request::new("DELETE", &self.path)))
    }
}

pub(crate) fn request(id: &Value, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

pub(crate) fn tool(id: &Value, name: &str, arguments: &Value) -> Value {
    request(id, "tools/call", &json!({"name": name, "arguments": arguments}))
}

pub(crate) fn initialize(revision: &str, capabilities: &Value) -> Value {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": capabilities,
        "clientInfo": {"name": "ring", "version": "1"},
    });
    request(&json!(0), "initialize", &params)
}

/// The text of a tool's result.
#[track_caller]
pub(crate) fn text(answer: &Value) -> &str {
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {answer}"))
}
