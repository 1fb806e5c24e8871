//! Connections, and what comes over them bit by bit.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use stdiod::wire::sse::{Decoder, SseEvent};

use super::LIMIT;

/// The events of an answer, as they come.
pub(crate) struct Events {
    body: Body,
    decoder: Decoder,
    /// Everything that was read, for those who look at comments.
    raw: Vec<u8>,
}

pub(super) struct Body {
    source: BufReader<Box<dyn Pipe>>,
    left: Left,
}

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Bytes(u64),
    /// Of the chunk in hand.
    Chunk(u64),
    UntilClose,
    Nothing,
}

pub(crate) trait Pipe: Read + Write + Send {}
impl<T: Read + Write + Send> Pipe for T {}

const EVENT_MAX: usize = 64 << 20;

/// Connects to `IP:PORT` or `unix:PATH`.
pub(crate) fn connect(address: &str) -> Box<dyn Pipe> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        return Box::new(stream);
    }
    Box::new(connect_tcp(address))
}

pub(crate) fn connect_tcp(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

// === impl Events ===

impl Events {
    pub(super) fn of(body: Body) -> Self {
        Self { body, decoder: Decoder::new(EVENT_MAX), raw: Vec::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) fn next_event(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Some(event);
            }
            let piece = self.body.next(1 << 16)?;
            self.raw.extend_from_slice(&piece);
            self.decoder.push(&piece).unwrap();
        }
    }

    /// The next message, past events without one.
    pub(crate) fn message(&mut self) -> Option<Value> {
        loop {
            let event = self.next_event()?;
            if !event.data.is_empty() {
                return Some(serde_json::from_str(&event.data).unwrap());
            }
        }
    }

    /// All messages to the end of the stream.
    pub(crate) fn messages(mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.message()).collect()
    }

    pub(crate) fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// What was read so far, comments included.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Reads on until this has been seen.
    #[track_caller]
    pub(crate) fn until(&mut self, needle: &str) {
        while !self.raw().contains(needle) {
            let piece = self.body.next(1 << 16);
            let piece = piece.unwrap_or_else(|| panic!("the stream ended without {needle:?}"));
            self.raw.extend_from_slice(&piece);
            self.decoder.push(&piece).unwrap();
        }
    }

    /// Reads a byte every so often, as over a line that hardly carries any. False at the end.
    pub(crate) fn sip(&mut self, pause: Duration) -> bool {
        std::thread::sleep(pause);
        self.body.next(1).is_some()
    }
}

// === impl Body ===

impl Body {
    pub(super) fn new(source: BufReader<Box<dyn Pipe>>, left: Left) -> Self {
        Self { source, left }
    }

    pub(super) fn into_source(self) -> BufReader<Box<dyn Pipe>> {
        self.source
    }

    /// The next bytes, `most` at most; `None` at the end.
    pub(super) fn next(&mut self, most: usize) -> Option<Vec<u8>> {
        let left = match self.left {
            Left::Nothing | Left::Bytes(0) => return None,
            Left::Chunk(0) => {
                let size = self.chunk_size();
                self.left = Left::Chunk(size);
                if size == 0 {
                    self.line();
                    self.left = Left::Nothing;
                    return None;
                }
                size
            }
            Left::Bytes(left) | Left::Chunk(left) => left,
            Left::UntilClose => u64::MAX,
        };
        let mut piece = vec![0; most.min(usize::try_from(left).unwrap_or(most))];
        let count = self.source.read(&mut piece).unwrap();
        piece.truncate(count);
        let count = count as u64;
        match &mut self.left {
            Left::UntilClose if count == 0 => return None,
            _ if count == 0 => panic!("the connection ended within a body"),
            Left::Bytes(left) => *left -= count,
            Left::Chunk(left) => {
                *left -= count;
                if *left == 0 {
                    self.line();
                }
            }
            Left::UntilClose | Left::Nothing => {}
        }
        Some(piece)
    }

    fn chunk_size(&mut self) -> u64 {
        let line = self.line();
        u64::from_str_radix(line.trim(), 16)
            .unwrap_or_else(|_| panic!("a chunk began with {line:?}"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.source.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "the connection ended within a body");
        line
    }
}
