//! Server-sent events: a writer for what the daemon says, a reader for what a server says to a probe or a test.
//!
//! The writer appends to a buffer of the caller's. A message is one `data:` line, because frames are always on one
//! line. The reader takes bytes in any pieces and follows the HTML standard: three kinds of line ends, a byte order
//! mark at the start, several `data:` lines, comments. It holds at most one event's text, up to a ceiling.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};

/// One event as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// `message` unless the sender named another.
    pub event: String,
    /// The id written in this event, if any. The standing one is [`Decoder::last_event_id`].
    pub id: Option<String>,
    pub data: String,
    /// The reconnection time written in this event, in milliseconds.
    pub retry: Option<u64>,
}

/// An event outgrew the reader's ceiling. The stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit} bytes")]
pub struct EventTooLong {
    pub limit: usize,
}

/// Bytes to events.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// The line in progress.
    line: Vec<u8>,
    /// The last byte was a `\r`, so a `\n` right after it ends nothing.
    after_return: bool,
    is_first_line: bool,
    event: String,
    /// Each `data:` line with a `\n` behind it.
    data: String,
    id: Option<String>,
    retry: Option<u64>,
    last_event_id: String,
    retry_ms: Option<u64>,
    ready: VecDeque<SseEvent>,
    broken: bool,
}

/// Writes a message. `text` is on one line.
pub fn event(out: &mut BytesMut, id: Option<&str>, text: &[u8]) {
    debug_assert!(is_one_line(text), "the data of an event is one line");
    out.reserve(text.len() + id.map_or(0, str::len) + 32);
    begin(out, id);
    out.put_slice(text);
    end(out);
}

/// Writes what stands before the text of a message. For whoever hands over a long text as it is instead of copying it:
/// the text follows, on one line, and then [`end`].
pub fn begin(out: &mut BytesMut, id: Option<&str>) {
    // Piece by piece, which costs a fraction of formatting it, and few pieces: events are many.
    let Some(id) = id else {
        return out.put_slice(b"event: message\ndata: ");
    };
    debug_assert!(is_one_line(id.as_bytes()), "an event id is one line");
    out.put_slice(b"event: message\nid: ");
    out.put_slice(id.as_bytes());
    out.put_slice(b"\ndata: ");
}

/// Writes what stands behind the text of an event.
pub fn end(out: &mut BytesMut) {
    out.put_slice(b"\n\n");
}

/// Writes the event that opens a stream of revision 2025-11-25: an id to resume after, the time to wait before doing
/// so, and empty data. Clients of older revisions would try to parse the data.
pub fn prime(out: &mut BytesMut, id: &str, retry_ms: u64) {
    debug_assert!(is_one_line(id.as_bytes()), "an event id is one line");
    written(out, format_args!("id: {id}\nretry: {retry_ms}\ndata: \n\n"));
}

/// Writes the first event of the 2024-11-05 transport: where messages are to be posted, and how soon to come back if the
/// connection is lost, for the session behind that path is lost with it. The number comes last and without a block of its
/// own, because simple clients take the first line for the event's name and the second for its data.
pub fn endpoint(out: &mut BytesMut, uri: &str, retry_ms: u64) {
    debug_assert!(is_one_line(uri.as_bytes()), "a path is one line");
    written(out, format_args!("event: endpoint\ndata: {uri}\nretry: {retry_ms}\n\n"));
}

/// Writes a comment, which readers ignore and proxies count as life.
pub fn comment(out: &mut BytesMut, text: &str) {
    debug_assert!(is_one_line(text.as_bytes()), "a comment is one line");
    written(out, format_args!(": {text}\n\n"));
}

/// Writes how long to wait before connecting again. It is no event of its own.
pub fn retry(out: &mut BytesMut, ms: u64) {
    written(out, format_args!("retry: {ms}\n\n"));
}

fn written(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a buffer in memory takes any text");
}

fn is_one_line(text: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', text).is_none()
}

// === impl Decoder ===

impl Decoder {
    /// A reader for events whose lines together hold up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_return: false,
            is_first_line: true,
            event: String::new(),
            data: String::new(),
            id: None,
            retry: None,
            last_event_id: String::new(),
            retry_ms: None,
            ready: VecDeque::new(),
            broken: false,
        }
    }

    /// Takes in more of the stream. Once it has failed it keeps failing.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), EventTooLong> {
        while !bytes.is_empty() && !self.broken {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', bytes);
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            self.broken = self.line.len() + self.data.len() > self.limit;
            let Some(end) = end else { break };
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.take_line();
        }
        if self.broken { Err(EventTooLong { limit: self.limit }) } else { Ok(()) }
    }

    /// The next complete event. Events without data are not handed out, as the standard has it.
    pub fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    /// The id to name when connecting again; empty if there is none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The reconnection time last named by the server, be it with an event or without.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn take_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => {
                value.clone_into(&mut self.last_event_id);
                self.id = Some(value.to_owned());
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok();
                self.retry_ms = self.retry.or(self.retry_ms);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        let id = self.id.take();
        let retry = self.retry.take();
        // An empty `data:` line leaves its line end here, so it does make an event.
        if data.pop().is_none() {
            return;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.ready.push_back(SseEvent { event, id, data, retry });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut decoder = Decoder::new(1000);
        for piece in pieces {
            decoder.push(piece).unwrap();
        }
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    fn message(data: &str) -> SseEvent {
        SseEvent { event: "message".into(), id: None, data: data.into(), retry: None }
    }

    #[test]
    fn what_is_written_is_exactly_this_and_reads_back() {
        let mut out = BytesMut::new();
        prime(&mut out, "3-0", 1500);
        event(&mut out, Some("3-1"), b"{\"a\":\"\xc3\xbc\"}");
        event(&mut out, None, b"{}");
        comment(&mut out, "ka");
        retry(&mut out, 700);
        endpoint(&mut out, "/servers/git/messages?sessionId=x", 500);
        assert_eq!(
            String::from_utf8(out.to_vec()).unwrap(),
            "id: 3-0\nretry: 1500\ndata: \n\n\
             event: message\nid: 3-1\ndata: {\"a\":\"ü\"}\n\n\
             event: message\ndata: {}\n\n\
             : ka\n\n\
             retry: 700\n\n\
             event: endpoint\ndata: /servers/git/messages?sessionId=x\nretry: 500\n\n"
        );
        let events = read(&[&out]);
        assert_eq!(
            events,
            [
                SseEvent { id: Some("3-0".into()), retry: Some(1500), ..message("") },
                SseEvent { id: Some("3-1".into()), ..message("{\"a\":\"ü\"}") },
                message("{}"),
                SseEvent {
                    event: "endpoint".into(),
                    retry: Some(500),
                    ..message("/servers/git/messages?sessionId=x")
                },
            ]
        );
    }

    #[test]
    fn the_examples_of_the_standard_read_as_it_says() {
        assert_eq!(read(&[b"data: YHOO\ndata: +2\ndata: 10\n\n"]), [message("YHOO\n+2\n10")]);
        assert_eq!(
            read(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"]),
            [
                SseEvent { id: Some("1".into()), ..message("first event") },
                SseEvent { id: Some(String::new()), ..message("second event") },
                message(" third event"),
            ]
        );
        assert_eq!(read(&[b"data\n\ndata\ndata\n\ndata:"]), [message(""), message("\n")]);
        assert_eq!(read(&[b"data:test\n\ndata: test\n\n"]), [message("test"), message("test")]);
    }

    #[test]
    fn every_kind_of_line_end_counts_even_when_split() {
        let expected = [message("a\nb"), message("c")];
        assert_eq!(read(&[b"data: a\ndata: b\n\ndata: c\n\n"]), expected);
        assert_eq!(read(&[b"data: a\rdata: b\r\rdata: c\r\r"]), expected);
        assert_eq!(read(&[b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"]), expected);
        assert_eq!(read(&[b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\ndata: c\n\r"]), expected);
    }

    #[test]
    fn a_byte_order_mark_is_dropped_at_the_start_only() {
        assert_eq!(read(&[b"\xef\xbb", b"\xbfdata: a\n\n"]), [message("a")]);
        assert_eq!(read(&[b"data: a\n\n\xef\xbb\xbfdata: b\n\n"]), [message("a")]);
    }

    #[test]
    fn a_block_without_data_is_no_event_but_its_id_and_retry_stand() {
        let mut decoder = Decoder::new(1000);
        decoder.push(b"event: x\nid: 9\nretry: 50\n\nretry: 5x\nid: a\0b\n\n").unwrap();
        assert_eq!(decoder.next_event(), None);
        assert_eq!((decoder.last_event_id(), decoder.retry_ms()), ("9", Some(50)));
        decoder.push(b"data: y\n\n").unwrap();
        assert_eq!(decoder.next_event(), Some(message("y")));
    }

    #[test]
    fn an_event_beyond_the_ceiling_fails_for_good_and_many_small_ones_do_not() {
        let mut decoder = Decoder::new(100);
        for _ in 0..50 {
            decoder.push(b"data: 0123456789\n\n").unwrap();
        }
        let endless = vec![b'x'; 101];
        assert_eq!(decoder.push(&endless), Err(EventTooLong { limit: 100 }));
        assert_eq!(decoder.push(b"\n\ndata: a\n\n"), Err(EventTooLong { limit: 100 }));

        let mut decoder = Decoder::new(100);
        assert!((0..20).any(|_| decoder.push(b"data: 0123456789\n").is_err()));
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_does_not_matter(
            text in "(data|id|event|retry|:|\u{feff}| |x|7|\n|\r|\r\n|\n\n|data: a\n){0,40}",
            size in 1usize..9,
        ) {
            let whole = read(&[text.as_bytes()]);
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(read(&pieces), whole);
        }
    }
}
