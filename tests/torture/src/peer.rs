//! A client of Streamable HTTP, of the revisions with a handshake. It believes nothing: every answer must be its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Head, Trouble, Wire, request};
use crate::ledger::Outcome;
use crate::sse::Decoder;

/// Longer than any call here may take: the longest wait of the configuration, and then some.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) server: String,
    pub(crate) revision: &'static str,
    pub(crate) session: Option<String>,
    /// The connection of the last exchange, if it can be used again.
    wire: Option<Wire>,
    next: u64,
    pub(crate) sip: Option<(usize, Duration)>,
}

/// An answer as it comes: one message, several, or a stream of them.
#[derive(Debug)]
pub(crate) struct Answer {
    wire: Wire,
    pub(crate) head: Head,
    decoder: Decoder,
    queue: VecDeque<Value>,
    is_read: bool,
}

// === impl Peer ===

impl Peer {
    pub(crate) fn new(address: SocketAddr, server: &str, revision: &'static str) -> Self {
        let server = server.to_owned();
        Self { address, server, revision, session: None, wire: None, next: 1, sip: None }
    }

    pub(crate) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Another connection of the same session.
    pub(crate) fn twin(&self) -> Self {
        let mut twin = Self::new(self.address, &self.server, self.revision);
        twin.session.clone_from(&self.session);
        // Ids of the same session must differ.
        twin.next = self.next + 1_000_000;
        twin
    }

    /// The handshake.
    pub(crate) async fn open(&mut self, capabilities: &Value) -> Outcome {
        let opening = async {
            self.greet(capabilities).await?;
            self.notify("notifications/initialized", &json!({})).await
        };
        let opened = tokio::time::timeout(LIMIT, opening).await;
        outcome(opened.unwrap_or(Err(Outcome::Trouble(Trouble::Late))))
    }

    /// The first half of the handshake, after which there is a session.
    pub(crate) async fn greet(&mut self, capabilities: &Value) -> Result<(), Outcome> {
        self.session = None;
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": self.revision, "capabilities": capabilities,
            "clientInfo": {"name": "torture", "version": "1"}}});
        let mut answer = self.post(&hello).await?;
        let session = answer.head.session.clone();
        let result = answer.result(0).await?;
        if result["protocolVersion"] != self.revision {
            return Err(Outcome::Wrong(format!("greeted with {result}")));
        }
        self.take_back(answer);
        self.session = Some(session.ok_or(Outcome::Wrong("no session was given".into()))?);
        Ok(())
    }

    /// Any request, and its result.
    pub(crate) async fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Outcome> {
        let id = self.id();
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let asking = async {
            let mut answer = self.post(&message).await?;
            let result = answer.result(id).await?;
            self.take_back(answer);
            Ok(result)
        };
        tokio::time::timeout(LIMIT, asking).await.unwrap_or(Err(Outcome::Trouble(Trouble::Late)))
    }

    pub(crate) async fn notify(&mut self, method: &str, params: &Value) -> Result<(), Outcome> {
        let note = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.post_only(&note).await
    }

    /// Posts what gets no answer.
    pub(crate) async fn post_only(&mut self, message: &Value) -> Result<(), Outcome> {
        let answer = self.post(message).await?;
        if answer.head.status != 202 {
            return Err(answer.refused().await);
        }
        self.take_back(answer);
        Ok(())
    }

    /// Calls a tool and gives the text of its result.
    pub(crate) async fn tool(&mut self, name: &str, arguments: &Value) -> Result<String, Outcome> {
        text_of(&self.ask("tools/call", &json!({"name": name, "arguments": arguments})).await?)
    }

    /// Calls `echo` and judges what comes back.
    pub(crate) async fn echo(&mut self, payload: &str) -> Outcome {
        same(self.tool("echo", &json!({"text": payload})).await, payload)
    }

    /// Sends a message and reads the head of the answer.
    pub(crate) async fn post(&mut self, message: &Value) -> Result<Answer, Outcome> {
        let headers = format!(
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{}",
            self.headers()
        );
        let bytes = request("POST", &self.path(), &headers, &message.to_string());
        self.exchange(&bytes).await
    }

    /// Opens a standing stream, or takes a lost one up again.
    pub(crate) async fn listen(&mut self, after: Option<&str>) -> Result<Answer, Outcome> {
        let mut headers = format!("Accept: text/event-stream\r\n{}", self.headers());
        if let Some(after) = after {
            headers.extend(["Last-Event-ID: ", after, "\r\n"]);
        }
        let bytes = request("GET", &self.path(), &headers, "");
        let answer = tokio::time::timeout(LIMIT, self.exchange(&bytes)).await;
        let answer = answer.unwrap_or(Err(Outcome::Trouble(Trouble::Late)))?;
        if answer.head.status == 200 { Ok(answer) } else { Err(answer.refused().await) }
    }

    /// Ends the session; gives the status.
    pub(crate) async fn delete(&mut self) -> Result<u16, Outcome> {
        let bytes = request("DELETE", &self.path(), &self.headers(), "");
        let answer = tokio::time::timeout(LIMIT, self.exchange(&bytes)).await;
        let answer = answer.unwrap_or(Err(Outcome::Trouble(Trouble::Late)))?;
        Ok(answer.head.status)
    }

    /// Keeps the connection of an answer that was read to its end.
    pub(crate) fn take_back(&mut self, answer: Answer) {
        self.wire = Some(answer.wire);
    }

    async fn exchange(&mut self, bytes: &[u8]) -> Result<Answer, Outcome> {
        let kept = self.wire.take().filter(Wire::is_idle);
        let exchange = async {
            let mut wire = match (kept, self.sip) {
                (Some(wire), _) => wire,
                (None, None) => Wire::connect(self.address).await?,
                (None, Some(sip)) => Wire::dawdling(self.address, sip).await?,
            };
            wire.send(bytes).await?;
            let head = wire.head().await?;
            Ok(Answer {
                wire,
                head,
                decoder: Decoder::default(),
                queue: VecDeque::new(),
                is_read: false,
            })
        };
        exchange.await.map_err(Outcome::Trouble)
    }

    fn path(&self) -> String {
        format!("/servers/{}/mcp", self.server)
    }

    fn headers(&self) -> String {
        self.session.as_ref().map_or_else(String::new, |session| {
            format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {}\r\n", self.revision)
        })
    }
}

// === impl Answer ===

impl Answer {
    /// The next message; `None` at the end. Cancel-safe where the answer is a stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Trouble> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Ok(Some(message));
            }
            if self.is_read {
                return Ok(None);
            }
            if !self.head.is_stream {
                let text = self.wire.text().await?;
                self.is_read = true;
                match parsed(&text)? {
                    Value::Array(messages) => self.queue.extend(messages),
                    message => self.queue.push_back(message),
                }
                continue;
            }
            match self.wire.piece().await? {
                Some(piece) => {
                    for event in self.decoder.push(&piece) {
                        if !event.data.is_empty() {
                            self.queue.push_back(parsed(&event.data)?);
                        }
                    }
                }
                None => self.is_read = true,
            }
        }
    }

    /// From where to go on when this stream is lost.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.decoder.last_id.as_deref()
    }

    /// Reads until an event id is known, or to the end; what came meanwhile is kept.
    pub(crate) async fn primed(&mut self) -> Result<(), Trouble> {
        while self.last_id().is_none() && !self.is_read && self.head.is_stream {
            match self.wire.piece().await? {
                Some(piece) => {
                    for event in self.decoder.push(&piece) {
                        if !event.data.is_empty() {
                            self.queue.push_back(parsed(&event.data)?);
                        }
                    }
                }
                None => self.is_read = true,
            }
        }
        Ok(())
    }

    /// Reads to the end and gives the result of the one request with this id. Nothing else may answer anything.
    pub(crate) async fn result(&mut self, id: u64) -> Result<Value, Outcome> {
        if self.head.status != 200 {
            return Err(self.refusal().await);
        }
        let mut found = None;
        while let Some(message) = self.next().await.map_err(Outcome::Trouble)? {
            if message.get("method").is_some() && message.get("id").is_none() {
                continue;
            }
            let settled = settled(&message, id)?;
            if found.replace(settled).is_some() {
                return Err(Outcome::Wrong(format!("answered twice: {message}")));
            }
        }
        found.ok_or(Outcome::Unanswered)?
    }

    pub(crate) async fn refused(mut self) -> Outcome {
        self.refusal().await
    }

    async fn refusal(&mut self) -> Outcome {
        let status = self.head.status;
        match tokio::time::timeout(LIMIT, self.wire.text()).await {
            Ok(Ok(text)) => {
                let said = parsed(&text).unwrap_or_default();
                let message = said["error"]["message"].as_str().map_or(text, str::to_owned);
                Outcome::Refused { status, message }
            }
            Ok(Err(trouble)) => Outcome::Trouble(trouble),
            Err(_) => Outcome::Trouble(Trouble::Late),
        }
    }
}

pub(crate) fn tool(id: u64, name: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": name, "arguments": arguments}})
}

/// What a message says of the request with this id.
pub(crate) fn settled(message: &Value, id: u64) -> Result<Result<Value, Outcome>, Outcome> {
    if message["id"] != id {
        return Err(Outcome::Wrong(format!("waiting for the answer to {id}, got {message}")));
    }
    match (message.get("result"), message.get("error")) {
        (Some(result), None) => Ok(Ok(result.clone())),
        (None, Some(error)) => Ok(Err(Outcome::Fault {
            code: error["code"].as_i64().unwrap_or(0),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
        })),
        _ => Err(Outcome::Wrong(format!("neither result nor error: {message}"))),
    }
}

/// The text of a tool's result.
pub(crate) fn text_of(result: &Value) -> Result<String, Outcome> {
    let text = result["content"][0]["text"].as_str().filter(|_| result["isError"] != true);
    text.map(str::to_owned).ok_or_else(|| Outcome::Wrong(format!("no text in {result}")))
}

/// Right if it is the expected text.
pub(crate) fn same(said: Result<String, Outcome>, expected: &str) -> Outcome {
    match said {
        Ok(text) if text == expected => Outcome::Right,
        Ok(text) => {
            let head = |text: &str| text.chars().take(80).collect::<String>();
            Outcome::Wrong(format!("{:?} came for {:?}", head(&text), head(expected)))
        }
        Err(outcome) => outcome,
    }
}

pub(crate) fn outcome(done: Result<(), Outcome>) -> Outcome {
    done.map_or_else(|outcome| outcome, |()| Outcome::Right)
}

fn parsed(text: &str) -> Result<Value, Trouble> {
    serde_json::from_str(text).map_err(|error| {
        Trouble::Garbled(format!("{error}: {}", text.chars().take(200).collect::<String>()))
    })
}
