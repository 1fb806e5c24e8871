//! How sessions come and go. A session need not be opened: whoever acts for one says who it is, and a front is made for it if
//! there is none. A front of a shared child that holds nothing is forgotten soon: its session is met again when it acts again.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{Switchboard, Tenancy};
use crate::bridge::front::{Front, Who};
use crate::bridge::outlet::Outlet;
use crate::bridge::refusal::Refusal;
use crate::bridge::topics::Subscriber;
use crate::bridge::turn::Turn;
use crate::wire::id::{CallId, FrontId};

impl<R: Outlet> Switchboard<R> {
    /// The front of a session, made if there is none.
    pub(super) fn enter(&mut self, who: &Who) -> Result<&mut Front<R>, Refusal> {
        let Who { front: id, card } = who;
        let place = match self.fronts.entry(*id) {
            Entry::Occupied(front) => return Ok(front.into_mut()),
            Entry::Vacant(place) => place,
        };
        if self.closed_early.contains(id) {
            return Err(Refusal::SessionGone);
        }
        self.parties.add(&card.principal);
        let mut front = Front::new(Arc::clone(card));
        front.unheard = self.changed.since(card.since);
        Ok(place.insert(front))
    }

    /// Looks whether a front holds nothing any more; then it is forgotten, though not at once.
    pub(super) fn rest(&mut self, id: FrontId) {
        // The child of one session keeps its front: it may ask something at any time.
        if self.tenancy == Tenancy::Private {
            return;
        }
        let Some(front) = self.fronts.get_mut(&id) else { return };
        if front.resting || !front.is_empty_handed() {
            return;
        }
        front.resting = true;
        self.resting.push_back(id);
        if self.resting.len() > self.limits.resting_max
            && let Some(oldest) = self.resting.pop_front()
        {
            self.forget_front(oldest);
        }
    }

    /// Forgets a front unless it has taken up something meanwhile.
    fn forget_front(&mut self, id: FrontId) {
        let Some(front) = self.fronts.get_mut(&id) else { return };
        front.resting = false;
        if front.is_empty_handed() && self.topics.held_by(Subscriber::Session(id)) == 0 {
            self.fronts.remove(&id);
        }
    }

    pub(super) fn close(&mut self, id: FrontId, turn: &mut Turn) {
        // Closings travel faster than orders: what its client wanted before may come after.
        if self.closed_early.len() == Self::CLOSED_EARLY_MAX {
            self.closed_early.pop_front();
        }
        self.closed_early.push_back(id);
        let Some(front) = self.fronts.get(&id) else { return };
        let calls: Vec<CallId> = front.calls.iter().map(|(_, call)| *call).collect();
        for call in calls {
            self.end(call, turn);
        }
        self.client_left(id, turn);
        for (uri, serial) in self.topics.forget(Subscriber::Session(id)) {
            self.unsubscribe(&uri, serial, turn);
        }
        // Without its calls it may have been forgotten already.
        if let Some(front) = self.fronts.remove(&id) {
            if let Some(log) = &front.log {
                self.kept.lost(log);
            }
            // Sessions without streams, which are the most, have no readers to look for.
            if front.log.is_some() || !front.standing.is_empty() {
                self.readers.retain(|_, reader| reader.front != id);
            }
            if front.level.is_some() {
                self.raise_level(turn);
            }
        }
        // Not before: the places of its flying calls are not for those of its own that waited.
        self.pump(turn);
    }
}
