//! What a child says: its bytes cut into lines, its lines read as messages, its messages handed to the switchboard.

use std::time::{Duration, Instant};

use super::Slot;
use super::occupant::Seen;
use crate::bridge::greeting::{Greeting, Heard};
use crate::bridge::lifecycle::{Happened, State};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Tenancy;
use crate::wire::frame::{Body, Frame, Malformed};
use crate::wire::lines::Line;
use crate::wire::overlong;

impl Slot {
    pub(super) fn on_seen(&mut self, seen: Seen) {
        let now = Instant::now();
        self.turn.now = now;
        let Some(occupant) = &mut self.occupant else { return };
        match seen {
            Seen::Exit(why) => occupant.exited(why, now),
            Seen::Stderr => occupant.stderr.drain(&self.plan.name, now, &mut self.tail),
            // The other end is closed; the exit or the end of stdout will tell the rest.
            Seen::Wrote(Err(_)) => occupant.close_stdin(),
            Seen::Wrote(Ok(())) => {}
            Seen::Read { ended } => {
                while let Some(line) = self.occupant.as_mut().and_then(|o| o.lines.next_line()) {
                    self.on_line(line);
                }
                if ended && let Some(occupant) = &mut self.occupant {
                    occupant.stdout_ended(now);
                    if let Some(Line::Cut(half)) = occupant.lines.end() {
                        self.on_line(Line::Whole(half));
                    }
                }
            }
        }
    }

    fn on_line(&mut self, line: Line) {
        match line {
            Line::Whole(text) => match Body::read(text.clone()) {
                Ok(Body::One(frame)) => self.hear(&frame),
                Ok(Body::Many(parts)) => {
                    for part in parts {
                        match part {
                            Ok(frame) => self.hear(&frame),
                            Err(error) => self.spoilt(&error, &text),
                        }
                    }
                }
                Err(error) => self.spoilt(&error, &text),
            },
            Line::Cut(text) => self.ledger.noise("the line was never ended", &text),
            Line::Overlong { head, tail, length } => {
                self.ledger.overlong(length, self.plan.line_max);
                let id = overlong::overlong_id(&head, &tail);
                if let Some(id) = id.and_then(|id| id.trim_matches('"').parse().ok()) {
                    let (server, limit) = (self.plan.name.clone(), self.plan.line_max as u64);
                    let why = Refusal::ChildTooLong { server, bytes: length, limit };
                    self.board.spoilt(id, why, &mut self.turn);
                }
            }
        }
    }

    /// A line that is no message. If it was meant to answer a call, that call need not wait for another.
    fn spoilt(&mut self, error: &Malformed, text: &[u8]) {
        self.ledger.noise(&error.to_string(), text);
        if let Malformed::NotMessage { id: Some(id), why } = error
            && let Ok(number) = id.as_str().trim_matches('"').parse()
        {
            let server = self.plan.name.clone();
            self.board.spoilt(number, Refusal::ChildSpoilt { server, why }, &mut self.turn);
        }
    }

    fn hear(&mut self, frame: &Frame) {
        if self.plan.policy.payloads {
            self.ledger.payload("from", frame.text());
        }
        if self.greeted {
            return self.board.line(frame, &mut self.turn);
        }
        // What is being made to leave is not greeted any more, however late its answer comes.
        if !matches!(self.life.state(), State::Starting { .. }) {
            return self.board.line(frame, &mut self.turn);
        }
        match Greeting::hear(frame, self.plan.tenancy == Tenancy::Shared) {
            Heard::Nothing => self.board.line(frame, &mut self.turn),
            Heard::Failed(why) => self.happened(Happened::NotGreeted(why)),
            Heard::Ready(abilities) => {
                self.greeted = true;
                self.starting = None;
                let took = self.occupant.as_ref().map_or(Duration::ZERO, |o| o.born.elapsed());
                tracing::info!(
                    server = %self.plan.name,
                    pid = self.pid(),
                    name = &*abilities.server_name,
                    version = &*abilities.server_version,
                    revision = &*abilities.version,
                    era = abilities.era.name(),
                    ms = took.as_millis(),
                    "ready"
                );
                self.happened(Happened::Greeted);
                self.board.ready(abilities, &mut self.turn);
            }
        }
    }
}
