//! The file in which ended sessions are written down: records of one length, each with a check of its own, so that what a full
//! disk, a power cut or a fading medium leaves behind is never taken for another session.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::ranges::{RANGES_MAX, Range};

/// The file, open for the one process that may write it.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes in the file, but for those of an append that failed.
    length: u64,
    /// Held as long as we write. A file of its own, since the journal is replaced from time to time: a lock on that would be one
    /// on a file nobody can reach any more.
    _lock: File,
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) ranges: Vec<Range>,
    /// Bytes that are no part of a sound record.
    pub(super) spoilt: usize,
}

/// The numbers of a range, and their check.
const RECORD: usize = 32;

/// Records above which the file is written anew, unless it has that many ranges.
pub(super) const RECORDS_MAX: usize = 4096;

/// What is behind this is not read: a file that we wrote is never so long.
const FILE_MAX: u64 = 4 * (RANGES_MAX * RECORD) as u64;

// === impl Journal ===

impl Journal {
    /// Opens it for writing, with what it says; `None` while another process writes there.
    pub(super) fn open(directory: &Path) -> io::Result<Option<(Self, Contents)>> {
        let lock = open(OpenOptions::new().write(true).create(true), &directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let path = path(directory);
        let file = open(OpenOptions::new().read(true).append(true).create(true), &path)?;
        let (length, contents) = (file.metadata()?.len(), read(&file)?);
        Ok(Some((Self { path, file, length, _lock: lock }, contents)))
    }

    /// Whether it has grown so much that it should be written anew.
    pub(super) fn is_long(&self, ranges: usize) -> bool {
        self.length > (RECORDS_MAX.max(2 * ranges) * RECORD) as u64
    }

    pub(super) fn append(&mut self, ranges: &[Range]) -> io::Result<()> {
        let bytes = bytes(ranges);
        let written = self.file.write_all(&bytes);
        if written.is_ok() {
            self.length += bytes.len() as u64;
        } else {
            self.cut();
        }
        written
    }

    /// Cuts off what landed of an append that failed. Where that fails too, the checks tell it from a record.
    fn cut(&self) {
        self.file.set_len(self.length).ok();
    }

    /// Puts a file with these ranges in the place of the old one.
    pub(super) fn rewrite(&mut self, ranges: &[Range]) -> io::Result<()> {
        // Nobody else writes here while we have the lock, so what is there was left by one who was killed.
        let fresh = self.path.with_extension("new");
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let bytes = bytes(ranges);
        let written =
            open(OpenOptions::new().append(true).create_new(true), &fresh).and_then(|mut file| {
                file.write_all(&bytes)?;
                // Else a power cut could leave the new name with nothing behind it.
                file.sync_data()?;
                std::fs::rename(&fresh, &self.path)?;
                Ok(file)
            });
        match written {
            Ok(file) => (self.file, self.length) = (file, bytes.len() as u64),
            Err(error) => {
                std::fs::remove_file(&fresh).ok();
                return Err(error);
            }
        }
        Ok(())
    }
}

// === impl Contents ===

impl Contents {
    /// What another process is writing.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        match open(OpenOptions::new().read(true), &path(directory)) {
            Ok(file) => read(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(mut bytes: &[u8]) -> Self {
        let mut contents = Self::default();
        while let Some((_, rest)) = bytes.split_first() {
            if let Some((range, behind)) = bytes
                .split_first_chunk()
                .and_then(|(record, behind)| Some((parse(record)?, behind)))
            {
                contents.ranges.push(range);
                bytes = behind;
            } else {
                // The next record begins somewhere behind the fragment.
                contents.spoilt += 1;
                bytes = rest;
            }
        }
        contents
    }
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("ended-sessions")
}

/// Nobody else may read it, and it is a file of this directory, not one that a link points to.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    options.mode(0o600).custom_flags(flags).open(path)
}

fn read(file: &File) -> io::Result<Contents> {
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(Contents::parse(&bytes))
}

fn bytes(ranges: &[Range]) -> Vec<u8> {
    ranges.iter().copied().flat_map(record).collect()
}

fn record(range: Range) -> [u8; RECORD] {
    let numbers = [range.epoch, range.first, range.last];
    let mut record = [0; RECORD];
    let places = record.chunks_exact_mut(8);
    for (place, number) in places.zip(numbers.into_iter().chain([check(numbers)])) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    record
}

fn parse(record: &[u8; RECORD]) -> Option<Range> {
    let (numbers, _) = record.as_chunks();
    let number = |n: usize| u64::from_be_bytes(numbers[n]);
    let [epoch, first, last] = [number(0), number(1), number(2)];
    (number(3) == check([epoch, first, last])).then_some(Range { epoch, first, last })
}

/// Tells records from fragments and rot. Whoever wants to forge one can write to the directory and needs no forgery.
fn check(numbers: [u64; 3]) -> u64 {
    // Any large odd factor will do: each step can be undone, so no change of one number alone goes unnoticed.
    const FACTOR: u64 = 0xd1b5_4a32_d192_ed03;
    numbers.into_iter().fold(FACTOR, |sum, number| {
        let mixed = (sum ^ number).wrapping_mul(FACTOR);
        mixed ^ (mixed >> 29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(epoch: u64, first: u64, last: u64) -> Range {
        Range { epoch, first, last }
    }

    impl Journal {
        /// Lets what follows land in another file.
        pub(in super::super) fn exchange(&mut self, file: File) -> File {
            std::mem::replace(&mut self.file, file)
        }
    }

    const SOME: [Range; 3] = [
        Range { epoch: 0, first: 0, last: 0 },
        Range { epoch: u64::MAX, first: 3, last: 9 },
        Range { epoch: 1 << 40, first: 256, last: 256 },
    ];

    #[test]
    fn a_fragment_anywhere_costs_no_other_record() {
        for cut in 1..RECORD {
            let whole = bytes(&SOME);
            let with = [&whole[..RECORD], &whole[RECORD..RECORD + cut], &whole[RECORD..]].concat();
            let contents = Contents::parse(&with);
            assert_eq!((contents.ranges, contents.spoilt), (SOME.to_vec(), cut));
        }
    }

    #[test]
    fn no_rotten_bit_and_no_shift_makes_another_session() {
        let whole = bytes(&SOME);
        for bit in 0..RECORD * 8 {
            let mut rotten = whole.clone();
            rotten[RECORD + bit / 8] ^= 1 << (bit % 8);
            let contents = Contents::parse(&rotten);
            assert_eq!((contents.ranges, contents.spoilt), (vec![SOME[0], SOME[2]], RECORD));
        }
        assert_eq!(Contents::parse(&[0; 10 * RECORD]).ranges, []);
        for shift in 1..RECORD {
            assert_eq!(Contents::parse(&whole[shift..]).ranges, SOME[1..]);
        }
    }

    #[test]
    fn what_an_append_left_in_part_is_cut_off() {
        let here = std::env::temp_dir().join(format!("stdiod-journal-{}", std::process::id()));
        std::fs::create_dir_all(&here).unwrap();
        let (mut journal, _) = Journal::open(&here).unwrap().unwrap();
        journal.append(&SOME[..1]).unwrap();
        // A part lands and then the disk is full.
        journal.file.write_all(&bytes(&SOME[1..2])[..20]).unwrap();
        journal.cut();
        journal.append(&SOME[2..]).unwrap();
        let contents = Contents::of(&here).unwrap();
        assert_eq!((contents.ranges, contents.spoilt), (vec![SOME[0], SOME[2]], 0));
        // Nothing that failed counts as written.
        let writable = journal.exchange(File::open("/dev/full").unwrap());
        assert!(journal.append(&SOME[1..2]).is_err());
        journal.exchange(writable);
        journal.cut();
        assert_eq!(Contents::of(&here).unwrap().ranges, [SOME[0], SOME[2]]);
        // A file that will be none is left by one who was killed.
        std::fs::write(here.join("ended-sessions.new"), "some").unwrap();
        journal.rewrite(&[range(5, 6, 7)]).unwrap();
        journal.append(&SOME[1..2]).unwrap();
        let contents = Contents::of(&here).unwrap();
        assert_eq!((contents.ranges, contents.spoilt), (vec![range(5, 6, 7), SOME[1]], 0));
        assert!(Journal::open(&here).unwrap().is_none(), "the lock outlives the file");
        std::fs::remove_dir_all(here).unwrap();
    }
}
