//! The least MCP server: it answers calls with their own text, as many as it finds in one read with one write. What a
//! bridge in front of it costs is what is left when its own few microseconds are taken off.

use std::io::{Read, Write};

fn main() {
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

fn answer(line: &[u8], out: &mut Vec<u8>) {
    let Some(id) = between(line, b"\"id\":", b",") else { return };
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id);
    let head = &line[..line.len().min(120)];
    if between(head, b"\"method\":\"", b"\"") == Some(b"initialize") {
        out.extend_from_slice(
            br#","result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}}"#,
        );
    } else {
        out.extend_from_slice(br#","result":{"content":[{"type":"text","text":""#);
        out.extend_from_slice(between(line, b"\"text\":\"", b"\"").unwrap_or_default());
        out.extend_from_slice(b"\"}]}}");
    }
    out.push(b'\n');
}

fn between<'a>(line: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    let start = line.windows(before.len()).position(|part| part == before)? + before.len();
    let length = line[start..].windows(after.len()).position(|part| part == after)?;
    Some(&line[start..start + length])
}
