//! The least MCP server: it answers calls with their own text, as many as it finds in one read with one write. What a
//! bridge in front of it costs is what is left when its own few microseconds are taken off. With the argument `modern` it is one
//! without a handshake; with `late` it takes its time before it reads.
//!
//! It has three more tools, for what an echo does not show: `sleep` answers 50 ms later and holds nobody up, `bytes` makes a
//! result as long as asked, `progress` tells of as many steps as asked before its result.

use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use memchr::memmem;

/// How long one that is late loads what it needs.
const LATE: Duration = Duration::from_millis(100);
const SLEEP: Duration = Duration::from_millis(50);
/// More calls than this that sleep at once hold the others up.
const SLEEPERS_MAX: usize = 4096;
/// Where the id and the method are looked for: bridges that write a call anew put the id behind the rest.
const EDGE: usize = 160;

/// When an answer is due, and the answer.
type Due = (Instant, Vec<u8>);

fn main() {
    let how = std::env::args().nth(1);
    let answer = if how.as_deref() == Some("modern") { modern_answer } else { legacy_answer };
    if how.as_deref() == Some("late") {
        std::thread::sleep(LATE);
    }
    let mut input = std::io::stdin().lock();
    let mut sleepers: Option<SyncSender<Due>> = None;
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
        while let Some(end) = memchr::memchr(b'\n', &buffer[done..filled]) {
            let line = &buffer[done..done + end];
            done += end + 1;
            if tool(line) == Some(b"sleep") {
                let mut own = Vec::new();
                legacy_answer(line, &mut own);
                let due = (Instant::now() + SLEEP, own);
                sleepers.get_or_insert_with(sleep).send(due).expect("it waits for more");
            } else {
                answer(line, &mut answers);
            }
        }
        buffer.copy_within(done..filled, 0);
        filled -= done;
        write(&answers);
        answers.clear();
    }
}

/// Writes whole lines. When nobody reads them any more, this is over.
fn write(lines: &[u8]) {
    let mut output = std::io::stdout().lock();
    if output.write_all(lines).and_then(|()| output.flush()).is_err() {
        std::process::exit(0);
    }
}

/// All sleep for the same time, so that they wake in the order in which they came.
fn sleep() -> SyncSender<Due> {
    let (sender, receiver): (_, Receiver<Due>) = sync_channel(SLEEPERS_MAX);
    std::thread::spawn(move || {
        for (due, answer) in receiver {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            write(&answer);
        }
    });
    sender
}

/// The tool that a line calls.
fn tool(line: &[u8]) -> Option<&[u8]> {
    between(line, b"\"name\":\"", b'"')
}

fn count(line: &[u8]) -> usize {
    let digits = value(line, b"\"count\":").unwrap_or_default();
    digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit & 15))
}

/// The steps of a call, which come before its result.
fn steps(line: &[u8], out: &mut Vec<u8>) {
    let Some(token) = value(line, b"\"progressToken\":") else { return };
    let total = count(line);
    for step in 1..=total {
        out.extend_from_slice(
            br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#,
        );
        out.extend_from_slice(token);
        writeln!(out, r#","progress":{step},"total":{total}}}}}"#).expect("vectors take any text");
    }
}

fn legacy_answer(line: &[u8], out: &mut Vec<u8>) {
    if tool(line) == Some(b"progress") {
        steps(line, out);
    }
    let Some(method) = begin(line, out) else { return };
    match method {
        b"initialize" => out.extend_from_slice(
            br#""result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}}"#,
        ),
        b"tools/call" => {
            out.extend_from_slice(br#""result":{"content":[{"type":"text","text":""#);
            match tool(line) {
                Some(b"bytes") => out.resize(out.len() + count(line), b'z'),
                Some(b"sleep" | b"progress") => out.extend_from_slice(b"done"),
                _ => out.extend_from_slice(text(line)),
            }
            out.extend_from_slice(br#""}]}}"#);
        }
        b"tools/list" => {
            out.extend_from_slice(br#""result":{"tools":["#);
            out.extend_from_slice(TOOLS);
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
            out.extend_from_slice(text(line));
            out.extend_from_slice(br#""}],"#);
        }
        b"tools/list" => {
            out.extend_from_slice(br#""result":{"resultType":"complete","ttlMs":60000,"cacheScope":"public","tools":["#);
            out.extend_from_slice(TOOLS);
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

const TOOLS: &[u8] =
    br#"{"name":"echo","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}},{"name":"sleep","inputSchema":{"type":"object"}},{"name":"bytes","inputSchema":{"type":"object","properties":{"count":{"type":"integer"}}}},{"name":"progress","inputSchema":{"type":"object","properties":{"count":{"type":"integer"}}}}"#;

const UNKNOWN: &[u8] = br#""error":{"code":-32601,"message":"Method not found"}}"#;

/// Writes the answer up to its payload and gives the method; a notification has no answer.
fn begin<'a>(line: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (head, tail) = (&line[..line.len().min(EDGE)], &line[line.len().saturating_sub(EDGE)..]);
    let id = value(head, b"\"id\":").or_else(|| value(tail, b"\"id\":"))?;
    let method = between(head, b"\"method\":\"", b'"')?;
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id);
    out.push(b',');
    Some(method)
}

/// What a call wants to have echoed.
fn text(line: &[u8]) -> &[u8] {
    between(line, b"\"text\":\"", b'"').unwrap_or_default()
}

/// The value behind this name, which has no comma and no bracket in it.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = memmem::find(line, name)? + name.len();
    let length = line[start..].iter().position(|byte| matches!(byte, b',' | b'}'))?;
    Some(&line[start..start + length])
}

fn between<'a>(line: &'a [u8], before: &[u8], after: u8) -> Option<&'a [u8]> {
    let start = memmem::find(line, before)? + before.len();
    Some(&line[start..start + memchr::memchr(after, &line[start..])?])
}
