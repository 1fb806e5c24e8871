//! What a new configuration changes of the one that holds.
//!
//! Every key of a server is judged in one place: does its child have to be another one, or can the key be taken over while the
//! child goes on? A key that is not judged does not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::listen::ListenAddr;
use super::model::{Auth, Http, Log, Model, Server, Sessions};
use super::secret::Arg;
use crate::wire::id::ServerName;

/// What is different. Servers that are switched off count as not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    pub added: Vec<ServerName>,
    pub removed: Vec<ServerName>,
    /// Servers that need new children, and the keys because of which they do.
    pub restarted: BTreeMap<ServerName, Vec<&'static str>>,
    /// Servers that take over these keys and keep their children.
    pub adjusted: BTreeMap<ServerName, Vec<&'static str>>,
    pub unchanged: usize,
    /// Keys of the daemon itself, in force at once.
    pub settings: Vec<&'static str>,
    /// Keys of the daemon itself that need a restart of it.
    pub next_start: Vec<&'static str>,
}

/// What a changed key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    NewChild,
    Nothing,
}

/// A listener as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    pub address: ListenAddr,
    /// The server it is for, if it is for one alone.
    pub server: Option<ServerName>,
    /// Counts listeners that are written alike: port 0 may be asked for more than once.
    pub nth: usize,
}

/// Listeners to come and to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DoorDiff {
    pub closed: Vec<Door>,
    pub opened: Vec<Door>,
    /// Those that can be bound only when the closed ones are gone.
    pub opened_after: Vec<Door>,
}

// === impl Diff ===

impl Diff {
    pub fn between(old: &Model, new: &Model) -> Self {
        let mut diff = Self::default();
        for (name, server) in enabled(new) {
            match old.servers.get(name).filter(|old| old.enabled) {
                None => diff.added.push(name.clone()),
                Some(old) => diff.server(name, old, server),
            }
        }
        let is_gone = |name: &ServerName| new.servers.get(name).is_none_or(|new| !new.enabled);
        diff.removed =
            enabled(old).map(|(name, _)| name).filter(|name| is_gone(name)).cloned().collect();
        diff.daemon(old, new);
        diff
    }

    /// Whether everything is as it was.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, restarted, adjusted, unchanged: _, settings, next_start } = self;
        added.is_empty()
            && removed.is_empty()
            && restarted.is_empty()
            && adjusted.is_empty()
            && settings.is_empty()
            && next_start.is_empty()
    }

    fn server(&mut self, name: &ServerName, old: &Server, new: &Server) {
        let (mut children, mut others) = (Vec::new(), Vec::new());
        for (key, needs) in changed_keys(old, new) {
            match needs {
                Needs::NewChild => children.push(key),
                Needs::Nothing => others.push(key),
            }
        }
        if !children.is_empty() {
            self.restarted.insert(name.clone(), children);
        } else if !others.is_empty() {
            self.adjusted.insert(name.clone(), others);
        } else {
            self.unchanged += 1;
        }
    }

    fn daemon(&mut self, old: &Model, new: &Model) {
        let Model { state_dir, max_children, watch, http, auth, sessions, log, servers: _ } = old;
        let Sessions { key_file } = sessions;
        let Http {
            // Listeners are compared with those that stand, not with those that were wanted.
            listen: _,
            allowed_hosts,
            allowed_origins,
            max_body,
            keep_alive,
            commit_after,
            max_connections,
            lenient_sessions,
        } = http;
        let Log { format, level, payloads } = log;
        let tokens = |auth: &Option<Auth>| auth.as_ref().map(|auth| auth.tokens.clone());
        self.settings = picked([
            ("watch", *watch != new.watch),
            ("http.allowed_hosts", *allowed_hosts != new.http.allowed_hosts),
            ("http.allowed_origins", *allowed_origins != new.http.allowed_origins),
            ("http.max_body", *max_body != new.http.max_body),
            ("http.keep_alive", *keep_alive != new.http.keep_alive),
            ("http.commit_after", *commit_after != new.http.commit_after),
            ("http.max_connections", *max_connections != new.http.max_connections),
            ("http.lenient_sessions", *lenient_sessions != new.http.lenient_sessions),
            ("auth.tokens", tokens(auth) != tokens(&new.auth)),
            ("sessions.key_file", *key_file != new.sessions.key_file),
            ("log.level", *level != new.log.level),
            ("log.payloads", *payloads != new.log.payloads),
        ]);
        self.next_start = picked([
            ("state_dir", *state_dir != new.state_dir),
            ("max_children", *max_children != new.max_children),
            ("log.format", *format != new.log.format),
        ]);
    }
}

/// `added x; restarted y (args); removed z; 14 unchanged`.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[ServerName]| {
            names.iter().map(ServerName::as_str).collect::<Vec<_>>().join(", ")
        };
        let with_keys = |servers: &BTreeMap<ServerName, Vec<&'static str>>| {
            let one =
                |(name, keys): (&ServerName, &Vec<_>)| format!("{name} ({})", keys.join(", "));
            servers.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        for (verb, what) in [
            ("added", names(&self.added)),
            ("restarted", with_keys(&self.restarted)),
            ("adjusted", with_keys(&self.adjusted)),
            ("removed", names(&self.removed)),
            ("changed", self.settings.join(", ")),
        ] {
            if !what.is_empty() {
                write!(f, "{verb} {what}; ")?;
            }
        }
        write!(f, "{} unchanged", self.unchanged)
    }
}

fn enabled(model: &Model) -> impl Iterator<Item = (&ServerName, &Server)> {
    model.servers.iter().filter(|(_, server)| server.enabled)
}

fn picked<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// The keys in which two configurations of one server differ, as they are after everything is expanded.
fn changed_keys(old: &Server, new: &Server) -> impl Iterator<Item = (&'static str, Needs)> {
    let Server {
        command,
        args,
        cwd,
        env,
        // What stands in them is in `env`.
        env_file: _,
        pass_env,
        // Looked at before.
        enabled: _,
        listen,
        mode,
        private_for,
        max_children,
        overflow,
        spare,
        era,
        probe_wait,
        start,
        idle_stop,
        push,
        stateful,
        tasks,
        start_timeout,
        start_wait,
        request_timeout,
        request_timeout_max,
        push_wait,
        stop_grace,
        concurrency,
        tools,
        legacy_output,
        tokens,
        limits,
        max_message,
    } = old;
    let given = |args: &[Arg]| args.iter().map(|arg| arg.expose().to_owned()).collect::<Vec<_>>();
    let keys = [
        ("command", *command != new.command, Needs::NewChild),
        // How an argument is written does not matter if it comes to the same.
        ("args", given(args) != given(&new.args), Needs::NewChild),
        ("cwd", *cwd != new.cwd, Needs::NewChild),
        ("env", *env != new.env, Needs::NewChild),
        ("pass_env", *pass_env != new.pass_env, Needs::NewChild),
        ("listen", *listen != new.listen, Needs::Nothing),
        // Which sessions share a child was decided when they began.
        ("mode", *mode != new.mode, Needs::NewChild),
        ("private_for", *private_for != new.private_for, Needs::NewChild),
        ("max_children", *max_children != new.max_children, Needs::NewChild),
        ("overflow", *overflow != new.overflow, Needs::NewChild),
        ("spare", *spare != new.spare, Needs::NewChild),
        ("era", *era != new.era, Needs::NewChild),
        ("probe_wait", *probe_wait != new.probe_wait, Needs::Nothing),
        ("start", *start != new.start, Needs::NewChild),
        ("idle_stop", *idle_stop != new.idle_stop, Needs::Nothing),
        // Streams that are held, and sessions that were given out, end with the children.
        ("push", *push != new.push, Needs::NewChild),
        ("stateful", *stateful != new.stateful, Needs::NewChild),
        // Clients and children have been told what each of them can do.
        ("tasks", *tasks != new.tasks, Needs::NewChild),
        ("start_timeout", *start_timeout != new.start_timeout, Needs::Nothing),
        ("start_wait", *start_wait != new.start_wait, Needs::Nothing),
        ("request_timeout", *request_timeout != new.request_timeout, Needs::Nothing),
        ("request_timeout_max", *request_timeout_max != new.request_timeout_max, Needs::Nothing),
        ("push_wait", *push_wait != new.push_wait, Needs::Nothing),
        ("stop_grace", *stop_grace != new.stop_grace, Needs::Nothing),
        ("concurrency", *concurrency != new.concurrency, Needs::Nothing),
        ("tools", *tools != new.tools, Needs::Nothing),
        ("legacy_output", *legacy_output != new.legacy_output, Needs::Nothing),
        ("tokens", *tokens != new.tokens, Needs::Nothing),
        ("limits", *limits != new.limits, Needs::NewChild),
        ("max_message", *max_message != new.max_message, Needs::NewChild),
    ];
    keys.into_iter().filter(|(_, differs, _)| *differs).map(|(key, _, needs)| (key, needs))
}

// === impl Door ===

impl Door {
    /// All listeners of a configuration, the shared ones first.
    pub fn all(model: &Model) -> Vec<Self> {
        let shared = model.http.listen.iter().map(|address| (address, None));
        let own = enabled(model)
            .filter_map(|(name, server)| Some((server.listen.as_ref()?, Some(name.clone()))));
        let mut seen: BTreeMap<(&ListenAddr, Option<ServerName>), usize> = BTreeMap::new();
        let mut doors = Vec::new();
        for (address, server) in shared.chain(own) {
            let count = seen.entry((address, server.clone())).or_default();
            doors.push(Self { address: address.clone(), server, nth: *count });
            *count += 1;
        }
        doors
    }
}

// === impl DoorDiff ===

impl DoorDiff {
    /// What it takes to come from the listeners that stand to those that are wanted.
    pub fn between<'a>(standing: impl Iterator<Item = &'a Door>, wanted: Vec<Door>) -> Self {
        let standing: BTreeSet<&Door> = standing.collect();
        let closed = standing.iter().copied().filter(|door| !wanted.contains(door));
        let closed: Vec<Door> = closed.cloned().collect();
        let (opened_after, opened) = wanted
            .into_iter()
            .filter(|door| !standing.contains(door))
            .partition(|door| closed.iter().any(|closed| closed.address.clashes(&door.address)));
        Self { closed, opened, opened_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{LogFormat, Push, Token};
    use crate::config::secret::Secret;
    use crate::config::units::Span;

    fn server(command: &str) -> Server {
        Server { command: command.to_owned(), ..Server::default() }
    }

    fn model<const N: usize>(servers: [(&str, Server); N]) -> Model {
        let named = |(name, server)| (ServerName::new(name).unwrap(), server);
        Model { servers: servers.into_iter().map(named).collect(), ..Model::default() }
    }

    /// What changes when the only server becomes another.
    fn change(old: Server, new: Server) -> String {
        Diff::between(&model([("s", old)]), &model([("s", new)])).to_string()
    }

    #[test]
    fn servers_come_and_go_and_the_others_stay() {
        let old = model([("a", server("x")), ("b", server("x")), ("c", server("x"))]);
        let new = model([("a", server("x")), ("b", server("y")), ("d", server("x"))]);
        let diff = Diff::between(&old, &new);
        assert_eq!(diff.to_string(), "added d; restarted b (command); removed c; 1 unchanged");
        assert!(Diff::between(&old, &old).is_empty());
        assert!(!diff.is_empty());
    }

    #[test]
    fn a_server_that_is_switched_off_is_not_there() {
        let off = || Server { enabled: false, ..server("x") };
        assert_eq!(change(server("x"), off()), "removed s; 0 unchanged");
        assert_eq!(change(off(), server("x")), "added s; 0 unchanged");
        assert_eq!(change(off(), Server { enabled: false, ..server("y") }), "0 unchanged");
    }

    #[test]
    fn what_concerns_the_child_restarts_it_and_the_rest_is_taken_over() {
        let with_env = |value: &str| {
            let env = BTreeMap::from([("KEY".to_owned(), Secret::from(value))]);
            Server { env, ..server("x") }
        };
        assert_eq!(change(with_env("a"), with_env("b")), "restarted s (env); 0 unchanged");
        assert_eq!(change(with_env("a"), with_env("a")), "1 unchanged");
        let tools =
            crate::config::model::ToolFilter { deny: vec!["rm".into()], ..Default::default() };
        let tuned = Server { tools, request_timeout: Span::seconds(1), ..server("x") };
        assert_eq!(change(server("x"), tuned), "adjusted s (request_timeout, tools); 0 unchanged");
        let both = Server { push: Push::Off, start_wait: Span::seconds(1), ..server("x") };
        assert_eq!(change(server("x"), both), "restarted s (push); 0 unchanged");
    }

    #[test]
    fn an_argument_counts_by_what_it_comes_to() {
        let with = |written: &str, expanded: &str| {
            let mut arg = Arg::from(written);
            arg.expand(expanded.to_owned());
            Server { args: vec![arg], ..server("x") }
        };
        assert_eq!(change(with("${file:/a}", "1"), with("${file:/b}", "1")), "1 unchanged");
        assert_eq!(
            change(with("${file:/a}", "1"), with("${file:/a}", "2")),
            "restarted s (args); 0 unchanged"
        );
    }

    #[test]
    fn settings_of_the_daemon_are_named_by_their_keys() {
        let old = model([]);
        let mut new = old.clone();
        new.http.lenient_sessions = false;
        new.log.level = "debug".to_owned();
        new.log.format = LogFormat::Json;
        let token =
            Token { name: "t".into(), file: "/t".into(), servers: vec!["*".into()], push: None };
        new.auth = Some(Auth { tokens: vec![token] });
        let diff = Diff::between(&old, &new);
        assert_eq!(diff.settings, ["http.lenient_sessions", "auth.tokens", "log.level"]);
        assert_eq!(diff.next_start, ["log.format"]);
        let mut quiet = new.clone();
        quiet.auth.iter_mut().flat_map(|auth| &mut auth.tokens).for_each(|token| {
            token.push = Some(Push::Off);
        });
        assert_eq!(Diff::between(&new, &quiet).settings, ["auth.tokens"]);
    }

    #[test]
    fn listeners_that_clash_with_one_that_goes_wait_for_it() {
        let door = |text: &str, server: Option<&str>| Door {
            address: ListenAddr::parse(text).unwrap(),
            server: server.map(|name| ServerName::new(name).unwrap()),
            nth: 0,
        };
        let stays = door("127.0.0.1:1", None);
        let standing = [stays.clone(), door("127.0.0.1:2", None), door("127.0.0.1:3", Some("s"))];
        let wanted =
            vec![stays, door("0.0.0.0:2", None), door("127.0.0.1:3", None), door("[::1]:2", None)];
        let diff = DoorDiff::between(standing.iter(), wanted.clone());
        assert_eq!(diff.closed, standing[1..]);
        assert_eq!(diff.opened, wanted[3..]);
        assert_eq!(diff.opened_after, wanted[1..3]);
        assert_eq!(DoorDiff::between(wanted.iter(), wanted.clone()), DoorDiff::default());
    }

    #[test]
    fn port_0_may_be_asked_for_twice() {
        let zero = ListenAddr::parse("127.0.0.1:0").unwrap();
        let mut twice = model([("s", Server { listen: Some(zero.clone()), ..server("x") })]);
        twice.http.listen = vec![zero.clone(), zero];
        let doors = Door::all(&twice);
        assert_eq!(doors.len(), 3);
        assert_eq!(DoorDiff::between(doors.iter(), Door::all(&twice)), DoorDiff::default());
        twice.http.listen.pop();
        assert_eq!(DoorDiff::between(doors.iter(), Door::all(&twice)).closed, doors[1..2]);
    }
}
