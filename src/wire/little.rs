//! Texts that are seldom long, such as ids and names.

/// A text. A short one needs no memory of its own.
#[derive(Clone)]
pub struct Little(Form);

#[derive(Clone)]
enum Form {
    Short { length: u8, bytes: [u8; Little::SHORT] },
    Long(Box<str>),
}

// === impl Little ===

impl Little {
    const SHORT: usize = 22;

    pub fn new(text: &str) -> Self {
        Self::short(text.as_bytes()).unwrap_or_else(|| Self(Form::Long(text.into())))
    }

    /// The same for one that is known to be UTF-8.
    pub(super) fn of(text: &[u8]) -> Self {
        Self::short(text).unwrap_or_else(|| {
            Self::new(std::str::from_utf8(text).expect("it was found to be UTF-8"))
        })
    }

    fn short(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::SHORT];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let length = u8::try_from(text.len()).expect("it was found short");
        Some(Self(Form::Short { length, bytes }))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("it was made from a string")
    }

    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short { length, bytes } => &bytes[..usize::from(*length)],
            Form::Long(text) => text.as_bytes(),
        }
    }
}

impl std::fmt::Debug for Little {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_however_long_it_is() {
        for length in 0..40 {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            assert_eq!(Little::new(&text).as_str(), text);
            assert_eq!(Little::of(text.as_bytes()).clone().as_bytes(), text.as_bytes());
            assert_eq!(format!("{:?}", Little::new(&text)), format!("{text:?}"));
        }
    }
}
