//! The answer to `server/discover`, and every other thing that was ever answered to it.

use std::str::FromStr;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{TASKS, VERSION};
use crate::demo::call::{Call, Outcome};
use crate::demo::server::{INSTRUCTIONS, Server};
use crate::wire::fault::Fault;

/// How to answer one `server/discover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    Proper,
    Silence,
    /// Properly, after so many milliseconds.
    Late(u64),
    /// With these versions.
    Versions(Vec<String>),
    /// With this code, and with these versions in its data if there are any.
    Error(i32, Vec<String>),
    /// With a result that is something else.
    Nonsense,
    Exit,
}

// === impl Discovery ===

impl FromStr for Discovery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let dates = |list: &str| list.split('+').map(str::to_owned).collect();
        let mut parts = text.splitn(3, ':');
        let found = match (parts.next(), parts.next(), parts.next()) {
            (Some("proper"), None, _) => Some(Self::Proper),
            (Some("silence"), None, _) => Some(Self::Silence),
            (Some("nonsense"), None, _) => Some(Self::Nonsense),
            (Some("exit"), None, _) => Some(Self::Exit),
            (Some("late"), Some(ms), None) => ms.parse().ok().map(Self::Late),
            (Some("versions"), Some(list), None) => Some(Self::Versions(dates(list))),
            (Some("error"), Some(code), list) => {
                let list = list.map_or_else(Vec::new, dates);
                code.parse().ok().map(|code| Self::Error(code, list))
            }
            _ => None,
        };
        found.ok_or_else(|| {
            "it is proper, silence, late:MS, nonsense, exit, versions:DATE+DATE, error:CODE or error:CODE:DATE+DATE"
                .to_owned()
        })
    }
}

impl Discovery {
    /// The next one of those that were ordered.
    pub(super) fn next(server: &Server) -> Self {
        let orders = &server.args.discover;
        let at = server.discoveries.fetch_add(1, Ordering::Relaxed);
        orders.get(at).or_else(|| orders.last()).cloned().unwrap_or(Self::Proper)
    }

    /// Whether a server that answers like this is one of the modern era, or will turn out to be one.
    pub(super) fn is_modern(&self) -> bool {
        match self {
            Self::Proper | Self::Silence | Self::Late(_) => true,
            Self::Versions(versions) | Self::Error(_, versions) => {
                versions.iter().any(|version| version == VERSION)
            }
            Self::Nonsense | Self::Exit => false,
        }
    }

    /// What is answered by those that answer.
    pub(super) fn outcome(&self, call: &Call<'_>) -> Outcome {
        match self {
            Self::Proper | Self::Silence | Self::Exit => Ok(result(&[VERSION.to_owned()])),
            Self::Late(ms) => call.pause(*ms).map(|()| result(&[VERSION.to_owned()])),
            Self::Versions(versions) => Ok(result(versions)),
            Self::Error(code, versions) => {
                let fault = Fault::new(*code, "told to refuse server/discover");
                let data = json!({"supported": versions, "requested": VERSION});
                Err(if versions.is_empty() { fault } else { fault.with_data(&data) })
            }
            Self::Nonsense => Ok(json!({"hello": "world"})),
        }
    }
}

fn result(versions: &[String]) -> Value {
    json!({
        "supportedVersions": versions,
        "capabilities": {
            "tools": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "prompts": {"listChanged": true},
            "completions": {},
            "logging": {},
            "extensions": {(TASKS): {}},
        },
        "instructions": INSTRUCTIONS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_answer_can_be_ordered() {
        let parse = |text: &str| text.parse::<Discovery>().ok();
        let dates = |dates: &[&str]| dates.iter().map(ToString::to_string).collect();
        assert_eq!(parse("proper"), Some(Discovery::Proper));
        assert_eq!(parse("late:250"), Some(Discovery::Late(250)));
        assert_eq!(
            parse("versions:2025-11-25+2024-11-05"),
            Some(Discovery::Versions(dates(&["2025-11-25", "2024-11-05"])))
        );
        assert_eq!(parse("error:-32601"), Some(Discovery::Error(-32601, Vec::new())));
        assert_eq!(
            parse("error:-32022:2026-07-28"),
            Some(Discovery::Error(-32022, dates(&["2026-07-28"])))
        );
        for wrong in ["", "late", "late:soon", "proper:1", "error:x", "silence:2"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
