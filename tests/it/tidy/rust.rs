//! Reading Rust well enough to see what a file names: no parser, but comments, strings and groups are understood.

use std::collections::BTreeSet;

/// The room of a source file: its folder in `src/`, or its own name. The crate's root files belong to no room.
pub(super) fn room_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let room = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "lib" | "main")).then_some(room)
}

/// The part of a source file above its test module.
pub(super) fn before_tests(text: &str) -> &str {
    let mut at = 0;
    let mut marked = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with("#[cfg(test)]") {
            marked = Some(at);
        }
        let opens = trimmed.strip_prefix("#[cfg(test)]").unwrap_or(trimmed).trim_start();
        if let Some(start) = marked
            && (opens.starts_with("mod ") || opens.starts_with("pub(crate) mod "))
        {
            return &text[..start];
        }
        if !trimmed.is_empty() && !trimmed.starts_with("#[") {
            marked = None;
        }
        at += line.len();
    }
    text
}

/// The code without comments, strings and characters; line breaks stay.
pub(super) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#')
                if raw_hashes(&chars, i).is_some()
                    && !(i > 0 && word(at(i - 1)) && at(i - 1) != 'b') =>
            {
                let hashes = raw_hashes(&chars, i).unwrap_or_default();
                i += 2 + hashes;
                while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                    i += 1;
                }
                i += 1 + hashes;
            }
            ('"', _) => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            ('\'', '\\') => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (plain, _) => {
                out.push(plain);
                i += 1;
                continue;
            }
        }
        out.extend(chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n'));
    }
    out
}

/// How many `#` stand between `r` and the quote of a raw string that begins here.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows the next place where `name` stands as a whole word.
pub(super) fn next_word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(found) = text[from..].find(name) {
        let (start, end) = (from + found, from + found + name.len());
        if !text[..start].ends_with(word) && !text[end..].starts_with(word) {
            return Some(&text[end..]);
        }
        from = end;
    }
    None
}

pub(super) fn mentions(code: &str, name: &str) -> bool {
    next_word(code, name).is_some()
}

/// Every path imported with `use`, groups spread out: `use a::{b, c::d};` is `a::b` and `a::c::d`.
pub(super) fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(after) = next_word(rest, "use") {
        let end = after.find(';').unwrap_or(after.len());
        let tree: String =
            after[..end].replace(" as ", "@").chars().filter(|c| !c.is_whitespace()).collect();
        spread("", &tree, &mut found);
        rest = &after[end..];
    }
    found
}

fn spread(prefix: &str, tree: &str, out: &mut Vec<String>) {
    let Some(open) = tree.find('{') else {
        let path = tree.split('@').next().unwrap_or_default();
        out.push(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = &tree[open + 1..];
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&prefix, &inner[start..at], out);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < inner.len() {
        spread(&prefix, &inner[start..], out);
    }
}

/// Every path from the crate's root that a file names, in a `use` or in the middle of code, also by way of `super`.
pub(super) fn crate_paths(file: &str, code: &str) -> BTreeSet<String> {
    let depth = file.trim_start_matches("src/").trim_end_matches("/mod.rs").split('/').count();
    let mut paths = imports(code);
    for root in ["crate", "super"] {
        let mut rest = code;
        while let Some(after) = next_word(rest, root) {
            let path = after.chars().take_while(|c| word(*c) || *c == ':');
            paths.push(format!("{root}{}", path.collect::<String>()));
            rest = after;
        }
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        let supers = parts.iter().take_while(|part| **part == "super").count();
        let rooted = parts.first() == Some(&"crate");
        if rooted || supers >= depth {
            parts.drain(..if rooted { 1 } else { supers });
            found.insert(parts.join("::"));
        }
    }
    found
}
