//! A child's stderr: log events, not too many, and the last lines kept for errors and status.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;

use crate::wire::id::ServerName;
use crate::wire::lines::{Line, Lines};

/// Reads one process's stderr.
#[derive(Debug)]
pub(super) struct Stderr {
    pipe: Option<ChildStderr>,
    lines: Lines,
}

/// The last lines of a slot's children, and how many more may be logged now.
#[derive(Debug)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    /// How many of them the present process wrote.
    fresh: usize,
    window: Option<Instant>,
    logged: u32,
    silenced: u64,
}

/// Lines kept, and how much of each.
const KEPT_LINES: usize = 20;
const KEPT_CHARS: usize = 500;

/// Lines shown in an error message.
const LAST_WORDS: usize = 3;

/// Lines logged in one window; a server in a loop must not fill the journal.
const LOGGED_MAX: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// A longer line is cut.
const LINE_MAX: usize = 64 * 1024;

// === impl Stderr ===

impl Stderr {
    pub(super) fn new(pipe: Option<ChildStderr>) -> Self {
        Self { pipe, lines: Lines::new(LINE_MAX) }
    }

    /// Reads once. Pends for ever once the pipe has ended. Cancel-safe.
    pub(super) async fn fill(&mut self) {
        let Some(pipe) = &mut self.pipe else { return std::future::pending().await };
        if !matches!(pipe.read_buf(self.lines.space()).await, Ok(1..)) {
            self.pipe = None;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.pipe.is_none()
    }

    /// Hands on what has been read.
    pub(super) fn drain(&mut self, server: &ServerName, now: Instant, tail: &mut Tail) {
        while let Some(line) = self.lines.next_line() {
            tail.add(server, now, &line);
        }
        if self.pipe.is_none()
            && let Some(line) = self.lines.end()
        {
            tail.add(server, now, &line);
        }
    }
}

// === impl Tail ===

impl Tail {
    pub(super) fn new() -> Self {
        Self { lines: VecDeque::new(), fresh: 0, window: None, logged: 0, silenced: 0 }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &String> {
        self.lines.iter()
    }

    /// A new process begins to write.
    pub(super) fn begin(&mut self) {
        self.fresh = 0;
    }

    /// The last few lines of the present process in one, for an error message.
    pub(super) fn last_words(&self) -> Option<String> {
        let fresh = self.fresh.min(LAST_WORDS);
        let last: Vec<&str> = self
            .lines
            .iter()
            .skip(self.lines.len().saturating_sub(fresh))
            .map(String::as_str)
            .collect();
        (!last.is_empty()).then(|| last.join(" | "))
    }

    fn add(&mut self, server: &ServerName, now: Instant, line: &Line) {
        let bytes = match line {
            Line::Whole(bytes) | Line::Cut(bytes) | Line::Overlong { head: bytes, .. } => bytes,
        };
        let text: String = String::from_utf8_lossy(bytes)
            .chars()
            .filter(|c| !c.is_control() || *c == '\t')
            .take(KEPT_CHARS)
            .collect();
        if self.may_log(server, now) {
            tracing::info!(target: "stdiod::stderr", server = %server, "{text}");
        }
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(text);
        self.fresh += 1;
    }

    fn may_log(&mut self, server: &ServerName, now: Instant) -> bool {
        if self.window.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            if self.silenced > 0 {
                let lines = self.silenced;
                tracing::warn!(target: "stdiod::stderr", server = %server, lines, "stderr lines were not logged: too many");
            }
            (self.window, self.logged, self.silenced) = (Some(now), 0, 0);
        }
        self.logged += 1;
        let may = self.logged <= LOGGED_MAX;
        self.silenced += u64::from(!may);
        may
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_a_flood_is_not_logged() {
        let server = ServerName::new("s").unwrap();
        let mut tail = Tail::new();
        let now = Instant::now();
        for n in 0..300 {
            tail.add(&server, now, &Line::Whole(Bytes::from(format!("\x1b[1mline {n}"))));
        }
        assert_eq!(tail.lines.len(), KEPT_LINES);
        assert_eq!(tail.last_words().unwrap(), "[1mline 297 | [1mline 298 | [1mline 299");
        assert_eq!(tail.silenced, 100);
        tail.begin();
        assert_eq!(tail.last_words(), None, "those were another's words");
        tail.add(&server, now + WINDOW, &Line::Whole(Bytes::from_static(b"later")));
        assert_eq!((tail.logged, tail.silenced), (1, 0));
    }
}
