//! The handshake with a child, and what the child said it can do.
//!
//! Today a child is greeted with `initialize`. Children of the modern era, which have no handshake, will be probed here
//! before that: the probe goes where [`Greeting::open`] makes its first line.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::wire::fault;
use crate::wire::frame::{Frame, Kind};
use crate::wire::id::{RawId, UpstreamId};
use crate::wire::meta::{self, Implementation, Members, Params};
use crate::wire::raw;
use crate::wire::splice::{Patch, Span, splice};
use crate::wire::version::{Era, Version};

/// What a child is told about its client.
#[derive(Clone, Debug)]
pub struct Hello {
    pub version: Version,
    /// The raw `capabilities` object.
    pub capabilities: Box<str>,
    /// The raw `clientInfo` object.
    pub client_info: Box<str>,
}

/// A handshake under way.
#[derive(Debug)]
pub struct Greeting;

/// What a child's line meant for the handshake.
#[derive(Debug)]
pub enum Heard {
    /// Not part of it.
    Nothing,
    Ready(Box<Abilities>),
    /// The child answered, and it cannot be used.
    Failed(Arc<str>),
}

/// What a child can do, from its `initialize` result.
#[derive(Clone, Debug)]
pub struct Abilities {
    /// The raw result, ready for any client but for its `protocolVersion`.
    pub result: Box<str>,
    /// The date the child answered with.
    pub version: Box<str>,
    pub server_name: Box<str>,
    pub server_version: Box<str>,
    pub logging: bool,
    pub lists: Lists,
}

/// The lists a child says it will announce changes of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    pub tools: bool,
    pub resources: bool,
    pub prompts: bool,
}

/// The id of the handshake. Calls have other numbers, see [`UpstreamId`].
const GREETING: UpstreamId = UpstreamId::GREETING;

// === impl Hello ===

impl Hello {
    /// How the bridge introduces itself to a child that many clients share: it can answer no questions.
    pub fn shared() -> Self {
        Self {
            version: Version::NEWEST_LEGACY,
            capabilities: "{}".into(),
            client_info: concat!(
                r#"{"name":"stdiod","title":"stdiod","version":""#,
                env!("CARGO_PKG_VERSION"),
                r#""}"#
            )
            .into(),
        }
    }

    /// The same, for all who have nothing of their own to say.
    pub fn nobody() -> Arc<Self> {
        static NOBODY: LazyLock<Arc<Hello>> = LazyLock::new(|| Arc::new(Hello::shared()));
        Arc::clone(&NOBODY)
    }

    /// Whether a child that was greeted so may serve a client that would have greeted it otherwise. What was agreed on has to be
    /// the same: the revision, and to the letter what the client can do, for a child is told that once. What the client calls
    /// itself may differ: it is told for logs and display, nobody vouches for it, and the protocol asks that behaviour not
    /// hang on it.
    pub fn serves(&self, other: &Self) -> bool {
        self.version == other.version && self.capabilities == other.capabilities
    }

    /// How a client introduced itself, for a child of its own.
    pub fn of_client(params: &Params<'_>) -> Self {
        fn object(raw: Option<&RawValue>) -> Option<&str> {
            raw.map(RawValue::get).filter(|text| text.starts_with('{'))
        }
        let asked = params.protocol_version.and_then(|raw| raw::string(raw.get()));
        Self {
            version: asked.map_or(Version::NEWEST_LEGACY, |text| Version::answer_to(&text)),
            capabilities: object(params.capabilities).unwrap_or("{}").into(),
            client_info: object(params.client_info)
                .map_or_else(|| Self::shared().client_info, Into::into),
        }
    }

    /// What the client calls itself, for the log.
    pub fn client_name(&self) -> String {
        Self::client_name_of(&self.client_info)
    }

    pub(super) fn client_name_of(client_info: &str) -> String {
        let about = Implementation::read(client_info);
        let (name, version) = (raw::clipped(&about.name), raw::clipped(&about.version));
        if version.is_empty() { name.to_owned() } else { format!("{name} {version}") }
    }
}

// === impl Greeting ===

impl Greeting {
    /// The first line for a fresh child.
    pub fn open(hello: &Hello) -> Bytes {
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{},"clientInfo":{}}}}}"#,
            GREETING.0, hello.version, hello.capabilities, hello.client_info
        )
        .into()
    }

    /// The line that ends a handshake.
    pub fn close() -> Bytes {
        Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    }

    /// Looks at a line of a child that has not been found ready. `shared` children lose what cannot be shared.
    pub fn hear(frame: &Frame, shared: bool) -> Heard {
        if frame.id_number() != Some(GREETING.0) {
            return Heard::Nothing;
        }
        let payload = frame.payload().unwrap_or("");
        match frame.kind() {
            Kind::Request | Kind::Notification => Heard::Nothing,
            Kind::Error => {
                Heard::Failed(format!("it answered initialize with the error {payload}").into())
            }
            Kind::Result => match Abilities::read(payload, shared) {
                Some(abilities) => Heard::Ready(Box::new(abilities)),
                None => Heard::Failed(
                    "its answer to initialize has no protocolVersion and capabilities".into(),
                ),
            },
        }
    }
}

// === impl Abilities ===

impl Abilities {
    /// What a shared child can do, from a result that was kept.
    pub fn recalled(result: &str) -> Option<Self> {
        Self::read(result, true)
    }

    fn read(result: &str, shared: bool) -> Option<Self> {
        let params = Params::of(Some(result));
        let version = raw::string(params.protocol_version?.get())?;
        if Era::of(&version) == Era::Modern {
            return None;
        }
        let raw = params.capabilities?.get();
        if !raw.starts_with('{') {
            return None;
        }
        let capabilities = Members::of(raw);
        let announces = |key: &str| {
            capabilities.get(key).is_some_and(|value| {
                Members::of(value.get()).get("listChanged").is_some_and(|on| on.get() == "true")
            })
        };
        let about = Implementation::of(params.server_info);
        // Tasks have owners, and a shared child cannot tell its callers apart.
        let result = if shared && capabilities.get("tasks").is_some() {
            let kept = capabilities.without(|key| key == "tasks");
            let at = Span::of(raw, result.as_bytes());
            let result = splice(result.as_bytes(), &[Patch { at, with: kept.as_bytes() }]);
            String::from_utf8(result.into()).expect("two texts make a text")
        } else {
            result.to_owned()
        };
        Some(Self {
            version: version.as_ref().into(),
            server_name: about.name.as_ref().into(),
            server_version: about.version.as_ref().into(),
            logging: capabilities.get("logging").is_some(),
            lists: Lists {
                tools: announces("tools"),
                resources: announces("resources"),
                prompts: announces("prompts"),
            },
            result: result.into(),
        })
    }

    /// The answer to a client's `initialize`, in the revision it is to speak.
    pub fn answer(&self, id: &RawId, version: Version) -> Bytes {
        let params = Params::of(Some(&self.result));
        let said = params.protocol_version.expect("it was read from there");
        let at = meta::place(said, self.result.as_bytes());
        let said = format!("\"{version}\"");
        let result = splice(self.result.as_bytes(), &[Patch { at, with: said.as_bytes() }]);
        fault::result(id, std::str::from_utf8(&result).expect("two texts make a text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(text: &str, shared: bool) -> Heard {
        Greeting::hear(&Frame::skim(Bytes::copy_from_slice(text.as_bytes())).unwrap(), shared)
    }

    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2024-11-05","capabilities":{"logging":{},"tasks":{},"tools":{"listChanged":true},"resources":{}},"serverInfo":{"name":"n\"","version":"1"},"x":1}}"#;

    #[test]
    fn the_result_is_kept_and_answered_in_the_clients_revision() {
        let Heard::Ready(abilities) = hear(ANSWER, true) else { panic!("it is a sound answer") };
        assert!(abilities.logging);
        assert_eq!(abilities.lists, Lists { tools: true, resources: false, prompts: false });
        assert_eq!((&*abilities.server_name, &*abilities.version), ("n\"", "2024-11-05"));
        let answer = abilities.answer(&RawId::new("\"a\""), Version::V2025_06_18);
        assert_eq!(
            answer,
            r#"{"jsonrpc":"2.0","id":"a","result":{"protocolVersion":"2025-06-18","capabilities":{"logging":{},"tools":{"listChanged":true},"resources":{}},"serverInfo":{"name":"n\"","version":"1"},"x":1}}"#
        );
    }

    #[test]
    fn a_private_child_keeps_its_tasks() {
        let Heard::Ready(abilities) = hear(ANSWER, false) else { panic!("it is a sound answer") };
        assert!(abilities.result.contains("tasks"));
    }

    #[test]
    fn other_lines_are_nothing_and_bad_answers_fail() {
        assert!(matches!(hear(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#, true), Heard::Nothing));
        assert!(matches!(hear(r#"{"jsonrpc":"2.0","method":"x"}"#, true), Heard::Nothing));
        assert!(matches!(hear(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true), Heard::Failed(_)));
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m"}}"#;
        let Heard::Failed(why) = hear(error, true) else { panic!("an error is a failure") };
        assert!(why.contains("-32022"));
    }

    #[test]
    fn a_client_is_introduced_as_it_introduced_itself() {
        let params = r#"{"protocolVersion":"2026-07-28","capabilities":{"roots":{}},"clientInfo":{"name":"c","x":1}}"#;
        let hello = Hello::of_client(&Params::of(Some(params)));
        let line = Greeting::open(&hello);
        assert_eq!(
            line,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","x":1}}}"#
        );
    }
}
