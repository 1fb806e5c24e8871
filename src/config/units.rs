//! Durations (`"30s"`) and sizes (`"16MiB"`) as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time, written like `"500ms"`, `"30s"`, `"10m"` or `"1h 30m"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A length of time, or `"never"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpanOrNever(pub Option<Duration>);

/// A number of bytes, written like `"512"`, `"64KiB"`, `"16MiB"` or `"2GiB"`; `KB`, `MB`, `GB` are powers of ten.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

/// A text that is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    #[error("{0:?} is not a duration; write it like \"30s\", \"500ms\" or \"1h 30m\"")]
    Span(String),
    #[error("{0:?} is not a duration; write it like \"10m\", or \"never\"")]
    SpanOrNever(String),
    #[error("{0:?} is more than ten years; write \"365d\" where there should be no limit")]
    TooLong(String),
    #[error("{0:?} is not a size; write it like \"16MiB\", \"64KiB\" or \"1024\"")]
    Size(String),
}

const SIZES: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
    ("", 1),
];

// === impl Span ===

impl Span {
    /// Clocks cannot be set much further.
    const MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let span =
            humantime::parse_duration(text.trim()).map_err(|_| BadUnit::Span(text.to_owned()))?;
        if span > Self::MAX { Err(BadUnit::TooLong(text.to_owned())) } else { Ok(Self(span)) }
    }
}

impl TryFrom<String> for Span {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time such as \"500ms\", \"30s\", \"10m\" or \"1h 30m\".",
            "pattern": "^\\s*[0-9]+\\s*[A-Za-z]+(\\s*[0-9]+\\s*[A-Za-z]+)*\\s*$"
        })
    }
}

// === impl SpanOrNever ===

impl SpanOrNever {
    pub const NEVER: Self = Self(None);

    const WORD: &str = "never";
}

impl FromStr for SpanOrNever {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        if text.trim() == Self::WORD {
            return Ok(Self::NEVER);
        }
        let span: Result<Span, BadUnit> = text.parse();
        span.map(|span| Self(Some(span.0))).map_err(|error| match error {
            BadUnit::TooLong(_) => error,
            BadUnit::Span(_) | BadUnit::SpanOrNever(_) | BadUnit::Size(_) => {
                BadUnit::SpanOrNever(text.to_owned())
            }
        })
    }
}

impl TryFrom<String> for SpanOrNever {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl From<SpanOrNever> for String {
    fn from(span: SpanOrNever) -> Self {
        span.to_string()
    }
}

impl fmt::Display for SpanOrNever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => Span(span).fmt(f),
            None => f.write_str(Self::WORD),
        }
    }
}

impl JsonSchema for SpanOrNever {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DurationOrNever".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time such as \"500ms\", \"30s\", \"10m\" or \"1h 30m\", or \"never\".",
            "pattern": "^\\s*(never|[0-9]+\\s*[A-Za-z]+(\\s*[0-9]+\\s*[A-Za-z]+)*)\\s*$"
        })
    }
}

// === impl Size ===

impl Size {
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// As a length in memory; saturates where `usize` is smaller.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = || BadUnit::Size(text.to_owned());
        let plain = text.trim();
        let digits = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or(plain.len());
        let number: u64 = plain[..digits].parse().map_err(|_| bad())?;
        let unit = plain[digits..].trim();
        let (_, factor) =
            SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(bad)?;
        number.checked_mul(*factor).map(Self).ok_or_else(bad)
    }
}

impl TryFrom<String> for Size {
    type Error = BadUnit;

    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, factor) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{name}", self.0 / factor);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A number of bytes such as \"512\", \"64KiB\", \"16MiB\" or \"2GiB\".",
            "pattern": "^\\s*[0-9]+\\s*([KMGkmg][Ii]?[Bb]|[Bb])?\\s*$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print_the_same() {
        for (text, bytes) in
            [("16MiB", 16 << 20), ("64kib", 65_536), ("2GB", 2_000_000_000), ("7", 7), ("9 B", 9)]
        {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
        for bad in ["", "MiB", "-1", "1.5MiB", "1 XB", "99999999999GiB"] {
            assert_eq!(bad.parse::<Size>(), Err(BadUnit::Size(bad.to_owned())));
        }
    }

    #[test]
    fn spans_read_and_print_the_same() {
        let span: Span = "1h 30m".parse().unwrap();
        assert_eq!(span.0.as_secs(), 5400);
        assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        assert_eq!("soon".parse::<Span>(), Err(BadUnit::Span("soon".to_owned())));
        for text in ["never", "10m"] {
            let span: SpanOrNever = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        assert!("nie".parse::<SpanOrNever>().is_err());
    }
}
