//! What was found, and what each figure is.

use std::collections::BTreeMap;

use crate::figures::{median, spread};

/// What one round found about one subject, by the keys of [`FIGURES`].
#[derive(Default)]
pub struct Found {
    pub figures: BTreeMap<&'static str, f64>,
    /// Why a case could not be measured, by its name.
    pub failures: BTreeMap<&'static str, String>,
}

/// A row of the tables.
pub struct Figure {
    pub key: &'static str,
    pub text: &'static str,
    pub digits: usize,
}

/// All rounds: in each what was found about each subject.
pub struct Rounds {
    pub found: Vec<Vec<Found>>,
    /// Which subject the others are compared with.
    pub floor: Option<usize>,
}

pub struct Told {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

const fn figure(key: &'static str, text: &'static str, digits: usize) -> Figure {
    Figure { key, text, digits }
}

/// In the order of the tables. The part of a key before the first dot is the name of its case.
pub const FIGURES: &[Figure] = &[
    figure("call.1.p50", "p50, 1 client (µs)", 1),
    figure("call.1.p99", "p99, 1 client (µs)", 1),
    figure("call.1.rate", "calls/s, 1 client", 0),
    figure("call.16.rate", "calls/s, 16 clients", 0),
    figure("call.64.rate", "calls/s, 64 clients", 0),
    figure("call.256.rate", "calls/s, 256 clients", 0),
    figure("call.1.cpu", "CPU per call, 1 client (µs)", 2),
    figure("call.16.cpu", "CPU per call, 16 clients (µs)", 2),
    figure("call.64.cpu", "CPU per call, 64 clients (µs)", 2),
    figure("call.256.cpu", "CPU per call, 256 clients (µs)", 2),
    figure("servers.rate", "calls/s, 64 clients on 16 servers", 0),
    figure("servers.gain", "the same, to one server", 2),
    figure("servers.cpu", "CPU per call, 64 clients on 16 servers (µs)", 2),
    figure("servers.fair", "largest p99 of a server to smallest", 2),
    figure("parallel.p50", "16 calls of 50 ms at once in one session, p50 (ms)", 2),
    figure("churn.p50", "one round trip of a gateway, p50 (µs)", 0),
    figure("churn.cpu", "CPU per round trip, one after another (µs)", 1),
    figure("churn.16.p50", "16 round trips at once, p50 (µs)", 0),
    figure("churn.16.cpu", "CPU per round trip, 16 at once (µs)", 1),
    figure("churn.descriptors", "descriptors left", 0),
    figure("churn.children", "children left", 0),
    figure("churn.rss", "memory left (KiB)", 0),
    figure("stateless.legacy.rate", "legacy calls/s, 16 clients", 0),
    figure("stateless.legacy.cpu", "CPU per legacy call (µs)", 2),
    figure("stateless.legacy.children", "children seen to start, legacy calls", 0),
    figure("stateless.legacy.rss", "memory added by legacy calls (KiB)", 0),
    figure("stateless.modern.rate", "modern calls/s, 16 clients", 0),
    figure("stateless.modern.cpu", "CPU per modern call (µs)", 2),
    figure("stateless.modern.children", "children seen to start, modern calls", 0),
    figure("stateless.modern.rss", "memory added by modern calls (KiB)", 0),
    figure("big.rate", "results of 16 MiB (MiB/s)", 0),
    figure("big.peak", "peak memory added (MB)", 1),
    figure("progress.rate", "events/s", 0),
    figure("progress.lost", "events lost", 0),
    figure("progress.unordered", "events out of order", 0),
    figure("progress.late", "events after their result", 0),
    figure("held.memory", "memory of one session with its stream (KiB)", 1),
    figure("held.cpu", "CPU at rest (%)", 2),
    figure("held.descriptors", "descriptors left", 0),
    figure("start.first", "first tools/list (ms)", 1),
    figure("start.16", "tools/list of all of 16 servers (ms)", 1),
    figure("start.gain", "the same, to one server", 2),
    figure("start.16.late", "the same of servers that take 100 ms to start (ms)", 1),
    figure("start.late.gain", "the same, to one such server", 2),
    figure("start.rss", "memory at rest, 1 server (MB)", 2),
    figure("start.16.rss", "memory at rest, 16 servers (MB)", 2),
    figure("start.stop", "from SIGTERM to the end (ms)", 1),
];

// === impl Found ===

impl Found {
    pub fn put(&mut self, key: &str, value: f64) {
        let known = FIGURES.iter().find(|figure| figure.key == key);
        self.figures.insert(known.expect("it is in the list").key, value);
    }
}

// === impl Figure ===

impl Figure {
    pub fn case(&self) -> &'static str {
        self.key.split('.').next().unwrap_or(self.key)
    }
}

// === impl Rounds ===

impl Rounds {
    fn value(&self, round: usize, subject: usize, key: &str) -> Option<f64> {
        self.found[round].get(subject)?.figures.get(key).copied()
    }

    /// Over all rounds.
    pub fn told(&self, subject: usize, key: &str) -> Option<Told> {
        let values = (0..self.found.len()).filter_map(|round| self.value(round, subject, key));
        let values: Vec<f64> = values.collect();
        let (low, high) = spread(&values)?;
        Some(Told { median: median(values), low, high })
    }

    /// The median of what each round makes of the subject's value and the floor's.
    pub fn beside(&self, subject: usize, key: &str, of: fn(f64, f64) -> f64) -> Option<f64> {
        let floor = self.floor?;
        let both = |round| {
            let (own, least) = (self.value(round, subject, key)?, self.value(round, floor, key)?);
            Some(of(own, least)).filter(|value| value.is_finite())
        };
        let values: Vec<f64> = (0..self.found.len()).filter_map(both).collect();
        (!values.is_empty()).then(|| median(values))
    }

    pub fn ratio(&self, subject: usize, key: &str) -> Option<f64> {
        self.beside(subject, key, |own, least| own / least)
    }

    /// The same against another subject.
    pub fn ratio_to(&self, subject: usize, other: usize, key: &str) -> Option<f64> {
        let both = |round| Some(self.value(round, subject, key)? / self.value(round, other, key)?);
        let values: Vec<f64> = (0..self.found.len()).filter_map(both).collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// Why this case failed, in the first round in which it did.
    pub fn failure(&self, subject: usize, case: &str) -> Option<&str> {
        let mut reasons = self.found.iter().map(|round| round.get(subject)?.failures.get(case));
        reasons.find_map(|reason| reason.map(String::as_str))
    }
}
