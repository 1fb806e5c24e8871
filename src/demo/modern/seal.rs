//! What a round has to remember until the next, given to the client for safekeeping: sealed, so that it can be brought
//! back but not be read, changed, or used for another request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// How long a client, and the person behind it, may think about a question.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

type Nonce = [u8; 24];

pub(in crate::demo) struct Seal(XChaCha20Poly1305);

// === impl Seal ===

impl Seal {
    /// A seal with the key that this text makes, or with one that dies with the process.
    pub(in crate::demo) fn new(key: Option<&str>) -> Self {
        let key = match key {
            Some(text) => Sha256::digest(text).into(),
            None => random::<32>(),
        };
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    /// Seals the answers that were given so far, for the one request that `purpose` describes.
    pub(super) fn close(&self, purpose: &[u8], answers: &Map<String, Value>) -> String {
        let until = now() + LIFETIME.as_secs();
        let text = json!({"answers": answers, "until": until}).to_string();
        let nonce: Nonce = random();
        let payload = Payload { msg: text.as_bytes(), aad: purpose };
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .expect("only texts of many gigabytes cannot be sealed");
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed[..]].concat())
    }

    /// The answers in a seal; `None` if it was not made here, not for this request, or too long ago.
    pub(super) fn open(&self, purpose: &[u8], sealed: &str) -> Option<Map<String, Value>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<{ size_of::<Nonce>() }>()?;
        let payload = Payload { msg: text, aad: purpose };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).ok()?;
        let state: Value = serde_json::from_slice(&text).ok()?;
        let is_fresh = state["until"].as_u64()? >= now();
        state["answers"].as_object().filter(|_| is_fresh).cloned()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

/// The same for a request and for its repetition, and for no other.
pub(super) fn purpose(method: &str, params: &Value) -> Vec<u8> {
    let mut params = params.clone();
    if let Some(members) = params.as_object_mut() {
        members.retain(|name, _| !["_meta", "inputResponses", "requestState"].contains(&&**name));
    }
    params.sort_all_objects();
    format!("{method} {params}").into_bytes()
}

pub(in crate::demo) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_opens_for_the_same_request_and_no_other() {
        let seal = Seal::new(None);
        let first = json!({"name": "book", "arguments": {"a": 1, "b": 2}, "_meta": {"x": 1}});
        let again = json!({"arguments": {"b": 2, "a": 1}, "name": "book", "inputResponses": {}});
        let other = json!({"name": "book", "arguments": {"a": 1, "b": 3}});
        let answers = json!({"day": {"action": "accept"}}).as_object().unwrap().clone();
        let sealed = seal.close(&purpose("tools/call", &first), &answers);
        assert_eq!(seal.open(&purpose("tools/call", &again), &sealed), Some(answers.clone()));
        assert_eq!(seal.open(&purpose("tools/call", &other), &sealed), None);
        assert_eq!(seal.open(&purpose("prompts/get", &first), &sealed), None);
        assert_eq!(seal.open(&purpose("tools/call", &first), &format!("{sealed}-TAMPERED")), None);
        assert_eq!(Seal::new(None).open(&purpose("tools/call", &first), &sealed), None);
        let again = seal.close(&purpose("tools/call", &first), &answers);
        assert_ne!(again, sealed);
    }

    #[test]
    fn a_key_of_text_is_the_same_in_another_process() {
        let sealed = Seal::new(Some("secret")).close(b"x", &Map::new());
        assert!(Seal::new(Some("secret")).open(b"x", &sealed).is_some());
        assert!(Seal::new(Some("other")).open(b"x", &sealed).is_none());
    }
}
