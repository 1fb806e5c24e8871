//! Texts that must not be shown. Neither type prints its value, however it is formatted, so a configuration can be
//! logged whole; [`Secret::expose`] and [`Arg::expose`] are the only ways out, and easy to search for.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What stands where a secret would.
pub const MASK: &str = "***";

/// A value of a child's environment.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

/// An argument of a child: shown as it was written, handed over as it was expanded.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Arg {
    written: String,
    /// Only where it differs from `written`.
    expanded: Option<String>,
}

// === impl Secret ===

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

// === impl Arg ===

impl Arg {
    /// What the child gets.
    pub fn expose(&self) -> &str {
        self.expanded.as_deref().unwrap_or(&self.written)
    }

    /// What people may see: `--token=${credential:github}`, not the token.
    pub fn written(&self) -> &str {
        &self.written
    }

    pub(super) fn expand(&mut self, to: String) {
        self.expanded = (to != self.written).then_some(to);
    }
}

impl From<String> for Arg {
    fn from(written: String) -> Self {
        Self { written, expanded: None }
    }
}

impl From<&str> for Arg {
    fn from(written: &str) -> Self {
        written.to_owned().into()
    }
}

impl fmt::Debug for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl Serialize for Arg {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl JsonSchema for Arg {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Arg".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Whether the value of a key or the argument of a flag with this name is likely a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "token",
        "secret",
        "password",
        "passwd",
        "apikey",
        "authorization",
        "credential",
        "bearer",
    ];
    let plain: String =
        name.to_ascii_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
    plain != "tokens" && SIGNS.iter().any(|sign| plain.contains(sign))
}

/// Arguments as people may see them: what follows a flag such as `--api-key` is masked, and `KEY=value` too.
pub fn shown_args(args: &[Arg]) -> Vec<String> {
    let mut shown = Vec::with_capacity(args.len());
    let mut mask_next = false;
    for arg in args {
        let text = arg.written();
        // A reference such as `${credential:github}` says where the secret is, not what it is.
        let refers = text.contains("${");
        shown.push(match text.split_once('=') {
            _ if refers => text.to_owned(),
            _ if mask_next && !text.starts_with('-') => MASK.to_owned(),
            Some((name, _)) if is_secret_name(name) => format!("{name}={MASK}"),
            _ => text.to_owned(),
        });
        mask_next = text.starts_with('-') && !text.contains('=') && is_secret_name(text);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::from("hunter2");
        let mut arg = Arg::from("--token=${file:/t}");
        arg.expand("--token=hunter2".to_owned());
        let shown = format!(
            "{secret:?} {arg:?} {} {}",
            serde_json::to_string(&secret).unwrap(),
            serde_json::to_string(&arg).unwrap()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!((secret.expose(), arg.expose()), ("hunter2", "--token=hunter2"));
    }

    #[test]
    fn arguments_after_telling_flags_are_masked() {
        let check = |args: &[&str], shown: &str| {
            let args: Vec<Arg> = args.iter().map(|arg| Arg::from(*arg)).collect();
            assert_eq!(shown_args(&args).join(" "), shown);
        };
        check(&["--api-key", "abc", "-v"], "--api-key *** -v");
        check(&["--token=abc", "PASSWORD=x", "/srv"], "--token=*** PASSWORD=*** /srv");
        check(&["--token=${env:T}", "--token", "--flag"], "--token=${env:T} --token --flag");
    }
}
