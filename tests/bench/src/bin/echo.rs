//! The least MCP server: it answers calls with their own text, as many as it finds in one read with one write. What a
//! bridge in front of it costs is what is left when its own few microseconds are taken off. With the argument `modern` it is one
//! without a handshake.

use std::io::{Read, Write};

fn main() {
    let is_modern = std::env::args().nth(1).is_some_and(|era| era == "modern");
    let answer = if is_modern { modern_answer } else { legacy_answer };
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    let mut answers: Vec<u8> = Vec::with_capacity(1 << 20);
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        match input.read(&mut buffer[filled..]) {
            Ok(0) | Err(_) => return,
            Ok(read) => filled += read,
        }
        let mut done = 0;
        while let Some(end) = buffer[done..filled].iter().position(|byte| *byte == b'\n') {
            answer(&buffer[done..done + end], &mut answers);
            done += end + 1;
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
        if output.write_all(&answers).and_then(|()| output.flush()).is_err() {
            return;
        }
        answers.clear();
    }
}

fn legacy_answer(line: &[u8], out: &mut Vec<u8>) {
    let Some(method) = begin(line, out) else { return };
    match method {
        b"initialize" => out.extend_from_slice(
            br#""result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}}"#,
        ),
        b"tools/call" => {
            out.extend_from_slice(br#""result":{"content":[{"type":"text","text":""#);
            out.extend_from_slice(between(line, b"\"text\":\"", b"\"").unwrap_or_default());
            out.extend_from_slice(br#""}]}}"#);
        }
        b"tools/list" => {
            out.extend_from_slice(br#""result":{"tools":["#);
            out.extend_from_slice(TOOL);
            out.extend_from_slice(b"]}}");
        }
        _ => out.extend_from_slice(UNKNOWN),
    }
    out.push(b'\n');
}

fn modern_answer(line: &[u8], out: &mut Vec<u8>) {
    let Some(method) = begin(line, out) else { return };
    match method {
        b"server/discover" => out.extend_from_slice(
            br#""result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"public","#,
        ),
        b"tools/call" => {
            out.extend_from_slice(
                br#""result":{"resultType":"complete","content":[{"type":"text","text":""#,
            );
            out.extend_from_slice(between(line, b"\"text\":\"", b"\"").unwrap_or_default());
            out.extend_from_slice(br#""}],"#);
        }
        b"tools/list" => {
            out.extend_from_slice(br#""result":{"resultType":"complete","ttlMs":60000,"cacheScope":"public","tools":["#);
            out.extend_from_slice(TOOL);
            out.extend_from_slice(b"],");
        }
        _ => {
            out.extend_from_slice(UNKNOWN);
            return out.push(b'\n');
        }
    }
    out.extend_from_slice(
        br#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"echo","version":"1"}}}}"#,
    );
    out.push(b'\n');
}

const TOOL: &[u8] =
    br#"{"name":"echo","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}"#;

const UNKNOWN: &[u8] = br#""error":{"code":-32601,"message":"Method not found"}}"#;

/// Writes the answer up to its payload and gives the method; a notification has no answer.
fn begin<'a>(line: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let head = &line[..line.len().min(160)];
    let id = between(head, b"\"id\":", b",")?;
    let method = between(head, b"\"method\":\"", b"\"")?;
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id);
    out.push(b',');
    Some(method)
}

fn between<'a>(line: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    let start = line.windows(before.len()).position(|part| part == before)? + before.len();
    let length = line[start..].windows(after.len()).position(|part| part == after)?;
    Some(&line[start..start + length])
}
