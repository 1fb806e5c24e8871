//! What was probably meant: near misses, keys in the wrong section, and keys people know from other tools.

use strsim::{damerau_levenshtein, jaro_winkler};

use super::key::{KeyPath, Step};
use super::shape::{Field, Shape, file_shape};

/// What to say about a key that is not known where it stands.
pub(super) struct Advice {
    pub(super) hints: Vec<String>,
    /// The key that was probably meant, a sibling of the unknown one.
    pub(super) meant: Option<String>,
}

/// Keys of other tools, where they may stand, and what stands for them here.
const FOREIGN: &[(Section, &[&str], &str)] = &[
    (Section::Server, &["disabled"], "write `enabled = false`"),
    (
        Section::Server,
        &["timeout", "tool_timeout", "call_timeout", "request_timeout_ms", "timeout_ms"],
        "`request_timeout = \"10m\"` limits a call, `start_timeout = \"60s\"` the handshake",
    ),
    (
        Section::Server,
        &[
            "transport",
            "transport_type",
            "type",
            "output_transport",
            "protocol",
            "stateless",
            "stateful",
        ],
        "leave it out: every server is stdio on one side and answers every HTTP transport on the other",
    ),
    (
        Section::Server,
        &["port", "host", "bind", "address"],
        "an address of its own is `listen = \"127.0.0.1:20200\"`; without one the server is at \
         `/servers/<name>/mcp`",
    ),
    (
        Section::Server,
        &["url", "server_url", "http_url", "headers"],
        "remote servers already speak HTTP and are not bridged; give clients their address",
    ),
    (Section::Server, &["workdir", "working_dir", "working_directory", "dir"], "write `cwd`"),
    (
        Section::Server,
        &["environment", "environ", "envs", "variables"],
        "write `env = { KEY = \"value\" }`",
    ),
    (
        Section::Server,
        &["env_from", "pass_environment", "passthrough_env"],
        "write `pass_env = [\"NAME\"]`",
    ),
    (Section::Server, &["cmd", "exec", "executable", "program", "binary"], "write `command`"),
    (Section::Server, &["arguments", "argv", "params"], "write `args = [\"one\", \"two\"]`"),
    (
        Section::Server,
        &["allowed_tools", "enabled_tools", "include_tools", "tool_filter"],
        "write `tools = { allow = [\"name\"] }`",
    ),
    (
        Section::Server,
        &["disabled_tools", "exclude_tools", "denied_tools", "blocked_tools"],
        "write `tools = { deny = [\"name\"] }`",
    ),
    (
        Section::Server,
        &["auto_approve", "always_allow", "trust"],
        "leave it out: approval is the client's business",
    ),
    (Section::Server, &["name"], "the name is in the section: `[servers.name]`"),
    (
        Section::Server,
        &["restart", "auto_restart", "restart_policy"],
        "leave it out: a server that ends is always started again",
    ),
    (
        Section::Server,
        &["lazy", "autostart", "auto_start"],
        "write `start = \"lazy\"` or `start = \"eager\"`",
    ),
    (
        Section::Server,
        &["idle_timeout", "idle", "stop_after", "sleep_after"],
        "write `idle_stop = \"10m\"`",
    ),
    (
        Section::Server,
        &["token", "api_key", "bearer", "auth"],
        "tokens stand once under `[auth]`; `tokens = [\"name\"]` here says which of them may use this server",
    ),
    (
        Section::Http,
        &["port", "host", "bind", "address", "addr"],
        "write `listen = [\"127.0.0.1:8750\"]`, address and port in one",
    ),
    (
        Section::Http,
        &["cors", "cors_origins", "allow_origin", "origins"],
        "write `allowed_origins`",
    ),
    (Section::Http, &["tls", "cert", "key", "https"], "TLS is the business of a proxy in front"),
    (
        Section::Root,
        &["port", "host", "bind", "address", "server"],
        "write `listen = [\"127.0.0.1:8750\"]` under `[http]`",
    ),
    (
        Section::Root,
        &["log_level", "loglevel", "verbose", "debug"],
        "write `level = \"debug\"` under `[log]`",
    ),
    (Section::Root, &["tokens", "api_keys", "token"], "write it under `[auth]`"),
    (
        Section::Root,
        &["mcpservers", "mcp_servers", "mcp"],
        "write `[servers.NAME]`, one section for each",
    ),
    (
        Section::Token,
        &["token", "value", "secret", "key"],
        "put the token into a file of its own and write `file = \"/path\"`",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Root,
    Http,
    Server,
    Token,
    Other,
}

/// The candidate nearest to a word, if any is near at all.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let word = plain(word);
    let scored = candidates.filter_map(|candidate| {
        let other = plain(candidate);
        let distance = damerau_levenshtein(&word, &other);
        let near = distance <= 1.max(word.len().max(other.len()) / 4) && distance < other.len();
        near.then_some((distance, candidate))
    });
    // Equal distances are told apart by the common beginning, which people rarely mistype.
    let better = |one: &str, two: &str| {
        jaro_winkler(&word, &plain(two)).total_cmp(&jaro_winkler(&word, &plain(one)))
    };
    scored
        .min_by(|(d1, one), (d2, two)| d1.cmp(d2).then_with(|| better(one, two)))
        .map(|(_, near)| near)
}

/// What to do about an unknown key in a table with these fields.
pub(super) fn unknown_key(table: &KeyPath, key: &str, fields: &[Field]) -> Advice {
    if let Some(near) = nearest(key, fields.iter().map(|field| field.name)) {
        return Advice {
            hints: vec![format!("did you mean `{near}`?")],
            meant: Some(near.to_owned()),
        };
    }
    let section = Section::of(table);
    let plain = snake(key);
    let foreign =
        FOREIGN.iter().find(|(place, keys, _)| *place == section && keys.contains(&plain.as_str()));
    if let Some((_, _, hint)) = foreign {
        let meant = fields.iter().find(|field| hint.starts_with(&format!("write `{}", field.name)));
        return Advice {
            hints: vec![(*hint).to_owned()],
            meant: meant.map(|field| field.name.to_owned()),
        };
    }
    if let Some(home) = home_of(&plain) {
        return Advice { hints: vec![format!("`{plain}` belongs under `{home}`")], meant: None };
    }
    let known: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    let hints = if known.len() > 10 {
        vec!["`stdiod schema --reference` lists every key".to_owned()]
    } else {
        vec![format!("known here: {}", known.join(", "))]
    };
    Advice { hints, meant: None }
}

/// The section in which a key is known, if there is one.
fn home_of(key: &str) -> Option<&'static str> {
    let root = file_shape();
    for (section, home) in [("http", "[http]"), ("log", "[log]"), ("auth", "[auth]")] {
        if root.field(section).is_some_and(|field| field.shape.field(key).is_some()) {
            return Some(home);
        }
    }
    match root.field("servers").map(|field| &field.shape) {
        Some(Shape::Map { of, .. }) if of.field(key).is_some() => Some("[servers.NAME]"),
        _ => None,
    }
}

/// `camelCase` and `kebab-case` as `snake_case`.
pub(super) fn snake(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        out.push(if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() });
    }
    out
}

// === impl Section ===

impl Section {
    fn of(table: &KeyPath) -> Self {
        match table.steps() {
            [] => Self::Root,
            [Step::Key(only)] if only == "http" => Self::Http,
            [Step::Key(only)] if only == "defaults" => Self::Server,
            [Step::Key(root), Step::Key(_)] if root == "servers" => Self::Server,
            [Step::Key(root), Step::Key(list), Step::Index(_)]
                if root == "auth" && list == "tokens" =>
            {
                Self::Token
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_far_ones_left_alone() {
        let keys = ["command", "cwd", "env", "env_file", "request_timeout", "request_timeout_max"];
        let check =
            |word: &str, near: Option<&str>| assert_eq!(nearest(word, keys.into_iter()), near);
        check("comand", Some("command"));
        check("requestTimeout", Some("request_timeout"));
        check("env-file", Some("env_file"));
        check("evn", Some("env"));
        check("timeout", None);
        check("url", None);
    }

    #[test]
    fn keys_of_other_tools_are_explained() {
        let check = |path: &[&str], key: &str, says: &str| {
            let table = path.iter().fold(KeyPath::root(), |path, key| path.key(key));
            let hints = unknown_key(&table, key, &[]).hints.join(" ");
            assert!(hints.contains(says), "{key}: {hints}");
        };
        check(&["servers", "a"], "disabled", "enabled = false");
        check(&["servers", "a"], "autoApprove", "client's business");
        check(&["servers", "a"], "max_body", "belongs under `[http]`");
        check(&["http"], "port", "listen = ");
        check(&[], "listen", "belongs under `[http]`");
        check(&[], "stop_grace", "belongs under `[servers.NAME]`");
    }
}
