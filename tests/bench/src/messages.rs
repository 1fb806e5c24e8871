//! The messages that are measured: a call that echoes a text, and its answer.

/// Bytes of text that an echo carries, so that request and result are 1 KiB each.
pub const ECHO_BYTES: usize = 926;

/// A call of the tool `echo` as clients that opened a session make it.
pub fn call(id: usize) -> String {
    echo(id, ECHO_BYTES, "")
}

/// The same with a text of this length.
pub fn call_of(id: usize, text_bytes: usize) -> String {
    echo(id, text_bytes, "")
}

/// The same as clients without a handshake make it, who say with each request who they are.
pub fn modern_call_of(id: usize, text_bytes: usize) -> String {
    echo(
        id,
        text_bytes,
        r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#,
    )
}

/// The id has nine digits so that all calls are of one length.
fn echo(id: usize, text_bytes: usize, meta: &str) -> String {
    let text = "x".repeat(text_bytes);
    let id = 100_000_000 + id;
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}{meta}}}}}"#
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

/// The headers that repeat the body of a call without a handshake.
pub const MODERN_HEADS: &str =
    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n";
