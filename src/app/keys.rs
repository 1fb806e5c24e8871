//! The keys that seal session ids: one a line, 64 hexadecimal digits. The first seals, all of them open; so a new one is put on
//! top and the old ones are taken away when nobody uses a session of theirs any more.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::bridge::seal::{Key, Keys};
use crate::config::model::Model;

/// Keys that are kept when a new one is made.
const KEPT: usize = 3;

const ABOUT: &str = "\
# Keys of stdiod's session ids. The first line seals, all of them open. Whoever has one can use every
# session. `stdiod key rotate` puts a new one on top; replicas that share sessions share this file.
";

/// Why there are no keys, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("{path} cannot be read: {1}", path = .0.display())]
    Unreadable(PathBuf, io::Error),
    #[error("{path} line {1} is no key: one has 64 hexadecimal digits, as `openssl rand -hex 32` makes", path = .0.display())]
    NoKey(PathBuf, usize),
    #[error("{path} has no key in it: write one with `openssl rand -hex 32`", path = .0.display())]
    Empty(PathBuf),
    #[error("{path} cannot be written: {1}", path = .0.display())]
    Unwritable(PathBuf, io::Error),
}

/// Where the keys of this configuration are.
pub(crate) fn file(model: &Model, state: Option<&Path>) -> Option<PathBuf> {
    let own = || state.map(|state| state.join("session-keys"));
    model.sessions.key_file.clone().or_else(own)
}

/// The keys to serve with. Without a file of them that can be used, ones that end with this process, after a warning.
pub(super) fn load(model: &Model, state: Option<&Path>) -> Keys {
    let found = match file(model, state) {
        None => None,
        Some(path) => match read_or_make(&path, model.sessions.key_file.is_none()) {
            Ok(keys) => Some(keys),
            Err(error) => {
                tracing::warn!("sessions will end with this process: {error}");
                None
            }
        },
    };
    found
        .and_then(|keys| Keys::new(&keys))
        .unwrap_or_else(|| Keys::new(&[random()]).expect("one key is enough"))
}

/// Reads the keys again. `None`, after a warning, if that cannot be done; then the old ones hold.
pub(super) fn reload(model: &Model, state: Option<&Path>) -> Option<Keys> {
    match read(&file(model, state)?) {
        Ok(keys) => Keys::new(&keys),
        Err(error) => {
            tracing::warn!("the session keys stay as they are: {error}");
            None
        }
    }
}

/// Puts a new key on top of the file, and tells how many of the old ones are kept.
pub(crate) fn rotate(path: &Path) -> Result<usize, KeyError> {
    let mut keys = match read(path) {
        Err(KeyError::Unreadable(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            Vec::new()
        }
        read => read?,
    };
    keys.truncate(KEPT);
    keys.insert(0, random());
    let fresh = path.with_extension("new");
    let fail = |error| KeyError::Unwritable(path.to_owned(), error);
    // What an interrupted attempt left has to go: it may be readable to others.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        Ok(()) | Err(_) => {}
    }
    write_new(&fresh, &keys).map_err(fail)?;
    // Services may read the file as another user than the one who turns the keys.
    if let Ok(before) = std::fs::metadata(path) {
        let owner = (Some(before.uid()), Some(before.gid()));
        std::os::unix::fs::chown(&fresh, owner.0, owner.1).map_err(fail)?;
        std::fs::set_permissions(&fresh, before.permissions()).map_err(fail)?;
    }
    std::fs::rename(&fresh, path).map_err(fail)?;
    Ok(keys.len() - 1)
}

fn read_or_make(path: &Path, may_make: bool) -> Result<Vec<Key>, KeyError> {
    match read(path) {
        Err(KeyError::Unreadable(_, error))
            if may_make && error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let keys = vec![random()];
    match write_new(path, &keys) {
        Ok(()) => Ok(keys),
        // Another stdiod was quicker, and its keys are as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(KeyError::Unwritable(path.to_owned(), error)),
    }
}

fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let unreadable = |error| KeyError::Unreadable(path.to_owned(), error);
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    if std::fs::metadata(path).is_ok_and(|about| about.mode() & 0o007 != 0) {
        tracing::warn!(
            file = %path.display(),
            "everybody on this host can read the session keys, and so use every session: chmod 600 it"
        );
    }
    let mut keys = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        keys.push(parse(line).ok_or_else(|| KeyError::NoKey(path.to_owned(), n + 1))?);
    }
    if keys.is_empty() {
        return Err(KeyError::Empty(path.to_owned()));
    }
    Ok(keys)
}

fn parse(line: &str) -> Option<Key> {
    let mut key = Key::default();
    if line.len() != 2 * key.len() || !line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (n, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&line[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(key)
}

/// Writes a file that was not there; nobody ever sees a part of it.
fn write_new(path: &Path, keys: &[Key]) -> io::Result<()> {
    let mut text = ABOUT.to_owned();
    for key in keys {
        for byte in key {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        text.push('\n');
    }
    let part = path.with_extension(format!("{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::hard_link(&part, path));
    // It is only a second name by now, or nothing.
    std::fs::remove_file(&part).ok();
    written
}

fn random() -> Key {
    let mut key = Key::default();
    getrandom::fill(&mut key).expect("the system gives random bytes");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("stdiod-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn keys_are_made_once_and_are_for_nobody_else() {
        let here = directory("keys");
        let path = here.join("session-keys");
        let made = read_or_make(&path, true).unwrap();
        assert_eq!(read_or_make(&path, true).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&here).unwrap().count(), 1, "nothing else is left");
        assert!(matches!(read_or_make(&here.join("other"), false), Err(KeyError::Unreadable(..))));
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn a_new_key_comes_on_top_and_the_oldest_go() {
        let here = directory("keys-rotate");
        let path = here.join("session-keys");
        assert_eq!(rotate(&path).unwrap(), 0);
        let first = read(&path).unwrap();
        for kept in 1..=KEPT {
            assert_eq!(rotate(&path).unwrap(), kept);
        }
        assert_eq!(read(&path).unwrap().last(), first.last());
        assert_eq!(rotate(&path).unwrap(), KEPT);
        assert!(!read(&path).unwrap().contains(&first[0]));
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let here = directory("keys-bad");
        let path = here.join("k");
        let says = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };
        assert!(says("# none\n\n").contains("no key in it"));
        let sound = "0a".repeat(32);
        assert!(says(&format!("{sound}\nabc")).contains("line 2 is no key"));
        assert!(says(&"+1".repeat(32)).contains("line 1 is no key"));
        std::fs::write(&path, &sound).unwrap();
        assert_eq!(read(&path).unwrap(), [[0x0a; 32]]);
        std::fs::remove_dir_all(here).unwrap();
    }
}
