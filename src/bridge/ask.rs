//! An ask: a request the child makes of a client.

use bytes::Bytes;

use crate::config::model::AskKind;
use crate::wire::id::{CallId, FrontId, RawId};
use crate::wire::method::Method;

#[derive(Debug)]
pub(super) struct Ask {
    pub whom: Whom,
    pub origin: Origin,
    /// The call that most likely made the child ask, if any did.
    pub cause: Option<CallId>,
    /// It was put on the answer of its cause; else on a standing stream.
    pub on_call: bool,
    /// The question as the client will see it, while it waits for a stream.
    pub unsent: Option<Bytes>,
}

/// Who is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Session(FrontId),
    /// The client of this call, which is asked by the answer to it.
    Round(CallId),
}

/// Where the answer goes.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// To the child, under its own id, which goes back as it came.
    Child(RawId),
    /// Into the next sending of a call, under the raw key the child gave it.
    Round { call: CallId, key: Box<str>, method: Method },
}

/// The id under which a client sees an ask.
pub(super) fn client_id(serial: u64) -> RawId {
    RawId::new(&format!("\"ask-{serial}\""))
}

/// The serial in an id that a client hands back.
pub(super) fn serial(id: &RawId) -> Option<u64> {
    id.as_str().strip_prefix("\"ask-")?.strip_suffix('"')?.parse().ok()
}

/// The capability a client must have declared to be asked this.
pub(super) fn kind(method: Method) -> Option<AskKind> {
    if method == Method::Sample {
        Some(AskKind::Sampling)
    } else if method == Method::Elicit {
        Some(AskKind::Elicitation)
    } else if method == Method::RootsList {
        Some(AskKind::Roots)
    } else {
        None
    }
}

/// The capability that stands for a kind of question, as an object of capabilities.
pub(super) fn required(kind: AskKind) -> &'static str {
    match kind {
        AskKind::Sampling => r#"{"sampling":{}}"#,
        AskKind::Elicitation => r#"{"elicitation":{}}"#,
        AskKind::Roots => r#"{"roots":{}}"#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_given_to_clients_read_back() {
        assert_eq!(serial(&client_id(17)), Some(17));
        assert_eq!(serial(&RawId::new("17")), None);
        assert_eq!(serial(&RawId::new("\"ask-x\"")), None);
    }
}
