//! Who is measured, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::effort::Case;
use crate::bridge::{self, Bridge, Place, sibling};

#[derive(Clone)]
pub struct Subject {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone)]
pub enum Kind {
    PipeFloor,
    HttpFloor,
    Stdiod { program: PathBuf, log_level: String },
    Peer { which: Peer, program: PathBuf, node: Option<PathBuf> },
}

/// The bridges that people use.
#[derive(Clone, Copy, PartialEq)]
pub enum Peer {
    /// `mcp-proxy` of the Python index.
    Python,
    /// `supergateway` of npm, with a child for each session, or for each request where there are no sessions.
    Supergateway,
    /// `mcp-proxy` of npm.
    Npm,
}

/// With or without sessions: peers have to be told beforehand.
#[derive(Clone, Copy, PartialEq)]
pub enum Sessions {
    Kept,
    Unknown,
}

/// What kind of echo servers it has behind it.
#[derive(Clone, Copy)]
pub enum Children {
    /// They are there at once.
    Quick,
    /// They take 100 ms before they read, as those do that load what they need.
    Late,
}

/// How the names on the command line and in the list of the installed are called.
const PEERS: [(&str, Peer); 3] = [
    ("python-mcp-proxy", Peer::Python),
    ("supergateway", Peer::Supergateway),
    ("npm-mcp-proxy", Peer::Npm),
];

// === impl Subject ===

impl Subject {
    pub fn floors() -> Vec<Self> {
        let named = |name: &str, kind| Self { name: name.to_owned(), kind };
        vec![named("pipe-floor", Kind::PipeFloor), named("http-floor", Kind::HttpFloor)]
    }

    /// From `PATH[@LEVEL]`.
    pub fn stdiod(text: &str) -> Result<Self, String> {
        let (program, level) = text.rsplit_once('@').unwrap_or((text, "info"));
        let program = Path::new(program).canonicalize().map_err(|error| {
            format!("{program}: {error}; build it with `cargo build --release`, or name another")
        })?;
        let kind = Kind::Stdiod { program, log_level: level.to_owned() };
        Ok(Self { name: "stdiod".to_owned(), kind })
    }

    pub fn peer(name: &str, program: &Path, node: Option<&Path>) -> Result<Self, String> {
        let known = PEERS.iter().find(|(known, _)| *known == name);
        let Some((_, which)) = known else { return Err(format!("there is no peer {name}")) };
        let kind = Kind::Peer {
            which: *which,
            program: program.to_owned(),
            node: node.map(Path::to_owned),
        };
        Ok(Self { name: name.to_owned(), kind })
    }

    pub fn is_stdiod(&self) -> bool {
        matches!(self.kind, Kind::Stdiod { .. })
    }

    pub fn is_peer(&self) -> bool {
        matches!(self.kind, Kind::Peer { .. })
    }

    pub fn is_pipe_floor(&self) -> bool {
        matches!(self.kind, Kind::PipeFloor)
    }

    /// It has no sessions to open.
    pub fn is_http_floor(&self) -> bool {
        matches!(self.kind, Kind::HttpFloor)
    }

    /// It can have several servers behind it.
    pub fn serves_many(&self) -> bool {
        match self.kind {
            Kind::PipeFloor | Kind::Stdiod { .. } => true,
            Kind::HttpFloor => false,
            Kind::Peer { which, .. } => which == Peer::Python,
        }
    }

    /// Whether this case says anything about it.
    pub fn takes(&self, case: Case) -> bool {
        match case {
            Case::Call => true,
            Case::Servers => self.serves_many(),
            Case::Parallel
            | Case::Churn
            | Case::Stateless
            | Case::Big
            | Case::Progress
            | Case::Held
            | Case::Start => !self.is_http_floor(),
        }
    }

    /// Starts it with so many echo servers, and waits for nothing.
    pub fn launch(
        &self,
        servers: usize,
        children: Children,
        sessions: Sessions,
    ) -> Result<Bridge, String> {
        let place = Place::new()?;
        let (command, paths) = self.command(&place, servers, children.word(), sessions)?;
        Bridge::launch(place, command, paths)
    }

    #[expect(clippy::disallowed_methods, reason = "these are no children of a daemon")]
    fn command(
        &self,
        place: &Place,
        servers: usize,
        child: &str,
        sessions: Sessions,
    ) -> Result<(Command, Vec<String>), String> {
        let echo = sibling("echo")?;
        match &self.kind {
            Kind::PipeFloor => {
                let mut command = Command::new(sibling("pipe-floor")?);
                command.args([place.address.to_string(), servers.to_string()]);
                command.arg(echo).arg(child);
                Ok((command, bridge::paths(servers)))
            }
            Kind::HttpFloor => {
                let mut command = Command::new(sibling("http-floor")?);
                command.arg(place.address.to_string());
                Ok((command, vec!["/".to_owned()]))
            }
            Kind::Stdiod { program, log_level } => {
                bridge::stdiod_command(place, program, log_level, &vec![child; servers])
            }
            Kind::Peer { which, program, node } => {
                let mut command = Command::new(program);
                if let Some(node) = node {
                    let path = std::env::var("PATH").unwrap_or_default();
                    command.env("PATH", format!("{}:{path}", node.display()));
                }
                let paths =
                    which.arguments(&mut command, place, servers, sessions, (&echo, child))?;
                Ok((command, paths))
            }
        }
    }
}

// === impl Children ===

impl Children {
    /// The echo server's argument.
    fn word(self) -> &'static str {
        match self {
            Self::Quick => "legacy",
            Self::Late => "late",
        }
    }
}

// === impl Peer ===

impl Peer {
    fn arguments(
        self,
        command: &mut Command,
        place: &Place,
        servers: usize,
        sessions: Sessions,
        (echo, child): (&Path, &str),
    ) -> Result<Vec<String>, String> {
        let port = place.address.port().to_string();
        let has_sessions = sessions == Sessions::Kept;
        match self {
            Self::Python => {
                let server = serde_json::json!({ "command": echo, "args": [child] });
                let servers: serde_json::Map<_, _> =
                    (0..servers).map(|n| (format!("echo{n}"), server.clone())).collect();
                let count = servers.len();
                let file = place.folder.join("servers.json");
                let text = serde_json::json!({ "mcpServers": servers }).to_string();
                std::fs::write(&file, text).map_err(|error| error.to_string())?;
                command.args(["--host", "127.0.0.1", "--port", &port, "--named-server-config"]);
                command.arg(file).args((!has_sessions).then_some("--stateless"));
                Ok(bridge::paths(count))
            }
            Self::Supergateway => {
                let child = format!("exec '{}' {child}", echo.display());
                command.args(["--stdio", &child, "--outputTransport", "streamableHttp"]);
                command.args(["--port", &port]).args(has_sessions.then_some("--stateful"));
                Ok(vec!["/mcp".to_owned()])
            }
            Self::Npm => {
                command.args(["--host", "127.0.0.1", "--port", &port, "--server", "stream"]);
                command.args((!has_sessions).then_some("--stateless")).arg("--");
                command.arg(echo).arg(child);
                Ok(vec!["/mcp".to_owned()])
            }
        }
    }
}
