//! One server: its shared slot, its private slots, and the permits to run processes.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::environment;
use super::nursery::Nursery;
use super::places::HostRoom;
use super::process::Recipe;
use super::slot::{self, Command, Gauge, Plan, Policy};
use crate::bridge::greeting::Hello;
use crate::bridge::lifecycle::Pace;
use crate::bridge::policy::ToolPolicy;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Limits, Tenancy};
use crate::config::model::{Server, Start};
use crate::link::directory::{Entry, Report, WardenOrder};
use crate::link::handle::Link;
use crate::wire::id::ServerName;

/// What a warden is told beyond its server's configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) commit_after: Duration,
    /// Log what is said, word for word.
    pub(crate) payloads: bool,
    /// Our own environment, of which children see a part.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Permits to be busy starting, for all servers together.
    pub(crate) starts: Arc<Semaphore>,
    /// Where to keep what outlives us.
    pub(crate) state: Option<Arc<Path>>,
    /// Room for processes, for all servers together.
    pub(crate) host: Arc<HostRoom>,
    pub(crate) nursery: Nursery,
    /// Finish calls and end.
    pub(crate) stop: CancellationToken,
    /// The daemon ends, and not only this server.
    pub(crate) ending: CancellationToken,
    /// End now.
    pub(crate) hurry: CancellationToken,
    /// How long calls may go on after `stop`.
    pub(crate) drain: Duration,
}

/// How long a slot may take to say how it is doing.
const REPORT_WAIT: Duration = Duration::from_secs(1);

/// How long a child that was put to rest may take before another is.
const LEAVING_SOON: Duration = Duration::from_millis(500);

/// How often it is logged that clients wait for a child.
const CROWDED_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Warden {
    plan: Plan,
    settings: Settings,
    orders: mpsc::Receiver<WardenOrder>,
    slots: Vec<Held>,
    tasks: JoinSet<()>,
    /// When it was last said that nobody can make room.
    crowded: Option<Instant>,
}

/// A slot as its warden holds it.
#[derive(Debug)]
struct Held {
    commands: mpsc::Sender<Command>,
    gauge: Arc<Gauge>,
    private: bool,
}

/// Makes a server: what the HTTP side is to know of it, and the task that has to run for it.
pub(crate) fn open(
    name: ServerName,
    config: &Arc<Server>,
    settings: Settings,
) -> (Arc<Entry>, impl Future<Output = ()> + Send + 'static) {
    let (shared, inbox) = Link::new(name.clone());
    let (sender, orders) = mpsc::channel(64);
    let entry =
        Arc::new(Entry { name: name.clone(), config: Arc::clone(config), shared, warden: sender });
    let environment = environment::compose(config, settings.environment.iter().cloned());
    let plan = plan(name, config, environment, &settings);
    let mut warden =
        Warden { plan, settings, orders, slots: Vec::new(), tasks: JoinSet::new(), crowded: None };
    let shared = Plan { eager: config.start == Start::Eager, ..warden.plan.clone() };
    warden.occupy(shared, inbox);
    (entry, warden.run())
}

fn plan(
    name: ServerName,
    config: &Server,
    environment: std::collections::BTreeMap<OsString, OsString>,
    settings: &Settings,
) -> Plan {
    let recipe = Recipe {
        command: config.command.clone().into(),
        args: config.args.iter().map(|arg| arg.expose().into()).collect(),
        cwd: config.cwd.clone(),
        environment,
        limits: config.limits.clone(),
    };
    Plan {
        name: name.clone(),
        tenancy: Tenancy::Shared,
        hello: Hello::shared(),
        recipe: Arc::new(recipe),
        policy: policy(name, config, settings),
        line_max: config.max_message.bytes(),
        stateful: config.stateful,
        eager: false,
        permits: Arc::new(Semaphore::new(config.max_children)),
        host: Arc::clone(&settings.host),
        nursery: settings.nursery.clone(),
        starts: Arc::clone(&settings.starts),
        squeezed: Arc::new(Notify::new()),
        gauge: Gauge::new(),
    }
}

/// What can change while children run.
fn policy(name: ServerName, config: &Server, settings: &Settings) -> Policy {
    let limits = Limits {
        concurrency: config.concurrency,
        request_timeout: config.request_timeout.0,
        request_timeout_max: config.request_timeout_max.0,
        start_wait: config.start_wait.0,
        push_wait: config.push_wait.0,
        commit_after: settings.commit_after,
        tools: ToolPolicy::new(config.tools.clone()),
        ..Limits::new(name)
    };
    let pace = Pace {
        start_timeout: config.start_timeout.0,
        grace: config.stop_grace.0,
        ..Pace::default()
    };
    Policy { limits, pace, payloads: settings.payloads }
}

// === impl Warden ===

impl Warden {
    async fn run(mut self) {
        let stop = self.settings.stop.clone();
        let squeezed = Arc::clone(&self.plan.squeezed);
        let host = Arc::clone(&self.plan.host);
        loop {
            tokio::select! { biased;
                () = stop.cancelled() => return self.drain().await,
                () = squeezed.notified() => self.make_room(),
                () = host.squeezed.notified() => self.make_room_for_others(),
                order = self.orders.recv() => match order {
                    Some(order) => self.on_order(order),
                    None => return self.drain().await,
                },
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(server = %self.plan.name, "a slot was lost: {error}");
                    }
                    self.slots.retain(|slot| !slot.commands.is_closed());
                }
            }
        }
    }

    fn on_order(&mut self, order: WardenOrder) {
        match order {
            WardenOrder::Private { hello, answer } => {
                let (link, inbox) = Link::new(self.plan.name.clone());
                let plan = Plan {
                    tenancy: Tenancy::Private,
                    hello,
                    eager: true,
                    gauge: Gauge::new(),
                    ..self.plan.clone()
                };
                self.occupy(plan, inbox);
                // If nobody takes the link the slot ends by itself, unclaimed.
                answer.send(link).ok();
            }
            WardenOrder::Report { answer } => self.report(answer),
            WardenOrder::Adjust(to) => {
                self.settings.commit_after = to.commit_after;
                self.settings.payloads = to.payloads;
                self.plan.policy = policy(self.plan.name.clone(), &to.config, &self.settings);
                let policy = self.plan.policy.clone();
                self.tell_all(|| Command::Adjust(Box::new(policy.clone())));
            }
        }
    }

    fn occupy(&mut self, plan: Plan, inbox: crate::link::handle::Inbox) {
        let (commands, commands_end) = mpsc::channel(8);
        let private = plan.tenancy == Tenancy::Private;
        self.slots.push(Held { commands, gauge: Arc::clone(&plan.gauge), private });
        self.tasks.spawn(slot::run(plan, inbox, commands_end));
    }

    /// Asks every slot how it is doing, apart from our own work.
    fn report(&mut self, answer: oneshot::Sender<Report>) {
        let commands: Vec<_> = self.slots.iter().map(|slot| slot.commands.clone()).collect();
        self.tasks.spawn(async move {
            let mut report = Report::default();
            for slot in commands {
                let (sender, child) = oneshot::channel();
                if slot.try_send(Command::Report(sender)).is_ok()
                    && let Ok(Ok(child)) = tokio::time::timeout(REPORT_WAIT, child).await
                {
                    report.children.push(child);
                }
            }
            // Whoever asked may have left.
            answer.send(report).ok();
        });
    }

    /// Puts a child to rest that nobody is calling: a private one before the shared one, one whose client holds no stream before
    /// one whose client does, and of these the one that was unused longest.
    fn make_room(&mut self) {
        // Who is leaving already will make room, unless it takes its time.
        let soon = |slot: &Held| slot.gauge.leaving().is_some_and(|since| since < LEAVING_SOON);
        if self.slots.iter().any(soon) {
            return;
        }
        if let Some(slot) = self.resting(|_| true) {
            // A slot with a full queue is far from resting.
            slot.commands.try_send(Command::Rest).ok();
        } else if self.crowded.is_none_or(|since| since.elapsed() >= CROWDED_AGAIN) {
            self.crowded = Some(Instant::now());
            tracing::warn!(
                server = %self.plan.name,
                "all its children are in use (max_children); a client has to wait for one"
            );
        }
    }

    /// Puts an unused private child to rest when the host is full, unless another server has just done so. The shared child
    /// stays: its server would be without any.
    fn make_room_for_others(&mut self) {
        let host = &self.plan.host;
        let private = self.resting(|slot| slot.private);
        if let Some(slot) = private.filter(|_| host.claim()) {
            // A slot with a full queue is far from resting.
            slot.commands.try_send(Command::Rest).ok();
        }
    }

    /// The slot whose child would be missed least, of those where nobody would miss it now.
    fn resting(&self, may: impl Fn(&Held) -> bool) -> Option<&Held> {
        let rests = |slot: &&Held| {
            may(slot)
                && slot.gauge.running.load(Ordering::Relaxed)
                && slot.gauge.calls.load(Ordering::Relaxed) == 0
                && slot.gauge.leaving().is_none()
        };
        self.slots.iter().filter(rests).min_by_key(|slot| {
            let streams = slot.gauge.streams.load(Ordering::Relaxed);
            (!slot.private, streams, slot.gauge.used())
        })
    }

    async fn drain(mut self) {
        self.orders.close();
        let (within, name) = (self.settings.drain, self.plan.name.clone());
        let why = if self.settings.ending.is_cancelled() {
            Refusal::Interrupted
        } else {
            Refusal::Replaced { server: name, after: within }
        };
        self.tell_all(|| Command::Stop { within, why: why.clone() });
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => if ended.is_none() { return },
                () = self.settings.hurry.cancelled() => break,
            }
        }
        self.tell_all(|| Command::Hurry);
        while self.tasks.join_next().await.is_some() {}
    }

    /// Gives every slot a command that must not be lost: one that is busy gets it when it looks.
    fn tell_all(&mut self, command: impl Fn() -> Command) {
        for slot in &self.slots {
            let (commands, command) = (slot.commands.clone(), command());
            self.tasks.spawn(async move {
                // A slot that has ended needs no telling.
                commands.send(command).await.ok();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::places::Places;

    fn warden(slots: Vec<Held>) -> Warden {
        let settings = Settings {
            commit_after: Duration::from_secs(5),
            payloads: false,
            environment: Vec::new(),
            starts: Arc::new(Semaphore::new(1)),
            state: None,
            host: HostRoom::new(100),
            nursery: Nursery::open(1).unwrap(),
            stop: CancellationToken::new(),
            ending: CancellationToken::new(),
            hurry: CancellationToken::new(),
            drain: Duration::from_secs(10),
        };
        let name = ServerName::new("s").unwrap();
        let plan = plan(name, &Server::default(), std::collections::BTreeMap::new(), &settings);
        let (_, orders) = mpsc::channel(1);
        Warden { plan, settings, orders, slots, tasks: JoinSet::new(), crowded: None }
    }

    fn held(private: bool) -> (Held, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(1);
        let gauge = Gauge::new();
        gauge.running.store(true, Ordering::Relaxed);
        (Held { commands, gauge, private }, received)
    }

    #[tokio::test]
    async fn a_slot_too_busy_to_look_is_told_to_stop_all_the_same() {
        let (slot, mut received) = held(false);
        slot.commands.try_send(Command::Rest).unwrap();
        let mut warden = warden(vec![slot]);
        warden.tell_all(|| Command::Hurry);
        assert!(matches!(received.recv().await, Some(Command::Rest)));
        assert!(matches!(received.recv().await, Some(Command::Hurry)));
    }

    #[tokio::test]
    async fn who_takes_long_to_leave_does_not_keep_others_from_making_room() {
        let ((slow, mut told_slow), (idle, mut told_idle)) = (held(true), held(true));
        slow.gauge.leaves(true, Instant::now());
        let mut warden = warden(vec![slow, idle]);
        warden.make_room();
        assert!(told_idle.try_recv().is_err(), "the one that is leaving may be enough");
        tokio::time::sleep(LEAVING_SOON + Duration::from_millis(50)).await;
        warden.make_room();
        assert!(matches!(told_idle.try_recv(), Ok(Command::Rest)));
        assert!(told_slow.try_recv().is_err());
    }

    #[tokio::test]
    async fn the_shared_child_makes_room_last() {
        let ((shared, mut told_shared), (private, mut told_private)) = (held(false), held(true));
        let mut warden = warden(vec![shared, private]);
        warden.make_room();
        assert!(matches!(told_private.try_recv(), Ok(Command::Rest)));
        warden.slots.truncate(1);
        warden.make_room();
        assert!(matches!(told_shared.try_recv(), Ok(Command::Rest)));
    }
    #[tokio::test]
    async fn on_a_full_host_private_children_make_room_for_other_servers_and_shared_ones_do_not() {
        let ((shared, mut told_shared), (private, mut told_private)) = (held(false), held(true));
        let mut warden = warden(vec![shared, private]);
        warden.make_room_for_others();
        assert!(told_private.try_recv().is_err(), "there is room");
        let host = HostRoom::new(1);
        let _held = Places::take(&Arc::new(Semaphore::new(1)), &host).await;
        warden.plan.host = Arc::clone(&host);
        warden.make_room_for_others();
        assert!(matches!(told_private.try_recv(), Ok(Command::Rest)));
        warden.slots.truncate(1);
        warden.plan.host = HostRoom::new(0);
        warden.make_room_for_others();
        assert!(told_shared.try_recv().is_err());
    }
}
