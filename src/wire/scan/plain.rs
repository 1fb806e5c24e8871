//! Runs of bytes in strings that ask for nothing, stepped over many at a time: by the word, and by blocks that a compiler looks at
//! with vector instructions.

/// Bytes of a longer string that are looked at in one go.
const BLOCK: usize = 64;

/// Bytes at the beginning of a string that are looked at by the word: most strings are no longer.
const SHORT: usize = 32;

/// How many bytes of a string go by before the first that asks for something: a quote, a backslash, one that strings must not
/// have, or one that is not ASCII unless those are known of.
pub(super) fn plain<const WIDE: bool>(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let marks = marks::<WIDE>(u64::from_le_bytes(*word));
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += word.len();
        if at == SHORT {
            let (blocks, _) = text[at..].as_chunks::<BLOCK>();
            at += BLOCK * blocks.iter().take_while(|block| is_plain::<WIDE>(block)).count();
        }
    }
    let rest = text[at..].iter().take_while(|byte| !is_mark::<WIDE>(**byte));
    at + rest.count()
}

/// The high bit of each byte that asks for something, up to the first; what stands above that one is not to be relied on.
pub(super) fn marks<const WIDE: bool>(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const BACKSLASH: u64 = u64::from_le_bytes([b'\\'; 8]);
    // A quote is the only byte that this moves among those below 0x21, and it moves a blank out of them.
    let quoted = (word ^ (EACH * 2)).wrapping_sub(EACH * 0x21);
    let escaped = (word ^ BACKSLASH).wrapping_sub(EACH);
    let marks = if WIDE { (quoted | escaped) & !word } else { quoted | escaped | word };
    marks & (EACH * 0x80)
}

/// Written without a way out, for one look at many bytes at once.
fn is_plain<const WIDE: bool>(block: &[u8; BLOCK]) -> bool {
    !block.iter().fold(false, |found, byte| found | is_mark::<WIDE>(*byte))
}

#[allow(
    clippy::needless_bitwise_bool,
    reason = "a branch is what keeps many bytes from being looked at at once"
)]
fn is_mark<const WIDE: bool>(byte: u8) -> bool {
    let quoted = if WIDE { (byte ^ 2) < 0x21 } else { (byte ^ 2).cast_signed() < 0x21 };
    quoted | (byte == b'\\')
}
