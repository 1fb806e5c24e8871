//! Tables by numbers of our own.
//!
//! The keyed hash of the standard library keeps those who choose keys from choosing ones that collide. The numbers of calls and
//! fronts are chosen by nobody: they are counted up, by us, and reach us from outside only under seal. For them one
//! multiplication is enough. What a client or a child may choose is never looked up here.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table whose keys are numbers of our own.
pub(super) type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Mixes a number by folding a product of it.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

/// The golden ratio's fraction, as an odd number: multiples of it are spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl NumberHasher ===

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * u128::from(SPREAD);
        // A table takes its place from the lower bits and its mark from the upper ones. Both have to depend on all of the number.
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    fn write_u128(&mut self, number: u128) {
        self.write_u64((number >> 64) as u64);
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    use super::*;
    use crate::wire::id::{CallId, FrontId};

    /// How many places of a table for so many are taken, and how many different marks are seen.
    fn spread<K: Hash>(keys: impl Iterator<Item = K>) -> (usize, usize) {
        let table = BuildHasherDefault::<NumberHasher>::default();
        let hashes: Vec<u64> = keys.map(|key| table.hash_one(key)).collect();
        let places: HashSet<u64> = hashes.iter().map(|hash| hash % 2048).collect();
        let marks: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        (places.len(), marks.len())
    }

    #[test]
    fn numbers_that_follow_each_other_are_spread() {
        // So many of a thousand would have a place of their own, were they thrown at random.
        let by_chance = 760;
        for step in [1, 2, 64, 1 << 20, 1 << 40] {
            let (places, marks) = spread((0..1000).map(|n| CallId(n * step)));
            assert!(places > by_chance && marks > 100, "{step}: {places} {marks}");
        }
        for epoch in [0, 7, u64::MAX] {
            let (places, marks) = spread((0..1000).map(|n| FrontId::new(epoch, n)));
            assert!(places > by_chance && marks > 100, "{epoch}: {places} {marks}");
        }
    }
}
