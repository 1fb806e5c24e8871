//! What wakes a slot, and what it does until it can sleep again.
//!
//! In each pass everything that may have something for the slot is looked at once, so that a child that never stops talking does
//! not keep its clients from being heard, nor they it. What came is one turn: it is taken in, what is due is done, and what the
//! child is to be told is written at once. Whatever had nothing has noted whom to wake, and is not asked again before it does:
//! a call that comes alone costs one waking, and its answer another.

use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::mpsc;

use super::alarm::Alarm;
use super::coming::Coming;
use super::occupant::Sense;
use super::{Command, SPEECH, Slot};
use crate::link::handle::Inbox;

/// What has to be waited for before a slot goes on.
#[derive(Debug)]
pub(super) enum Woken {
    Command(Option<Command>),
    /// Orders have come, which have to wait for a look at the disk.
    Orders,
    /// Nothing is left to do.
    Over,
}

/// What has nothing for the slot now, and wakes it when it has; and how much was said.
#[derive(Debug, Default)]
struct Quiet {
    commands: bool,
    inbox: bool,
    child: [bool; Sense::ALL.len()],
    /// Bytes that the child has said in the meantime.
    heard: usize,
}

/// Passes before the slot lets other tasks go first.
const PASSES: usize = 16;

impl Slot {
    /// Does all there is to do, and sees to it that the task is woken when there is more.
    pub(super) fn poll(
        &mut self,
        inbox: &Inbox,
        commands: &mut mpsc::Receiver<Command>,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<Woken> {
        let mut quiet = Quiet::default();
        let mut is_due = alarm.has_rung();
        for _ in 0..PASSES {
            if self.is_over() {
                return Poll::Ready(Woken::Over);
            }
            let mut has_come = std::mem::take(&mut is_due);
            if has_come {
                self.turn.now = Instant::now();
            }
            if !self.orphaned && !quiet.commands {
                match commands.poll_recv(cx) {
                    Poll::Ready(command) => return Poll::Ready(Woken::Command(command)),
                    Poll::Pending => quiet.commands = true,
                }
            }
            has_come |= self.poll_child(&mut quiet, cx);
            if !quiet.inbox {
                quiet.inbox = inbox.poll(cx).is_pending();
                if !quiet.inbox {
                    has_come |= self.on_orders(inbox, Inbox::next_control);
                    if inbox.has_orders() && self.has_to_look() {
                        return Poll::Ready(Woken::Orders);
                    }
                    has_come |= self.on_orders(inbox, Inbox::next_order);
                }
            }
            has_come |= self.poll_start(&mut quiet, cx);
            if has_come {
                self.take_turn(inbox);
            }
            if !has_come && self.has_to_write() {
                // A pipe that was full has room, which is all that has come.
                self.turn.now = Instant::now();
            }
            has_come |= self.write(cx);
            if !has_come {
                let deadline = self.deadline();
                match alarm.poll(deadline, cx) {
                    Poll::Ready(()) => is_due = true,
                    Poll::Pending => return Poll::Pending,
                }
            }
            if quiet.heard >= SPEECH {
                // Those who were told may run on this thread, and get on with it before there is more than has room.
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_child(&mut self, quiet: &mut Quiet, cx: &mut Context<'_>) -> bool {
        let mut has_come = false;
        for (sense, is_quiet) in Sense::ALL.into_iter().zip(&mut quiet.child) {
            // What was seen last may have been its end.
            let Some(occupant) = self.occupant.as_mut().filter(|_| !*is_quiet) else { continue };
            match occupant.poll(sense, cx) {
                Poll::Ready(seen) => {
                    has_come = true;
                    quiet.heard += self.on_seen(seen);
                }
                Poll::Pending => *is_quiet = true,
            }
        }
        has_come
    }

    /// Goes on with the start of a process, if one is wanted.
    fn poll_start(&mut self, quiet: &mut Quiet, cx: &mut Context<'_>) -> bool {
        let mut has_come = false;
        if let Poll::Ready((places, turn)) = self.waiting.poll(cx) {
            has_come = true;
            self.turn.now = Instant::now();
            if let Some(places) = places {
                self.start(places, turn);
            } else {
                self.stopping.get_or_insert(self.turn.now);
            }
        }
        if let Poll::Ready(arrival) = Coming::poll(&mut self.coming, cx) {
            has_come = true;
            self.arrived(arrival);
            // Nobody has looked at this one yet.
            quiet.child = Default::default();
        }
        has_come
    }

    /// Does what is due, and what the core wants done.
    pub(super) fn take_turn(&mut self, inbox: &Inbox) {
        self.on_time(inbox);
        self.allow();
        self.perform();
    }

    /// Writes what the child is to be told, as much as it takes. Says whether there is more to do by that.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(occupant) = &mut self.occupant else { return false };
        if occupant.write(cx).is_err() {
            // The other end is closed; the exit or the end of stdout will tell the rest.
            occupant.close_stdin();
        }
        self.allow();
        let has_more = !self.turn.is_empty();
        if has_more {
            self.perform();
        }
        has_more
    }

    fn has_to_write(&self) -> bool {
        self.occupant.as_ref().is_some_and(|occupant| !occupant.outbox.is_empty())
    }

    fn allow(&mut self) {
        let room = self.occupant.as_ref().map_or(usize::MAX, |o| o.outbox.room());
        self.board.allow(room, &mut self.turn);
    }
}
