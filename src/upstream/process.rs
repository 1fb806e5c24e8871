//! One process: started in a session of its own, with little of our environment, and made to leave with all it started.
//!
//! The kernel kills it when the thread that started it ends, and so with the daemon, however that ends. What it started in turn
//! is ended by the nursery, or by the keeper if we are gone.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::io::FdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::kin::{self, Mark};
use super::nursery::{Nursery, Request};
use super::places::Places;
use crate::config::model::ProcessLimits;

/// How to make a process.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) command: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) limits: ProcessLimits,
}

/// A running process. Dropping it kills it and all it started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// By which the nursery knows it.
    number: u64,
    group: Option<Pid>,
    nursery: Nursery,
    /// Kept until nothing is left of it.
    places: Option<Places>,
    /// It has been killed, so nobody it leaves is asked first.
    killed: bool,
}

/// Our ends of its pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// Why no process could be made, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpawnError {
    #[error("command {0:?} was not found; install it, or write its full path")]
    NotFound(OsString),
    #[error("its working directory {0:?} is not there")]
    NoDirectory(PathBuf),
    #[error(
        "command {command:?} or its working directory ({cwd:?}) does not answer: is its file system mounted?"
    )]
    Silent { command: OsString, cwd: PathBuf },
    #[error("command {0:?} may not be executed: {1}")]
    NotAllowed(OsString, std::io::Error),
    #[error("the process could not be started: {0}")]
    Other(std::io::Error),
    #[error("the process could not be started: stdiod is stopping, or far too busy")]
    NoNursery,
}

// === impl Recipe ===

impl Recipe {
    /// Looks for the program's file, at its first bytes, and for the directory: all that a start waits for. To be called on a thread
    /// that may wait for ever.
    pub(super) fn find(&self) -> Result<OsString, SpawnError> {
        if let Some(cwd) = self.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
            return Err(SpawnError::NoDirectory(cwd.clone()));
        }
        let program = self.resolved();
        let file =
            self.cwd.as_ref().map_or_else(|| PathBuf::from(&program), |cwd| cwd.join(&program));
        // What is known of a file may be remembered when its disk is long gone. One that may be executed but not read is fine.
        if file.is_file()
            && let Ok(mut file) = std::fs::File::open(file)
        {
            file.read_exact(&mut [0; 64]).ok();
        }
        Ok(program)
    }

    /// Nothing was heard of it.
    pub(super) fn silent(&self) -> SpawnError {
        let cwd = self.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        SpawnError::Silent { command: self.command.clone(), cwd }
    }

    /// Starts this program as a process with this mark. To be called on a thread that lives as long as the process may.
    pub(super) fn start(&self, program: &OsStr, mark: &str) -> Result<(Child, Pipes), SpawnError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place where children are started"
        )]
        let mut command = Command::new(program);
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.environment)
            .env(kin::VARIABLE, mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        die_with_us(&mut command);
        let mut child = command.spawn().map_err(|error| self.explain(error))?;
        self.limit(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let pipes = Pipes {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        };
        Ok((child, pipes))
    }

    /// The program's file. A plain name is looked up on the child's own `PATH`, not on ours.
    pub(super) fn resolved(&self) -> OsString {
        let plain = !self.command.as_encoded_bytes().contains(&b'/');
        let path = self.environment.get(OsStr::new("PATH")).filter(|_| plain);
        let found = path.and_then(|path| {
            std::env::split_paths(path).map(|directory| directory.join(&self.command)).find(
                |file| {
                    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
                },
            )
        });
        found.map_or_else(|| self.command.clone(), PathBuf::into_os_string)
    }

    fn explain(&self, error: std::io::Error) -> SpawnError {
        if error.kind() == std::io::ErrorKind::NotFound {
            return SpawnError::NotFound(self.command.clone());
        }
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            return SpawnError::NotAllowed(self.command.clone(), error);
        }
        SpawnError::Other(error)
    }

    /// Limits are set from outside, right after the start: between fork and exec nothing safe could do it.
    fn limit(&self, pid: Option<Pid>) {
        let set = |resource, value: Option<u64>| {
            let Some(value) = value else { return };
            let limit = Rlimit { current: Some(value), maximum: Some(value) };
            if let Err(error) = rustix::process::prlimit(pid, resource, limit) {
                tracing::warn!(command = ?self.command, ?resource, %error, "a limit could not be set");
            }
        };
        set(Resource::Nofile, self.limits.open_files);
        set(Resource::As, self.limits.memory.map(|size| size.0));
        if let Some(nice) = self.limits.nice
            && let Err(error) = rustix::process::setpriority_process(pid, nice)
        {
            tracing::warn!(command = ?self.command, %error, "its niceness could not be set");
        }
    }
}

/// Puts the process in a session of its own, and has the kernel kill it when the calling thread ends.
#[expect(unsafe_code, reason = "between fork and exec there is no safe way to do anything")]
fn die_with_us(command: &mut Command) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::setsid()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // Who became an orphan before the signal was set would never get it.
        if rustix::process::getppid() != Some(parent) {
            return Err(rustix::io::Errno::SRCH.into());
        }
        Ok(())
    };
    // SAFETY: the closure makes four system calls, allocates nothing, takes no lock and touches no memory of other threads.
    unsafe { command.pre_exec(prepare) };
}

/// Marks all descriptors but the first three to be closed in every process we start. All we open ourselves is; what we were
/// started with may not be, and is no business of a child's.
#[expect(
    unsafe_code,
    reason = "a descriptor that is known by its number alone cannot be borrowed safely"
)]
pub(super) fn seal_descriptors() {
    let Ok(listed) = std::fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> =
        listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in open.into_iter().filter(|number| *number > 2) {
        // SAFETY: one flag is set and nothing else is done. If the descriptor has been closed since, that fails; if it is
        // another by now, it is one of ours, and has the flag already.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC).ok();
    }
}

/// Starts our own program as the keeper, in a session of its own and with nothing of our environment. It outlives us.
pub(super) fn start_keeper(mark: &Mark) -> std::io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the keeper is started like a child")]
    // The link leads to the program that runs, even if another was installed in its place.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("stdiod")
        .args(["keeper", &mark.to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    command.spawn()
}

// === impl Process ===

impl Process {
    pub(super) fn new(child: Child, number: u64, nursery: Nursery, places: Places) -> Self {
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self { child, number, group, nursery, places: Some(places), killed: false }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end and says how it was. Cancel-safe.
    pub(super) async fn exited(&mut self) -> Arc<str> {
        match self.child.wait().await {
            Ok(status) => explain_exit(status).into(),
            Err(error) => format!("its exit status could not be read: {error}").into(),
        }
    }

    /// Closes its stdin, once it has been seen whom it leaves behind should it end by that.
    pub(super) fn farewell(&self, stdin: ChildStdin) {
        self.nursery.tell(Request::Farewell { child: self.number, stdin });
    }

    pub(super) fn terminate(&self) {
        self.signal_group(Signal::TERM);
        self.nursery.tell(Request::Signal { child: self.number, signal: Signal::TERM });
    }

    pub(super) fn kill(&mut self) {
        self.killed = true;
        self.signal_group(Signal::KILL);
        self.nursery.tell(Request::Signal { child: self.number, signal: Signal::KILL });
    }

    /// Has what the process left behind ended. To be called once it has exited; afterwards the group's number may be another's, so
    /// it is forgotten. Its place becomes free when nothing is left.
    pub(super) fn bury(&mut self) {
        self.group = None;
        if let Some(places) = self.places.take() {
            self.nursery.tell(Request::Bury { child: self.number, places, killed: self.killed });
        }
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group without members is what we want.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.killed |= self.group.is_some();
        self.signal_group(Signal::KILL);
        self.bury();
    }
}

fn explain_exit(status: ExitStatus) -> String {
    let name = |signal: i32| match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => "a signal",
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with status {code}"),
        (None, Some(signal)) => format!("it was killed by {} ({signal})", name(signal)),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn recipe(command: &str, args: &[&str]) -> Recipe {
        Recipe {
            command: command.into(),
            args: args.iter().map(Into::into).collect(),
            cwd: None,
            environment: [("PATH".into(), "/usr/bin:/bin".into())].into(),
            limits: ProcessLimits::default(),
        }
    }

    fn start(recipe: &Recipe) -> Result<(Child, Pipes), SpawnError> {
        recipe.start(&recipe.find()?, "m")
    }

    #[tokio::test]
    async fn a_child_has_only_the_environment_it_is_given_and_a_session_of_its_own() {
        let (mut child, mut pipes) =
            start(&recipe("sh", &["-c", "env; ps -o sid= -p $$; echo $$; ps -o pgid= -p $$"]))
                .unwrap();
        let mut said = String::new();
        pipes.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(explain_exit(child.wait().await.unwrap()), "it exited with status 0");
        assert!(said.contains("PATH=/usr/bin:/bin") && !said.contains("HOME="), "{said}");
        assert!(said.contains("_STDIOD_CHILD=m\n"), "{said}");
        let numbers: Vec<&str> = said.lines().rev().take(3).map(str::trim).collect();
        assert_eq!(numbers, [numbers[1]; 3], "the child leads its group and its session");
    }

    #[tokio::test]
    async fn a_child_sees_its_three_pipes_and_nothing_else_of_ours() {
        let _held = std::fs::File::open("/proc/self/stat").unwrap();
        let _socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        seal_descriptors();
        // `ls` opens the directory itself, as the lowest free number.
        let (_child, mut pipes) = start(&recipe("ls", &["/proc/self/fd"])).unwrap();
        let mut said = String::new();
        pipes.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    }

    #[tokio::test]
    async fn a_child_ends_with_the_thread_that_started_it() {
        let handle = tokio::runtime::Handle::current();
        let thread = std::thread::spawn(move || {
            let _inside = handle.enter();
            start(&recipe("sleep", &["1000"])).unwrap().0
        });
        let mut child = tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
        assert_eq!(explain_exit(child.wait().await.unwrap()), "it was killed by SIGKILL (9)");
    }

    #[tokio::test]
    async fn a_program_that_cannot_run_is_explained() {
        let missing = start(&recipe("no-such-program-here", &[])).unwrap_err();
        assert!(matches!(missing, SpawnError::NotFound(_)), "{missing}");
        let denied = start(&recipe("/etc/passwd", &[])).unwrap_err();
        assert!(matches!(denied, SpawnError::NotAllowed(..)), "{denied}");
        let mut nowhere = recipe("sh", &[]);
        nowhere.cwd = Some("/no/such/place".into());
        assert!(matches!(start(&nowhere).unwrap_err(), SpawnError::NoDirectory(_)));
    }

    #[tokio::test]
    async fn limits_are_set() {
        let mut recipe = recipe("sh", &["-c", "sleep 0.2; ulimit -n"]);
        recipe.limits.open_files = Some(77);
        let (_child, mut pipes) = start(&recipe).unwrap();
        let mut said = String::new();
        pipes.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said.trim(), "77");
    }
}
