//! The calls that wait for their child, in order, and how many bytes of requests are held for them.

use std::collections::VecDeque;

use crate::wire::id::CallId;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// With the length of each request.
    calls: VecDeque<(CallId, usize)>,
    bytes: usize,
}

// === impl Queue ===

impl Queue {
    pub(super) fn push(&mut self, call: CallId, bytes: usize) {
        self.bytes += bytes;
        self.calls.push_back((call, bytes));
    }

    /// Puts back a call whose turn had come before.
    pub(super) fn push_first(&mut self, call: CallId, bytes: usize) {
        self.bytes += bytes;
        self.calls.push_front((call, bytes));
    }

    pub(super) fn pop(&mut self) -> Option<CallId> {
        let (call, bytes) = self.calls.pop_front()?;
        self.bytes -= bytes;
        Some(call)
    }

    pub(super) fn remove(&mut self, call: CallId) {
        // The one that came last is the one that leaves soonest: it was answered at once.
        if let Some(place) = self.calls.iter().rposition(|(waiting, _)| *waiting == call)
            && let Some((_, bytes)) = self.calls.remove(place)
        {
            self.bytes -= bytes;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = CallId> + '_ {
        self.calls.iter().map(|(call, _)| *call)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether so much more would be more than `bytes_max`. One call may always wait, however long.
    pub(super) fn is_full_for(&self, bytes: usize, bytes_max: usize) -> bool {
        !self.is_empty() && self.bytes + bytes > bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_bytes_are_kept_whoever_leaves() {
        let mut queue = Queue::default();
        for n in 1..=3 {
            queue.push(CallId(n), 10);
        }
        queue.push_first(CallId(9), 5);
        queue.remove(CallId(2));
        queue.remove(CallId(2));
        assert_eq!(queue.iter().collect::<Vec<_>>(), [CallId(9), CallId(1), CallId(3)]);
        assert!(queue.is_full_for(1, 25) && !queue.is_full_for(1, 26));
        while queue.pop().is_some() {}
        assert_eq!(queue.bytes, 0);
        assert!(!queue.is_full_for(1000, 1), "one may always wait");
    }
}
