//! A client of one session on one connection, as thin as it can be: it shares the processor with what it measures.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::messages;

pub struct Client {
    stream: TcpStream,
    text_bytes: usize,
    /// A whole request, whose id is written anew for each call.
    request: Vec<u8>,
    id_at: usize,
    made: usize,
    buffer: Vec<u8>,
}

/// Runs one future on this thread.
pub fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(future)
}

impl Client {
    /// Connects and opens a session, to echo texts of 1 KiB.
    pub async fn open(address: SocketAddr, path: &str) -> Result<Self, String> {
        Self::legacy(address, path, messages::ECHO_BYTES).await
    }

    /// Connects and opens a session, to echo texts of this length.
    pub async fn legacy(
        address: SocketAddr,
        path: &str,
        text_bytes: usize,
    ) -> Result<Self, String> {
        let mut client = Self::connect(address, text_bytes).await?;
        let session = client.open_session(path).await?;
        Ok(client.calling(path, &session, &messages::call_of(0, text_bytes)))
    }

    /// Connects and needs no more.
    pub async fn modern(
        address: SocketAddr,
        path: &str,
        text_bytes: usize,
    ) -> Result<Self, String> {
        let client = Self::connect(address, text_bytes).await?;
        let body = messages::modern_call_of(0, text_bytes);
        Ok(client.calling(path, messages::MODERN_HEADS, &body))
    }

    async fn connect(address: SocketAddr, text_bytes: usize) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let buffer = vec![0; 16 * 1024];
        Ok(Self { stream, text_bytes, request: Vec::new(), id_at: 0, made: 0, buffer })
    }

    fn calling(mut self, path: &str, heads: &str, body: &str) -> Self {
        self.request = post(path, heads, body).into_bytes();
        self.id_at = self.request.len() - body.len() + body.find("100000000").unwrap_or(0);
        self
    }

    /// Opens a session on this connection and gives its head line.
    pub async fn open_session(&mut self, path: &str) -> Result<String, String> {
        self.request = post(path, "", messages::INITIALIZE).into_bytes();
        let (head, _) = self.exchange(200).await?;
        let id = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        let id = id.unwrap_or("none");
        let session = format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-06-18\r\n");
        self.request = post(path, &session, messages::INITIALIZED).into_bytes();
        self.exchange(202).await?;
        Ok(session)
    }

    /// Makes calls one after another and gives how long each took, in microseconds.
    pub async fn calls(&mut self, count: usize) -> Result<Vec<f64>, String> {
        let mut took = Vec::with_capacity(count);
        for _ in 0..count {
            self.made += 1;
            let id = (100_000_000 + self.made).to_string();
            self.request[self.id_at..self.id_at + 9].copy_from_slice(id.as_bytes());
            let start = Instant::now();
            let (body_at, end) = self.answer().await?;
            took.push(start.elapsed().as_secs_f64() * 1e6);
            let body = &self.buffer[body_at..end];
            let right = self.buffer.starts_with(b"HTTP/1.1 200")
                && body.len() > self.text_bytes
                && body[..40].windows(9).any(|part| part == id.as_bytes());
            if !right {
                return Err(format!("not the answer: {}", String::from_utf8_lossy(body)));
            }
        }
        Ok(took)
    }

    async fn exchange(&mut self, status: u16) -> Result<(String, String), String> {
        let (body_at, end) = self.answer().await?;
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        let (head, body) = (text(&self.buffer[..body_at]), text(&self.buffer[body_at..end]));
        if head.starts_with(&format!("HTTP/1.1 {status}")) {
            Ok((head, body))
        } else {
            Err(format!("{status} was expected, not {head}{body}"))
        }
    }

    /// Sends the request and reads the answer: where its body begins in the buffer, and where it ends.
    async fn answer(&mut self) -> Result<(usize, usize), String> {
        self.stream.write_all(&self.request).await.map_err(|error| error.to_string())?;
        let mut filled = 0;
        let mut whole = None;
        while whole.is_none_or(|(_, end)| filled < end) {
            let read = self.stream.read(&mut self.buffer[filled..]).await;
            match read.map_err(|error| error.to_string())? {
                0 => return Err("the daemon closed the connection".to_owned()),
                read => filled += read,
            }
            whole = whole.or_else(|| extent(&self.buffer[..filled]));
        }
        whole.ok_or_else(|| "the answer never ended".to_owned())
    }
}

/// Where the body of an answer begins and ends, once its head is there.
fn extent(read: &[u8]) -> Option<(usize, usize)> {
    let head = read.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let name = b"content-length: ";
    let at = read[..head].windows(name.len()).position(|part| part == name);
    let length = at.map_or(0, |at| {
        let digits = read[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
    });
    Some((head, head + length))
}

fn post(path: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
