//! Who shares a child with whom.

use crate::config::model::{AskKind, Mode, Server};
use crate::wire::meta::Members;

/// The kinds of questions a client declared it can answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskSet(u8);

/// The children a front may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The one child everybody shares; it is told that its client can answer nothing.
    Shared,
    /// A child of its own, which is told what its client can.
    Private,
}

const ALL: [AskKind; 3] = [AskKind::Sampling, AskKind::Elicitation, AskKind::Roots];

// === impl AskSet ===

impl AskSet {
    /// What the `capabilities` of an `initialize` declare.
    pub fn declared(capabilities: &str) -> Self {
        let members = Members::of(capabilities);
        let mut set = Self::default();
        for kind in ALL {
            if members.get(name(kind)).is_some_and(|value| value.get() != "null") {
                set.0 |= bit(kind);
            }
        }
        set
    }

    /// What it is in an id.
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn of_bits(bits: u8) -> Self {
        Self(bits & 0b111)
    }

    /// The least `capabilities` that declare it.
    pub(super) fn capabilities(self) -> String {
        let declared: Vec<String> = ALL
            .into_iter()
            .filter(|kind| self.contains(*kind))
            .map(|kind| format!("\"{}\":{{}}", name(kind)))
            .collect();
        format!("{{{}}}", declared.join(","))
    }

    pub fn contains(self, kind: AskKind) -> bool {
        self.0 & bit(kind) != 0
    }
}

// === impl Lane ===

impl Lane {
    /// The lane of a session that declared these kinds of questions.
    /// What a session holds at its child is only safe at a child of its own, so a `stateful` server has no other.
    pub fn of_session(server: &Server, declared: AskSet) -> Self {
        let private = match server.mode {
            Mode::Shared => false,
            Mode::PerSession => true,
            Mode::Auto if server.stateful => true,
            Mode::Auto => server.private_for.iter().any(|kind| declared.contains(*kind)),
        };
        if private { Self::Private } else { Self::Shared }
    }
}

/// The capability that stands for a kind of question.
pub fn name(kind: AskKind) -> &'static str {
    match kind {
        AskKind::Sampling => "sampling",
        AskKind::Elicitation => "elicitation",
        AskKind::Roots => "roots",
    }
}

fn bit(kind: AskKind) -> u8 {
    match kind {
        AskKind::Sampling => 1,
        AskKind::Elicitation => 2,
        AskKind::Roots => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_asked_earns_a_child() {
        let lane = |mode, private_for: &[AskKind], capabilities| {
            let server = Server { mode, private_for: private_for.to_vec(), ..Server::default() };
            Lane::of_session(&server, AskSet::declared(capabilities))
        };
        assert_eq!(lane(Mode::Auto, &ALL, "{}"), Lane::Shared);
        assert_eq!(lane(Mode::Auto, &ALL, r#"{"experimental":{},"sampling":null}"#), Lane::Shared);
        assert_eq!(lane(Mode::Auto, &ALL, r#"{"roots":{}}"#), Lane::Private);
        assert_eq!(lane(Mode::Auto, &[AskKind::Sampling], r#"{"roots":{}}"#), Lane::Shared);
        assert_eq!(lane(Mode::Shared, &ALL, r#"{"sampling":{}}"#), Lane::Shared);
        assert_eq!(lane(Mode::PerSession, &[], "{}"), Lane::Private);
        let stateful = Server { stateful: true, ..Server::default() };
        assert_eq!(Lane::of_session(&stateful, AskSet::default()), Lane::Private);
    }
}
