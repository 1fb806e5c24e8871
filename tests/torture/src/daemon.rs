//! The daemon under torture: its configuration, its process, and what it says of itself.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::sleep;

use crate::options::Options;
use crate::{http, proc};

/// A server of the configuration: the daemon's own demo server with these flags and keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) flags: Vec<String>,
    pub(crate) keys: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Daemon {
    program: PathBuf,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) mark: String,
    pub(crate) servers: Vec<Server>,
    /// Where sealed session ids have their key, if this daemon knows the key for it.
    state: bool,
    process: Option<Child>,
    keep: bool,
}

// === impl Server ===

impl Server {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn flags(mut self, flags: &str) -> Self {
        self.flags.extend(flags.split_whitespace().map(str::to_owned));
        self
    }

    pub(crate) fn key(mut self, line: &str) -> Self {
        self.keys.push(line.to_owned());
        self
    }
}

// === impl Daemon ===

impl Daemon {
    /// Starts one and waits until every server has answered its handshake.
    pub(crate) async fn start(options: &Options, servers: Vec<Server>) -> Result<Self, String> {
        let address = free_address()?;
        let mark = format!("{}-{}", std::process::id(), address.port());
        let folder = std::env::temp_dir().join(format!("stdiod-torture-{mark}"));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut daemon = Self {
            program: options.daemon.clone(),
            folder,
            address,
            mark,
            servers,
            state: options.knows("state_dir"),
            process: None,
            keep: false,
        };
        daemon.configure(None)?;
        daemon.spawn()?;
        daemon.ready(Duration::from_secs(20)).await?;
        Ok(daemon)
    }

    /// Writes the configuration; with `spoilt` one that must be refused.
    pub(crate) fn configure(&self, spoilt: Option<&str>) -> Result<(), String> {
        let mut text = String::new();
        if self.state {
            let _ =
                writeln!(text, "state_dir = {:?}", self.folder.join("state").display().to_string());
        }
        let _ = writeln!(text, "[http]\nlisten = [\"{}\"]\n[log]\nlevel = \"warn\"", self.address);
        for server in &self.servers {
            let mut args = ["demo-server", "--era", "legacy"].map(str::to_owned).to_vec();
            args.extend(server.flags.iter().cloned());
            let _ = writeln!(
                text,
                "[servers.{name}]\ncommand = {program:?}\nargs = {args:?}\nenv = {{ {mark} = {value:?}, {server} = {name:?} }}\n{keys}",
                name = server.name,
                program = self.program.display().to_string(),
                mark = proc::MARK,
                value = self.mark,
                server = proc::SERVER,
                keys = server.keys.join("\n"),
            );
        }
        text.push_str(spoilt.unwrap_or_default());
        fs::write(self.folder.join("stdiod.toml"), text).map_err(|error| error.to_string())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the daemon, not a child of one")]
    pub(crate) fn spawn(&mut self) -> Result<(), String> {
        let log = self.folder.join("daemon.log");
        let log = OpenOptions::new().create(true).append(true).open(log);
        let state = self.folder.join("state");
        fs::create_dir_all(&state).map_err(|error| error.to_string())?;
        let process = Command::new(&self.program)
            .args(["serve", "--config"])
            .arg(self.folder.join("stdiod.toml"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.map_err(|error| error.to_string())?)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        self.process = Some(process);
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    /// Waits until it says it is ready.
    pub(crate) async fn ready(&mut self, within: Duration) -> Result<(), String> {
        let end = Instant::now() + within;
        loop {
            let said = http::get(self.address, "/readyz").await;
            if said.as_ref().is_ok_and(|(status, _)| *status == 200) {
                return Ok(());
            }
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(format!("the daemon ended by itself: {status}\n{}", self.last_words()));
            }
            if Instant::now() >= end {
                return Err(format!(
                    "it is not ready after {within:?}: {said:?}\n{}",
                    self.last_words()
                ));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn status(&self) -> Value {
        let said = http::get(self.address, "/status").await;
        said.ok().and_then(|(_, text)| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
    }

    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.process.is_some() && proc::signal(self.pid(), signal)
    }

    /// Waits for its end and says how long that took.
    pub(crate) async fn ended(&mut self, within: Duration) -> Result<Duration, String> {
        let begun = Instant::now();
        let Some(process) = &mut self.process else { return Ok(Duration::ZERO) };
        loop {
            if process.try_wait().map_err(|error| error.to_string())?.is_some() {
                self.process = None;
                return Ok(begun.elapsed());
            }
            if begun.elapsed() >= within {
                return Err(format!("the daemon still runs {within:?} after it was told to end"));
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Keeps its folder, to explain a failure.
    pub(crate) fn keep(&mut self) -> String {
        self.keep = true;
        self.folder.display().to_string()
    }

    /// The last lines it wrote.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(self.folder.join("daemon.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Lines of its log that tell of a fault of its own.
    pub(crate) fn faults(&self) -> Vec<String> {
        let log = fs::read(self.folder.join("daemon.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let signs = ["panicked at", "a fault of stdiod", "a slot was lost", "ended by itself"];
        log.lines()
            .filter(|line| signs.iter().any(|sign| line.contains(sign)))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
        // Whatever it left is this run's, by its mark.
        for left in proc::marked(&self.mark) {
            proc::signal(left.pid, Signal::KILL);
        }
        if !self.keep {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}
