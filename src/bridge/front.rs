//! A front: what stands for one session on the switchboard.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::greeting::Hello;
use super::lane::AskSet;
use super::stream_log::StreamLog;
use super::translate::legacy_to_modern::Envelope;
use crate::wire::id::{CallId, FrontId, RawId, StreamId};
use crate::wire::method::Method;
use crate::wire::version::Version;

/// Who is behind a request, as authentication found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

/// What the switchboard is told of a session.
#[derive(Clone, Debug)]
pub struct FrontCard {
    pub version: Version,
    pub principal: Principal,
    pub declared: AskSet,
    /// What the client calls itself, for logs.
    pub client: Arc<str>,
    /// How it introduces itself to a child that is told so with each request.
    pub hello: Arc<Hello>,
    /// Whether anything can be told to it beside the answers to its calls.
    pub hears: bool,
    /// When the session began, if that was not just now: a list it knows may be as old as that.
    pub since: Option<Instant>,
}

/// A session that acts: its front, which is made from the card if it is not there.
#[derive(Clone, Debug)]
pub struct Who {
    pub front: FrontId,
    pub card: Arc<FrontCard>,
}

/// What a vanished reader of a standing stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vanish {
    /// It may come back; what it missed is kept.
    Detach,
    /// The stream was the session.
    EndSession,
}

/// Who has used a child since it came. Sessions come and go unseen, so it is never forgotten that there were others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Parties {
    #[default]
    None,
    One(Principal),
    Several,
}

#[derive(Debug)]
pub(super) struct Front<R> {
    pub card: Arc<FrontCard>,
    /// Its calls in flight or waiting, by the ids the client gave them.
    pub calls: Vec<(RawId, CallId)>,
    /// Its standing streams; the last is the newest.
    pub standing: Vec<Standing<R>>,
    /// Made with the first stream that can be taken up again; idle sessions have none.
    pub log: Option<Box<StreamLog>>,
    pub level: Option<Level>,
    /// What its requests carry to a child without a handshake, made with the first.
    pub envelope: Option<Box<Envelope>>,
    /// Lists that changed while it held no stream, or one with no room.
    pub unheard: Changes,
    /// It is among those that are forgotten if they stay empty-handed.
    pub resting: bool,
    /// It is looked at again soon, because its stream had no room for these.
    pub is_behind: bool,
}

#[derive(Debug)]
pub(super) struct Standing<R> {
    pub stream: StreamId,
    pub call: CallId,
    pub outlet: R,
    pub vanish: Vanish,
}

/// Kinds of lists that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes(u8);

/// When each kind of list was last found changed.
#[derive(Debug, Default)]
pub(super) struct Changed([Option<Instant>; 3]);

/// The severity of a log message, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

// === impl Principal ===

impl Principal {
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Everybody, where nobody has to say who they are.
    pub fn anonymous() -> Self {
        static ANONYMOUS: LazyLock<Principal> = LazyLock::new(|| Principal::new("anonymous"));
        ANONYMOUS.clone()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Parties ===

impl Parties {
    pub(super) fn add(&mut self, principal: &Principal) {
        match self {
            Self::None => *self = Self::One(principal.clone()),
            Self::One(one) if one == principal => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }

    /// Whether a message meant for one of them may be seen by all of them.
    pub(super) fn are_one(&self) -> bool {
        *self != Self::Several
    }
}

// === impl Front ===
impl<R> Front<R> {
    /// More standing streams than a client has use for; the oldest makes room.
    pub(super) const STANDING_MAX: usize = 4;

    pub(super) fn new(card: Arc<FrontCard>) -> Self {
        Self {
            card,
            calls: Vec::new(),
            standing: Vec::new(),
            log: None,
            level: None,
            envelope: None,
            unheard: Changes::default(),
            resting: false,
            is_behind: false,
        }
    }

    /// Whether there is nothing in it that its session would miss.
    pub(super) fn is_empty_handed(&self) -> bool {
        self.calls.is_empty()
            && self.standing.is_empty()
            && self.level.is_none()
            && self.log.as_ref().is_none_or(|log| log.is_empty())
    }

    pub(super) fn call_of(&self, id: &RawId) -> Option<CallId> {
        self.calls.iter().find(|(known, _)| known == id).map(|(_, call)| *call)
    }
}

// === impl Changes ===

impl Changes {
    const KINDS: [Method; 3] =
        [Method::ToolsListChanged, Method::ResourcesListChanged, Method::PromptsListChanged];

    pub(super) fn add(&mut self, method: Method) {
        self.0 |= Self::bit(method);
    }

    pub(super) fn remove(&mut self, method: Method) {
        self.0 &= !Self::bit(method);
    }

    /// The kinds in it, in a fixed order; it is empty afterwards.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Method> + use<> {
        let taken = std::mem::take(self);
        Self::KINDS.into_iter().filter(move |method| taken.0 & Self::bit(*method) != 0)
    }

    fn bit(method: Method) -> u8 {
        if method == Method::ToolsListChanged {
            1
        } else if method == Method::ResourcesListChanged {
            2
        } else {
            4
        }
    }
}

// === impl Changed ===

impl Changed {
    pub(super) fn note(&mut self, method: Method, now: Instant) {
        for (kind, at) in Changes::KINDS.into_iter().zip(&mut self.0) {
            if kind == method {
                *at = Some(now);
            }
        }
    }

    /// The kinds that changed since then.
    pub(super) fn since(&self, then: Option<Instant>) -> Changes {
        let mut changes = Changes::default();
        let Some(then) = then else { return changes };
        for (kind, at) in Changes::KINDS.into_iter().zip(&self.0) {
            if at.is_some_and(|at| at > then) {
                changes.add(kind);
            }
        }
        changes
    }
}

// === impl Level ===

impl Level {
    const NAMES: [(Self, &str); 8] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Notice, "notice"),
        (Self::Warning, "warning"),
        (Self::Error, "error"),
        (Self::Critical, "critical"),
        (Self::Alert, "alert"),
        (Self::Emergency, "emergency"),
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(level, _)| *level)
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_named() {
        assert!(Level::Debug < Level::Info && Level::Alert < Level::Emergency);
        for (level, name) in Level::NAMES {
            assert_eq!((Level::parse(name), level.name()), (Some(level), name));
        }
        assert_eq!(Level::parse("loud"), None);
    }

    #[test]
    fn changes_are_remembered_once_each() {
        let mut changes = Changes::default();
        changes.add(Method::PromptsListChanged);
        changes.add(Method::ToolsListChanged);
        changes.add(Method::ToolsListChanged);
        changes.add(Method::ResourcesListChanged);
        changes.remove(Method::ResourcesListChanged);
        let taken: Vec<Method> = changes.take().collect();
        assert_eq!(taken, [Method::ToolsListChanged, Method::PromptsListChanged]);
        assert_eq!(changes, Changes::default());
    }
}
