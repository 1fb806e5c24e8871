//! Who belongs to a child: the processes it started, and those that these started, wherever they went.
//!
//! The process group alone is not enough: package runners and browsers put what they start into groups and sessions of
//! their own. Three signs are read from `/proc`, and any of them is proof:
//!
//! - the **session** the child was started in, and its group. Both are inherited, and left by `setsid`.
//! - the **mark**, a variable in the environment, random for each daemon and numbered by child. It is inherited across
//!   sessions and by orphans, and lost by those that start with a cleaned environment.
//! - **descent**: the parent is one of the family, or was when the tree was looked at last. It needs no help from the
//!   process, and is lost when the parent ends before anybody looked.
//!
//! A process has to shake off all three, between two looks, to be missed. A control group would miss nothing, but has to be
//! delegated to us, and a service manager that does so empties it itself. As a subreaper we would be given all orphans, but not
//! told whose they were.
//!
//! Pids are used again, so a process is known by its pid and the time of its birth, and is signalled through a descriptor that
//! was opened before the two were compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{self, Read as _};

use memchr::memmem;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// The variable that marks a child and what it starts. It does not begin as our own variables do, which are configuration.
pub(crate) const VARIABLE: &str = "_STDIOD_CHILD";

/// So many descendants are remembered before it is asked which of them are still there.
const SEEN_MANY: usize = 256;

/// Room for what most files of `/proc` hold.
const ROOM_MIN: usize = 4 << 10;

/// One process, never to be mistaken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Being {
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since the machine was.
    pub(crate) born: u64,
}

/// The random part of the mark, which all children of one daemon share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(String);

/// What is known of one child and its descendants.
#[derive(Clone, Debug)]
pub(crate) struct Kin {
    /// The child itself, which leads its session and its group.
    pub(crate) leader: Being,
    /// Descendants, seen while the way up to the leader was there.
    pub(crate) seen: BTreeSet<Being>,
}

/// All processes at one moment.
#[derive(Debug)]
pub(crate) struct Census {
    entries: BTreeMap<i32, Entry>,
}

#[derive(Debug)]
struct Entry {
    stat: Stat,
    /// The number of the child by whose mark it is marked.
    mark: Option<u64>,
}

/// What `/proc/PID/stat` says, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    born: u64,
    parent: i32,
    group: i32,
    session: i32,
    /// It has ended, and is there only until its parent has looked.
    dead: bool,
}

// === impl Being ===

impl Being {
    fn is_there(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| !stat.dead && stat.born == self.born)
    }

    /// A child of ours that nobody has waited for: it is there even if it has ended already. Where `/proc` cannot be read, its
    /// pid is all there is, and only its group can be ended.
    pub(crate) fn just_started(pid: i32) -> Self {
        Self { pid, born: Stat::of(pid).map_or(0, |stat| stat.born) }
    }

    /// Sends a signal to it and to no successor. One that has ended needs none.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        if !self.is_there() {
            return Ok(());
        }
        let sent = match handle {
            Ok(handle) => rustix::process::pidfd_send_signal(handle, signal),
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            // Old kernels and strict filters have no such descriptors. It was there a moment ago.
            Err(_) => rustix::process::kill_process(pid, signal),
        };
        match sent {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

// === impl Mark ===

impl Mark {
    pub(crate) fn random() -> Self {
        // Where there is no randomness, a mark that two daemons could share is still better than none.
        let random = getrandom::u64().unwrap_or_default();
        Self(format!("{random:016x}{:x}", rustix::process::getpid().as_raw_nonzero()))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fit = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fit.then(|| Self(text.to_owned()))
    }

    /// The value of the variable for one child.
    pub(crate) fn of(&self, child: u64) -> String {
        format!("{}-{child}", self.0)
    }

    /// The number of the child, if an environment carries the mark.
    fn read(&self, environment: &[u8]) -> Option<u64> {
        let wanted = format!("{VARIABLE}={}-", self.0);
        let at = memmem::find_iter(environment, &wanted)
            .find(|at| *at == 0 || environment[*at - 1] == 0)?;
        let digits = environment[at + wanted.len()..].split(|byte| *byte == 0).next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Kin ===

impl Kin {
    pub(crate) fn new(leader: Being) -> Self {
        Self { leader, seen: BTreeSet::new() }
    }

    /// Follows the tree down from the leader and those seen before; gives back who is new. It reads only what concerns the
    /// family.
    pub(crate) fn look(&mut self) -> Vec<Being> {
        let mut new = Vec::new();
        self.seen.retain(|being| being.is_there());
        let known = self.seen.iter().copied().chain([self.leader]);
        let mut open: Vec<Being> = known.filter(|being| being.is_there()).collect();
        while let Some(parent) = open.pop() {
            for pid in children(parent.pid) {
                let stat = Stat::of(pid).filter(|stat| !stat.dead && stat.parent == parent.pid);
                let Some(stat) = stat else { continue };
                let being = Being { pid, born: stat.born };
                if self.seen.insert(being) {
                    new.push(being);
                    open.push(being);
                }
            }
        }
        new
    }

    /// Remembers a descendant. Who has ended is forgotten when there are many.
    pub(crate) fn saw(&mut self, being: Being) {
        if self.seen.len() >= SEEN_MANY {
            self.seen.retain(|being| being.is_there());
        }
        self.seen.insert(being);
    }

    fn claims(&self, pid: i32, stat: &Stat, census: &Census) -> bool {
        let being = Being { pid, born: stat.born };
        if being == self.leader || self.seen.contains(&being) {
            return true;
        }
        let leader = self.leader.pid;
        // A number in use by a group or a session is given to no new process, so another leader means another family.
        let usurped = census
            .entries
            .get(&self.leader.pid)
            .is_some_and(|entry| entry.stat.born != self.leader.born);
        (stat.group == leader || stat.session == leader) && !usurped
    }
}

/// Takes in the ends of processes that became our children because their parents had ended, which the first process of a
/// container has to do. Those of `ours` are waited for by others.
pub(crate) fn reap(ours: &BTreeSet<i32>) {
    for pid in children(rustix::process::getpid().as_raw_nonzero().get()) {
        let is_dead = Stat::of(pid).is_some_and(|stat| stat.dead);
        if is_dead && !ours.contains(&pid) {
            // If somebody was quicker there is nothing to do.
            rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::NOHANG).ok();
        }
    }
}

/// The children of a process. They hang on the thread that started them.
fn children(parent: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task"));
    let texts = threads
        .into_iter()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let pids = |text: String| {
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
    };
    texts.flat_map(pids).collect()
}

// === impl Census ===

impl Census {
    /// Walks `/proc`. Who begins or ends meanwhile may be missing.
    pub(crate) fn take(mark: &Mark) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        let mut text = Vec::new();
        for listed in fs::read_dir("/proc")? {
            let Some(pid) = listed?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let read = read_whole(&format!("/proc/{pid}/stat"), &mut text);
            let Some(stat) = read.ok().and_then(Stat::parse) else { continue };
            // Those of other users cannot be read, and do not carry our mark.
            let read = read_whole(&format!("/proc/{pid}/environ"), &mut text);
            let mark = read.ok().and_then(|environment| mark.read(environment));
            entries.insert(pid, Entry { stat, mark });
        }
        Ok(Self { entries })
    }

    /// The living of one child's family.
    pub(crate) fn of(&self, child: u64, kin: &Kin) -> BTreeSet<Being> {
        self.members(|pid, entry| entry.mark == Some(child) || kin.claims(pid, &entry.stat, self))
    }

    /// The living of all these families, and whoever else carries the mark of their daemon.
    pub(crate) fn of_all(&self, known: &BTreeMap<u64, Kin>) -> BTreeSet<Being> {
        self.members(|pid, entry| {
            entry.mark.is_some() || known.values().any(|kin| kin.claims(pid, &entry.stat, self))
        })
    }

    /// The group a process is in.
    pub(crate) fn group(&self, being: Being) -> Option<i32> {
        self.entries.get(&being.pid).map(|entry| entry.stat.group)
    }

    fn members(&self, belongs: impl Fn(i32, &Entry) -> bool) -> BTreeSet<Being> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut found: BTreeSet<i32> =
            self.entries.iter().filter(|(pid, e)| belongs(**pid, e)).map(|(pid, _)| *pid).collect();
        loop {
            let more: Vec<i32> = self
                .entries
                .iter()
                .filter(|(pid, entry)| found.contains(&entry.stat.parent) && !found.contains(pid))
                .map(|(pid, _)| *pid)
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let living = found.into_iter().filter(|pid| *pid != own).filter_map(|pid| {
            let stat = self.entries.get(&pid)?.stat;
            (!stat.dead).then_some(Being { pid, born: stat.born })
        });
        living.collect()
    }
}

/// Reads a file of `/proc` into `buffer`, which keeps its room for the next. The usual way asks for the length of each and
/// feels its way in small pieces, which is a dozen system calls more for each process there is.
fn read_whole<'a>(path: &str, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    let mut file = fs::File::open(path)?;
    let mut filled = 0;
    loop {
        if buffer.len() - filled < ROOM_MIN {
            buffer.resize(filled + 2 * ROOM_MIN, 0);
        }
        match file.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(&buffer[..filled]),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

// === impl Stat ===

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in round brackets may hold anything, brackets too; after the last of them come plain numbers.
    fn parse(text: &[u8]) -> Option<Self> {
        let after = memchr::memrchr(b')', text)? + 1;
        let text = std::str::from_utf8(&text[after..]).ok()?;
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
        // The first thread may have ended while others go on.
        let threads = number(17)?;
        Some(Self {
            dead: matches!(*fields.first()?, "Z" | "X") && threads <= 1,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            born: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let line = b"42 (a) Z b) S 7 41 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 12345 1 2 3\n";
        let expected = Stat { born: 12345, parent: 7, group: 41, session: 40, dead: false };
        assert_eq!(Stat::parse(line), Some(expected));
        assert!(Stat::parse(b"42 (x) Z 7 41 40 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 1").unwrap().dead);
        assert_eq!(Stat::parse(b"42 (x) S 7"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn a_mark_is_found_where_a_variable_begins_and_for_one_daemon_alone() {
        let (ours, other) = (Mark::random(), Mark(format!("{:032x}", 1)));
        let check = |environment: String, child: Option<u64>| {
            assert_eq!(ours.read(environment.as_bytes()), child, "{environment:?}");
        };
        check(format!("{VARIABLE}={}\0A=b\0", ours.of(7)), Some(7));
        check(format!("A=b\0{VARIABLE}={}", ours.of(12)), Some(12));
        check(format!("A={VARIABLE}={}\0", ours.of(7)), None);
        check(format!("{VARIABLE}={}\0", other.of(7)), None);
        check(String::new(), None);
        assert_eq!(Mark::parse(&ours.to_string()), Some(ours));
        assert_eq!(Mark::parse("short"), None);
    }

    #[test]
    fn descent_group_session_and_mark_each_make_a_member() {
        let entry = |raw: i32, parent: i32, group: i32, session: i32, mark| {
            let stat = Stat { born: 100, parent, group, session, dead: raw == 15 };
            (raw, Entry { stat, mark })
        };
        let census = Census {
            entries: BTreeMap::from([
                entry(2_000_010, 1, 2_000_010, 2_000_010, None),
                entry(11, 1, 2_000_010, 5, None),
                entry(12, 1, 12, 2_000_010, None),
                entry(13, 1, 13, 13, Some(3)),
                entry(14, 13, 14, 14, None),
                entry(15, 1, 2_000_010, 2_000_010, None),
                entry(16, 1, 16, 16, Some(4)),
                entry(17, 1, 17, 17, None),
                entry(18, 1, 18, 18, None),
            ]),
        };
        let pids = |found: BTreeSet<Being>| found.iter().map(|being| being.pid).collect::<Vec<_>>();
        let mut kin = Kin::new(Being { pid: 2_000_010, born: 100 });
        kin.seen.insert(Being { pid: 17, born: 100 });
        // The same pid, but of an earlier process.
        kin.seen.insert(Being { pid: 18, born: 99 });
        assert_eq!(pids(census.of(3, &kin)), [11, 12, 13, 14, 17, 2_000_010]);
        assert_eq!(
            pids(census.of_all(&BTreeMap::from([(3, kin.clone())]))),
            [11, 12, 13, 14, 16, 17, 2_000_010]
        );
        kin.leader.born = 99;
        assert_eq!(pids(census.of(3, &kin)), [13, 14, 17], "the group is another's by now");
    }

    #[test]
    fn a_census_knows_ourselves() {
        let census = Census::take(&Mark::random()).unwrap();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert!(census.entries.contains_key(&own));
        let being = Being::just_started(own);
        assert_eq!(being.born, census.entries[&own].stat.born);
        assert!(being.is_there() && !Being { born: being.born + 1, ..being }.is_there());
    }
}
