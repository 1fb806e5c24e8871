//! Tools whose work may become a task. Clients that know no tasks get the same work as a plain call, where that is possible.

use serde_json::{Value, json};

use super::rounds::told;
use super::{Pace, Tool, no_arguments};
use crate::demo::ask::{NoAnswer, Question};
use crate::demo::call::{Call, failure, text};
use crate::demo::tasks::Need;
use crate::wire::fault::{Fault, INTERNAL_ERROR};

const SECONDS_MAX: u64 = 24 * 60 * 60;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "greet",
        description: "Greets by name. It is too quick to be a task.",
        about: || json!({"inputSchema": schema("name", "string", true)}),
        pace: Pace::Quick,
        act: |call| Ok(text(&format!("Hello, {}!", call.text("name")?))),
    },
    Tool {
        name: "slow_compute",
        description: "Computes nothing for so many seconds.",
        about: || {
            let mut schema = schema("seconds", "integer", true);
            schema["properties"]["label"] = json!({"type": "string"});
            json!({"inputSchema": schema, "execution": {"taskSupport": "optional"}})
        },
        pace: Pace::Slow,
        act: |call| {
            let seconds = call.count("seconds", SECONDS_MAX)?;
            call.become_task(Need::Optional)?;
            call.pause(seconds * 1000)?;
            Ok(text(&format!("Computed for {seconds} s.")))
        },
    },
    Tool {
        name: "failing_job",
        description: "Fails after a second, with a result that says so.",
        about: required,
        pace: Pace::Slow,
        act: |call| {
            call.become_task(Need::Required)?;
            call.pause(1000)?;
            Ok(failure("This job intentionally fails."))
        },
    },
    Tool {
        name: "protocol_error_job",
        description: "Fails with an error of the protocol.",
        about: optional,
        pace: Pace::Slow,
        act: |call| {
            call.become_task(Need::Optional)?;
            Err(Fault::new(INTERNAL_ERROR, "this job intentionally breaks"))
        },
    },
    Tool {
        name: "confirm_delete",
        description: "Asks before it deletes a file, which it does not do.",
        about: || {
            json!({
                "inputSchema": schema("filename", "string", false),
                "execution": {"taskSupport": "optional"},
            })
        },
        pace: Pace::Slow,
        act: |call| {
            let file = call.optional_text("filename")?.unwrap_or("nothing").to_owned();
            call.become_task(Need::Optional)?;
            told(confirmed(call, &file))
        },
    },
    Tool {
        name: "multi_input",
        description: "Asks two things at once, which may be answered one by one.",
        about: optional,
        pace: Pace::Slow,
        act: |call| {
            call.become_task(Need::Optional)?;
            let name = Question::field("name", "What is your name?", "name", "string");
            let confirm = Question::field("confirm", "Are you sure?", "confirm", "boolean");
            told(call.ask_all(&[name, confirm]).map(|_| "Both were answered.".to_owned()))
        },
    },
    Tool {
        name: "test_tool_with_task",
        description: "Asks for a name first, and becomes a task then.",
        about: required,
        pace: Pace::Slow,
        act: |call| told(asked_then_task(call)),
    },
];

fn confirmed(call: &Call<'_>, file: &str) -> Result<String, NoAnswer> {
    let message = format!("Really delete {file}?");
    let answer = call.ask(Question::field("confirm", &message, "confirm", "boolean"))?;
    let is_sure = answer["content"]["confirm"] == true;
    Ok(format!("{file} was {}.", if is_sure { "deleted" } else { "kept" }))
}

fn asked_then_task(call: &Call<'_>) -> Result<String, NoAnswer> {
    let question = Question::field("user_name", "What is your name?", "name", "string");
    let answer = call.ask(question)?;
    call.become_task(Need::Required)?;
    call.pause(100)?;
    Ok(format!("Done for {}.", answer["content"]["name"].as_str().unwrap_or("stranger")))
}

fn optional() -> Value {
    let mut about = no_arguments();
    about["execution"] = json!({"taskSupport": "optional"});
    about
}

fn required() -> Value {
    let mut about = no_arguments();
    about["execution"] = json!({"taskSupport": "required"});
    about
}

fn schema(name: &str, kind: &str, is_required: bool) -> Value {
    let required = if is_required { vec![name] } else { Vec::new() };
    json!({"type": "object", "properties": {name: {"type": kind}}, "required": required})
}
