//! The methods the protocol names, each known once.

use super::raw;
use super::version::Era;

/// A method, or [`Method::Other`] for one this bridge has never heard of; those pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Initialize,
    Initialized,
    Discover,
    Ping,
    Cancelled,
    Progress,
    ToolsList,
    ToolsCall,
    ToolsListChanged,
    ResourcesList,
    ResourceTemplatesList,
    ResourcesRead,
    ResourcesSubscribe,
    ResourcesUnsubscribe,
    ResourcesUpdated,
    ResourcesListChanged,
    PromptsList,
    PromptsGet,
    PromptsListChanged,
    Complete,
    SetLevel,
    LogMessage,
    Sample,
    Elicit,
    ElicitComplete,
    RootsList,
    RootsListChanged,
    Listen,
    ListenAcknowledged,
    TasksGet,
    TasksResult,
    TasksList,
    TasksCancel,
    TasksUpdate,
    TasksStatus,
    /// How a task is doing, in revisions without a handshake.
    TasksNotice,
    /// Our own: a child asks that the connection of a call be closed, so that its client polls for the rest.
    CloseStream,
    Other,
}

/// What a bridge does with a request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRoute {
    /// Answered from the handshake with the child.
    Initialize,
    Ping,
    /// Merged over all clients of a child.
    SetLevel,
    Subscribe,
    Unsubscribe,
    /// Subject to the filter of tools.
    CallTool,
    /// What a server is, for clients without a handshake.
    Discover,
    /// A stream of changes, for clients without a session.
    Listen,
    /// About work that goes on after its call was answered, and that has an owner.
    Task,
    Forward,
}

/// What a bridge does with a notification of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteRoute {
    Initialized,
    Cancel,
    /// To a child that has one client; a shared child must not see it.
    Forward,
}

/// What a bridge does with a notification of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeRoute {
    Progress,
    Log,
    /// Takes back a question.
    Cancel,
    ResourceUpdated,
    ListChanged,
    CloseStream,
    /// To the one client of a child; nobody else may see it.
    Forward,
}

/// The member of `params` that says what a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Name,
    Uri,
    /// Of a task. No header mirrors it before revision 2026-07-28.
    TaskId,
    None,
}

const NAMES: [(Method, &str); 37] = [
    (Method::ToolsCall, "tools/call"),
    (Method::Progress, "notifications/progress"),
    (Method::ToolsList, "tools/list"),
    (Method::Initialize, "initialize"),
    (Method::Initialized, "notifications/initialized"),
    (Method::Discover, "server/discover"),
    (Method::Ping, "ping"),
    (Method::Cancelled, "notifications/cancelled"),
    (Method::ToolsListChanged, "notifications/tools/list_changed"),
    (Method::ResourcesList, "resources/list"),
    (Method::ResourceTemplatesList, "resources/templates/list"),
    (Method::ResourcesRead, "resources/read"),
    (Method::ResourcesSubscribe, "resources/subscribe"),
    (Method::ResourcesUnsubscribe, "resources/unsubscribe"),
    (Method::ResourcesUpdated, "notifications/resources/updated"),
    (Method::ResourcesListChanged, "notifications/resources/list_changed"),
    (Method::PromptsList, "prompts/list"),
    (Method::PromptsGet, "prompts/get"),
    (Method::PromptsListChanged, "notifications/prompts/list_changed"),
    (Method::Complete, "completion/complete"),
    (Method::SetLevel, "logging/setLevel"),
    (Method::LogMessage, "notifications/message"),
    (Method::Sample, "sampling/createMessage"),
    (Method::Elicit, "elicitation/create"),
    (Method::ElicitComplete, "notifications/elicitation/complete"),
    (Method::RootsList, "roots/list"),
    (Method::RootsListChanged, "notifications/roots/list_changed"),
    (Method::Listen, "subscriptions/listen"),
    (Method::ListenAcknowledged, "notifications/subscriptions/acknowledged"),
    (Method::TasksGet, "tasks/get"),
    (Method::TasksResult, "tasks/result"),
    (Method::TasksList, "tasks/list"),
    (Method::TasksCancel, "tasks/cancel"),
    (Method::TasksUpdate, "tasks/update"),
    (Method::TasksStatus, "notifications/tasks/status"),
    (Method::TasksNotice, "notifications/tasks"),
    (Method::CloseStream, "notifications/stdiod/close_stream"),
];

// === impl Method ===

impl Method {
    /// Reads the method from its JSON string, quotes and escapes included.
    pub fn read(raw: &[u8]) -> Self {
        let inner = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\""));
        let inner = inner.unwrap_or_default();
        let found = Self::named(inner);
        if found == Self::Other
            && inner.contains(&b'\\')
            && let Ok(inner) = std::str::from_utf8(inner)
        {
            return Self::named(raw::unescaped(inner).as_bytes());
        }
        found
    }

    fn named(name: &[u8]) -> Self {
        NAMES
            .iter()
            .find(|(_, known)| known.as_bytes() == name)
            .map_or(Self::Other, |(method, _)| *method)
    }

    /// The name on the wire; empty for [`Method::Other`].
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }

    /// Whether asking twice does no harm, so that a read lost with its child can be asked again.
    pub fn repeatable(self) -> bool {
        matches!(
            self,
            Self::ToolsList
                | Self::ResourcesList
                | Self::ResourceTemplatesList
                | Self::ResourcesRead
                | Self::PromptsList
                | Self::PromptsGet
                | Self::Complete
        )
    }

    /// Whether a server may ask its client something while it works on this.
    pub fn may_ask(self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead)
    }

    /// Whether a request of this kind was taken out of the protocol together with the handshake.
    pub fn is_legacy_only(self) -> bool {
        matches!(
            self,
            Self::Initialize
                | Self::Ping
                | Self::SetLevel
                | Self::ResourcesSubscribe
                | Self::ResourcesUnsubscribe
                | Self::TasksList
                | Self::TasksResult
        )
    }

    /// Whether clients of this era may ask for it. What no revision names passes.
    pub fn is_asked_in(self, era: Era) -> bool {
        match era {
            Era::Modern => !self.is_legacy_only(),
            Era::Legacy => !matches!(self, Self::Discover | Self::Listen),
        }
    }

    /// Whether complete results carry `ttlMs` and `cacheScope` since revision 2026-07-28.
    pub fn is_cacheable(self) -> bool {
        matches!(
            self,
            Self::Discover
                | Self::ToolsList
                | Self::PromptsList
                | Self::ResourcesList
                | Self::ResourceTemplatesList
                | Self::ResourcesRead
        )
    }

    pub fn as_request(self) -> RequestRoute {
        match self {
            Self::Initialize => RequestRoute::Initialize,
            Self::Ping => RequestRoute::Ping,
            Self::SetLevel => RequestRoute::SetLevel,
            Self::ResourcesSubscribe => RequestRoute::Subscribe,
            Self::ResourcesUnsubscribe => RequestRoute::Unsubscribe,
            Self::ToolsCall => RequestRoute::CallTool,
            Self::Discover => RequestRoute::Discover,
            Self::Listen => RequestRoute::Listen,
            Self::TasksGet
            | Self::TasksResult
            | Self::TasksList
            | Self::TasksCancel
            | Self::TasksUpdate => RequestRoute::Task,
            Self::ToolsList
            | Self::ResourcesList
            | Self::ResourceTemplatesList
            | Self::ResourcesRead
            | Self::PromptsList
            | Self::PromptsGet
            | Self::Complete
            // None of these is a request of a client; a child may say so itself.
            | Self::Sample
            | Self::Elicit
            | Self::RootsList
            | Self::Initialized
            | Self::Cancelled
            | Self::Progress
            | Self::ToolsListChanged
            | Self::ResourcesUpdated
            | Self::ResourcesListChanged
            | Self::PromptsListChanged
            | Self::LogMessage
            | Self::ElicitComplete
            | Self::RootsListChanged
            | Self::ListenAcknowledged
            | Self::TasksStatus
            | Self::TasksNotice
            | Self::CloseStream
            | Self::Other => RequestRoute::Forward,
        }
    }

    pub fn as_note(self) -> NoteRoute {
        if self == Self::Cancelled {
            NoteRoute::Cancel
        } else if self == Self::Initialized {
            NoteRoute::Initialized
        } else {
            NoteRoute::Forward
        }
    }

    pub fn as_notice(self) -> NoticeRoute {
        const LISTS: [Method; 3] =
            [Method::ToolsListChanged, Method::ResourcesListChanged, Method::PromptsListChanged];
        if self == Self::Progress {
            NoticeRoute::Progress
        } else if self == Self::LogMessage {
            NoticeRoute::Log
        } else if self == Self::Cancelled {
            NoticeRoute::Cancel
        } else if self == Self::ResourcesUpdated {
            NoticeRoute::ResourceUpdated
        } else if LISTS.contains(&self) {
            NoticeRoute::ListChanged
        } else if self == Self::CloseStream {
            NoticeRoute::CloseStream
        } else {
            NoticeRoute::Forward
        }
    }

    pub fn subject(self) -> Subject {
        if matches!(self, Self::ToolsCall | Self::PromptsGet) {
            Subject::Name
        } else if matches!(
            self,
            Self::ResourcesRead | Self::ResourcesSubscribe | Self::ResourcesUnsubscribe
        ) {
            Subject::Uri
        } else if matches!(self, Self::TasksGet | Self::TasksUpdate | Self::TasksCancel) {
            Subject::TaskId
        } else {
            Subject::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for (method, name) in NAMES {
            assert_eq!(Method::read(format!("\"{name}\"").as_bytes()), method);
            assert_eq!(method.name(), name);
        }
        assert_eq!(Method::read(br#""tools\/call""#), Method::ToolsCall);
        assert_eq!(Method::read(b"\"vendor/thing\""), Method::Other);
        assert_eq!(Method::read(b"7"), Method::Other);
    }

    #[test]
    fn calls_that_act_are_never_repeated() {
        assert!(!Method::ToolsCall.repeatable());
        assert!(!Method::Other.repeatable());
        assert!(Method::ToolsList.repeatable());
    }
}
