//! The demo server as a child of the daemon: its part of the configuration, and what it was sent.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::{eventually, program};

/// A directory for one test, gone with it.
#[derive(Debug)]
pub(crate) struct Desk(PathBuf);

/// A server of the configuration that is run as `stdiod demo-server`.
#[derive(Debug)]
pub(crate) struct Demo {
    name: String,
    flags: Vec<String>,
    keys: String,
}

/// What a child was sent, line by line.
#[derive(Debug)]
pub(crate) struct Record(PathBuf);

// === impl Desk ===

impl Desk {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("stdiod-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a file as careful programs do: another one takes its name.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let new = self.write(&format!(".{name}.new"), text);
        std::fs::rename(new, self.0.join(name)).unwrap();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

// === impl Demo ===

impl Demo {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), flags: Vec::new(), keys: String::new() }
    }

    /// Flags that make it misbehave, as they would be typed.
    pub(crate) fn flags(mut self, flags: &str) -> Self {
        self.flags.extend(flags.split_whitespace().map(str::to_owned));
        self
    }

    /// Further keys of the server, as they stand in the file.
    pub(crate) fn keys(mut self, lines: &str) -> Self {
        self.keys.push_str(lines);
        self.keys.push('\n');
        self
    }

    /// Writes down what it is sent, in a file of this desk.
    pub(crate) fn recorded(self, desk: &Desk) -> (Self, Record) {
        let path = desk.path().join(format!("{}.log", self.name));
        let flag = format!("--log {}", path.display());
        (self.flags(&flag), Record(path))
    }

    /// Its table in the file.
    pub(crate) fn toml(&self) -> String {
        let program = program();
        let mut text = format!("[servers.{}]\ncommand = {program:?}\n", self.name);
        let mut args = vec!["demo-server"];
        // With a handshake, unless a test says otherwise.
        if !self.flags.iter().any(|flag| flag == "--era") {
            args.extend(["--era", "legacy"]);
        }
        args.extend(self.flags.iter().map(String::as_str));
        writeln!(text, "args = {args:?}\n{}", self.keys).unwrap();
        text
    }
}

// === impl Record ===

impl Record {
    /// What another program writes down.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The lines so far, as they were sent.
    pub(crate) fn raw(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        // A line that is being written is none yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    pub(crate) fn messages(&self) -> Vec<Value> {
        self.raw().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The messages of one method so far.
    pub(crate) fn of(&self, method: &str) -> Vec<Value> {
        self.messages().into_iter().filter(|message| message["method"] == method).collect()
    }

    /// Waits for the first message that fits.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.messages().into_iter().find(|message| fits(message)))
    }

    /// Waits for a message of this method.
    #[track_caller]
    pub(crate) fn wait_for(&self, method: &str) -> Value {
        self.wait(method, |message| message["method"] == method)
    }
}
