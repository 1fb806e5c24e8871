//! Warm children for those who come next: started and greeted, so that a session of its own begins without waiting.
//!
//! They are greeted as the latest client was that needed a child of its own, for clients of one kind come in crowds. They take
//! only places that nobody wants, and are the first to make room.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::room::Role;
use super::{Held, Warden};
use crate::bridge::greeting::Hello;
use crate::config::model::{Mode, Server, Start};
use crate::link::handle::Link;
use crate::upstream::slot::Command;

#[derive(Debug)]
pub(super) struct Spares {
    /// How many there should be.
    wanted: usize,
    /// How the next is greeted; `None` while nothing is known of the clients that will come.
    hello: Option<Hello>,
    /// How many ended by themselves since one was of use.
    failures: u32,
    not_before: Option<Instant>,
}

/// How often it is looked whether there is a place for one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The longest pause after spare children that ended by themselves.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// A spare child is kept for so long though clients of another kind come: they may alternate.
const KEPT: Duration = Duration::from_secs(60);

// === impl Spares ===

impl Spares {
    pub(super) fn new(config: &Server) -> Self {
        // Where every session has its own child, the plainest client is as good a guess as any. Elsewhere it is those that can
        // be asked something, and there are many ways to say what.
        let known = config.mode == Mode::PerSession && config.start == Start::Eager;
        let wanted = if config.mode == Mode::Shared { 0 } else { config.spare };
        let hello = known.then(Hello::shared);
        Self { wanted, hello, failures: 0, not_before: None }
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.not_before = Some(now + pause);
    }
}

// === impl Warden ===

impl Warden {
    /// Gives a newcomer a spare child that was greeted as it would have been.
    pub(super) fn adopt(&mut self, hello: &Hello) -> Option<Link> {
        if self.spares.wanted == 0 {
            return None;
        }
        let adopted = self.slots.iter_mut().find_map(|slot| slot.adopt(hello));
        if adopted.is_some() {
            self.spares.failures = 0;
        } else {
            self.retire();
        }
        self.spares.hello = Some(hello.clone());
        adopted
    }

    /// Of the spare children that did not fit, one that has waited long enough goes.
    fn retire(&mut self) {
        let old = |slot: &&mut Held| slot.is_spare() && slot.gauge.age() >= KEPT && !slot.is_told;
        if let Some(slot) = self.slots.iter_mut().find(old) {
            slot.rest();
        }
    }

    /// Makes spare children as long as there are too few, and places that nobody wants. Gives the time to look again.
    pub(super) fn replenish(&mut self) -> Option<Instant> {
        let hello = self.spares.hello.clone().filter(|_| self.spares.wanted > 0)?;
        let mut lacking = self.spares.wanted.saturating_sub(self.count(Held::is_spare));
        let now = Instant::now();
        if lacking == 0 {
            return None;
        }
        if let Some(at) = self.spares.not_before.filter(|at| *at > now) {
            return Some(at);
        }
        let wanting = self.count(|slot| slot.gauge.wants.load(Ordering::Relaxed));
        let free = self.plan.permits.available_permits().saturating_sub(wanting);
        for _ in 0..lacking.min(free) {
            self.private(hello.clone(), true);
            lacking -= 1;
        }
        (lacking > 0).then_some(now + LOOK_AGAIN)
    }

    /// Forgets the slots that have ended. A spare one that ended by itself is not replaced at once.
    pub(super) fn forget_ended(&mut self) {
        let has_failed =
            |slot: &Held| slot.commands.is_closed() && slot.is_spare() && !slot.is_told;
        if self.slots.iter().any(has_failed) {
            self.spares.failed(Instant::now());
        }
        self.slots.retain(|slot| !slot.commands.is_closed());
    }

    fn count(&self, counts: impl Fn(&Held) -> bool) -> usize {
        self.slots.iter().filter(|slot| counts(slot)).count()
    }
}

// === impl Held ===

impl Held {
    fn is_spare(&self) -> bool {
        matches!(self.role, Role::Spare { .. })
    }

    /// Makes a spare child the newcomer's own, if it is there and was greeted as the newcomer wants.
    fn adopt(&mut self, newcomer: &Hello) -> Option<Link> {
        let Role::Spare { link, hello } = &self.role else { return None };
        let is_there = self.gauge.running.load(Ordering::Relaxed) && self.gauge.leaving().is_none();
        if !is_there || self.is_told || !hello.serves(newcomer) {
            return None;
        }
        let link = link.clone();
        self.commands.try_send(Command::Adopt(newcomer.clone())).ok()?;
        self.role = Role::Private;
        self.gauge.touch(Instant::now());
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{held, warden};
    use super::*;
    use crate::wire::id::ServerName;
    use crate::wire::version::Version;

    fn hello(capabilities: &str, name: &str) -> Hello {
        Hello { capabilities: capabilities.into(), client_info: name.into(), ..Hello::shared() }
    }

    fn spare(greeting: &Hello) -> Role {
        let (link, _inbox) = Link::new(ServerName::new("s").unwrap());
        Role::Spare { link, hello: greeting.clone() }
    }

    fn config() -> Server {
        Server { spare: 1, ..Server::default() }
    }

    #[tokio::test]
    async fn a_spare_child_serves_who_would_have_greeted_it_so() {
        let roots = hello(r#"{"roots":{}}"#, "a");
        let (slot, mut told) = held(spare(&roots));
        let mut warden = warden(&config(), vec![slot]);
        assert!(warden.adopt(&hello(r#"{"sampling":{}}"#, "a")).is_none());
        assert!(warden.adopt(&Hello { version: Version::V2025_03_26, ..roots.clone() }).is_none());
        assert!(told.try_recv().is_err(), "it is too young to go");
        assert!(warden.adopt(&hello(r#"{"roots":{}}"#, "b")).is_some());
        assert!(matches!(told.try_recv(), Ok(Command::Adopt(hello)) if &*hello.client_info == "b"));
        assert!(warden.adopt(&roots).is_none(), "once");
    }

    #[tokio::test]
    async fn spare_children_make_room_first_and_are_replaced_only_where_there_is_room() {
        let roots = hello(r#"{"roots":{}}"#, "a");
        let ((private, _told), (slot, mut told)) = (held(Role::Private), held(spare(&roots)));
        let mut warden = warden(&config(), vec![private, slot]);
        warden.make_room();
        assert!(matches!(told.try_recv(), Ok(Command::Rest)));
        drop(told);
        warden.forget_ended();
        assert_eq!(
            (warden.slots.len(), warden.spares.failures),
            (1, 0),
            "it went because it was told"
        );
        assert!(warden.replenish().is_none(), "nobody came yet");
        warden.spares.hello = Some(roots);
        let all = Arc::clone(&warden.plan.permits).try_acquire_many_owned(16).unwrap();
        assert!(warden.replenish().is_some(), "it is looked again");
        assert_eq!(warden.slots.len(), 1);
        drop(all);
        assert!(warden.replenish().is_none());
        assert_eq!(warden.slots.len(), 2);
    }

    #[tokio::test]
    async fn a_spare_child_that_fails_is_not_replaced_at_once() {
        let roots = hello(r#"{"roots":{}}"#, "a");
        let mut warden = warden(&config(), vec![held(spare(&roots)).0]);
        warden.spares.hello = Some(roots);
        warden.forget_ended();
        let again = warden.replenish().unwrap().saturating_duration_since(Instant::now());
        assert!(again > Duration::from_millis(1500), "{again:?}");
        assert!(warden.slots.is_empty());
    }
}
