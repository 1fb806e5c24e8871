//! The sessions their clients have ended. A sealed id would open for ever, so that these stay ended has to be remembered, over
//! restarts too.
//!
//! Sessions are counted by the process that began them, and most are ended in about that order; so what is kept are ranges of
//! numbers, and a gateway that opens and ends a session every second costs next to nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::wire::id::FrontId;

/// The sessions that were ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// By the process that began them: first and last number of each range.
    epochs: HashMap<u64, BTreeMap<u64, u64>>,
    /// The processes in the order in which they were met here.
    order: VecDeque<u64>,
    ranges: usize,
    journal: Option<Journal>,
}

/// Where they are written down: one record for each end, and from time to time the ranges instead.
#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    records: usize,
    /// It was said that nothing can be written.
    failed: bool,
}

/// Ranges that are remembered. Beyond them the sessions of the longest past process are forgotten: nobody but their clients,
/// who have ended them, could use one again.
const RANGES_MAX: usize = 1 << 18;

/// Records above which the file is written anew, unless it has that many ranges.
const RECORDS_MAX: usize = 4096;

/// The process, the first number and the last.
const RECORD: usize = 24;

// === impl Ended ===

impl Ended {
    /// Those written down in this directory, where further ones are written too.
    pub(crate) fn load(directory: &Path) -> io::Result<Self> {
        let path = directory.join("ended-sessions");
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut ended = Self::default();
        // A record that was cut off by a full disk or a power cut is the last.
        let (records, rest) = bytes.as_chunks::<RECORD>();
        for record in records {
            let number = |at: usize| {
                u64::from_be_bytes(*record[at..].first_chunk().expect("it is long enough"))
            };
            ended.add(number(0), number(8), number(16));
        }
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            tracing::info!(
                file = %path.display(),
                "another stdiod writes here; sessions that end are remembered while this one runs"
            );
            return Ok(ended);
        }
        let mut journal = Journal { path, file, records: records.len(), failed: false };
        if !rest.is_empty() {
            journal.rewrite(&ended)?;
        }
        ended.journal = Some(journal);
        Ok(ended)
    }

    pub(crate) fn contains(&self, front: FrontId) -> bool {
        let ranges = self.epochs.get(&front.epoch());
        let before = ranges.and_then(|ranges| ranges.range(..=front.serial()).next_back());
        before.is_some_and(|(_, last)| front.serial() <= *last)
    }

    pub(crate) fn insert(&mut self, front: FrontId) {
        if self.contains(front) {
            return;
        }
        self.add(front.epoch(), front.serial(), front.serial());
        let Some(mut journal) = self.journal.take() else { return };
        journal.write(front, self);
        self.journal = Some(journal);
    }

    fn add(&mut self, epoch: u64, first: u64, last: u64) {
        if first > last {
            return;
        }
        let order = &mut self.order;
        let ranges = self.epochs.entry(epoch).or_insert_with(|| {
            order.push_back(epoch);
            BTreeMap::new()
        });
        let (mut first, mut last) = (first, last);
        // What it touches on either side becomes one range with it.
        let reach = last.saturating_add(1);
        while let Some((from, to)) = ranges.range(..=reach).next_back().map(|(f, t)| (*f, *t)) {
            if to.saturating_add(1) < first {
                break;
            }
            ranges.remove(&from);
            self.ranges -= 1;
            first = first.min(from);
            last = last.max(to);
        }
        ranges.insert(first, last);
        self.ranges += 1;
        while self.ranges > RANGES_MAX
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            self.ranges -= self.epochs.remove(&oldest).map_or(0, |ranges| ranges.len());
        }
    }

    fn records(&self) -> impl Iterator<Item = [u8; RECORD]> + '_ {
        self.order.iter().flat_map(|epoch| {
            let ranges = self.epochs.get(epoch).into_iter().flatten();
            ranges.map(|(first, last)| record(*epoch, *first, *last))
        })
    }
}

// === impl Journal ===

impl Journal {
    /// Whatever comes of it, the end of the session holds while we run.
    fn write(&mut self, front: FrontId, all: &Ended) {
        self.records += 1;
        let done = if self.records > RECORDS_MAX.max(2 * all.ranges) {
            self.rewrite(all)
        } else {
            self.file.write_all(&record(front.epoch(), front.serial(), front.serial()))
        };
        match done {
            Ok(()) => self.failed = false,
            Err(_) if self.failed => {}
            Err(error) => {
                self.failed = true;
                tracing::warn!(
                    file = %self.path.display(), %error,
                    "sessions that end cannot be written down: after a restart their ids would open again"
                );
            }
        }
    }

    fn rewrite(&mut self, all: &Ended) -> io::Result<()> {
        let bytes: Vec<u8> = all.records().flatten().collect();
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&bytes)?;
        let file = OpenOptions::new().append(true).open(&fresh)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        std::fs::rename(&fresh, &self.path)?;
        (self.file, self.records) = (file, bytes.len() / RECORD);
        Ok(())
    }
}

fn record(epoch: u64, first: u64, last: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    for (place, number) in record.chunks_exact_mut(8).zip([epoch, first, last]) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(epoch: u64, serial: u64) -> FrontId {
        FrontId::new(epoch, serial)
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stdiod-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn neighbours_become_one_range_and_strangers_stay_out() {
        let mut ended = Ended::default();
        for serial in [5, 3, 4, 9, 0, 1] {
            ended.insert(front(7, serial));
        }
        assert_eq!(ended.ranges, 3);
        let there: Vec<u64> = (0..12).filter(|n| ended.contains(front(7, *n))).collect();
        assert_eq!(there, [0, 1, 3, 4, 5, 9]);
        assert!(!ended.contains(front(8, 4)));
        ended.insert(front(7, 2));
        assert_eq!(ended.ranges, 2);
        ended.insert(front(7, u64::MAX));
        assert!(ended.contains(front(7, u64::MAX)) && !ended.contains(front(7, u64::MAX - 1)));
    }

    #[test]
    fn the_longest_past_process_makes_room() {
        let mut ended = Ended::default();
        ended.insert(front(1, 0));
        for serial in 0..RANGES_MAX as u64 {
            ended.add(2, serial * 2, serial * 2);
        }
        assert!(!ended.contains(front(1, 0)));
        assert_eq!(ended.ranges, RANGES_MAX);
    }

    #[test]
    fn a_process_that_follows_knows_what_was_ended() {
        let here = directory("ended");
        let mut ended = Ended::load(&here).unwrap();
        ended.insert(front(1, 7));
        ended.insert(front(u64::MAX, 0));
        drop(ended);
        // The last record is cut off.
        let file = here.join("ended-sessions");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.extend([1; 10]);
        std::fs::write(&file, bytes).unwrap();
        let mut ended = Ended::load(&here).unwrap();
        assert!(ended.contains(front(1, 7)) && ended.contains(front(u64::MAX, 0)));
        assert_eq!(ended.ranges, 2);
        ended.insert(front(1, 8));
        drop(ended);
        assert!(Ended::load(&here).unwrap().contains(front(1, 8)));
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn the_file_does_not_grow_with_every_session() {
        let here = directory("ended-many");
        let mut ended = Ended::load(&here).unwrap();
        for serial in 0..3 * RECORDS_MAX as u64 {
            ended.insert(front(1, serial));
        }
        let length = std::fs::metadata(here.join("ended-sessions")).unwrap().len();
        assert!(length <= (RECORDS_MAX * RECORD) as u64, "{length} bytes");
        drop(ended);
        assert!(Ended::load(&here).unwrap().contains(front(1, 3 * RECORDS_MAX as u64 - 1)));
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn only_one_process_writes() {
        let here = directory("ended-two");
        let mut first = Ended::load(&here).unwrap();
        let mut second = Ended::load(&here).unwrap();
        first.insert(front(1, 1));
        second.insert(front(2, 2));
        drop((first, second));
        let after = Ended::load(&here).unwrap();
        assert!(after.contains(front(1, 1)) && !after.contains(front(2, 2)));
        std::fs::remove_dir_all(here).unwrap();
    }
}
