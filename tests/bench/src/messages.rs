//! The messages that are measured, first of all a call that echoes a text, and the requests that carry them.

/// Bytes of text that an echo carries, so that request and result are 1 KiB each.
pub const ECHO_BYTES: usize = 926;

/// What texts are made of: a letter that no message has elsewhere.
pub const FILLER: u8 = b'z';

/// How much of it there is.
pub fn filler(text: &[u8]) -> usize {
    memchr::memchr_iter(FILLER, text).count()
}

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
    let text = "z".repeat(text_bytes);
    let id = 100_000_000 + id;
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}}{meta}}}}}"#
    )
}

/// What the echo server answers to a call with this id.
pub fn answer(id: u64) -> String {
    let text = "z".repeat(ECHO_BYTES);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;

pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The headers that repeat the body of a call without a handshake.
pub const MODERN_HEADS: &str =
    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n";

pub const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

/// A call that is answered 50 ms later.
pub fn sleep(id: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"sleep","arguments":{{}}}}}}"#
    )
}

/// A call whose result has so many bytes of text.
pub fn bytes(id: usize, count: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"bytes","arguments":{{"count":{count}}}}}}}"#
    )
}

/// A call that tells of so many steps before its result. Its token is its id.
pub fn progress(id: usize, count: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"progress","arguments":{{"count":{count}}},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}

pub fn post(path: &str, heads: &str, body: &str) -> Vec<u8> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{heads}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    request.into_bytes()
}

/// Opens the standing stream of a session.
pub fn get(path: &str, session: &str) -> Vec<u8> {
    let heads = "Host: localhost\r\nAccept: text/event-stream\r\n";
    format!("GET {path} HTTP/1.1\r\n{heads}{session}\r\n").into_bytes()
}

/// Ends a session.
pub fn delete(path: &str, session: &str) -> Vec<u8> {
    format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n{session}\r\n").into_bytes()
}
