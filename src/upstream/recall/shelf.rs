//! The file in which the memory of one child is kept: written whole beside the old one and then put in its place.
//!
//! Without it everything works and the child is asked more often, so nothing that goes wrong here is more than a warning.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::bridge::greeting::Abilities;
use crate::bridge::memory::{BYTES_MAX, List, Memory, Page, Said};
use crate::link::era::Verdict;
use crate::wire::id::ServerName;
use crate::wire::version::Era;

#[derive(Debug)]
pub(super) struct Shelf {
    server: ServerName,
    directory: PathBuf,
    /// The last attempt to read or write failed, which has been said.
    troubled: AtomicBool,
}

/// The form of the file, counted up when it changes.
const FORM: u32 = 1;

/// A longer file is none of ours.
const FILE_MAX: u64 = BYTES_MAX as u64 + (1 << 20);

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    form: u32,
    fingerprint: &'a str,
    #[serde(borrow)]
    greeting: Option<&'a RawValue>,
    #[serde(borrow)]
    pages: Vec<KeptPage<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    era: Option<KeptEra<'a>>,
}

#[derive(Serialize, Deserialize)]
struct KeptEra<'a> {
    name: &'a str,
    /// Seconds since 1970.
    since: u64,
}

#[derive(Serialize, Deserialize)]
struct KeptPage<'a> {
    list: &'a str,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
    /// Whether the child knows this list at all; if not, `said` is its error.
    known: bool,
    #[serde(borrow)]
    said: &'a RawValue,
}

// === impl Shelf ===

impl Shelf {
    pub(super) fn new(state: &Path, server: &ServerName) -> Self {
        let directory = state.join("recall");
        Self { server: server.clone(), directory, troubled: AtomicBool::new(false) }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.server))
    }

    pub(super) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    /// What was kept of a child with this fingerprint; nothing if it was of another.
    pub(super) fn read(&self, fingerprint: &str) -> (Memory, Option<Verdict>) {
        let path = self.path();
        match read(&path, fingerprint, &self.server) {
            Ok(kept) => kept,
            // Whether a file can be made there is found out when there is something to keep.
            Err(error) if is_absence(error.kind()) => (Memory::default(), None),
            Err(error) => {
                let is_spoilt = matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                );
                self.troubled.store(!is_spoilt, Ordering::Relaxed);
                tracing::warn!(
                    server = %self.server,
                    file = %path.display(),
                    "what this server said last cannot be read ({error}): it is asked again, and the file is written anew"
                );
                (Memory::default(), None)
            }
        }
    }

    pub(super) fn write(&self, fingerprint: &str, memory: &Memory, verdict: Option<Verdict>) {
        match self.put(&text(fingerprint, memory, verdict)) {
            Ok(()) => {
                if self.troubled.swap(false, Ordering::Relaxed) {
                    tracing::info!(server = %self.server, "what it said last can be kept again");
                }
            }
            Err(error) => {
                if !self.troubled.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        server = %self.server,
                        directory = %self.directory.display(),
                        "what this server said last cannot be kept ({error}): after a restart it is asked again; make room \
                         there, or make it a directory this user can write to"
                    );
                }
            }
        }
    }

    pub(super) fn remove(&self) {
        match fs::remove_file(self.path()) {
            Ok(()) => {}
            Err(error) if is_absence(error.kind()) => {}
            Err(error) => {
                let file = self.path();
                tracing::warn!(server = %self.server, file = %file.display(), %error, "what this server said last could not be removed");
            }
        }
    }

    fn put(&self, text: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        // No server's name begins with a dot.
        let fresh = self.directory.join(format!(".{}.new", self.server));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| fs::rename(&fresh, self.path()));
        if written.is_err() {
            // If this fails too, the next attempt overwrites it.
            fs::remove_file(&fresh).ok();
        }
        written
    }
}

fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read(
    path: &Path,
    fingerprint: &str,
    server: &ServerName,
) -> io::Result<(Memory, Option<Verdict>)> {
    let mut text = String::new();
    File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    let kept: Kept<'_> = serde_json::from_str(&text)?;
    let mut memory = Memory::default();
    if kept.form != FORM || kept.fingerprint != fingerprint {
        return Ok((memory, None));
    }
    let verdict = kept.era.and_then(|kept| {
        let era = [Era::Legacy, Era::Modern].into_iter().find(|era| era.name() == kept.name)?;
        Some(Verdict { era, since: kept.since })
    });
    // Without its greeting a child is not answered for.
    let Some(greeting) = kept.greeting.and_then(|raw| Abilities::recalled(raw.get())) else {
        return Ok((memory, verdict));
    };
    memory.greeted(&greeting.named(server.as_str()));
    for page in kept.pages {
        let list = List::ALL.into_iter().find(|list| list.method().name() == page.list);
        let Some(list) = list.filter(|_| page.said.get().starts_with('{')) else { continue };
        let said: Arc<str> = page.said.get().into();
        let said = if page.known { Said::Result(said) } else { Said::Unknown(said) };
        memory.restore(list, Page { cursor: page.cursor.map(|raw| raw.get().into()), said });
    }
    Ok((memory, verdict))
}

fn text(fingerprint: &str, memory: &Memory, verdict: Option<Verdict>) -> Vec<u8> {
    fn raw(text: &str) -> Option<&RawValue> {
        serde_json::from_str(text).ok()
    }
    let pages = List::ALL.into_iter().flat_map(|list| {
        memory.pages(list).iter().filter_map(move |page| {
            Some(KeptPage {
                list: list.method().name(),
                cursor: page.cursor.as_deref().and_then(raw),
                known: matches!(page.said, Said::Result(_)),
                said: raw(page.said.text())?,
            })
        })
    });
    let greeting = memory.greeting().and_then(|abilities| raw(&abilities.result));
    let era = verdict.map(|Verdict { era, since }| KeptEra { name: era.name(), since });
    let kept = Kept { form: FORM, fingerprint, greeting, pages: pages.collect(), era };
    serde_json::to_vec(&kept).expect("texts and raw JSON can always be written")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const GREETING: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{ "tools":{}},"serverInfo":{"name":"a","version":"1"},"n":1e400}"#;

    /// A state directory that is gone with its test.
    struct Desk(PathBuf);

    impl Desk {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("stdiod-shelf-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn shelf(&self) -> Shelf {
            Shelf::new(&self.0, &ServerName::new("git").unwrap())
        }
    }

    impl Drop for Desk {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    fn memory() -> Memory {
        let mut memory = Memory::default();
        memory.greeted(&Abilities::recalled(GREETING).unwrap());
        let page = |cursor: Option<&str>, said| Page { cursor: cursor.map(Into::into), said };
        let result = |text: &str| Said::Result(text.into());
        memory.restore(List::Tools, page(None, result(r#"{"tools":[ ],"nextCursor":"2"}"#)));
        memory.restore(List::Tools, page(Some("\"2\""), result(r#"{"tools":[1]}"#)));
        memory.restore(List::Prompts, page(None, Said::Unknown(r#"{"code":-32601}"#.into())));
        memory
    }

    fn is_same(a: &Memory, b: &Memory) -> bool {
        List::ALL.into_iter().all(|list| a.pages(list) == b.pages(list))
            && a.greeting().map(|g| &g.result) == b.greeting().map(|g| &g.result)
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was_for_nobody_else_to_read() {
        let desk = Desk::new("kept");
        let shelf = desk.shelf();
        assert!(is_same(&shelf.read("f").0, &Memory::default()), "no file is no trouble");
        shelf.write("f", &memory(), None);
        assert!(is_same(&shelf.read("f").0, &memory()));
        assert!(is_same(&shelf.read("another").0, &Memory::default()));
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(shelf.path()), mode(desk.0.join("recall"))), (0o600, 0o700));
        let names: Vec<_> = fs::read_dir(desk.0.join("recall")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        shelf.remove();
        assert!(is_same(&shelf.read("f").0, &Memory::default()));
        shelf.remove();
        assert!(!shelf.is_troubled());
    }

    #[test]
    fn t37_a_verdict_is_kept_with_its_date_and_for_the_same_program() {
        let desk = Desk::new("verdict");
        let shelf = desk.shelf();
        for verdict in [
            None,
            Some(Verdict { era: Era::Legacy, since: 1 }),
            Some(Verdict { era: Era::Modern, since: 2_000_000_000 }),
        ] {
            for memory in [Memory::default(), memory()] {
                shelf.write("f", &memory, verdict);
                assert_eq!((shelf.read("f").1, shelf.read("another").1), (verdict, None));
            }
        }
        let text = fs::read_to_string(shelf.path()).unwrap();
        fs::write(shelf.path(), text.replace("modern", "baroque")).unwrap();
        let (memory_kept, verdict) = shelf.read("f");
        assert!(verdict.is_none() && is_same(&memory_kept, &memory()));
    }

    #[test]
    fn a_spoilt_file_is_nothing_and_is_written_anew() {
        let desk = Desk::new("spoilt");
        let shelf = desk.shelf();
        shelf.write("f", &memory(), None);
        let whole = fs::read(shelf.path()).unwrap();
        let long = vec![b' '; usize::try_from(FILE_MAX).unwrap() + 1];
        for spoilt in [&b""[..], b"\xff", b"{}", &whole[..whole.len() / 2], &long] {
            fs::write(shelf.path(), spoilt).unwrap();
            assert!(is_same(&shelf.read("f").0, &Memory::default()));
        }
        shelf.write("f", &memory(), None);
        assert!(is_same(&shelf.read("f").0, &memory()));
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_no_other() {
        let desk = Desk::new("full");
        let shelf = desk.shelf();
        shelf.write("f", &memory(), None);
        std::os::unix::fs::symlink("/dev/full", desk.0.join("recall/.git.new")).unwrap();
        shelf.write("f", &Memory::default(), None);
        assert!(shelf.is_troubled() && is_same(&shelf.read("f").0, &memory()));
        assert_eq!(fs::read_dir(desk.0.join("recall")).unwrap().count(), 1);
        shelf.write("f", &Memory::default(), None);
        assert!(!shelf.is_troubled() && is_same(&shelf.read("f").0, &Memory::default()));
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_no_end() {
        let desk = Desk::new("file");
        fs::write(desk.0.join("recall"), "").unwrap();
        let shelf = desk.shelf();
        assert!(is_same(&shelf.read("f").0, &Memory::default()));
        shelf.write("f", &memory(), None);
        assert!(shelf.is_troubled());
    }
}
