//! What a person sees when the daemon is up: where it listens and who gets there, and, with the demo server, what to try.

use super::reach::{HOST_OF_CONTAINERS, line_for_containers, port_for_containers};
use crate::config::diff::Door;
use crate::config::listen::ListenAddr;
use crate::config::{DEMO, Loaded, Origin};
use crate::http::Listener;

/// Logs the addresses; prints what to try where nothing has been configured yet.
pub(super) fn show(loaded: &Loaded, listeners: &[(Door, Listener)]) {
    let enabled = || loaded.model.servers.iter().filter(|(_, server)| server.enabled);
    for (_, listener) in listeners {
        listening(listener, Some(enabled().count()));
    }
    let of = |is_wanted: fn(&Listener) -> bool| -> Vec<ListenAddr> {
        let wanted = listeners.iter().map(|(_, listener)| listener);
        wanted.filter(|listener| is_wanted(listener)).filter_map(bound).collect()
    };
    let main = of(|listener| listener.server().is_none());
    let containers = port_for_containers(&main);
    for (name, _) in enabled().filter(|_| !main.is_empty()) {
        let path = format!("/servers/{name}/mcp");
        let here = url(listeners, &path);
        let there = containers
            .map(|port| format!(", in containers http://{HOST_OF_CONTAINERS}:{port}{path}"));
        tracing::info!("server {name}: {here}{}", there.unwrap_or_default());
    }
    if port_for_containers(&of(|_| true)).is_none() {
        tracing::info!(
            "containers get to none of these, unless they share the network of this host; to let them in: \
             [http] {}, and a token under [auth]",
            line_for_containers(&loaded.model.http.listen)
        );
    }
    if loaded.origin == Origin::Demo {
        let card = card(&url(listeners, "/mcp"));
        // Where nobody reads standard output there is nobody to tell.
        super::fatal::print(&card).ok();
    }
}

/// Logs where a listener listens, for whom, and for how many servers, where that is known.
pub(super) fn listening(listener: &Listener, servers: Option<usize>) {
    let address = listener.address();
    let whom = match bound(listener) {
        Some(open) if !open.is_loopback() => "for containers and other hosts too",
        Some(_) | None => "for this host alone",
    };
    if let Some(server) = listener.server() {
        tracing::info!(%server, "listening on {address}, {whom}, endpoint /mcp");
    } else {
        tracing::info!(servers, "listening on {address}, {whom}");
    }
}

/// Its address with the port that was chosen.
fn bound(listener: &Listener) -> Option<ListenAddr> {
    ListenAddr::parse(listener.address()).ok()
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
