//! Where a value stands in the configuration: `servers.git.args[0]`.

use std::fmt;

/// The way from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(Vec<Step>);

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Key(String),
    Index(usize),
}

// === impl KeyPath ===

impl KeyPath {
    pub fn root() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        self.step(Step::Key(name.to_owned()))
    }

    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// Whether it leads to a value of this key.
    pub fn ends_with(&self, name: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(key)) if key == name)
    }

    /// For a value of a server, where the same value stands under `[defaults]`.
    pub fn under_defaults(&self) -> Option<Self> {
        match self.0.as_slice() {
            [Step::Key(root), Step::Key(_), rest @ ..] if root == "servers" && !rest.is_empty() => {
                let mut steps = vec![Step::Key("defaults".to_owned())];
                steps.extend_from_slice(rest);
                Some(Self(steps))
            }
            _ => None,
        }
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl<const N: usize> From<[&str; N]> for KeyPath {
    fn from(keys: [&str; N]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(&toml_key(key))?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key as TOML writes it: quoted when it is not bare.
pub(super) fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_toml() {
        let path = KeyPath::from(["servers", "a.b", "args"]).index(2);
        assert_eq!(path.to_string(), "servers.\"a.b\".args[2]");
        assert_eq!(path.under_defaults().unwrap().to_string(), "defaults.args[2]");
        assert_eq!(KeyPath::from(["servers", "git"]).under_defaults(), None);
    }
}
