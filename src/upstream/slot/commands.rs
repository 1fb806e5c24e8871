//! What a warden wants of its slots.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Policy, Slot};
use crate::bridge::greeting::Hello;
use crate::bridge::lifecycle::Happened;
use crate::bridge::refusal::Refusal;
use crate::link::directory::ChildReport;
use crate::link::handle::Inbox;

/// What a warden wants of a slot.
#[derive(Debug)]
pub(in crate::upstream) enum Command {
    /// Stop the child if nobody needs it; the next call starts it again.
    Rest,
    /// Be the slot of a session whose client introduces itself so.
    Adopt(Hello),
    /// End, if the child is at rest and nobody needs it.
    End,
    Report(oneshot::Sender<ChildReport>),
    /// Go on by this.
    Adjust(Box<Policy>),
    /// Take nothing new, finish calls within this time, then end. Who is not finished by then is told why.
    Stop {
        within: Duration,
        why: Refusal,
    },
    /// End now.
    Hurry,
}

/// How long calls may take that came as their slot was about to end.
const LAST_CALLS: Duration = Duration::from_secs(60);

// === impl Slot ===

impl Slot {
    pub(super) fn on_command(&mut self, command: Option<Command>, inbox: &Inbox) {
        let now = Instant::now();
        match command {
            Some(Command::Rest) if self.plan.spare => {
                self.stopping.get_or_insert(now);
            }
            Some(Command::Rest) => {
                if self.board.calls() == 0 && !self.ends_with_child() {
                    tracing::info!(server = %self.plan.name, pid = self.pid(), "put to rest, to make room for another");
                    self.happened(Happened::Unwanted);
                }
            }
            Some(Command::Adopt(hello)) => {
                (self.plan.spare, self.plan.hello, self.born) = (false, hello, now);
                self.plan.gauge.touch(now);
                // It may have been about to leave.
                self.stopping = None;
                self.leaving = false;
                self.wake();
            }
            Some(Command::End) => {
                if self.may_end() {
                    self.end(inbox);
                }
            }
            Some(Command::Report(answer)) => {
                // Whoever asked may have left.
                answer.send(self.report(now)).ok();
            }
            Some(Command::Adjust(policy)) => {
                self.turn.now = now;
                self.life.set_pace(policy.pace);
                self.board.adjust(policy.limits.clone(), &mut self.turn);
                self.plan.policy = *policy;
            }
            Some(Command::Stop { within, why }) => {
                self.close(inbox);
                if let (Refusal::Replaced { .. }, Some(recall)) = (&why, &mut self.recall) {
                    recall.hand_over();
                }
                let until = now + within;
                self.stopping = Some(self.stopping.map_or(until, |before| before.min(until)));
                self.farewell = why;
            }
            Some(Command::Hurry) => {
                self.stopping = Some(now);
                if let Some(occupant) = &mut self.occupant {
                    occupant.process.kill();
                }
            }
            // The warden is gone, and with it every reason to stay.
            None => {
                self.orphaned = true;
                self.stopping = Some(now);
            }
        }
    }

    /// Ends because nobody needs it. Who comes this very moment is served to the end; who comes later finds another slot.
    pub(super) fn end(&mut self, inbox: &Inbox) {
        if self.stopping.is_none() {
            self.close(inbox);
            self.stopping = Some(Instant::now() + LAST_CALLS);
        }
    }

    /// Takes what is on its way already; whoever comes now finds the link closed.
    pub(super) fn close(&mut self, inbox: &Inbox) {
        inbox.close();
        while self.on_orders(inbox, Inbox::next_order) {}
    }
}
