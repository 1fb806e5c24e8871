//! One layer held against the shape of the configuration: every unknown key and every value of a wrong type, at once.
//!
//! What is wrong is reported and left out, so that what is right can still be merged and checked further.

use super::advice::{nearest, unknown_key};
use super::key::KeyPath;
use super::listen::ListenAddr;
use super::node::{Entry, Kind, Node};
use super::place::Place;
use super::problem::{Findings, Problem};
use super::secret::is_secret_name;
use super::shape::{Choice, Field, Shape, one_of};
use super::units::{Size, Span, SpanOrNever};
use crate::wire::id::ServerName;

/// Gives back what of a value is sound; `None` if nothing is.
pub(super) fn walk(
    node: Node,
    shape: &Shape,
    path: &KeyPath,
    findings: &mut Findings,
) -> Option<Node> {
    let Node { kind, mark } = node;
    match (shape, kind) {
        (Shape::Table(fields), Kind::Table(entries)) => {
            let kept = table(entries, fields, path, findings);
            let node = Node::new(Kind::Table(kept), mark);
            is_complete(&node, fields, path, findings).then_some(node)
        }
        (Shape::Map { of, server_names }, Kind::Table(entries)) => {
            let kept = entries.into_iter().filter_map(|entry| {
                let path = path.key(&entry.key);
                if *server_names && !is_server_name(&entry, &path, findings) {
                    return None;
                }
                let value = walk(entry.value, of, &path, findings)?;
                Some(Entry { value, ..entry })
            });
            Some(Node::new(Kind::Table(kept.collect()), mark))
        }
        (Shape::List(of), Kind::List(items)) => {
            let kept = items
                .into_iter()
                .enumerate()
                .filter_map(|(index, item)| walk(item, of, &path.index(index), findings));
            Some(Node::new(Kind::List(kept.collect()), mark))
        }
        (Shape::List(of), Kind::Text(text)) if !matches!(of, Shape::Table(_)) => {
            let message = format!("expected {}, found a text", shape.noun());
            // It may be one long command line with a key in it.
            let shown = if is_secret_name(&text) { "…" } else { text.as_str() };
            let hint = format!("put it in brackets: [{shown:?}]");
            findings.push(Problem::error(path, mark.clone(), message).hint(hint));
            // What was meant is clear enough to look for further mistakes in it.
            let item = Node::new(Kind::Text(text), mark.clone());
            let item = walk(item, of, &path.index(0), findings);
            Some(Node::new(Kind::List(item.into_iter().collect()), mark))
        }
        (_, kind) => {
            let node = Node { kind, mark };
            match scalar(&node, shape, path) {
                Ok(()) => Some(node),
                Err(Complaint { message, hints }) => {
                    findings.push(Problem::error(path, node.mark, message).hints(hints));
                    None
                }
            }
        }
    }
}

struct Complaint {
    message: String,
    hints: Vec<String>,
}

fn table(
    entries: Vec<Entry>,
    fields: &[Field],
    path: &KeyPath,
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        // Editors find the schema of a JSON file by this key.
        if entry.key == "$schema" && *path == KeyPath::root() {
            continue;
        }
        let here = path.key(&entry.key);
        let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
            let advice = unknown_key(path, &entry.key, fields);
            if let Some(meant) = advice.meant {
                findings.doubt(path.key(&meant));
            }
            findings.push(Problem::error(&here, entry.key_mark, "unknown key").hints(advice.hints));
            continue;
        };
        if matches!(entry.value.kind, Kind::Null) {
            if !field.nullable {
                let message = format!("expected {}, found nothing", field.shape.noun());
                findings.push(
                    Problem::error(&here, entry.key_mark, message)
                        .hint("leave the key out to get its built-in value"),
                );
            }
            continue;
        }
        if let Some(value) = walk(entry.value, &field.shape, &here, findings) {
            kept.push(Entry { value, ..entry });
        }
    }
    kept
}

/// Whether every key is there that must be. A server is judged when all layers are known.
fn is_complete(node: &Node, fields: &[Field], path: &KeyPath, findings: &mut Findings) -> bool {
    if path.starts_with(&KeyPath::from(["servers"])) {
        return true;
    }
    let missing = fields.iter().filter(|field| field.required && node.get(field.name).is_none());
    let mut complete = true;
    for field in missing {
        complete = false;
        let here = path.key(field.name);
        if !findings.doubts(&here) {
            let doc = field.doc.split(['.', ';']).next().unwrap_or_default();
            findings.push(Problem::error(&here, node.mark.clone(), "it is missing").hint(format!(
                "write `{} = …`: {}",
                field.name,
                decapital(doc)
            )));
        }
    }
    complete
}

fn decapital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn is_server_name(entry: &Entry, path: &KeyPath, findings: &mut Findings) -> bool {
    let Err(error) = ServerName::new(&entry.key) else { return true };
    let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
    let fitting: String = entry.key.chars().map(fit).take(ServerName::LENGTH_MAX).collect();
    let fitting = fitting.trim_start_matches(['.', '-']).trim_end_matches('-');
    let problem = Problem::error(path, entry.key_mark.clone(), error.to_string())
        .hint("the name is part of the server's address, /servers/<name>/mcp");
    findings.push(if fitting.is_empty() {
        problem
    } else {
        problem.hint(format!("write `{fitting}`"))
    });
    false
}

fn scalar(node: &Node, shape: &Shape, path: &KeyPath) -> Result<(), Complaint> {
    let complain = |message: String| Complaint { message, hints: Vec::new() };
    match (shape, &node.kind) {
        (Shape::Text, Kind::Text(_)) | (Shape::Truth, Kind::Truth(_)) => Ok(()),
        (Shape::Duration, Kind::Text(text)) => {
            text.parse::<Span>().map(drop).map_err(|error| complain(error.to_string()))
        }
        (Shape::DurationOrNever, Kind::Text(text)) => {
            text.parse::<SpanOrNever>().map(drop).map_err(|error| complain(error.to_string()))
        }
        (Shape::Size, Kind::Text(text)) => {
            text.parse::<Size>().map(drop).map_err(|error| complain(error.to_string()))
        }
        (Shape::Listen, Kind::Text(text)) => ListenAddr::parse(text)
            .map(drop)
            .map_err(|error| complain(format!("{text:?} is no address to listen on: {error}"))),
        (Shape::Choice(choices), Kind::Text(text)) => choice(text, choices),
        (Shape::Whole { least, most }, Kind::Whole(number)) => {
            if number < least {
                Err(complain(format!("{number} is too small; the least is {least}")))
            } else if number > most {
                Err(complain(format!("{number} is too large; the most is {most}")))
            } else {
                Ok(())
            }
        }
        _ => Err(mismatch(node, shape, path)),
    }
}

fn choice(text: &str, choices: &[Choice]) -> Result<(), Complaint> {
    if choices.iter().any(|choice| choice.name == text) {
        return Ok(());
    }
    let near = nearest(text, choices.iter().map(|choice| choice.name));
    let message = format!("{text:?} is not one of {}", one_of(choices));
    Err(Complaint {
        message,
        hints: near.map(|near| format!("did you mean {near:?}?")).into_iter().collect(),
    })
}

/// A value of another type. What it says is repeated only where it cannot be a secret.
fn mismatch(node: &Node, shape: &Shape, path: &KeyPath) -> Complaint {
    let from_variable = matches!(node.mark, Place::Variable(_));
    let message = format!("expected {}, found {}", shape.noun(), node.noun());
    let hint = match (shape, &node.kind) {
        (Shape::Duration | Shape::DurationOrNever, Kind::Whole(number)) => {
            Some(format!("write the unit too: \"{number}s\""))
        }
        (Shape::Size, Kind::Whole(number)) => Some(format!("put it in quotes: \"{number}\"")),
        (Shape::Text, Kind::Whole(_) | Kind::Fraction(_) | Kind::Truth(_)) => {
            Some("put it in quotes".to_owned())
        }
        (Shape::Listen, Kind::Whole(port)) => Some(format!("write \"127.0.0.1:{port}\"")),
        (Shape::List(_), Kind::Text(_)) => Some("write a list of tables: [{ … }]".to_owned()),
        (Shape::Listen, Kind::List(_)) => {
            Some("a server has one address of its own; take it out of the brackets".to_owned())
        }
        (Shape::Text, Kind::List(_)) if path.ends_with("command") => {
            Some("`command` is the program alone; what follows it goes into `args`".to_owned())
        }
        (Shape::Choice(choices), Kind::Truth(truth)) => {
            let word = if *truth { "on" } else { "off" };
            choices
                .iter()
                .any(|choice| choice.name == word)
                .then(|| format!("write \"{word}\", in quotes"))
        }
        (Shape::Whole { .. } | Shape::Truth, Kind::Text(_)) if !from_variable => {
            Some("leave the quotes out".to_owned())
        }
        (Shape::Table(_), Kind::Text(_)) if path.starts_with(&KeyPath::from(["auth", "tokens"])) => {
            Some(
                "a token stands in a file of its own: { name = \"who holds it\", file = \"/path\" }".to_owned(),
            )
        }
        (Shape::Map { server_names: true, .. }, Kind::List(_)) => {
            Some("write a section for each: [servers.NAME]".to_owned())
        }
        (Shape::Map { .. }, Kind::List(_)) => Some("write { KEY = \"value\" }".to_owned()),
        _ => None,
    };
    Complaint { message, hints: hint.into_iter().collect() }
}
