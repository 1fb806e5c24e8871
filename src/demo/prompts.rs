//! The prompts, and the completion of their arguments.

use serde_json::{Value, json};

use super::ask::{NoAnswer, Question};
use super::call::{Call, Outcome};
use super::catalog;
use super::server::Server;
use super::tools::{PNG, Pace};
use crate::wire::fault::{Fault, INVALID_PARAMS};

const ASKING: &str = "test_input_required_result_prompt";

pub(super) fn list(server: &Server, params: &Value) -> Outcome {
    let entries = [
        json!({
            "name": "test_simple_prompt",
            "description": "A prompt without arguments.",
        }),
        json!({
            "name": "test_prompt_with_arguments",
            "description": "A prompt that repeats its two arguments.",
            "arguments": [
                {"name": "arg1", "description": "First test argument", "required": true},
                {"name": "arg2", "description": "Second test argument", "required": true},
            ],
        }),
        json!({
            "name": "test_prompt_with_embedded_resource",
            "description": "A prompt that carries a resource within it.",
            "arguments": [{
                "name": "resourceUri",
                "description": "The address the embedded resource is to have",
                "required": true,
            }],
        }),
        json!({
            "name": "test_prompt_with_image",
            "description": "A prompt that carries an image of one pixel.",
        }),
        json!({
            "name": ASKING,
            "description": "A prompt that asks the person behind the client for its context first.",
        }),
    ];
    catalog::page("prompts", &entries, params, server.args.page)
}

/// Only one has to wait for the client.
pub(super) fn pace(params: &Value) -> Pace {
    if params["name"] == ASKING { Pace::Slow } else { Pace::Quick }
}

pub(super) fn get(call: &Call<'_>, params: &Value) -> Outcome {
    let name =
        params["name"].as_str().ok_or_else(|| bad("\"name\" must be a string".to_owned()))?;
    let argument = |name: &str| {
        params["arguments"][name]
            .as_str()
            .ok_or_else(|| bad(format!("the argument \"{name}\" is missing or not a string")))
    };
    let contents = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (one, two) = (argument("arg1")?, argument("arg2")?);
            vec![text(&format!("Prompt with arguments: arg1='{one}', arg2='{two}'"))]
        }
        "test_prompt_with_embedded_resource" => vec![
            json!({"type": "resource", "resource": {
                "uri": argument("resourceUri")?,
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }}),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image" => vec![
            json!({"type": "image", "data": PNG, "mimeType": "image/png"}),
            text("Please analyze the image above."),
        ],
        ASKING => match context(call) {
            Ok(context) => vec![text(&format!("Use this context: {context}"))],
            Err(no_answer) => return no_answer.bare_outcome(),
        },
        _ => return Err(bad(format!("there is no prompt {name:?}"))),
    };
    let messages: Vec<Value> =
        contents.into_iter().map(|content| json!({"role": "user", "content": content})).collect();
    Ok(json!({"messages": messages}))
}

/// Completes an argument of a prompt or a placeholder of the resource template.
pub(super) fn complete(params: &Value) -> Outcome {
    let reference = &params["ref"];
    let argument = &params["argument"];
    let known: &[&str] = match (reference["type"].as_str(), argument["name"].as_str()) {
        (Some("ref/prompt"), Some(name)) => match (reference["name"].as_str(), name) {
            (Some("test_prompt_with_arguments"), "arg1") => &["testValue1", "another", "a third"],
            (Some("test_prompt_with_arguments"), "arg2") => &["testValue2", "something else"],
            (Some("test_prompt_with_embedded_resource"), "resourceUri") => {
                &["test://static-text", "test://watched-resource", "demo://welcome"]
            }
            (Some(_), _) => &[],
            (None, _) => return Err(bad("\"ref\" must name a prompt".to_owned())),
        },
        (Some("ref/resource"), Some(name)) => match (reference["uri"].as_str(), name) {
            (Some("test://template/{id}/data"), "id") => &["1", "12", "123"],
            (Some(_), _) => &[],
            (None, _) => return Err(bad("\"ref\" must have a uri".to_owned())),
        },
        (_, None) => return Err(bad("\"argument\" must have a name".to_owned())),
        (_, Some(_)) => {
            return Err(bad("\"ref\" must be a ref/prompt or a ref/resource".to_owned()));
        }
    };
    let begun = argument["value"]
        .as_str()
        .ok_or_else(|| bad("\"argument\" must have a value".to_owned()))?;
    let values: Vec<&&str> = known.iter().filter(|value| value.starts_with(begun)).collect();
    Ok(json!({"completion": {"values": values, "total": values.len(), "hasMore": false}}))
}

fn context(call: &Call<'_>) -> Result<String, NoAnswer> {
    let message = "What context should the prompt use?";
    let answer = call.ask(Question::field("user_context", message, "context", "string"))?;
    Ok(answer["content"]["context"].as_str().unwrap_or("none").to_owned())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn bad(why: String) -> Fault {
    Fault::new(INVALID_PARAMS, why)
}
