//! The `mcp_servers` of a LiteLLM proxy.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::endpoints::{Base, Endpoints};
use super::tokens::Variable;
use super::yaml;
use crate::app::cli::Transport;
use crate::app::reach::{HOST_OF_CONTAINERS, line_for_containers, way_of_containers};
use crate::config::model::{Model, Token};
use crate::config::{Loaded, Origin};
use crate::http::knows_host;

/// A page for LiteLLM's `config.yaml`: what to do with it, then the servers.
pub(super) fn page(loaded: &Loaded, endpoints: &Endpoints, transport: Transport) -> String {
    let mut page = String::new();
    for line in advice(loaded, endpoints) {
        writeln!(page, "{}", format!("# {line}").trim_end()).expect("a string takes any text");
    }
    page.push_str("mcp_servers:\n");
    let kind = match transport {
        Transport::Http => "http",
        Transport::Sse => "sse",
    };
    let mut taken = BTreeSet::new();
    taken.extend(
        endpoints
            .servers
            .iter()
            .map(|server| server.name.as_str())
            .filter(|name| fits(name))
            .map(str::to_owned),
    );
    for server in &endpoints.servers {
        let own = server.name.as_str();
        let name = if fits(own) { own.to_owned() } else { fitted(own, &mut taken) };
        if name != own {
            writeln!(page, "  # {own} in stdiod; names here have letters, digits and _ only")
                .expect("a string takes any text");
        }
        let mut line = |text: String| writeln!(page, "{text}").expect("a string takes any text");
        line(format!("  {}:", yaml::key(&name)));
        line(format!("    url: {}", yaml::text(&server.quiet_url(transport))));
        line(format!("    transport: {}", yaml::text(kind)));
        if let Some(variable) = &server.variable {
            line(format!("    auth_type: {}", yaml::text("bearer_token")));
            line(format!("    auth_value: {}", yaml::text(&format!("os.environ/{variable}"))));
        }
    }
    page
}

fn advice(loaded: &Loaded, endpoints: &Endpoints) -> Vec<String> {
    let mut lines = vec![
        "The servers of stdiod for a LiteLLM proxy. Save this as stdiod.yaml beside LiteLLM's config.yaml and write there"
            .to_owned(),
        "  include: [stdiod.yaml]".to_owned(),
        "or put mcp_servers into config.yaml itself, at its top level. Then restart LiteLLM.".to_owned(),
    ];
    if endpoints.servers.iter().any(|server| server.is_quiet) {
        lines.push(String::new());
        lines.push("push=off keeps no session for LiteLLM, which begins a new one for each request anyway, and offers it no news of".to_owned());
        lines.push(
            "changes: its newer releases list every server again for each server that does."
                .to_owned(),
        );
    }
    if loaded.origin == Origin::Demo {
        lines.push("Nothing is configured yet: this is the built-in demo server.".to_owned());
    }
    for Variable { name, token } in &endpoints.variables {
        lines.push(String::new());
        // As texts in quotes, so that nothing in them can end the comment.
        lines.extend(match token {
            Some(Token { name: held, file, .. }) => [
                format!("{name} in LiteLLM's environment has to hold the token {held:?}, which is"),
                format!("the first line of {:?}.", file.to_string_lossy()),
            ],
            None => [
                format!("{name} in LiteLLM's environment has to hold the token that is asked for"),
                "at this address.".to_owned(),
            ],
        });
    }
    lines.extend(for_containers(&loaded.model, &endpoints.base));
    for (name, why) in &endpoints.left_out {
        lines.push(String::new());
        lines.push(format!("Left out: {name}, because {why}."));
    }
    lines
}

/// What to know about the way there.
fn for_containers(model: &Model, base: &Base) -> Vec<String> {
    let open = way_of_containers(&model.http.listen);
    let let_them_in = || {
        [
            "In stdiod's configuration, under [http], and with a token under [auth]:".to_owned(),
            format!("  {}", line_for_containers(&model.http.listen)),
            "10.88.0.1 is the host in Podman's network; in Docker's it is 172.17.0.1.".to_owned(),
        ]
    };
    let mut lines = vec![String::new()];
    match base {
        Base::Given { host, .. } => {
            let of_containers =
                matches!(host.as_str(), HOST_OF_CONTAINERS | "host.docker.internal");
            if of_containers && open.is_none() {
                lines.push("stdiod does not yet listen where containers reach it.".to_owned());
                lines.extend(let_them_in());
            } else if !knows_host(&model.http, host) {
                lines.push("stdiod refuses requests to this host name with 403, unless a proxy gives them another one, or".to_owned());
                lines.push("its configuration has, under [http]:".to_owned());
                lines.push(format!("  allowed_hosts = [{host:?}]"));
            } else {
                lines.clear();
            }
        }
        Base::Local(main) if main.ip().is_loopback() => {
            lines.push("For a LiteLLM on this host. One in a container does not reach 127.0.0.1 of its host. Make this page with".to_owned());
            let closed = open.is_none();
            let way = open.unwrap_or_else(|| format!("{HOST_OF_CONTAINERS}:{}", main.port()));
            lines.push(format!("  stdiod export litellm --url http://{way}"));
            if closed {
                lines.extend(let_them_in());
            }
        }
        Base::Local(_) | Base::Unknown => lines.clear(),
    }
    lines
}

/// LiteLLM puts a `-` between server and tool and refuses it in a server's name; models take only letters, digits, `_` and `-`.
fn fits(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The nearest name that nobody has.
fn fitted(name: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = name.replace(['-', '.'], "_");
    let mut fitted = plain.clone();
    let mut nth = 2;
    while !taken.insert(fitted.clone()) {
        fitted = format!("{plain}_{nth}");
        nth += 1;
    }
    fitted
}
