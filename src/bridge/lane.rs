//! Who shares a child with whom.

use super::front::Principal;
use super::translate::capabilities::profile;
use crate::config::model::{AskKind, Mode, Server};
use crate::wire::meta::Members;
use crate::wire::version::Era;

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
    /// A child for all requests without a session that come from one principal and can be asked the same.
    Pooled,
}

/// Whose requests a pooled child answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    pub principal: Principal,
    /// What the child is told of them: their profile.
    pub capabilities: Box<str>,
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
    pub fn capabilities(self) -> String {
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

// === impl Pool ===

impl Pool {
    /// The pool of a principal's requests that declare these raw `capabilities`.
    pub fn of(principal: Principal, capabilities: &str) -> Self {
        Self { principal, capabilities: profile(capabilities).into() }
    }
}

// === impl Lane ===

impl Lane {
    /// The lane of a session that declared these kinds of questions, on a server whose children are known to be of this era.
    /// What a session holds at its child is only safe at a child of its own, so a `stateful` server has no other. A child without
    /// handshakes ties its questions to the calls that caused them, and needs no other client for that.
    pub fn of_session(server: &Server, declared: AskSet, child: Option<Era>) -> Self {
        let private = match server.mode {
            Mode::Shared => false,
            Mode::PerSession => true,
            Mode::Auto if server.stateful => true,
            Mode::Auto if child == Some(Era::Modern) => false,
            Mode::Auto => Self::earns_own(server, declared),
        };
        if private { Self::Private } else { Self::Shared }
    }

    /// The lane of a request without a session.
    pub fn of_request(server: &Server, declared: AskSet, child: Era) -> Self {
        let pooled = match server.mode {
            Mode::Shared => false,
            _ if child == Era::Modern => false,
            Mode::PerSession => true,
            Mode::Auto => server.stateful || Self::earns_own(server, declared),
        };
        if pooled { Self::Pooled } else { Self::Shared }
    }

    fn earns_own(server: &Server, declared: AskSet) -> bool {
        server.private_for.iter().any(|kind| declared.contains(*kind))
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
            Lane::of_session(&server, AskSet::declared(capabilities), None)
        };
        assert_eq!(lane(Mode::Auto, &ALL, "{}"), Lane::Shared);
        assert_eq!(lane(Mode::Auto, &ALL, r#"{"experimental":{},"sampling":null}"#), Lane::Shared);
        assert_eq!(lane(Mode::Auto, &ALL, r#"{"roots":{}}"#), Lane::Private);
        assert_eq!(lane(Mode::Auto, &[AskKind::Sampling], r#"{"roots":{}}"#), Lane::Shared);
        assert_eq!(lane(Mode::Shared, &ALL, r#"{"sampling":{}}"#), Lane::Shared);
        assert_eq!(lane(Mode::PerSession, &[], "{}"), Lane::Private);
        let stateful = Server { stateful: true, ..Server::default() };
        assert_eq!(Lane::of_session(&stateful, AskSet::default(), None), Lane::Private);
    }

    #[test]
    fn a_child_without_handshakes_is_for_all_and_one_with_them_for_those_that_can_be_asked_the_same()
     {
        let sampling = AskSet::declared(r#"{"sampling":{}}"#);
        let all = Server { private_for: ALL.to_vec(), ..Server::default() };
        assert_eq!(Lane::of_session(&all, sampling, Some(Era::Modern)), Lane::Shared);
        assert_eq!(Lane::of_session(&all, sampling, Some(Era::Legacy)), Lane::Private);
        let lane = |mode, declared, child| {
            Lane::of_request(&Server { mode, ..all.clone() }, declared, child)
        };
        assert_eq!(lane(Mode::Auto, sampling, Era::Modern), Lane::Shared);
        assert_eq!(lane(Mode::Auto, sampling, Era::Legacy), Lane::Pooled);
        assert_eq!(lane(Mode::Auto, AskSet::default(), Era::Legacy), Lane::Shared);
        assert_eq!(lane(Mode::Shared, sampling, Era::Legacy), Lane::Shared);
        assert_eq!(lane(Mode::PerSession, AskSet::default(), Era::Legacy), Lane::Pooled);
    }
}
