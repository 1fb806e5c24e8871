//! One server: can it be started, and do its limits make sense?

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Rules;
use crate::config::key::KeyPath;
use crate::config::layers::Host;
use crate::config::model::{Mode, Overflow, Push, Server};
use crate::config::place::Place;
use crate::config::problem::{Problem, Severity};
use crate::config::programs::{self, NoProgram};
use crate::config::secret::Secret;
use crate::wire::id::ServerName;

impl Rules<'_> {
    pub(super) fn servers(&mut self) -> BTreeMap<ServerName, PathBuf> {
        let mut programs = BTreeMap::new();
        let all = KeyPath::from(["servers"]);
        if self.model.servers.is_empty() && !self.findings.doubts(&all) {
            self.warning(
                &KeyPath::root(),
                "no server is configured",
                &["add one: [servers.NAME] with a `command`"],
            );
        }
        for (name, server) in &self.model.servers {
            let path = all.key(name.as_str());
            self.limits(&path, server);
            self.tokens_of_server(&path, name.as_str(), &server.tokens);
            if let Some(program) = self.program(&path, server) {
                programs.insert(name.clone(), program);
            }
        }
        programs
    }

    fn limits(&mut self, path: &KeyPath, server: &Server) {
        if server.max_children == 0 {
            self.error(
                &path.key("max_children"),
                "the server could never run",
                &["to switch it off write `enabled = false`"],
            );
        }
        if server.spare > 0 && server.mode == Mode::Shared {
            self.warning(
                &path.key("spare"),
                "nobody gets a child of its own in mode \"shared\", so none is kept ready",
                &["leave it out, or write `mode = \"auto\"`"],
            );
        } else if server.spare > 0 && server.spare >= server.max_children {
            let message = format!(
                "{} spare children and the shared one are more than {} (max_children)",
                server.spare, server.max_children
            );
            self.error(&path.key("spare"), &message, &["raise max_children, or lower spare"]);
        }
        let times = [
            ("start_timeout", server.start_timeout),
            ("request_timeout", server.request_timeout),
            ("request_timeout_max", server.request_timeout_max),
        ];
        for (key, time) in times {
            if time.0.is_zero() {
                self.error(
                    &path.key(key),
                    "every attempt would be over at once",
                    &["write a long time, such as \"24h\", where there should be no limit"],
                );
            }
        }
        if server.probe_wait.0.is_zero() {
            self.error(
                &path.key("probe_wait"),
                "every child would be sent initialize along with the probe",
                &["write a time such as \"5s\"; for a child that cannot be asked, `era = \"legacy\"`"],
            );
        }
        if server.idle_stop.0.is_some_and(|time| time.is_zero()) {
            self.error(
                &path.key("idle_stop"),
                "it would be stopped as soon as it is ready",
                &["write \"10m\", or \"never\" to let it run"],
            );
        }
        if server.request_timeout > server.request_timeout_max
            && !server.request_timeout_max.0.is_zero()
        {
            let message = format!(
                "a call may take {} but never more than {} (request_timeout_max)",
                server.request_timeout, server.request_timeout_max
            );
            // The place of the longer one may be a default; then the shorter one was written.
            let long = path.key("request_timeout");
            let short = path.key("request_timeout_max");
            let written = |key: &KeyPath| self.merged.place(key) != Place::Default;
            let at = if written(&long) { long } else { short };
            self.error(&at, &message, &["raise request_timeout_max, or lower request_timeout"]);
        }
        if server.max_message.0 == 0 {
            self.error(
                &path.key("max_message"),
                "no message would fit",
                &["the built-in value is \"16MiB\""],
            );
        }
        if server.stateful && server.mode == Mode::Shared {
            self.error(
                &path.key("stateful"),
                "a child that everybody shares holds nothing for one session alone",
                &["write `mode = \"per-session\"`, or leave `mode` away"],
            );
        }
        if server.stateful && server.overflow == Overflow::Share {
            self.error(
                &path.key("overflow"),
                "a session whose state the child keeps (stateful) cannot share one",
                &["write \"wait\" or \"refuse\""],
            );
        }
        if server.push == Push::Off && (server.stateful || server.mode == Mode::PerSession) {
            self.warning(
                &path.key("push"),
                "without session ids there are no sessions to have children of their own",
                &["leave out `stateful` and `mode`, or switch push off for single tokens of [auth]"],
            );
        }
        self.process_limits(path, server);
    }

    fn process_limits(&mut self, path: &KeyPath, server: &Server) {
        let path = path.key("limits");
        if let Some(nice) = server.limits.nice.filter(|nice| !(0..=19).contains(nice)) {
            let message = format!("{nice} is no niceness: it goes from 0 to 19");
            self.error(&path.key("nice"), &message, &["0 is normal, 19 yields to everybody"]);
        }
        if server.limits.open_files.is_some_and(|files| files < 16) {
            self.error(
                &path.key("open_files"),
                "too few to start any program",
                &["write 1024, or leave it out"],
            );
        }
        if server.limits.memory.is_some_and(|memory| memory.0 < 1 << 20) {
            self.error(
                &path.key("memory"),
                "too little to start any program",
                &["write \"2GiB\", or leave it out"],
            );
        }
    }

    /// The file behind the command of an enabled server.
    fn program(&mut self, path: &KeyPath, server: &Server) -> Option<PathBuf> {
        let key = path.key("command");
        if server.command.trim().is_empty() {
            if !self.findings.doubts(&key) {
                let written = self.merged.place(&key);
                let nowhere = written == Place::Default;
                let place = if nowhere { self.merged.key_place(path) } else { written };
                let problem = Problem::error(&key, place, "a server needs a command")
                    .hint("write the program to run, such as `command = \"uvx\"`");
                self.findings.push(problem);
            }
            return None;
        }
        if !server.enabled || self.sources.host == Host::Elsewhere {
            return None;
        }
        let directory = server.cwd.clone().unwrap_or_else(|| self.sources.directory.clone());
        if !directory.is_dir() {
            let message = format!("there is no directory {}", directory.display());
            let hints = if directory.to_string_lossy().contains('~') {
                vec!["`~` is not expanded; write the whole path".to_owned()]
            } else {
                Vec::new()
            };
            self.cannot_run(&path.key("cwd"), &message, hints);
            return None;
        }
        let own_path = server.env.get("PATH").map(Secret::expose);
        let search = own_path.or_else(|| self.sources.variables.get("PATH").map(String::as_str));
        match programs::find(&server.command, search.unwrap_or_default(), &directory) {
            Ok(program) => Some(program),
            Err(error) => {
                if let Some((program, rest)) = server.command.trim().split_once(char::is_whitespace)
                {
                    let args: Vec<String> =
                        rest.split_whitespace().map(|arg| format!("{arg:?}")).collect();
                    let hint = format!("command = {program:?}, args = [{}]", args.join(", "));
                    self.cannot_run(
                        &key,
                        "it holds arguments; `command` is the program alone",
                        vec![hint],
                    );
                    return None;
                }
                let hints = advice(&server.command, &error, own_path.is_some());
                self.cannot_run(&key, &error.to_string(), hints);
                None
            }
        }
    }

    /// At start this is no reason to keep the other servers from running.
    fn cannot_run(&mut self, path: &KeyPath, message: &str, hints: Vec<String>) {
        let severity = match self.sources.host {
            Host::Starting => Severity::Warning,
            Host::Checking | Host::Elsewhere => Severity::Error,
        };
        let problem =
            Problem::error(path, self.merged.place(path), message).hints(hints).about_host();
        self.findings.push(Problem { severity, ..problem });
    }
}

fn advice(command: &str, error: &NoProgram, own_path: bool) -> Vec<String> {
    let mut hints = Vec::new();
    if command.starts_with('~') {
        hints.push("`~` is not expanded; write the whole path".to_owned());
    }
    match error {
        NoProgram::NotOnPath(_) => {
            let comes_with = match command {
                "npx" | "node" | "npm" => Some("it comes with Node.js"),
                "uvx" | "uv" => Some("it comes with uv"),
                "bunx" | "bun" => Some("it comes with Bun"),
                "python" => Some("many hosts have it as \"python3\""),
                _ => None,
            };
            hints.extend(comes_with.map(str::to_owned));
            hints.push(if own_path {
                "the PATH of its own `env` was searched".to_owned()
            } else {
                "install it, write its whole path, or set PATH in `env`".to_owned()
            });
        }
        NoProgram::NotExecutable(file) => hints.push(format!("chmod +x {}", file.display())),
        NoProgram::Directory(_) | NoProgram::NoFile(_) => {}
    }
    hints
}

#[cfg(test)]
mod tests {
    use crate::config::testing::messages;

    #[test]
    fn limits_must_make_sense() {
        let check = |keys: &str, says: &str| {
            let found = messages(&format!("[servers.a]\ncommand = \"sh\"\n{keys}\n"));
            assert_eq!(found, [format!("servers.a.{says}")], "{keys}");
        };
        check("max_children = 0", "max_children: the server could never run");
        check(
            "spare = 4\nmax_children = 4",
            "spare: 4 spare children and the shared one are more than 4 (max_children)",
        );
        check(
            "spare = 1\nmode = \"shared\"",
            "spare: nobody gets a child of its own in mode \"shared\", so none is kept ready",
        );
        let sessionless =
            "push: without session ids there are no sessions to have children of their own";
        check("push = \"off\"\nstateful = true", sessionless);
        check("push = \"off\"\nmode = \"per-session\"", sessionless);
        check("idle_stop = \"0s\"", "idle_stop: it would be stopped as soon as it is ready");
        check(
            "idle_stop = \"often\"",
            "idle_stop: \"often\" is not a duration; write it like \"10m\", or \"never\"",
        );
        check(
            "probe_wait = \"0s\"",
            "probe_wait: every child would be sent initialize along with the probe",
        );
        check("start_timeout = \"0s\"", "start_timeout: every attempt would be over at once");
        check(
            "request_timeout = \"2h\"",
            "request_timeout: a call may take 2h but never more than 1h (request_timeout_max)",
        );
        check(
            "request_timeout_max = \"1m\"",
            "request_timeout_max: a call may take 10m but never more than 1m (request_timeout_max)",
        );
        check("limits = { nice = 20 }", "limits.nice: 20 is no niceness: it goes from 0 to 19");
        check("limits.nice = -1", "limits.nice: -1 is no niceness: it goes from 0 to 19");
        check("cwd = \"/no/such\"", "cwd: there is no directory /no/such");
        check("max_message = \"0\"", "max_message: no message would fit");
        check(
            "stateful = true\noverflow = \"share\"",
            "overflow: a session whose state the child keeps (stateful) cannot share one",
        );
        check(
            "stateful = true\nmode = \"shared\"",
            "stateful: a child that everybody shares holds nothing for one session alone",
        );
    }

    #[test]
    fn commands_must_be_there() {
        let check = |command: &str, says: &str| {
            let found = messages(&format!("[servers.a]\ncommand = {command:?}\n"));
            assert_eq!(found, [format!("servers.a.command: {says}")], "{command}");
        };
        check("", "a server needs a command");
        check("no-such-program", "\"no-such-program\" is not on PATH");
        check("sh -c true", "it holds arguments; command is the program alone");
        check("/etc/passwd", "/etc/passwd is not executable");
        assert_eq!(
            messages("[servers.a]\nargs = []"),
            ["servers.a.command: a server needs a command"]
        );
        assert_eq!(
            messages("[servers.a]\ncommand = 5"),
            ["servers.a.command: expected a text, found a number"]
        );
        assert_eq!(messages("[servers.a]\ncomand = \"sh\""), ["servers.a.comand: unknown key"]);
        assert_eq!(messages("[servers.a]\ncommand = \"none\"\nenabled = false"), [""; 0]);
    }
}
