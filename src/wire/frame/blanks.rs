//! Blanks around a message, and line breaks in it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The place of what stands between the blanks around it.
pub(super) fn inner(text: &[u8]) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    start..end
}

/// Puts a text on one line. Only for JSON that was found sound: there, line breaks can stand between tokens alone, so
/// blanking them keeps every place. Done before the check it would mend broken strings.
pub(super) fn on_one_line(text: Bytes, has_breaks: bool) -> Bytes {
    if !has_breaks {
        return text;
    }
    let mut text = BytesMut::from(text);
    for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    text.freeze()
}
