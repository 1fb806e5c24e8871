//! The tools: what they are called, what they say of themselves, and what they do.

use serde_json::{Value, json};

use super::call::{Call, Outcome};
use super::catalog;
use super::server::Server;

mod asking;
mod friendly;
mod suite;
mod trouble;

pub(super) use asking::sample_params;

/// One black pixel.
pub(super) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

pub(super) struct Tool {
    pub(super) name: &'static str,
    description: &'static str,
    /// The rest of its entry in the list; `inputSchema` at least.
    about: fn() -> Value,
    pub(super) pace: Pace,
    pub(super) act: fn(&Call<'_>) -> Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Answers without waiting for anything.
    Quick,
    /// Waits, for time to pass or for the client, so it gets a thread.
    Slow,
}

pub(super) fn list(server: &Server, params: &Value) -> Outcome {
    let entries: Vec<Value> = offered(server).map(Tool::entry).collect();
    catalog::page("tools", &entries, params, server.args.page)
}

pub(super) fn find(server: &Server, name: &str) -> Option<&'static Tool> {
    offered(server).find(|tool| tool.name == name)
}

fn offered(server: &Server) -> impl Iterator<Item = &'static Tool> {
    let surprise = server.offers_surprise().then_some(&friendly::SURPRISE);
    let crash = server.args.crash_tool.then_some(&friendly::CRASH);
    let hasty = server.args.hasty_tool.then_some(&friendly::HASTY);
    let trouble = server.args.act_up.then_some(&trouble::ACT_UP);
    [friendly::TOOLS, asking::TOOLS, suite::TOOLS]
        .into_iter()
        .flatten()
        .chain(surprise)
        .chain(crash)
        .chain(hasty)
        .chain(trouble)
}

// === impl Tool ===

impl Tool {
    fn entry(&self) -> Value {
        let mut entry = (self.about)();
        entry["name"] = self.name.into();
        entry["description"] = self.description.into();
        entry
    }
}

fn no_arguments() -> Value {
    json!({"inputSchema": {"type": "object", "properties": {}}})
}
