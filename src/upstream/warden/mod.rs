//! One server: its shared slot, its private slots, and the permits to run processes.
//!
//! - `room`: who gets a child of its own, and who makes room for it
//! - `spares`: warm children for those who come next

mod room;
mod spares;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::room::Role;
use self::spares::Spares;
use super::environment;
use super::nursery::Nursery;
use super::places::HostRoom;
use super::process::Recipe;
use super::site::Site;
use super::slot::{self, Command, Gauge, Plan, Policy};
use crate::bridge::greeting::Hello;
use crate::bridge::lifecycle::Pace;
use crate::bridge::policy::ToolPolicy;
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::{Limits, Tenancy};
use crate::config::model::{Overflow, Server, Start};
use crate::link::directory::{Entry, Place, Report, WardenOrder};
use crate::link::era::EraCell;
use crate::link::handle::Link;
use crate::link::tools::Tools;
use crate::wire::id::{FrontId, ServerName};

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

/// No session has this number.
const NOBODY: FrontId = FrontId(0);

/// How long a slot may take to say how it is doing.
const REPORT_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Warden {
    plan: Plan,
    settings: Settings,
    orders: mpsc::Receiver<WardenOrder>,
    slots: Vec<Held>,
    tasks: JoinSet<()>,
    overflow: Overflow,
    max_children: usize,
    spares: Spares,
    /// When it was last said that nobody can make room.
    crowded: Option<Instant>,
}

/// A slot as its warden holds it.
#[derive(Debug)]
struct Held {
    commands: mpsc::Sender<Command>,
    gauge: Arc<Gauge>,
    role: Role,
    /// It was told to leave.
    is_told: bool,
}

/// Makes a server: what the HTTP side is to know of it, and the task that has to run for it.
pub(crate) fn open(
    name: ServerName,
    config: &Arc<Server>,
    settings: Settings,
) -> (Arc<Entry>, impl Future<Output = ()> + Send + 'static) {
    let (shared, inbox) = Link::new(name.clone());
    let (sender, orders) = mpsc::channel(64);
    let era = Arc::new(EraCell::default());
    let tools = Arc::new(Tools::default());
    let entry = Arc::new(Entry {
        name: name.clone(),
        config: Arc::clone(config),
        shared,
        warden: sender,
        era: Arc::clone(&era),
        pools: Arc::default(),
        tools: Arc::clone(&tools),
    });
    let environment = environment::compose(config, settings.environment.iter().cloned());
    let plan = Plan { era, tools, ..plan(name, config, environment, &settings) };
    let mut warden = Warden {
        plan,
        settings,
        orders,
        slots: Vec::new(),
        tasks: JoinSet::new(),
        overflow: config.overflow,
        max_children: config.max_children,
        spares: Spares::new(config),
        crowded: None,
    };
    let shared = Plan { eager: config.start == Start::Eager, ..warden.plan.clone() };
    warden.occupy(shared, inbox, Role::Shared);
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
        site: Site::new(recipe),
        policy: policy(name, config, settings),
        line_max: config.max_message.bytes(),
        stateful: config.stateful,
        eager: false,
        spare: false,
        permits: Arc::new(Semaphore::new(config.max_children)),
        host: Arc::clone(&settings.host),
        nursery: settings.nursery.clone(),
        starts: Arc::clone(&settings.starts),
        squeezed: Arc::new(Notify::new()),
        rested: Arc::new(Notify::new()),
        gauge: Gauge::new(),
        choice: config.era,
        era: Arc::default(),
        tools: Arc::default(),
        state: settings.state.clone(),
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
        legacy_output: config.legacy_output,
        tasks: config.tasks,
        ..Limits::new(name)
    };
    let pace = Pace {
        start_timeout: config.start_timeout.0,
        grace: config.stop_grace.0,
        ..Pace::default()
    };
    let (idle_stop, payloads) = (config.idle_stop.0, settings.payloads);
    Policy { limits, pace, probe_wait: config.probe_wait.0, idle_stop, payloads }
}

// === impl Warden ===

impl Warden {
    async fn run(mut self) {
        let stop = self.settings.stop.clone();
        let squeezed = Arc::clone(&self.plan.squeezed);
        let host = Arc::clone(&self.plan.host);
        let rested = Arc::clone(&self.plan.rested);
        loop {
            let look = self.replenish();
            tokio::select! { biased;
                () = stop.cancelled() => return self.drain().await,
                () = squeezed.notified() => self.make_room(),
                () = host.squeezed.notified() => self.make_room_for_others(),
                () = rested.notified() => self.end_resting(),
                order = self.orders.recv() => match order {
                    Some(order) => self.on_order(order),
                    None => return self.drain().await,
                },
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(server = %self.plan.name, "a slot was lost: {error}");
                    }
                    self.forget_ended();
                }
                () = tokio::time::sleep_until(look.unwrap_or_else(Instant::now).into()), if look.is_some() => {}
            }
        }
    }

    fn on_order(&mut self, order: WardenOrder) {
        match order {
            WardenOrder::Private { hello, again, answer } => {
                // Whoever asked may have left; then the slot has nothing to wait for.
                if let Err(Ok(Place::Private(link))) = answer.send(self.place(hello, again)) {
                    link.close(NOBODY);
                }
            }
            WardenOrder::Pooled { pool, answer } => {
                // Whoever asked may have left; a slot that nobody calls ends by itself.
                answer.send(self.pooled(pool)).ok();
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

    /// A slot of its own for whoever introduces itself so.
    fn private(&mut self, hello: Hello, spare: bool) -> Link {
        let (link, inbox) = Link::new(self.plan.name.clone());
        let role = if spare {
            Role::Spare { link: link.clone(), hello: hello.clone() }
        } else {
            Role::Private
        };
        self.occupy_own(Tenancy::Private, hello, inbox, role);
        link
    }

    /// A slot that is not the shared one, to be used at once.
    fn occupy_own(
        &mut self,
        tenancy: Tenancy,
        hello: Hello,
        inbox: crate::link::handle::Inbox,
        role: Role,
    ) {
        let gauge = Gauge::new();
        gauge.wants.store(true, Ordering::Relaxed);
        let spare = matches!(role, Role::Spare { .. });
        let plan = Plan { tenancy, hello, eager: true, spare, gauge, ..self.plan.clone() };
        self.occupy(plan, inbox, role);
    }

    fn occupy(&mut self, plan: Plan, inbox: crate::link::handle::Inbox, role: Role) {
        let (commands, commands_end) = mpsc::channel(8);
        self.slots.push(Held { commands, gauge: Arc::clone(&plan.gauge), role, is_told: false });
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

    pub(super) fn warden(config: &Server, slots: Vec<Held>) -> Warden {
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
        let plan = plan(name, config, std::collections::BTreeMap::new(), &settings);
        let (_, orders) = mpsc::channel(1);
        Warden {
            plan,
            settings,
            orders,
            slots,
            tasks: JoinSet::new(),
            overflow: config.overflow,
            max_children: config.max_children,
            spares: Spares::new(config),
            crowded: None,
        }
    }

    pub(super) fn held(role: Role) -> (Held, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(1);
        let gauge = Gauge::new();
        gauge.running.store(true, Ordering::Relaxed);
        (Held { commands, gauge, role, is_told: false }, received)
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_from_a_disk_that_never_answers_fails_and_says_so() {
        let mut warden = warden(&Server::default(), Vec::new());
        let recipe = Recipe { cwd: Some("/away".into()), ..(*warden.plan.site.recipe).clone() };
        let site = Site::hung(recipe);
        let (link, inbox) = Link::new(warden.plan.name.clone());
        let plan = Plan { site, eager: true, ..warden.plan.clone() };
        warden.occupy(plan, inbox, Role::Shared);
        let trouble = loop {
            let (answer, report) = oneshot::channel();
            warden.report(answer);
            let children = report.await.unwrap().children;
            if let Some(trouble) = children.into_iter().find_map(|child| child.trouble) {
                break trouble;
            }
            tokio::time::sleep(REPORT_WAIT).await;
        };
        assert!(trouble.contains("\"/away\"") && trouble.contains("does not answer"), "{trouble}");
        assert_eq!(warden.plan.permits.available_permits(), Server::default().max_children);
        drop(link);
    }

    #[tokio::test]
    async fn a_slot_too_busy_to_look_is_told_to_stop_all_the_same() {
        let (slot, mut received) = held(Role::Shared);
        slot.commands.try_send(Command::Rest).unwrap();
        let mut warden = warden(&Server::default(), vec![slot]);
        warden.tell_all(|| Command::Hurry);
        assert!(matches!(received.recv().await, Some(Command::Rest)));
        assert!(matches!(received.recv().await, Some(Command::Hurry)));
    }
}
