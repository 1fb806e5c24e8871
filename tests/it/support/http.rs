//! HTTP by hand: what is sent is exactly what is written here, and nothing about an answer is hidden.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::Value;

use super::stream::{Body, Events, Left, Pipe, connect};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    path: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Sent in chunks instead of with a length.
    is_chunked: bool,
}

/// One answer, whose body is read when it is wanted. Dropping it drops the connection.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

// === impl Request ===

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            version: "HTTP/1.1",
            headers: vec![("Host".to_owned(), "localhost".to_owned())],
            body: Vec::new(),
            is_chunked: false,
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path).header("Accept", "*/*")
    }

    /// A GET as clients send it that want to listen.
    pub(crate) fn listen(path: &str) -> Self {
        Self::new("GET", path).header("Accept", "text/event-stream")
    }

    /// A POST as most clients send it.
    pub(crate) fn post(path: &str, message: &Value) -> Self {
        Self::new("POST", path)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(message.to_string())
    }

    /// Sets a header; an empty value takes it out.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Adds a header, whether or not there is one of this name.
    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.is_chunked = true;
        self
    }

    pub(crate) fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} {}\r\n", self.method, self.path, self.version).into_bytes();
        for (name, value) in &self.headers {
            write!(out, "{name}: {value}\r\n").unwrap();
        }
        if self.is_chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in self.body.chunks(60_000) {
                write!(out, "{:x}\r\n", piece.len()).unwrap();
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
        } else {
            if self.method == "POST" {
                write!(out, "Content-Length: {}\r\n", self.body.len()).unwrap();
            }
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&self.body);
        }
        out
    }

    /// Sends it on a connection of its own.
    pub(crate) fn send(&self, address: &str) -> Answer {
        self.send_on(connect(address))
    }

    pub(crate) fn send_on(&self, mut pipe: Box<dyn Pipe>) -> Answer {
        // A server may refuse a long body before it has read all of it.
        pipe.write_all(&self.bytes()).ok();
        Answer::of(pipe)
    }
}

// === impl Answer ===

impl Answer {
    /// What comes over a connection on which a request was sent.
    pub(crate) fn of(pipe: Box<dyn Pipe>) -> Self {
        Self::read(BufReader::new(pipe))
    }

    fn read(mut source: BufReader<Box<dyn Pipe>>) -> Self {
        let mut line = || {
            let mut line = String::new();
            source.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "the head of an answer ended in {line:?}");
            line.trim_end().to_owned()
        };
        let first = line();
        let mut words = first.split(' ');
        let version = words.next().unwrap().to_owned();
        let status = words.next().unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let find = |name| headers.iter().find(|(known, _)| known == name).map(|(_, v)| v.as_str());
        let left = if find("transfer-encoding").is_some() {
            assert_eq!(version, "HTTP/1.1", "an older client does not know chunks");
            Left::Chunk(0)
        } else if let Some(length) = find("content-length") {
            Left::Bytes(length.parse().unwrap())
        } else if status == 204 || status == 202 {
            Left::Nothing
        } else {
            Left::UntilClose
        };
        Self { status, headers, body: Body::new(source, left) }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some()
    }

    pub(crate) fn text(mut self) -> String {
        self.take_text()
    }

    fn take_text(&mut self) -> String {
        let mut all = Vec::new();
        while let Some(piece) = self.body.next(1 << 16) {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).unwrap()
    }

    /// The whole body, and the connection for the next request.
    pub(crate) fn reused(mut self, next: &Request) -> (String, Self) {
        let text = self.take_text();
        let mut source = self.body.into_source();
        source.get_mut().write_all(&next.bytes()).unwrap();
        (text, Self::read(source))
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.status);
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[track_caller]
    pub(crate) fn events(self) -> Events {
        assert_eq!(self.status, 200);
        assert!(self.is_stream(), "{:?}", self.header("content-type"));
        Events::of(self.body)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
