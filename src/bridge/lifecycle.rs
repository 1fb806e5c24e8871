//! When a child is started, given up and started again, and how it is made to leave.
//!
//! ```text
//!            wanted              spawned ∙ greeted
//!  stopped ─────────► starting ───────────────────► ready
//!     ▲                  │ failed, late, gone         │ gone
//!     │                  ▼                            ▼
//!     │             draining ──left──► backing-off ◄──┘        several in a row, or no program: failed,
//!     └── left, not wanted             │  │                    which says no at once and goes on trying
//!                                      ▼  ▼
//!                                   starting
//! ```
//!
//! A start waits for a place first, and only then for its handshake. Leaving is a ladder: stdin is closed, then SIGTERM, then
//! SIGKILL, each after `grace`, each to it and all it started.

mod pace;

use std::sync::Arc;
use std::time::Instant;

pub use self::pace::Pace;

/// Where a child's life stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Stopped,
    /// A process is wanted and waits for its place. No clock runs: the wait is nobody's fault.
    Placing,
    /// A process is there, and its handshake is not done.
    Starting {
        since: Instant,
    },
    Ready {
        since: Instant,
    },
    /// The process is being made to leave.
    Draining {
        rung: Rung,
        until: Instant,
        then: Then,
    },
    /// Between two attempts.
    BackingOff {
        until: Instant,
    },
}

/// A rung of the stop ladder: what was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    ClosedStdin,
    Terminated,
    Killed,
}

/// What follows when the process has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Stop,
    Again,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Happened {
    Wanted,
    Unwanted,
    /// A process is there.
    Spawned,
    /// No process could be made.
    NotSpawned(Arc<str>),
    Greeted,
    /// The handshake went wrong.
    NotGreeted(Arc<str>),
    /// Its stdout ended, but the process is there.
    Mute,
    /// The process has ended.
    Exited(Arc<str>),
    /// The process has ended, and the way it was greeted may be why: the next one is greeted otherwise.
    Startled(Arc<str>),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Spawn,
    CloseStdin,
    Terminate,
    Kill,
    /// The process is gone: settle what it was working on.
    Lost(Arc<str>),
    /// Requests may wait no longer: say this.
    GiveUp(Arc<str>),
}

/// The machine.
#[derive(Debug)]
pub struct Lifecycle {
    pace: Pace,
    state: State,
    /// Failures since the last time of health.
    failures: u32,
    starts: u64,
    /// How many of those followed a failure.
    restarts: u64,
    trouble: Option<Arc<str>>,
    wanted: bool,
    /// How many calls this child has answered.
    served: u32,
}

// === impl Lifecycle ===

impl Lifecycle {
    /// A child that answered so many calls before it died was of use.
    const SERVED_MANY: u32 = 16;

    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            state: State::Stopped,
            failures: 0,
            starts: 0,
            restarts: 0,
            trouble: None,
            wanted: false,
            served: 0,
        }
    }

    /// Goes on at another pace. A clock that runs is read by it from now on.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// The child has answered a call.
    pub fn served(&mut self) {
        self.served = self.served.saturating_add(1);
    }

    /// Failures since the last time of health.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How many processes there have been.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// How many processes followed one that failed.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// What went wrong last, until the child has been healthy again.
    pub fn trouble(&self) -> Option<&Arc<str>> {
        self.trouble.as_ref()
    }

    /// Whether it failed so often that requests are refused at once.
    pub fn is_hopeless(&self) -> bool {
        self.failures >= self.pace.patience && !matches!(self.state, State::Ready { .. })
    }

    /// Whether there is no process, or soon none, for no other reason than that nobody needs one.
    pub fn is_resting(&self) -> bool {
        let leaves_or_left = match self.state {
            State::Stopped | State::Draining { then: Then::Stop, .. } => true,
            State::Placing
            | State::Starting { .. }
            | State::Ready { .. }
            | State::Draining { then: Then::Again, .. }
            | State::BackingOff { .. } => false,
        };
        leaves_or_left && self.trouble.is_none()
    }

    /// Whether there is a process whose handshake is not done.
    pub fn is_starting(&self) -> bool {
        matches!(self.state, State::Starting { .. })
    }

    /// The name of the state, as status pages show it.
    pub fn label(&self) -> &'static str {
        match self.state {
            State::Stopped => "stopped",
            _ if self.is_hopeless() => "failed",
            State::Placing | State::Starting { .. } => "starting",
            State::Ready { .. } => "ready",
            State::Draining { .. } => "draining",
            State::BackingOff { .. } => "backing-off",
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Stopped | State::Placing => None,
            State::Starting { since } => Some(since + self.pace.start_timeout),
            State::Ready { since } => (self.failures > 0).then(|| since + self.pace.forgiven_after),
            State::Draining { until, .. } | State::BackingOff { until } => Some(until),
        }
    }

    /// Takes what happened and adds what is to be done. `chance` is any number; it spreads restarts over time.
    pub fn step(&mut self, now: Instant, chance: u32, happened: Happened, acts: &mut Vec<Act>) {
        match happened {
            Happened::Wanted => {
                self.wanted = true;
                if self.state == State::Stopped {
                    self.start(acts);
                } else if let State::Draining { then, .. } = &mut self.state {
                    *then = Then::Again;
                }
            }
            Happened::Unwanted => {
                self.wanted = false;
                match &mut self.state {
                    State::Stopped => {}
                    State::BackingOff { .. } => self.state = State::Stopped,
                    State::Placing => {
                        self.state = State::Stopped;
                        acts.push(Act::CloseStdin);
                    }
                    State::Starting { .. } | State::Ready { .. } => {
                        // What is sent to rest while it is well is well while it rests.
                        if matches!(self.state, State::Ready { .. }) {
                            self.failures = 0;
                            self.trouble = None;
                        }
                        // From now on it is sent nothing: who comes while it leaves waits for its successor.
                        acts.push(Act::Lost("it was put to rest".into()));
                        self.drain(now, Then::Stop, acts);
                    }
                    State::Draining { then, .. } => *then = Then::Stop,
                }
            }
            Happened::Spawned => {
                if self.state == State::Placing {
                    self.state = State::Starting { since: now };
                }
            }
            Happened::NotSpawned(why) => {
                // A program that cannot be started will not come by waiting.
                self.failures = self.failures.max(self.pace.patience - 1);
                self.fail(&why, acts);
                self.rest(now, chance);
            }
            Happened::Greeted => {
                if self.is_starting() {
                    self.state = State::Ready { since: now };
                }
            }
            Happened::NotGreeted(why) => {
                if self.is_starting() {
                    self.fail(&why, acts);
                    self.drain(now, Then::Again, acts);
                }
            }
            Happened::Mute => {
                if matches!(self.state, State::Starting { .. } | State::Ready { .. }) {
                    self.fail(&"it closed its standard output".into(), acts);
                    self.drain(now, Then::Again, acts);
                }
            }
            Happened::Startled(_) if self.is_starting() => self.start(acts),
            Happened::Startled(why) | Happened::Exited(why) => self.exited(now, chance, &why, acts),
            Happened::Tick => self.tick(now, acts),
        }
    }

    fn exited(&mut self, now: Instant, chance: u32, why: &Arc<str>, acts: &mut Vec<Act>) {
        match self.state {
            State::Starting { .. } | State::Ready { .. } => {
                self.forgive(now);
                self.fail(why, acts);
                self.rest(now, chance);
            }
            State::Draining { then: Then::Again, .. } => {
                acts.push(Act::Lost(Arc::clone(why)));
                if self.failures == 0 {
                    self.start(acts);
                } else {
                    self.rest(now, chance);
                }
            }
            State::Draining { then: Then::Stop, .. } => {
                acts.push(Act::Lost(Arc::clone(why)));
                self.state = State::Stopped;
            }
            State::Stopped | State::Placing | State::BackingOff { .. } => {}
        }
    }

    fn tick(&mut self, now: Instant, acts: &mut Vec<Act>) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        match self.state {
            State::Stopped | State::Placing => {}
            State::Starting { .. } => {
                let limit = self.pace.start_timeout.as_secs_f32();
                let why =
                    format!("it did not answer its handshake within {limit} s (start_timeout)");
                // Everybody has waited long enough for this one.
                self.failures = self.failures.max(self.pace.patience - 1);
                self.fail(&why.into(), acts);
                self.drain(now, Then::Again, acts);
            }
            State::Ready { .. } => self.forgive(now),
            State::Draining { rung, then, .. } => {
                let (rung, act) = match rung {
                    Rung::ClosedStdin => (Rung::Terminated, Act::Terminate),
                    Rung::Terminated | Rung::Killed => (Rung::Killed, Act::Kill),
                };
                acts.push(act);
                self.state = State::Draining { rung, until: now + self.pace.grace, then };
            }
            State::BackingOff { .. } => {
                self.restarts += 1;
                self.start(acts);
            }
        }
    }

    fn start(&mut self, acts: &mut Vec<Act>) {
        self.starts += 1;
        self.served = 0;
        self.state = State::Placing;
        acts.push(Act::Spawn);
    }

    fn drain(&mut self, now: Instant, then: Then, acts: &mut Vec<Act>) {
        acts.push(Act::CloseStdin);
        self.state =
            State::Draining { rung: Rung::ClosedStdin, until: now + self.pace.grace, then };
    }

    fn forgive(&mut self, now: Instant) {
        if let State::Ready { since } = self.state
            && now.duration_since(since) >= self.pace.forgiven_after
        {
            self.failures = 0;
            self.trouble = None;
        }
    }

    /// Counts a failure, settles what was running, and says when waiting has become pointless. It never is after a child that
    /// has answered many calls: its successor will, so it comes soon, however often this happens.
    fn fail(&mut self, why: &Arc<str>, acts: &mut Vec<Act>) {
        let most = if self.served >= Self::SERVED_MANY {
            self.pace.patience.saturating_sub(1)
        } else {
            u32::MAX
        };
        self.failures = self.failures.saturating_add(1).min(most);
        self.trouble = Some(Arc::clone(why));
        acts.push(Act::Lost(Arc::clone(why)));
        if self.failures >= self.pace.patience {
            acts.push(Act::GiveUp(Arc::clone(why)));
        }
    }

    fn rest(&mut self, now: Instant, chance: u32) {
        let doublings = self.failures.saturating_sub(1).min(16);
        let full = (self.pace.backoff_min * (1 << doublings)).min(self.pace.backoff_max);
        // Between four and five fifths: servers that fell together do not rise together.
        let share = 0.8 + 0.2 * f64::from(chance) / f64::from(u32::MAX);
        let until = now + full.mul_f64(share);
        self.state = if self.wanted { State::BackingOff { until } } else { State::Stopped };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Life {
        machine: Lifecycle,
        now: Instant,
    }

    impl Life {
        fn new() -> Self {
            Self { machine: Lifecycle::new(Pace::default()), now: Instant::now() }
        }

        fn step(&mut self, happened: Happened) -> Vec<Act> {
            let mut acts = Vec::new();
            self.machine.step(self.now, 0, happened, &mut acts);
            if acts.contains(&Act::Spawn) {
                self.machine.step(self.now, 0, Happened::Spawned, &mut acts);
            }
            acts
        }

        /// Lets time pass to the next deadline and says how long that was.
        fn wait(&mut self) -> (Duration, Vec<Act>) {
            let due = self.machine.deadline().expect("something is due");
            let passed = due - self.now;
            self.now = due;
            (passed, self.step(Happened::Tick))
        }
    }

    fn exit() -> Happened {
        Happened::Exited("exit status 1".into())
    }

    #[test]
    fn a_child_is_started_once_however_many_want_it() {
        let mut life = Life::new();
        assert_eq!(life.step(Happened::Wanted), [Act::Spawn]);
        assert_eq!(life.step(Happened::Wanted), []);
        assert_eq!(life.step(Happened::Greeted), []);
        assert_eq!((life.machine.label(), life.machine.deadline()), ("ready", None));
    }

    #[test]
    fn a_child_that_dies_comes_back_later_each_time_and_is_given_up_on_in_between() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        let why: Arc<str> = "exit status 1".into();
        let mut pauses = Vec::new();
        for round in 1..=10 {
            let acts = life.step(exit());
            let given_up = acts.contains(&Act::GiveUp(Arc::clone(&why)));
            assert_eq!(given_up, round >= 3);
            assert_eq!(acts[0], Act::Lost(Arc::clone(&why)));
            let (pause, acts) = life.wait();
            assert_eq!(acts, [Act::Spawn]);
            assert_eq!((life.machine.starts(), life.machine.restarts()), (round + 1, round));
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [160, 320, 640, 1280, 2560, 5120, 10240, 20480, 24000, 24000]);
        assert_eq!(life.machine.label(), "failed");
        life.step(Happened::Greeted);
        assert_eq!(life.machine.label(), "ready");
    }

    #[test]
    fn a_child_that_ends_for_how_it_was_greeted_is_followed_at_once_and_has_not_failed() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        assert_eq!(life.step(Happened::Startled("exit status 1".into())), [Act::Spawn]);
        let machine = &life.machine;
        assert_eq!((machine.starts(), machine.restarts(), machine.failures()), (2, 0, 0));
        assert_eq!((machine.label(), machine.trouble()), ("starting", None));
        life.step(Happened::Unwanted);
        assert_eq!(life.step(Happened::Startled("gone".into())), [Act::Lost("gone".into())]);
        assert_eq!(*life.machine.state(), State::Stopped);
    }

    #[test]
    fn a_child_that_answers_calls_before_it_dies_comes_back_soon_each_time() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        for round in 1..20 {
            life.step(Happened::Greeted);
            (0..Lifecycle::SERVED_MANY).for_each(|_| life.machine.served());
            let acts = life.step(exit());
            assert_eq!(acts, [Act::Lost("exit status 1".into())]);
            assert_eq!(life.wait().0.as_millis(), if round == 1 { 160 } else { 320 });
        }
        // One that answers few is a failure like any other.
        life.step(Happened::Greeted);
        life.machine.served();
        assert!(life.step(exit()).contains(&Act::GiveUp("exit status 1".into())));
    }

    #[test]
    fn a_minute_of_health_forgives() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        life.step(exit());
        life.wait();
        life.step(Happened::Greeted);
        assert_eq!(life.wait().0, Duration::from_secs(60));
        assert_eq!((life.machine.failures(), life.machine.trouble()), (0, None));
    }

    #[test]
    fn a_missing_program_is_hopeless_at_once_but_tried_again() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        life.step(Happened::NotSpawned("no such program".into()));
        assert_eq!(life.machine.label(), "failed");
        assert_eq!(life.wait().1, [Act::Spawn]);
    }

    #[test]
    fn a_stubborn_child_is_led_down_the_whole_ladder() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        life.step(Happened::Greeted);
        let lost = Act::Lost("it was put to rest".into());
        assert_eq!(life.step(Happened::Unwanted), [lost, Act::CloseStdin]);
        assert_eq!(life.wait(), (Duration::from_secs(5), vec![Act::Terminate]));
        assert_eq!(life.wait(), (Duration::from_secs(5), vec![Act::Kill]));
        assert_eq!(life.step(exit()), [Act::Lost("exit status 1".into())]);
        assert_eq!(*life.machine.state(), State::Stopped);
    }

    #[test]
    fn who_is_sent_to_rest_while_it_is_well_rests_without_trouble() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        life.step(exit());
        life.wait();
        life.step(Happened::Greeted);
        assert!(life.machine.trouble().is_some() && !life.machine.is_resting());
        life.step(Happened::Unwanted);
        assert!(life.machine.is_resting(), "while it leaves");
        life.step(exit());
        assert_eq!((life.machine.label(), life.machine.trouble()), ("stopped", None));
        assert!(life.machine.is_resting());
        life.step(Happened::Wanted);
        assert!(!life.machine.is_resting(), "it is on its way");
    }

    #[test]
    fn who_is_stopped_before_it_was_ever_well_again_does_not_rest() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        life.step(exit());
        life.step(Happened::Unwanted);
        assert_eq!((life.machine.label(), life.machine.is_resting()), ("stopped", false));
    }

    #[test]
    fn a_silent_child_is_replaced() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        let (waited, acts) = life.wait();
        assert_eq!(waited, Duration::from_secs(60));
        assert_eq!(acts.last(), Some(&Act::CloseStdin));
        assert!(life.machine.is_hopeless(), "nobody is made to wait for it again");
        assert!(life.machine.trouble().unwrap().contains("60 s"));
        life.step(exit());
        assert_eq!(life.wait().1, [Act::Spawn]);
    }

    #[test]
    fn waiting_for_a_place_is_no_failure() {
        let mut machine = Lifecycle::new(Pace::default());
        let now = Instant::now();
        let mut acts = Vec::new();
        machine.step(now, 0, Happened::Wanted, &mut acts);
        assert_eq!((machine.label(), machine.deadline()), ("starting", None));
        machine.step(now + Duration::from_secs(600), 0, Happened::Tick, &mut acts);
        assert_eq!((acts.len(), machine.failures()), (1, 0));
        machine.step(now, 0, Happened::Unwanted, &mut acts);
        assert_eq!(*machine.state(), State::Stopped);
    }

    #[test]
    fn wanting_a_leaving_child_brings_the_next_one() {
        let mut life = Life::new();
        life.step(Happened::Wanted);
        life.step(Happened::Greeted);
        life.step(Happened::Unwanted);
        life.step(Happened::Wanted);
        assert_eq!(life.step(exit()).last(), Some(&Act::Spawn));
    }
}
