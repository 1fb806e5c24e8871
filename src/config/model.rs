//! The configuration as plain data. The schema and the reference page are made from the comments here, so they speak
//! to operators.

mod choices;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{self, Targets};

pub use self::choices::{
    AskKind, EraChoice, LegacyOutput, Mode, Overflow, Push, Start, TasksChoice,
};
use super::listen::ListenAddr;
use super::secret::{Arg, Secret};
use super::units::{Size, Span, SpanOrNever};
use crate::wire::id::ServerName;

/// Everything stdiod is told: the whole configuration after all layers are merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// Where the daemon keeps what outlives it: the key of its sessions, which of them were ended, what servers said last. Without
    /// it: `$STATE_DIRECTORY`, as systemd sets it, else `$XDG_STATE_HOME/stdiod`, else `~/.local/state/stdiod`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// The ceiling of child processes of all servers together. When it is reached, unused private children of any server make
    /// room, and else a server that wants a child waits for one to end.
    pub max_children: usize,
    /// Reload by itself when one of the configuration files changes, as SIGHUP makes it do.
    pub watch: bool,
    /// How the daemon listens and what it accepts.
    pub http: Http,
    /// Who may call. Absent means open, which is allowed on loopback addresses and Unix sockets only; present, a token is asked for
    /// on these too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// What session ids are sealed with.
    #[serde(skip_serializing_if = "Sessions::is_built_in")]
    pub sessions: Sessions,
    /// What is logged and how.
    pub log: Log,
    /// The servers by name. Each name is a path segment: `/servers/<name>/mcp`.
    #[schemars(with = "BTreeMap<String, Server>")]
    #[schemars(extend("propertyNames" = {
        "title": "ServerName", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$", "maxLength": 64
    }))]
    pub servers: BTreeMap<ServerName, Server>,
}

/// How the daemon listens and what it accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Addresses to listen on: `"127.0.0.1:8750"`, `"[::1]:8750"` or `"unix:/run/stdiod/http.sock"`, several at once. Containers
    /// do not reach loopback addresses of their host; an address of the host in their network, such as `"10.88.0.1:8750"` in Podman's,
    /// lets them in. One that the host does not have yet is served once it has.
    pub listen: Vec<ListenAddr>,
    /// Host names accepted beyond loopback names, IP literals, `host.containers.internal` and `host.docker.internal`.
    pub allowed_hosts: Vec<String>,
    /// Origins of browsers accepted beyond loopback ones; these also receive CORS headers.
    pub allowed_origins: Vec<String>,
    /// The largest request body.
    pub max_body: Size,
    /// How often a silent event stream gets a comment, so that proxies keep it open.
    pub keep_alive: Span,
    /// Silence after which an answer that is still being worked on becomes an event stream.
    pub commit_after: Span,
    /// How many connections are open at once over all listeners; more wait to be accepted.
    pub max_connections: usize,
    /// Serve requests that come without a session. With `false` they get a 400 that says what is missing, unless `push = "off"` of
    /// the server or the token gives them none.
    pub lenient_sessions: bool,
}

/// Who may call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Bearer tokens, each read from a file.
    pub tokens: Vec<Token>,
}

/// One bearer token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The name of who holds the token; logs and `tokens` of a server use it.
    pub name: String,
    /// The file that holds the token, alone on its first line.
    pub file: PathBuf,
    /// The servers it opens; `"*"` is all of them.
    #[serde(default = "everything")]
    pub servers: Vec<String>,
    /// `push` for who holds this token: it overrides what the server says, either way. Absent: as each server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
}

/// What session ids are sealed with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// The file of keys, one a line as `openssl rand -hex 32` makes it: the first seals, all of them open. Replicas with the same
    /// file serve each other's sessions. Without it the daemon makes one in its state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `auto` is text on a terminal and under systemd, JSON otherwise.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,stdiod::http=debug`.
    pub level: String,
    /// Log arguments and results of calls too. They may hold secrets; off by default.
    pub payloads: bool,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Auto,
    Text,
    Json,
}

/// One stdio MCP server and how it is run. Every key can also stand under `[defaults]`, for all servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The program: a path, or a name looked up on `PATH`.
    pub command: String,
    /// Its arguments. `${credential:NAME}`, `${file:PATH}` and `${env:NAME}` are expanded in `args` and `env`.
    pub args: Vec<Arg>,
    /// The directory it runs in; the daemon's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Environment variables it gets beyond the safe set.
    pub env: BTreeMap<String, Secret>,
    /// Files of `KEY=value` lines added to the environment; `env` wins over them.
    pub env_file: Vec<PathBuf>,
    /// Variables of the daemon's environment handed on, beyond the safe set
    /// (`PATH HOME USER LOGNAME SHELL LANG LC_* TZ TMPDIR XDG_*`, proxy and CA variables).
    pub pass_env: Vec<String>,
    /// With `false` the server is kept in the file but not run.
    pub enabled: bool,
    /// An address of its own with `/mcp`, `/sse` and `/messages` at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<ListenAddr>,
    /// Who shares a child: `auto`, `shared` or `per-session`.
    pub mode: Mode,
    /// Client capabilities that earn a client an own child in `auto` mode.
    pub private_for: Vec<AskKind>,
    /// The ceiling of child processes of this server, the shared one included. When it is reached, the private child that was
    /// idle longest is stopped; its session starts it again when it needs it.
    pub max_children: usize,
    /// What a client gets that needs a child of its own while all `max_children` are in use, that is: have calls, or clients that
    /// hold a stream. `wait`: it waits up to `start_wait` for one to become free, then gets an error that says so; the
    /// child of a client that holds a stream but calls nothing is taken too. `refuse`: it gets that error at once. `share`: it is
    /// put on the shared child, where the server can ask it nothing.
    pub overflow: Overflow,
    /// Warm children kept ready for clients that need one of their own: started and greeted as the latest such client was. They
    /// count as children, and are the first to go when `max_children` is reached.
    pub spare: usize,
    /// The protocol era of the child: `auto`, `legacy` (revisions with a handshake, up to 2025-11-25) or `modern` (2026-07-28).
    /// `auto` asks the child with `server/discover`, greets it with `initialize` if it makes nothing of that, and remembers which
    /// it was.
    pub era: EraChoice,
    /// How long a child may be silent when it is asked for its era before it is sent `initialize` too; at most half of
    /// `start_timeout`.
    pub probe_wait: Span,
    /// `eager` starts with the daemon, `lazy` with the first request that what it said last does not answer.
    pub start: Start,
    /// How long nobody may have used a child before it is stopped; the next call starts it again. Meanwhile `initialize`,
    /// `server/discover` and lists are answered with what it said last, so that a gateway that polls neither starts it nor keeps it
    /// running.
    pub idle_stop: SpanOrNever,
    /// `off` gives no session ids, offers no news (`listChanged`, `subscribe`) and refuses GET: plain request and response for
    /// clients that fear streams. They share the one child, hear progress on the answer of their call, and are asked nothing: a
    /// question of the server is refused at once. Clients without a handshake (2026-07-28) need none of it and have all they had,
    /// and the transport of 2024-11-05 keeps the stream it consists of. A token of `[auth]` may say otherwise for its holder, and
    /// a client whose URL ends in `?push=off` is served so whatever else is said, but for servers that are `stateful` or have
    /// `mode = "per-session"`, and where `lenient_sessions` is `false`: there a URL changes nothing.
    pub push: Push,
    /// The child keeps something for each session between its calls: every session has a child of its own, and is gone (404)
    /// with that child instead of being revived on a fresh one.
    pub stateful: bool,
    /// What becomes of tasks between a client and a server of different eras. `off`: neither hears that the other knows them, and
    /// tools that may run without one do. `bridge`: a client without a handshake gets the tasks of a server of revision 2025-11-25,
    /// and for a client with one the daemon waits until the task of a server of revision 2026-07-28 is over. Between equals tasks
    /// pass in any case.
    pub tasks: TasksChoice,
    /// How long a child may take to answer its handshake.
    pub start_timeout: Span,
    /// How long a request waits for a starting child before it gets an error that says so. Once a start has lasted longer than that,
    /// requests wait a second at most, so that a child that hangs holds nobody up who asks again and again.
    pub start_wait: Span,
    /// How long a call may take; progress extends it up to `request_timeout_max`.
    pub request_timeout: Span,
    /// The longest a call may take, progress or not.
    pub request_timeout_max: Span,
    /// How long a question of the server waits for a channel to its client.
    pub push_wait: Span,
    /// How long a child gets to leave after its stdin closed, and again after SIGTERM.
    pub stop_grace: Span,
    /// Calls in flight per child; the rest queue in order. 0 is no limit.
    pub concurrency: usize,
    /// Which tools clients may see and call.
    pub tools: ToolFilter,
    /// How clients with a handshake get what only revision 2026-07-28 allows: structured output that is no object, and output
    /// schemas that promise none. `raw`: as it is. `wrap`: as the property `result` of an object, for clients that otherwise refuse
    /// the whole list of tools.
    pub legacy_output: LegacyOutput,
    /// Names of `[auth]` tokens that may use this server; empty is every token that names it.
    pub tokens: Vec<String>,
    /// Limits set on the child process.
    pub limits: ProcessLimits,
    /// The longest message a child may print and a client may be sent.
    pub max_message: Size,
}

/// Which tools clients may see and call. Patterns match whole names; `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolFilter {
    /// Names that are allowed.
    pub allow: Vec<String>,
    /// Names that are not, even if allowed above.
    pub deny: Vec<String>,
}

/// Limits set on the child process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessLimits {
    /// Open files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Address space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Scheduling niceness, 0 to 19.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

// === impl Model ===

impl Default for Model {
    fn default() -> Self {
        Self {
            state_dir: None,
            sessions: Sessions::default(),
            max_children: 256,
            watch: false,
            http: Http::default(),
            auth: None,
            log: Log::default(),
            servers: BTreeMap::new(),
        }
    }
}

// === impl Http ===

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: vec![ListenAddr::DEFAULT],
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: Size::mib(16),
            keep_alive: Span::seconds(15),
            commit_after: Span::seconds(5),
            max_connections: 10_000,
            lenient_sessions: true,
        }
    }
}

// === impl Sessions ===

impl Sessions {
    fn is_built_in(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Log ===

impl Log {
    /// What `level` lets through. Blanks around its parts mean nothing.
    pub fn filter(&self) -> Result<Targets, filter::ParseError> {
        self.level.split(',').map(str::trim).collect::<Vec<_>>().join(",").parse()
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned(), payloads: false }
    }
}

// === impl Server ===

impl Server {
    /// Whether each session has a child of its own whatever its client can do, and requests without one would share what they must not.
    pub fn keeps_sessions(&self) -> bool {
        self.mode == Mode::PerSession || self.stateful
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            command: String::new(),
            args: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            env_file: Vec::new(),
            pass_env: Vec::new(),
            enabled: true,
            listen: None,
            mode: Mode::Auto,
            private_for: vec![AskKind::Sampling, AskKind::Elicitation, AskKind::Roots],
            max_children: 16,
            overflow: Overflow::Wait,
            spare: 0,
            era: EraChoice::Auto,
            probe_wait: Span::seconds(5),
            start: Start::Eager,
            idle_stop: SpanOrNever::NEVER,
            push: Push::On,
            stateful: false,
            tasks: TasksChoice::Off,
            start_timeout: Span::seconds(60),
            start_wait: Span::seconds(20),
            request_timeout: Span::seconds(600),
            request_timeout_max: Span::seconds(3600),
            push_wait: Span::seconds(5),
            stop_grace: Span::seconds(5),
            concurrency: 0,
            tools: ToolFilter::default(),
            legacy_output: LegacyOutput::Raw,
            tokens: Vec::new(),
            limits: ProcessLimits::default(),
            max_message: Size::mib(16),
        }
    }
}

// === impl ToolFilter ===

impl Default for ToolFilter {
    fn default() -> Self {
        Self { allow: everything(), deny: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_a_log_filter_mean_nothing() {
        let of = |level: &str| Log { level: level.to_owned(), ..Log::default() }.filter().unwrap();
        assert_eq!(of(" warn , stdiod::http=debug "), of("warn,stdiod::http=debug"));
        assert_ne!(of("warn"), of("info"));
    }

    /// For every client behind nginx, which cuts off an upstream that is silent for a minute.
    #[test]
    fn c16_by_default_a_silent_stream_gets_a_comment_at_least_twice_a_minute() {
        assert!(Http::default().keep_alive <= Span::seconds(30));
    }

    /// For LiteLLM 1.81, which gives the slowest of its servers 30 s, and shows none of them before.
    #[test]
    fn c23_by_default_nobody_waits_longer_for_a_starting_server_than_a_gateway_does() {
        assert!(Server::default().start_wait <= Span::seconds(20));
    }
}
