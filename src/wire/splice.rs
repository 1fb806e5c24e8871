//! Places in a text, and exchanging them: the one way a message is ever changed.

use bytes::Bytes;

/// The place of a leaf in a text, in bytes. An empty span is a place to insert at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// An exchange of one place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    pub at: Span,
    pub with: &'a [u8],
}

// === impl Span ===

impl Span {
    /// The place of `part` inside `whole`. `part` must be a piece of `whole`.
    pub fn of(part: &str, whole: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        assert!(start + part.len() <= whole.len(), "a leaf lies inside its text");
        Self::between(start, start + part.len())
    }

    pub(super) fn between(start: usize, end: usize) -> Self {
        let narrow = |place: usize| u32::try_from(place).expect("texts are shorter than 4 GiB");
        Self { start: narrow(start), end: narrow(end) }
    }

    /// The empty place right after the first byte of this one: where a member goes into an object.
    #[must_use]
    pub fn inside(self) -> Self {
        Self { start: self.start + 1, end: self.start + 1 }
    }

    /// The same place in a text that has so much more before it.
    #[must_use]
    pub fn moved(self, by: u32) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// `text` with some places exchanged, copied once.
pub fn splice(text: &[u8], patches: &[Patch<'_>]) -> Bytes {
    let gone: usize = patches.iter().map(|patch| patch.at.range().len()).sum();
    let come: usize = patches.iter().map(|patch| patch.with.len()).sum();
    let mut out = Vec::with_capacity(text.len() - gone + come);
    let mut done = 0;
    for patch in patches {
        let range = patch.at.range();
        assert!(done <= range.start, "patches are sorted and apart");
        out.extend_from_slice(&text[done..range.start]);
        out.extend_from_slice(patch.with);
        done = range.end;
    }
    out.extend_from_slice(&text[done..]);
    out.into()
}
