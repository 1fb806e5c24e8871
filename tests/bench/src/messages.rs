//! The messages that are measured: a call of about 1 KiB and its answer.

/// Bytes of text that an echo carries, so that request and result are 1 KiB each.
pub const ECHO_BYTES: usize = 926;

/// A call of the tool `echo`. The id has nine digits so that all calls are of one length.
pub fn call(id: usize) -> String {
    let text = "x".repeat(ECHO_BYTES);
    let id = 100_000_000 + id;
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}}}}}"#
    )
}

/// What the echo server answers to a call with this id.
pub fn answer(id: u64) -> String {
    let text = "x".repeat(ECHO_BYTES);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;

pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
