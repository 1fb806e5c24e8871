//! The process that lives in a slot, with its pipes.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdin, ChildStdout};

use crate::upstream::outbox::Outbox;
use crate::upstream::process::{Pipes, Process};
use crate::upstream::stderr::Stderr;
use crate::wire::lines::Lines;

#[derive(Debug)]
pub(super) struct Occupant {
    pub(super) process: Process,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    pub(super) stderr: Stderr,
    pub(super) lines: Lines,
    /// There are lines that nobody has taken in yet; nothing is read before they are.
    pub(super) is_unheard: bool,
    pub(super) outbox: Outbox,
    pub(super) born: Instant,
    /// How it ended, once it has.
    pub(super) exit: Option<Arc<str>>,
    /// When nothing more is expected of one that has exited, or a sign of life of one whose stdout has ended.
    pub(super) last_words_until: Option<Instant>,
}

/// What was seen of a process.
#[derive(Debug)]
pub(super) enum Seen {
    Exit(Arc<str>),
    /// More to read in `lines`, or the end of stdout.
    Read {
        ended: bool,
    },
    Stderr,
}

/// A way to see something of a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sense {
    Exit,
    Stdout,
    Stderr,
}

/// How long after an exit its last words may come, and after the end of stdout the exit.
const LAST_WORDS: Duration = Duration::from_millis(250);

// === impl Sense ===

impl Sense {
    pub(super) const ALL: [Self; 3] = [Self::Exit, Self::Stdout, Self::Stderr];
}

// === impl Occupant ===

impl Occupant {
    pub(super) fn new(process: Process, pipes: Pipes, line_max: usize, now: Instant) -> Self {
        Self {
            process,
            stdin: pipes.stdin,
            stdout: pipes.stdout,
            stderr: Stderr::new(pipes.stderr),
            lines: Lines::new(line_max),
            is_unheard: false,
            outbox: Outbox::default(),
            born: now,
            exit: None,
            last_words_until: None,
        }
    }

    /// Looks with one sense.
    pub(super) fn poll(&mut self, sense: Sense, cx: &mut Context<'_>) -> Poll<Seen> {
        match sense {
            Sense::Exit if self.exit.is_some() => Poll::Pending,
            Sense::Exit => pin!(self.process.exited()).poll(cx).map(Seen::Exit),
            Sense::Stdout if self.is_unheard => Poll::Ready(Seen::Read { ended: false }),
            Sense::Stdout => {
                let Some(pipe) = &mut self.stdout else { return Poll::Pending };
                let read = pin!(pipe.read_buf(self.lines.space())).poll(cx);
                read.map(|read| Seen::Read { ended: !matches!(read, Ok(1..)) })
            }
            Sense::Stderr => pin!(self.stderr.fill()).poll(cx).map(|()| Seen::Stderr),
        }
    }

    /// Writes as much as it takes of what waits for its stdin.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        let Some(pipe) = &mut self.stdin else { return Ok(()) };
        while !self.outbox.is_empty() {
            match self.outbox.poll_flush(pipe, cx) {
                Poll::Ready(wrote) => wrote?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    pub(super) fn exited(&mut self, why: Arc<str>, now: Instant) {
        self.process.bury();
        self.exit = Some(why);
        self.last_words_until = Some(now + LAST_WORDS);
    }

    pub(super) fn stdout_ended(&mut self, now: Instant) {
        self.stdout = None;
        self.last_words_until.get_or_insert(now + LAST_WORDS);
    }

    /// Whether it has exited and all it said has been read, or enough time was given for that.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let silent = self.stdout.is_none() && self.stderr.has_ended();
        self.exit.is_some() && (silent || self.last_words_until.is_some_and(|until| until <= now))
    }

    /// Whether its stdout has ended and it lives on all the same.
    pub(super) fn is_mute(&self, now: Instant) -> bool {
        self.exit.is_none()
            && self.stdout.is_none()
            && self.last_words_until.is_some_and(|until| until <= now)
    }

    pub(super) fn close_stdin(&mut self) {
        if let Some(stdin) = self.stdin.take() {
            self.process.farewell(stdin);
        }
        self.outbox.clear();
    }

    /// Queues a message. False if it has been let go: stdin is closed, or the child reads nothing of what it keeps asking for.
    pub(super) fn tell(&mut self, message: bytes::Bytes) -> bool {
        self.stdin.is_some() && self.outbox.push(message)
    }
}
