//! The daemon's side of the keeper: a process of ours that outlives us, and ends what we leave behind if we vanish.
//!
//! It is told of every child in short lines on its stdin. It never answers; what counts is the end of that pipe, which comes
//! however we end. A keeper that dies is replaced, and its successor told all anew. `app::keeper` is the other side.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};

use super::kin::{Being, Kin, Mark};
use super::process;

/// What the keeper is told, each on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A child was started.
    Born { child: u64, leader: Being },
    /// A descendant of it was seen.
    Seen { child: u64, being: Being },
    /// Nothing is left of it.
    Gone { child: u64 },
    /// Nothing is left of any, and no more will come.
    Done,
}

/// The keeper, if there is one now.
#[derive(Debug)]
pub(super) struct Keeper {
    mark: Mark,
    running: Option<Running>,
    /// When the next one may be started.
    next: Instant,
    pause: Duration,
}

#[derive(Debug)]
struct Running {
    process: Child,
    stdin: ChildStdin,
    since: Instant,
}

/// A keeper that takes nothing in for so long is of no use.
const SLOW: Duration = Duration::from_secs(1);

/// How long it may take to leave when there is nothing to do.
const FAREWELL: Duration = Duration::from_secs(2);

/// The pause before another is started, which doubles for as long as none lives so long.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(60);

// === impl Word ===

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Born { child, leader: Being { pid, born } } => {
                writeln!(f, "born {child} {pid} {born}")
            }
            Self::Seen { child, being: Being { pid, born } } => {
                writeln!(f, "seen {child} {pid} {born}")
            }
            Self::Gone { child } => writeln!(f, "gone {child}"),
            Self::Done => writeln!(f, "done"),
        }
    }
}

impl FromStr for Word {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let being = |pid: &str, born: &str| {
            Some(Being { pid: pid.parse().ok()?, born: born.parse().ok()? })
        };
        let word = match words[..] {
            ["born", child, pid, born] => child
                .parse()
                .ok()
                .and_then(|child| Some(Self::Born { child, leader: being(pid, born)? })),
            ["seen", child, pid, born] => child
                .parse()
                .ok()
                .and_then(|child| Some(Self::Seen { child, being: being(pid, born)? })),
            ["gone", child] => child.parse().ok().map(|child| Self::Gone { child }),
            ["done"] => Some(Self::Done),
            _ => None,
        };
        word.ok_or(())
    }
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(mark: Mark) -> Self {
        Self { mark, running: None, next: Instant::now(), pause: PAUSE }
    }

    pub(super) fn pid(&self) -> Option<i32> {
        self.running.as_ref()?.process.id()?.try_into().ok()
    }

    /// Waits until one is to be started. Cancel-safe.
    pub(super) async fn wanted(&mut self) {
        if let Some(running) = &mut self.running {
            let how = running.process.wait().await;
            let lived = running.since.elapsed();
            self.running = None;
            tracing::warn!(
                ?how,
                "the keeper, which ends what is left if stdiod is killed, has ended; another is started"
            );
            self.rest(lived);
        }
        tokio::time::sleep_until(self.next.into()).await;
    }

    /// Starts one and tells it of all children there are.
    pub(super) async fn start(&mut self, children: impl Iterator<Item = (u64, &Kin)>) {
        let mut process = match process::start_keeper(&self.mark) {
            Ok(process) => process,
            Err(error) => {
                tracing::warn!(%error, "the keeper could not be started: what servers start may outlive stdiod if it is killed");
                return self.rest(Duration::ZERO);
            }
        };
        let Some(stdin) = process.stdin.take() else { return };
        let pid = process.id();
        self.running = Some(Running { process, stdin, since: Instant::now() });
        let mut words = String::new();
        for (child, kin) in children {
            words.push_str(&Word::Born { child, leader: kin.leader }.to_string());
            let seen = kin.seen.iter().map(|being| Word::Seen { child, being: *being });
            words.extend(seen.map(|word| word.to_string()));
        }
        self.write(&words).await;
        tracing::debug!(pid, "the keeper is there and knows");
    }

    pub(super) async fn tell(&mut self, word: Word) {
        self.write(&word.to_string()).await;
    }

    /// Lets it go, and waits until it has gone. It need not look around if there is nothing left for it to find.
    pub(super) async fn dismiss(&mut self, nothing_left: bool) {
        if nothing_left {
            self.tell(Word::Done).await;
        }
        let Some(Running { mut process, stdin, .. }) = self.running.take() else { return };
        drop(stdin);
        if tokio::time::timeout(FAREWELL, process.wait()).await.is_err() {
            tracing::debug!("the keeper is still busy");
        }
    }

    async fn write(&mut self, text: &str) {
        let Some(running) = &mut self.running else { return };
        let written = tokio::time::timeout(SLOW, running.stdin.write_all(text.as_bytes())).await;
        if !matches!(written, Ok(Ok(()))) {
            // Its end is noticed where it is waited for.
            running.process.start_kill().ok();
        }
    }

    fn rest(&mut self, lived: Duration) {
        self.pause = if lived > PAUSE_MAX { PAUSE } else { (self.pause * 2).min(PAUSE_MAX) };
        self.next = Instant::now() + self.pause;
    }
}

/// What a keeper has been told, put together.
pub(crate) fn recall(known: &mut BTreeMap<u64, Kin>, word: Word) {
    match word {
        Word::Born { child, leader } => {
            known.insert(child, Kin::new(leader));
        }
        Word::Seen { child, being } => {
            if let Some(kin) = known.get_mut(&child) {
                kin.saw(being);
            }
        }
        Word::Gone { child } => {
            known.remove(&child);
        }
        Word::Done => known.clear(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_written() {
        let being = Being { pid: 7, born: 123_456_789_012 };
        for word in [
            Word::Born { child: 1, leader: being },
            Word::Seen { child: u64::MAX, being },
            Word::Gone { child: 3 },
            Word::Done,
        ] {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        for line in ["", "born 1", "born 1 2 x", "gone", "gone 1 2", "came 1 2 3"] {
            assert_eq!(line.parse::<Word>(), Err(()), "{line}");
        }
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut known = BTreeMap::new();
        let being = |pid| Being { pid, born: 1 };
        recall(&mut known, Word::Born { child: 1, leader: being(10) });
        recall(&mut known, Word::Born { child: 2, leader: being(20) });
        recall(&mut known, Word::Seen { child: 1, being: being(11) });
        recall(&mut known, Word::Gone { child: 2 });
        recall(&mut known, Word::Seen { child: 2, being: being(21) });
        assert_eq!(known.keys().collect::<Vec<_>>(), [&1]);
        assert!(known[&1].seen.contains(&being(11)));
    }
}
