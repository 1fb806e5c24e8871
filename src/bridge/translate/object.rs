//! Walking through the members of an object, and taking some out, without making anything of it.
//!
//! All texts here were found to be sound JSON when their message was skimmed, so a walk only has to find where things end. In a text
//! that is not sound it stops early and harms nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::Finder;

use super::edits::Edits;
use crate::wire::raw;
use crate::wire::splice::Span;

/// An object's text and where it begins in the text that edits are made in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'t> {
    text: &'t str,
    base: u32,
}

/// A member as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'t> {
    /// With its quotes and escapes.
    pub key: &'t str,
    pub value: &'t str,
    /// From the key's first quote to the end of the value.
    pub at: Span,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    Goes,
}

/// Names of members that one search each can rule out.
pub(super) struct Names<const N: usize>([Finder<'static>; N]);

// === impl Object ===

impl<'t> Object<'t> {
    pub(super) fn at(text: &'t str, base: u32) -> Option<Self> {
        text.starts_with('{').then_some(Self { text, base })
    }

    /// An object that is the whole text.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        Self::at(text, 0)
    }

    /// Tells by its first byte that is no blank, and walks through no member for it.
    pub(super) fn is_empty(self) -> bool {
        self.text[1..].trim_ascii_start().starts_with('}')
    }

    pub(super) fn get(self, name: &str) -> Option<Member<'t>> {
        self.members().find(|member| member.is(name))
    }

    pub(super) fn members(self) -> impl Iterator<Item = Member<'t>> {
        let mut walk = Walk { text: self.text, at: 1 };
        std::iter::from_fn(move || {
            let (start, key) = walk.next()?;
            walk.pass(b':')?;
            let (from, value) = walk.next()?;
            let span = Span { start: self.place(start), end: self.place(from + value.len()) };
            key.starts_with('"').then_some(Member { key, value, at: span })
        })
    }

    /// The place right behind the opening brace.
    pub(super) fn front(self) -> Span {
        Span { start: self.base + 1, end: self.base + 1 }
    }

    /// Asks of each member what becomes of it and takes out those that go, each with the comma that would be too many.
    /// Gives how many are left.
    pub(super) fn weed<'e>(
        self,
        edits: &mut Edits<'e>,
        mut judge: impl FnMut(&Member<'t>, &mut Edits<'e>) -> Fate,
    ) -> usize {
        let mut left = 0;
        let mut last_end = None;
        // Neighbours go in one piece.
        let mut run: Option<Span> = None;
        for member in self.members() {
            if judge(&member, edits) == Fate::Goes {
                let start = run.map_or(member.at.start, |run| run.start);
                run = Some(Span { start, end: member.at.end });
                continue;
            }
            if let Some(run) = run.take() {
                edits.push(Span { start: run.start, end: member.at.start }, b"".as_slice());
            }
            left += 1;
            last_end = Some(member.at.end);
        }
        if let Some(run) = run {
            let start = last_end.unwrap_or(run.start);
            edits.push(Span { start, end: run.end }, b"".as_slice());
        }
        left
    }

    /// Puts members in front. The pieces make one text that ends with a comma, which is left out if no member follows.
    pub(super) fn add<'e>(self, pieces: &[&'e str], followed: bool, edits: &mut Edits<'e>) {
        let Some((last, first)) = pieces.split_last() else { return };
        for piece in first.iter().filter(|piece| !piece.is_empty()) {
            edits.push(self.front(), piece.as_bytes());
        }
        let last = if followed { last } else { last.trim_end_matches(',') };
        edits.push(self.front(), last.as_bytes());
    }

    fn place(self, at: usize) -> u32 {
        self.base + narrow(at)
    }
}

// === impl Member ===

impl<'t> Member<'t> {
    /// The name, unescaped.
    pub(super) fn name(&self) -> Cow<'t, str> {
        raw::string(self.key).unwrap_or_default()
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name() == name
    }

    pub(super) fn value_at(&self) -> Span {
        Span { start: self.at.end - narrow(self.value.len()), end: self.at.end }
    }

    /// The value, if it is an object.
    pub(super) fn object(&self) -> Option<Object<'t>> {
        Object::at(self.value, self.value_at().start)
    }

    /// The value's parts and where they begin, if it is an array.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'t str, u32)> {
        let base = self.value_at().start;
        let mut walk = Walk { text: self.value, at: 1 };
        let is_array = self.value.starts_with('[');
        std::iter::from_fn(move || {
            let (start, part) = walk.next().filter(|_| is_array)?;
            Some((part, base + narrow(start)))
        })
    }
}

// === impl Names ===

impl<const N: usize> Names<N> {
    pub(super) fn new(names: [&'static str; N]) -> Self {
        Self(names.map(|name| Finder::new(name.as_bytes())))
    }

    /// Whether one of these names is in the text, at any depth, as it is usually written. They are searched in their quotes, which
    /// keeps JSON inside of strings from being taken for it: quotes are escaped there.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|name| name.find(text.as_bytes()).is_some())
    }

    /// The same for names in any disguise.
    pub(super) fn may_be_in(&self, text: &str) -> bool {
        self.are_in(text) || may_hide_names(text)
    }
}

// === impl Fate ===

impl Fate {
    pub(super) fn goes_if(goes: bool) -> Self {
        if goes { Self::Goes } else { Self::Stays }
    }
}

/// Whether a name in plain letters may be in the text in disguise, some of its letters written as `\u00XX`. Letters that need no
/// escape are hardly ever written so; `\u00e9` and other letters beyond ASCII, which are, do not count.
pub(super) fn may_hide_names(text: &str) -> bool {
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u00"));
    let text = text.as_bytes();
    ESCAPE.find_iter(text).any(|at| matches!(text.get(at + 4), Some(b'2'..=b'7')))
}

/// A place in an object or array.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

// === impl Walk ===

impl<'t> Walk<'t> {
    /// The next key or value, and where it begins.
    fn next(&mut self) -> Option<(usize, &'t str)> {
        let text = self.text.as_bytes();
        while matches!(text.get(self.at)?, b' ' | b'\t' | b'\r' | b'\n' | b',') {
            self.at += 1;
        }
        let start = self.at;
        self.at = match text[start] {
            b'"' => string_end(text, start)?,
            b'{' | b'[' => block_end(text, start)?,
            b'}' | b']' => return None,
            _ => start + text[start..].iter().position(|byte| b" \t\r\n,:]}".contains(byte))?,
        };
        Some((start, self.text.get(start..self.at)?))
    }

    fn pass(&mut self, mark: u8) -> Option<()> {
        let text = self.text.as_bytes();
        while matches!(text.get(self.at)?, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        (text[self.at] == mark).then(|| self.at += 1)
    }
}

fn string_end(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The end of an object or array.
fn block_end(text: &[u8], open: usize) -> Option<usize> {
    let (mut at, mut depth) = (open, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("texts are shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weeded(text: &str, gone: &[&str]) -> (String, usize) {
        let mut edits = Edits::new();
        let left = Object::of(text).unwrap().weed(&mut edits, |member, _| {
            if gone.contains(&&*member.name()) { Fate::Goes } else { Fate::Stays }
        });
        (edits.over(text).into_owned(), left)
    }

    #[test]
    fn members_are_found_whatever_stands_in_them() {
        let text =
            "{ \"a\" : [1,{\"}\":\"\\\"]\"}] ,\"b\":\"\\\\\",\"\\u0063\":-1.5e9 , \"d\":{}\t}";
        let seen: Vec<_> =
            Object::of(text).unwrap().members().map(|m| (m.name(), m.value)).collect();
        let seen: Vec<_> = seen.iter().map(|(name, value)| (&**name, *value)).collect();
        assert_eq!(
            seen,
            [("a", "[1,{\"}\":\"\\\"]\"}]"), ("b", "\"\\\\\""), ("c", "-1.5e9"), ("d", "{}")]
        );
        let a = Object::of(text).unwrap().get("a").unwrap();
        let parts: Vec<_> = a.parts().collect();
        assert_eq!(parts, [("1", 9), ("{\"}\":\"\\\"]\"}", 11)]);
        assert_eq!(&text[a.at.start as usize..a.at.end as usize], "\"a\" : [1,{\"}\":\"\\\"]\"}]");
    }

    #[test]
    fn commas_go_with_the_members_they_belong_to() {
        let text = r#"{"a":1, "b":2 ,"c":3}"#;
        for (gone, kept, left) in [
            (&["a"][..], r#"{"b":2 ,"c":3}"#, 2),
            (&["b"], r#"{"a":1, "c":3}"#, 2),
            (&["c"], r#"{"a":1, "b":2}"#, 2),
            (&["a", "b"], r#"{"c":3}"#, 1),
            (&["b", "c"], r#"{"a":1}"#, 1),
            (&["a", "c"], r#"{"b":2}"#, 1),
            (&["a", "b", "c"], "{}", 0),
            (&[], text, 3),
        ] {
            assert_eq!(weeded(text, gone), (kept.to_owned(), left));
        }
    }

    #[test]
    fn broken_texts_end_a_walk() {
        for text in ["{", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":[", "{:}", "{\"a\\", "{1:2}"] {
            assert_eq!(Object::of(text).unwrap().members().count(), 0, "{text}");
        }
        assert!(Object::of("[]").is_none());
        assert!(Object::of("{ \t}").unwrap().is_empty());
        assert!(!Object::of("{ \"a\":1}").unwrap().is_empty());
    }

    #[test]
    fn names_are_seen_through_escapes_and_not_inside_strings() {
        let names = Names::new(["\"_meta\""]);
        for (text, may) in [
            (r#"{"_meta":1}"#, true),
            (r#"{"\u005fmeta":1}"#, true),
            (r#"{"_me\u0074a":1}"#, true),
            (r#"{"text":"{\"_meta\":1} caf\u00e9 \u2014"}"#, false),
        ] {
            assert_eq!(names.may_be_in(text), may, "{text}");
        }
    }
}
