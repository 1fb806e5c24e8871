//! The owner of one child: a single loop around its process, its switchboard and its lifecycle.
//!
//! The loop waits for one thing, lets the pure core take it, and then does what came out: lines to the child, notes to the log,
//! acts of the lifecycle. A panic in it ends this slot's child and sessions, is counted, and the slot begins anew.

mod ledger;
mod occupant;
mod start;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub(super) use ledger::Gauge;
use ledger::Ledger;
use occupant::{Occupant, Seen};

use super::process::Recipe;
use super::stderr::Tail;
use crate::bridge::greeting::{Greeting, Heard, Hello};
use crate::bridge::lifecycle::{Happened, Lifecycle, Pace, State};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Limits, Order, Switchboard, Tenancy};
use crate::bridge::turn::Turn;
use crate::link::directory::ChildReport;
use crate::link::handle::Inbox;
use crate::link::replies::Post;
use crate::wire::frame::{Body, Frame, Malformed};
use crate::wire::id::ServerName;
use crate::wire::lines::Line;
use crate::wire::overlong;

/// What a slot is made from.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: ServerName,
    pub(super) tenancy: Tenancy,
    pub(super) hello: Hello,
    pub(super) recipe: Arc<Recipe>,
    pub(super) limits: Limits,
    pub(super) pace: Pace,
    pub(super) line_max: usize,
    /// Start at once rather than with the first call.
    pub(super) eager: bool,
    /// Permits to run a process of this server.
    pub(super) permits: Arc<Semaphore>,
    /// Told when a permit is wanted and none is free.
    pub(super) squeezed: Arc<Notify>,
    pub(super) gauge: Arc<Gauge>,
    /// A number no earlier process has used.
    pub(super) stream_base: u64,
}

/// What a warden wants of a slot.
#[derive(Debug)]
pub(super) enum Command {
    /// Stop the child if nobody needs it; the next call starts it again.
    Rest,
    Report(oneshot::Sender<ChildReport>),
    /// Finish calls within this time, then end.
    Stop(Duration),
    /// End now.
    Hurry,
}

/// A private child nobody has used for so long is put to rest.
const IDLE_REST: Duration = Duration::from_secs(30 * 60);

/// A private slot whose session never begins ends.
const UNCLAIMED: Duration = Duration::from_secs(60);

/// Orders taken in one turn, so that a flood of them is written at once but output is read in between.
const ORDERS_A_TURN: usize = 64;

/// Lives until the slot is stopped, or, if it is private, until its session has ended.
pub(super) async fn run(plan: Plan, mut inbox: Inbox, mut commands: mpsc::Receiver<Command>) {
    loop {
        let mut slot = Slot::new(plan.clone());
        let mut life = pin!(slot.live(&mut inbox, &mut commands));
        let ended = std::future::poll_fn(|cx| {
            let poll = std::panic::catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(cx)));
            match poll {
                Ok(poll) => poll.map(Ok),
                Err(panic) => std::task::Poll::Ready(Err(panic)),
            }
        })
        .await;
        plan.gauge.running.store(false, Ordering::Relaxed);
        if ended.is_ok() || plan.tenancy == Tenancy::Private {
            return;
        }
        // The panic hook has written what and where.
        tracing::error!(server = %plan.name, "a slot failed by a fault of stdiod; its sessions are lost and it begins anew");
    }
}

#[derive(Debug)]
struct Slot {
    plan: Plan,
    board: Switchboard<Post>,
    life: Lifecycle,
    occupant: Option<Occupant>,
    permit: Option<OwnedSemaphorePermit>,
    /// A process is to be started as soon as there is a permit.
    wants_process: bool,
    /// The handshake with this occupant is done.
    greeted: bool,
    turn: Turn,
    ledger: Ledger,
    tail: Tail,
    state_since: Instant,
    born: Instant,
    claimed: bool,
    /// Set when the slot is to end: by then all calls have to be settled.
    stopping: Option<Instant>,
    /// The lifecycle has been told that no child is wanted any more.
    leaving: bool,
}

// === impl Slot ===

impl Slot {
    fn new(plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            board: Switchboard::new(plan.tenancy, plan.limits.clone(), plan.stream_base),
            life: Lifecycle::new(plan.pace),
            occupant: None,
            permit: None,
            wants_process: false,
            greeted: false,
            turn: Turn::new(now),
            ledger: Ledger::new(plan.name.clone()),
            tail: Tail::new(),
            state_since: now,
            born: now,
            claimed: false,
            stopping: None,
            leaving: false,
            plan,
        }
    }

    async fn live(&mut self, inbox: &mut Inbox, commands: &mut mpsc::Receiver<Command>) {
        if self.plan.eager {
            self.happened(Happened::Wanted);
        }
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        let mut alarm_at = Instant::now();
        loop {
            if self.is_over() {
                return;
            }
            let deadline = self.deadline();
            // Moving a timer costs more than being woken once too often, so it is only ever moved forward in time.
            if let Some(at) = deadline.filter(|at| *at < alarm_at || alarm_at <= self.turn.now) {
                alarm_at = at;
                alarm.as_mut().reset(at.into());
            }
            tokio::select! { biased;
                command = commands.recv() => self.on_command(command),
                seen = next(&mut self.occupant) => self.on_seen(seen),
                order = inbox.control.recv() => self.on_orders(order, &mut inbox.control),
                order = inbox.orders.recv() => self.on_orders(order, &mut inbox.orders),
                permit = Arc::clone(&self.plan.permits).acquire_owned(), if self.wants_process => {
                    self.permit = permit.ok();
                    self.start();
                }
                () = &mut alarm, if deadline.is_some() => alarm_at = Instant::now(),
            }
            self.turn.now = Instant::now();
            self.on_time();
            let room = self.occupant.as_ref().map_or(usize::MAX, |o| o.outbox.room());
            self.board.allow(room, &mut self.turn);
            self.perform();
        }
    }

    fn on_command(&mut self, command: Option<Command>) {
        let now = Instant::now();
        match command {
            Some(Command::Rest) => {
                if self.board.calls() == 0 {
                    self.happened(Happened::Unwanted);
                }
            }
            Some(Command::Report(answer)) => {
                // Whoever asked may have left.
                answer.send(self.report(now)).ok();
            }
            Some(Command::Stop(within)) => {
                self.stopping.get_or_insert(now + within);
            }
            Some(Command::Hurry) => {
                self.stopping = Some(now);
                if let Some(occupant) = &self.occupant {
                    occupant.process.kill();
                }
            }
            // The warden is gone, and with it every reason to stay.
            None => self.stopping = Some(now),
        }
    }

    fn on_orders(&mut self, first: Option<Order<Post>>, more: &mut mpsc::Receiver<Order<Post>>) {
        self.turn.now = Instant::now();
        self.plan.gauge.touch(self.turn.now);
        let mut order = first;
        for _ in 0..ORDERS_A_TURN {
            let Some(taken) = order else { return };
            self.claimed |= matches!(taken, Order::Open { .. });
            if matches!(taken, Order::Call { .. }) && !self.leaving {
                self.wake();
            }
            self.board.order(taken, &mut self.turn);
            order = more.try_recv().ok();
        }
        if let Some(last) = order {
            self.board.order(last, &mut self.turn);
        }
    }

    /// Brings a resting or lazy child to life.
    fn wake(&mut self) {
        let resting = match self.life.state() {
            State::Stopped | State::Draining { .. } => true,
            State::Starting { .. } | State::Ready { .. } | State::BackingOff { .. } => false,
        };
        if resting {
            self.happened(Happened::Wanted);
        }
    }

    fn on_seen(&mut self, seen: Seen) {
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
                    let limit = self.plan.line_max as u64;
                    self.board.too_long(id, length, limit, &mut self.turn);
                }
            }
        }
    }

    fn spoilt(&mut self, error: &Malformed, text: &[u8]) {
        self.ledger.noise(&error.to_string(), text);
    }

    fn hear(&mut self, frame: &Frame) {
        if self.greeted {
            return self.board.line(frame, &mut self.turn);
        }
        match Greeting::hear(frame, self.plan.tenancy == Tenancy::Shared) {
            Heard::Nothing => self.board.line(frame, &mut self.turn),
            Heard::Failed(why) => self.happened(Happened::NotGreeted(why)),
            Heard::Ready(abilities) => {
                self.greeted = true;
                let took = self.occupant.as_ref().map_or(Duration::ZERO, |o| o.born.elapsed());
                tracing::info!(
                    server = %self.plan.name,
                    pid = self.pid(),
                    name = &*abilities.server_name,
                    version = &*abilities.server_version,
                    revision = &*abilities.version,
                    ms = took.as_millis(),
                    "ready"
                );
                self.happened(Happened::Greeted);
                self.board.ready(abilities, &mut self.turn);
            }
        }
    }

    /// Looks at everything that may have become due.
    fn on_time(&mut self) {
        let now = self.turn.now;
        if let Some(occupant) = &mut self.occupant {
            if occupant.is_over(now) {
                self.bury();
            } else if occupant.is_mute(now) {
                occupant.last_words_until = None;
                self.happened(Happened::Mute);
            }
        }
        if self.life.deadline().is_some_and(|due| due <= now) {
            self.happened(Happened::Tick);
        }
        self.board.tick(&mut self.turn);

        let unclaimed = self.plan.tenancy == Tenancy::Private
            && (if self.claimed {
                self.board.fronts() == 0
            } else {
                now.duration_since(self.born) >= UNCLAIMED
            });
        if unclaimed {
            self.stopping.get_or_insert(now);
        }
        if self.stopping.is_some_and(|until| self.board.calls() == 0 || until <= now)
            && !self.leaving
        {
            self.leaving = true;
            self.board.shut(&Refusal::Interrupted, &mut self.turn);
            self.happened(Happened::Unwanted);
        }
        if self.rests_at().is_some_and(|at| at <= now) {
            self.happened(Happened::Unwanted);
        }
    }

    /// When an unused private child is put to rest.
    fn rests_at(&self) -> Option<Instant> {
        let rests = self.plan.tenancy == Tenancy::Private
            && matches!(self.life.state(), State::Ready { .. })
            && self.board.is_idle();
        rests.then(|| self.plan.gauge.used() + IDLE_REST)
    }

    fn deadline(&mut self) -> Option<Instant> {
        let private = self.plan.tenancy == Tenancy::Private;
        [
            self.board.deadline(),
            self.life.deadline(),
            self.occupant.as_ref().and_then(|occupant| occupant.last_words_until),
            self.stopping.filter(|_| !self.leaving),
            self.rests_at(),
            (private && !self.claimed).then(|| self.born + UNCLAIMED),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn is_over(&self) -> bool {
        self.leaving && *self.life.state() == State::Stopped && self.occupant.is_none()
    }

    /// Does what the core wants done.
    fn perform(&mut self) {
        for message in self.turn.to_child.drain(..) {
            if let Some(occupant) = &mut self.occupant {
                occupant.tell(message);
            }
        }
        for note in self.turn.notes.drain(..) {
            self.ledger.note(&note);
        }
        let gauge = &self.plan.gauge;
        gauge.calls.store(self.board.calls(), Ordering::Relaxed);
        gauge.streams.store(!self.board.is_idle(), Ordering::Relaxed);
        gauge.running.store(self.occupant.is_some(), Ordering::Relaxed);
    }

    fn pid(&self) -> Option<u32> {
        self.occupant.as_ref().and_then(|occupant| occupant.process.pid())
    }
}

async fn next(occupant: &mut Option<Occupant>) -> Seen {
    match occupant {
        Some(occupant) => occupant.next().await,
        None => std::future::pending().await,
    }
}
