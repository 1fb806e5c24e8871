//! One text for all spellings of a JSON value, so that what means the same can be compared or hashed.
//!
//! Blanks go, the members of an object are put in order, and strings are written with as few escapes as can be. A number
//! keeps its text: `1` and `1.0` are two, because nothing here may round. A member that stands twice stays twice, both in
//! the order they came.

use serde_json::value::RawValue;

use super::raw::{quoted, string};

/// Values deeper than this keep the very text they have.
const DEPTH_MAX: usize = 64;

/// The value in its one text, without the members of the top object that `drop` names. What is no JSON is given back as it is.
pub fn canonical(text: &str, drop: &[&str]) -> String {
    if serde_json::from_str::<&RawValue>(text).is_err() {
        return text.to_owned();
    }
    let mut walk = Walk { text, at: 0, out: String::with_capacity(text.len()) };
    walk.blanks();
    walk.value(0, drop);
    walk.out
}

/// A way through a text that is known to be JSON.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    out: String,
}

/// Where a member stands in what is written.
#[derive(Clone, Copy)]
struct Member {
    start: u32,
    colon: u32,
    end: u32,
}

// === impl Walk ===

impl Walk<'_> {
    fn value(&mut self, depth: usize, drop: &[&str]) {
        match self.peek() {
            b'{' | b'[' if depth == DEPTH_MAX => {
                let start = self.at;
                self.skip();
                self.out.push_str(&self.text[start..self.at]);
            }
            b'{' => self.object(depth, drop),
            b'[' => self.array(depth),
            b'"' => self.string(),
            _ => {
                let start = self.at;
                while self.peek().is_ascii_alphanumeric() || b"+-.".contains(&self.peek()) {
                    self.at += 1;
                }
                self.out.push_str(&self.text[start..self.at]);
            }
        }
        self.blanks();
    }

    fn object(&mut self, depth: usize, drop: &[&str]) {
        self.take();
        self.out.push('{');
        let body = self.out.len();
        let mut members = Vec::new();
        while self.peek() == b'"' {
            let start = self.out.len();
            self.string();
            let colon = self.out.len();
            let dropped = !drop.is_empty() && self.names(start, drop);
            self.blanks();
            self.take();
            self.out.push(':');
            self.value(depth + 1, &[]);
            if self.peek() == b',' {
                self.take();
            }
            if dropped {
                self.out.truncate(start);
            } else {
                self.out.push(',');
                members.push(Member::new(start, colon, self.out.len()));
            }
        }
        self.take();
        let is_ordered = members.is_sorted_by(|a, b| a.key(&self.out) <= b.key(&self.out));
        if !is_ordered {
            members.sort_by(|a, b| a.key(&self.out).cmp(b.key(&self.out)));
            let whole: Vec<&str> = members.iter().map(|member| member.whole(&self.out)).collect();
            let whole = whole.concat();
            self.out.truncate(body);
            self.out.push_str(&whole);
        }
        self.close(body, '}');
    }

    fn array(&mut self, depth: usize) {
        self.take();
        self.out.push('[');
        let body = self.out.len();
        while self.peek() != b']' {
            self.value(depth + 1, &[]);
            if self.peek() == b',' {
                self.take();
            }
            self.out.push(',');
        }
        self.take();
        self.close(body, ']');
    }

    fn string(&mut self) {
        let start = self.at;
        self.skip_string();
        let raw = &self.text[start..self.at];
        // Half a surrogate pair is JSON and no text. Such a string keeps its spelling.
        match string(raw).filter(|_| raw.contains('\\')) {
            Some(text) => self.out.push_str(&quoted(&text)),
            None => self.out.push_str(raw),
        }
    }

    /// Whether the key that was just written is one of these.
    fn names(&self, start: usize, names: &[&str]) -> bool {
        string(&self.out[start..]).is_some_and(|key| names.contains(&&*key))
    }

    /// Ends an object or an array whose parts all have a comma behind them.
    fn close(&mut self, body: usize, bracket: char) {
        if self.out.len() > body {
            self.out.pop();
        }
        self.out.push(bracket);
    }

    /// Passes an object or an array, however deep.
    fn skip(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                b'"' => self.skip_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            let rest = &bytes[self.at..];
            let stop = memchr::memchr2(b'"', b'\\', rest).expect("a string of sound JSON ends");
            self.at += stop + 1;
            if rest[stop] == b'"' {
                return;
            }
            self.at += 1;
        }
    }

    /// Passes a bracket, a colon or a comma, and the blanks behind it.
    fn take(&mut self) {
        self.at += 1;
        self.blanks();
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte; a zero, which JSON does not have, at the end.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }
}

// === impl Member ===

impl Member {
    fn new(start: usize, colon: usize, end: usize) -> Self {
        let narrow = |place: usize| u32::try_from(place).expect("texts are shorter than 4 GiB");
        Self { start: narrow(start), colon: narrow(colon), end: narrow(end) }
    }

    fn key(self, text: &str) -> &str {
        &text[self.start as usize..self.colon as usize]
    }

    fn whole(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn spellings_of_one_value_are_one_text() {
        for (spelling, text) in [
            (r#" { "b" : 1 , "a" : [ 1 , { } , [ ] ] } "#, r#"{"a":[1,{},[]],"b":1}"#),
            (r#"{"\u0061":"\u00fc\/\u000a"}"#, r#"{"a":"ü/\n"}"#),
            (r#"{"a":"\"\\"}"#, r#"{"a":"\"\\"}"#),
            ("\r\n[\t1.50 ,-0, 1E+2,true , null]\n", "[1.50,-0,1E+2,true,null]"),
            (r#"{"aa":1,"a":2,"a\"":3}"#, r#"{"a":2,"a\"":3,"aa":1}"#),
            ("12345678901234567890123", "12345678901234567890123"),
            (r#""\ud83d\ude00""#, "\"😀\""),
        ] {
            assert_eq!(canonical(spelling, &[]), text);
            assert_eq!(canonical(text, &[]), text, "its own canonical text");
        }
    }

    #[test]
    fn what_differs_stays_apart() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "\"1\""),
            ("null", "\"null\""),
            ("[[1],2]", "[[1,2]]"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":1}"#, r#"{"a":1,"a":1}"#),
            (r#""\ud800""#, r#""\\ud800""#),
            ("{}", "[]"),
        ] {
            assert_ne!(canonical(a, &[]), canonical(b, &[]), "{a} {b}");
        }
    }

    #[test]
    fn members_are_dropped_at_the_top_alone_and_however_they_are_spelt() {
        assert_eq!(
            canonical(r#"{"x":{"_meta":1},"_m\u0065ta":{"a":[1]},"_meta":2,"y":3}"#, &["_meta"]),
            r#"{"x":{"_meta":1},"y":3}"#
        );
        assert_eq!(canonical(r#"{"_meta":1}"#, &["_meta"]), "{}");
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for text in ["", "{", "{\"a\":}", "\"", "nul", "{} {}", "[1,]", "\"\u{1}\"", "\\"] {
            assert_eq!(canonical(text, &[]), text);
        }
    }

    #[test]
    fn depth_is_no_danger_and_deep_texts_are_kept() {
        let nest = |depth: usize, inner: &str| {
            format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth))
        };
        let deep = nest(100_000, " ");
        assert_eq!(canonical(&deep, &[]), deep);
        assert_eq!(canonical(&nest(DEPTH_MAX - 1, "[ 1 ]"), &[]), nest(DEPTH_MAX, "1"));
        assert_eq!(canonical(&nest(DEPTH_MAX, "[ 1 ]"), &[]), nest(DEPTH_MAX, "[ 1 ]"));
        let brackets = nest(DEPTH_MAX, r#"["]\"]"]"#);
        assert_eq!(canonical(&brackets, &[]), brackets);
    }

    /// Values as serde_json writes them, with members in the order they were made.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The value with its members turned round, blanks strewn in, and every character of its strings escaped.
    fn respelt(value: &Value) -> String {
        match value {
            Value::Array(parts) => {
                let parts: Vec<String> = parts.iter().map(respelt).collect();
                format!("[ {}\n]", parts.join(" ,\t"))
            }
            Value::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .rev()
                    .map(|(key, value)| format!("{} :\r{}", escaped(key), respelt(value)))
                    .collect();
                format!("{{ {} }}", members.join(" , "))
            }
            Value::String(text) => escaped(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        }
    }

    fn escaped(text: &str) -> String {
        let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{}\"", units.concat())
    }

    proptest! {
        #[test]
        fn a_canonical_text_means_the_same_and_has_no_other_spelling(value in any_json()) {
            let once = canonical(&value.to_string(), &[]);
            prop_assert_eq!(&serde_json::from_str::<Value>(&once).unwrap(), &value);
            prop_assert_eq!(&canonical(&respelt(&value), &[]), &once);
            prop_assert_eq!(&canonical(&once, &[]), &once);
        }

        #[test]
        fn two_values_never_share_a_text(a in any_json(), b in any_json()) {
            let same = canonical(&a.to_string(), &[]) == canonical(&b.to_string(), &[]);
            prop_assert_eq!(same, a == b);
        }

        #[test]
        fn no_text_makes_it_fail(text in any::<String>(), near in "[\\[\\]{}\",:0-9a\\\\u ]{0,40}") {
            canonical(&text, &["a"]);
            canonical(&near, &["a"]);
        }
    }
}
