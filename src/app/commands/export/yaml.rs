//! The little YAML that is written here: keys, and texts that can be nothing else.

use std::fmt::Write as _;

/// Words that some reader of YAML takes for something other than a text.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// A key, without quotes where no reader could mistake it.
pub(super) fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(name));
    if plain { name.to_owned() } else { text(name) }
}

/// A text in double quotes, in ASCII.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => write!(quoted, "\\U{:08X}", u32::from(c)).expect("a string takes any text"),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_keys_that_read_as_themselves_go_without_quotes() {
        for plain in ["git", "my_server2", "Yesterday", "e1"] {
            assert_eq!(key(plain), plain);
        }
        for odd in ["", "1", "1e3", "0x1F", "_", "_1", "yes", "NULL", "Off", "n", "a-b", "a.b", "~"]
        {
            assert_eq!(key(odd), format!("{odd:?}"));
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_as_it_was(name in ".*", value in any::<String>()) {
            let written = format!("{}: {}\n", key(&name), text(&value));
            let read: BTreeMap<String, String> = serde_saphyr::from_str(&written).unwrap();
            prop_assert_eq!(read, BTreeMap::from([(name, value)]));
        }
    }
}
