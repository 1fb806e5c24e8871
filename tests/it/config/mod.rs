//! Configuration as a user meets it: files in a directory, an environment, and what is said about them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod commands;
mod errors;
mod export;
mod layers;
mod samples;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use stdiod::config::picture::{Style, picture};
use stdiod::config::{Host, Loaded, Rejected, Sources, load};

/// A directory with configuration files and a pretend environment around it.
struct Desk {
    directory: PathBuf,
    sources: Sources,
}

impl Desk {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("stdiod-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let sources = Sources {
            files: Vec::new(),
            system_file: None,
            variables: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            flags: Vec::new(),
            directory: directory.clone(),
            program: "/bin/sh".into(),
            host: Host::Checking,
        };
        Self { directory, sources }
    }

    /// Writes a file without reading it as configuration.
    fn write(self, name: &str, text: &str) -> Self {
        let path = self.directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Writes a file and reads it as with `--config`.
    fn file(mut self, name: &str, text: &str) -> Self {
        self.sources.files.push(self.directory.join(name));
        self.write(name, text)
    }

    fn variable(mut self, name: &str, text: &str) -> Self {
        self.sources.variables.insert(name.to_owned(), text.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, Rejected> {
        load(&self.sources)
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|rejected| panic!("{}", self.shown(&rejected.problems)))
    }

    /// What a user is told, with the directory made the same for every run.
    fn told(&self) -> String {
        match self.load() {
            Ok(loaded) => self.shown(&loaded.warnings),
            Err(rejected) => self.shown(&rejected.problems),
        }
    }

    fn shown(&self, problems: &[stdiod::config::problem::Problem]) -> String {
        self.plain(&picture(problems, Style::Plain))
    }

    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.display()), "")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
