//! Tools that ask the client something before they answer. The server is then the one who waits.

use serde_json::{Value, json};

use super::{Pace, Tool, no_arguments};
use crate::demo::ask::Question;
use crate::demo::call::{Call, Outcome, text};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "ask_roots",
        description: "Asks the client for its roots, the folders it lets servers work in, and lists them.",
        about: no_arguments,
        pace: Pace::Slow,
        act: |call| match call.ask(Question::roots("roots")) {
            Ok(answer) => Ok(text(&roots(&answer))),
            Err(no_answer) => no_answer.outcome(),
        },
    },
    Tool {
        name: "test_sampling",
        description: "Has the client's model answer a prompt (sampling) and returns what it said.",
        about: || {
            json!({
                "inputSchema": {
                    "type": "object",
                    "properties": {"prompt": {"type": "string", "description": "What to ask the model"}},
                    "required": ["prompt"],
                },
            })
        },
        pace: Pace::Slow,
        act: |call| match call.ask(Question::sample("answer", call.text("prompt")?)) {
            Ok(answer) => Ok(text(&format!("LLM response: {}", sampled(&answer)))),
            Err(no_answer) => no_answer.outcome(),
        },
    },
    Tool {
        name: "test_elicitation",
        description: "Asks the person behind the client for a user name and an email address (elicitation) and returns the answer.",
        about: || {
            json!({
                "inputSchema": {
                    "type": "object",
                    "properties": {"message": {"type": "string", "description": "What to tell the person"}},
                    "required": ["message"],
                },
            })
        },
        pace: Pace::Slow,
        act: |call| {
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": {"type": "string", "description": "User's response"},
                    "email": {"type": "string", "description": "User's email address"},
                },
                "required": ["username", "email"],
            });
            elicit(call, "User response", call.text("message")?, &schema)
        },
    },
    Tool {
        name: "test_elicitation_sep1034_defaults",
        description: "Shows the person behind the client a form in which every field has a default.",
        about: no_arguments,
        pace: Pace::Slow,
        act: |call| {
            let message = "Please review and update the form fields with defaults";
            elicit(call, "Elicitation completed", message, &defaults())
        },
    },
    Tool {
        name: "test_elicitation_sep1330_enums",
        description: "Shows the person behind the client a form with every way to choose from a list.",
        about: no_arguments,
        pace: Pace::Slow,
        act: |call| {
            elicit(
                call,
                "Elicitation completed",
                "Please select options from the enum fields",
                &enums(),
            )
        },
    },
];

fn elicit(call: &Call<'_>, heading: &str, message: &str, schema: &Value) -> Outcome {
    let answer = match call.ask(Question::form("form", message, schema)) {
        Ok(answer) => answer,
        Err(no_answer) => return no_answer.outcome(),
    };
    let action = answer["action"].as_str().unwrap_or("unknown");
    let content = answer.get("content").cloned().unwrap_or_else(|| json!({}));
    Ok(text(&format!("{heading}: action={action}, content={content}")))
}

/// The text of a sampled message, whose content is one block or, in newer revisions, a list of them.
pub(super) fn sampled(answer: &Value) -> String {
    let content = &answer["content"];
    let block = content.get(0).unwrap_or(content);
    block["text"].as_str().map_or_else(|| block.to_string(), str::to_owned)
}

pub(super) fn roots(answer: &Value) -> String {
    let lines: Vec<String> = answer["roots"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|root| {
            let uri = root["uri"].as_str().unwrap_or("(no address)");
            root["name"].as_str().map_or_else(|| uri.to_owned(), |name| format!("{uri} ({name})"))
        })
        .collect();
    if lines.is_empty() { "The client has no roots.".to_owned() } else { lines.join("\n") }
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "User name", "default": "John Doe"},
            "age": {"type": "integer", "description": "User age", "default": 30},
            "score": {"type": "number", "description": "User score", "default": 95.5},
            "status": {
                "type": "string",
                "description": "User status",
                "enum": ["active", "inactive", "pending"],
                "default": "active",
            },
            "verified": {"type": "boolean", "description": "Verification status", "default": true},
        },
        "required": [],
    })
}

fn enums() -> Value {
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {
                "type": "string",
                "description": "Select one option",
                "enum": ["option1", "option2", "option3"],
            },
            "titledSingle": {
                "type": "string",
                "description": "Select one option with titles",
                "oneOf": [
                    {"const": "value1", "title": "First Option"},
                    {"const": "value2", "title": "Second Option"},
                    {"const": "value3", "title": "Third Option"},
                ],
            },
            "legacyEnum": {
                "type": "string",
                "description": "Select one option (legacy)",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {
                "type": "array",
                "description": "Select multiple options",
                "minItems": 1,
                "maxItems": 3,
                "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
            },
            "titledMulti": {
                "type": "array",
                "description": "Select multiple options with titles",
                "minItems": 1,
                "maxItems": 3,
                "items": {
                    "anyOf": [
                        {"const": "value1", "title": "First Choice"},
                        {"const": "value2", "title": "Second Choice"},
                        {"const": "value3", "title": "Third Choice"},
                    ],
                },
            },
        },
        "required": [],
    })
}
