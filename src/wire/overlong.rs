//! Whose answer was it? Finds the id of a response of which only the two ends are known.
//!
//! A response too long to be kept still leaves a call waiting. If its id can be read *for certain* from the first or
//! the last bytes, that call can be told at once; a wrong guess would end somebody else's call, so every doubt means
//! no id. In particular the head must show a `result` or `error` at top level and neither end a `method`: a request of
//! the child carries an id of the child's own making.
//!
//! Servers put the id where they like: `{"jsonrpc":…,"id":…,"result":…}` or `{"result":…,"jsonrpc":…,"id":…}`. The head
//! is read forwards, counting depth; the tail is read backwards from the closing brace, member by member, as long as
//! the values are plain.

/// Where a forward reading of the head has arrived.
struct Head<'a> {
    text: &'a [u8],
    at: usize,
}

/// Where a backward reading of the tail has arrived: everything from `at` on is understood.
struct Tail<'a> {
    text: &'a [u8],
    at: usize,
}

/// What the members of the top level tell.
#[derive(Default)]
struct Seen<'a> {
    id: Option<&'a [u8]>,
    is_response: bool,
    is_doubtful: bool,
}

/// The JSON text of the id (`7`, `"a"`) of the response that begins with `head` and ends with `tail`.
///
/// ```
/// use stdiod::wire::overlong::overlong_id;
/// assert_eq!(overlong_id(br#"{"id":7,"result":{"text":"aaa"#, br#"aaa"}}"#), Some("7"));
/// assert_eq!(overlong_id(br#"{"result":{"text":"aaa"#, br#"aaa"},"id":"x"}"#), Some("\"x\""));
/// assert_eq!(overlong_id(br#"{"id":7,"method":"sampling/createMessage"#, br#"}}"#), None);
/// ```
pub fn overlong_id<'a>(head: &'a [u8], tail: &'a [u8]) -> Option<&'a str> {
    let mut seen = Seen::default();
    Head { text: head, at: 0 }.read(&mut seen);
    if !seen.is_response || seen.is_doubtful {
        return None;
    }
    if seen.id.is_none() {
        Tail { text: tail, at: tail.len() }.read(&mut seen);
    }
    let id = seen.id.filter(|_| !seen.is_doubtful)?;
    std::str::from_utf8(id).ok()
}

// === impl Seen ===

impl<'a> Seen<'a> {
    /// Notes a member whose key is the quoted text `key`. `value` is known if it is plain and complete.
    fn member(&mut self, key: &[u8], value: Option<&'a [u8]>) {
        match key {
            b"\"id\"" => match value {
                Some(value) if self.id.is_none() && is_id(value) => self.id = Some(value),
                _ => self.is_doubtful = true,
            },
            b"\"result\"" | b"\"error\"" => self.is_response = true,
            b"\"method\"" => self.is_doubtful = true,
            // An escape may spell any of the names above.
            other => self.is_doubtful |= other.contains(&b'\\'),
        }
    }
}

/// Ids are strings or integers; the head may have cut anything else short.
fn is_id(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.first() == Some(&b'"') || (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

// === impl Head ===

impl<'a> Head<'a> {
    /// Reads members until the text ends or stops making sense.
    fn read(&mut self, seen: &mut Seen<'a>) -> Option<()> {
        self.expect(b'{')?;
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            self.blanks();
            let start = self.at;
            let is_nested = matches!(self.text.get(start), Some(b'{' | b'['));
            let is_complete = self.value().is_some();
            let is_plain = is_complete && !is_nested;
            seen.member(key, is_plain.then(|| &self.text[start..self.at]));
            is_complete.then_some(())?;
            self.expect(b',')?;
        }
    }

    /// Passes a value, unless the text ends within it.
    fn value(&mut self) -> Option<()> {
        match self.text.get(self.at)? {
            b'"' => self.string().map(drop),
            b'{' | b'[' => self.nested(),
            _ => {
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                while plain(self.text.get(self.at)?) {
                    self.at += 1;
                }
                Some(())
            }
        }
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0u32;
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Passes a string and gives it with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at - 1;
        loop {
            match self.text.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(&self.text[start..self.at]);
                }
                _ => self.at += 1,
            }
        }
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        self.blanks();
        (*self.text.get(self.at)? == wanted).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
}

// === impl Tail ===

impl<'a> Tail<'a> {
    /// Reads members backwards until one is not plain. The last brace of a complete message closes the top level, so
    /// whatever stands directly before it is a member of the top level.
    fn read(&mut self, seen: &mut Seen<'a>) -> Option<()> {
        self.expect(b'}')?;
        loop {
            let value = self.value()?;
            self.expect(b':')?;
            let key = self.string()?;
            // Without the comma before it the member may be the second half of something longer.
            self.expect(b',')?;
            seen.member(key, Some(value));
        }
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        self.blanks();
        if self.last()? == b'"' {
            return self.string();
        }
        let end = self.at;
        while self.last()?.is_ascii_alphanumeric() || b"+-.".contains(&self.last()?) {
            self.at -= 1;
        }
        (self.at < end).then(|| &self.text[self.at..end])
    }

    /// A string without any backslash, from its closing quote to its opening one. A quote after a backslash would be
    /// part of a longer string.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let end = self.at + 1;
        let start = memchr::memrchr2(b'"', b'\\', &self.text[..self.at])?;
        if self.text[start] == b'\\' || start.checked_sub(1).map(|at| self.text[at]) == Some(b'\\')
        {
            return None;
        }
        self.at = start;
        Some(&self.text[start..end])
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        self.blanks();
        (self.last()? == wanted).then(|| self.at -= 1)
    }

    fn blanks(&mut self) {
        while self.last().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at -= 1;
        }
    }

    fn last(&self) -> Option<u8> {
        self.text[..self.at].last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(head: &str, tail: &str) -> Option<String> {
        overlong_id(head.as_bytes(), tail.as_bytes()).map(str::to_owned)
    }

    #[test]
    fn an_id_before_the_result_is_found() {
        for (head, id) in [
            (r#"{"jsonrpc":"2.0","id":12,"result":{"a":"#, "12"),
            (r#" { "id" : "a\"b" , "error" : {"code":-1,"message":"#, r#""a\"b""#),
            (r#"{"x":{"id":1,"y":["}"]},"id":-3,"result":""#, "-3"),
        ] {
            assert_eq!(find(head, "zzz").as_deref(), Some(id), "{head}");
        }
    }

    #[test]
    fn an_id_after_the_result_is_found() {
        let head = r#"{"result":{"content":[{"type":"text","text":"aaa"#;
        for (tail, id) in [
            (r#"a"}]},"jsonrpc":"2.0","id":7}"#, "7"),
            (r#"a"}]},"id":"seven","jsonrpc":"2.0"}"#, "\"seven\""),
            ("a\"}]} , \"id\" : 7 } ", "7"),
        ] {
            assert_eq!(find(head, tail).as_deref(), Some(id), "{tail}");
        }
    }

    #[test]
    fn every_doubt_means_no_id() {
        let response = r#"{"result":{"content":"aaa"#;
        for (head, tail, why) in [
            (r#"{"id":7,"method":"roots/list","params":{"a":""#, r#""}}"#, "a request"),
            (r#"{"id":7,"params":{"a":""#, r#""},"method":"x"}"#, "a request, method last"),
            (r#"{"id":7,"other":"aaa"#, r#"aaa"}"#, "no result in sight"),
            (r#"{"id":7,"id":8,"result":"aaa"#, r#"aaa"}"#, "two ids"),
            (r#"{"id":null,"result":"aaa"#, r#"aaa"}"#, "a null id"),
            (r#"{"id":7.5,"result":"aaa"#, r#"aaa"}"#, "a fraction"),
            (r#"{"\u0069d":8,"id":7,"result":"aaa"#, r#"aaa"}"#, "an escaped name"),
            (r#"[{"id":7,"result":"aaa"#, r#"aaa"}]"#, "a batch"),
            (r#"{"result":{"id":7,"x":"aaa"#, r#"aaa"}}"#, "an id further in"),
            (response, r#"a","x":{"id":7}}"#, "an id further in, at the end"),
            (response, r#"a","x":{"y":1,"id":7}}"#, "the same after a comma"),
            (response, r#"a","x\"id":7}"#, "a longer name"),
            (response, r#"a\",\"id\":\"7"}"#, "an id within a text"),
            (response, r#""id":7}"#, "nothing before the name"),
            (response, r#"a"},"id":7,"id":8}"#, "two ids at the end"),
            (response, r#"a"},"id":7"#, "the end is missing"),
            ("", "", "nothing at all"),
        ] {
            assert_eq!(find(head, tail), None, "{why}");
        }
    }

    #[test]
    fn an_id_cut_short_by_the_head_is_not_believed() {
        assert_eq!(find(r#"{"result":1,"id":12"#, "3,\"x\":[]}"), None);
        assert_eq!(find(r#"{"result":1,"id":"12"#, "3\",\"x\":[]}"), None);
    }
}
