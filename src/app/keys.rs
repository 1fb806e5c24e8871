//! The keys that seal session ids: one a line, 64 hexadecimal digits. The first seals, all of them open; so a new one is put on
//! top and the old ones are taken away when nobody uses a session of theirs any more.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
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

/// Where keys are.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a file that the configuration names. It has to be there.
    Named(PathBuf),
    /// In the state directory, where one is made if there is none.
    Own(PathBuf),
}

/// Where the keys of this configuration are.
pub(crate) fn place(model: &Model, state: Option<&Path>) -> Option<Place> {
    let own = || Some(Place::Own(state?.join("session-keys")));
    model.sessions.key_file.clone().map(Place::Named).or_else(own)
}

/// The keys to serve with. Without a file of them that can be used, ones that end with this process, after a warning.
pub(super) fn load(model: &Model, state: Option<&Path>) -> Keys {
    let found = match place(model, state).as_ref().map(Place::read) {
        None => None,
        Some(Ok(keys)) => Some(keys),
        Some(Err(error)) => {
            tracing::warn!("sessions will end with this process: {error}");
            None
        }
    };
    found.unwrap_or_else(|| known(&[random()]))
}

/// Reads the keys again. `None` if the ones that hold have to go on: nothing else is known, or our own file is spoilt, which is
/// no mistake of the configuration.
pub(super) fn reload(model: &Model, state: Option<&Path>) -> Result<Option<Keys>, KeyError> {
    let Some(place) = place(model, state) else { return Ok(None) };
    // Even our own file is not made here: another key would end the sessions that this process can still open.
    match (read(place.path()).map(|keys| known(&keys)), place) {
        (Ok(keys), _) => Ok(Some(keys)),
        (Err(error), Place::Named(_)) => Err(error),
        (Err(error), Place::Own(_)) => {
            tracing::warn!("the session keys stay as they are: {error}");
            Ok(None)
        }
    }
}

/// Puts a new key on top of the file, and tells how many of the old ones are kept.
pub(crate) fn rotate(path: &Path) -> Result<usize, KeyError> {
    let mut keys = read(path)?;
    keys.truncate(KEPT);
    keys.insert(0, random());
    let fail = |error| KeyError::Unwritable(path.to_owned(), error);
    // Where a link stands it stays, and what it points to is replaced.
    let path = path.canonicalize().map_err(fail)?;
    let (fresh, file) = write_beside(&path, &keys).map_err(fail)?;
    let put = || {
        // A power cut must not leave the name with nothing behind it.
        file.sync_all()?;
        // Services may read the file as another user than the one who turns the keys.
        let before = std::fs::metadata(&path)?;
        std::os::unix::fs::chown(&fresh, Some(before.uid()), Some(before.gid()))?;
        std::fs::set_permissions(&fresh, before.permissions())?;
        std::fs::rename(&fresh, &path)
    };
    if let Err(error) = put() {
        std::fs::remove_file(&fresh).ok();
        return Err(fail(error));
    }
    Ok(keys.len() - 1)
}

/// Makes the file, with a first key, if there is none. False if there is one.
pub(crate) fn create(path: &Path) -> Result<bool, KeyError> {
    match write_new(path, &[random()]).and_then(|file| file.sync_all()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(KeyError::Unwritable(path.to_owned(), error)),
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn path(&self) -> &Path {
        let (Self::Named(path) | Self::Own(path)) = self;
        path
    }

    fn read(&self) -> Result<Keys, KeyError> {
        let keys = match self {
            Self::Named(path) => read(path)?,
            Self::Own(path) => read_or_make(path)?,
        };
        Ok(known(&keys))
    }
}

fn known(keys: &[Key]) -> Keys {
    Keys::new(keys).expect("a file without any is an error")
}

fn read_or_make(path: &Path) -> Result<Vec<Key>, KeyError> {
    match read(path) {
        Err(KeyError::Unreadable(_, error)) if error.kind() == io::ErrorKind::NotFound => {}
        // The power was cut before what is written below had reached the disk.
        Err(KeyError::Empty(_)) if std::fs::metadata(path).is_ok_and(|about| about.len() == 0) => {
            std::fs::remove_file(path).ok();
        }
        read => return read,
    }
    match write_new(path, &[random()]) {
        Ok(file) => sync_meanwhile(file),
        // If another stdiod is quicker, its keys are as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(KeyError::Unwritable(path.to_owned(), error)),
    }
    read(path)
}

/// Sees to it that a file reaches the disk, for which nobody who starts should have to wait.
fn sync_meanwhile(file: File) {
    let sync = move || {
        if let Err(error) = file.sync_all() {
            tracing::warn!(%error, "a power cut may take the session keys along");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("session-keys".to_owned()).spawn(sync) {
        tracing::debug!(%error, "the session keys reach the disk when they do");
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

/// Writes a file that was not there; nobody ever sees a part of it. It has yet to reach the disk.
fn write_new(path: &Path, keys: &[Key]) -> io::Result<File> {
    let (fresh, file) = write_beside(path, keys)?;
    let linked = std::fs::hard_link(&fresh, path);
    // It is only a second name by now, or nothing.
    std::fs::remove_file(&fresh).ok();
    linked.map(|()| file)
}

/// Writes a file in the same directory, under a name that nobody else has or can guess.
fn write_beside(path: &Path, keys: &[Key]) -> io::Result<(PathBuf, File)> {
    let mut text = ABOUT.to_owned();
    for key in keys {
        text.push_str(&hex(key));
        text.push('\n');
    }
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", hex(&suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    match file.write_all(text.as_bytes()) {
        Ok(()) => Ok((fresh, file)),
        Err(error) => {
            std::fs::remove_file(&fresh).ok();
            Err(error)
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes any text");
        text
    })
}

fn random() -> Key {
    let mut key = Key::default();
    getrandom::fill(&mut key).expect("the system gives random bytes");
    key
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

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
        let made = read_or_make(&path).unwrap();
        assert_eq!(read_or_make(&path).unwrap(), made);
        assert!(!create(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&here).unwrap().count(), 1, "nothing else is left");
        std::fs::write(&path, "").unwrap();
        let anew = read_or_make(&path).unwrap();
        assert!(anew != made && read(&path).unwrap() == anew, "nothing was left to lose");
        std::fs::write(&path, "# spoilt by hand").unwrap();
        assert!(matches!(read_or_make(&path), Err(KeyError::Empty(_))));
        let other = Place::Named(here.join("other"));
        assert!(matches!(other.read(), Err(KeyError::Unreadable(..))));
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn a_new_key_comes_on_top_and_the_oldest_go() {
        let here = directory("keys-rotate");
        let path = here.join("session-keys");
        assert!(matches!(rotate(&path), Err(KeyError::Unreadable(..))), "there is none");
        assert!(create(&path).unwrap());
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
    fn turning_keys_touches_no_other_file_and_keeps_links_and_rights() {
        let here = directory("keys-beside");
        let (path, link) = (here.join("key.new"), here.join("link"));
        std::fs::write(&path, "0a".repeat(32)).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("key.new", &link).unwrap();
        let neighbours = ["key.1", "link.new", "key"].map(|name| here.join(name));
        for neighbour in &neighbours {
            std::fs::write(neighbour, "other").unwrap();
        }
        assert_eq!(rotate(&link).unwrap(), 1);
        assert_eq!(rotate(&path).unwrap(), 2);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&link).unwrap().last(), Some(&[0x0a; 32]));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        for neighbour in &neighbours {
            assert_eq!(std::fs::read_to_string(neighbour).unwrap(), "other");
        }
        assert_eq!(std::fs::read_dir(&here).unwrap().count(), 5, "nothing else is left");
        std::fs::remove_dir_all(here).unwrap();
    }

    #[test]
    fn a_file_that_is_named_has_to_be_sound_and_our_own_need_not_be() {
        let here = directory("keys-reload");
        let mut model = Model::default();
        assert!(reload(&model, None).unwrap().is_none());
        assert!(reload(&model, Some(&here)).unwrap().is_none());
        assert!(create(&here.join("session-keys")).unwrap());
        assert!(reload(&model, Some(&here)).unwrap().is_some());
        std::fs::write(here.join("session-keys"), "spoilt").unwrap();
        assert!(reload(&model, Some(&here)).unwrap().is_none());
        model.sessions.key_file = Some(here.join("named"));
        assert!(matches!(reload(&model, Some(&here)), Err(KeyError::Unreadable(..))));
        std::fs::write(here.join("named"), "0a".repeat(32)).unwrap();
        assert!(reload(&model, Some(&here)).unwrap().is_some());
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
