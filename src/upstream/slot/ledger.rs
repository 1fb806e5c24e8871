//! What a slot counts and writes to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::bridge::turn::{Note, Outcome, Settled};
use crate::link::directory::Counts;
use crate::wire::id::ServerName;
use crate::wire::method::Method;

#[derive(Debug)]
pub(super) struct Ledger {
    server: ServerName,
    pub(super) counts: Counts,
    /// Noise on stdout is told once in a while.
    noise_told: u64,
}

/// What a warden sees of a slot without asking.
#[derive(Debug)]
pub(in crate::upstream) struct Gauge {
    /// A process is there.
    pub(in crate::upstream) running: AtomicBool,
    /// A process is wanted, and has no place yet.
    pub(in crate::upstream) wants: AtomicBool,
    pub(in crate::upstream) calls: AtomicUsize,
    pub(in crate::upstream) streams: AtomicBool,
    /// Milliseconds from `born` to the last order of a client, or the last moment of a call.
    used: AtomicU64,
    /// Since when its process is being made to leave, in milliseconds from `born`; 0 if it is not.
    leaving: AtomicU64,
    born: Instant,
}

// === impl Gauge ===

impl Gauge {
    pub(in crate::upstream) fn new() -> Arc<Self> {
        Arc::new(Self {
            running: AtomicBool::new(false),
            wants: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            streams: AtomicBool::new(false),
            used: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            born: Instant::now(),
        })
    }

    pub(in crate::upstream) fn touch(&self, now: Instant) {
        let used = u64::try_from(now.duration_since(self.born).as_millis()).unwrap_or(u64::MAX);
        self.used.store(used, Ordering::Relaxed);
    }

    pub(in crate::upstream) fn leaves(&self, leaving: bool, now: Instant) {
        if !leaving {
            self.leaving.store(0, Ordering::Relaxed);
        } else if self.leaving.load(Ordering::Relaxed) == 0 {
            let since = u64::try_from(now.duration_since(self.born).as_millis()).unwrap_or(0);
            self.leaving.store(since.max(1), Ordering::Relaxed);
        }
    }

    /// For how long its process has been made to leave, if it is.
    pub(in crate::upstream) fn leaving(&self) -> Option<Duration> {
        let since = self.leaving.load(Ordering::Relaxed);
        (since > 0).then(|| self.born.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    pub(in crate::upstream) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// When a client last wanted something, or got it.
    pub(in crate::upstream) fn used(&self) -> Instant {
        self.born + Duration::from_millis(self.used.load(Ordering::Relaxed))
    }
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(server: ServerName) -> Self {
        Self { server, counts: Counts::default(), noise_told: 0 }
    }

    pub(super) fn note(&mut self, note: &Note) {
        match note {
            Note::Settled(settled) => self.settled(settled),
            Note::Dropped(why) => {
                self.counts.dropped += 1;
                tracing::debug!(server = %self.server, ?why, "a message was let go");
            }
            Note::FrontGone(_) | Note::ToolsChanged => {}
        }
    }

    fn settled(&mut self, settled: &Settled) {
        let counter = match settled.outcome {
            Outcome::Result => &mut self.counts.results,
            Outcome::Error(_) => &mut self.counts.errors,
            Outcome::Refused => &mut self.counts.refused,
            Outcome::Cancelled => &mut self.counts.cancelled,
        };
        *counter += 1;
        self.counts.recalled += u64::from(settled.recalled);
        let name = (settled.method != Method::Other).then(|| settled.method.name());
        let (card, subject) = (settled.caller.card(), settled.subject());
        tracing::info!(
            target: "stdiod::call",
            // As a field of its own it is a text, and nothing to be formatted.
            message = "call",
            server = %self.server,
            method = name.unwrap_or_else(|| settled.name.as_str()),
            name = (!subject.is_empty()).then_some(subject),
            client = (!card.client.is_empty()).then_some(&*card.client),
            revision = card.version.as_str(),
            outcome = ?settled.outcome,
            recalled = settled.recalled.then_some(true),
            ms = millis(settled.took),
            bytes = settled.bytes,
        );
    }

    /// What is said to or by the child, word for word; only where the configuration asks for it.
    pub(super) fn payload(&self, direction: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        tracing::info!(target: "stdiod::payload", server = %self.server, direction, "{text}");
    }

    /// A line on stdout that is no message.
    pub(super) fn noise(&mut self, why: &str, line: &[u8]) {
        self.counts.noise += 1;
        // The first at once, then ever more rarely.
        if self.counts.noise < 2 * self.noise_told {
            return;
        }
        self.noise_told = self.counts.noise;
        let line: String = String::from_utf8_lossy(&line[..line.len().min(200)])
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        tracing::warn!(
            server = %self.server,
            lines = self.counts.noise,
            why,
            "its standard output carries lines that are no messages, such as {line:?}; they are skipped, and belong on standard error"
        );
    }

    pub(super) fn overlong(&mut self, bytes: u64, limit: usize) {
        self.counts.overlong += 1;
        tracing::warn!(server = %self.server, bytes, limit, "a line longer than max_message was skipped");
    }
}

/// To the microsecond.
#[expect(clippy::cast_precision_loss, reason = "no call takes centuries")]
fn millis(took: Duration) -> f64 {
    let micros = took.as_secs() * 1_000_000 + u64::from((took.subsec_nanos() + 500) / 1000);
    micros as f64 / 1e3
}
