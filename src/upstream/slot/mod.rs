//! The owner of one child: a single loop around its process, its switchboard and its lifecycle.
//!
//! The loop takes what has come, lets the pure core have it, and then does what came out: lines to the child, notes to the log,
//! acts of the lifecycle. A panic in it ends this slot's child and sessions, is counted, and the slot begins anew.

mod alarm;
mod coming;
mod commands;
mod due;
mod greet;
mod hearing;
mod idle;
mod ledger;
mod occupant;
mod plan;
mod start;
mod waiting;
mod waking;

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use self::alarm::Alarm;
use self::coming::Coming;
pub(super) use self::commands::Command;
use self::idle::Idle;
pub(super) use self::ledger::Gauge;
use self::ledger::Ledger;
use self::occupant::Occupant;
pub(super) use self::plan::{Plan, Policy};
use self::waiting::Waiting;
use self::waking::Woken;
use super::recall::Recall;
use super::stderr::Tail;
use crate::bridge::greeting::Greeting;
use crate::bridge::lifecycle::{Happened, Lifecycle, State};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Order, Switchboard, Tenancy};
use crate::bridge::tasks::Secret;
use crate::bridge::turn::{Note, Turn};
use crate::link::handle::Inbox;
use crate::link::replies::Post;

/// A private slot whose child is at rest ends when nobody has used it for so long.
const RESTING_ENDS: Duration = Duration::from_secs(60 * 60);

/// A private slot whose session never begins ends.
const UNCLAIMED: Duration = Duration::from_secs(60);

/// How long a starting child keeps others from starting.
const START_TURN: Duration = Duration::from_millis(500);

/// Orders taken in one turn, so that a flood of them is written at once but output is read in between.
const ORDERS_A_TURN: usize = 64;

/// After so many bytes of a child others get their turn, on the one thread there is.
const SPEECH: usize = 64 << 10;

/// A slot that failed by a fault of ours begins anew after so long.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// Lives until the slot is stopped, or, if it is private, until its session has ended.
pub(super) async fn run(mut plan: Plan, inbox: Inbox, mut commands: mpsc::Receiver<Command>) {
    loop {
        let mut slot = Slot::new(plan.clone());
        let ended = {
            let mut life = pin!(slot.live(&inbox, &mut commands));
            poll_fn(|cx| {
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
        if ended.is_ok() || plan.tenancy != Tenancy::Shared {
            return;
        }
        // Whatever it was may be there again.
        tokio::time::sleep(AFTER_A_FAULT).await;
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
    coming: Option<Coming>,
    /// Held until the child is ready, or has had its time.
    starting: Option<OwnedSemaphorePermit>,
    /// A process is to be started as soon as there is a place for it.
    waiting: Waiting,
    /// The handshake with this occupant, until nothing of it is open.
    greeting: Option<Greeting>,
    /// That is done.
    greeted: bool,
    /// The last process ended when it was probed.
    was_startled: bool,
    turn: Turn,
    ledger: Ledger,
    tail: Tail,
    idle: Idle,
    /// None for a private child, of which nothing is remembered.
    recall: Option<Recall>,
    state_since: Instant,
    born: Instant,
    claimed: bool,
    /// Set when the slot is to end: by then all calls have to be settled.
    stopping: Option<Instant>,
    /// What those are told that are not.
    farewell: Refusal,
    /// The lifecycle has been told that no child is wanted any more.
    leaving: bool,
    /// The warden is gone.
    orphaned: bool,
}

// === impl Slot ===

impl Slot {
    fn new(plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            board: Switchboard::new(
                plan.tenancy,
                plan.policy.limits.clone(),
                stream_base(),
                secret(),
                now,
            ),
            life: Lifecycle::new(plan.policy.pace),
            occupant: None,
            coming: None,
            starting: None,
            waiting: Waiting::default(),
            greeting: None,
            greeted: false,
            was_startled: false,
            turn: Turn::new(now),
            ledger: Ledger::new(plan.name.clone()),
            tail: Tail::new(),
            idle: Idle::new(now),
            recall: None,
            state_since: now,
            born: now,
            claimed: false,
            stopping: None,
            farewell: Refusal::Interrupted,
            leaving: false,
            orphaned: false,
            plan,
        }
    }

    async fn live(&mut self, inbox: &Inbox, commands: &mut mpsc::Receiver<Command>) {
        self.recollect().await;
        if self.plan.eager {
            self.happened(Happened::Wanted);
        }
        let mut alarm = Alarm::new();
        loop {
            match poll_fn(|cx| self.poll(inbox, commands, &mut alarm, cx)).await {
                Woken::Command(command) => {
                    if inbox.has_orders() {
                        // A command may be to take them.
                        self.look_again().await;
                    }
                    self.on_command(command, inbox);
                    self.turn.now = Instant::now();
                }
                Woken::Orders => {
                    self.look_again().await;
                    self.on_orders(inbox, Inbox::next_order);
                }
                Woken::Over => {
                    if let Some(recall) = &mut self.recall {
                        recall.close(self.board.memory(), self.plan.era.verdict()).await;
                    }
                    return;
                }
            }
            self.take_turn(inbox);
        }
    }

    /// Takes what has come, `next` by `next`. Says whether anything had.
    fn on_orders(&mut self, inbox: &Inbox, next: fn(&Inbox) -> Option<Order<Post>>) -> bool {
        let mut taken = 0;
        while taken < ORDERS_A_TURN
            && let Some(order) = next(inbox)
        {
            if taken == 0 {
                self.turn.now = Instant::now();
                self.plan.gauge.touch(self.turn.now);
            }
            taken += 1;
            self.claimed |= matches!(
                order,
                Order::Call { .. }
                    | Order::Listen { .. }
                    | Order::Attach { .. }
                    | Order::Close { .. }
            );
            self.attend(&order);
            self.board.order(order, &mut self.turn);
        }
        taken > 0
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
            if matches!(&note, Note::Settled(call) if call.by_child()) {
                self.life.served();
            }
            if matches!(note, Note::ToolsChanged) && self.plan.tenancy == Tenancy::Shared {
                self.plan.tools.changed();
            }
            self.ledger.note(&note);
        }
        let gauge = &self.plan.gauge;
        let calls = self.board.calls();
        // Its client may have waited long for an answer, and is not to be taken for one that is gone.
        if gauge.calls.load(Ordering::Relaxed) > 0 {
            gauge.touch(self.turn.now);
        }
        gauge.calls.store(calls, Ordering::Relaxed);
        // Only private children make room for others, and only they have few enough sessions to look at each time.
        if self.plan.tenancy != Tenancy::Shared {
            gauge.streams.store(!self.board.is_idle(), Ordering::Relaxed);
        }
        // Nobody else writes there, so that nothing can come between.
        let was_running = gauge.running.load(Ordering::Relaxed);
        gauge.running.store(self.occupant.is_some(), Ordering::Relaxed);
        gauge.wants.store(self.waiting.is_on(), Ordering::Relaxed);
        if was_running && self.occupant.is_none() {
            self.plan.rested.notify_one();
        }
        gauge.leaves(matches!(self.life.state(), State::Draining { .. }), self.turn.now);
    }

    fn pid(&self) -> Option<u32> {
        self.occupant.as_ref().and_then(|occupant| occupant.process.pid())
    }
}

/// Clients keep the ids of streams of other slots and of earlier processes; none may mean one of ours.
fn stream_base() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// What the names of tasks are made from. Without chance they could be guessed, so the slot is better not there at all.
fn secret() -> Secret {
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).expect("the system gives random numbers");
    secret
}
