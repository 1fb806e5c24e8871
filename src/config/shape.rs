//! What may stand where: the schema, written down in a form that is easy to walk.
//!
//! The schema comes from the model, so names, types, documentation and built-in values of all keys have one source. Making it
//! takes longer than all else that is done with a configuration, so `keys` holds what came out, and a test sees to it that this
//! is what comes out still.

#[rustfmt::skip]
mod keys;

#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Table(&'static [Field]),
    /// Any keys; `server_names` when they name servers.
    Map {
        of: &'static Self,
        server_names: bool,
    },
    List(&'static Self),
    Text,
    Choice(&'static [Choice]),
    Duration,
    DurationOrNever,
    Size,
    Listen,
    Whole {
        least: i128,
        most: i128,
    },
    Truth,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) shape: Shape,
    /// Whether it must be written.
    pub(super) required: bool,
    /// Whether it may be absent from the model, and so be `null` in JSON.
    pub(super) nullable: bool,
    /// The built-in value, as JSON.
    pub(super) default: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
}

/// The shape of a whole file.
pub(super) fn file_shape() -> &'static Shape {
    &keys::FILE
}

// === impl Shape ===

impl Shape {
    const NUMBER: Self = Self::Whole { least: 0, most: u64::MAX as i128 };
    const SMALL: Self = Self::Whole { least: i32::MIN as i128, most: i32::MAX as i128 };

    /// Whether it is written under a header of its own.
    pub(super) fn is_section(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Map { .. })
    }

    pub(super) fn fields(&self) -> &'static [Field] {
        match self {
            Self::Table(fields) => fields,
            Self::Map { .. }
            | Self::List(_)
            | Self::Text
            | Self::Choice(_)
            | Self::Duration
            | Self::DurationOrNever
            | Self::Size
            | Self::Listen
            | Self::Whole { .. }
            | Self::Truth => &[],
        }
    }

    /// What a list or a map holds.
    pub(super) fn of(&self) -> Option<&'static Self> {
        match self {
            Self::List(of) | Self::Map { of, .. } => Some(of),
            Self::Table(_)
            | Self::Text
            | Self::Choice(_)
            | Self::Duration
            | Self::DurationOrNever
            | Self::Size
            | Self::Listen
            | Self::Whole { .. }
            | Self::Truth => None,
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// What is expected, in words.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::Table(_) | Self::Map { .. } => "a table".to_owned(),
            Self::List(Self::Table(_)) => "a list of tables".to_owned(),
            Self::List(Self::Listen) => "a list of addresses".to_owned(),
            Self::List(_) => "a list of texts".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Choice(choices) => one_of(choices),
            Self::Duration => "a duration such as \"30s\"".to_owned(),
            Self::DurationOrNever => "a duration such as \"10m\", or \"never\"".to_owned(),
            Self::Size => "a size such as \"16MiB\"".to_owned(),
            Self::Listen => "an address such as \"127.0.0.1:8750\"".to_owned(),
            Self::Whole { .. } => "a whole number".to_owned(),
            Self::Truth => "true or false".to_owned(),
        }
    }
}

/// The names of choices as a phrase: `"a", "b" or "c"`.
pub(super) fn one_of(choices: &[Choice]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("{:?}", choice.name)).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::Value;

    use crate::config::schema::file_schema;

    const HEAD: &str = "\
//! Every key that a file can have. Made from the schema; do not edit it by hand:
//! `KEYS=make cargo test --lib config::shape` makes it again.

use super::{Choice, Field, Shape};

pub(super) static FILE: Shape = ";

    #[test]
    fn the_keys_are_those_of_the_schema() {
        let schema = file_schema();
        let made = format!("{HEAD}{};\n", Reader { root: &schema }.shape(&schema, 0));
        if std::env::var_os("KEYS").is_some_and(|what| what == "make") {
            let here = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/shape/keys.rs");
            std::fs::write(here, &made).unwrap();
        } else {
            assert!(
                made == include_str!("shape/keys.rs"),
                "the schema has changed; make its keys again with `KEYS=make cargo test --lib config::shape`"
            );
        }
    }

    /// Writes a schema as the source of its shape.
    struct Reader<'a> {
        root: &'a Value,
    }

    impl Reader<'_> {
        fn shape(&self, schema: &Value, depth: usize) -> String {
            if let Some(name) = schema["$ref"].as_str() {
                let plain = match name.rsplit('/').next() {
                    Some("Duration") => "Shape::Duration",
                    Some("DurationOrNever") => "Shape::DurationOrNever",
                    Some("Size") => "Shape::Size",
                    Some("ListenAddress") => "Shape::Listen",
                    _ => {
                        let meant = self.root.pointer(name.trim_start_matches('#')).unwrap();
                        return self.shape(meant, depth);
                    }
                };
                return plain.to_owned();
            }
            if let Some(some) = not_null(schema) {
                return self.shape(some, depth);
            }
            let choices = choices(schema);
            if !choices.is_empty() {
                return format!("Shape::Choice(&[{}])", choices.join(", "));
            }
            match type_of(schema) {
                "object" if schema["properties"].is_object() => {
                    let margin = "    ".repeat(depth);
                    format!("Shape::Table(&[\n{}{margin}])", self.fields(schema, depth + 1))
                }
                "object" => format!(
                    "Shape::Map {{ of: &{}, server_names: {} }}",
                    self.shape(&schema["additionalProperties"], depth),
                    schema["propertyNames"]["title"] == "ServerName",
                ),
                "array" => format!("Shape::List(&{})", self.shape(&schema["items"], depth)),
                "integer" => match schema["format"].as_str() {
                    Some("uint64" | "uint") => "Shape::NUMBER",
                    Some("int32") => "Shape::SMALL",
                    format => panic!("no shape is known for {format:?}"),
                }
                .to_owned(),
                "boolean" => "Shape::Truth".to_owned(),
                _ => "Shape::Text".to_owned(),
            }
        }

        fn fields(&self, schema: &Value, depth: usize) -> String {
            let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
            let margin = "    ".repeat(depth);
            let mut lines = String::new();
            for (name, property) in schema["properties"].as_object().unwrap() {
                let doc = property["description"].as_str().unwrap_or_default();
                let shape = self.shape(property, depth);
                let required = required.iter().any(|key| key == name);
                let nullable = not_null(property).is_some() || property["type"].is_array();
                let default = property.get("default").filter(|value| !value.is_null());
                let default = default.map(Value::to_string);
                writeln!(
                    lines,
                    "{margin}Field {{ name: {name:?}, doc: {doc:?}, shape: {shape}, required: {required}, \
                     nullable: {nullable}, default: {default:?} }},"
                )
                .unwrap();
            }
            lines
        }
    }

    /// Of an optional value, what it is when it is there.
    fn not_null(schema: &Value) -> Option<&Value> {
        let any = schema["anyOf"].as_array()?;
        any.iter()
            .find(|one| one["type"] != "null")
            .filter(|_| any.iter().any(|one| one["type"] == "null"))
    }

    fn type_of(schema: &Value) -> &str {
        let types = &schema["type"];
        let first =
            || types.as_array()?.iter().filter_map(Value::as_str).find(|name| *name != "null");
        types.as_str().or_else(first).unwrap_or_default()
    }

    fn choices(schema: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for one in schema["oneOf"].as_array().into_iter().flatten().chain([schema]) {
            let doc = one["description"].as_str().unwrap_or_default();
            let names = one["enum"].as_array().into_iter().flatten().chain(one.get("const"));
            for name in names.filter_map(Value::as_str) {
                let doc = if one.get("const").is_some() { doc } else { "" };
                found.push(format!("Choice {{ name: {name:?}, doc: {doc:?} }}"));
            }
        }
        found
    }
}
