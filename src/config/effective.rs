//! The configuration as it holds, written as TOML with the source of every value beside it.

use std::fmt::Write as _;

use figment::value::{Num, Value};

use super::key::{KeyPath, toml_key};
use super::merged::{Merged, find};
use super::place::Place;
use super::secret::{Arg, MASK, shown_args};
use super::shape::{Field, Shape, file_shape};

/// Comments begin here, where the line is not longer.
const COMMENT_COLUMN: usize = 48;

pub(super) fn print(merged: &Merged) -> String {
    let mut page = Page { merged, out: String::new() };
    let (sections, single): (Vec<&Field>, Vec<&Field>) =
        file_shape().fields().iter().partition(|field| field.shape.is_section());
    // In TOML, what belongs to no section stands before the first.
    for field in single {
        page.value(&toml_key(field.name), &KeyPath::root().key(field.name), &field.shape);
    }
    for section in sections {
        let path = KeyPath::root().key(section.name);
        // `[defaults]` is already laid under every server.
        if section.name == "defaults" {
            continue;
        }
        let Shape::Map { of, .. } = &section.shape else {
            if let Shape::Table(_) = &section.shape {
                page.section(&path, &section.shape);
            } else {
                page.value(&toml_key(section.name), &path, &section.shape);
            }
            continue;
        };
        let servers = find(&merged.root, &path).and_then(Value::as_dict);
        for name in servers.into_iter().flat_map(|servers| servers.keys()) {
            page.section(&path.key(name), of);
        }
    }
    page.out
}

struct Page<'a> {
    merged: &'a Merged,
    out: String,
}

// === impl Page ===

impl Page<'_> {
    fn section(&mut self, path: &KeyPath, shape: &Shape) {
        if find(&self.merged.root, path).is_none() {
            return;
        }
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let header = format!("[{path}]");
        if self.merged.place(path) == Place::Default {
            self.out.push_str(&header);
            self.out.push('\n');
        } else {
            self.line(&header, path);
        }
        for field in shape.fields() {
            self.value(&toml_key(field.name), &path.key(field.name), &field.shape);
        }
    }

    /// Tables within a section become dotted keys, so that each value has a line for its source.
    fn value(&mut self, shown: &str, path: &KeyPath, shape: &Shape) {
        let Some(value) = find(&self.merged.root, path) else { return };
        match (shape, value) {
            (Shape::Table(fields), Value::Dict(..)) => {
                for field in *fields {
                    let key = format!("{shown}.{}", toml_key(field.name));
                    self.value(&key, &path.key(field.name), &field.shape);
                }
            }
            (Shape::Map { .. }, Value::Dict(_, dict)) => {
                for (name, value) in dict {
                    let text = value.as_str().filter(|text| is_reference(text)).unwrap_or(MASK);
                    let line = format!("{shown}.{} = {}", toml_key(name), quoted(text));
                    self.line(&line, &path.key(name));
                }
            }
            (_, Value::Array(_, items)) if shown == "args" => {
                let texts = items.iter().filter_map(Value::as_str).map(Arg::from);
                let args = shown_args(&texts.collect::<Vec<_>>());
                let args: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
                self.line(&format!("{shown} = [{}]", args.join(", ")), path);
            }
            _ => self.line(&format!("{shown} = {}", toml(value)), path),
        }
    }

    fn line(&mut self, text: &str, path: &KeyPath) {
        let source = self.merged.place(path).brief();
        writeln!(self.out, "{text:COMMENT_COLUMN$} # {source}").expect("a string takes any text");
    }
}

/// Whether the whole text is one reference, which says where a secret is and not what it is.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| !name.contains(['$', '}']))
}

fn toml(value: &Value) -> String {
    match value {
        Value::String(_, text) => quoted(text),
        Value::Char(_, c) => quoted(&c.to_string()),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => number_text(*number),
        Value::Empty(..) => "\"\"".to_owned(),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Dict(_, dict) => {
            let entries: Vec<String> = dict
                .iter()
                .map(|(key, value)| format!("{} = {}", toml_key(key), toml(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn number_text(number: Num) -> String {
    match (number.to_i128(), number.to_u128(), number.to_f64()) {
        (Some(whole), _, _) => whole.to_string(),
        (None, Some(whole), _) => whole.to_string(),
        (None, None, Some(fraction)) => fraction.to_string(),
        (None, None, None) => "0".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
