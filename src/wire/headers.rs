//! The values of `Mcp-Name` and `Mcp-Param-*`: how any text fits into a header, and whether a header says the same as
//! the body.
//!
//! Visible ASCII travels as it is; everything else, and whatever looks like the wrapping itself, travels as
//! `=?base64?<base64 of UTF-8>?=`. A value is unwrapped before it is compared, and unwrapped strictly: one text has one
//! base64 form, so two readers of a header can never see two values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::raw;

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";

/// A header value that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("it holds characters that have to be wrapped in base64")]
    NotPlain,
    #[error("its base64 is not well-formed")]
    NotBase64,
    #[error("its base64 does not hold UTF-8")]
    NotUtf8,
}

/// `text` as a header value.
pub fn encode(text: &str) -> Cow<'_, str> {
    let is_safe = is_plain(text.as_bytes()) && trim(text) == text && wrapped(text).is_none();
    if is_safe {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{OPENING}{}{CLOSING}", STANDARD.encode(text)))
}

/// The text a header value stands for. Blanks around the value do not count.
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, BadHeader> {
    let value = std::str::from_utf8(value).map_err(|_| BadHeader::NotPlain)?;
    let value = trim(value);
    if !is_plain(value.as_bytes()) {
        return Err(BadHeader::NotPlain);
    }
    let Some(inner) = wrapped(value) else { return Ok(Cow::Borrowed(value)) };
    let bytes = STANDARD.decode(inner).map_err(|_| BadHeader::NotBase64)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| BadHeader::NotUtf8)
}

/// Whether a header value says the same as a leaf of the body, given as its JSON text. Numbers are compared as numbers,
/// with all their digits: `42` is `42.0`. Nothing equals `null`, an object or an array.
pub fn agrees(value: &[u8], leaf: &str) -> Result<bool, BadHeader> {
    let value = decode(value)?;
    Ok(match leaf.trim_ascii().as_bytes().first() {
        Some(b'"') => raw::string(leaf.trim_ascii()).is_some_and(|text| text == value),
        Some(b't' | b'f') => value == leaf.trim_ascii(),
        Some(b'-' | b'0'..=b'9') => match (Decimal::read(&value), Decimal::read(leaf.trim_ascii()))
        {
            (Some(said), Some(meant)) => said == meant,
            _ => false,
        },
        _ => false,
    })
}

/// `value` without the blanks and tabs around it, which HTTP does not count.
pub fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

fn wrapped(value: &str) -> Option<&str> {
    value.strip_prefix(OPENING)?.strip_suffix(CLOSING)
}

fn is_plain(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A JSON number without loss: `digits` × 10^`exponent`, where `digits` has no zero at either end.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

// === impl Decimal ===

impl Decimal {
    /// Reads a number in the grammar of JSON.
    fn read(text: &str) -> Option<Self> {
        let (is_negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power)),
            None => (rest, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_number = are_digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(are_digits)
            && power
                .is_none_or(|power| are_digits(power.strip_prefix(['+', '-']).unwrap_or(power)));
        if !is_number {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let mut exponent = i64::try_from(fraction.len()).ok()?.checked_neg()?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent += 1;
        }
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, exponent: 0 });
        }
        // A power beyond 64 bits is no number anybody meant.
        let power: i64 = power.map_or(Some(0), |power| power.parse().ok())?;
        Some(Self { is_negative, digits, exponent: exponent.checked_add(power)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_travels_as_it_is() {
        for text in ["us-west1", "a b", "", "~!\"", "=?base64?", "=?base64?=", "x=?base64?YQ==?="] {
            assert_eq!(encode(text), text);
            assert_eq!(decode(text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn everything_else_is_wrapped() {
        for (text, value) in [
            ("¡hola!", "=?base64?wqFob2xhIQ==?="),
            (" a", "=?base64?IGE=?="),
            ("a\t", "=?base64?YQk=?="),
            ("a\nb", "=?base64?YQpi?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
            ("=?base64??=", "=?base64?PT9iYXNlNjQ/Pz0=?="),
        ] {
            assert_eq!(encode(text), value);
            assert_eq!(decode(value.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn blanks_around_a_value_do_not_count() {
        assert_eq!(decode(b" \tx y\t ").unwrap(), "x y");
        assert_eq!(decode(b" =?base64?YQ==?= ").unwrap(), "a");
        assert_eq!(trim("\t a\u{a0}\t"), "a\u{a0}");
    }

    #[test]
    fn values_with_two_readings_are_refused() {
        for (value, why) in [
            (&b"a\xc3\xbc"[..], BadHeader::NotPlain),
            (b"\xff", BadHeader::NotPlain),
            (b"a\tb", BadHeader::NotPlain),
            (b"=?base64?YQ?=", BadHeader::NotBase64),
            (b"=?base64?YQ=?=", BadHeader::NotBase64),
            (b"=?base64?YR==?=", BadHeader::NotBase64),
            (b"=?base64?Y Q==?=", BadHeader::NotBase64),
            (b"=?base64?_-8=?=", BadHeader::NotBase64),
            (b"=?base64?YQ==YQ==?=", BadHeader::NotBase64),
            (b"=?base64?/w==?=", BadHeader::NotUtf8),
        ] {
            assert_eq!(decode(value), Err(why), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn markers_are_exact_or_the_value_is_literal() {
        for value in ["=?BASE64?YQ==?=", "=?base64?YQ==", "YQ==?=", "=?base64?YQ==?=x"] {
            assert_eq!(decode(value.as_bytes()).unwrap(), value);
        }
    }

    #[test]
    fn a_header_agrees_with_the_leaf_it_mirrors() {
        for (value, leaf) in [
            ("x", "\"x\""),
            ("=?base64?w7w=?=", "\"\\u00fc\""),
            ("", "\"\""),
            ("true", "true"),
            ("false", " false "),
            ("42", "42.0"),
            ("42.0", "42"),
            ("4.2e1", "42"),
            ("=?base64?NDI=?=", "42"),
            ("-0", "0"),
            ("0.0e99999999999999999999", "0"),
            ("9007199254740993", "9007199254740993"),
            ("100", "1E+2"),
            ("-0.50", "-5e-1"),
        ] {
            assert_eq!(agrees(value.as_bytes(), leaf), Ok(true), "{value} {leaf}");
        }
    }

    #[test]
    fn a_header_that_says_something_else_does_not_agree() {
        for (value, leaf) in [
            ("x", "\"X\""),
            ("42", "\"42.0\""),
            ("TRUE", "true"),
            ("1", "true"),
            ("42", "-42"),
            ("9007199254740993", "9007199254740992"),
            ("042", "42"),
            ("+42", "42"),
            ("0x2a", "42"),
            ("42.", "42"),
            ("", "42"),
            ("1e99999999999999999999", "1e99999999999999999998"),
            ("null", "null"),
            ("{}", "{}"),
            ("[]", "[]"),
        ] {
            assert_eq!(agrees(value.as_bytes(), leaf), Ok(false), "{value} {leaf}");
        }
        assert_eq!(agrees(b"=?base64?!?=", "\"x\""), Err(BadHeader::NotBase64));
    }

    proptest! {
        #[test]
        fn any_text_survives_the_way_through_a_header(text in any::<String>()) {
            let value = encode(&text);
            prop_assert!(is_plain(value.as_bytes()));
            prop_assert_eq!(decode(value.as_bytes()).unwrap(), text.as_str());
            prop_assert!(agrees(value.as_bytes(), &serde_json::to_string(&text).unwrap()).unwrap());
        }

        #[test]
        fn integers_agree_exactly_when_they_are_equal(a in any::<i64>(), b in any::<i64>()) {
            let with_fraction = format!("{a}.00");
            prop_assert!(agrees(with_fraction.as_bytes(), &a.to_string()).unwrap());
            prop_assert_eq!(agrees(a.to_string().as_bytes(), &b.to_string()).unwrap(), a == b);
        }
    }
}
