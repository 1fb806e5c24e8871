//! A message as it leaves: one piece, or several where it is long and something in it was exchanged.
//!
//! A copy of a short message costs less than to keep track of its parts. Memory for a long one comes from the kernel page by
//! page, and to fill it takes longer than all else that is done with the message; so its long parts stay where they were read.

use bytes::{Bytes, BytesMut};

use super::ink::Ink;
use super::splice::{Patch, splice};

/// The bytes of a message.
#[derive(Clone, Debug)]
pub struct Text(Form);

#[derive(Clone, Debug)]
enum Form {
    One(Bytes),
    /// None of them is empty.
    Many(Vec<Bytes>),
}

/// A message from this length on is not copied to exchange something in it.
const LONG: usize = 128 * 1024;

/// A part of it that is shorter is copied all the same, together with its neighbours.
const PART_MIN: usize = 16 * 1024;

// === impl Text ===

impl Text {
    /// A message with some places exchanged. Patches are in order and do not overlap.
    pub fn spliced(text: &Bytes, patches: &[Patch<'_>]) -> Self {
        if text.len() < LONG {
            return splice(text, patches).into();
        }
        Self::in_parts(text, patches)
    }

    /// The same. A short one is written with `ink`.
    pub fn inked(text: &Bytes, patches: &[Patch<'_>], ink: &mut Ink) -> Self {
        if text.len() < LONG {
            return ink.splice(text, patches).into();
        }
        Self::in_parts(text, patches)
    }

    fn in_parts(text: &Bytes, patches: &[Patch<'_>]) -> Self {
        let (mut pieces, mut short) = (Vec::new(), BytesMut::new());
        let mut keep = |from: usize, to: usize, with: &[u8]| {
            if to - from < PART_MIN {
                short.extend_from_slice(&text[from..to]);
            } else {
                if !short.is_empty() {
                    pieces.push(short.split().freeze());
                }
                pieces.push(text.slice(from..to));
            }
            short.extend_from_slice(with);
        };
        let mut done = 0;
        for patch in patches {
            let range = patch.at.range();
            assert!(done <= range.start, "patches are sorted and apart");
            keep(done, range.start, patch.with);
            done = range.end;
        }
        keep(done, text.len(), b"");
        if !short.is_empty() {
            pieces.push(short.freeze());
        }
        Self(Form::Many(pieces))
    }

    pub fn len(&self) -> usize {
        self.pieces().iter().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces().iter().all(Bytes::is_empty)
    }

    pub fn pieces(&self) -> &[Bytes] {
        match &self.0 {
            Form::One(text) => std::slice::from_ref(text),
            Form::Many(pieces) => pieces,
        }
    }

    /// Takes the first piece off; `None` once nothing is left.
    pub fn take_piece(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Form::One(text) => (!text.is_empty()).then(|| std::mem::take(text)),
            Form::Many(pieces) => (!pieces.is_empty()).then(|| pieces.remove(0)),
        }
    }

    /// Puts it into one piece, for whoever keeps it or has to look at it again.
    pub fn join(&mut self) -> &Bytes {
        if let Form::Many(pieces) = &self.0 {
            self.0 = Form::One(pieces.concat().into());
        }
        &self.pieces()[0]
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Form::One(Bytes::new()))
    }
}

impl From<Bytes> for Text {
    fn from(text: Bytes) -> Self {
        Self(Form::One(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::splice::Span;

    fn patch(start: usize, end: usize, with: &[u8]) -> Patch<'_> {
        Patch { at: Span::between(start, end), with }
    }

    #[test]
    fn wherever_it_is_exchanged_it_is_what_a_copy_would_be() {
        let sizes = [10, LONG - 1, LONG, 3 * LONG];
        for text in sizes.map(|size| (b'a'..=b'w').cycle().take(size).collect::<Bytes>()) {
            let end = text.len();
            for patches in [
                vec![],
                vec![patch(0, 1, b"first")],
                vec![patch(end, end, b"behind")],
                vec![patch(0, end, b"")],
                vec![patch(2, 5, b""), patch(end / 2, end / 2, b"in"), patch(end - 1, end, b"!")],
                vec![patch(2, 3, b"and"), patch(3, 4, b"next")],
            ] {
                let mut pieced = Text::spliced(&text, &patches);
                let mut ink = Ink::default();
                assert_eq!(pieced.pieces(), Text::inked(&text, &patches, &mut ink).pieces());
                let copied = splice(&text, &patches);
                assert_eq!((pieced.len(), pieced.is_empty()), (copied.len(), copied.is_empty()));
                assert_eq!(pieced.clone().join(), &copied);
                let taken: Vec<Bytes> = std::iter::from_fn(|| pieced.take_piece()).collect();
                assert!(taken.iter().all(|piece| !piece.is_empty()));
                assert_eq!(taken.concat(), copied);
            }
        }
    }

    #[test]
    fn long_parts_of_a_long_text_stay_where_they_are() {
        let text = Bytes::from(vec![b'x'; LONG]);
        let pieced = Text::spliced(&text, &[patch(20, 22, b"id"), patch(LONG - 9, LONG - 5, b"")]);
        let [head, rest, tail] = pieced.pieces() else {
            panic!("{} pieces", pieced.pieces().len())
        };
        assert_eq!(head, &[b"x".repeat(20), b"id".to_vec()].concat());
        assert_eq!(rest.as_ptr(), text[22..].as_ptr());
        assert_eq!(tail, "xxxxx");
    }

    #[test]
    fn one_piece_takes_no_more_room_than_its_bytes() {
        assert_eq!(size_of::<Text>(), size_of::<Bytes>());
    }
}
