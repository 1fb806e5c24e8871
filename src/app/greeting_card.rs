//! What a person sees when the daemon is up: where it listens and who gets there, and, with the demo server, what to try.

use super::reach::{connectable, line_for_containers, way_of_containers};
use crate::config::diff::Door;
use crate::config::listen::ListenAddr;
use crate::config::{DEMO, Loaded, Origin};
use crate::http::Listener;
use crate::wire::id::ServerName;

/// Logs the addresses; prints what to try where nothing has been configured yet.
pub(super) fn show(loaded: &Loaded, listeners: &[(Door, Listener)]) {
    let enabled = || loaded.model.servers.iter().filter(|(_, server)| server.enabled);
    for (_, listener) in listeners {
        listening(listener, Some(enabled().count()));
    }
    let there = || listeners.iter().map(|(_, listener)| listener).filter(|one| one.is_there());
    let of = |server: Option<&ServerName>| -> Vec<ListenAddr> {
        there().filter(|listener| listener.server() == server).filter_map(bound).collect()
    };
    let main = of(None);
    for (name, _) in enabled() {
        serving(name, &main, &format!("/servers/{name}/mcp"));
        let own = of(Some(name));
        if way_of_containers(&own).is_some() {
            serving(name, &own, "/mcp");
        }
    }
    let all: Vec<ListenAddr> = there().filter_map(bound).collect();
    // An address that is still to come is most likely the one for containers.
    if all.len() == listeners.len() && way_of_containers(&all).is_none() {
        let line = line_for_containers(&loaded.model.http.listen);
        let how = match &loaded.origin {
            Origin::Files(_) => format!("[http] {line}, and a token under [auth]"),
            // Tokens have no flag.
            Origin::Adhoc | Origin::Demo => format!(
                "`stdiod serve --config FILE`, with a file that has the servers, [http] {line}, and a token under [auth]"
            ),
        };
        tracing::info!(
            "containers get to none of these, unless they share the network of this host; to let them in: {how}"
        );
    }
    if let Some(first) = main.first().filter(|_| loaded.origin == Origin::Demo) {
        // Where nobody reads standard output there is nobody to tell.
        super::fatal::print(&card(&url(first, "/mcp"))).ok();
    }
}

/// Logs where a listener listens, for whom, and for how many servers, where that is known.
pub(super) fn listening(listener: &Listener, servers: Option<usize>) {
    let address = listener.address();
    let whom = match bound(listener) {
        _ if !listener.is_there() => "for nobody yet",
        Some(open) if !open.is_loopback() => "for containers and other hosts too",
        Some(_) | None => "for this host alone",
    };
    if let Some(server) = listener.server() {
        tracing::info!(%server, "listening on {address}, {whom}, endpoint /mcp");
    } else {
        tracing::info!(servers, "listening on {address}, {whom}");
    }
    if !listener.is_there() {
        tracing::warn!(
            "no network of this host has the address of {address} now; it will be served there once one has"
        );
    }
}

/// Logs where a server is found at these listeners.
fn serving(name: &ServerName, listen: &[ListenAddr], path: &str) {
    let Some(first) = listen.first() else { return };
    let here = url(first, path);
    let containers = match way_of_containers(listen).map(|way| format!("http://{way}{path}")) {
        Some(there) if there == here => ", in containers too".to_owned(),
        Some(there) => format!(", in containers {there}"),
        None => String::new(),
    };
    tracing::info!("server {name}: {here}{containers}");
}

/// Its address with the port that was chosen.
fn bound(listener: &Listener) -> Option<ListenAddr> {
    ListenAddr::parse(listener.address()).ok()
}

fn url(address: &ListenAddr, path: &str) -> String {
    match connectable(address) {
        Some(ip) => format!("http://{ip}{path}"),
        None => format!("{address}{path}"),
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
