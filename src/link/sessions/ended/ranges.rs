//! Which sessions were ended, as ranges of their numbers.
//!
//! Sessions are counted by the process that began them, and most are ended in about that order; so a gateway that opens and ends
//! a session every second costs next to nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Sessions of one process: its number, that of the first and that of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) epoch: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// By the process that began them: first and last number of each range.
    epochs: HashMap<u64, BTreeMap<u64, u64>>,
    /// The processes in the order in which they were met here.
    order: VecDeque<u64>,
    count: usize,
    /// The process whose sessions are forgotten last, because they are the ones in use.
    own: Option<u64>,
}

/// Ranges that are remembered. Beyond them the first sessions of the longest past process are forgotten: nobody but their
/// clients, who have ended them, could use one again.
pub(super) const RANGES_MAX: usize = 1 << 18;

// === impl Range ===

impl Range {
    pub(super) fn one(epoch: u64, serial: u64) -> Self {
        Self { epoch, first: serial, last: serial }
    }
}

// === impl Ranges ===

impl Ranges {
    /// Names the process that is running.
    pub(super) fn own(&mut self, epoch: u64) {
        self.own = Some(epoch);
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn contains(&self, epoch: u64, serial: u64) -> bool {
        let ranges = self.epochs.get(&epoch);
        let before = ranges.and_then(|ranges| ranges.range(..=serial).next_back());
        before.is_some_and(|(_, last)| serial <= *last)
    }

    pub(super) fn add(&mut self, range: Range) {
        let Range { epoch, mut first, mut last } = range;
        if first > last {
            return;
        }
        let order = &mut self.order;
        let ranges = self.epochs.entry(epoch).or_insert_with(|| {
            order.push_back(epoch);
            BTreeMap::new()
        });
        // What it touches on either side becomes one range with it.
        let reach = last.saturating_add(1);
        while let Some((from, to)) = ranges.range(..=reach).next_back().map(|(f, t)| (*f, *t)) {
            if to.saturating_add(1) < first {
                break;
            }
            ranges.remove(&from);
            self.count -= 1;
            first = first.min(from);
            last = last.max(to);
        }
        ranges.insert(first, last);
        self.count += 1;
        while self.count > RANGES_MAX {
            self.forget_one();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Range> + '_ {
        self.order.iter().flat_map(|epoch| {
            let ranges = self.epochs.get(epoch).into_iter().flatten();
            ranges.map(|(first, last)| Range { epoch: *epoch, first: *first, last: *last })
        })
    }

    fn forget_one(&mut self) {
        let others = |epoch: &u64| Some(*epoch) != self.own;
        let victim = self.order.iter().position(others).unwrap_or(0);
        let epoch = self.order[victim];
        let ranges = self.epochs.get_mut(&epoch).expect("what is in the order is there");
        ranges.pop_first();
        self.count -= 1;
        if ranges.is_empty() {
            self.epochs.remove(&epoch);
            self.order.remove(victim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(of: &[(u64, u64)]) -> Ranges {
        let mut ranges = Ranges::default();
        for (epoch, serial) in of {
            ranges.add(Range::one(*epoch, *serial));
        }
        ranges
    }

    /// Ends every other session of a process, so that no two make one range.
    fn scatter(ranges: &mut Ranges, epoch: u64, count: usize) {
        for serial in 0..count as u64 {
            ranges.add(Range::one(epoch, serial * 2));
        }
    }

    #[test]
    fn neighbours_become_one_range_and_strangers_stay_out() {
        let mut ended = ranges(&[(7, 5), (7, 3), (7, 4), (7, 9), (7, 0), (7, 1)]);
        assert_eq!(ended.len(), 3);
        let there: Vec<u64> = (0..12).filter(|n| ended.contains(7, *n)).collect();
        assert_eq!(there, [0, 1, 3, 4, 5, 9]);
        assert!(!ended.contains(8, 4));
        ended.add(Range::one(7, 2));
        assert_eq!(ended.len(), 2);
        ended.add(Range::one(7, u64::MAX));
        assert!(ended.contains(7, u64::MAX) && !ended.contains(7, u64::MAX - 1));
        ended.add(Range { epoch: 7, first: 30, last: 20 });
        assert!(!ended.contains(7, 25), "a range that is none adds nothing");
    }

    #[test]
    fn the_longest_past_process_makes_room_and_our_own_comes_last() {
        let mut ended = ranges(&[(1, 0), (2, 0), (3, 0)]);
        ended.own(1);
        scatter(&mut ended, 4, RANGES_MAX - 2);
        assert_eq!(ended.len(), RANGES_MAX);
        assert!(ended.contains(1, 0), "it is ours, though it was met first");
        assert!(
            !ended.contains(2, 0) && ended.contains(3, 0),
            "no more than has to be is forgotten"
        );
    }

    #[test]
    fn one_process_alone_forgets_what_it_began_first() {
        for own in [None, Some(1)] {
            let mut ended = Ranges { own, ..Ranges::default() };
            scatter(&mut ended, 1, RANGES_MAX + 2);
            assert_eq!(ended.len(), RANGES_MAX);
            assert!(!ended.contains(1, 0) && !ended.contains(1, 2) && ended.contains(1, 4));
            assert_eq!(ended.iter().count(), RANGES_MAX);
        }
    }
}
