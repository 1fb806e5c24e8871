//! What waits for a child's stdin.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// Messages in order, each written as one line.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// The first message is out, and its line break is not.
    owes_break: bool,
}

/// Bytes above which no more requests are sent until the child has read some.
const BUDGET: usize = 8 << 20;

/// Messages above which none is added, however short they are.
const MESSAGES_MAX: usize = 100_000;

/// Pieces handed to the kernel at once: messages and their line breaks.
const SLICES_MAX: usize = 64;

// === impl Outbox ===

impl Outbox {
    /// Adds a message, unless the budget is spent. Requests ask for room before; what finds none here are answers to a child that
    /// asks and asks, and reads nothing.
    pub(super) fn push(&mut self, message: Bytes) -> bool {
        if self.bytes >= BUDGET || self.messages.len() >= MESSAGES_MAX {
            return false;
        }
        self.bytes += message.len();
        self.messages.push_back(message);
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of requests that may be added. Cancels and answers always may: a tenth of the budget is theirs.
    pub(super) fn room(&self) -> usize {
        (BUDGET - BUDGET / 10).saturating_sub(self.bytes)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes once, as much as fits. What was written is taken off in the same step.
    pub(super) fn poll_flush(
        &mut self,
        pipe: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let written = if self.messages.len() == 1 {
            // Most often there is one, and no table of many pieces to be cleared for it.
            ready!(self.poll_write::<2>(pipe, cx))?
        } else {
            ready!(self.poll_write::<SLICES_MAX>(pipe, cx))?
        };
        if written == 0 {
            return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
        }
        self.take_off(written);
        Poll::Ready(Ok(()))
    }

    /// Offers so many pieces.
    fn poll_write<const PIECES: usize>(
        &self,
        pipe: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut used = 0;
        for (n, message) in self.messages.iter().take(PIECES / 2).enumerate() {
            if n > 0 || !self.owes_break {
                slices[used] = IoSlice::new(message);
                used += 1;
            }
            slices[used] = IoSlice::new(b"\n");
            used += 1;
        }
        Pin::new(pipe).poll_write_vectored(cx, &slices[..used])
    }

    fn take_off(&mut self, mut written: usize) {
        while written > 0 {
            let Some(message) = self.messages.front_mut() else { return };
            if !self.owes_break {
                let part = message.len().min(written);
                message.advance(part);
                self.bytes -= part;
                written -= part;
                self.owes_break = message.is_empty();
            }
            if self.owes_break && written > 0 {
                written -= 1;
                self.owes_break = false;
                self.messages.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that takes a few bytes at a time.
    struct Narrow {
        width: usize,
        got: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            let part = bytes.len().min(self.width);
            self.got.extend_from_slice(&bytes[..part]);
            Poll::Ready(Ok(part))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<std::io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let part = all.len().min(self.width);
            self.got.extend_from_slice(&all[..part]);
            Poll::Ready(Ok(part))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn whole_lines_arrive_however_little_fits() {
        for width in 1..20 {
            let mut outbox = Outbox::default();
            for n in 0..50 {
                outbox.push(Bytes::from(format!("message {n}")));
            }
            let mut pipe = Narrow { width, got: Vec::new() };
            while !outbox.is_empty() {
                std::future::poll_fn(|cx| outbox.poll_flush(&mut pipe, cx)).await.unwrap();
            }
            let expected: Vec<String> = (0..50).map(|n| format!("message {n}")).collect();
            let expected = expected.join("\n") + "\n";
            assert_eq!(String::from_utf8(pipe.got).unwrap(), expected, "width {width}");
            assert_eq!(outbox.bytes, 0);
        }
    }

    #[test]
    fn a_full_outbox_takes_no_more_requests() {
        let mut outbox = Outbox::default();
        assert!(outbox.room() > BUDGET / 2);
        outbox.push(Bytes::from(vec![b'x'; BUDGET]));
        assert_eq!(outbox.room(), 0);
        assert!(!outbox.push(Bytes::from_static(b"an answer")));
    }
}
