//! The tools: what they are called, what they say of themselves, and what they do.

use serde_json::{Value, json};

use super::call::{Call, Outcome};
use super::catalog;
use super::server::Server;

mod asking;
mod friendly;
mod jobs;
mod rounds;
mod suite;
mod trouble;
mod visit;

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
    let entries: Vec<Value> = offered(server).map(|tool| tool.entry(server)).collect();
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
    let visit = server.args.url_tool.then_some(&visit::VISIT);
    [friendly::TOOLS, asking::TOOLS, suite::TOOLS, rounds::TOOLS, jobs::TOOLS]
        .into_iter()
        .flatten()
        .chain(surprise)
        .chain(crash)
        .chain(hasty)
        .chain(trouble)
        .chain(visit)
}

// === impl Tool ===

impl Tool {
    /// Whether it may be called as a task, for clients that have to know before.
    pub(super) fn can_be_task(&self) -> bool {
        (self.about)().get("execution").is_some()
    }

    fn entry(&self, server: &Server) -> Value {
        let mut entry = (self.about)();
        if let Some(members) = entry.as_object_mut()
            && !server.args.legacy_tasks
        {
            members.remove("execution");
        }
        entry["name"] = self.name.into();
        entry["description"] = self.description.into();
        entry
    }
}

fn no_arguments() -> Value {
    json!({"inputSchema": {"type": "object", "properties": {}}})
}
