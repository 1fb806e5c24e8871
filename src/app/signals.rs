//! What the host asks for by signals.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals as Stream;

use super::fatal::Fatal;

pub(super) struct Signals(Stream);

/// A wish of whoever runs the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Reload,
    /// With the number of the signal.
    Stop(i32),
}

// === impl Signals ===

impl Signals {
    pub(super) fn new() -> Result<Self, Fatal> {
        let stream = Stream::new([SIGTERM, SIGINT, SIGHUP])
            .map_err(|error| Fatal::running(format!("signals cannot be received: {error}")))?;
        Ok(Self(stream))
    }

    pub(super) async fn next(&mut self) -> Wish {
        use futures_core::Stream as _;
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut self.0).poll_next(cx)).await;
        match next {
            Some(SIGHUP) => Wish::Reload,
            Some(signal) => Wish::Stop(signal),
            None => std::future::pending().await,
        }
    }

    /// The next that wants an end. Whoever stops reloads nothing any more.
    pub(super) async fn stop(&mut self) -> i32 {
        loop {
            if let Wish::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}
