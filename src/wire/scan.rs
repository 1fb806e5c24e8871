//! JSON, stepped over: is a text sound, and where do its members lie.
//!
//! One pass over the bytes, which keeps nothing but its place and one bit for each bracket that is open. The grammar is that of
//! RFC 8259. What an escape means is not asked (half a surrogate pair passes), nor how large a number is. Most bytes of most
//! messages stand in strings, so those are stepped over in blocks.
//!
//! Whether the text is UTF-8 is for the caller to find out: [`Scanner::is_ascii`] says whether there is anything to find out.

mod plain;

use std::borrow::Cow;
use std::ops::Range;

use self::plain::{marks, plain};
use super::splice::Span;

/// A place in a text, and what was seen on the way there.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    is_ascii: bool,
    has_breaks: bool,
}

/// The text is not JSON. Where and why is not told; that is found out again for those few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// The place of a member's name, without its quotes.
#[derive(Clone, Debug)]
pub(super) struct Key {
    at: Range<usize>,
    is_escaped: bool,
}

/// The brackets that are open, a bit for each: set for an object. Memory is asked for only where they are more than a word holds.
#[derive(Default)]
struct Open {
    depth: usize,
    last: u128,
    more: Vec<u128>,
}

type Stepped<T = ()> = Result<T, Broken>;

// === impl Scanner ===

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, is_ascii: true, has_breaks: false }
    }

    /// Whether all strings so far were. Beside strings sound JSON is ASCII.
    pub(super) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether line breaks stood between tokens. They stand nowhere else.
    pub(super) fn has_breaks(&self) -> bool {
        self.has_breaks
    }

    /// The first byte of what comes next, blanks stepped over.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        match *self.text.get(self.at)? {
            byte if byte > b' ' => Some(byte),
            _ => self.peek_behind_blanks(),
        }
    }

    #[inline(never)]
    fn peek_behind_blanks(&mut self) -> Option<u8> {
        loop {
            match *self.text.get(self.at)? {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.has_breaks = true,
                byte => return Some(byte),
            }
            self.at += 1;
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self) -> Stepped {
        self.peek().map_or(Ok(()), |_| Err(Broken))
    }

    /// Steps over an object. `each` has to step over the value of the member it is told of.
    pub(super) fn members(&mut self, each: impl FnMut(&mut Self, Key) -> Stepped) -> Stepped<Span> {
        self.peek();
        let start = self.at;
        if self.enter()? {
            self.rest_of_members(each)?;
        }
        Ok(self.since(start))
    }

    /// Steps into an object. Says whether it has members; if not, it is over.
    pub(super) fn enter(&mut self) -> Stepped<bool> {
        self.begin(b'{')?;
        let is_empty = self.peek() == Some(b'}');
        self.at += usize::from(is_empty);
        Ok(!is_empty)
    }

    /// Steps over an object from the name of a member on.
    #[inline]
    pub(super) fn rest_of_members(
        &mut self,
        mut each: impl FnMut(&mut Self, Key) -> Stepped,
    ) -> Stepped {
        loop {
            let key = self.key()?;
            each(self, key)?;
            if self.is_last(b'}')? {
                return Ok(());
            }
        }
    }

    /// Steps over this text if it comes next. It has to be ASCII without line breaks.
    pub(super) fn pass(&mut self, text: &[u8]) -> bool {
        let comes = self.text[self.at..].starts_with(text);
        self.at += if comes { text.len() } else { 0 };
        comes
    }

    /// Steps over an array and tells of each value in it.
    pub(super) fn items(&mut self, mut each: impl FnMut(Span)) -> Stepped {
        self.begin(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self.value()?);
            if self.is_last(b']')? {
                return Ok(());
            }
        }
    }

    /// Steps over one value, however deep it is.
    pub(super) fn value(&mut self) -> Stepped<Span> {
        let mut open = Open::default();
        self.peek();
        let start = self.at;
        loop {
            // A value comes.
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    if self.peek() != Some(b'}') {
                        open.push(true);
                        self.key()?;
                        continue;
                    }
                    self.at += 1;
                }
                Some(b'[') => {
                    self.at += 1;
                    if self.peek() != Some(b']') {
                        open.push(false);
                        continue;
                    }
                    self.at += 1;
                }
                first => self.leaf(first)?,
            }
            // A value is over, and with it perhaps some that it was the last part of.
            loop {
                let Some(is_object) = open.last() else { return Ok(self.since(start)) };
                if !self.is_last(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    /// Steps over a value without parts.
    fn leaf(&mut self, first: Option<u8>) -> Stepped {
        match first.ok_or(Broken)? {
            b'"' => {
                self.at += 1;
                self.string().map(|_| ())
            }
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => Err(Broken),
        }
    }

    /// Steps over a name and the colon behind it.
    #[inline]
    fn key(&mut self) -> Stepped<Key> {
        let start = self.begin(b'"')? + 1;
        let is_escaped = self.string()?;
        let at = start..self.at - 1;
        self.begin(b':')?;
        Ok(Key { at, is_escaped })
    }

    /// The name that is meant by a key of this text, which is not yet known to be UTF-8; `None` if its escapes mean no text.
    #[inline]
    pub(super) fn name(&self, key: &Key) -> Option<Cow<'a, [u8]>> {
        if key.is_escaped {
            return key.unescaped(self.text).map(|name| Cow::Owned(name.into()));
        }
        Some(Cow::Borrowed(&self.text[key.at.clone()]))
    }

    /// Steps over the rest of a string, behind its first quote. Tells whether there are escapes in it.
    #[inline]
    fn string(&mut self) -> Stepped<bool> {
        // Most strings end within two words.
        let mut at = self.at;
        for _ in 0..2 {
            let Some(word) = self.text.get(at..).and_then(<[u8]>::first_chunk) else { break };
            match marks::<false>(u64::from_le_bytes(*word)) {
                0 => at += word.len(),
                marks => {
                    at += marks.trailing_zeros() as usize / 8;
                    if self.text[at] == b'"' {
                        self.at = at + 1;
                        return Ok(false);
                    }
                    break;
                }
            }
        }
        self.at = at;
        self.string_on()
    }

    /// The same for one that is longer or not so plain.
    #[inline(never)]
    fn string_on(&mut self) -> Stepped<bool> {
        let mut is_escaped = false;
        loop {
            let rest = &self.text[self.at..];
            self.at += if self.is_ascii { plain::<false>(rest) } else { plain::<true>(rest) };
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(0x80..) => self.is_ascii = false,
                _ => return Err(Broken),
            }
        }
    }

    fn escape(&mut self) -> Stepped {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6).ok_or(Broken)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Broken);
                }
                self.at += 6;
            }
            _ => return Err(Broken),
        }
        Ok(())
    }

    fn number(&mut self) -> Stepped {
        self.at += usize::from(self.text[self.at] == b'-');
        let start = self.at;
        self.digits()?;
        if self.text[start] == b'0' && self.at > start + 1 {
            return Err(Broken);
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// Steps over one digit or more.
    fn digits(&mut self) -> Stepped {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(Broken) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Stepped {
        if !self.text[self.at..].starts_with(word) {
            return Err(Broken);
        }
        self.at += word.len();
        Ok(())
    }

    /// Steps over this byte, which has to come next, and tells where it stood.
    #[inline]
    fn begin(&mut self, byte: u8) -> Stepped<usize> {
        if self.peek() != Some(byte) {
            return Err(Broken);
        }
        self.at += 1;
        Ok(self.at - 1)
    }

    /// Steps over what stands behind a part: the bracket that closes the whole, or a comma.
    #[inline]
    fn is_last(&mut self, close: u8) -> Stepped<bool> {
        let next = self.peek().ok_or(Broken)?;
        self.at += 1;
        match next {
            b',' => Ok(false),
            _ if next == close => Ok(true),
            _ => Err(Broken),
        }
    }

    fn since(&self, start: usize) -> Span {
        Span::between(start, self.at)
    }
}

// === impl Key ===

impl Key {
    /// The name that is meant; `None` if its escapes mean no text.
    pub(super) fn text<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        if self.is_escaped {
            return self.unescaped(text.as_bytes()).map(Cow::Owned);
        }
        Some(Cow::Borrowed(&text[self.at.clone()]))
    }

    fn unescaped(&self, text: &[u8]) -> Option<String> {
        serde_json::from_slice(&text[self.at.start - 1..=self.at.end]).ok()
    }
}

// === impl Open ===

impl Open {
    const WORD: usize = u128::BITS as usize;

    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(Self::WORD) {
            self.more.push(self.last);
        }
        self.last = self.last << 1 | u128::from(is_object);
        self.depth += 1;
    }

    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.last & 1 == 1)
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.last >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(Self::WORD) {
            self.last = self.more.pop().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests;
