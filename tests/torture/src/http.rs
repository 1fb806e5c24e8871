//! HTTP/1.1 as thin as it can be: one connection, one exchange after the other, every byte in our hands so that we can
//! dawdle over it or leave in the middle.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Why an exchange came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody took the connection.
    Unreachable,
    /// The connection ended within an answer or before it.
    Lost,
    /// It took longer than anything may take.
    Late,
    /// What came is no HTTP, or no JSON-RPC.
    Garbled(String),
}

#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    left: Left,
    /// Bytes taken at once, and the pause after them.
    sip: Option<(usize, Duration)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    pub(crate) is_stream: bool,
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Bytes(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    UntilClose,
}

// === impl Wire ===

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Trouble> {
        let socket = TcpStream::connect(address).await.map_err(|_| Trouble::Unreachable)?;
        Ok(Self::of(socket))
    }

    /// A connection that takes so many bytes at once, pauses, and has little room for what waits.
    pub(crate) async fn dawdling(
        address: SocketAddr,
        sip: (usize, Duration),
    ) -> Result<Self, Trouble> {
        let socket = TcpSocket::new_v4().map_err(|_| Trouble::Unreachable)?;
        socket.set_recv_buffer_size(8192).ok();
        let socket = socket.connect(address).await.map_err(|_| Trouble::Unreachable)?;
        Ok(Self { sip: Some(sip), ..Self::of(socket) })
    }

    fn of(socket: TcpStream) -> Self {
        socket.set_nodelay(true).ok();
        Self { socket, buffer: Vec::new(), left: Left::Nothing, sip: None }
    }

    /// Whether another exchange can begin here: the last one is over and the other side has not hung up.
    pub(crate) fn is_idle(&self) -> bool {
        let mut byte = [0];
        let quiet = self.socket.try_read(&mut byte);
        let quiet = quiet.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        self.left == Left::Nothing && self.buffer.is_empty() && quiet
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.socket.write_all(bytes).await.map_err(|_| Trouble::Lost)
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&mut self) -> Result<Head, Trouble> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let text: Vec<u8> = self.buffer.drain(..end).collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        let garbled = || Trouble::Garbled(format!("a head that is none: {text:?}"));
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut head = Head { status: status.ok_or_else(garbled)?, ..Head::default() };
        self.left = if matches!(head.status, 202 | 204) { Left::Nothing } else { Left::UntilClose };
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(garbled)?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => self.left = Left::Bytes(value.parse().map_err(|_| garbled())?),
                "transfer-encoding" => self.left = Left::ChunkSize,
                "content-type" => head.is_stream = value.starts_with("text/event-stream"),
                "mcp-session-id" => head.session = Some(value.to_owned()),
                _ => {}
            }
        }
        if self.left == Left::Bytes(0) {
            self.left = Left::Nothing;
        }
        Ok(head)
    }

    /// The next bytes of the body; `None` at its end. Cancel-safe.
    pub(crate) async fn piece(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            match self.left {
                Left::Nothing => return Ok(None),
                Left::Bytes(count) | Left::Chunk(count) if !self.buffer.is_empty() => {
                    let piece: Vec<u8> =
                        self.buffer.drain(..count.min(self.buffer.len())).collect();
                    let rest = count - piece.len();
                    self.left = match (self.left, rest) {
                        (Left::Bytes(_), 0) => Left::Nothing,
                        (Left::Bytes(_), rest) => Left::Bytes(rest),
                        (_, 0) => Left::ChunkEnd,
                        (_, rest) => Left::Chunk(rest),
                    };
                    return Ok(Some(piece));
                }
                Left::UntilClose if !self.buffer.is_empty() => {
                    return Ok(Some(std::mem::take(&mut self.buffer)));
                }
                Left::ChunkSize => {
                    if let Some(at) = find(&self.buffer, b"\r\n") {
                        let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                        let line = String::from_utf8_lossy(&line);
                        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| {
                            Trouble::Garbled(format!("a chunk begins with {line:?}"))
                        })?;
                        self.left = if size == 0 { Left::Trailer } else { Left::Chunk(size) };
                        continue;
                    }
                }
                Left::ChunkEnd | Left::Trailer if self.buffer.len() >= 2 => {
                    self.buffer.drain(..2);
                    self.left =
                        if self.left == Left::Trailer { Left::Nothing } else { Left::ChunkSize };
                    continue;
                }
                Left::Bytes(_)
                | Left::Chunk(_)
                | Left::ChunkEnd
                | Left::Trailer
                | Left::UntilClose => {}
            }
            match self.fill().await {
                Err(Trouble::Lost) if self.left == Left::UntilClose => {
                    self.left = Left::Nothing;
                    return Ok(None);
                }
                filled => filled?,
            }
        }
    }

    pub(crate) async fn text(&mut self) -> Result<String, Trouble> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await? {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).map_err(|_| Trouble::Garbled("a body that is no text".into()))
    }

    async fn fill(&mut self) -> Result<(), Trouble> {
        let read = match self.sip {
            None => self.socket.read_buf(&mut self.buffer).await,
            Some((bytes, pause)) => {
                tokio::time::sleep(pause).await;
                let mut sip = vec![0; bytes];
                let read = self.socket.read(&mut sip).await;
                if let Ok(count) = read {
                    self.buffer.extend_from_slice(&sip[..count]);
                }
                read
            }
        };
        if read.map_err(|_| Trouble::Lost)? == 0 { Err(Trouble::Lost) } else { Ok(()) }
    }
}

/// One request as bytes. `headers` are whole lines.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Asks for a page and gives its status and text.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), Trouble> {
    let asking = async {
        let mut wire = Wire::connect(address).await?;
        wire.send(&request("GET", path, "", "")).await?;
        let head = wire.head().await?;
        Ok((head.status, wire.text().await?))
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap_or(Err(Trouble::Late))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}
