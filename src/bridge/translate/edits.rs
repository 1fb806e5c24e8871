//! Exchanges that several hands wish for in one text, made in one copy.

use std::borrow::Cow;

use bytes::Bytes;

use crate::wire::frame::Frame;
use crate::wire::splice::{Patch, Span, splice};
use crate::wire::text::Text;

/// Exchanges to make in one text, in any order. They may touch but not overlap. What goes to one empty place stands there
/// in the order it was pushed.
#[derive(Debug)]
pub struct Edits<'a> {
    /// The usual few, which cost no allocation.
    few: [Edit<'a>; FEW],
    taken: usize,
    /// All that came later.
    more: Vec<Edit<'a>>,
}

#[derive(Clone, Debug)]
struct Edit<'a> {
    at: Span,
    with: Cow<'a, [u8]>,
}

const FEW: usize = 8;
const NOTHING: Edit<'static> = Edit { at: Span { start: 0, end: 0 }, with: Cow::Borrowed(&[]) };

// === impl Edits ===

impl<'a> Edits<'a> {
    pub fn new() -> Self {
        Self { few: [const { NOTHING }; FEW], taken: 0, more: Vec::new() }
    }

    pub fn push(&mut self, at: Span, with: impl Into<Cow<'a, [u8]>>) {
        let edit = Edit { at, with: with.into() };
        if let Some(place) = self.few.get_mut(self.taken) {
            *place = edit;
            self.taken += 1;
        } else {
            self.more.push(edit);
        }
    }

    pub fn len(&self) -> usize {
        self.taken + self.more.len()
    }

    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// The message with all of it done, copied once.
    pub fn splice(self, frame: &Frame) -> Bytes {
        self.apply(|patches| frame.splice(patches))
    }

    /// The same to be handed on as it is: of a long text little is copied.
    pub fn pieced(self, frame: &Frame) -> Text {
        self.apply(|patches| frame.pieced(patches))
    }

    /// The same for a text that is no message; what needs no edit is not copied.
    pub(super) fn over(self, text: &str) -> Cow<'_, str> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let text = self.apply(|patches| splice(text.as_bytes(), patches));
        Cow::Owned(String::from_utf8(text.into()).expect("texts are exchanged for texts"))
    }

    /// Takes back what was pushed since there were so many.
    pub(super) fn back_to(&mut self, len: usize) {
        self.more.truncate(len.saturating_sub(FEW));
        self.taken = self.taken.min(len);
    }

    fn apply<T>(mut self, make: impl FnOnce(&[Patch<'_>]) -> T) -> T {
        // Of two that begin at one place the empty one comes first. The sort keeps the order of equals.
        let by_place = |edit: &Edit<'_>| (edit.at.start, edit.at.end);
        if self.more.is_empty() {
            let few = &mut self.few[..self.taken];
            few.sort_by_key(by_place);
            let mut patches = [Patch { at: NOTHING.at, with: &[] }; FEW];
            for (patch, edit) in patches.iter_mut().zip(&*few) {
                *patch = edit.patch();
            }
            return make(&patches[..few.len()]);
        }
        let mut all: Vec<&Edit<'_>> = self.few.iter().chain(&self.more).collect();
        all.sort_by_key(|edit| by_place(edit));
        let patches: Vec<Patch<'_>> = all.into_iter().map(Edit::patch).collect();
        make(&patches)
    }
}

impl Default for Edits<'_> {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Edit ===

impl Edit<'_> {
    fn patch(&self) -> Patch<'_> {
        Patch { at: self.at, with: &self.with }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    #[test]
    fn edits_come_in_any_order_and_equals_keep_theirs() {
        let mut edits = Edits::new();
        edits.push(at(4, 6), b"E".as_slice());
        edits.push(at(1, 1), b"1".as_slice());
        edits.push(at(1, 2), b"b".as_slice());
        edits.push(at(1, 1), b"2".to_vec());
        assert_eq!(edits.over("abcdefg"), "a12bcdEg");
    }

    #[test]
    fn many_edits_are_as_good_as_few() {
        let text = "x".repeat(40);
        let mut edits = Edits::new();
        for n in (0..40).rev() {
            edits.push(at(n, n), b"y".as_slice());
        }
        assert_eq!(edits.len(), 40);
        assert_eq!(edits.over(&text), "yx".repeat(40));
    }

    #[test]
    fn edits_can_be_taken_back() {
        for (before, after) in [(3, 5), (3, 20), (12, 20)] {
            let mut edits = Edits::new();
            for n in 0..after {
                edits.push(at(n, n), b"y".as_slice());
            }
            edits.back_to(before);
            assert_eq!(edits.len(), before);
        }
        assert_eq!(Edits::new().over("as it was"), "as it was");
    }
}
