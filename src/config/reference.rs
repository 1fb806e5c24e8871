//! The reference page, made from the schema. `docs/configuration.md` is its output.

use std::fmt::Write as _;

use serde_json::Value;

use super::shape::{Field, Shape, file_shape};

/// What the schema cannot say.
const INTRODUCTION: &str = include_str!("reference.md");

pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    let (sections, single): (Vec<&Field>, Vec<&Field>) =
        file_shape().fields().iter().partition(|field| field.shape.is_section());
    heading(&mut page, "Before the first section", "Keys that belong to no section.");
    table(&mut page, single);
    for section in sections {
        match (section.shape, section.name) {
            (_, "defaults") => {
                heading(&mut page, "`[defaults]`", section.doc);
                page.push_str("\nThe keys are those of a server, below.\n");
            }
            (Shape::Map { of, .. }, name) => {
                heading(&mut page, &format!("`[{name}.NAME]`"), section.doc);
                table(&mut page, of.fields());
            }
            (shape, name) => {
                heading(&mut page, &format!("`[{name}]`"), section.doc);
                table(&mut page, shape.fields());
            }
        }
    }
    page
}

fn heading(page: &mut String, title: &str, doc: &str) {
    write!(page, "\n## {title}\n\n{doc}\n").expect("a string takes any text");
}

fn table<'a>(page: &mut String, fields: impl IntoIterator<Item = &'a Field>) {
    page.push_str("\n| Key | Built-in value | What it is |\n| --- | --- | --- |\n");
    for field in fields {
        rows(page, "", field);
    }
}

fn rows(page: &mut String, prefix: &str, field: &Field) {
    let name = format!("{prefix}{}", field.name);
    let is_list = matches!(field.shape, Shape::List(_));
    let inner = field.shape.of().filter(|_| is_list).unwrap_or(&field.shape).fields();
    let inner_prefix = if is_list { format!("{name}[].") } else { format!("{name}.") };
    let default = match (field.default, field.required) {
        // The parts have rows of their own.
        _ if matches!(field.shape, Shape::Table(_)) => String::new(),
        (_, true) => "required".to_owned(),
        (Some(json), _) => {
            let value = serde_json::from_str(json).expect("it was made from a value");
            format!("`{}`", toml(&value))
        }
        (None, _) => "none".to_owned(),
    };
    let mut what = field.doc.replace('\n', " ").replace('|', "\\|");
    write!(what, " {}", kind(&field.shape)).expect("a string takes any text");
    writeln!(page, "| `{name}` | {default} | {} |", what.trim()).expect("a string takes any text");
    for field in inner {
        rows(page, &inner_prefix, field);
    }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Choice(choices) => {
            let described = choices.iter().filter(|choice| !choice.doc.is_empty());
            let lines: Vec<String> = described
                .map(|choice| format!("`\"{}\"`: {}", choice.name, choice.doc.replace('\n', " ")))
                .collect();
            lines.join(" ")
        }
        Shape::Table(_)
        | Shape::Map { .. }
        | Shape::List(_)
        | Shape::Text
        | Shape::Duration
        | Shape::DurationOrNever
        | Shape::Size
        | Shape::Listen
        | Shape::Whole { .. }
        | Shape::Truth => format!("*{}*", capital(&shape.noun())),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            if entries.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", entries.join(", "))
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Every key a file can have, as `(path, documentation)`: what the samples and the reference are checked against.
pub fn all_keys() -> Vec<(String, String)> {
    let mut keys = Vec::new();
    collect(&mut keys, "", file_shape());
    keys
}

fn collect(keys: &mut Vec<(String, String)>, prefix: &str, shape: &Shape) {
    if let Some(of) = shape.of() {
        return collect(keys, prefix, of);
    }
    for field in shape.fields() {
        let name = match prefix {
            "" => field.name.to_owned(),
            _ => format!("{prefix}.{}", field.name),
        };
        keys.push((name.clone(), field.doc.to_owned()));
        // Its keys are those of a server again.
        if name != "defaults" {
            collect(keys, &name, &field.shape);
        }
    }
}
