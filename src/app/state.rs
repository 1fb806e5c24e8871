//! The state directory: what outlives the daemon. Without one everything works and nothing is remembered.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::Model;

/// Finds the state directory and makes it if it is not there. `None`, after a warning, if that cannot be done.
pub(super) fn directory(model: &Model) -> Option<Arc<Path>> {
    let Some(path) = wanted(model, |name| std::env::var_os(name).map(PathBuf::from)) else {
        tracing::warn!(
            "no state directory: sessions end with the daemon; set state_dir, or HOME in the environment"
        );
        return None;
    };
    match prepare(&path) {
        Ok(()) => Some(path.into()),
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
fn prepare(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    Ok(rustix::fs::access(path, access)?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
