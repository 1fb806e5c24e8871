//! Where processes are started, and where what they leave behind is ended: one thread for the whole daemon.
//!
//! It is a thread of its own because the kernel's signal to children whose parent dies follows the thread that started
//! them, and threads of the runtime come and go. For the same reason it lives as long as the daemon. And since nobody else
//! runs on it, it may read `/proc` without making anybody wait but those that start a process.
//!
//! ```text
//!            slot │ spawn · farewell · signal · bury
//!                 ▼
//!   fork ◄──── nursery ────► keeper     born · seen · gone
//!                 │
//!                 └ rounds: a census, then SIGTERM to whom a child left behind, SIGKILL a second later, until none is left
//! ```
//!
//! A child's exit is the slot's business; the nursery has it buried. Only then, and at the rungs of the stop ladder, a census of
//! all processes is taken, one for all children concerned. In between it follows the children's trees now and then, to know
//! those that could not be told apart once their parents have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::ChildStdin;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Keeper, Word};
use super::kin::{self, Being, Census, Kin, Mark};
use super::places::Places;
use super::process::{self, Pipes, Process, Recipe, SpawnError};

/// What a nursery is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Spawn {
        recipe: Arc<Recipe>,
        program: OsString,
        places: Places,
        answer: oneshot::Sender<Made>,
    },
    /// Close this stdin, after looking whom the child has started.
    Farewell {
        child: u64,
        stdin: ChildStdin,
    },
    /// Signal whomever the child has started outside its group.
    Signal {
        child: u64,
        signal: Signal,
    },
    /// The child has exited; end what it left, at once if it was killed.
    Bury {
        child: u64,
        places: Places,
        killed: bool,
    },
    /// Say when nothing is left, and leave.
    End(oneshot::Sender<()>),
}

/// A process, or why there is none.
pub(super) type Made = Result<(Process, Pipes), SpawnError>;

/// Asks the thread.
#[derive(Clone, Debug)]
pub(crate) struct Nursery(mpsc::Sender<Request>);

/// What the thread owns.
#[derive(Debug)]
struct Room {
    handle: Nursery,
    /// The runtime of the slots, to which the pipes of children belong.
    pipes: Handle,
    mark: Mark,
    wards: BTreeMap<u64, Ward>,
    /// The number of the last child.
    last: u64,
    keeper: Keeper,
    /// When the next round is due, and the pause after it.
    round_at: Option<Instant>,
    pause: Duration,
    look_at: Option<Instant>,
    ending: Option<(oneshot::Sender<()>, Instant)>,
    /// It has been said that `/proc` cannot be read.
    blind: bool,
}

/// A child and its family.
#[derive(Debug)]
struct Ward {
    kin: Kin,
    /// To be sent to all of it.
    order: Option<Signal>,
    /// Who has been asked to leave.
    asked: BTreeSet<Being>,
    left: Option<Left>,
}

/// A child that has exited.
#[derive(Debug)]
struct Left {
    since: Instant,
    /// From when on those it left are killed.
    kill_at: Instant,
    _places: Places,
}

/// Requests waiting, for each child there may be: more than can be asked of one at a time.
const REQUESTS_PER_CHILD: usize = 8;

/// How long what a child left behind has to leave when it is asked to.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// How long it is tried to end what cannot be ended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between rounds: short at first, because most leave at once.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(10);
pub(crate) const PAUSE_MAX: Duration = Duration::from_millis(200);

/// When the tree of a child is looked at: soon after its start, then every so often.
const LOOK_FIRST: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_secs(30);

// === impl Nursery ===

impl Nursery {
    /// Opens it for so many children. To be called within the runtime.
    pub(crate) fn open(children_max: usize) -> std::io::Result<Self> {
        process::seal_descriptors();
        let bound = children_max.saturating_mul(REQUESTS_PER_CHILD).clamp(64, 1 << 16);
        let (sender, requests) = mpsc::channel(bound);
        let nursery = Self(sender);
        let mark = Mark::random();
        let pipes = Handle::current();
        // A runtime of its own, so that a walk through `/proc` delays no timer and no pipe of the others.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let room = Room {
            handle: nursery.clone(),
            pipes,
            keeper: Keeper::new(mark.clone()),
            mark,
            wards: BTreeMap::new(),
            last: 0,
            round_at: None,
            pause: PAUSE_MIN,
            look_at: None,
            ending: None,
            blind: false,
        };
        std::thread::Builder::new().name("nursery".to_owned()).spawn(move || {
            let life = std::panic::AssertUnwindSafe(|| runtime.block_on(room.live(requests)));
            if std::panic::catch_unwind(life).is_err() {
                // All children end with this thread, and none could be started any more. The keeper sees to what they leave.
                std::process::abort();
            }
        })?;
        Ok(nursery)
    }

    /// Asks for a process. It comes through the channel that is given back. A disk that does not answer would keep all others
    /// waiting, so the program has to have been found.
    pub(super) fn spawn(
        &self,
        recipe: Arc<Recipe>,
        program: OsString,
        places: Places,
    ) -> oneshot::Receiver<Made> {
        let (answer, made) = oneshot::channel();
        self.tell(Request::Spawn { recipe, program, places, answer });
        made
    }

    pub(super) fn tell(&self, request: Request) {
        if let Err(error) = self.0.try_send(request) {
            // The bound leaves room for all children at once. What is lost is ended with the daemon at the latest.
            tracing::error!(%error, "the nursery does not listen");
        }
    }

    /// Waits until nothing is left of any child. To be called once no slot is there any more.
    pub(crate) async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.0.send(Request::End(done)).await.is_ok() {
            // Whether it says so or has gone without a word, it is over.
            ended.await.ok();
        }
    }
}

// === impl Room ===

impl Room {
    async fn live(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            tokio::select! { biased;
                request = requests.recv() => match request {
                    Some(request) => self.on_request(request).await,
                    None => return,
                },
                () = at(self.round_at) => self.round().await,
                () = self.keeper.wanted(), if !self.wards.is_empty() => {
                    self.keeper.start(self.wards.iter().map(|(child, ward)| (*child, &ward.kin))).await;
                }
                () = at(self.look_at) => self.look_around().await,
                () = at(self.ending.as_ref().map(|(_, until)| *until)) => return self.close().await,
            }
            if self.wards.is_empty() && self.ending.is_some() {
                return self.close().await;
            }
        }
    }

    async fn on_request(&mut self, request: Request) {
        let now = Instant::now();
        match request {
            Request::Spawn { recipe, program, places, answer } => {
                let made = self.spawn(&recipe, &program, places).await;
                // A slot that has changed its mind lets go of the process, which then comes back to be buried.
                answer.send(made).ok();
            }
            Request::Farewell { child, stdin } => {
                self.look(child).await;
                drop(stdin);
            }
            Request::Signal { child, signal } => {
                if let Some(ward) = self.wards.get_mut(&child) {
                    ward.order = Some(signal);
                    self.hasten(now);
                }
            }
            Request::Bury { child, places, killed } => {
                if let Some(ward) = self.wards.get_mut(&child) {
                    let kill_at = if killed { now } else { now + GRACE };
                    ward.left = Some(Left { since: now, kill_at, _places: places });
                    self.hasten(now);
                }
            }
            Request::End(done) => self.ending = Some((done, now + PATIENCE)),
        }
    }

    async fn spawn(&mut self, recipe: &Recipe, program: &OsStr, places: Places) -> Made {
        let number = self.last + 1;
        let (process, pipes) = {
            let _inside = self.pipes.enter();
            recipe.start(program, &self.mark.of(number))?
        };
        self.last = number;
        if let Some(leader) =
            process.id().and_then(|id| id.try_into().ok()).map(Being::just_started)
        {
            let ward =
                Ward { kin: Kin::new(leader), order: None, asked: BTreeSet::new(), left: None };
            self.wards.insert(number, ward);
            self.keeper.tell(Word::Born { child: number, leader }).await;
            let soon = Instant::now() + LOOK_FIRST;
            self.look_at = Some(self.look_at.map_or(soon, |at| at.min(soon)));
        }
        Ok((Process::new(process, number, self.handle.clone(), places), pipes))
    }

    /// The next round is now.
    fn hasten(&mut self, now: Instant) {
        (self.round_at, self.pause) = (Some(now), PAUSE_MIN);
    }

    async fn look(&mut self, child: u64) {
        let Some(ward) = self.wards.get_mut(&child) else { return };
        for being in ward.kin.look() {
            self.keeper.tell(Word::Seen { child, being }).await;
            tracing::debug!(child, pid = being.pid, "a descendant was seen");
        }
    }

    async fn look_around(&mut self) {
        let children: Vec<u64> = self.wards.keys().copied().collect();
        for child in &children {
            self.look(*child).await;
        }
        self.reap();
        self.look_at = (!children.is_empty()).then(|| Instant::now() + LOOK_AGAIN);
    }

    /// One step towards nothing being left.
    async fn round(&mut self) {
        let census = Census::take(&self.mark);
        if let Err(error) = &census
            && !std::mem::replace(&mut self.blind, true)
        {
            tracing::warn!(%error, "processes cannot be listed in /proc; what servers start outside their process groups may stay");
        }
        let now = Instant::now();
        let mut gone = Vec::new();
        for (child, ward) in &mut self.wards {
            let over = match &census {
                Ok(census) => ward.step(*child, census, now),
                Err(_) => ward.step_blindly(),
            };
            if over {
                gone.push(*child);
            }
        }
        for child in gone {
            self.wards.remove(&child);
            self.keeper.tell(Word::Gone { child }).await;
        }
        self.reap();
        let more = self.wards.values().any(|ward| ward.left.is_some());
        self.round_at = more.then(|| now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// The first process of a container inherits what others leave.
    fn reap(&self) {
        if rustix::process::getpid().is_init() {
            let leaders = self.wards.values().map(|ward| ward.kin.leader.pid);
            kin::reap(&leaders.chain(self.keeper.pid()).collect());
        }
    }

    async fn close(mut self) {
        if !self.wards.is_empty() {
            tracing::warn!(
                children = self.wards.len(),
                "some children left processes that cannot be ended"
            );
        }
        self.keeper.dismiss(self.wards.is_empty()).await;
        if let Some((done, _)) = self.ending {
            // Who waited may have given up.
            done.send(()).ok();
        }
    }
}

// === impl Ward ===

impl Ward {
    /// Signals who is to be signalled. True once the child has left and nobody of its family is there.
    fn step(&mut self, child: u64, census: &Census, now: Instant) -> bool {
        if self.order.is_none() && self.left.is_none() {
            return false;
        }
        let members = census.of(child, &self.kin);
        if let Some(signal) = self.order.take() {
            for being in &members {
                // Its group has got the signal already, and a second SIGTERM can mean something else.
                let outside = census.group(*being) != Some(self.kin.leader.pid);
                if (self.asked.insert(*being) && outside) || signal == Signal::KILL {
                    send(*being, signal);
                }
            }
        }
        let Some(left) = &self.left else { return false };
        if members.is_empty() {
            return true;
        }
        tracing::debug!(child, count = members.len(), "a child left processes behind");
        for being in &members {
            if now >= left.kill_at {
                send(*being, Signal::KILL);
            } else if self.asked.insert(*being) {
                send(*being, Signal::TERM);
            }
        }
        let hopeless = now.duration_since(left.since) >= PATIENCE;
        if hopeless {
            tracing::error!(?members, "a child left processes that do not end");
        }
        hopeless
    }

    /// What can be done without knowing who is there.
    fn step_blindly(&mut self) -> bool {
        self.order = None;
        if self.left.is_some()
            && let Some(group) = Pid::from_raw(self.kin.leader.pid)
        {
            // A group without members is what we want.
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        self.left.is_some()
    }
}

fn send(being: Being, signal: Signal) {
    if let Err(error) = being.signal(signal) {
        tracing::debug!(pid = being.pid, ?signal, %error, "a process could not be signalled");
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}
