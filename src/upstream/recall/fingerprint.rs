//! What a child is started from, in one number. What is remembered of a child holds for another with the same one.
//!
//! It covers the command, the arguments, the environment and the directory, and which file the program is: its place, its size,
//! when it was changed and its number on the disk. An argument that names a program counts with that file too, since what runs
//! under `python server.py` is as much the script. Other files do not: servers are also told where their database or their log
//! is, which change with every use, and then nothing could ever be remembered. What a package runner fetches cannot be seen from
//! here.
//!
//! The number is a digest, so that it can be kept where a value of the environment must not be.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::upstream::process::Recipe;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Fingerprint([u8; 32]);

/// How the files are called that interpreters run.
const PROGRAMS: [&str; 20] = [
    "py", "pyz", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "jar", "sh", "rb", "php",
    "pl", "lua", "exs", "r", "wasm", "dll",
];

/// A digest of parts that cannot run into each other.
#[derive(Debug, Default)]
struct Parts(Sha256);

// === impl Fingerprint ===

impl Fingerprint {
    /// Looks at the files now.
    pub(in crate::upstream) fn of(recipe: &Recipe) -> Self {
        let mut parts = Parts::default();
        parts.list("command", [recipe.command.as_os_str()]);
        parts.list("args", recipe.args.iter().map(OsString::as_os_str));
        let pairs = recipe.environment.iter().flat_map(|(name, value)| [name, value]);
        parts.list("environment", pairs.map(OsString::as_os_str));
        parts.list("cwd", recipe.cwd.iter().map(|path| path.as_os_str()));
        let directory = recipe.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        parts.file(&directory.join(recipe.resolved()), |_, _| true);
        for arg in &recipe.args {
            parts.file(&directory.join(arg), is_program);
        }
        Self(parts.0.finalize().into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// === impl Parts ===

impl Parts {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn list<'a>(&mut self, name: &str, texts: impl IntoIterator<Item = &'a OsStr>) {
        self.add(name.as_bytes());
        for text in texts {
            self.add(text.as_bytes());
        }
    }

    /// What file stands there; nothing if none does that counts.
    fn file(&mut self, path: &Path, counts: impl Fn(&Path, &Metadata) -> bool) {
        let found = path.canonicalize().and_then(|path| Ok((path.metadata()?, path)));
        let found = found.ok().filter(|(about, path)| about.is_file() && counts(path, about));
        let Some((about, path)) = found else {
            return self.add(b"no file");
        };
        self.add(path.as_os_str().as_bytes());
        for number in numbers(&about) {
            self.add(&number.to_le_bytes());
        }
    }
}

/// Whether a file is there to be run, by its rights or by its name.
fn is_program(path: &Path, about: &Metadata) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    about.mode() & 0o111 != 0 || PROGRAMS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn numbers(about: &Metadata) -> [i128; 5] {
    [
        about.len().into(),
        about.mtime().into(),
        about.mtime_nsec().into(),
        about.dev().into(),
        about.ino().into(),
    ]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::model::ProcessLimits;

    fn recipe(command: &str, args: &[&str], environment: &[(&str, &str)]) -> Recipe {
        Recipe {
            command: command.into(),
            args: args.iter().map(Into::into).collect(),
            cwd: None,
            environment: environment.iter().map(|(n, v)| (n.into(), v.into())).collect(),
            limits: ProcessLimits::default(),
        }
    }

    #[test]
    fn t37_changed_words_make_another_number() {
        let one = Fingerprint::of(&recipe("sh", &["-c", "x"], &[("A", "1")]));
        assert_eq!(one, Fingerprint::of(&recipe("sh", &["-c", "x"], &[("A", "1")])));
        for other in [
            recipe("bash", &["-c", "x"], &[("A", "1")]),
            recipe("sh", &["-cx"], &[("A", "1")]),
            recipe("sh", &["-c", "x", ""], &[("A", "1")]),
            recipe("sh", &["-c", "x"], &[("A", "2")]),
            recipe("sh", &["-c", "x"], &[("A1", "")]),
            Recipe { cwd: Some("/".into()), ..recipe("sh", &["-c", "x"], &[("A", "1")]) },
        ] {
            assert_ne!(one, Fingerprint::of(&other), "{other:?}");
        }
        let text = one.to_string();
        assert!(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    }

    #[test]
    fn t37_changed_files_make_another_number() {
        let desk = std::env::temp_dir().join(format!("stdiod-fingerprint-{}", std::process::id()));
        std::fs::create_dir_all(&desk).unwrap();
        let write = |name: &str, text: &str| {
            let path = desk.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("program", "one");
        write("script", "one");
        std::fs::write(desk.join("script.py"), "one").unwrap();
        std::fs::write(desk.join("data.db"), "one").unwrap();
        let path = desk.to_str().unwrap().to_owned();
        // The program is found on the child's own path, and the script in its directory.
        let args = ["script", "script.py", "data.db"];
        let recipe =
            Recipe { cwd: Some(desk.clone()), ..recipe("program", &args, &[("PATH", &path)]) };
        let before = Fingerprint::of(&recipe);
        std::fs::write(desk.join("data.db"), "longer").unwrap();
        assert_eq!(before, Fingerprint::of(&recipe), "what a server writes is not its program");
        write("script", "longer");
        let between = Fingerprint::of(&recipe);
        std::fs::write(desk.join("script.py"), "longer").unwrap();
        let after = Fingerprint::of(&recipe);
        assert!(before != between && between != after);
        // The same bytes in another file: what an upgrade leaves behind.
        write("new", "one");
        std::fs::rename(desk.join("new"), desk.join("program")).unwrap();
        assert_ne!(after, Fingerprint::of(&recipe));
        std::fs::remove_dir_all(&desk).unwrap();
    }
}
