//! Texts that are written as they are, which is nearly every text.

/// There is no control character of ASCII in it, no quote and no backslash. Looks at eight bytes at once, at some of them twice.
pub(super) fn is_plain(text: &str) -> bool {
    let text = text.as_bytes();
    if let Some(last) = text.last_chunk() {
        let (eights, _) = text.as_chunks();
        return eights.iter().chain([last]).all(|eight| is_plain_eight(u64::from_le_bytes(*eight)));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return is_plain_eight(u64::from(first) << 32 | u64::from(last));
    }
    let all = |bytes: [u8; 3]| {
        is_plain_eight(bytes.iter().fold(ALL_PLAIN, |all, b| all << 8 | u64::from(*b)))
    };
    match *text {
        [a, b, c] => all([a, b, c]),
        [a, b] => all([a, a, b]),
        [a] => all([a; 3]),
        _ => true,
    }
}

/// Eight letters.
const ALL_PLAIN: u64 = u64::from_le_bytes(*b"xxxxxxxx");

/// Subtracting borrows into the highest bit of a byte that is smaller than what is subtracted from it. The lowest byte for which
/// it does is told rightly, and one is enough.
fn is_plain_eight(eight: u64) -> bool {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let below = |bytes: u64, least: u8| bytes.wrapping_sub(EACH * u64::from(least)) & !bytes;
    let is = |byte: u8| below(eight ^ (EACH * u64::from(byte)), 1);
    (below(eight, b' ') | is(b'"') | is(b'\\') | is(0x7f)) & (EACH << 7) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_plain_if_each_of_its_characters_is() {
        for length in 0..20 {
            for at in 0..length {
                for c in (0..0x100).filter_map(char::from_u32) {
                    let mut text: Vec<char> =
                        "é~ !#[]^€xxxxxxxxxxxxxxx".chars().take(length).collect();
                    text[at] = c;
                    let text: String = text.into_iter().collect();
                    let special = c.is_ascii_control() || c == '"' || c == '\\';
                    assert_eq!(is_plain(&text), !special, "{text:?}");
                }
            }
            assert!(is_plain(&"x".repeat(length)));
        }
    }
}
