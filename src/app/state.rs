//! The state directory: what outlives the daemon. Without one everything works and nothing is remembered.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::Model;

/// Finds the state directory and makes it if it is not there. `None`, after a warning, if that cannot be done.
pub(super) fn directory(model: &Model) -> Option<Arc<Path>> {
    let Some(path) = place(model) else {
        tracing::warn!(
            "no state directory: sessions end with the daemon; set state_dir, or HOME in the environment"
        );
        return None;
    };
    match prepare(&path) {
        Ok(()) => {
            if let Some(who) = std::fs::metadata(&path).ok().and_then(|about| strangers(&about)) {
                tracing::warn!(
                    state_dir = %path.display(),
                    "{who} can write to the state directory, and so could have the daemon use keys of theirs and open every \
                     session: make it a directory of this user that nobody else can write to (chmod go-w), or set state_dir \
                     to one"
                );
            }
            Some(path.into())
        }
        Err(error) => {
            tracing::warn!(
                state_dir = %path.display(),
                "the state directory cannot be used ({error}): sessions end with the daemon; make it \
                 writable for this user, or set state_dir to another"
            );
            None
        }
    }
}

/// Where it is, or would be.
pub(super) fn place(model: &Model) -> Option<PathBuf> {
    wanted(model, |name| std::env::var_os(name).map(PathBuf::from))
}

fn wanted(model: &Model, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|path| path.is_absolute());
    // systemd separates several with colons; the first is the one for us.
    let systemd = || {
        let all = set("STATE_DIRECTORY")?;
        std::env::split_paths(&all).next()
    };
    let own = || Some(set("XDG_STATE_HOME")?.join("stdiod"));
    let home = || Some(set("HOME")?.join(".local/state/stdiod"));
    model.state_dir.clone().or_else(systemd).or_else(own).or_else(home)
}

/// Nobody but us may read what is in it: whoever has the key can make sessions.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    Ok(rustix::fs::access(path, access)?)
}

/// Who else may change what is in a directory. The superuser may anyway.
fn strangers(about: &Metadata) -> Option<String> {
    let us = rustix::process::geteuid().as_raw();
    match about.mode() {
        _ if about.uid() != us && about.uid() != 0 => Some(format!("user {}", about.uid())),
        mode if mode & 0o002 != 0 => Some("everybody on this host".to_owned()),
        mode if mode & 0o020 != 0 => Some(format!("group {}", about.gid())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn who_else_can_write_is_found_out() {
        let here = std::env::temp_dir().join(format!("stdiod-state-{}", std::process::id()));
        prepare(&here).unwrap();
        let who = |mode| {
            std::fs::set_permissions(&here, std::fs::Permissions::from_mode(mode)).unwrap();
            strangers(&std::fs::metadata(&here).unwrap())
        };
        assert_eq!(who(0o700), None);
        assert_eq!(who(0o755), None);
        assert!(who(0o770).unwrap().starts_with("group "));
        assert_eq!(who(0o1777).unwrap(), "everybody on this host");
        std::fs::remove_dir(here).unwrap();
    }

    #[test]
    fn the_configuration_wins_then_systemd_then_the_users_own() {
        let find = |model: &Model, set: &[(&str, &str)]| {
            let set: Vec<_> = set.to_vec();
            wanted(model, move |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        let all = [("STATE_DIRECTORY", "/a:/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        let told = Model { state_dir: Some("/told".into()), ..Model::default() };
        assert_eq!(find(&told, &all), Some("/told".into()));
        let plain = Model::default();
        assert_eq!(find(&plain, &all), Some("/a".into()));
        assert_eq!(find(&plain, &all[1..]), Some("/x/stdiod".into()));
        assert_eq!(find(&plain, &all[2..]), Some("/h/.local/state/stdiod".into()));
        assert_eq!(find(&plain, &[("HOME", "")]), None);
    }
}
