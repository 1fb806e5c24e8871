//! Which parts of a file an excerpt must not show. Keys are judged by what they sound like, because a secret under a
//! mistyped key is a secret all the same.

use std::ops::Range;

use super::super::advice::nearest;
use super::super::node::{Entry, Kind, Node};
use super::super::secret::is_secret_name;

/// A text in place of a table of tokens is likely a token from this length on.
const TOKEN_BYTES_MIN: usize = 16;

/// The ranges of a file that hold secrets.
pub(super) fn secret_ranges(root: &Node<Range<usize>>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    collect(root, false, &mut ranges);
    ranges
}

fn collect(node: &Node<Range<usize>>, inside: bool, ranges: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Table(entries) => {
            for entry in entries {
                let items = match &entry.value.kind {
                    Kind::List(items) => items.as_slice(),
                    Kind::Null
                    | Kind::Truth(_)
                    | Kind::Whole(_)
                    | Kind::Fraction(_)
                    | Kind::Text(_)
                    | Kind::Table(_) => &[],
                };
                match entry.key.as_str() {
                    "args" => args(items, ranges),
                    // Under `[auth]`; those of a server are names.
                    "tokens" if node.get("command").is_none() => tokens(items, ranges),
                    _ => collect(&entry.value, inside || is_secret(entry), ranges),
                }
            }
        }
        Kind::List(items) => items.iter().for_each(|item| collect(item, inside, ranges)),
        Kind::Null | Kind::Truth(_) => {}
        Kind::Whole(_) | Kind::Fraction(_) | Kind::Text(_) => {
            if inside {
                ranges.push(node.mark.clone());
            }
        }
    }
}

fn is_secret(entry: &Entry<Range<usize>>) -> bool {
    let key = entry.key.to_ascii_lowercase();
    if matches!(key.as_str(), "env_file" | "envfile") {
        return false;
    }
    let env = key.starts_with("env") || nearest(&key, ["env", "headers"].into_iter()).is_some();
    env || is_secret_name(&key)
}

fn tokens(items: &[Node<Range<usize>>], ranges: &mut Vec<Range<usize>>) {
    for item in items {
        let token = matches!(&item.kind, Kind::Text(text) if text.len() >= TOKEN_BYTES_MIN);
        if token {
            ranges.push(item.mark.clone());
        }
        collect(item, false, ranges);
    }
}

/// What follows a flag such as `--api-key`, in the next argument or in the same.
fn args(items: &[Node<Range<usize>>], ranges: &mut Vec<Range<usize>>) {
    let mut after_flag = false;
    for item in items {
        let Kind::Text(text) = &item.kind else { continue };
        let joined = text.split_once('=').is_some_and(|(name, _)| is_secret_name(name));
        if joined || (after_flag && !text.starts_with('-')) {
            ranges.push(item.mark.clone());
        }
        after_flag = text.starts_with('-') && !joined && is_secret_name(text);
    }
}
