//! Short texts that are written one after the other, into memory they share.

use bytes::{Bytes, BytesMut};

use super::splice::{Patch, splice};

/// Where the next text is written. It asks for memory once for many texts; they keep it together, so it is little.
#[derive(Debug, Default)]
pub struct Ink(BytesMut);

/// What is asked for at once: so much one text can keep that outlives its neighbours.
const CHUNK: usize = 8 * 1024;

impl Ink {
    /// Longer texts have memory of their own.
    pub const LONGEST: usize = CHUNK / 4;

    /// `text` with some places exchanged, as [`splice`] does it.
    pub fn splice(&mut self, text: &[u8], patches: &[Patch<'_>]) -> Bytes {
        let come: usize = patches.iter().map(|patch| patch.with.len()).sum();
        // What goes is not taken off: a little too much room does no harm.
        let most = text.len() + come;
        if most > Self::LONGEST {
            return splice(text, patches);
        }
        if self.0.capacity() < most {
            self.0.reserve(CHUNK);
        }
        let mut done = 0;
        for patch in patches {
            let range = patch.at.range();
            self.0.extend_from_slice(&text[done..range.start]);
            self.0.extend_from_slice(patch.with);
            done = range.end;
        }
        self.0.extend_from_slice(&text[done..]);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::splice::Span;

    #[test]
    fn many_texts_are_what_a_splice_makes_of_them_and_stay_so() {
        let mut ink = Ink::default();
        let texts = (0..2000).map(|n| format!("{n}-{}", "x".repeat(n % (2 * Ink::LONGEST))));
        let texts: Vec<String> = texts.collect();
        let with = |text: &str| Patch { at: Span::of(&text[..1], text.as_bytes()), with: b"other" };
        let written: Vec<Bytes> =
            texts.iter().map(|text| ink.splice(text.as_bytes(), &[with(text)])).collect();
        for (text, written) in texts.iter().zip(written) {
            assert_eq!(written, splice(text.as_bytes(), &[with(text)]));
        }
    }

    #[test]
    fn neighbours_share_their_memory() {
        let mut ink = Ink::default();
        let first = ink.splice(b"first", &[]);
        let second = ink.splice(b"second", &[]);
        assert_eq!(second.as_ptr(), first.as_ptr().wrapping_add(first.len()));
    }
}
