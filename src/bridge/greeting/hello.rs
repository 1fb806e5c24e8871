//! How a client introduces itself, and what of that a child is told.

use std::sync::{Arc, LazyLock};

use crate::wire::meta::{Implementation, Params, key};
use crate::wire::raw::{self, Raw};
use crate::wire::version::Version;

/// What a child is told about its client.
#[derive(Clone, Debug)]
pub struct Hello {
    pub version: Version,
    /// The raw `capabilities` object.
    pub capabilities: Box<str>,
    /// The raw `clientInfo` object.
    pub client_info: Box<str>,
}

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

    /// What the bridge says of itself with each request of its own, to a child without a handshake: the members of `_meta`.
    pub fn own_envelope() -> &'static str {
        static ENVELOPE: LazyLock<String> = LazyLock::new(|| {
            format!(
                r#""{}":"{}","{}":{{}},"{}":{}"#,
                key::PROTOCOL_VERSION,
                Version::MODERN,
                key::CLIENT_CAPABILITIES,
                key::CLIENT_INFO,
                Hello::nobody().client_info
            )
        });
        &ENVELOPE
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
        fn object(raw: Option<Raw<'_>>) -> Option<&str> {
            raw.map(Raw::get).filter(|text| text.starts_with('{'))
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

    pub(in crate::bridge) fn client_name_of(client_info: &str) -> String {
        let about = Implementation::read(client_info);
        let (name, version) = (raw::clipped(&about.name), raw::clipped(&about.version));
        if version.is_empty() { name.to_owned() } else { format!("{name} {version}") }
    }
}
