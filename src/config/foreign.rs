//! Files written for other programs, taken as they are: an `mcpServers` object (Claude, Cursor, Cline, …), or the
//! `servers` object of VS Code's `mcp.json`.
//!
//! Their entries become `servers`; marks are kept, so later problems still point into the original text. Keys that mean
//! nothing here are reported as warnings, not errors: the file belongs to another program too.

use super::advice::{snake, unknown_key};
use super::key::KeyPath;
use super::node::{Entry, Kind, Node};
use super::problem::{Findings, Problem};
use super::shape::{Field, Shape, file_shape};

/// Keys of clients that say nothing about how to run a server.
const CLIENT_ONLY: &[&str] =
    &["type", "transport", "name", "description", "dev", "gallery", "version", "icon"];

/// Turns a foreign file into our own form; others pass unchanged.
pub(super) fn adapt(root: Node, findings: &mut Findings) -> Node {
    let Some(list) = list_key(&root) else { return root };
    let Node { kind: Kind::Table(entries), mark } = root else { return root };
    let mut own = Vec::new();
    let mut servers: Option<Entry> = None;
    for entry in entries {
        if entry.key == list {
            let value = adapt_servers(entry.value, &KeyPath::root().key(list), findings);
            match &mut servers {
                Some(known) => append(&mut known.value, value),
                None => servers = Some(Entry { key: "servers".to_owned(), value, ..entry }),
            }
        } else if entry.key == "servers" {
            match &mut servers {
                Some(known) => append(&mut known.value, entry.value),
                None => servers = Some(entry),
            }
        } else if file_shape().field(&entry.key).is_some() {
            own.push(entry);
        } else if entry.key != "$schema" && entry.key != "inputs" {
            let path = KeyPath::root().key(&entry.key);
            findings.push(Problem::warning(
                &path,
                entry.key_mark,
                "ignored: it says nothing about servers",
            ));
        }
    }
    own.extend(servers);
    Node::new(Kind::Table(own), mark)
}

/// The key that holds the servers of a foreign file.
fn list_key(root: &Node) -> Option<&'static str> {
    if let Some(entry) = root.get("mcpServers") {
        return matches!(entry.value.kind, Kind::Table(_)).then_some("mcpServers");
    }
    // Our own servers never have a `type`, theirs nearly always do.
    let servers = root.get("servers")?.value.entries();
    let theirs = root.get("inputs").is_some()
        || servers.iter().any(|server| server.value.get("type").is_some());
    theirs.then_some("servers")
}

fn append(to: &mut Node, more: Node) {
    if let (Kind::Table(known), Kind::Table(new)) = (&mut to.kind, more.kind) {
        known.extend(new);
    }
}

fn adapt_servers(servers: Node, path: &KeyPath, findings: &mut Findings) -> Node {
    let Node { kind: Kind::Table(entries), mark } = servers else { return servers };
    let kept = entries.into_iter().filter_map(|entry| {
        let path = path.key(&entry.key);
        let value = adapt_server(&entry.key, entry.value, &path, findings)?;
        Some(Entry { value, ..entry })
    });
    Node::new(Kind::Table(kept.collect()), mark)
}

fn adapt_server(name: &str, server: Node, path: &KeyPath, findings: &mut Findings) -> Option<Node> {
    if server.get("command").is_none()
        && let Some(url) = ["url", "serverUrl", "httpUrl"].iter().find_map(|key| server.get(key))
    {
        findings.push(
            Problem::warning(
                &path.key(&url.key),
                url.key_mark.clone(),
                format!("{name} is skipped: remote servers are not bridged"),
            )
            .hint("it already speaks HTTP; give clients its own address"),
        );
        return None;
    }
    let Node { kind: Kind::Table(entries), mark } = server else { return Some(server) };
    let kept = entries.into_iter().filter_map(|entry| adapt_key(entry, path, findings)).collect();
    Some(Node::new(Kind::Table(kept), mark))
}

fn adapt_key(mut entry: Entry, path: &KeyPath, findings: &mut Findings) -> Option<Entry> {
    let fields = server_fields();
    match (entry.key.as_str(), &mut entry.value.kind) {
        ("disabled", Kind::Truth(disabled)) => {
            *disabled = !*disabled;
            "enabled".clone_into(&mut entry.key);
        }
        ("envFile", Kind::Text(_)) => {
            let file = entry.value.clone();
            entry.value.kind = Kind::List(vec![file]);
            "env_file".clone_into(&mut entry.key);
        }
        // Some clients write numbers and truths here, and hand them on as text.
        ("env", Kind::Table(variables)) => {
            for Entry { value, .. } in variables {
                match &value.kind {
                    Kind::Whole(number) => value.kind = Kind::Text(number.to_string()),
                    Kind::Truth(truth) => value.kind = Kind::Text(truth.to_string()),
                    Kind::Null
                    | Kind::Fraction(_)
                    | Kind::Text(_)
                    | Kind::List(_)
                    | Kind::Table(_) => {}
                }
            }
        }
        (key, _) if fields.iter().any(|field| field.name == key) => {}
        (key, _) if CLIENT_ONLY.contains(&snake(key).as_str()) => return None,
        (key, _) => {
            let advice = unknown_key(&KeyPath::from(["servers", "name"]), key, fields);
            let warning =
                Problem::warning(&path.key(key), entry.key_mark, "ignored: stdiod has no such key");
            // "Leave it out" is bad advice where another program reads the same file.
            let hints = advice.hints.into_iter().filter(|hint| !hint.starts_with("leave it out"));
            findings.push(warning.hints(hints.filter(|hint| !hint.starts_with("`stdiod schema"))));
            return None;
        }
    }
    Some(entry)
}

fn server_fields() -> &'static [Field] {
    match file_shape().field("servers").map(|field| &field.shape) {
        Some(Shape::Map { of, .. }) => of.fields(),
        _ => &[],
    }
}
