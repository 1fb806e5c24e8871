//! What stdiod is held to.

use super::found::Rounds;

pub struct Limit {
    pub text: &'static str,
    what: What,
    bound: Bound,
}

enum What {
    /// A figure as it is.
    Value(&'static str),
    /// To the pipe floor of the same round.
    Ratio(&'static str),
    /// More than the pipe floor of the same round.
    Above(&'static str),
    /// To the best peer. Without peers there is nothing to hold it to.
    ToPeers(&'static str),
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

pub struct Verdict {
    pub value: f64,
    pub bound: String,
    pub is_met: bool,
}

use Bound::{AtLeast, AtMost};
use What::{Above, Ratio, ToPeers, Value};

const fn limit(text: &'static str, what: What, bound: Bound) -> Limit {
    Limit { text, what, bound }
}

pub const LIMITS: &[Limit] = &[
    limit("CPU per call, 1 client, to the floor", Ratio("call.1.cpu"), AtMost(1.5)),
    limit("CPU per call, 64 clients, to the floor", Ratio("call.64.cpu"), AtMost(1.6)),
    limit("CPU per call, 16 servers, to the floor", Ratio("servers.cpu"), AtMost(1.6)),
    limit("p50, 1 client, to the floor", Ratio("call.1.p50"), AtMost(1.3)),
    limit("p99, 1 client, to the floor", Ratio("call.1.p99"), AtMost(2.0)),
    limit("calls/s, 1 client, to the floor", Ratio("call.1.rate"), AtLeast(0.7)),
    limit("calls/s, 16 clients, to the floor", Ratio("call.16.rate"), AtLeast(0.7)),
    limit("calls/s, 64 clients, to the floor", Ratio("call.64.rate"), AtLeast(0.7)),
    limit("calls/s, 256 clients, to the floor", Ratio("call.256.rate"), AtLeast(0.7)),
    limit("calls/s, 16 clients, to the best peer", ToPeers("call.16.rate"), AtLeast(2.5)),
    limit("calls/s, 64 clients, to the best peer", ToPeers("call.64.rate"), AtLeast(2.5)),
    limit("calls/s, 256 clients, to the best peer", ToPeers("call.256.rate"), AtLeast(2.5)),
    limit("a gateway's round trip: CPU, to the floor", Ratio("churn.cpu"), AtMost(1.6)),
    limit("a gateway's round trip: p50, to the floor", Ratio("churn.p50"), AtMost(1.4)),
    limit("a gateway's round trip: descriptors left", Value("churn.descriptors"), AtMost(0.0)),
    limit("a gateway's round trip: children left", Value("churn.children"), AtMost(0.0)),
    limit("a gateway's round trips: memory left (KiB)", Value("churn.rss"), AtMost(512.0)),
    limit("sessionless legacy: CPU, to the floor", Ratio("stateless.legacy.cpu"), AtMost(1.8)),
    limit("sessionless modern: CPU, to the floor", Ratio("stateless.modern.cpu"), AtMost(2.0)),
    limit("sessionless legacy: children", Value("stateless.legacy.children"), AtMost(0.0)),
    limit("sessionless modern: children", Value("stateless.modern.children"), AtMost(0.0)),
    limit("sessionless legacy: memory (KiB)", Value("stateless.legacy.rss"), AtMost(512.0)),
    limit("sessionless modern: memory (KiB)", Value("stateless.modern.rss"), AtMost(512.0)),
    limit("16 MiB results: MiB/s, to the floor", Ratio("big.rate"), AtLeast(0.8)),
    limit("16 MiB results: peak memory added (MB)", Value("big.peak"), AtMost(40.0)),
    limit("progress: events/s, to the floor", Ratio("progress.rate"), AtLeast(0.6)),
    limit("progress: events lost", Value("progress.lost"), AtMost(0.0)),
    limit("progress: events out of order", Value("progress.unordered"), AtMost(0.0)),
    limit("progress: events after the result", Value("progress.late"), AtMost(0.0)),
    limit("held session: memory, to the floor", Ratio("held.memory"), AtMost(1.4)),
    // What rounds to nothing: a process that looks at the clock now and then uses that much.
    limit("held sessions: CPU at rest (%)", Value("held.cpu"), AtMost(0.05)),
    limit("held sessions: descriptors left", Value("held.descriptors"), AtMost(0.0)),
    limit("16 servers: calls/s, to one server", Value("servers.gain"), AtLeast(1.0)),
    limit("16 servers: largest p99 to smallest", Value("servers.fair"), AtMost(2.0)),
    limit("16 calls of 50 ms at once: p50 (ms)", Value("parallel.p50"), AtMost(51.0)),
    limit("first tools/list: more than the floor (ms)", Above("start.first"), AtMost(5.0)),
    limit("16 servers ready, to one", Value("start.gain"), AtMost(1.5)),
    limit("16 servers ready that take 100 ms, to one", Value("start.late.gain"), AtMost(1.5)),
    limit("memory at rest, 1 server (MB)", Value("start.rss"), AtMost(8.0)),
    limit("memory at rest, 16 servers (MB)", Value("start.16.rss"), AtMost(10.0)),
    limit("stop when idle (ms)", Value("start.stop"), AtMost(50.0)),
];

// === impl Limit ===

impl Limit {
    /// What came of it for this subject, if it was measured.
    pub fn verdict(&self, rounds: &Rounds, subject: usize, peers: &[usize]) -> Option<Verdict> {
        let value = match self.what {
            Value(key) => rounds.told(subject, key)?.median,
            Ratio(key) => rounds.beside(subject, key, |own, least| own / least)?,
            Above(key) => rounds.beside(subject, key, |own, least| own - least)?,
            ToPeers(key) => {
                let ratios = peers.iter().filter_map(|peer| rounds.ratio_to(subject, *peer, key));
                ratios.reduce(f64::min)?
            }
        };
        let (bound, is_met) = match self.bound {
            AtMost(most) => (format!("at most {most}"), value <= most),
            AtLeast(least) => (format!("at least {least}"), value >= least),
        };
        Some(Verdict { value, bound, is_met })
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::{FIGURES, Found};
    use super::*;

    #[test]
    fn every_limit_is_about_a_figure() {
        for limit in LIMITS {
            let (Value(key) | Ratio(key) | Above(key) | ToPeers(key)) = limit.what;
            assert!(FIGURES.iter().any(|figure| figure.key == key), "{key}");
        }
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let round = |floor: f64, own: f64| {
            let (mut one, mut other) = (Found::default(), Found::default());
            one.put("call.64.cpu", floor);
            other.put("call.64.cpu", own);
            vec![one, other]
        };
        let found = vec![round(1.0, 1.5), round(10.0, 20.0), round(5.0, 7.0)];
        let rounds = Rounds { found, floor: Some(0) };
        let limit = LIMITS.iter().find(|limit| matches!(limit.what, Ratio("call.64.cpu")));
        let verdict =
            limit.and_then(|limit| limit.verdict(&rounds, 1, &[])).expect("it was measured");
        assert_eq!((verdict.value, verdict.is_met), (1.5, true));
    }
}
