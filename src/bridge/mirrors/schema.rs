//! The annotations of one `inputSchema`, and the rules they have to keep.

use super::{Mirror, PREFIX};
use crate::wire::meta::Members;
use crate::wire::raw::{self, Raw};

/// The member of a property that names its header.
pub(super) const ANNOTATION: &str = "x-mcp-header";

/// An annotation that makes its tool one no HTTP client may use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("x-mcp-header of {property}: {why}")]
pub struct Flaw {
    /// The annotated property, or the way to it.
    pub property: Box<str>,
    pub why: Why,
}

/// The rule that an annotation breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("its value is no name a header can have")]
    NotToken,
    #[error("another property has the same name")]
    NotUnique,
    #[error("the type is not string, integer or boolean")]
    Type,
    #[error("the property is not reached through properties alone")]
    Unreachable,
    #[error("it stands in the schema twice")]
    Twice,
    #[error("it lies too deep")]
    TooDeep,
    #[error("no request can carry so many headers")]
    TooMany,
}

/// Schemas that are annotated deeper than this count as flawed.
const DEPTH_MAX: usize = 32;

/// Annotations of one tool. A request with more headers is refused by most who would have to read them.
const ANNOTATIONS_MAX: usize = 100;

/// Bytes of a header's name. Longer ones are refused on their way by most who pass them on.
const NAME_MAX: usize = 256;

/// What a keyword of JSON Schema holds, if it holds schemas no property is reached through.
enum Holds {
    /// A schema or a list of schemas.
    Schemas,
    /// Schemas by names.
    Named,
    Nothing,
}

struct Walk {
    found: Vec<Mirror>,
    path: Vec<Box<str>>,
}

/// All annotations of a schema, or the first that breaks a rule.
pub(super) fn mirrors(schema: &str) -> Result<Vec<Mirror>, Flaw> {
    let mut walk = Walk { found: Vec::new(), path: Vec::new() };
    walk.schema(schema, true)?;
    Ok(walk.found)
}

// === impl Walk ===

impl Walk {
    /// Looks at a schema and what it is made of. A property is `reachable` if only `properties` lead to it.
    fn schema(&mut self, text: &str, reachable: bool) -> Result<(), Flaw> {
        if !may_annotate(text) {
            return Ok(());
        }
        if self.path.len() == DEPTH_MAX {
            return Err(self.flaw(Why::TooDeep));
        }
        let members = Members::of(text);
        let mut annotations = members.0.iter().filter(|(key, _)| key == ANNOTATION);
        if let Some((_, name)) = annotations.next() {
            if annotations.next().is_some() {
                return Err(self.flaw(Why::Twice));
            }
            // Properties lead to whatever has a header; the whole of the arguments has none.
            if !reachable || self.path.is_empty() {
                return Err(self.flaw(Why::Unreachable));
            }
            self.annotation(*name, &members)?;
        }
        for (key, value) in &members.0 {
            if key == "properties" {
                self.named(*value, reachable)?;
                continue;
            }
            self.path.push(key.as_ref().into());
            match holds(key) {
                Holds::Schemas => self.schemas(*value)?,
                Holds::Named => self.named(*value, false)?,
                Holds::Nothing => {}
            }
            self.path.pop();
        }
        Ok(())
    }

    fn schemas(&mut self, value: Raw<'_>) -> Result<(), Flaw> {
        if value.get().starts_with('[') {
            let parts = Raw::items(value.get()).unwrap_or_default();
            return parts.iter().try_for_each(|part| self.schema(part.get(), false));
        }
        self.schema(value.get(), false)
    }

    fn named(&mut self, value: Raw<'_>, reachable: bool) -> Result<(), Flaw> {
        for (name, schema) in &Members::of(value.get()).0 {
            self.path.push(name.as_ref().into());
            self.schema(schema.get(), reachable)?;
            self.path.pop();
        }
        Ok(())
    }

    fn annotation(&mut self, name: Raw<'_>, members: &Members<'_>) -> Result<(), Flaw> {
        let Some(name) = raw::string(name.get()).filter(|name| is_token(name)) else {
            return Err(self.flaw(Why::NotToken));
        };
        let kind = members.get("type").and_then(|kind| raw::string(kind.get()));
        if !matches!(kind.as_deref(), Some("string" | "integer" | "boolean")) {
            return Err(self.flaw(Why::Type));
        }
        if self.found.len() == ANNOTATIONS_MAX {
            return Err(self.flaw(Why::TooMany));
        }
        let header = format!("{PREFIX}{name}");
        if self.found.iter().any(|other| other.header.eq_ignore_ascii_case(&header)) {
            return Err(self.flaw(Why::NotUnique));
        }
        self.found.push(Mirror { header: header.into(), path: self.path.clone().into() });
        Ok(())
    }

    fn flaw(&self, why: Why) -> Flaw {
        let path = self.path.join(".");
        let property = if path.is_empty() { "the schema itself" } else { raw::clipped(&path) };
        Flaw { property: property.into(), why }
    }
}

/// Whether the word is in the text. Most schemas do not have it and are not looked into. An escaped spelling of it has a `\u`.
fn may_annotate(text: &str) -> bool {
    text.contains(ANNOTATION) || text.contains("\\u")
}

/// A token of RFC 9110, which is what the name of a header is made of.
fn is_token(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_part)
}

/// `const`, `enum`, `default` and `examples` hold values, and words nobody knows may hold anything: no schema is looked for there.
fn holds(keyword: &str) -> Holds {
    match keyword {
        "items"
        | "prefixItems"
        | "additionalItems"
        | "unevaluatedItems"
        | "contains"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "propertyNames"
        | "allOf"
        | "anyOf"
        | "oneOf"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contentSchema" => Holds::Schemas,
        "$defs" | "definitions" | "patternProperties" | "dependentSchemas" | "dependencies" => {
            Holds::Named
        }
        _ => Holds::Nothing,
    }
}
