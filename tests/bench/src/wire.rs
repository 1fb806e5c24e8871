//! One connection that speaks HTTP/1.1, as thin as it can be: it shares the processor with what it measures.

use std::net::SocketAddr;

use memchr::{memchr, memmem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::events::Events;

const BUFFER: usize = 256 * 1024;

pub struct Wire {
    pub address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet looked at.
    from: usize,
    to: usize,
    rest: Rest,
    /// Of the last head.
    pub status: u16,
    pub session: Option<String>,
    /// The last answer is an event stream.
    pub is_events: bool,
    /// The message of the last answer; of an event stream its last.
    pub message: Vec<u8>,
}

/// What is still to come of a body.
#[derive(Clone, Copy)]
enum Rest {
    Nothing,
    Sized(usize),
    /// In this chunk; its end is not in the count.
    Chunk(usize),
    ChunkHead,
    UntilClose,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self {
            address,
            stream,
            buffer: Vec::new(),
            from: 0,
            to: 0,
            rest: Rest::Nothing,
            status: 0,
            session: None,
            is_events: false,
            message: Vec::new(),
        })
    }

    /// Sends a request and reads its answer to the end.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16, String> {
        self.send(request).await?;
        self.head().await?;
        self.message.clear();
        let mut message = std::mem::take(&mut self.message);
        let mut events = Events::default();
        while let Some(piece) = self.piece().await? {
            if self.is_events {
                events.feed(&self.buffer[piece], |text| {
                    message.clear();
                    message.extend_from_slice(text);
                });
            } else {
                message.extend_from_slice(&self.buffer[piece]);
            }
        }
        self.message = message;
        Ok(self.status)
    }

    /// The same, and any other status is an error.
    pub async fn expect(&mut self, request: &[u8], status: u16) -> Result<(), String> {
        if self.exchange(request).await? == status {
            Ok(())
        } else {
            Err(self.unexpected(&format!("status {status}")))
        }
    }

    /// What came instead of what was wanted.
    pub fn unexpected(&self, wanted: &str) -> String {
        let text = String::from_utf8_lossy(&self.message[..self.message.len().min(300)]);
        format!("{wanted} was expected, not {} {text}", self.status)
    }

    pub async fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream.write_all(request).await.map_err(|error| format!("cannot write: {error}"))
    }

    /// Reads the head of an answer.
    pub async fn head(&mut self) -> Result<(), String> {
        let end = loop {
            if let Some(end) = memmem::find(&self.buffer[self.from..self.to], b"\r\n\r\n") {
                break self.from + end + 4;
            }
            self.read().await?;
        };
        let head = &self.buffer[self.from..end];
        self.from = end;
        let digits = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        self.status = digits.and_then(|digits| digits.parse().ok()).ok_or("no status line")?;
        self.is_events = false;
        self.session = None;
        let has_body = !matches!(self.status, 100..=199 | 204 | 304);
        self.rest = if has_body { Rest::UntilClose } else { Rest::Nothing };
        let mut left = head;
        while let Some(line_end) = memchr(b'\n', left) {
            let line = &left[..line_end];
            left = &left[line_end + 1..];
            let Some(colon) = memchr(b':', line) else { continue };
            let value = line[colon + 1..].trim_ascii();
            let name = &line[..colon];
            // By length first: most lines are none of these.
            match colon {
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    let number = |sum: usize, digit: &u8| sum * 10 + usize::from(digit & 15);
                    self.rest = Rest::Sized(value.iter().fold(0, number));
                }
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    self.rest = Rest::ChunkHead;
                }
                12 if name.eq_ignore_ascii_case(b"content-type") => {
                    self.is_events = value.starts_with(b"text/event-stream");
                }
                14 if name.eq_ignore_ascii_case(b"mcp-session-id") => {
                    self.session = Some(String::from_utf8_lossy(value).into_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The next part of the body, as a place in [`Wire::read_in`]; none at its end.
    pub async fn piece(&mut self) -> Result<Option<std::ops::Range<usize>>, String> {
        loop {
            let has = self.to - self.from;
            let take = match self.rest {
                Rest::Nothing | Rest::Sized(0) => {
                    self.rest = Rest::Nothing;
                    return Ok(None);
                }
                Rest::Sized(left) => {
                    let take = has.min(left);
                    self.rest = Rest::Sized(left - take);
                    take
                }
                Rest::Chunk(0) => {
                    if self.line().await?.is_some() {
                        self.rest = Rest::ChunkHead;
                    }
                    continue;
                }
                Rest::Chunk(left) => {
                    let take = has.min(left);
                    self.rest = Rest::Chunk(left - take);
                    take
                }
                Rest::ChunkHead => {
                    self.chunk_head().await?;
                    continue;
                }
                Rest::UntilClose => has,
            };
            if take > 0 {
                self.from += take;
                return Ok(Some(self.from - take..self.from));
            }
            if let Err(error) = self.read().await {
                return if matches!(self.rest, Rest::UntilClose) { Ok(None) } else { Err(error) };
            }
        }
    }

    /// Where the places lie that [`Wire::piece`] gives.
    pub fn read_in(&self) -> &[u8] {
        &self.buffer
    }

    async fn chunk_head(&mut self) -> Result<(), String> {
        let Some(line) = self.line().await? else { return Ok(()) };
        let digits = self.buffer[line].iter().map_while(|digit| char::from(*digit).to_digit(16));
        let length = digits.fold(0, |sum, digit| sum * 16 + digit as usize);
        self.rest = Rest::Chunk(length);
        if length == 0 {
            while self.line().await?.is_none() {}
            self.rest = Rest::Nothing;
        }
        Ok(())
    }

    /// The next line, or none when more had to be read.
    async fn line(&mut self) -> Result<Option<std::ops::Range<usize>>, String> {
        let Some(end) = memchr(b'\n', &self.buffer[self.from..self.to]) else {
            self.read().await?;
            return Ok(None);
        };
        let start = self.from;
        self.from += end + 1;
        Ok(Some(start..start + end))
    }

    async fn read(&mut self) -> Result<(), String> {
        // Idle connections by the thousand need no large buffers.
        if self.to == self.buffer.len() && self.to < BUFFER {
            self.buffer.resize((2 * self.to).clamp(4096, BUFFER), 0);
        }
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to == self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        let read = self.stream.read(&mut self.buffer[self.to..]).await;
        match read.map_err(|error| format!("cannot read: {error}"))? {
            0 => Err("the bridge closed the connection".to_owned()),
            read => {
                self.to += read;
                Ok(())
            }
        }
    }
}
