//! The sessions their clients have ended. A sealed id would open for ever, so that these stay ended has to be remembered, over
//! restarts too.
//!
//! All requests look here, so nothing here waits for a disk: a thread of its own writes down what was ended. It begins at once,
//! but who ends a session is not kept waiting for it; after `kill -9` in the next moments, or while the disk is slow, full or
//! written to by another daemon, the last ends may be missing in the file.

mod journal;
mod ranges;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::journal::{Contents, Journal};
use self::ranges::{Range, Ranges};
use crate::wire::id::FrontId;

/// The sessions that were ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    desk: Arc<Desk>,
    /// Resolves when the thread that writes has ended; there is none without a directory to write to.
    written: Option<oneshot::Receiver<()>>,
}

/// Between those who end sessions and the thread that writes.
#[derive(Debug, Default)]
struct Desk {
    /// Held for one look or one change; to write all of it, for one copy.
    papers: Mutex<Papers>,
    /// There is something to write, or no more will come.
    news: Condvar,
}

#[derive(Debug, Default)]
struct Papers {
    ranges: Ranges,
    /// What is in the ranges and not in the file, unless all is to be written anew.
    fresh: Vec<Range>,
    anew: bool,
    closing: bool,
}

/// The thread that writes.
#[derive(Debug)]
struct Scribe {
    desk: Arc<Desk>,
    directory: PathBuf,
    /// `None` while another process writes there.
    journal: Option<Journal>,
    /// The last attempt failed, at this time, and that was said.
    failed: Option<Instant>,
    /// How long it leaves a file alone that could not be written.
    pause: Duration,
    _done: oneshot::Sender<()>,
}

/// Ends that wait to be written one by one. Beyond them the file is written anew.
const FRESH_MAX: usize = 1024;

const PAUSE: Duration = Duration::from_secs(5);

// === impl Ended ===

impl Ended {
    /// Those written down in this directory, where further ones are written too.
    pub(crate) fn load(directory: &Path) -> io::Result<Self> {
        let (ended, scribe) = Self::open(directory, PAUSE)?;
        std::thread::Builder::new().name("ended-sessions".into()).spawn(|| scribe.run())?;
        Ok(ended)
    }

    fn open(directory: &Path, pause: Duration) -> io::Result<(Self, Scribe)> {
        let (journal, contents) = match Journal::open(directory)? {
            Some((journal, contents)) => (Some(journal), contents),
            None => (None, Contents::of(directory)?),
        };
        let file = journal::path(directory);
        let is_spoilt = contents.spoilt > 0 && journal.is_some();
        if is_spoilt {
            tracing::warn!(
                file = %file.display(), bytes = contents.spoilt,
                "a part of this file is spoilt and left out: ids of sessions that were ended may open again"
            );
        }
        let failed = journal.is_none().then(Instant::now);
        if failed.is_some() {
            tracing::warn!(
                file = %file.display(),
                "another stdiod writes here: sessions that end are written down when it has left; give each daemon a state_dir of its own"
            );
        }
        let desk = Arc::<Desk>::default();
        let mut papers = desk.lock();
        // Whoever waits for another process to leave takes in what that writes until then.
        papers.anew = is_spoilt || journal.is_none();
        contents.ranges.into_iter().for_each(|range| papers.ranges.add(range));
        drop(papers);
        let (done, written) = oneshot::channel();
        let directory = directory.to_owned();
        let shared = Arc::clone(&desk);
        let scribe = Scribe { desk: shared, directory, journal, failed, pause, _done: done };
        Ok((Self { desk, written: Some(written) }, scribe))
    }

    /// Names the process that is running: its sessions are forgotten last.
    pub(crate) fn own(&self, epoch: u64) {
        self.desk.lock().ranges.own(epoch);
    }

    pub(crate) fn contains(&self, front: FrontId) -> bool {
        self.desk.lock().ranges.contains(front.epoch(), front.serial())
    }

    pub(crate) fn insert(&self, front: FrontId) {
        let mut papers = self.desk.lock();
        if papers.ranges.contains(front.epoch(), front.serial()) {
            return;
        }
        let range = Range::one(front.epoch(), front.serial());
        papers.ranges.add(range);
        if self.written.is_none() || papers.anew {
            return;
        }
        papers.fresh.push(range);
        if papers.fresh.len() > FRESH_MAX {
            papers.write_anew();
        }
        drop(papers);
        self.desk.news.notify_one();
    }

    /// Has everything written that is not yet. Resolves when that is done or has failed, which on a bad disk may take for ever.
    pub(crate) fn close(&mut self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.desk.close();
        let written = self.written.take();
        async {
            if let Some(written) = written {
                // It is told by being dropped.
                written.await.ok();
            }
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.desk.close();
    }
}

// === impl Desk ===

impl Desk {
    fn close(&self) {
        self.lock().closing = true;
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Papers> {
        // Nothing that panics is done under the lock.
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Papers ===

impl Papers {
    fn write_anew(&mut self) {
        self.anew = true;
        self.fresh.clear();
    }

    fn is_written(&self) -> bool {
        self.fresh.is_empty() && !self.anew
    }
}

// === impl Scribe ===

impl Scribe {
    fn run(mut self) {
        while let Some(is_last) = self.wait() {
            self.attempt();
            if is_last && self.failed.is_some() {
                return;
            }
        }
    }

    fn attempt(&mut self) {
        match self.write() {
            Ok(()) => {
                if self.failed.take().is_some() {
                    tracing::info!(file = %self.file().display(), "sessions that end are written down again");
                }
            }
            Err(error) => {
                self.desk.lock().write_anew();
                if self.failed.replace(Instant::now()).is_none() {
                    tracing::warn!(
                        file = %self.file().display(), %error,
                        "sessions that end cannot be written down: after a restart their ids would open again; make room                          there, or make it a directory this user can write to"
                    );
                }
            }
        }
    }

    fn file(&self) -> PathBuf {
        journal::path(&self.directory)
    }

    /// Waits for something to write, and for the end of the pause. `None` once all is written and no more will come; true if this
    /// is the last attempt.
    fn wait(&self) -> Option<bool> {
        let mut papers = self.desk.lock();
        loop {
            if papers.closing {
                return (!papers.is_written()).then_some(true);
            }
            let pause = self.failed.map(|then| self.pause.saturating_sub(then.elapsed()));
            let news = &self.desk.news;
            papers = match pause {
                _ if papers.is_written() => {
                    news.wait(papers).unwrap_or_else(PoisonError::into_inner)
                }
                Some(pause) if !pause.is_zero() => {
                    news.wait_timeout(papers, pause).unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) | None => return Some(false),
            };
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let journal = if let Some(journal) = &mut self.journal {
            journal
        } else {
            let Some((journal, contents)) = Journal::open(&self.directory)? else {
                return Err(io::Error::other("another stdiod writes there"));
            };
            // What the other has written since we looked.
            let mut papers = self.desk.lock();
            contents.ranges.into_iter().for_each(|range| papers.ranges.add(range));
            papers.write_anew();
            self.journal.insert(journal)
        };
        let mut papers = self.desk.lock();
        let fresh = std::mem::take(&mut papers.fresh);
        if std::mem::take(&mut papers.anew) || journal.is_long(papers.ranges.len()) {
            let all: Vec<Range> = papers.ranges.iter().collect();
            drop(papers);
            journal.rewrite(&all)
        } else {
            drop(papers);
            journal.append(&fresh)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::journal::RECORDS_MAX;
    use super::*;

    fn front(epoch: u64, serial: u64) -> FrontId {
        FrontId::new(epoch, serial)
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stdiod-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Waits until everything is written.
    fn leave(mut ended: Ended) {
        ended.desk.close();
        ended.written.take().unwrap().blocking_recv().unwrap_err();
    }

    #[test]
    fn a_process_that_follows_knows_what_was_ended_whatever_was_cut_off() {
        let here = directory("ended");
        let ended = Ended::load(&here).unwrap();
        ended.insert(front(1, 7));
        ended.insert(front(u64::MAX, 0));
        leave(ended);
        // A disk was full in the middle of a record, and later it was not.
        let file = here.join("ended-sessions");
        let whole = std::fs::read(&file).unwrap();
        let half = whole.len() / 2;
        std::fs::write(&file, [&whole[..half], &whole[..10], &whole[half..]].concat()).unwrap();
        let ended = Ended::load(&here).unwrap();
        assert!(ended.contains(front(1, 7)) && ended.contains(front(u64::MAX, 0)));
        assert_eq!(ended.desk.lock().ranges.len(), 2, "the fragment is no session");
        ended.insert(front(1, 9));
        leave(ended);
        assert_eq!(std::fs::metadata(&file).unwrap().len(), 3 * half as u64, "it is mended");
        let ended = Ended::load(&here).unwrap();
        assert!(ended.contains(front(1, 9)) && ended.desk.lock().ranges.len() == 3);
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn the_file_does_not_grow_with_every_session() {
        let here = directory("ended-many");
        let ended = Ended::load(&here).unwrap();
        for serial in 0..3 * RECORDS_MAX as u64 {
            ended.insert(front(1, serial));
        }
        leave(ended);
        let length = std::fs::metadata(here.join("ended-sessions")).unwrap().len();
        assert!(length <= ((RECORDS_MAX + FRESH_MAX + 1) * 32) as u64, "{length} bytes");
        assert!(Ended::load(&here).unwrap().contains(front(1, 3 * RECORDS_MAX as u64 - 1)));
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn one_process_writes_and_the_next_takes_over_with_what_it_wrote() {
        let here = directory("ended-two");
        let first = Ended::load(&here).unwrap();
        let (second, scribe) = Ended::open(&here, Duration::from_millis(1)).unwrap();
        std::thread::spawn(|| scribe.run());
        second.insert(front(2, 2));
        first.insert(front(1, 1));
        leave(first);
        let found = |front| {
            let contents = Contents::of(&here).unwrap();
            contents.ranges.contains(&Range::one(FrontId::epoch(front), FrontId::serial(front)))
        };
        assert!(found(front(1, 1)));
        // Nothing else ends: it tries again by itself.
        let limit = Instant::now() + Duration::from_secs(20);
        while !found(front(2, 2)) {
            assert!(Instant::now() < limit, "it never took over");
            std::thread::yield_now();
        }
        assert!(found(front(1, 1)) && second.contains(front(1, 1)));
        leave(second);
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_left_alone_for_a_while_and_then_has_everything() {
        let here = directory("ended-full");
        let (ended, mut scribe) = Ended::open(&here, Duration::from_secs(5000)).unwrap();
        ended.insert(front(1, 1));
        let full = std::fs::File::open("/dev/full").unwrap();
        let writable = scribe.journal.as_mut().unwrap().exchange(full);
        assert_eq!(scribe.wait(), Some(false));
        scribe.attempt();
        scribe.journal.as_mut().unwrap().exchange(writable);
        // It is not tried again for each that follows.
        ended.insert(front(1, 3));
        assert!(scribe.failed.is_some() && ended.desk.lock().fresh.is_empty());
        ended.desk.close();
        assert_eq!(scribe.wait(), Some(true), "it is tried a last time");
        scribe.run();
        let ended = Ended::load(&here).unwrap();
        assert!(ended.contains(front(1, 1)) && ended.contains(front(1, 3)));
        leave(ended);
        std::fs::remove_dir_all(here).unwrap();
    }
}
