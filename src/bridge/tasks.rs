//! Tasks that clients without a handshake own: work of the child that goes on after its call was answered.
//!
//! The child's name for a task is between it and us. Its client is given another one, which nobody can guess who was not told: it
//! is made from a secret and a number that only grows, so that this room needs no source of chance. A task is its owner's, who
//! is the principal of the call it came from; whoever else names it hears what they would hear of one that never was.
//!
//! A task is forgotten when the time is over for which its server keeps it, and with the child that worked on it.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::front::Principal;
use super::translate::rounds::Question;
use crate::wire::id::RawId;
use crate::wire::method::Method;

/// What the names of tasks are made from. No other switchboard has the same.
pub type Secret = [u8; 32];

/// The name of a task towards its client: 128 bits, shown as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TaskId(u128);

/// All of them on one switchboard.
pub(super) struct Tasks {
    secret: Secret,
    named: u64,
    known: HashMap<TaskId, Task>,
}

#[derive(Debug)]
pub(super) struct Task {
    owner: Principal,
    /// Its number among those of this switchboard.
    serial: u64,
    /// What the child calls it.
    pub name: Box<str>,
    created: Instant,
    until: Instant,
    is_over: bool,
    /// What a child with a handshake asks for it.
    pub asks: Vec<Asked>,
    /// Questions so far, for their keys.
    asked: u64,
    /// The child was asked for its outcome, and with that for its questions.
    pub is_opened: bool,
}

/// A question of a child with a handshake that belongs to a task.
#[derive(Debug)]
pub(super) struct Asked {
    pub question: Question,
    pub child_id: RawId,
}

/// How a task stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub is_over: bool,
    /// How long it is kept since it was created; `None` if its server does not say.
    pub ttl: Option<Duration>,
}

/// A task that a call waits for whose client knows none.
#[derive(Debug)]
pub(super) struct Absorbed {
    /// What the child calls it.
    pub name: Box<str>,
    /// How often the child is asked how it stands.
    pub every: Duration,
    /// The request of the bridge's own that the child has still to answer.
    pub serial: Option<u64>,
    /// The raw keys of the questions its client has been asked.
    pub asked: Vec<Box<str>>,
    /// What the child said of it last, as a raw string.
    pub said: Option<Box<str>>,
}

/// There are too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Tasks of one principal, and of all.
const OF_PRINCIPAL_MAX: usize = 1024;
const OF_ALL_MAX: usize = 4096;

/// A task is kept no longer, whatever its server says.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

// === impl Tasks ===

impl Tasks {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, named: 0, known: HashMap::new() }
    }

    /// Gives a task of the child a name of ours. One that is over makes room for it where there is none.
    pub(super) fn open(
        &mut self,
        owner: &Principal,
        name: &str,
        news: News,
        now: Instant,
    ) -> Result<TaskId, Full> {
        let own = self.known.values().filter(|task| task.owner == *owner).count();
        if own >= OF_PRINCIPAL_MAX {
            self.make_room(|task| task.owner == *owner)?;
        } else if self.known.len() >= OF_ALL_MAX {
            self.make_room(|_| true)?;
        }
        self.named += 1;
        let id = self.name_of(self.named);
        let task = Task {
            owner: owner.clone(),
            serial: self.named,
            name: name.into(),
            created: now,
            until: now + TTL_MAX,
            is_over: false,
            asks: Vec::new(),
            asked: 0,
            is_opened: false,
        };
        self.known.insert(id, task);
        self.hear(id, news);
        Ok(id)
    }

    /// The task a client names, if it is one of its own.
    pub(super) fn find(&self, named: &str, owner: &Principal) -> Option<TaskId> {
        let id = TaskId::parse(named)?;
        self.known.get(&id).filter(|task| task.owner == *owner).map(|_| id)
    }

    pub(super) fn get(&self, id: TaskId) -> Option<&Task> {
        self.known.get(&id)
    }

    /// Notes what the child said of a task.
    pub(super) fn hear(&mut self, id: TaskId, news: News) {
        if let Some(task) = self.known.get_mut(&id) {
            task.is_over |= news.is_over;
            if let Some(ttl) = news.ttl {
                task.until = task.created + ttl.min(TTL_MAX);
            }
        }
    }

    /// Gives back what was still asked for it.
    pub(super) fn forget(&mut self, id: TaskId) -> Vec<Asked> {
        self.known.remove(&id).map(|task| task.asks).unwrap_or_default()
    }

    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.known.get_mut(&id)
    }

    /// The task that the child calls so.
    pub(super) fn named(&self, name: &str) -> Option<TaskId> {
        self.known.iter().find(|(_, task)| *task.name == *name).map(|(id, _)| *id)
    }

    /// The child takes a question back. False if that belongs to no task.
    pub(super) fn withdraw(&mut self, child_id: &RawId) -> bool {
        self.known.values_mut().any(|task| {
            let before = task.asks.len();
            task.asks.retain(|asked| asked.child_id != *child_id);
            task.asks.len() < before
        })
    }

    /// The child is gone, and with it all it worked on.
    pub(super) fn lose_all(&mut self) {
        self.known.clear();
    }

    /// Forgets those that are too old, and gives back what was still asked for them.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<Asked> {
        let old = self.known.extract_if(|_, task| task.until <= now);
        old.flat_map(|(_, task)| task.asks).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether the child works on one, as far as it said.
    pub(super) fn are_under_way(&self) -> bool {
        self.known.values().any(|task| !task.is_over)
    }

    /// Forgets the oldest of these that is over.
    fn make_room(&mut self, among: impl Fn(&Task) -> bool) -> Result<(), Full> {
        let done = self.known.iter().filter(|(_, task)| task.is_over && among(task));
        let oldest = done.min_by_key(|(_, task)| task.serial).map(|(id, _)| *id);
        // One that is over asks nothing.
        self.forget(oldest.ok_or(Full)?);
        Ok(())
    }

    fn name_of(&self, serial: u64) -> TaskId {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(serial.to_be_bytes());
        let digest = hash.finalize();
        let (name, _) = digest.split_first_chunk().expect("a digest is longer than that");
        TaskId(u128::from_be_bytes(*name))
    }
}

/// Secrets are not shown.
impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("known", &self.known).finish_non_exhaustive()
    }
}

// === impl Task ===

impl Task {
    /// More questions at once are no honest server's wish.
    const ASKS_MAX: usize = 64;

    /// Keeps a question until its client comes for it. False if there are too many.
    pub(super) fn ask(
        &mut self,
        child_id: RawId,
        method: Method,
        params: Option<Box<str>>,
    ) -> bool {
        if self.asks.len() >= Self::ASKS_MAX {
            return false;
        }
        self.asked += 1;
        let key = format!("ask-{}", self.asked).into();
        self.asks.push(Asked { question: Question { key, method, params }, child_id });
        true
    }
}

// === impl TaskId ===

impl TaskId {
    fn parse(text: &str) -> Option<Self> {
        let is_name =
            text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_name.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }

    /// As a JSON string.
    pub(super) fn quoted(self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Where nobody has to say who they are, whoever knows the name of a task can use it, so logs never show one.
impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskId(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: News = News { is_over: false, ttl: None };
    const DONE: News = News { is_over: true, ttl: None };

    fn me() -> Principal {
        Principal::new("me")
    }

    #[test]
    fn a_task_is_found_by_its_owner_under_a_name_that_tells_nothing() {
        let now = Instant::now();
        let mut tasks = Tasks::new([1; 32]);
        let ids = [1, 2].map(|_| tasks.open(&me(), "t", OPEN, now).unwrap());
        assert_ne!(ids[0], ids[1]);
        let other = Tasks::new([2; 32]).open(&me(), "t", OPEN, now).unwrap();
        assert!(!ids.contains(&other));
        let name = ids[0].to_string();
        assert_eq!(tasks.find(&name, &me()), Some(ids[0]));
        assert_eq!(&*tasks.get(ids[0]).unwrap().name, "t");
        for odd in [
            "t",
            "",
            &name[1..],
            &name.to_uppercase(),
            &other.to_string(),
            &format!("+{}", &name[1..]),
        ] {
            assert_eq!(tasks.find(odd, &me()), None, "{odd}");
        }
        assert_eq!(tasks.find(&name, &Principal::new("you")), None);
        assert!(!format!("{tasks:?} {:?}", ids[0]).contains(&name));
        tasks.lose_all();
        assert_eq!(tasks.find(&name, &me()), None);
    }

    #[test]
    fn a_task_is_kept_as_long_as_its_server_keeps_it_but_not_for_ever() {
        let now = Instant::now();
        let mut tasks = Tasks::new([1; 32]);
        let minute = Duration::from_secs(60);
        let brief = News { is_over: false, ttl: Some(minute) };
        let (a, b) = (tasks.open(&me(), "a", brief, now), tasks.open(&me(), "b", OPEN, now));
        tasks.sweep(now + minute / 2);
        tasks.hear(a.unwrap(), News { is_over: true, ttl: Some(2 * minute) });
        tasks.sweep(now + minute);
        assert!(tasks.get(a.unwrap()).is_some());
        tasks.sweep(now + 2 * minute);
        assert!(tasks.get(a.unwrap()).is_none() && tasks.are_under_way());
        tasks.sweep(now + TTL_MAX);
        assert!(tasks.get(b.unwrap()).is_none() && tasks.is_empty());
    }

    #[test]
    fn tasks_that_are_over_make_room_and_others_do_not() {
        let now = Instant::now();
        let mut tasks = Tasks::new([1; 32]);
        let first = tasks.open(&me(), "t", OPEN, now).unwrap();
        for _ in 1..OF_PRINCIPAL_MAX {
            tasks.open(&me(), "t", OPEN, now).unwrap();
        }
        assert_eq!(tasks.open(&me(), "t", OPEN, now), Err(Full));
        tasks.hear(first, DONE);
        assert!(tasks.open(&me(), "t", OPEN, now).is_ok());
        assert!(tasks.get(first).is_none());
        for n in 0..OF_ALL_MAX - OF_PRINCIPAL_MAX {
            tasks.open(&Principal::new(&(n % 4).to_string()), "t", OPEN, now).unwrap();
        }
        assert_eq!(tasks.open(&Principal::new("you"), "t", OPEN, now), Err(Full));
        assert_eq!(tasks.known.len(), OF_ALL_MAX);
    }
}
