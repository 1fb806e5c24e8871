//! Who gets a child of its own, and who makes room for it.
//!
//! Processes are bounded by permits, `max_children` of them, which slots wait for. A newcomer that finds none free is put in
//! a slot and waits like all others, or refused, or put on the shared child, as `overflow` says. Slots are bounded too: of
//! those whose child is at rest and whose client holds nothing open only so many are kept, and only so many pools wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Held, Warden};
use crate::bridge::front::Principal;
use crate::bridge::greeting::Hello;
use crate::bridge::lane::Pool;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Tenancy;
use crate::config::model::Overflow;
use crate::link::directory::Place;
use crate::link::handle::{Link, WeakLink};
use crate::upstream::slot::Command;

/// What a slot is there for.
#[derive(Debug)]
pub(super) enum Role {
    Shared,
    Private,
    /// For all requests without a session that this pool sends.
    Pooled {
        pool: Pool,
        link: WeakLink,
    },
    /// It waits, greeted so, for somebody to be private to.
    Spare {
        link: Link,
        hello: Hello,
    },
}

/// Slots of sessions whose child is at rest and that hold a subscription, a log level or kept events. Beyond this many, those
/// that were unused longest end. Slots of sessions that hold nothing end with their child.
const RESTING_MAX: usize = 64;

/// Pools that have no child yet, or none any more. Clients make them up, and each waits its turn for a place.
const POOLS_MAX: usize = 64;

/// How long a child that was put to rest may take before another is.
const LEAVING_SOON: Duration = Duration::from_millis(500);

/// How often it is logged that clients wait for a child.
const CROWDED_AGAIN: Duration = Duration::from_secs(10);

// === impl Warden ===

impl Warden {
    /// Finds a place for a client that needs a child of its own. One that had one before (`again`) waits for its turn: what it
    /// was promised then holds.
    pub(super) fn place(&mut self, hello: Hello, again: bool) -> Result<Place, Refusal> {
        if let Some(link) = self.adopt(&hello) {
            return Ok(Place::Private(link));
        }
        if !again && self.must_share()? {
            return Ok(Place::Shared);
        }
        Ok(Place::Private(self.private(hello, false)))
    }

    /// The slot of a pool, made if there is none.
    pub(super) fn pooled(&mut self, pool: Pool) -> Result<Place, Refusal> {
        let of_pool = |slot: &Held| match &slot.role {
            Role::Pooled { pool: other, link } => link.upgrade().filter(|_| *other == pool),
            Role::Shared | Role::Private | Role::Spare { .. } => None,
        };
        if let Some(link) = self.slots.iter().find_map(of_pool) {
            return Ok(Place::Private(link));
        }
        if self.must_share()? {
            return Ok(Place::Shared);
        }
        if self.slots.iter().filter(|slot| slot.is_childless_pool()).count() >= POOLS_MAX {
            self.tell_crowded("too many kinds of clients wait for one, and another was refused");
            let what = "too many kinds of clients wait for a child (max_children)";
            return Err(Refusal::Busy { server: self.plan.name.clone(), what });
        }
        let (link, inbox) = Link::new(self.plan.name.clone());
        let hello = Hello { capabilities: pool.capabilities.clone(), ..Hello::shared() };
        // Nobody in particular may be several people; then no question may be taken for another's.
        let exclusive = pool.principal == Principal::anonymous();
        let role = Role::Pooled { pool, link: link.downgrade() };
        self.occupy_own(Tenancy::Pooled { exclusive }, hello, inbox, role);
        Ok(Place::Private(link))
    }

    /// Whether a newcomer has to do with the shared child, as `overflow` says.
    fn must_share(&mut self) -> Result<bool, Refusal> {
        match self.overflow {
            Overflow::Refuse if self.is_full() => {
                self.tell_crowded("one more was refused (overflow = \"refuse\")");
                let what = "all its children are in use (max_children)";
                Err(Refusal::Busy { server: self.plan.name.clone(), what })
            }
            Overflow::Share if self.is_full() => {
                tracing::info!(
                    server = %self.plan.name,
                    "all its children are in use (max_children): a client shares one, and what it said it can be asked is ignored (overflow = \"share\")"
                );
                Ok(true)
            }
            Overflow::Wait | Overflow::Refuse | Overflow::Share => Ok(false),
        }
    }

    /// Whether every child there may be is in use, or will be as soon as it is there.
    fn is_full(&self) -> bool {
        let in_use = self.slots.iter().filter(|slot| slot.is_in_use(self.overflow)).count();
        in_use >= self.max_children
    }

    /// Ends the slots at rest that were unused longest, if there are too many.
    pub(super) fn end_resting(&mut self) {
        let mut resting: Vec<&Held> = self.slots.iter().filter(|slot| slot.is_at_rest()).collect();
        let too_many = resting.len().saturating_sub(RESTING_MAX);
        resting.sort_unstable_by_key(|slot| slot.gauge.used());
        for slot in resting.into_iter().take(too_many) {
            // One that is called this very moment goes on.
            slot.commands.try_send(Command::End).ok();
        }
    }

    /// Puts a child to rest that nobody is calling: a spare one before a private one, that before the shared one, one whose client
    /// holds no stream before one whose client does, and of these the one that was unused longest.
    pub(super) fn make_room(&mut self) {
        // Who is leaving already will make room, unless it takes its time.
        let soon = |slot: &Held| slot.gauge.leaving().is_some_and(|since| since < LEAVING_SOON);
        if self.slots.iter().any(soon) {
            return;
        }
        match self.resting(|_| true) {
            Some(slot) => slot.rest(),
            None => self.tell_crowded("a client has to wait for one"),
        }
    }

    /// Puts an unused private child to rest when the host is full, unless another server has just done so. The shared child
    /// stays: its server would be without any.
    pub(super) fn make_room_for_others(&mut self) {
        let host = Arc::clone(&self.plan.host);
        let private = self.resting(|slot| !matches!(slot.role, Role::Shared));
        if let Some(slot) = private.filter(|_| host.claim()) {
            slot.rest();
        }
    }

    /// The slot whose child would be missed least, of those where nobody would miss it now. With a child that holds something
    /// for its session, that would be lost.
    fn resting(&mut self, may: impl Fn(&Held) -> bool) -> Option<&mut Held> {
        let stateful = self.plan.stateful;
        let rests = |slot: &&mut Held| {
            may(slot)
                && !(stateful && matches!(slot.role, Role::Private))
                && slot.gauge.running.load(Ordering::Relaxed)
                && slot.gauge.calls.load(Ordering::Relaxed) == 0
                && slot.gauge.leaving().is_none()
        };
        self.slots.iter_mut().filter(rests).min_by_key(|slot| {
            let rank = match slot.role {
                Role::Spare { .. } => 0,
                Role::Private | Role::Pooled { .. } => 1,
                Role::Shared => 2,
            };
            (rank, slot.gauge.streams.load(Ordering::Relaxed), slot.gauge.used())
        })
    }

    fn tell_crowded(&mut self, what_follows: &str) {
        if self.crowded.is_none_or(|since| since.elapsed() >= CROWDED_AGAIN) {
            self.crowded = Some(Instant::now());
            tracing::warn!(
                server = %self.plan.name,
                "all its children are in use (max_children); {what_follows}"
            );
        }
    }
}

// === impl Held ===

impl Held {
    pub(super) fn rest(&mut self) {
        // A slot with a full queue is far from resting.
        if self.commands.try_send(Command::Rest).is_ok() {
            self.is_told = true;
            // Several may want room before it has seen this; the slot itself says so from then on.
            self.gauge.leaves(true, Instant::now());
        }
    }

    /// Whether no newcomer may have its place.
    fn is_in_use(&self, overflow: Overflow) -> bool {
        let gauge = &self.gauge;
        let running = gauge.running.load(Ordering::Relaxed) && gauge.leaving().is_none();
        let calls = gauge.calls.load(Ordering::Relaxed) > 0;
        match self.role {
            Role::Spare { .. } => false,
            _ if gauge.wants.load(Ordering::Relaxed) => true,
            Role::Private | Role::Pooled { .. } => {
                running && (calls || gauge.streams.load(Ordering::Relaxed))
            }
            // Where newcomers may share, the child they would share is never given to one of them.
            Role::Shared => overflow == Overflow::Share || (running && calls),
        }
    }

    /// Whether it waits for a child, as far as it is not about to end.
    fn is_childless_pool(&self) -> bool {
        matches!(self.role, Role::Pooled { .. })
            && !self.gauge.running.load(Ordering::Relaxed)
            && !self.is_at_rest()
    }

    fn is_at_rest(&self) -> bool {
        let gauge = &self.gauge;
        matches!(self.role, Role::Private | Role::Pooled { .. })
            && !gauge.running.load(Ordering::Relaxed)
            && !gauge.wants.load(Ordering::Relaxed)
            && gauge.calls.load(Ordering::Relaxed) == 0
            && !gauge.streams.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{held, warden};
    use super::*;
    use tokio::sync::Semaphore;

    use crate::config::model::Server;
    use crate::upstream::places::{HostRoom, Places};

    #[tokio::test]
    async fn who_takes_long_to_leave_does_not_keep_others_from_making_room() {
        let ((slow, mut told_slow), (idle, mut told_idle)) =
            (held(Role::Private), held(Role::Private));
        slow.gauge.leaves(true, Instant::now());
        let mut warden = warden(&Server::default(), vec![slow, idle]);
        warden.make_room();
        assert!(told_idle.try_recv().is_err(), "the one that is leaving may be enough");
        tokio::time::sleep(LEAVING_SOON + Duration::from_millis(50)).await;
        warden.make_room();
        assert!(matches!(told_idle.try_recv(), Ok(Command::Rest)));
        assert!(told_slow.try_recv().is_err());
    }

    #[tokio::test]
    async fn the_shared_child_makes_room_last() {
        let ((shared, mut told_shared), (private, mut told_private)) =
            (held(Role::Shared), held(Role::Private));
        let mut warden = warden(&Server::default(), vec![shared, private]);
        warden.make_room();
        assert!(matches!(told_private.try_recv(), Ok(Command::Rest)));
        warden.slots.truncate(1);
        warden.make_room();
        assert!(matches!(told_shared.try_recv(), Ok(Command::Rest)));
    }

    #[tokio::test]
    async fn on_a_full_host_private_children_make_room_for_other_servers_and_shared_ones_do_not() {
        let ((shared, mut told_shared), (private, mut told_private)) =
            (held(Role::Shared), held(Role::Private));
        let mut warden = warden(&Server::default(), vec![shared, private]);
        warden.make_room_for_others();
        assert!(told_private.try_recv().is_err(), "there is room");
        let host = HostRoom::new(1);
        let _held = Places::take(&Arc::new(Semaphore::new(1)), || {}, &host, || {}).await;
        warden.plan.host = Arc::clone(&host);
        warden.make_room_for_others();
        assert!(matches!(told_private.try_recv(), Ok(Command::Rest)));
        warden.slots.truncate(1);
        warden.plan.host = HostRoom::new(0);
        warden.make_room_for_others();
        assert!(told_shared.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_newcomer_finds_room_where_a_child_is_idle_and_its_client_holds_no_stream() {
        let full = |overflow, busy: &[bool], streams: &[bool]| {
            let (shared, _told) = held(Role::Shared);
            let mut slots = vec![shared];
            for (busy, streams) in busy.iter().zip(streams) {
                let (slot, _told) = held(Role::Private);
                slot.gauge.calls.store(usize::from(*busy), Ordering::Relaxed);
                slot.gauge.streams.store(*streams, Ordering::Relaxed);
                slots.push(slot);
            }
            let config = Server { overflow, max_children: slots.len(), ..Server::default() };
            warden(&config, slots).is_full()
        };
        assert!(!full(Overflow::Refuse, &[true, true], &[false, false]), "the shared one is idle");
        assert!(full(Overflow::Share, &[true, true], &[false, false]), "and stays where it is");
        assert!(full(Overflow::Share, &[true, false], &[false, true]));
        assert!(!full(Overflow::Share, &[true, false], &[false, false]));
    }

    #[tokio::test]
    async fn pools_without_a_child_are_bounded_and_those_that_end_do_not_count() {
        let pool = |n: usize| {
            let capabilities = format!(r#"{{"experimental":{{"n":{n}}}}}"#);
            Pool::of(Principal::anonymous(), &capabilities)
        };
        let config = Server { max_children: 0, ..Server::default() };
        let mut warden = warden(&config, Vec::new());
        for n in 0..POOLS_MAX {
            assert!(matches!(warden.pooled(pool(n)), Ok(Place::Private(_))), "{n}");
        }
        let refused = warden.pooled(pool(POOLS_MAX));
        assert!(matches!(refused, Err(Refusal::Busy { .. })), "{refused:?}");
        assert!(matches!(warden.pooled(pool(7)), Ok(Place::Private(_))), "it is there already");
        warden.slots[3].gauge.running.store(true, Ordering::Relaxed);
        assert!(warden.pooled(pool(POOLS_MAX)).is_ok(), "what has a child is bounded by places");
        assert!(warden.pooled(pool(POOLS_MAX + 1)).is_err());
        warden.slots[4].gauge.wants.store(false, Ordering::Relaxed);
        assert!(warden.pooled(pool(POOLS_MAX + 1)).is_ok(), "one is about to end");
    }

    #[tokio::test]
    async fn slots_at_rest_are_bounded_and_the_longest_unused_end() {
        let (mut slots, mut told) = (Vec::new(), Vec::new());
        for n in 0..RESTING_MAX + 4 {
            let (slot, received) = held(Role::Private);
            slot.gauge.running.store(n == 0, Ordering::Relaxed);
            slot.gauge.touch(Instant::now() + Duration::from_secs(1000 - n as u64));
            slots.push(slot);
            told.push(received);
        }
        let mut warden = warden(&Server::default(), slots);
        warden.end_resting();
        let ended: Vec<usize> =
            (0..told.len()).filter(|n| matches!(told[*n].try_recv(), Ok(Command::End))).collect();
        assert_eq!(ended, (RESTING_MAX + 1..RESTING_MAX + 4).collect::<Vec<_>>());
        assert!(Arc::strong_count(&warden.slots[0].gauge) == 1);
    }
}
