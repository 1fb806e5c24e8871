//! The result of `initialize` as clients get it: each in its own revision, and those who can be told nothing without the
//! offer to tell them.

use bytes::Bytes;

use crate::wire::fault;
use crate::wire::id::RawId;
use crate::wire::meta::{self, Members};
use crate::wire::raw::Raw;
use crate::wire::splice::{Patch, Span, splice};
use crate::wire::version::Version;

/// A whole result of `initialize`, and where the revision stands in it.
#[derive(Clone, Debug)]
pub(super) struct Welcome {
    text: Box<str>,
    revision: Span,
}

/// The offers to tell a client something beside the answers to its calls.
const OFFERS: [(&str, &[&str]); 3] = [
    ("tools", &["listChanged"]),
    ("prompts", &["listChanged"]),
    ("resources", &["listChanged", "subscribe"]),
];

// === impl Welcome ===

impl Welcome {
    /// A result that names a revision.
    pub(super) fn of(text: Box<str>) -> Option<Self> {
        // Whatever else stands twice in it, the revision is found.
        let revision = meta::place(Members::of(&text).get("protocolVersion")?, text.as_bytes());
        Some(Self { text, revision })
    }

    /// The same without the offers. Some gateways take each of them for a reason to list everything again and again.
    pub(super) fn quiet(&self) -> Option<Self> {
        let members = Members::of(&self.text);
        let capabilities = Members::of(members.get("capabilities").map_or("{}", Raw::get));
        let fewer: Vec<(&str, String)> = capabilities
            .0
            .iter()
            .filter_map(|(name, about)| {
                let (_, offers) = OFFERS.iter().find(|(one, _)| one == name)?;
                let about = about.get();
                let kept = Members::of(about).without(|key| offers.contains(&key));
                about.starts_with('{').then_some((about, kept))
            })
            .collect();
        let patches: Vec<Patch<'_>> = fewer
            .iter()
            .map(|(about, kept)| Patch {
                at: Span::of(about, self.text.as_bytes()),
                with: kept.as_bytes(),
            })
            .collect();
        Self::of(spliced(&self.text, &patches))
    }

    /// The answer to a client, in the revision it is to speak.
    pub(super) fn answer(&self, id: &RawId, version: Version) -> Bytes {
        let said = format!("\"{version}\"");
        let patch = Patch { at: self.revision, with: said.as_bytes() };
        fault::result(id, &spliced(&self.text, &[patch]))
    }
}

/// A text with some of its places written anew.
pub(super) fn spliced(text: &str, patches: &[Patch<'_>]) -> Box<str> {
    let text = splice(text.as_bytes(), patches);
    std::str::from_utf8(&text).expect("texts make a text").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(text: &str) -> String {
        let quiet = Welcome::of(text.into()).unwrap().quiet().unwrap();
        String::from_utf8(quiet.answer(&RawId::new("1"), Version::V2025_06_18).into()).unwrap()
    }

    #[test]
    fn offers_are_taken_out_wherever_they_stand_and_nothing_else_is() {
        assert_eq!(
            quiet(
                r#"{"capabilities":{"resources":{"subscribe":true,"x":1e400,"listChanged":true},"logging":{},"tools":{"listChanged":true},"y":{"listChanged":true},"prompts":{}},"protocolVersion":"2024-11-05","listChanged":true}"#
            ),
            r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"resources":{"x":1e400},"logging":{},"tools":{},"y":{"listChanged":true},"prompts":{}},"protocolVersion":"2025-06-18","listChanged":true}}"#
        );
    }

    #[test]
    fn what_is_no_object_or_not_there_is_left_alone() {
        for capabilities in ["{}", r#"{"tools":true,"prompts":null}"#, "[]"] {
            let text = format!(r#"{{"protocolVersion":"x","capabilities":{capabilities}}}"#);
            let kept = format!(r#""capabilities":{capabilities}}}}}"#);
            assert!(quiet(&text).ends_with(&kept), "{}", quiet(&text));
        }
        assert!(
            quiet(r#"{"protocolVersion":"x"}"#).ends_with(r#"{"protocolVersion":"2025-06-18"}}"#)
        );
    }
}
