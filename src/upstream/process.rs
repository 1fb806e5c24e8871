//! One process: started in a group of its own, with little of our environment, and made to leave as a group.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

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

/// A running process and its group. Dropping it kills the group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
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
    #[error("command {0:?} may not be executed: {1}")]
    NotAllowed(OsString, std::io::Error),
    #[error("the process could not be started: {0}")]
    Other(std::io::Error),
}

// === impl Recipe ===

impl Recipe {
    pub(super) fn spawn(&self) -> Result<(Process, Pipes), SpawnError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place where children are started"
        )]
        let mut command = Command::new(self.resolved());
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|error| self.explain(error))?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        self.limit(group);
        let pipes = Pipes {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        };
        Ok((Process { child, group }, pipes))
    }

    /// The program's file. A plain name is looked up on the child's own `PATH`, not on ours.
    pub(super) fn resolved(&self) -> OsString {
        let plain = !self.command.as_encoded_bytes().contains(&b'/');
        let path = self.environment.get(std::ffi::OsStr::new("PATH")).filter(|_| plain);
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
        if let Some(cwd) = self.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
            return SpawnError::NoDirectory(cwd.clone());
        }
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

// === impl Process ===

impl Process {
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

    /// Ends what the process left of its group. To be called once it has exited; afterwards the group's number may be another's,
    /// so it is forgotten.
    pub(super) fn bury(&mut self) {
        self.kill();
        self.group = None;
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group without members is what we want.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
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

    #[tokio::test]
    async fn a_child_has_only_the_environment_it_is_given_and_a_group_of_its_own() {
        let (mut process, mut pipes) =
            recipe("sh", &["-c", "env; echo $$; ps -o pgid= -p $$"]).spawn().unwrap();
        let mut said = String::new();
        pipes.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(&*process.exited().await, "it exited with status 0");
        assert!(said.contains("PATH=/usr/bin:/bin") && !said.contains("HOME="), "{said}");
        let numbers: Vec<&str> = said.lines().rev().take(2).map(str::trim).collect();
        assert_eq!(numbers[0], numbers[1], "the child leads its group");
    }

    #[tokio::test]
    async fn the_whole_group_is_ended() {
        let (mut process, mut pipes) =
            recipe("sh", &["-c", "sleep 1000 & echo up; wait"]).spawn().unwrap();
        let mut stdout = pipes.stdout.take().unwrap();
        let mut up = [0; 3];
        stdout.read_exact(&mut up).await.unwrap();
        process.kill();
        assert_eq!(&*process.exited().await, "it was killed by SIGKILL (9)");
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "the grandchild held this pipe and is gone too");
    }

    #[tokio::test]
    async fn a_program_that_cannot_run_is_explained() {
        let missing = recipe("no-such-program-here", &[]).spawn().unwrap_err();
        assert!(matches!(missing, SpawnError::NotFound(_)), "{missing}");
        let denied = recipe("/etc/passwd", &[]).spawn().unwrap_err();
        assert!(matches!(denied, SpawnError::NotAllowed(..)), "{denied}");
        let mut nowhere = recipe("sh", &[]);
        nowhere.cwd = Some("/no/such/place".into());
        assert!(matches!(nowhere.spawn().unwrap_err(), SpawnError::NoDirectory(_)));
    }

    #[tokio::test]
    async fn limits_are_set() {
        let mut recipe = recipe("sh", &["-c", "sleep 0.2; ulimit -n"]);
        recipe.limits.open_files = Some(77);
        let (_process, mut pipes) = recipe.spawn().unwrap();
        let mut said = String::new();
        pipes.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said.trim(), "77");
    }
}
