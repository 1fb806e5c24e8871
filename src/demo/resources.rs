//! The resources: a few fixed ones, and a template that stands for any number of them.

use serde_json::{Value, json};

use super::ask::{NoAnswer, Question};
use super::call::{Call, Outcome};
use super::catalog;
use super::server::Server;
use super::tools::{PNG, Pace};
use crate::wire::fault::{Fault, INVALID_PARAMS};

/// Retired in newer revisions, but those with a handshake know it.
const RESOURCE_NOT_FOUND: i32 = -32002;

/// Greets whoever reads it by name. It is not on the list: a client that reads all it finds there should not have to
/// trouble anybody.
const GREETING: &str = "demo://greeting";

const TEMPLATE: (&str, &str) = ("test://template/", "/data");

pub(super) fn list(server: &Server, params: &Value) -> Outcome {
    let entries = [
        json!({
            "uri": "demo://welcome",
            "name": "welcome",
            "title": "Welcome",
            "description": "What this server is and what to try first.",
            "mimeType": "text/markdown",
        }),
        json!({
            "uri": "test://static-text",
            "name": "static-text",
            "description": "A text that never changes.",
            "mimeType": "text/plain",
        }),
        json!({
            "uri": "test://static-binary",
            "name": "static-binary",
            "description": "An image of one pixel.",
            "mimeType": "image/png",
        }),
        json!({
            "uri": "test://watched-resource",
            "name": "watched-resource",
            "description": "Subscribe to it, then call the tool touch_resource to see an update arrive.",
            "mimeType": "text/plain",
        }),
    ];
    catalog::page("resources", &entries, params, server.args.page)
}

pub(super) fn templates(server: &Server, params: &Value) -> Outcome {
    let entries = [json!({
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "A small JSON document about the id in its address.",
        "mimeType": "application/json",
    })];
    catalog::page("resourceTemplates", &entries, params, server.args.page)
}

/// Only one may have to wait for the client.
pub(super) fn pace(params: &Value) -> Pace {
    if params["uri"] == GREETING { Pace::Slow } else { Pace::Quick }
}

pub(super) fn read(call: &Call<'_>, params: &Value) -> Outcome {
    let uri = uri(params)?;
    let (kind, body, value) = match uri {
        "demo://welcome" => ("text/markdown", "text", WELCOME.to_owned()),
        "test://static-text" => {
            ("text/plain", "text", "This is the content of the static text resource.".to_owned())
        }
        "test://static-binary" => ("image/png", "blob", PNG.to_owned()),
        "test://watched-resource" => ("text/plain", "text", "Watched resource content".to_owned()),
        GREETING => match greeting(call) {
            Ok(greeting) => ("text/plain", "text", greeting),
            Err(no_answer) => return no_answer.bare_outcome(),
        },
        _ => {
            let id = templated(uri).ok_or_else(|| not_found(call, uri))?;
            let data =
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            ("application/json", "text", data.to_string())
        }
    };
    let mut content = json!({"uri": uri, "mimeType": kind});
    content[body] = value.into();
    Ok(json!({"contents": [content]}))
}

/// The uri a subscription names. One may wait for a resource that is not there yet.
pub(super) fn uri(params: &Value) -> Result<&str, Fault> {
    params["uri"].as_str().ok_or_else(|| Fault::new(INVALID_PARAMS, "\"uri\" must be a string"))
}

fn templated(uri: &str) -> Option<&str> {
    let id = uri.strip_prefix(TEMPLATE.0)?.strip_suffix(TEMPLATE.1)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

fn greeting(call: &Call<'_>) -> Result<String, NoAnswer> {
    let question = Question::field("user_name", "What is your name?", "name", "string");
    let answer = if call.can_ask(&question) { call.ask(question)? } else { json!({}) };
    Ok(format!("Hello, {}!", answer["content"]["name"].as_str().unwrap_or("stranger")))
}

fn not_found(call: &Call<'_>, uri: &str) -> Fault {
    let code = if call.is_modern() { INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
    Fault::new(code, "Resource not found").with_data(&json!({"uri": uri}))
}

const WELCOME: &str = "\
# Welcome

You are talking to the demo server built into stdiod. Things to try:

- `echo` and `add`: the shortest way to see that everything is connected
- `sleep` with a progress token: watch notifications arrive before the result
- `count_state` from two clients: do they share one process?
- `whoami`: which process answers, and what it was told about you
- `ask_roots`, `test_sampling`, `test_elicitation`: the server asks *you*
- the resource demo://greeting, which is not on the list: it asks before it lets itself be read
";
