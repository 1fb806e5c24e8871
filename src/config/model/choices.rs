//! The keys of a server that name one of a few ways, and what each way means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who shares a child.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Clients share one child unless they declare a capability listed in `private_for`.
    #[default]
    Auto,
    /// Everybody shares one child.
    Shared,
    /// Every session has its own child.
    PerSession,
}

/// What becomes of a client that needs a child of its own when none can be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// It waits for one, and gets an error in the end. Few crowds last, and a client that is refused seldom tries again.
    #[default]
    Wait,
    /// It gets an error at once.
    Refuse,
    /// It shares, and cannot be asked anything.
    Share,
}

/// A kind of question a server can ask its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AskKind {
    Sampling,
    Elicitation,
    Roots,
}

/// The protocol era a child speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EraChoice {
    /// What the child shows when it is asked.
    #[default]
    Auto,
    /// Revisions with a handshake: it is greeted with `initialize`, and not asked for anything else.
    Legacy,
    /// Revisions without one: it is greeted with `server/discover` alone.
    Modern,
}

/// What becomes of tasks between the eras.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TasksChoice {
    /// They are hidden.
    #[default]
    Off,
    /// They are translated, or waited for.
    Bridge,
}

/// When a child is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    #[default]
    Eager,
    Lazy,
}

/// Whether clients may hold streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Push {
    #[default]
    On,
    Off,
}

/// What becomes of output that older clients do not expect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LegacyOutput {
    /// It stays as it is.
    #[default]
    Raw,
    /// It becomes the property `result` of an object.
    Wrap,
}
