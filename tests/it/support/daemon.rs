//! The daemon as a process.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::child::{Demo, Desk};
use super::http::{Answer, Request};
use super::mcp::Mcp;
use super::modern::Modern;
use super::{LIMIT, eventually, program};

/// A running daemon. When dropped it is made to leave at once, with its children.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Log>,
    address: String,
    /// Kept as long as the daemon, and as one that follows it.
    desk: Arc<Desk>,
}

/// The kernel chooses where.
const FREE: &[&str] = &["--listen", "127.0.0.1:0"];

/// What it has written to standard error, one JSON object a line.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
    /// Whoever holds it keeps what follows from being read.
    unread: Mutex<()>,
}

/// How a daemon that would not start ended.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

#[expect(clippy::disallowed_methods, reason = "here the test is the one who starts processes")]
pub(crate) fn command() -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// The same after a shell has done this.
#[expect(clippy::disallowed_methods, reason = "here the test is the one who starts processes")]
pub(crate) fn by_shell(before: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(program());
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

// === impl Daemon ===

impl Daemon {
    /// Serves this configuration on an address the kernel chooses.
    pub(crate) fn start(config: &str) -> Self {
        Self::at(Desk::new(), config)
    }

    /// The same, with the files of this desk beside its configuration.
    pub(crate) fn at(desk: Desk, config: &str) -> Self {
        Self::run(desk, config, command(), FREE)
    }

    /// Ends it with this signal and starts another with the same files.
    #[track_caller]
    pub(crate) fn follow(mut self, signal: Signal) -> Self {
        self.signal(signal);
        self.ended(LIMIT);
        Self::spawn(Arc::clone(&self.desk), command(), FREE)
    }

    /// Serves one demo server, at `/mcp` too.
    pub(crate) fn demo(flags: &str) -> Self {
        Self::start(&Demo::new("demo").flags(flags).toml())
    }

    /// Listens where its configuration says.
    pub(crate) fn as_configured(desk: Desk, config: &str) -> Self {
        Self::run(desk, config, command(), &[])
    }

    pub(crate) fn run(desk: Desk, config: &str, command: Command, flags: &[&str]) -> Self {
        desk.write("stdiod.toml", config);
        Self::spawn(Arc::new(desk), command, flags)
    }

    fn spawn(desk: Arc<Desk>, mut command: Command, flags: &[&str]) -> Self {
        let file = desk.path().join("stdiod.toml");
        command.arg("serve").arg("--config").arg(file).args(flags);
        Self::watch(desk, command)
    }

    /// Serves the one demo server of a command line.
    pub(crate) fn one_liner(options: &[&str], flags: &[&str]) -> Self {
        let mut command = command();
        command.arg("run").args(FREE).args(options);
        command.args(["--", program(), "demo-server"]).args(flags);
        Self::watch(Arc::new(Desk::new()), command)
    }

    fn watch(desk: Arc<Desk>, mut command: Command) -> Self {
        command.env("STATE_DIRECTORY", desk.path().join("state")).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (reader, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || reader.fill(stderr));
        let mut daemon = Self { child, log, address: String::new(), desk };
        let line = daemon.logged("listening on ");
        daemon.address = address(&line);
        daemon
    }

    /// Starts one that is expected to give up.
    pub(crate) fn refused(desk: &Desk, config: &str, flags: &[&str]) -> Refused {
        let file = desk.write("stdiod.toml", config);
        let mut command = command();
        command.arg("serve").arg("--config").arg(file).args(flags).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let code = ended(&mut child, LIMIT).unwrap_or_else(|| {
            child.kill().ok();
            panic!("it started all the same");
        });
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        Refused { code: code.code(), said }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The address of a server that listens by itself.
    pub(crate) fn own_address(&self, server: &str) -> String {
        let own = format!("\"server\":\"{server}\"");
        let find = |line: &&String| line.contains(&own) && line.contains("endpoint /mcp");
        let line = eventually("its own listener", || self.log().iter().find(find).cloned());
        address(&line)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        resident(self.pid())
    }

    /// The most that was ever resident, in bytes.
    pub(crate) fn most_resident(&self) -> u64 {
        memory(self.pid(), "VmHWM:")
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(&self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Request::get(path))
    }

    pub(crate) fn post(&self, path: &str, message: &Value) -> Answer {
        self.send(&Request::post(path, message))
    }

    /// A client that has greeted the server and been greeted.
    pub(crate) fn client(&self, path: &str, revision: &str, capabilities: &Value) -> Mcp {
        Mcp::open(&self.address, path, revision, capabilities)
    }

    /// A client of the only server, of the newest revision, that can be asked nothing.
    pub(crate) fn plain(&self) -> Mcp {
        self.client("/mcp", "2025-11-25", &serde_json::json!({}))
    }

    /// A client without a handshake, of the only server, that can be asked nothing.
    pub(crate) fn modern(&self) -> Modern {
        Modern::new(&self.address, "/mcp")
    }

    /// Waits until a server, or all of them, are ready.
    #[track_caller]
    pub(crate) fn ready(&self, path: &str) {
        eventually("readiness", || (self.get(path).status == 200).then_some(()));
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/status").json()
    }

    /// The only child, or the shared one of a server.
    pub(crate) fn child_pid(&self, server: &str) -> Pid {
        eventually("a child with a pid", || {
            let pid = self.status()["servers"][server]["children"][0]["pid"].as_i64()?;
            Pid::from_raw(i32::try_from(pid).ok()?)
        })
    }

    /// All it has said so far.
    pub(crate) fn log(&self) -> Vec<String> {
        // Lines wait 10 ms for others before they are written.
        std::thread::sleep(Duration::from_millis(30));
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As long as this is held nobody reads what it says.
    pub(crate) fn unread(&self) -> MutexGuard<'_, ()> {
        self.log.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub(crate) fn logged(&self, needle: &str) -> String {
        self.logged_after(0, needle)
    }

    /// The same, past the first so many lines.
    #[track_caller]
    pub(crate) fn logged_after(&self, seen: usize, needle: &str) -> String {
        let end = Instant::now() + LIMIT;
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.iter().skip(seen).find(|line| line.contains(needle)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it never logged {needle:?}:\n{}", lines.join("\n"));
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Has it read this configuration, and waits until it says what that changed, or why it changed nothing.
    #[track_caller]
    pub(crate) fn reload(&self, config: &str) -> String {
        self.desk.replace("stdiod.toml", config);
        self.hang_up()
    }

    /// The same without another configuration.
    #[track_caller]
    pub(crate) fn hang_up(&self) -> String {
        let seen = self.log().len();
        self.signal(Signal::HUP);
        self.logged_after(seen, "reloaded: ")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let status = ended(&mut self.child, within);
        status.unwrap_or_else(|| panic!("it still runs after {within:?}"))
    }

    /// Stops it as a service manager would, and expects it to have nothing to complain about.
    #[track_caller]
    pub(crate) fn stopped(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended(LIMIT).code(), Some(0));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.log();
            eprintln!("the daemon said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        // Twice: the second signal means at once. Its children go with it, also the stubborn ones.
        kill_process(self.pid(), Signal::TERM).ok();
        std::thread::sleep(Duration::from_millis(10));
        kill_process(self.pid(), Signal::TERM).ok();
        if ended(&mut self.child, Duration::from_secs(10)).is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

// === impl Log ===

impl Log {
    fn fill(&self, stderr: impl Read) {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            self.lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            self.more.notify_all();
            drop(self.unread.lock());
        }
    }
}

/// The `ADDR` of "listening on ADDR".
fn address(line: &str) -> String {
    let (_, rest) = line.split_once("listening on ").unwrap();
    rest.split([',', '"']).next().unwrap().to_owned()
}

fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn resident(pid: Pid) -> u64 {
    memory(pid, "VmRSS:")
}

/// A figure of `/proc/…/status` in bytes.
fn memory(pid: Pid, name: &str) -> u64 {
    let status = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Whether a process is there and has not died.
pub(crate) fn lives(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}
