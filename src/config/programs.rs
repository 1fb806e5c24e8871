//! Which file a command is, found as `execvp` would find it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a command cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProgram {
    #[error("{0:?} is not on PATH")]
    NotOnPath(String),
    #[error("there is no file {}", .0.display())]
    NoFile(PathBuf),
    #[error("{} is not executable", .0.display())]
    NotExecutable(PathBuf),
    #[error("{} is a directory", .0.display())]
    Directory(PathBuf),
}

/// Finds a command on `path`, or relative to `directory` when it names a file.
pub fn find(command: &str, path: &str, directory: &Path) -> Result<PathBuf, NoProgram> {
    if command.contains('/') {
        return executable(directory.join(command));
    }
    let mut forbidden = None;
    for place in std::env::split_paths(path) {
        match executable(directory.join(place).join(command)) {
            Ok(found) => return Ok(found),
            Err(error @ NoProgram::NotExecutable(_)) => forbidden = Some(error),
            Err(NoProgram::NotOnPath(_) | NoProgram::NoFile(_) | NoProgram::Directory(_)) => {}
        }
    }
    Err(forbidden.unwrap_or_else(|| NoProgram::NotOnPath(command.to_owned())))
}

fn executable(file: PathBuf) -> Result<PathBuf, NoProgram> {
    match file.metadata() {
        Err(_) => Err(NoProgram::NoFile(file)),
        Ok(found) if found.is_dir() => Err(NoProgram::Directory(file)),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Err(NoProgram::NotExecutable(file)),
        Ok(_) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_as_a_shell_would() {
        let root = Path::new("/");
        assert!(find("sh", "/nowhere:/bin:/usr/bin", root).is_ok());
        assert_eq!(find("bin/sh", "", root), Ok("/bin/sh".into()));
        assert_eq!(find("no-such", "/bin", root), Err(NoProgram::NotOnPath("no-such".to_owned())));
        assert_eq!(find("/etc", "", root), Err(NoProgram::Directory("/etc".into())));
        assert_eq!(
            find("/etc/passwd", "", root),
            Err(NoProgram::NotExecutable("/etc/passwd".into()))
        );
        assert_eq!(find("/no/such", "", root), Err(NoProgram::NoFile("/no/such".into())));
    }
}
