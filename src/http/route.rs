//! From a path to a server and what is wanted of it.

use std::sync::Arc;

use super::listen::Scope;
use crate::link::directory::{Directory, Entry};

/// Where a path leads. A trailing slash makes no difference, and there are no redirects: many clients follow none.
#[derive(Debug)]
pub(super) enum Route<'a> {
    Healthz,
    /// Of all servers or of one.
    Readyz(Option<&'a Arc<Entry>>),
    Status,
    Home,
    Streamable(&'a Entry),
    /// With what stands before `messages` in the path to post to.
    Sse(&'a Entry, String),
    Messages(&'a Entry),
    NoServer(&'a str),
    Nothing,
}

// === impl Route ===

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str, scope: &Scope, directory: &'a Directory) -> Self {
        // Nearly all that comes.
        if let Some(name) =
            path.strip_prefix("/servers/").and_then(|rest| rest.strip_suffix("/mcp"))
            && let Some(entry) = directory.servers.get(name)
            && scope.shows(&entry.name)
        {
            return Self::Streamable(entry);
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match (first, rest) {
            ("", "") => Self::Home,
            ("healthz", "") => Self::Healthz,
            ("readyz", "") => Self::Readyz(scope.server().and_then(|n| directory.servers.get(n))),
            ("status", "") => Self::Status,
            ("servers", rest) => {
                let (name, leaf) = rest.split_once('/').unwrap_or((rest, ""));
                let found = directory.servers.get(name).filter(|entry| scope.shows(&entry.name));
                match (found, leaf) {
                    (None, _) => Self::NoServer(name),
                    (Some(entry), "readyz") => Self::Readyz(Some(entry)),
                    (Some(entry), leaf) => {
                        Self::endpoint(entry, leaf, || format!("/servers/{name}"))
                    }
                }
            }
            (leaf @ ("mcp" | "sse" | "messages"), "") => match root_server(scope, directory) {
                Some(entry) => Self::endpoint(entry, leaf, String::new),
                None => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }

    fn endpoint(entry: &'a Entry, leaf: &str, prefix: impl FnOnce() -> String) -> Self {
        match leaf {
            "mcp" => Self::Streamable(entry),
            "sse" => Self::Sse(entry, prefix()),
            "messages" => Self::Messages(entry),
            _ => Self::Nothing,
        }
    }
}

/// The server whose endpoints stand at the root: the listener's own, or the only one there is.
fn root_server<'a>(scope: &Scope, directory: &'a Directory) -> Option<&'a Arc<Entry>> {
    match scope.server() {
        Some(name) => directory.servers.get(name),
        None if directory.servers.len() == 1 => directory.servers.values().next(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Server;
    use crate::link::handle::Link;
    use crate::wire::id::ServerName;

    fn directory(names: &[&str]) -> Directory {
        let entry = |name: &str| {
            let name = ServerName::new(name).unwrap();
            let (shared, _) = Link::new(name.clone());
            let (warden, _) = tokio::sync::mpsc::channel(1);
            let entry = Entry {
                pools: Arc::default(),
                tools: Arc::default(),
                name: name.clone(),
                config: Arc::new(Server::default()),
                shared,
                warden,
                era: Arc::default(),
            };
            (name, Arc::new(entry))
        };
        Directory { servers: names.iter().map(|name| entry(name)).collect() }
    }

    fn shown(path: &str, scope: &Scope, names: &[&str]) -> String {
        match Route::of(path, scope, &directory(names)) {
            Route::Healthz => "healthz".into(),
            Route::Readyz(None) => "readyz".into(),
            Route::Readyz(Some(entry)) => format!("readyz {}", entry.name),
            Route::Status => "status".into(),
            Route::Home => "home".into(),
            Route::Streamable(entry) => format!("mcp {}", entry.name),
            Route::Sse(entry, prefix) => format!("sse {} {prefix}", entry.name),
            Route::Messages(entry) => format!("messages {}", entry.name),
            Route::NoServer(name) => format!("no {name}"),
            Route::Nothing => "nothing".into(),
        }
    }

    #[test]
    fn paths_lead_where_the_product_says() {
        let two = ["git", "time"];
        for (path, route) in [
            ("/", "home"),
            ("/healthz", "healthz"),
            ("/readyz/", "readyz"),
            ("/servers/git/mcp", "mcp git"),
            ("/servers/git/mcp/", "mcp git"),
            ("/servers/git/sse", "sse git /servers/git"),
            ("/servers/time/messages", "messages time"),
            ("/servers/time/readyz", "readyz time"),
            ("/servers/none/mcp", "no none"),
            ("/servers/git", "nothing"),
            ("/servers/git/mcp/x", "nothing"),
            ("/mcp", "nothing"),
            ("/.well-known/oauth-protected-resource", "nothing"),
            ("/register", "nothing"),
        ] {
            assert_eq!(shown(path, &Scope::All { checks_host: true }, &two), route, "{path}");
        }
    }

    #[test]
    fn the_only_server_and_a_listeners_own_stand_at_the_root() {
        let all = Scope::All { checks_host: true };
        assert_eq!(shown("/mcp", &all, &["git"]), "mcp git");
        assert_eq!(shown("/sse/", &all, &["git"]), "sse git ");
        let own = Scope::Only { server: ServerName::new("time").unwrap(), checks_host: true };
        assert_eq!(shown("/mcp/", &own, &["git", "time"]), "mcp time");
        assert_eq!(shown("/readyz", &own, &["git", "time"]), "readyz time");
        assert_eq!(shown("/servers/git/mcp", &own, &["git", "time"]), "no git");
    }
}
