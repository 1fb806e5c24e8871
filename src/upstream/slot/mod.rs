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

use super::nursery::{Made, Nursery};
use super::places::{HostRoom, Places};
use super::process::{Recipe, SpawnError};
use super::stderr::Tail;
use crate::bridge::greeting::Hello;
use crate::bridge::lifecycle::{Happened, Lifecycle, Pace, State};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Absence, Limits, Order, Switchboard, Tenancy};
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
    pub(super) policy: Policy,
    pub(super) line_max: usize,
    /// What the child holds for its session must not be lost unnoticed: they end together.
    pub(super) stateful: bool,
    /// Start at once rather than with the first call.
    pub(super) eager: bool,
    /// Wait, started and greeted, for a session. Until one comes it takes no place another wants, and a failure ends it.
    pub(super) spare: bool,
    /// Places for processes of this server.
    pub(super) permits: Arc<Semaphore>,
    /// The places all servers share.
    pub(super) host: Arc<HostRoom>,
    pub(super) nursery: Nursery,
    /// Permits to be busy starting, shared by all servers: programs that start together slow each other down.
    pub(super) starts: Arc<Semaphore>,
    /// Told when a place of this server is wanted and none is free.
    pub(super) squeezed: Arc<Notify>,
    /// Told when a child has come to rest.
    pub(super) rested: Arc<Notify>,
    pub(super) gauge: Arc<Gauge>,
}

/// What of a plan can change while a child runs.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) limits: Limits,
    pub(super) pace: Pace,
    /// Log what is said, word for word.
    pub(super) payloads: bool,
}

/// What a warden wants of a slot.
#[derive(Debug)]
pub(super) enum Command {
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

/// A private child nobody uses is put to rest after so many times as long as it was in use, within these bounds. What was used
/// briefly is missed briefly: clients that come, call and never come back are the ones that use up children. What has
/// been worked with for minutes holds something that is worth keeping while its user thinks.
const IDLE_FACTOR: u32 = 10;
const IDLE_REST_MIN: Duration = Duration::from_secs(5 * 60);
const IDLE_REST_MAX: Duration = Duration::from_secs(30 * 60);

/// A private slot whose child is at rest ends when nobody has used it for so long.
const RESTING_ENDS: Duration = Duration::from_secs(60 * 60);

/// A private slot whose session never begins ends.
const UNCLAIMED: Duration = Duration::from_secs(60);

/// How long calls may take that came as their slot was about to end.
const LAST_CALLS: Duration = Duration::from_secs(60);

/// How long a starting child keeps others from starting.
const START_TURN: Duration = Duration::from_millis(500);

/// How often a slot that waits for a place says so.
const SQUEEZE_AGAIN: Duration = Duration::from_millis(100);

/// Orders taken in one turn, so that a flood of them is written at once but output is read in between.
const ORDERS_A_TURN: usize = 64;

/// Lives until the slot is stopped, or, if it is private, until its session has ended.
pub(super) async fn run(mut plan: Plan, mut inbox: Inbox, mut commands: mpsc::Receiver<Command>) {
    loop {
        let mut slot = Slot::new(plan.clone());
        let ended = {
            let mut life = pin!(slot.live(&mut inbox, &mut commands));
            std::future::poll_fn(|cx| {
                let poll = std::panic::catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(cx)));
                match poll {
                    Ok(poll) => poll.map(Ok),
                    Err(panic) => std::task::Poll::Ready(Err(panic)),
                }
            })
            .await
        };
        plan.gauge.running.store(false, Ordering::Relaxed);
        plan = slot.plan.clone();
        plan.gauge.wants.store(false, Ordering::Relaxed);
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
    /// The process that the nursery is about to make.
    coming: Option<oneshot::Receiver<Made>>,
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
    /// What those are told that are not.
    farewell: Refusal,
    /// The lifecycle has been told that no child is wanted any more.
    leaving: bool,
    /// Nothing more can come from there: nobody holds a link any more, or none was allowed to send.
    no_orders: bool,
    no_control: bool,
    /// The warden is gone.
    orphaned: bool,
}

// === impl Slot ===

impl Slot {
    fn new(plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            board: Switchboard::new(plan.tenancy, plan.policy.limits.clone(), stream_base(), now),
            life: Lifecycle::new(plan.policy.pace),
            occupant: None,
            coming: None,
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
            farewell: Refusal::Interrupted,
            leaving: false,
            no_orders: false,
            no_control: false,
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
                command = commands.recv(), if !self.orphaned => self.on_command(command, inbox),
                seen = next(&mut self.occupant) => self.on_seen(seen),
                order = inbox.control.recv(), if !self.no_control => {
                    self.no_control = order.is_none();
                    self.on_orders(order, &mut inbox.control);
                }
                order = inbox.orders.recv(), if !self.no_orders => {
                    self.no_orders = order.is_none();
                    self.on_orders(order, &mut inbox.orders);
                }
                (places, turn) = permits(&self.plan), if self.wants_process => {
                    match places {
                        Some(places) => self.start(places, turn),
                        None => {
                            self.stopping.get_or_insert(self.turn.now);
                            self.wants_process = false;
                        }
                    }
                }
                made = arrival(&mut self.coming) => self.arrived(made),
                () = &mut alarm, if deadline.is_some() => alarm_at = Instant::now(),
            }
            self.turn.now = Instant::now();
            self.on_time(inbox);
            let room = self.occupant.as_ref().map_or(usize::MAX, |o| o.outbox.room());
            self.board.allow(room, &mut self.turn);
            self.perform();
        }
    }

    fn on_command(&mut self, command: Option<Command>, inbox: &mut Inbox) {
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
                self.stopping.get_or_insert(now + within);
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
    fn end(&mut self, inbox: &mut Inbox) {
        if self.stopping.is_none() {
            self.close(inbox);
            self.stopping = Some(Instant::now() + LAST_CALLS);
        }
    }

    /// Takes what is on its way already; whoever comes now finds the link closed.
    fn close(&mut self, inbox: &mut Inbox) {
        inbox.orders.close();
        inbox.control.close();
        while let Ok(order) = inbox.orders.try_recv() {
            self.on_orders(Some(order), &mut inbox.orders);
        }
    }

    fn on_orders(&mut self, first: Option<Order<Post>>, more: &mut mpsc::Receiver<Order<Post>>) {
        self.turn.now = Instant::now();
        self.plan.gauge.touch(self.turn.now);
        if first.is_none() {
            self.stopping.get_or_insert(self.turn.now);
        }
        let rest = std::iter::from_fn(|| more.try_recv().ok());
        for order in first.into_iter().chain(rest).take(ORDERS_A_TURN) {
            self.claimed |= matches!(order, Order::Call { .. } | Order::Listen { .. });
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

    /// Whether its session is over when its child is.
    fn ends_with_child(&self) -> bool {
        self.plan.stateful && self.plan.tenancy == Tenancy::Private
    }

    fn is_over(&self) -> bool {
        self.leaving && *self.life.state() == State::Stopped && self.occupant.is_none()
    }

    /// Does what the core wants done.
    fn perform(&mut self) {
        for message in self.turn.to_child.drain(..) {
            if self.plan.policy.payloads {
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
        let calls = self.board.calls();
        // Its client may have waited long for an answer, and is not to be taken for one that is gone.
        if gauge.calls.swap(calls, Ordering::Relaxed) > 0 {
            gauge.touch(self.turn.now);
        }
        // Only private children make room for others, and only they have few enough sessions to look at each time.
        if self.plan.tenancy == Tenancy::Private {
            gauge.streams.store(!self.board.is_idle(), Ordering::Relaxed);
        }
        let was_running = gauge.running.swap(self.occupant.is_some(), Ordering::Relaxed);
        gauge.wants.store(self.wants_process, Ordering::Relaxed);
        if was_running && self.occupant.is_none() {
            self.plan.rested.notify_one();
        }
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

/// Clients keep the ids of streams of other slots and of earlier processes; none may mean one of ours.
fn stream_base() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// Waits for leave to start: a place for the process, then a turn among those that start. A spare child does not wait for a
/// place: whoever does has a client.
async fn permits(plan: &Plan) -> (Option<Places>, Option<OwnedSemaphorePermit>) {
    if plan.spare {
        let places = Places::try_take(&plan.permits, &plan.host);
        let turn = match &places {
            Some(_) => Arc::clone(&plan.starts).acquire_owned().await.ok(),
            None => None,
        };
        return (places, turn);
    }
    let places = loop {
        let waiting = Places::take(&plan.permits, &plan.host);
        match tokio::time::timeout(SQUEEZE_AGAIN, waiting).await {
            Ok(places) => break places,
            // Several may wait while one made room; and who was busy then may rest now.
            Err(_) => {
                if squeeze(plan) == Some(Absence::HostFull) && plan.host.is_to_be_said() {
                    tracing::warn!(
                        server = %plan.name,
                        "all servers together have {} children, as many as the top-level max_children allows; a client has to wait for one",
                        plan.host.max()
                    );
                }
            }
        }
    };
    let turn = Arc::clone(&plan.starts).acquire_owned().await.ok();
    (Some(places), turn)
}

/// Asks for room where it lacks; says so if it does.
fn squeeze(plan: &Plan) -> Option<Absence> {
    if plan.permits.available_permits() == 0 {
        plan.squeezed.notify_one();
        return Some(Absence::NoPlace);
    }
    if plan.host.is_full() {
        plan.host.squeezed.notify_waiters();
        return Some(Absence::HostFull);
    }
    None
}

async fn arrival(coming: &mut Option<oneshot::Receiver<Made>>) -> Made {
    let made = match coming {
        Some(made) => made.await,
        None => std::future::pending().await,
    };
    made.unwrap_or(Err(SpawnError::NoNursery))
}

async fn next(occupant: &mut Option<Occupant>) -> Seen {
    match occupant {
        Some(occupant) => occupant.next().await,
        None => std::future::pending().await,
    }
}
