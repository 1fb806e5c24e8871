//! Clients and children without a handshake.

use serde_json::{Value, json};

use super::*;
use crate::bridge::outlet::{Asks, Event};
use crate::bridge::ticket::Ticket;
use crate::wire::version::Era;

/// All that a client can be asked.
pub(super) const ALL: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

pub(super) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
pub(super) const LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// A client without a session.
pub(super) fn modern(principal: &str, capabilities: &str) -> Caller {
    Caller::Implicit(FrontCard {
        version: Version::V2026_07_28,
        principal: Principal::new(principal),
        declared: AskSet::declared(capabilities),
        client: "modern".into(),
        hello: Arc::new(Hello {
            version: Version::V2026_07_28,
            capabilities: capabilities.into(),
            client_info: r#"{"name":"modern","version":"1"}"#.into(),
        }),
        hears: true,
        since: None,
    })
}

/// Parameters in an envelope.
pub(super) fn enveloped(caller: &Caller, params: &Value) -> Value {
    let mut params = params.clone();
    let capabilities: Value = serde_json::from_str(&caller.card().hello.capabilities).unwrap();
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = capabilities;
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "modern", "version": "1"});
    params
}

/// What a child without a handshake says of itself.
pub(super) fn discovery() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {
            "tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "logging": {},
        },
        "ttlMs": 60000,
        "cacheScope": "public",
        "_meta": {SERVER_INFO: {"name": "pretend", "version": "2"}},
    })
}

impl Pair {
    /// A shared child without a handshake that is ready.
    pub(super) fn modern() -> Self {
        let mut pair = Self::starting(Tenancy::Shared, |_| {});
        pair.ready_modern();
        pair.child.heard();
        pair
    }

    /// A child with a handshake for modern clients that can be asked all.
    pub(super) fn pooled(exclusive: bool) -> Self {
        Self::with(Tenancy::Pooled { exclusive }, |_| {})
    }

    /// A shared child of each era.
    pub(super) fn of(era: Era) -> Self {
        match era {
            Era::Legacy => Self::shared(),
            Era::Modern => Self::modern(),
        }
    }

    pub(super) fn ready_modern(&mut self) {
        let abilities = Abilities::recalled(&discovery().to_string()).expect("a sound answer");
        self.turn(|board, turn| board.ready(Box::new(abilities), turn));
    }

    /// A request of a client without a session.
    pub(super) fn wants(
        &mut self,
        caller: &Caller,
        id: impl Into<Value>,
        method: &str,
        params: &Value,
    ) -> Post {
        let text = request(&id.into(), method, &enveloped(caller, params));
        self.request(caller.clone(), true, &text)
    }

    /// `tools/call` of a tool named `x`, by a client without a session.
    pub(super) fn uses(&mut self, caller: &Caller, id: impl Into<Value>) -> Post {
        self.wants(caller, id, "tools/call", &json!({"name": "x"}))
    }

    /// The same call once more, with answers to what was asked.
    pub(super) fn returns(
        &mut self,
        caller: &Caller,
        id: impl Into<Value>,
        asked: &Post,
        answers: &Value,
    ) -> Post {
        let (suspended, round) = asked.letters.ticket();
        self.returns_to(caller, id, (suspended, round), "tools/call", answers)
    }

    pub(super) fn returns_to(
        &mut self,
        caller: &Caller,
        id: impl Into<Value>,
        (suspended, round): (CallId, u32),
        method: &str,
        answers: &Value,
    ) -> Post {
        let post = self.post();
        let params = json!({"name": "x", "inputResponses": answers, "requestState": "sealed"});
        let text = request(&id.into(), method, &enveloped(caller, &params));
        let reach = Reach::Own { outlet: post.letters.clone(), streams: true };
        self.order(Order::Retry {
            call: post.call,
            caller: caller.clone(),
            request: frame(&text),
            reach,
            suspended,
            round,
        });
        post
    }

    /// A stream of changes.
    pub(super) fn hears(&mut self, caller: &Caller, id: impl Into<Value>, filter: &Value) -> Post {
        self.wants(caller, id, "subscriptions/listen", &json!({"notifications": filter}))
    }

    /// Lets the questions of a call be collected.
    pub(super) fn collect(&mut self) {
        self.wait(Duration::from_millis(20));
    }

    pub(super) fn is_empty_handed(&mut self) -> bool {
        self.board.is_empty_handed()
    }
}

impl Letters {
    /// The response that asks, if that is what it got.
    pub(super) fn asks(&self) -> Option<Asks> {
        self.events().into_iter().find_map(|event| match event {
            Event::Asks(asks) => Some(*asks),
            Event::Stream { .. }
            | Event::Message { .. }
            | Event::Answer { .. }
            | Event::Refuse { .. } => None,
        })
    }

    /// The call that waits for its client, and the round.
    pub(super) fn ticket(&self) -> (CallId, u32) {
        match self.asks().map(|asks| asks.ticket) {
            Some(Ticket::Suspended { call, round, .. }) => (call, round),
            other => panic!("questions were expected: {other:?}, {:?}", self.events()),
        }
    }

    /// The questions it was asked, by their keys.
    pub(super) fn questions(&self) -> Value {
        assert!(self.asks().is_some(), "questions were expected: {:?}", self.events());
        self.answer().unwrap()["result"]["inputRequests"].clone()
    }
}
