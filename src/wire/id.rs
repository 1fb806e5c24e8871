//! The identifiers of the house. None of them crosses a function boundary as a bare string or number.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a configured server: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. It is a path segment, a
/// log field and a metric label, so nothing in it ever needs escaping.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(Arc<str>);

/// Why a string is not a server name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadServerName {
    #[error("a server name cannot be empty")]
    Empty,
    #[error("a server name has at most 64 characters, this one has {0}")]
    TooLong(usize),
    #[error("a server name cannot begin with a dot")]
    LeadingDot,
    #[error("a server name holds letters, digits, '.', '_' and '-' only, not {0:?}")]
    Character(char),
}

// === impl ServerName ===

impl ServerName {
    pub const LENGTH_MAX: usize = 64;

    pub fn new(text: &str) -> Result<Self, BadServerName> {
        if text.is_empty() {
            return Err(BadServerName::Empty);
        }
        if text.starts_with('.') {
            return Err(BadServerName::LeadingDot);
        }
        if let Some(odd) =
            text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(BadServerName::Character(odd));
        }
        if text.len() > Self::LENGTH_MAX {
            return Err(BadServerName::TooLong(text.len()));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerName {
    type Error = BadServerName;

    fn try_from(text: String) -> Result<Self, BadServerName> {
        Self::new(&text)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for ServerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_are_plain_path_segments() {
        for good in ["git", "a", "server-everything", "x_1.2", &"n".repeat(64)] {
            assert_eq!(ServerName::new(good).unwrap().as_str(), good);
        }
        assert_eq!(ServerName::new(""), Err(BadServerName::Empty));
        assert_eq!(ServerName::new(".git"), Err(BadServerName::LeadingDot));
        assert_eq!(ServerName::new("a/b"), Err(BadServerName::Character('/')));
        assert_eq!(ServerName::new("größe"), Err(BadServerName::Character('ö')));
        assert_eq!(ServerName::new(&"n".repeat(65)), Err(BadServerName::TooLong(65)));
    }
}
