//! YAML into the marked tree, by the locations `serde-saphyr` gives to `Spanned` values.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::super::node::{Entry, Kind, Node};
use super::Malformed;

type Marked = Node<Range<usize>>;

/// Any value, its parts still with their locations.
struct Any(Kind<Range<usize>>);

pub(super) fn parse(text: &str) -> Result<Marked, Malformed> {
    if text.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::new(Kind::Null, 0..0));
    }
    let options = serde_saphyr::options! {
        // `off` and `no` are words here, as YAML 1.2 has it; a server may be called so.
        strict_booleans: true,
        with_snippet: false,
    };
    let root: Spanned<Any> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let at = error.location().map_or(0, |location| offset(text, location));
            // The message ends with its place, which the picture shows better.
            let message = error.without_snippet().to_string();
            let message = message.lines().next().unwrap_or("it cannot be read");
            let message = message.split(" at line ").next().unwrap_or(message);
            Malformed { message: message.to_owned(), at: at..at + 1 }
        })?;
    let mut node = node(root);
    node.map_to(text);
    Ok(node)
}

/// Until the text is at hand a mark holds what the location says: byte offset and length.
fn mark(location: Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0);
    let end = start + span.byte_len().unwrap_or(0);
    usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)
}

fn offset(text: &str, location: Location) -> usize {
    let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

fn node(spanned: Spanned<Any>) -> Marked {
    Node::new(spanned.value.0, mark(spanned.referenced))
}

// === impl Node ===

impl Marked {
    /// Quoted scalars are located with their quotes and tables by their first key; plain ones may lack a length.
    fn map_to(&mut self, text: &str) {
        if self.mark.is_empty() {
            let rest = &text[self.mark.start.min(text.len())..];
            self.mark.end = self.mark.start + rest.find(['\n', '#']).unwrap_or(rest.len());
        }
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.map_to(text)),
            Kind::Table(entries) => {
                for entry in entries {
                    entry.value.map_to(text);
                }
            }
            Kind::Null | Kind::Truth(_) | Kind::Whole(_) | Kind::Fraction(_) | Kind::Text(_) => {}
        }
    }
}

// === impl Any ===

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Kind<Range<usize>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
                Ok(Kind::Truth(truth))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Kind::Whole(number.into()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Kind::Whole(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Kind::Fraction(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Kind::Text(text.to_owned()))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Kind::Null)
            }

            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Kind::Null)
            }

            fn visit_some<D: serde::Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(node(item));
                }
                Ok(Kind::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Any>>()? {
                    let key_mark = mark(key.referenced);
                    entries.push(Entry { key: key.value, key_mark, value: node(value) });
                }
                Ok(Kind::Table(entries))
            }
        }

        deserializer.deserialize_any(Collect).map(Any)
    }
}
