//! The switchboard of one slot: it gives every request a number of its own, remembers whose it is, and brings what the child
//! says to the one it concerns.
//!
//! What always holds, and is tested over random orders and lines:
//! every call is settled exactly once; no upstream number is used twice; a late or unknown answer changes nothing but a
//! counter; every ask is answered, by its client or by us; nothing of one session reaches another; event ids of a stream
//! rise; no table outgrows its bound.
//!
//! - `orders`: what clients want          - `lines`: what the child says
//! - `child`: what is known of the child    - `dispatching`: how calls go to it
//! - `fronts`: how sessions come and go   - `recalling`: answering for a child that rests
//! - `asking`: the child's own questions  - `notices`: progress, logs, changes
//! - `suspending`: questions to clients without a session   - `returning`: their answers
//! - `looping`: questions of a child without a handshake
//! - `expiring`: rounds that end without their clients      - `crossing`: messages between the eras
//! - `telling`: the ways to a client      - `settling`: how calls end
//! - `streams`: standing and taken up again - `subscribing`: who hears of which resource
//! - `listening`: streams of changes     - `hearing`: the bridge's own
//! - `tasking`: work that goes on after its call      - `absorbing`: the same for clients that cannot wait for it
//! - `bridging`: the same of children that say it in other words
//! - `behind`: readers that are slow      - `keeping`: what is kept for those that were lost

mod absorbing;
mod asking;
mod behind;
mod bridging;
mod child;
mod crossing;
mod dispatching;
mod due;
mod expiring;
mod fronts;
mod hearing;
mod keeping;
mod limits;
mod lines;
mod listening;
mod looping;
mod notices;
mod orders;
mod recalling;
mod returning;
mod settling;
mod streams;
mod subscribing;
mod suspending;
mod tasking;
mod telling;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::child::Absence;
use self::child::Child;
use self::keeping::Kept;
pub use self::limits::Limits;
pub use self::orders::Order;
use super::ask::Ask;
use super::call::Call;
pub use super::call::{Caller, Reach};
use super::front::{Changed, Front, Level, Parties};
use super::greeting::{Abilities, Greeting};
use super::listens::Listens;
use super::numbered::ByNumber;
use super::outlet::Outlet;
use super::queue::Queue;
use super::tasks::{Secret, Tasks};
use super::timers::Timers;
use super::topics::Topics;
use super::translate::modern_to_legacy::{Hints, Stamp};
use super::turn::{Note, Turn};
pub use recalling::Need;
use recalling::Recall;

use crate::wire::id::{CallId, FrontId, StreamId};
use crate::wire::ink::Ink;
use crate::wire::method::Method;
use crate::wire::version::Era;

/// Who is behind the fronts of a switchboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// Any number of sessions. The child was told that its client can answer nothing.
    Shared,
    /// One session. The child knows its client.
    Private,
    /// The clients of one principal that can be asked the same and have no sessions. The child knows what they can.
    Pooled {
        /// Only one call at a time may ask something: the principal stands for several people.
        exclusive: bool,
    },
}

/// The switchboard. `R` is where replies go: a channel in life, a letter box in tests.
#[derive(Debug)]
pub struct Switchboard<R> {
    tenancy: Tenancy,
    limits: Limits,
    child: Child,
    recall: Recall,
    fronts: ByNumber<FrontId, Front<R>>,
    /// They are large, and go into a table and out of it as often as they come.
    calls: ByNumber<CallId, Box<Call<R>>>,
    /// Calls that wait for the child or behind `concurrency`, in order.
    waiting: Queue,
    flying: usize,
    /// Calls that nobody but the child could answer.
    working: usize,
    /// Bytes that may be sent to the child before it has to read some; calls wait for them.
    room: usize,
    /// Ordered, so that of several calls the latest is found and walks are the same every time.
    asks: BTreeMap<u64, Ask>,
    asks_made: u64,
    topics: Topics,
    listens: Listens,
    tasks: Tasks,
    /// How the bridge itself hears of changes, from a child that tells of them no other way.
    ears: hearing::Ears,
    /// Who has used this child; log messages reach its clients only if they are one party.
    parties: Parties,
    child_level: Option<Level>,
    own_requests: u64,
    /// Who reads which stream, where that is not simply the call of the same number.
    readers: ByNumber<CallId, Reader>,
    /// Calls that go on under another request than they came with, by the number of that.
    resumed: ByNumber<CallId, CallId>,
    /// Why there is no child, for those who have waited long enough.
    absence: Absence,
    /// Since when it has been starting, however many attempts that took.
    starting: Option<Instant>,
    /// The last fronts that were closed without being open.
    closed_early: VecDeque<FrontId>,
    /// Fronts that were found empty-handed, the longest ago first.
    resting: VecDeque<FrontId>,
    /// When each kind of list was last found changed, or new to us.
    changed: Changed,
    /// Fronts whose only stream broke in this turn; they are closed at its end.
    ended: Vec<FrontId>,
    timers: Timers,
    sweeping: bool,
    /// The child is told soon that fewer log messages will do.
    lowering: bool,
    /// How much the logs of all fronts hold.
    kept: Kept,
    /// Makes stream ids differ from those of other switchboards, earlier ones included.
    stream_base: u64,
    /// What is written with that is short and goes on at once: calls and answers.
    ink: Ink,
    /// The same for progress. A reader may be long in coming for it, and then what lies beside it had better be more of the same.
    news: Ink,
    /// The highest number of a call so far.
    calls_seen: u64,
    born: Instant,
}

/// Somebody at the end of a stream.
#[derive(Clone, Copy, Debug)]
struct Reader {
    front: FrontId,
    stream: StreamId,
}

// === impl Switchboard ===

impl<R: Outlet> Switchboard<R> {
    /// How often kept events and abandoned calls are looked through.
    const SWEEP_EVERY: Duration = Duration::from_secs(15);

    /// Closings that are remembered for orders they overtook.
    const CLOSED_EARLY_MAX: usize = 64;

    /// A switchboard without a child. `stream_base` is a number that no other switchboard has, and nobody else knows `secret`.
    pub fn new(
        tenancy: Tenancy,
        limits: Limits,
        stream_base: u64,
        secret: Secret,
        now: Instant,
    ) -> Self {
        Self {
            tenancy,
            limits,
            child: Child::Absent { hopeless: None, before: false },
            recall: Recall::default(),
            fronts: ByNumber::default(),
            calls: ByNumber::default(),
            waiting: Queue::default(),
            flying: 0,
            working: 0,
            room: usize::MAX,
            asks: BTreeMap::new(),
            asks_made: 0,
            topics: Topics::default(),
            listens: Listens::default(),
            tasks: Tasks::new(secret),
            ears: hearing::Ears::default(),
            parties: Parties::default(),
            child_level: None,
            own_requests: 0,
            readers: ByNumber::default(),
            resumed: ByNumber::default(),
            absence: Absence::Starting,
            starting: None,
            closed_early: VecDeque::new(),
            resting: VecDeque::new(),
            changed: Changed::default(),
            ended: Vec::new(),
            timers: Timers::default(),
            sweeping: false,
            lowering: false,
            kept: Kept::default(),
            stream_base,
            ink: Ink::default(),
            news: Ink::default(),
            calls_seen: 0,
            born: now,
        }
    }

    /// Whether somebody waits for an answer now. Who has been asked something does not.
    pub fn is_awaited(&self) -> bool {
        self.calls() > self.suspended()
    }

    pub fn tenancy(&self) -> Tenancy {
        self.tenancy
    }

    pub fn fronts(&self) -> usize {
        self.fronts.len()
    }

    /// Calls that are not settled. Streams of changes are none that anybody waits for.
    pub fn calls(&self) -> usize {
        self.calls.len() - self.listens()
    }

    /// Streams of changes that are open.
    pub fn listens(&self) -> usize {
        self.listens.len()
    }

    pub fn asks(&self) -> usize {
        self.asks.len()
    }

    /// Whether nothing is kept of anybody.
    pub fn is_empty_handed(&self) -> bool {
        self.fronts.is_empty()
            && self.calls.is_empty()
            && self.waiting.is_empty()
            && self.flying == 0
            && self.working == 0
            && self.asks.is_empty()
            && self.topics.len() == 0
            && self.readers.is_empty()
            && self.resumed.is_empty()
            && self.listens.len() == 0
            && self.ended.is_empty()
            && self.kept.is_empty()
            && self.tasks.is_empty()
    }

    /// Whether no session would miss anything but its child.
    pub fn holds_nothing(&self) -> bool {
        self.calls.is_empty()
            && self.topics.len() == 0
            && self.fronts.values().all(Front::is_empty_handed)
    }

    /// The child answered its handshake.
    pub fn ready(&mut self, abilities: Box<Abilities>, turn: &mut Turn) {
        let before = matches!(self.child, Child::Absent { before: true, .. });
        let lists = abilities.lists;
        let logging = abilities.logging;
        let era = abilities.era;
        if self.tenancy == Tenancy::Shared {
            self.recall.memory.greeted(&abilities);
        }
        turn.notes.push(Note::ToolsChanged);
        // A private child hears of `initialized` from its own client, or with the first request that needs it.
        let initialized = self.tenancy != Tenancy::Private || before || era == Era::Modern;
        if initialized && era == Era::Legacy {
            turn.send(Greeting::close());
        }
        self.starting = None;
        let stamp = Box::new(Stamp::new(Some(&abilities.server_info), Hints::default()));
        self.child = Child::Ready { abilities, initialized, said: turn.now, stamp };
        if era == Era::Modern {
            self.begin_hearing(lists, turn);
        }
        if before {
            for uri in self.topics.lost() {
                self.subscribe(&uri, turn);
            }
            if logging {
                self.child_level = None;
                self.raise_level(turn);
            }
        }
        for listen in self.listens.calls() {
            self.connect_listen(listen, turn);
        }
        self.announce_all(lists, before, turn);
        self.welcome(turn);
        self.pump(turn);
        self.give_time(self.limits.request_timeout, turn.now);
        self.bury(turn);
    }

    /// Waiting has become pointless: whoever waits for the child is told why, and so is everybody who comes before it is
    /// ready again.
    pub fn give_up(&mut self, why: &Arc<str>, turn: &mut Turn) {
        let Child::Absent { hopeless, .. } = &mut self.child else { return };
        *hopeless = Some(Arc::clone(why));
        // Without a child none is flying.
        let mut all: Vec<CallId> = self.calls.keys().copied().collect();
        all.sort_unstable();
        self.waiting = Queue::default();
        for call in all {
            self.refuse(call, self.no_child(why), turn);
        }
        self.bury(turn);
    }

    /// Goes on under other limits. Calls that are at the child keep the time they were given; clients are told when their tools
    /// may be others.
    pub fn adjust(&mut self, limits: Limits, turn: &mut Turn) {
        let same_tools = self.limits.tools == limits.tools;
        self.limits = limits;
        if !same_tools && self.abilities().is_some_and(|child| child.lists.tools) {
            self.announce(
                Method::ToolsListChanged,
                &notices::bare_notice(Method::ToolsListChanged),
                turn,
            );
        }
        self.pump(turn);
        self.bury(turn);
    }

    /// Says how many bytes may be sent to the child now. While it reads too slowly calls wait here, where they can be cancelled
    /// and come to their deadline, and everything that needs no child goes on.
    pub fn allow(&mut self, room: usize, turn: &mut Turn) {
        if std::mem::replace(&mut self.room, room) == 0 && room > 0 {
            self.pump(turn);
        }
    }

    fn stream_of(&mut self, call: CallId, standing: bool) -> StreamId {
        self.calls_seen = self.calls_seen.max(call.0);
        StreamId::new(self.stream_base, call, standing)
    }

    /// Whether this stream was begun by another switchboard: before a restart, or on another host with the same key.
    fn is_foreign(&self, stream: StreamId) -> bool {
        stream.call(self.stream_base).0 > self.calls_seen
    }

    /// The call whose answer is this stream, if it is one's.
    fn call_of(&self, stream: StreamId) -> CallId {
        stream.call(self.stream_base)
    }
}
