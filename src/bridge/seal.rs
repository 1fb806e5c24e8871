//! Seals: texts that are handed to clients and understood when they come back, by us alone. Nobody else can read one, change one
//! or make one, and one made for one purpose opens for no other.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// The secret behind a seal.
pub type Key = [u8; 32];

/// A number used once. So long that random ones never meet, whoever shares the key.
pub type Nonce = [u8; 24];

/// The keys of this daemon. The first seals; all of them open, so that one can follow another.
#[derive(Clone)]
pub struct Keys(Arc<[XChaCha20Poly1305]>);

/// A longer text is none of ours, unless it may hold what others wrote.
const LENGTH_MAX: usize = 4096;

// === impl Keys ===

impl Keys {
    /// `None` without any key.
    pub fn new(keys: &[Key]) -> Option<Self> {
        let ciphers: Arc<[_]> = keys.iter().map(|key| XChaCha20Poly1305::new(key.into())).collect();
        (!ciphers.is_empty()).then_some(Self(ciphers))
    }

    /// Seals a text. `purpose` has to be the same when it is opened.
    pub fn seal(&self, purpose: &[u8], nonce: Nonce, text: &[u8]) -> String {
        let payload = Payload { msg: text, aad: purpose };
        let sealed = self.0[0]
            .encrypt(&XNonce::from(nonce), payload)
            .expect("only texts of many gigabytes cannot be sealed");
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed[..]].concat())
    }

    /// Opens a seal; `None` if it is not one of ours, or was made for another purpose.
    pub fn open(&self, purpose: &[u8], sealed: &str) -> Option<Vec<u8>> {
        self.open_long(purpose, sealed, LENGTH_MAX)
    }

    /// The same for seals on texts that may be longer.
    pub fn open_long(&self, purpose: &[u8], sealed: &str, length_max: usize) -> Option<Vec<u8>> {
        if sealed.len() > length_max {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<{ size_of::<Nonce>() }>()?;
        let nonce = XNonce::from(*nonce);
        let payload = || Payload { msg: text, aad: purpose };
        self.0.iter().find_map(|key| key.decrypt(&nonce, payload()).ok())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Key = [1; 32];
    const NEW: Key = [2; 32];
    const NONCE: Nonce = [3; 24];

    fn keys(keys: &[Key]) -> Keys {
        Keys::new(keys).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_its_purpose_alone() {
        let keys = keys(&[OLD]);
        let sealed = keys.seal(b"session git", NONCE, b"text");
        assert_eq!(keys.open(b"session git", &sealed).as_deref(), Some(&b"text"[..]));
        assert_eq!(keys.open(b"session time", &sealed), None);
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let before = keys(&[OLD]).seal(b"", NONCE, b"text");
        let both = keys(&[NEW, OLD]);
        assert!(both.open(b"", &before).is_some());
        let after = both.seal(b"", NONCE, b"text");
        assert!(keys(&[NEW]).open(b"", &after).is_some());
        assert!(keys(&[OLD]).open(b"", &after).is_none());
        assert!(Keys::new(&[]).is_none());
    }

    #[test]
    fn nothing_forged_or_cut_opens() {
        let keys = keys(&[OLD]);
        let sealed = keys.seal(b"", NONCE, b"text");
        for end in 0..sealed.len() {
            assert_eq!(keys.open(b"", &sealed[..end]), None, "cut at {end}");
        }
        for place in 0..sealed.len() {
            let other = if &sealed[place..=place] == "A" { "B" } else { "A" };
            let mut forged = sealed.clone();
            forged.replace_range(place..=place, other);
            assert_eq!(keys.open(b"", &forged), None, "changed at {place}");
        }
        assert_eq!(keys.open(b"", &"A".repeat(LENGTH_MAX + 1)), None);
        assert_eq!(keys.open(b"", "no/base64+"), None);
        let long = keys.seal(b"", NONCE, &[0; LENGTH_MAX]);
        assert_eq!(keys.open(b"", &long), None);
        assert_eq!(keys.open_long(b"", &long, long.len() - 1), None);
        assert!(keys.open_long(b"", &long, long.len()).is_some());
        assert_eq!(format!("{keys:?}"), "Keys(1)");
    }
}
