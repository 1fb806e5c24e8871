//! JSON-RPC and MCP error codes, and answers made of them.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::id::RawId;
use super::raw::quoted;

pub const PARSE_ERROR: i32 = -32700;
pub const INVALID_REQUEST: i32 = -32600;
pub const METHOD_NOT_FOUND: i32 = -32601;
pub const INVALID_PARAMS: i32 = -32602;
pub const INTERNAL_ERROR: i32 = -32603;
/// A resource that is not there, in revisions with a handshake; later ones say [`INVALID_PARAMS`].
pub const RESOURCE_NOT_FOUND: i32 = -32002;
/// Revision 2025-11-25 answers with this code that its user must visit a page first. Other revisions do not know it.
pub const URL_ELICITATION_REQUIRED: i32 = -32042;
/// A header is missing, malformed or says something else than the body.
pub const HEADER_MISMATCH: i32 = -32020;
/// The request needs a capability that its client did not declare.
pub const MISSING_CAPABILITY: i32 = -32021;
pub const UNSUPPORTED_VERSION: i32 = -32022;
/// Closes the answer of a request its own client cancelled, so that nobody waits for it or resumes it.
pub const REQUEST_CANCELLED: i32 = -32800;
/// A client's word that its user refused a sampling request.
pub const USER_REJECTED: i32 = -1;

/// An error to be put into an answer.
#[derive(Clone, Debug)]
pub struct Fault {
    pub code: i32,
    pub message: String,
    /// Raw JSON; absent when there is nothing a program could use.
    pub data: Option<Box<RawValue>>,
}

// === impl Fault ===

impl Fault {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    #[must_use]
    pub fn with_data(mut self, data: &serde_json::Value) -> Self {
        self.data = serde_json::value::to_raw_value(data).ok();
        self
    }

    /// The answer to the request with this id; an unknown id is written `null`.
    pub fn answer(&self, id: Option<&RawId>) -> Bytes {
        let id = id.map_or("null", RawId::as_str);
        let message = quoted(&self.message);
        let code = self.code;
        let text = match &self.data {
            None => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#
            ),
            Some(data) => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message},"data":{data}}}}}"#
            ),
        };
        text.into()
    }
}

/// The answer with a result that is already JSON.
pub fn result(id: &RawId, result: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.as_str()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_escapes_its_message_and_keeps_the_id() {
        let fault = Fault::new(INTERNAL_ERROR, "it said \"no\"\n")
            .with_data(&serde_json::json!({"retryable": true}));
        assert_eq!(
            fault.answer(Some(&RawId::new("\"7\""))),
            r#"{"jsonrpc":"2.0","id":"7","error":{"code":-32603,"message":"it said \"no\"\n","data":{"retryable":true}}}"#
        );
        assert_eq!(
            Fault::new(PARSE_ERROR, "x").answer(None),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#
        );
    }
}
