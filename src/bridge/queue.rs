//! The calls that wait for their child, and how many bytes of requests are held for them.
//!
//! Parties take turns: each round gives every party that waits one call, and a party's own calls keep their order. So two
//! hundred calls of one session cost another session's single call one turn, not two hundred. A call is given its round when it
//! comes: the one after its party's last, and never one that has begun. Every operation costs the logarithm of what waits.

use std::collections::{BTreeMap, HashMap};

use super::call::Caller;
use super::front::Principal;
use super::numbered::ByNumber;
use crate::wire::id::{CallId, FrontId};

/// Whose turn it is. Requests without a session are counted by who sent them: each its own party would let a flood of them take
/// all turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Party {
    Front(FrontId),
    Sessionless(Principal),
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// In the order of their turns. Within a round whoever came first goes first.
    turns: BTreeMap<(u64, CallId), Waiting>,
    rounds: ByNumber<CallId, u64>,
    parties: HashMap<Party, Share>,
    /// The round that has begun.
    round: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    party: Party,
    bytes: usize,
}

/// What a party has in the queue.
#[derive(Debug)]
struct Share {
    last_round: u64,
    calls: usize,
}

// === impl Party ===

impl Party {
    pub(super) fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Front(who) => Self::Front(who.front),
            Caller::Implicit(card) => Self::Sessionless(card.principal.clone()),
        }
    }
}

// === impl Queue ===

impl Queue {
    pub(super) fn push(&mut self, call: CallId, party: Party, bytes: usize) {
        let next = self.round + 1;
        let share = self.parties.get(&party);
        let round = share.map_or(next, |share| next.max(share.last_round + 1));
        self.insert(round, call, party, bytes);
    }

    /// Puts back a call whose turn had come before. It goes before all that wait, in the order of the calls put back so.
    pub(super) fn push_first(&mut self, call: CallId, party: Party, bytes: usize) {
        self.insert(0, call, party, bytes);
    }

    fn insert(&mut self, round: u64, call: CallId, party: Party, bytes: usize) {
        let share = self.parties.entry(party.clone());
        let share = share.or_insert(Share { last_round: 0, calls: 0 });
        share.last_round = share.last_round.max(round);
        share.calls += 1;
        self.bytes += bytes;
        self.rounds.insert(call, round);
        self.turns.insert((round, call), Waiting { party, bytes });
    }

    pub(super) fn pop(&mut self) -> Option<CallId> {
        let ((round, call), waiting) = self.turns.pop_first()?;
        self.round = self.round.max(round);
        self.rounds.remove(&call);
        self.let_go(&waiting);
        Some(call)
    }

    pub(super) fn remove(&mut self, call: CallId) {
        let Some(round) = self.rounds.remove(&call) else { return };
        if let Some(waiting) = self.turns.remove(&(round, call)) {
            self.let_go(&waiting);
        }
    }

    fn let_go(&mut self, waiting: &Waiting) {
        self.bytes -= waiting.bytes;
        if let Some(share) = self.parties.get_mut(&waiting.party) {
            share.calls -= 1;
            if share.calls == 0 {
                self.parties.remove(&waiting.party);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = CallId> + '_ {
        self.turns.keys().map(|(_, call)| *call)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether so much more would be more than `bytes_max`. One call may always wait, however long.
    pub(super) fn is_full_for(&self, bytes: usize, bytes_max: usize) -> bool {
        !self.is_empty() && self.bytes + bytes > bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(n: u64) -> Party {
        Party::Front(FrontId(n.into()))
    }

    fn calls(queue: &Queue) -> Vec<u64> {
        queue.iter().map(|call| call.0).collect()
    }

    #[test]
    fn order_and_bytes_are_kept_whoever_leaves() {
        let mut queue = Queue::default();
        for n in 1..=3 {
            queue.push(CallId(n), front(1), 10);
        }
        queue.push_first(CallId(9), front(1), 5);
        queue.remove(CallId(2));
        queue.remove(CallId(2));
        assert_eq!(calls(&queue), [9, 1, 3]);
        assert!(queue.is_full_for(1, 25) && !queue.is_full_for(1, 26));
        while queue.pop().is_some() {}
        assert_eq!(queue.bytes, 0);
        assert!(queue.parties.is_empty() && queue.rounds.is_empty());
        assert!(!queue.is_full_for(1000, 1), "one may always wait");
    }

    #[test]
    fn a_newcomer_waits_one_turn_however_much_another_has_queued() {
        let mut queue = Queue::default();
        for n in 1..=200 {
            queue.push(CallId(n), front(1), 1);
        }
        for n in 1..=50 {
            assert_eq!(queue.pop(), Some(CallId(n)));
        }
        queue.push(CallId(201), front(2), 1);
        queue.push(CallId(202), front(2), 1);
        queue.push(CallId(203), Party::Sessionless(Principal::anonymous()), 1);
        queue.push(CallId(204), Party::Sessionless(Principal::anonymous()), 1);
        let order: Vec<CallId> = std::iter::from_fn(|| queue.pop()).take(8).collect();
        assert_eq!(order, [51, 201, 203, 52, 202, 204, 53, 54].map(CallId));
    }

    #[test]
    fn who_queued_much_is_not_starved_by_those_who_come_one_by_one() {
        let mut queue = Queue::default();
        for n in 1..=100 {
            queue.push(CallId(n), front(1), 1);
        }
        // All but the last are taken back, and others come without end.
        for n in 1..100 {
            queue.remove(CallId(n));
        }
        let turn = (101..=400).find(|n| {
            queue.push(CallId(*n), front(2), 1);
            queue.pop() == Some(CallId(100))
        });
        assert!(turn.is_some_and(|turn| turn <= 201), "{turn:?}");
    }

    #[test]
    fn what_is_put_back_goes_first_in_the_order_it_came() {
        let mut queue = Queue::default();
        queue.push(CallId(7), front(1), 1);
        for n in [3, 2, 1] {
            queue.push_first(CallId(n), front(n), 1);
        }
        assert_eq!(calls(&queue), [1, 2, 3, 7]);
    }
}
