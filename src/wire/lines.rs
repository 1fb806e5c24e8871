//! Bytes to lines, with a ceiling.
//!
//! A child speaks one message per line. [`Lines`] owns the buffer its output is read into and cuts whole lines out of
//! it without copying. It refuses to know where the bytes come from and what a line means.
//!
//! No byte is looked at twice: a line that arrives in many pieces is searched piece by piece. A line beyond the
//! ceiling is passed over as it arrives; of it only the first and the last 4 KiB are kept, enough to find the id of
//! the call it would have answered (see [`super::overlong`]).

use bytes::{Buf, Bytes, BytesMut};

/// What the buffer offers to one read. A pipe hands out at most this much at once.
const CHUNK: usize = 64 * 1024;

/// With less room than this the buffer is given a new chunk; asking for a full chunk each time would allocate one for
/// every short line.
const ROOM_MIN: usize = 4 * 1024;

/// How much of each end of an overlong line is kept.
const KEPT: usize = 4 * 1024;

/// One line, without its line end. Blank lines are never handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Whole(Bytes),
    /// Longer than the ceiling. `length` counts all its bytes; the two ends overlap if it is shorter than both. The
    /// tail is empty if the input ended within the line, because then its last bytes are not the end of a message.
    Overlong {
        head: Bytes,
        tail: Bytes,
        length: u64,
    },
    /// The input ended within this line.
    Cut(Bytes),
}

/// A buffer that is filled from one side and gives lines on the other.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// So many bytes at the front of `buffer` are known to hold no `\n`.
    searched: usize,
    limit: usize,
    /// The overlong line being passed over; `buffer` then holds its continuation.
    passing: Option<Passing>,
}

#[derive(Debug, Default)]
struct Passing {
    head: BytesMut,
    tail: BytesMut,
    length: u64,
}

// === impl Line ===

impl Line {
    /// How many bytes of it are here.
    #[expect(clippy::len_without_is_empty, reason = "a line is never empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(text) | Self::Cut(text) => text.len(),
            Self::Overlong { head, tail, .. } => head.len() + tail.len(),
        }
    }
}

// === impl Lines ===

impl Lines {
    /// Lines of up to `limit` bytes, not counting the line end, are handed out whole.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, limit, passing: None }
    }

    /// The buffer to append to, with room for a read. Call [`Self::next_line`] until it gives nothing before reading
    /// again: only that keeps the buffer within the ceiling and one read.
    pub fn space(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < ROOM_MIN {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// The next complete line, if there is one.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let newline = memchr::memchr(b'\n', &self.buffer[self.searched..]);
            let Some(at) = newline.map(|at| self.searched + at) else {
                self.keep_searched();
                return None;
            };
            let mut line = self.buffer.split_to(at + 1);
            self.searched = 0;
            line.truncate(at);
            if let Some(mut passing) = self.passing.take() {
                passing.take_in(&line);
                return Some(passing.finish());
            }
            if at > CHUNK {
                // The buffer grew for this line. A fresh one lets that memory go when the line goes.
                self.buffer = BytesMut::from(&self.buffer[..]);
            }
            if without_return(&line) > self.limit {
                let mut passing = Passing::default();
                passing.take_in(&line);
                return Some(passing.finish());
            }
            line.truncate(without_return(&line));
            if !is_blank(&line) {
                return Some(Line::Whole(line.freeze()));
            }
        }
    }

    /// What is left when the input has ended. Call it once [`Self::next_line`] gives nothing more.
    pub fn end(&mut self) -> Option<Line> {
        self.searched = 0;
        let mut rest = std::mem::take(&mut self.buffer);
        let is_overlong = self.passing.is_some() || without_return(&rest) > self.limit;
        if is_overlong {
            let mut passing = self.passing.take().unwrap_or_default();
            passing.take_in(&rest);
            passing.strip_return();
            passing.tail.clear();
            return Some(passing.finish());
        }
        rest.truncate(without_return(&rest));
        (!is_blank(&rest)).then(|| Line::Cut(rest.freeze()))
    }

    /// The buffer holds no line end: remember that, or start passing over what can only become overlong.
    fn keep_searched(&mut self) {
        // One byte more than the limit may still turn out to be the `\r` of the line end.
        if self.passing.is_none() && self.buffer.len() > self.limit.saturating_add(1) {
            self.passing = Some(Passing::default());
        }
        if let Some(passing) = &mut self.passing {
            passing.take_in(&self.buffer);
            if self.buffer.capacity() > 2 * CHUNK {
                self.buffer = BytesMut::new();
            }
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
    }
}

// === impl Passing ===

impl Passing {
    fn take_in(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        let head_room = KEPT - self.head.len();
        self.head.extend_from_slice(&piece[..piece.len().min(head_room)]);
        let last = &piece[piece.len().saturating_sub(KEPT)..];
        let surplus = (self.tail.len() + last.len()).saturating_sub(KEPT);
        self.tail.advance(surplus);
        self.tail.extend_from_slice(last);
    }

    fn strip_return(&mut self) {
        if self.tail.last() == Some(&b'\r') {
            self.tail.truncate(self.tail.len() - 1);
            self.length -= 1;
            if (self.head.len() as u64) > self.length {
                self.head.truncate(self.head.len() - 1);
            }
        }
    }

    fn finish(mut self) -> Line {
        self.strip_return();
        Line::Overlong { head: self.head.freeze(), tail: self.tail.freeze(), length: self.length }
    }
}

/// The length of a line without the `\r` that may belong to its end.
fn without_return(line: &[u8]) -> usize {
    line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len)
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests;
