//! Progress, read at a glance.
//!
//! A child may tell of thousands of steps in a second, each on a line that is nearly the one before. Where such a line is written as
//! the usual libraries write it, this finds what a bridge needs of it in a fraction of the time that reading any JSON takes. What
//! is recognized here [`Frame::skim`](super::frame::Frame::skim) would read the same; everything else is left to it, the broken
//! included.

use super::splice::Span;

/// Progress of a request of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The number that is the token.
    pub number: u64,
    /// The place of the token, with its quotes if it has some.
    pub at: Span,
    pub value: f64,
}

/// What has not been looked at yet.
struct Rest<'a> {
    text: &'a [u8],
    at: usize,
}

/// Longer texts are not worth a glance: most of their time goes elsewhere.
const LONGEST: usize = 4 * 1024;

/// Digits of a number that surely has room in 32 bits.
const SHORT: usize = 9;

// === impl Progress ===

impl Progress {
    /// `None` if it is anything else, or not written in the usual way.
    pub fn glance(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut rest = Rest { text, at: 0 };
        rest.word(b"{")?;
        let has_version = rest.word(br#""jsonrpc":"2.0","#).is_some();
        rest.word(br#""method":"notifications/progress","params":{"#)?;
        let (mut token, mut value) = (None, None);
        let (mut has_total, mut has_message) = (false, false);
        loop {
            let is_twice = if rest.word(br#""progressToken":"#).is_some() {
                token.replace(rest.token()?).is_some()
            } else if rest.word(br#""progress":"#).is_some() {
                value.replace(rest.number()?).is_some()
            } else if rest.word(br#""total":"#).is_some() {
                rest.number()?;
                std::mem::replace(&mut has_total, true)
            } else {
                rest.word(br#""message":"#)?;
                rest.string()?;
                std::mem::replace(&mut has_message, true)
            };
            if is_twice {
                return None;
            }
            if rest.word(b",").is_none() {
                break;
            }
        }
        rest.word(b"}")?;
        if !has_version {
            rest.word(br#","jsonrpc":"2.0""#)?;
        }
        rest.word(b"}")?;
        let (number, at) = token?;
        (rest.at == text.len()).then_some(Self { number, at, value: value? })
    }
}

// === impl Rest ===

impl<'a> Rest<'a> {
    #[inline]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        let is_next = self.text[self.at..].starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next.then_some(())
    }

    /// A number of ours. Some servers hand numbers back as strings.
    fn token(&mut self) -> Option<(u64, Span)> {
        let start = self.at;
        let is_quoted = self.word(b"\"").is_some();
        let number = number(self.digits()?)?;
        if is_quoted {
            self.word(b"\"")?;
        }
        Some((number, Span::between(start, self.at)))
    }

    /// Any number but those with a sign or an exponent, which hardly any progress has.
    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let whole = self.digits()?;
        if self.word(b".").is_some() {
            let fraction = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit());
            let fraction = fraction.count();
            self.at += fraction;
            if fraction == 0 {
                return None;
            }
        } else if whole.len() <= SHORT {
            return u32::try_from(number(whole)?).ok().map(f64::from);
        }
        std::str::from_utf8(&self.text[start..self.at]).ok()?.parse().ok()
    }

    /// One digit or more, without zeros before them.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || (rest[0] == b'0' && count > 1) {
            return None;
        }
        self.at += count;
        Some(&rest[..count])
    }

    /// A string of printable ASCII without escapes.
    fn string(&mut self) -> Option<()> {
        self.word(b"\"")?;
        let plain = |byte: &&u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        self.at += self.text[self.at..].iter().take_while(plain).count();
        self.word(b"\"")
    }
}

/// The number of these digits, if it has room.
fn number(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame::{Frame, Kind};
    use crate::wire::meta;
    use crate::wire::method::Method;

    /// The same as any message is read.
    fn skim(text: &str) -> Option<Progress> {
        let frame = Frame::skim(Bytes::copy_from_slice(text.as_bytes())).ok()?;
        let is_progress = frame.kind() == Kind::Notification && frame.method() == Method::Progress;
        let params = frame.params();
        let token = params.progress_token.filter(|_| is_progress)?;
        Some(Progress {
            number: token.get().trim_matches('"').parse().ok()?,
            at: meta::place(token, frame.text()),
            value: params.progress?.get().parse().ok()?,
        })
    }

    #[test]
    fn what_the_usual_libraries_write_is_recognized() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":64,"progress":1,"total":20000}}"#,
            r#"{"method":"notifications/progress","params":{"progress":12.5,"total":1.0,"message":"half of it","progressToken":64},"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"64","progress":12345678901}}"#,
        ] {
            let seen = Progress::glance(text.as_bytes()).unwrap();
            assert_eq!(Some(seen), skim(text), "{text}");
            assert_eq!(seen.number, 64);
        }
    }

    #[test]
    fn what_has_to_be_read_closely_is_left_to_others() {
        let message = "x".repeat(LONGEST);
        for params in [
            r#""progressToken":64,"progress":1,"progress":2"#,
            r#""progressToken":64,"progressToken":128,"progress":2"#,
            r#""progressToken":064,"progress":2"#,
            r#""progressToken":64,"progress":02"#,
            r#""progressToken":64,"progress":2."#,
            r#""progressToken":64,"progress":-2"#,
            r#""progressToken":64,"progress":2,"#,
            r#""progressToken":18446744073709551616,"progress":2"#,
            r#""progressToken":64,"progress":2,"message":"\u00e9""#,
            r#""progressToken":64,"progress":2,"_meta":{}"#,
            r#""progress":2"#,
            r#""progressToken":64"#,
            "",
            &format!(r#""progressToken":64,"progress":2,"message":"{message}""#),
        ] {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{{params}}}}}"#
            );
            assert_eq!(Progress::glance(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_recognized_is_read_the_same(
            version in r#"("jsonrpc":"2.0",)?"#,
            params in r#"(("progressToken":("?(0|[1-9]{1,3}|64)"?|null)|"progress":(0|[0-9]{1,12}|[0-9]\.[0-9]{0,3})|"total":[0-9]{1,3}|"message":"[ -~é]{0,3}"),?){0,5}"#,
            end in r#"(,"jsonrpc":"2.0")?\}?"#,
        ) {
            let text = format!(
                r#"{{{version}"method":"notifications/progress","params":{{{params}}}{end}"#
            );
            if let Some(seen) = Progress::glance(text.as_bytes()) {
                prop_assert_eq!(Some(seen), skim(&text), "{}", text);
            }
        }
    }
}
