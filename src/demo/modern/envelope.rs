//! What every request of the modern era carries in `_meta`: the revision it is written in and what its client can do.

use serde_json::{Value, json};

use super::VERSION;
use crate::demo::server::gravity;
use crate::wire::fault::{Fault, INVALID_PARAMS};

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
const LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";

const UNSUPPORTED_VERSION: i32 = -32022;
const MISSING_CAPABILITY: i32 = -32021;

#[derive(Debug)]
pub(in crate::demo) struct Envelope {
    pub(in crate::demo) client_info: Value,
    pub(in crate::demo) capabilities: Value,
    /// The least grave level to log at; without it nothing is logged.
    pub(in crate::demo) threshold: Option<usize>,
}

// === impl Envelope ===

impl Envelope {
    pub(super) fn read(params: &Value) -> Result<Self, Fault> {
        let meta = &params["_meta"];
        let mut missing = Vec::new();
        if !meta[VERSION_KEY].is_string() {
            missing.push(VERSION_KEY);
        }
        if !meta[CAPABILITIES_KEY].is_object() {
            missing.push(CAPABILITIES_KEY);
        }
        if !missing.is_empty() {
            let names = missing.join(" and ");
            return Err(Fault::new(
                INVALID_PARAMS,
                format!("`_meta` of every request must have {names}"),
            ));
        }
        if meta[VERSION_KEY] != VERSION {
            return Err(unsupported(&meta[VERSION_KEY]));
        }
        let threshold = match meta.get(LEVEL_KEY) {
            None | Some(Value::Null) => None,
            Some(level) => Some(level.as_str().and_then(gravity).ok_or_else(|| {
                Fault::new(INVALID_PARAMS, format!("there is no log level {level}"))
            })?),
        };
        Ok(Self {
            client_info: meta[CLIENT_KEY].clone(),
            capabilities: meta[CAPABILITIES_KEY].clone(),
            threshold,
        })
    }

    /// Whether the client knows the extension with this name.
    pub(in crate::demo) fn extends(&self, name: &str) -> bool {
        self.capabilities["extensions"][name].is_object()
    }
}

/// Whether a request names its own revision.
pub(in crate::demo) fn is_enveloped(params: &Value) -> bool {
    params["_meta"].get(VERSION_KEY).is_some()
}

/// The error for a revision that is not spoken here.
pub(in crate::demo) fn unsupported(requested: &Value) -> Fault {
    let message = format!("this process speaks the protocol version {VERSION} only");
    let data = json!({"supported": [VERSION], "requested": requested});
    Fault::new(UNSUPPORTED_VERSION, message).with_data(&data)
}

/// The error for what needs a client that can do more.
pub(in crate::demo) fn incapable(required: &Value) -> Fault {
    let message = format!("this needs a client with the capabilities {required}");
    let data = json!({"requiredCapabilities": required});
    Fault::new(MISSING_CAPABILITY, message).with_data(&data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(meta: &Value) -> Result<Envelope, (i32, String)> {
        Envelope::read(&json!({"_meta": meta})).map_err(|fault| (fault.code, fault.message))
    }

    #[test]
    fn what_is_missing_is_named_before_the_version_is_judged() {
        let (code, message) = read(&json!({(VERSION_KEY): "v999"})).unwrap_err();
        assert_eq!(code, INVALID_PARAMS);
        assert!(message.contains(CAPABILITIES_KEY) && !message.contains(VERSION_KEY), "{message}");
        assert!(Envelope::read(&json!({})).is_err());
        let strange = json!({(VERSION_KEY): "v999", (CAPABILITIES_KEY): {}});
        assert_eq!(read(&strange).unwrap_err().0, UNSUPPORTED_VERSION);
        let data = unsupported(&json!("v999")).data.unwrap();
        assert_eq!(data.get(), r#"{"supported":["2026-07-28"],"requested":"v999"}"#);
    }

    #[test]
    fn the_log_level_is_optional_but_must_exist() {
        let with = |level: Value| {
            read(&json!({(VERSION_KEY): VERSION, (CAPABILITIES_KEY): {}, (LEVEL_KEY): level}))
        };
        assert_eq!(with(Value::Null).unwrap().threshold, None);
        assert_eq!(with("info".into()).unwrap().threshold, Some(1));
        assert_eq!(with("loud".into()).unwrap_err().0, INVALID_PARAMS);
    }
}
