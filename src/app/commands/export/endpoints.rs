//! Where a gateway finds each server, and which token opens it there.

use std::net::SocketAddr;

use hyper::Uri;

use super::tokens::{Variable, ranked, token_opens, variables};
use crate::app::cli::{ExportArgs, Transport};
use crate::app::fatal::Fatal;
use crate::app::reach::connectable;
use crate::config::model::{Model, Push, Server};
use crate::wire::id::ServerName;

/// All that a format needs to know.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) servers: Vec<Endpoint>,
    /// Servers that a gateway cannot use, and why.
    pub(super) left_out: Vec<(ServerName, &'static str)>,
    pub(super) variables: Vec<Variable>,
    pub(super) base: Base,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: ServerName,
    /// The address without its last segment.
    mount: String,
    /// Whether its URL asks for no session. It does not where that would not be heard, nor where the token asks for the contrary.
    pub(super) is_quiet: bool,
    /// The variable that holds its token.
    pub(super) variable: Option<String>,
}

/// The main listener as the gateway addresses it.
#[derive(Debug)]
pub(super) enum Base {
    /// As `--url` says: where it is, and its host alone.
    Given {
        url: String,
        host: String,
    },
    Local(SocketAddr),
    /// It has no address that could be written down.
    Unknown,
}

// === impl Endpoints ===

impl Endpoints {
    /// `gateway` is what a token for it is likely called.
    pub(super) fn of(model: &Model, args: &ExportArgs, gateway: &str) -> Result<Self, Fatal> {
        let base = Base::of(model, args.url.as_deref())?;
        let tokens = ranked(model, gateway);
        let mut found = Vec::new();
        let mut left_out = Vec::new();
        for (name, server) in model.servers.iter().filter(|(_, server)| server.enabled) {
            let token = tokens.iter().copied().find(|token| token_opens(token, name, server));
            if model.auth.is_some() && token.is_none() {
                left_out.push((name.clone(), "no token opens it"));
            } else if let Some(mount) = base.mount(name, server) {
                let keeps_sessions = server.keeps_sessions() || !model.http.lenient_sessions;
                let wants_push = token.is_some_and(|token| token.push == Some(Push::On));
                found.push((name.clone(), mount, !keeps_sessions && !wants_push, token));
            } else if model.http.listen.is_empty() {
                left_out.push((name.clone(), "http.listen is empty, and it has no `listen`"));
            } else {
                return Err(nowhere(model, name));
            }
        }
        if found.is_empty() {
            return Err(Fatal::usage("there is no server that a gateway could use")
                .hint("`stdiod check` says which there are, and which are disabled"));
        }
        let needed = found.iter().filter_map(|(.., token)| *token);
        let variables = variables(needed, args.token_env.as_deref())?;
        let servers = found.into_iter().map(|(name, mount, is_quiet, token)| {
            let mut held = variables.iter();
            let variable = held.find(|variable| variable.token.as_ref() == token);
            let variable = variable.map(|variable| variable.name.clone());
            Endpoint { name, mount, is_quiet, variable }
        });
        Ok(Self { servers: servers.collect(), left_out, variables, base })
    }
}

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn url(&self, transport: Transport) -> String {
        let last = match transport {
            Transport::Http => "mcp",
            Transport::Sse => "sse",
        };
        format!("{}/{last}", self.mount)
    }

    /// For a gateway that begins anew with each request: no session is kept for it, and no news are offered.
    pub(super) fn quiet_url(&self, transport: Transport) -> String {
        let quiet = if self.is_quiet { "?push=off" } else { "" };
        format!("{}{quiet}", self.url(transport))
    }
}

// === impl Base ===

impl Base {
    fn of(model: &Model, given: Option<&str>) -> Result<Self, Fatal> {
        match given {
            Some(_) if model.http.listen.is_empty() => {
                Err(Fatal::usage("--url stands for the main listener, and http.listen is empty"))
            }
            Some(given) => Self::given(given),
            None => Ok(model
                .http
                .listen
                .iter()
                .find_map(connectable)
                .map_or(Self::Unknown, Self::Local)),
        }
    }

    /// An address as a client would be given it, up to where `/servers` begins.
    fn given(text: &str) -> Result<Self, Fatal> {
        let bad = |why: &str| {
            Fatal::usage(format!("--url {text:?} {why}"))
                .hint("write one such as http://host.containers.internal:8750")
        };
        if text.contains('@') {
            let message = "--url holds a user name; a token goes into a variable, see --token-env";
            return Err(Fatal::usage(message));
        }
        let uri: Uri = text.parse().map_err(|_| bad("is no URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad("does not begin with http:// or https://"));
        }
        let host =
            uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("names no host"))?;
        if uri.query().is_some() || text.contains('#') {
            return Err(bad("has more than a path behind its host"));
        }
        let host = host.to_owned();
        Ok(Self::Given { url: text.trim_end_matches('/').to_owned(), host })
    }

    /// Where nothing else is said a server's own listener is used: somebody wanted it for such clients. `--url` leads to the main
    /// one, where all servers are.
    fn mount(&self, name: &ServerName, server: &Server) -> Option<String> {
        match (self, server.listen.as_ref().and_then(connectable)) {
            (Self::Given { url, .. }, _) => Some(format!("{url}/servers/{name}")),
            (Self::Local(_) | Self::Unknown, Some(own)) => Some(format!("http://{own}")),
            (Self::Local(main), None) => Some(format!("http://{main}/servers/{name}")),
            (Self::Unknown, None) => None,
        }
    }
}

fn nowhere(model: &Model, name: &ServerName) -> Fatal {
    let listen: Vec<String> = model.http.listen.iter().map(ToString::to_string).collect();
    Fatal::usage(format!(
        "server {name} has no address to give away: http.listen is {}",
        listen.join(", ")
    ))
    .hint("say with --url how the gateway gets there, such as --url http://127.0.0.1:8750")
    .hint("or let http.listen have an address with a port of its own")
}
