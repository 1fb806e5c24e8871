//! The tools by which the conformance suite tries how a server asks its client, and what it does without being asked to.

use serde_json::{Value, json};

use super::asking::{roots, sampled};
use super::{Pace, Tool, no_arguments};
use crate::demo::ask::{NoAnswer, Question};
use crate::demo::call::{Call, Front, Outcome, text};
use crate::demo::modern::News;

pub(super) const TOOLS: &[Tool] = &[
    asking("test_input_required_result_elicitation", "Asks for a name and greets.", |call| {
        told(call.ask(name()).map(|answer| format!("Hello, {}!", field(&answer, "name"))))
    }),
    asking(
        "test_input_required_result_sampling",
        "Has the client's model name a capital.",
        |call| {
            let question = Question::sample("capital_question", "What is the capital of France?");
            told(call.ask(question).map(|answer| sampled(&answer)))
        },
    ),
    asking("test_input_required_result_list_roots", "Lists the roots of the client.", |call| {
        told(call.ask(Question::roots("client_roots")).map(|answer| roots(&answer)))
    }),
    asking(
        "test_input_required_result_request_state",
        "Asks for a word of confirmation and tells whether it remembers having asked.",
        |call| told(call.ask(confirm()).map(|_| remembered(call))),
    ),
    asking(
        "test_input_required_result_multiple_inputs",
        "Asks for a name, a greeting and the roots, all at once.",
        |call| told(all_at_once(call)),
    ),
    asking(
        "test_input_required_result_multi_round",
        "Asks for a name, and only then for a colour.",
        |call| told(one_by_one(call)),
    ),
    asking(
        "test_input_required_result_tampered_state",
        "Asks for a word of confirmation, and is not to be deceived about having asked.",
        |call| told(call.ask(confirm()).map(|_| remembered(call))),
    ),
    asking(
        "test_input_required_result_capabilities",
        "Asks whatever the client can be asked, and nothing else.",
        |call| told(whatever_suits(call)),
    ),
    asking(
        "test_missing_capability",
        "Needs a client that can sample, and insists on it.",
        |call| {
            let question = Question::sample("needed", "Say anything.");
            told(call.insist(question).map(|answer| sampled(&answer)))
        },
    ),
    asking("test_streaming_elicitation", "Reports progress, then asks for a name.", |call| {
        call.progress(1, 2, "about to ask");
        told(call.ask(name()).map(|answer| format!("Hello, {}!", field(&answer, "name"))))
    }),
    Tool {
        name: "test_logging_tool",
        description: "Logs a message at every level, to clients that want them.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |call| {
            for level in crate::demo::server::LEVELS {
                call.log(level, &format!("a message of level {level}").into());
            }
            Ok(text("Logged."))
        },
    },
    Tool {
        name: "test_trigger_tool_change",
        description: "Announces that the list of tools has changed.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |call| {
            call.server.announce(News::Tools);
            Ok(text("Announced."))
        },
    },
    Tool {
        name: "test_trigger_prompt_change",
        description: "Announces that the list of prompts has changed.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |call| {
            call.server.announce(News::Prompts);
            Ok(text("Announced."))
        },
    },
    Tool {
        name: "test_x_mcp_header",
        description: "Returns its arguments, which clients on HTTP also send as headers.",
        about: || {
            json!({
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "region": {"type": "string", "x-mcp-header": "Region"},
                        "count": {"type": "integer", "x-mcp-header": "Count"},
                        "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"},
                        "note": {"type": "string"},
                        "place": {
                            "type": "object",
                            "properties": {"city": {"type": "string", "x-mcp-header": "City"}},
                        },
                    },
                    "required": ["region"],
                },
            })
        },
        pace: Pace::Quick,
        act: |call| Ok(text(&Value::from(call.arguments.clone()).to_string())),
    },
];

const fn asking(
    name: &'static str,
    description: &'static str,
    act: fn(&Call<'_>) -> Outcome,
) -> Tool {
    Tool { name, description, about: no_arguments, pace: Pace::Slow, act }
}

fn all_at_once(call: &Call<'_>) -> Result<String, NoAnswer> {
    let greeting = Question::sample("greeting", "Generate a greeting");
    let answers = call.ask_all(&[name(), greeting, Question::roots("client_roots")])?;
    let [name, greeting, folders] = &answers[..] else { return Ok(String::new()) };
    Ok(format!("{} {}! Roots: {}", sampled(greeting), field(name, "name"), roots(folders)))
}

fn one_by_one(call: &Call<'_>) -> Result<String, NoAnswer> {
    let first = Question::field("step1", "Step 1: What is your name?", "name", "string");
    let name = field(&call.ask(first)?, "name");
    let second = "Step 2: What is your favorite color?";
    let color = field(&call.ask(Question::field("step2", second, "color", "string"))?, "color");
    Ok(format!("{name} likes {color}."))
}

fn whatever_suits(call: &Call<'_>) -> Result<String, NoAnswer> {
    let sample = Question::sample("greeting", "Generate a greeting");
    let mut questions = vec![name(), sample, Question::roots("client_roots")];
    questions.retain(|question| call.can_ask(question));
    if questions.is_empty() {
        return Ok("There is nothing this client can be asked.".to_owned());
    }
    let count = questions.len();
    call.ask_all(&questions)?;
    Ok(format!("Asked {count} questions, and all were answered."))
}

fn name() -> Question {
    Question::field("user_name", "What is your name?", "name", "string")
}

fn confirm() -> Question {
    Question::field("confirm", "Please confirm", "ok", "boolean")
}

/// In the old era the call goes on by itself; in the new one only a state the client brought back tells of it.
fn remembered(call: &Call<'_>) -> String {
    let is_remembered = match &call.front {
        Front::Legacy => true,
        Front::Modern(round) => round.is_later,
    };
    if is_remembered { "state-ok" } else { "answered without having been asked" }.to_owned()
}

fn field(answer: &Value, name: &str) -> String {
    answer["content"][name].as_str().unwrap_or("stranger").to_owned()
}

pub(super) fn told(said: Result<String, NoAnswer>) -> Outcome {
    said.map(|said| text(&said)).or_else(NoAnswer::outcome)
}
