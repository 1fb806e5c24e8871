//! `STDIOD_HTTP__LISTEN=…`: the layer of environment variables, and texts from the command line read by the same rules.
//!
//! A variable has no types and often no lower case, so the shape of the configuration says how to read it. figment's own
//! reader guesses types and folds the case of every key, which would spoil names of servers and of their variables.

use std::collections::{BTreeMap, BTreeSet};

use super::advice::nearest;
use super::document::Document;
use super::key::KeyPath;
use super::node::{Kind, Node};
use super::place::Place;
use super::problem::{Findings, Problem};
use super::shape::{Shape, file_shape};

const PREFIX: &str = "STDIOD_";

/// All variables that are meant for the configuration, as one tree. `servers` are the names known so far.
pub(super) fn layer(
    variables: &BTreeMap<String, String>,
    servers: &BTreeSet<String>,
    findings: &mut Findings,
) -> Node {
    let mut root = Node::table(Place::Default);
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let place = Place::Variable(name.clone());
        let mut keys: Vec<String> = rest.split("__").map(str::to_owned).collect();
        let shape = resolve(&mut keys, servers);
        if file_shape().field(&keys[0]).is_none() {
            findings.push(stray(name, rest, &keys[0], place));
            continue;
        }
        root.put(&keys, read_text(text, shape, place));
    }
    root
}

/// A variable that begins like ours and is not. It may not be meant for us: container platforms make variables from
/// the names of services, such as `STDIOD_PORT` and `STDIOD_SERVICE_HOST`.
fn stray(name: &str, rest: &str, first: &str, place: Place) -> Problem {
    let problem = Problem::warning(
        &KeyPath::root(),
        place,
        format!("{name} is ignored: there is no such key"),
    );
    let sections = file_shape().fields();
    let lower = rest.to_ascii_lowercase();
    let one_underscore = sections.iter().find(|field| {
        lower.strip_prefix(field.name).is_some_and(|tail| {
            let tail = tail.trim_start_matches('_');
            !tail.is_empty() && field.shape.field(tail.split("__").next().unwrap_or(tail)).is_some()
        })
    });
    if let Some(section) = one_underscore {
        let tail = rest[section.name.len()..].trim_start_matches('_');
        return problem.hint(format!(
            "levels are parted by two underscores: {PREFIX}{}__{tail}",
            section.name.to_ascii_uppercase()
        ));
    }
    let near = nearest(first, sections.iter().map(|field| field.name));
    match near.and_then(|near| sections.iter().find(|field| field.name == near)) {
        Some(field) => {
            let rest = if field.shape.is_section() { "__…" } else { "" };
            let name = field.name.to_ascii_uppercase();
            problem.hint(format!("did you mean {PREFIX}{name}{rest}?"))
        }
        None => problem,
    }
}

/// Brings the segments of a name to the case of the keys they mean and finds the shape of the value.
fn resolve(keys: &mut Vec<String>, servers: &BTreeSet<String>) -> Option<&'static Shape> {
    let mut shape = file_shape();
    for at in 0..keys.len() {
        match shape {
            Shape::Table(fields) => {
                let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(&keys[at]));
                let Some(field) = field else {
                    for key in &mut keys[at..] {
                        key.make_ascii_lowercase();
                    }
                    return None;
                };
                field.name.clone_into(&mut keys[at]);
                shape = &field.shape;
            }
            Shape::Map { of, server_names: true } => {
                let known = servers.iter().find(|name| shell_name(name) == shell_name(&keys[at]));
                keys[at] = known.cloned().unwrap_or_else(|| keys[at].to_ascii_lowercase());
                shape = of;
            }
            Shape::Map { of, .. } => {
                // The name of a child's variable is taken as it is, double underscores and all.
                let name = keys[at..].join("__");
                keys.truncate(at);
                keys.push(name);
                return Some(of);
            }
            Shape::List(_)
            | Shape::Text
            | Shape::Choice(_)
            | Shape::Duration
            | Shape::DurationOrNever
            | Shape::Size
            | Shape::Listen
            | Shape::Whole { .. }
            | Shape::Truth => return None,
        }
    }
    Some(shape)
}

/// The name of a server as a shell lets one write it: `my-server.v2` is `MY_SERVER_V2`.
fn shell_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect()
}

/// A text as the value its key wants. What does not fit stays a text, so that the walk reports it.
pub(super) fn read_text(text: &str, shape: Option<&Shape>, place: Place) -> Node {
    let plain = text.trim();
    let kind = match shape {
        Some(Shape::List(of)) => {
            if let Some(node) = literal(plain, '[', &place) {
                return node;
            }
            let parts = plain.split(',').map(str::trim).filter(|part| !part.is_empty());
            Kind::List(parts.map(|part| read_text(part, Some(of), place.clone())).collect())
        }
        Some(Shape::Table(_) | Shape::Map { .. }) => {
            if let Some(node) = literal(plain, '{', &place) {
                return node;
            }
            Kind::Text(text.to_owned())
        }
        Some(Shape::Truth) => match plain.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Kind::Truth(true),
            "false" | "0" | "no" | "off" => Kind::Truth(false),
            _ => Kind::Text(text.to_owned()),
        },
        Some(Shape::Whole { .. }) => {
            plain.parse().map_or_else(|_| Kind::Text(text.to_owned()), Kind::Whole)
        }
        Some(
            Shape::Choice(_)
            | Shape::Duration
            | Shape::DurationOrNever
            | Shape::Size
            | Shape::Listen,
        ) => Kind::Text(plain.to_owned()),
        Some(Shape::Text) | None => Kind::Text(text.to_owned()),
    };
    Node::new(kind, place)
}

/// A list or table written in JSON or as a TOML value.
fn literal(text: &str, opens: char, place: &Place) -> Option<Node> {
    if !text.starts_with(opens) {
        return None;
    }
    let json = Document::parse("value.json".as_ref(), text).ok();
    let node = json.or_else(|| {
        let toml = Document::parse("value.toml".as_ref(), &format!("value = {text}")).ok()?;
        toml.get("value").map(|entry| entry.value.clone())
    })?;
    Some(node.map_marks(&|_| place.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (String, Vec<Problem>) {
        let variables =
            variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let servers = BTreeSet::from(["my-server".to_owned(), "Git".to_owned()]);
        let mut findings = Findings::default();
        let root = layer(&variables, &servers, &mut findings);
        (serde_json::to_string(&root.dict()).unwrap(), findings.problems)
    }

    #[test]
    fn variables_are_read_by_the_shape_of_their_key() {
        let check = |name: &str, text: &str, tree: &str| assert_eq!(read(&[(name, text)]).0, tree);
        check(
            "STDIOD_HTTP__LISTEN",
            "[::1]:1, localhost:2",
            r#"{"http":{"listen":["[::1]:1","localhost:2"]}}"#,
        );
        check("STDIOD_HTTP__LISTEN", r#"["[::1]:1"]"#, r#"{"http":{"listen":["[::1]:1"]}}"#);
        check("STDIOD_MAX_CHILDREN", "7", r#"{"max_children":7}"#);
        check("STDIOD_HTTP__MAX_CONNECTIONS", "7", r#"{"http":{"max_connections":7}}"#);
        check("STDIOD_HTTP__LENIENT_SESSIONS", "off", r#"{"http":{"lenient_sessions":false}}"#);
        check(
            "STDIOD_SERVERS__MY_SERVER__CONCURRENCY",
            "2",
            r#"{"servers":{"my-server":{"concurrency":2}}}"#,
        );
        check("STDIOD_SERVERS__GIT__ENV__A__b", "1", r#"{"servers":{"Git":{"env":{"A__b":"1"}}}}"#);
        check("STDIOD_SERVERS__NEW__COMMAND", " 1 ", r#"{"servers":{"new":{"command":" 1 "}}}"#);
        check(
            "STDIOD_AUTH__TOKENS",
            r#"[{ name = "a", file = "/t" }]"#,
            r#"{"auth":{"tokens":[{"file":"/t","name":"a"}]}}"#,
        );
    }

    #[test]
    fn stray_variables_are_ignored_aloud() {
        let check = |name: &str, hint: &str| {
            let (tree, problems) = read(&[(name, "x")]);
            assert_eq!((tree.as_str(), problems.len()), ("{}", 1));
            assert_eq!(problems[0].hints.concat(), hint);
        };
        check("STDIOD_PORT", "");
        check("STDIOD_HTTP_LISTEN", "levels are parted by two underscores: STDIOD_HTTP__LISTEN");
        check("STDIOD_LOGS__LEVEL", "did you mean STDIOD_LOG__…?");
    }
}
