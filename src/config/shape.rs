//! What may stand where: the schema, read into a form that is easy to walk.
//!
//! The schema comes from the model, so names, types, documentation and built-in values of all keys have one source.

use std::sync::LazyLock;

use serde_json::Value;

use super::schema::file_schema;

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Table(Vec<Field>),
    /// Any keys; `server_names` when they name servers.
    Map {
        of: Box<Self>,
        server_names: bool,
    },
    List(Box<Self>),
    Text,
    Choice(Vec<Choice>),
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

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) shape: Shape,
    /// Whether it must be written.
    pub(super) required: bool,
    /// Whether it may be absent from the model, and so be `null` in JSON.
    pub(super) nullable: bool,
    /// The built-in value.
    pub(super) default: Option<Value>,
}

#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) doc: String,
}

/// The shape of a whole file.
pub(super) fn file_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let schema = file_schema();
        Reader { root: &schema }.shape(&schema)
    });
    &SHAPE
}

struct Reader<'a> {
    root: &'a Value,
}

// === impl Shape ===

impl Shape {
    /// Whether it is written under a header of its own.
    pub(super) fn is_section(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Map { .. })
    }

    pub(super) fn fields(&self) -> &[Field] {
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
    pub(super) fn of(&self) -> Option<&Self> {
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

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// What is expected, in words.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::Table(_) | Self::Map { .. } => "a table".to_owned(),
            Self::List(of) if matches!(**of, Self::Table(_)) => "a list of tables".to_owned(),
            Self::List(of) if matches!(**of, Self::Listen) => "a list of addresses".to_owned(),
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

// === impl Reader ===

impl Reader<'_> {
    fn shape(&self, schema: &Value) -> Shape {
        if let Some(name) = schema["$ref"].as_str() {
            return match name.rsplit('/').next() {
                Some("Duration") => Shape::Duration,
                Some("DurationOrNever") => Shape::DurationOrNever,
                Some("Size") => Shape::Size,
                Some("ListenAddress") => Shape::Listen,
                _ => self
                    .shape(self.root.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null)),
            };
        }
        if let Some(some) = not_null(schema) {
            return self.shape(some);
        }
        let choices = choices(schema);
        if !choices.is_empty() {
            return Shape::Choice(choices);
        }
        match type_of(schema) {
            "object" if schema["properties"].is_object() => Shape::Table(self.fields(schema)),
            "object" => Shape::Map {
                of: Box::new(self.shape(&schema["additionalProperties"])),
                server_names: schema["propertyNames"]["title"] == "ServerName",
            },
            "array" => Shape::List(Box::new(self.shape(&schema["items"]))),
            "integer" => whole(schema),
            "boolean" => Shape::Truth,
            _ => Shape::Text,
        }
    }

    fn fields(&self, schema: &Value) -> Vec<Field> {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        let properties = schema["properties"].as_object().into_iter().flatten();
        properties
            .map(|(name, property)| Field {
                name: name.clone(),
                doc: property["description"].as_str().unwrap_or_default().to_owned(),
                shape: self.shape(property),
                required: required.iter().any(|key| key == name),
                nullable: not_null(property).is_some() || property["type"].is_array(),
                default: property.get("default").filter(|value| !value.is_null()).cloned(),
            })
            .collect()
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
    types
        .as_str()
        .or_else(|| types.as_array()?.iter().filter_map(Value::as_str).find(|name| *name != "null"))
        .unwrap_or_default()
}

fn choices(schema: &Value) -> Vec<Choice> {
    let mut found = Vec::new();
    for one in schema["oneOf"].as_array().into_iter().flatten().chain([schema]) {
        let doc = one["description"].as_str().unwrap_or_default();
        let names = one["enum"].as_array().into_iter().flatten().chain(one.get("const"));
        for name in names.filter_map(Value::as_str) {
            let doc = if one.get("const").is_some() { doc } else { "" };
            found.push(Choice { name: name.to_owned(), doc: doc.to_owned() });
        }
    }
    found
}

fn whole(schema: &Value) -> Shape {
    let (least, most) = match schema["format"].as_str() {
        Some("uint64" | "uint") => (0, i128::from(u64::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    Shape::Whole { least, most }
}
