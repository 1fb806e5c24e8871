//! What a person sees when the daemon is up: where it listens, and, with the demo server, what to try.

use crate::config::diff::Door;
use crate::config::{DEMO, Loaded, Origin};
use crate::http::Listener;

/// Logs the addresses; prints what to try where nothing has been configured yet.
pub(super) fn show(loaded: &Loaded, listeners: &[(Door, Listener)]) {
    let enabled = || loaded.model.servers.iter().filter(|(_, server)| server.enabled);
    for (_, listener) in listeners {
        listening(listener, Some(enabled().count()));
    }
    for (name, _) in enabled() {
        tracing::info!("server {name}: {}", url(listeners, &format!("/servers/{name}/mcp")));
    }
    if loaded.origin == Origin::Demo {
        let card = card(&url(listeners, "/mcp"));
        // Where nobody reads standard output there is nobody to tell.
        super::fatal::print(&card).ok();
    }
}

/// Logs where a listener listens, and for how many servers, where that is known.
pub(super) fn listening(listener: &Listener, servers: Option<usize>) {
    let address = listener.address();
    if let Some(server) = listener.server() {
        tracing::info!(%server, "listening on {address}, endpoint /mcp");
    } else {
        tracing::info!(servers, "listening on {address}");
    }
}

fn url(listeners: &[(Door, Listener)], path: &str) -> String {
    let shared = listeners.iter().find(|(door, _)| door.server.is_none());
    let address = shared.map_or("", |(_, listener)| listener.address());
    let address = match address.rsplit_once(':') {
        // An address that means all addresses is none to connect to.
        Some(("0.0.0.0" | "[::]", port)) => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    };
    if address.starts_with("unix:") {
        format!("{address}{path}")
    } else {
        format!("http://{address}{path}")
    }
}

fn card(url: &str) -> String {
    format!(
        r#"stdiod serves its built-in {DEMO} server at {url}

Try:
  curl -s {url} -H 'content-type: application/json' \
       -d '{{"jsonrpc":"2.0","id":1,"method":"tools/list"}}'
  claude mcp add --transport http stdiod-demo {url}
  LiteLLM:  mcp_servers: {{ stdiod_demo: {{ url: "{url}", transport: "http" }} }}

Your own server instead:
  stdiod run -- npx -y @modelcontextprotocol/server-everything
  stdiod --config claude_desktop_config.json

Ctrl-C stops it.
"#
    )
}
