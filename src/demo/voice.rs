//! The way out: one message at a time, a line each, from whichever thread. Also every way to print that a server
//! should not have.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::DemoArgs;

pub(super) struct Voice {
    out: Mutex<Box<dyn Write + Send>>,
    banner: bool,
    array: bool,
    pieces: bool,
}

// === impl Voice ===

impl Voice {
    pub(super) fn new(args: &DemoArgs, out: impl Write + Send + 'static) -> Self {
        Self {
            out: Mutex::new(Box::new(out)),
            banner: args.banner,
            array: args.array,
            pieces: args.pieces,
        }
    }

    /// Says a message. If nobody listens any more, stdin will soon end too; that is the way to find out.
    pub(super) fn say(&self, message: &[u8]) {
        let mut line = Vec::with_capacity(message.len() + 80);
        if self.banner {
            line.extend_from_slice(b"working on it \xf0\x9f\x9a\xa7 {not json}\n\n");
        }
        if self.array {
            line.push(b'[');
        }
        line.extend_from_slice(message);
        if self.array {
            line.push(b']');
        }
        line.push(b'\n');
        if self.banner {
            line.extend_from_slice(b"  done \xff\xfe\r\n");
        }
        self.raw(&line);
    }

    /// Prints bytes that are no message.
    pub(super) fn raw(&self, bytes: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        let mut sizes = [1, 7, 3, 31, 2, 100].into_iter().cycle();
        while !rest.is_empty() {
            let size = if self.pieces { sizes.next().unwrap_or(1) } else { rest.len() };
            let (piece, later) = rest.split_at(size.min(rest.len()));
            if out.write_all(piece).and_then(|()| out.flush()).is_err() {
                return;
            }
            rest = later;
        }
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Voice").finish_non_exhaustive()
    }
}
