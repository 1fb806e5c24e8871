//! JSON values as the texts they are.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The value of a JSON string, borrowed when it has no escapes; `None` for anything but a string.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

/// Reads a raw value and keeps `null`, which `Option<&RawValue>` alone would take for absence.
pub(crate) fn keep<'de: 'a, 'a, D>(from: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_with_and_without_escapes() {
        assert_eq!(string("\"a\"").as_deref(), Some("a"));
        assert_eq!(string("\"\\u0061\\n\"").as_deref(), Some("a\n"));
        assert_eq!(string("3"), None);
        assert_eq!(string("\""), None);
    }
}
