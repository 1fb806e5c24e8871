//! Starting and ending the process of a slot, and how it is doing.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::Slot;
use super::coming::{Arrival, Coming};
use super::occupant::Occupant;
use super::waiting::squeeze;
use crate::bridge::lane::Lane;
use crate::bridge::lifecycle::{Act, Happened, State, Then};
use crate::bridge::switchboard::{Absence, Tenancy};
use crate::link::directory::{About, ChildReport};
use crate::upstream::places::Places;

impl Slot {
    /// Tells the lifecycle what happened, and does what it decides.
    pub(super) fn happened(&mut self, first: Happened) {
        let mut happened = Some(first);
        while let Some(event) = happened.take() {
            let mut acts = Vec::new();
            let before = self.life.label();
            let now = Instant::now();
            self.life.step(now, chance(), event, &mut acts);
            if before != self.life.label() {
                self.state_since = now;
            }
            for act in acts {
                if let Some(next) = self.act(act) {
                    happened = Some(next);
                }
            }
        }
        self.board.child_rests(self.life.is_resting() && !self.leaving);
    }

    fn act(&mut self, act: Act) -> Option<Happened> {
        match act {
            Act::Spawn => {
                self.waiting.begin(&self.plan);
                if !self.plan.spare
                    && let Some(absence) = squeeze(&self.plan)
                {
                    self.board.explain(absence, Instant::now());
                }
            }
            Act::CloseStdin => {
                self.waiting.end();
                (self.coming, self.starting) = (None, None);
                match &mut self.occupant {
                    Some(occupant) => occupant.close_stdin(),
                    None => return Some(Happened::Exited("no process was running".into())),
                }
            }
            Act::Terminate => {
                if let Some(occupant) = &self.occupant {
                    occupant.process.terminate();
                }
            }
            Act::Kill => {
                if let Some(occupant) = &mut self.occupant {
                    occupant.process.kill();
                }
            }
            Act::Lost(why) => {
                self.greeted = false;
                self.board.gone(&why, &mut self.turn);
            }
            Act::GiveUp(why) => {
                let why: Arc<str> =
                    format!("{why} (failed {} times in a row)", self.life.failures()).into();
                tracing::error!(server = %self.plan.name, "calls are refused until it starts: {why}");
                self.board.give_up(&why, &mut self.turn);
            }
        }
        None
    }

    /// Asks for the process that a place was waited for.
    pub(super) fn start(&mut self, places: Places, turn: Option<OwnedSemaphorePermit>) {
        self.greeted = false;
        self.starting = turn;
        self.board.explain(Absence::Starting, Instant::now());
        self.tail.begin();
        self.coming = Some(Coming::new(&self.plan, places));
    }

    /// The process is there, or could not be made.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let now = Instant::now();
        self.turn.now = now;
        self.compare_with_memory(arrival.found, arrival.looked);
        match arrival.made {
            Ok((process, pipes)) => {
                let mut occupant = Occupant::new(process, pipes, self.plan.line_max, now);
                occupant.tell(self.greet(now));
                self.occupant = Some(occupant);
                self.happened(Happened::Spawned);
                tracing::info!(server = %self.plan.name, pid = self.pid(), start = self.life.starts(), "started");
            }
            Err(error) => {
                self.starting = None;
                let why = error.to_string();
                tracing::error!(server = %self.plan.name, "{why}");
                self.happened(Happened::NotSpawned(why.into()));
                self.tell_when_again();
            }
        }
    }

    /// The process is over: frees its place and tells the lifecycle.
    pub(super) fn bury(&mut self) {
        let Some(mut occupant) = self.occupant.take() else { return };
        occupant.stderr.drain(&self.plan.name, self.turn.now, &mut self.tail);
        self.starting = None;
        let greeted = std::mem::take(&mut self.greeted);
        let exit = occupant.exit.take().unwrap_or_else(|| "it ended".into());
        let after = occupant.born.elapsed().as_millis();
        // Its place is free for its successor.
        drop(occupant);
        if self.ends_probing(greeted) && self.life.is_starting() {
            tracing::info!(server = %self.plan.name, ms = after, "ended when it was asked for its era ({exit}), as some servers do; it is started again and greeted with initialize");
            return self.happened(Happened::Startled(exit));
        }
        let asked_to = matches!(self.life.state(), State::Draining { then: Then::Stop, .. });
        if asked_to {
            tracing::info!(server = %self.plan.name, ms = after, "stopped: {exit}");
        } else {
            tracing::warn!(server = %self.plan.name, ms = after, "ended: {exit}");
        }
        let why = match self.tail.last_words() {
            Some(words) => format!("{exit}; its last words on stderr: {words}").into(),
            None => exit,
        };
        self.happened(Happened::Exited(why));
        if greeted && self.ends_with_child() {
            self.stopping.get_or_insert(self.turn.now);
        }
        self.tell_when_again();
    }

    /// Says when the next attempt is made, and whether anybody is made to wait for it.
    fn tell_when_again(&self) {
        let State::BackingOff { until } = self.life.state() else { return };
        let ms = until.saturating_duration_since(Instant::now()).as_millis();
        let failures = self.life.failures();
        if self.life.is_hopeless() {
            tracing::warn!(server = %self.plan.name, failures, ms, "it keeps failing; trying again after a pause");
        } else {
            tracing::info!(server = %self.plan.name, failures, ms, "starting again after a pause");
        }
    }

    pub(super) fn report(&self, now: Instant) -> ChildReport {
        ChildReport {
            lane: match self.plan.tenancy {
                Tenancy::Shared => Lane::Shared,
                Tenancy::Private => Lane::Private,
                Tenancy::Pooled { .. } => Lane::Pooled,
            },
            spare: self.plan.spare,
            state: self.life.label(),
            pid: self.pid(),
            for_s: now.duration_since(self.state_since).as_secs(),
            restarts: self.life.restarts(),
            trouble: self.life.trouble().cloned(),
            about: self.board.known_abilities().map(|abilities| About {
                name: abilities.server_name.clone(),
                version: abilities.server_version.clone(),
                revision: abilities.version.clone(),
                era: abilities.era,
            }),
            fronts: self.board.fronts(),
            calls: self.board.calls() - self.board.suspended(),
            suspended: self.board.suspended(),
            stderr: self.tail.lines().cloned().collect(),
            counts: self.ledger.counts,
        }
    }
}

/// Spreads restarts. Without randomness they would only be less spread.
fn chance() -> u32 {
    getrandom::u32().unwrap_or_default()
}
