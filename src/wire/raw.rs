//! JSON values as the texts they are.

use std::borrow::Cow;

use super::scan::Scanner;
use super::splice::Span;

/// A JSON value as the text it is, without blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

/// Bytes of a name that are shown.
const SHOWN_MAX: usize = 128;

// === impl Raw ===

impl<'a> Raw<'a> {
    pub(super) fn new(value: &'a str) -> Self {
        Self(value)
    }

    /// The value at a place that was found by stepping through `whole`.
    pub(super) fn at(span: Span, whole: &'a str) -> Self {
        Self(&whole[span.range()])
    }

    pub fn get(self) -> &'a str {
        self.0
    }

    /// The values in an array; `None` if it is none.
    pub fn items(array: &'a str) -> Option<Vec<Self>> {
        let mut items = Vec::new();
        let mut scan = Scanner::new(array.as_bytes());
        scan.items(|span| items.push(Self::at(span, array))).ok()?;
        scan.end().ok()?;
        Some(items)
    }
}

/// The value of a JSON string, borrowed when it has no escapes; `None` for anything but a string.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// The same for one whose quotes were taken off.
pub fn unescaped(inner: &str) -> Cow<'_, str> {
    if inner.contains('\\') {
        let text = serde_json::from_str(&format!("\"{inner}\""));
        return text.map(Cow::Owned).unwrap_or_default();
    }
    Cow::Borrowed(inner)
}

/// The beginning of a name a peer chose, where it is only shown: a log line needs no more.
pub fn clipped(text: &str) -> &str {
    clipped_to(text, SHOWN_MAX)
}

/// The beginning of a text, so many bytes at most.
pub fn clipped_to(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_clipped_between_characters() {
        assert_eq!(clipped("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(clipped(&format!("x{long}")).len(), 127);
    }

    #[test]
    fn strings_are_read_with_and_without_escapes() {
        assert_eq!(string("\"a\"").as_deref(), Some("a"));
        assert_eq!(string("\"\\u0061\\n\"").as_deref(), Some("a\n"));
        assert_eq!(string("3"), None);
        assert_eq!(string("\""), None);
    }
}
