//! What is wrong with a configuration: what, where, and what to write instead.

use super::key::KeyPath;
use super::place::Place;

/// One thing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub about: About,
    /// Lower case, no full stop, never a secret.
    pub message: String,
    /// The offending key; the root when the whole file is meant.
    pub key: KeyPath,
    pub place: Place,
    /// What to do about it.
    pub hints: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing starts before it is mended.
    Error,
    /// Something is ignored, or one server will not run.
    Warning,
}

/// Whether the text is wrong or the host lacks what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Text,
    Host,
}

/// Problems on the way to being reported.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    /// Keys already complained about, so that no later rule complains of their absence.
    dubious: Vec<KeyPath>,
}

// === impl Problem ===

impl Problem {
    pub(super) fn error(key: &KeyPath, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            about: About::Text,
            message: message.into(),
            key: key.clone(),
            place,
            hints: Vec::new(),
        }
    }

    pub(super) fn warning(key: &KeyPath, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(key, place, message) }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub(super) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    #[must_use]
    pub(super) fn about_host(mut self) -> Self {
        self.about = About::Host;
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

// === impl Findings ===

impl Findings {
    pub(super) fn push(&mut self, problem: Problem) {
        if problem.is_error() {
            self.dubious.push(problem.key.clone());
        }
        self.problems.push(problem);
    }

    /// Marks a key as spoken of without a problem of its own: the one that was probably meant.
    pub(super) fn doubt(&mut self, key: KeyPath) {
        self.dubious.push(key);
    }

    /// Whether an error about this key, a part of it, or a file that may hold it is already reported.
    pub(super) fn doubts(&self, key: &KeyPath) -> bool {
        self.dubious.iter().any(|dubious| dubious.steps().is_empty() || dubious.starts_with(key))
    }
}
