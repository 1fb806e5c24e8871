//! What is to be run, from the command line.

use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) scenarios: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) long: bool,
    pub(crate) daemon: PathBuf,
    /// How often, for scenarios that go in rounds.
    pub(crate) rounds: Option<u32>,
    /// Configuration changes and SIGHUP are part of the mix.
    pub(crate) reload: bool,
    /// The daemon itself is killed and started again in the mix.
    pub(crate) restarts: bool,
    /// The configuration schema of this daemon, which tells what it knows.
    schema: String,
}

pub(crate) const USAGE: &str = "\
usage: stdiod-torture [SCENARIO…] [--long] [--seed N] [--rounds N] [--daemon PATH] [--reload] [--restarts]

  mix       clients of every kind, while children crash, hang, chatter and clients vanish (the default)
  crash     a child is killed every half second while 32 sessions call
  orphans   the daemon is killed under load; who is left of 16 families?
  bounded   sessions by the thousand, dropped without a word
  restart   sessions, streams and calls across a restart of the daemon
  dormant   a hundred thousand sessions that do nothing
  cold      a gateway that polls a server which sleeps
  reload    one server changed, one added, one removed, fourteen left alone
  short     those of the above that must pass everywhere, in a minute
  all       all of them

Without --long the short forms run. --reload and --restarts make both part of the mix. The seed is printed first; the
same seed makes the same choices. Without --daemon the release build of this repository is tortured.";

impl Options {
    pub(crate) fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/stdiod");
        let mut options = Self {
            scenarios: Vec::new(),
            seed: u64::from(std::process::id()) ^ clock(),
            long: false,
            daemon: root,
            rounds: None,
            reload: false,
            restarts: false,
            schema: String::new(),
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--seed" => options.seed = number(&value()?)?,
                "--rounds" => options.rounds = Some(number(&value()?)?.clamp(1, 1000) as u32),
                "--daemon" => options.daemon = value()?.into(),
                "--long" => options.long = true,
                "--reload" => options.reload = true,
                "--restarts" => options.restarts = true,
                name if !name.starts_with('-') => options.scenarios.push(name.to_owned()),
                _ => return Err(format!("{arg} is not known\n\n{USAGE}")),
            }
        }
        if options.scenarios.is_empty() {
            options.scenarios.push("mix".to_owned());
        }
        let daemon = options.daemon.canonicalize();
        options.daemon = daemon.map_err(|error| {
            format!("{}: {error}; build it with `cargo build --release`", options.daemon.display())
        })?;
        options.schema = schema(&options.daemon)?;
        Ok(options)
    }

    /// Whether this daemon's configuration has this key. A key it does not know would be an error.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.schema.contains(&format!("\"{key}\""))
    }

    /// One or the other, by the form that runs.
    pub(crate) fn form<T>(&self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

#[expect(clippy::disallowed_methods, reason = "asks the binary about itself; no child of a daemon")]
fn schema(daemon: &Path) -> Result<String, String> {
    let out = Command::new(daemon).arg("schema").output();
    let out = out.map_err(|error| format!("{}: {error}", daemon.display()))?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
