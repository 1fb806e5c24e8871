//! The greeting of a process, and what it shows of the era of its server.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::Slot;
use crate::bridge::greeting::{Abilities, Greeting, Heard, Manner};
use crate::bridge::lifecycle::{Happened, State};
use crate::bridge::switchboard::Tenancy;
use crate::link::era::Verdict;
use crate::wire::version::Era;

/// A server that was found to need a handshake is asked again after so long: it may have learned to do without, and would not
/// say so by itself.
const LEGACY_HOLDS: Duration = Duration::from_secs(24 * 60 * 60);

impl Slot {
    /// Begins the greeting of a process with this line.
    pub(super) fn greet(&mut self, now: Instant) -> Bytes {
        let plan = &self.plan;
        let manner = Manner {
            choice: plan.choice,
            known: plan.era.verdict().filter(holds).map(|verdict| verdict.era),
            was_fatal: std::mem::take(&mut self.was_startled),
            probe_wait: plan.policy.probe_wait.min(plan.policy.pace.start_timeout / 2),
            shared: plan.tenancy == Tenancy::Shared,
        };
        let (greeting, line) = Greeting::begin(&plan.hello, &plan.name, manner, now);
        self.greeting = Some(greeting);
        line
    }

    /// Lets the greeting hear something, if there is one with this process.
    pub(super) fn greeting_hears(
        &mut self,
        hear: impl FnOnce(&mut Greeting, Instant) -> Heard,
    ) -> Option<Heard> {
        // What is being made to leave is not greeted any more, however late its answer comes.
        let is_greeted = matches!(self.life.state(), State::Starting { .. } | State::Ready { .. });
        let greeting = self.greeting.as_mut().filter(|_| is_greeted)?;
        Some(hear(greeting, self.turn.now))
    }

    /// Does what the greeting wants done.
    pub(super) fn heard(&mut self, heard: Option<Heard>) {
        match heard {
            None | Some(Heard::Nothing | Heard::Taken) => {}
            Some(Heard::Say(line)) => self.turn.to_child.push(line),
            Some(Heard::Ready { abilities, shows }) => self.is_ready(abilities, shows),
            Some(Heard::Shows(era)) => self.shows(era, seconds()),
            Some(Heard::Failed(why)) => {
                self.distrust();
                self.happened(Happened::NotGreeted(why));
            }
        }
        if self.greeting.as_ref().is_some_and(|greeting| !greeting.is_open()) {
            self.greeting = None;
        }
    }

    fn is_ready(&mut self, abilities: Box<Abilities>, shows: Option<Era>) {
        self.greeted = true;
        self.starting = None;
        let took = self.occupant.as_ref().map_or(Duration::ZERO, |o| o.born.elapsed());
        tracing::info!(
            server = %self.plan.name,
            pid = self.pid(),
            name = &*abilities.server_name,
            version = &*abilities.server_version,
            era = abilities.era.name(),
            revision = &*abilities.version,
            ms = took.as_millis(),
            "ready"
        );
        match shows {
            Some(era) => self.shows(era, seconds()),
            None if self.plan.era.era().is_none() => self.shows(abilities.era, 0),
            None => {}
        }
        self.happened(Happened::Greeted);
        self.board.ready(abilities, &mut self.turn);
    }

    /// Whoever was greeted as a modern one because others were, and was none, proves that wrong.
    fn distrust(&self) {
        if self.greeting.as_ref().is_some_and(Greeting::trusts) {
            self.plan.era.clear();
        }
    }

    fn shows(&mut self, era: Era, since: u64) {
        self.plan.era.set(Verdict { era, since });
    }

    /// When the greeting wants to go on without an answer.
    pub(super) fn greeting_due(&self) -> Option<Instant> {
        self.greeting.as_ref().filter(|_| self.life.is_starting()).and_then(Greeting::deadline)
    }

    pub(super) fn probe_in_time(&mut self) {
        if self.greeting_due().is_some_and(|due| due <= self.turn.now) {
            let heard = self.greeting_hears(Greeting::tick);
            self.heard(heard);
        }
    }

    /// The stdout of a process has ended, and it lives on.
    pub(super) fn is_mute(&mut self) {
        let is_probing = self.greeting.as_ref().is_some_and(Greeting::is_probing);
        match &self.occupant {
            // That is its answer, and its end will be treated as one.
            Some(occupant) if is_probing => occupant.process.terminate(),
            _ => self.happened(Happened::Mute),
        }
    }

    /// The process has ended. Says whether it may have done so because it was probed.
    pub(super) fn ends_probing(&mut self, greeted: bool) -> bool {
        if !greeted {
            self.distrust();
        }
        let greeting = self.greeting.take().filter(|_| !greeted);
        self.was_startled = greeting.is_some_and(|greeting| greeting.is_probing());
        self.was_startled
    }
}

/// Whether a verdict is still good.
fn holds(verdict: &Verdict) -> bool {
    match verdict.era {
        // It fails loudly when it is wrong.
        Era::Modern => true,
        Era::Legacy => {
            seconds().checked_sub(verdict.since).is_some_and(|age| age < LEGACY_HOLDS.as_secs())
        }
    }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t37_a_verdict_for_the_handshake_holds_for_a_day() {
        let (now, day) = (seconds(), LEGACY_HOLDS.as_secs());
        for (era, since, good) in [
            (Era::Legacy, now, true),
            (Era::Legacy, now - day + 60, true),
            (Era::Legacy, now - day, false),
            (Era::Legacy, now + 3600, false),
            (Era::Legacy, 0, false),
            (Era::Modern, now - 10 * day, true),
        ] {
            assert_eq!(holds(&Verdict { era, since }), good, "{era:?} {since} {now}");
        }
    }
}
