//! What a child says: its bytes cut into lines, its lines read as messages, its messages handed to the switchboard.

use std::time::Instant;

use super::occupant::Seen;
use super::{SPEECH, Slot};
use crate::bridge::greeting::Heard;
use crate::bridge::refusal::Refusal;
use crate::wire::frame::{Body, Frame, Malformed};
use crate::wire::glance::Progress;
use crate::wire::id::RawId;
use crate::wire::lines::Line;
use crate::wire::overlong;

/// What a line counts for beside its bytes, so that a flood of empty ones is cut off too.
const BREATH: usize = 64;

impl Slot {
    /// Takes in what was seen; says how much was heard.
    pub(super) fn on_seen(&mut self, seen: Seen) -> usize {
        let now = Instant::now();
        self.turn.now = now;
        let mut heard = 0;
        let Some(occupant) = &mut self.occupant else { return heard };
        match seen {
            Seen::Exit(why) => occupant.exited(why, now),
            Seen::Stderr => occupant.stderr.drain(&self.plan.name, now, &mut self.tail),
            Seen::Read { ended } => {
                while heard < SPEECH
                    && let Some(line) = self.occupant.as_mut().and_then(|o| o.lines.next_line())
                {
                    heard += line.len() + BREATH;
                    self.on_line(line);
                }
                if let Some(occupant) = &mut self.occupant {
                    occupant.is_unheard = heard >= SPEECH;
                }
                if ended && let Some(occupant) = &mut self.occupant {
                    occupant.stdout_ended(now);
                    if let Some(Line::Cut(half)) = occupant.lines.end() {
                        self.on_line(Line::Whole(half));
                    }
                }
            }
        }
        heard
    }

    fn on_line(&mut self, line: Line) {
        if let Line::Whole(text) = &line
            && self.greeting.is_none()
            && !self.plan.policy.payloads
            && let Some(progress) = Progress::glance(text)
        {
            return self.board.glanced(progress, text, &mut self.turn);
        }
        match line {
            Line::Whole(mut text) => match Body::take(&mut text) {
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
                if let Some(id) = id {
                    let why = format!("it is {length} bytes long (max_message)");
                    let heard =
                        self.greeting_hears(|greeting, _| greeting.spoilt(&RawId::new(id), &why));
                    self.heard(heard);
                }
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
        let Malformed::NotMessage { id: Some(id), why } = error else { return };
        let heard = self.greeting_hears(|greeting, _| greeting.spoilt(id, why));
        self.heard(heard);
        if let Ok(number) = id.as_str().trim_matches('"').parse() {
            let server = self.plan.name.clone();
            self.board.spoilt(number, Refusal::ChildSpoilt { server, why }, &mut self.turn);
        }
    }

    fn hear(&mut self, frame: &Frame) {
        if self.plan.policy.payloads {
            self.ledger.payload("from", frame.text());
        }
        let heard = self.greeting_hears(|greeting, now| greeting.hear(frame, now));
        if let Some(Heard::Nothing) | None = heard {
            return self.board.line(frame, &mut self.turn);
        }
        self.heard(heard);
    }
}
