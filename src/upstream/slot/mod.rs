//! The owner of one child: a single loop around its process, its switchboard and its lifecycle.
//!
//! The loop waits for one thing, lets the pure core take it, and then does what came out: lines to the child, notes to the log,
//! acts of the lifecycle. A panic in it ends this slot's child and sessions, is counted, and the slot begins anew.

mod due;
mod hearing;
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
use crate::bridge::greeting::Hello;
use crate::bridge::lifecycle::{Happened, Lifecycle, Pace, State};
use crate::bridge::switchboard::{Limits, Order, Switchboard, Tenancy};
use crate::bridge::turn::Turn;
use crate::link::directory::ChildReport;
use crate::link::handle::Inbox;
use crate::link::replies::Post;
use crate::wire::id::ServerName;
use crate::wire::method::RequestRoute;

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
    /// Log what is said, word for word.
    pub(super) payloads: bool,
    /// Start at once rather than with the first call.
    pub(super) eager: bool,
    /// Permits to run a process of this server.
    pub(super) permits: Arc<Semaphore>,
    /// Permits to be busy starting, shared by all servers: programs that start together slow each other down.
    pub(super) starts: Arc<Semaphore>,
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

/// How long a starting child keeps others from starting.
const START_TURN: Duration = Duration::from_millis(500);

/// How often a slot that waits for a place says so.
const SQUEEZE_AGAIN: Duration = Duration::from_millis(100);

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
    /// Held until the child is ready, or has had its time.
    starting: Option<OwnedSemaphorePermit>,
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
    /// Nobody holds a link or commands any more, so there is nothing to wait for from there.
    deaf: bool,
    orphaned: bool,
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
            starting: None,
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
            deaf: false,
            orphaned: false,
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
            // In no fixed order: a child that never stops talking must not keep its clients from being heard.
            tokio::select! {
                command = commands.recv(), if !self.orphaned => self.on_command(command),
                seen = next(&mut self.occupant) => self.on_seen(seen),
                order = inbox.control.recv(), if !self.deaf => {
                    self.on_orders(order, &mut inbox.control);
                }
                order = inbox.orders.recv(), if !self.deaf => {
                    self.on_orders(order, &mut inbox.orders);
                }
                permits = permits(&self.plan), if self.wants_process => {
                    (self.permit, self.starting) = permits;
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
                    tracing::info!(server = %self.plan.name, pid = self.pid(), "put to rest, to make room for another");
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
            None => {
                self.orphaned = true;
                self.stopping = Some(now);
            }
        }
    }

    fn on_orders(&mut self, first: Option<Order<Post>>, more: &mut mpsc::Receiver<Order<Post>>) {
        self.turn.now = Instant::now();
        self.plan.gauge.touch(self.turn.now);
        if first.is_none() {
            self.deaf = true;
            self.stopping.get_or_insert(self.turn.now);
        }
        let rest = std::iter::from_fn(|| more.try_recv().ok());
        for order in first.into_iter().chain(rest).take(ORDERS_A_TURN) {
            self.claimed |= matches!(order, Order::Open { .. });
            if !self.leaving && needs_child(&order) {
                self.wake();
            }
            self.board.order(order, &mut self.turn);
        }
    }

    /// Brings a resting or lazy child to life.
    fn wake(&mut self) {
        let resting = match self.life.state() {
            State::Stopped | State::Draining { .. } => true,
            State::Placing
            | State::Starting { .. }
            | State::Ready { .. }
            | State::BackingOff { .. } => false,
        };
        if resting {
            self.happened(Happened::Wanted);
        }
    }

    fn is_over(&self) -> bool {
        self.leaving && *self.life.state() == State::Stopped && self.occupant.is_none()
    }

    /// Does what the core wants done.
    fn perform(&mut self) {
        for message in self.turn.to_child.drain(..) {
            if self.plan.payloads {
                self.ledger.payload("to", &message);
            }
            if let Some(occupant) = &mut self.occupant
                && !occupant.tell(message)
            {
                self.ledger.counts.dropped += 1;
            }
        }
        for note in self.turn.notes.drain(..) {
            self.ledger.note(&note);
        }
        let gauge = &self.plan.gauge;
        gauge.calls.store(self.board.calls(), Ordering::Relaxed);
        // Only private children make room for others, and only they have few enough sessions to look at each time.
        if self.plan.tenancy == Tenancy::Private {
            gauge.streams.store(!self.board.is_idle(), Ordering::Relaxed);
        }
        gauge.running.store(self.occupant.is_some(), Ordering::Relaxed);
        gauge.leaves(matches!(self.life.state(), State::Draining { .. }), self.turn.now);
    }

    fn pid(&self) -> Option<u32> {
        self.occupant.as_ref().and_then(|occupant| occupant.process.pid())
    }
}

/// Whether this is a request that the bridge cannot answer by itself.
fn needs_child(order: &Order<Post>) -> bool {
    let Order::Call { request, .. } = order else { return false };
    !matches!(request.method().as_request(), RequestRoute::Ping | RequestRoute::Modern)
}

/// Waits for leave to start: a place for the process, then a turn among those that start.
async fn permits(plan: &Plan) -> (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>) {
    // Kept from one look to the next: whoever waits anew waits behind all others.
    let mut waiting = pin!(Arc::clone(&plan.permits).acquire_owned());
    let place = loop {
        match tokio::time::timeout(SQUEEZE_AGAIN, &mut waiting).await {
            Ok(place) => break place.ok(),
            // Several may wait while one made room; and who was busy then may rest now.
            Err(_) => plan.squeezed.notify_one(),
        }
    };
    let turn = Arc::clone(&plan.starts).acquire_owned().await.ok();
    (place, turn)
}

async fn next(occupant: &mut Option<Occupant>) -> Seen {
    match occupant {
        Some(occupant) => occupant.next().await,
        None => std::future::pending().await,
    }
}
