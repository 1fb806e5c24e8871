//! Tools for newcomers and for measuring: small, quick to understand, each showing one thing.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Pace, Tool, no_arguments};
use crate::demo::call::{Call, Outcome, text};
use crate::demo::mischief;
use crate::demo::modern::News;
use crate::demo::server::LEVELS;
use crate::wire::fault::{Fault, INVALID_PARAMS};

const EMIT_MAX: u64 = 256 << 20;
const SLEEP_MAX_MS: u64 = 24 * 60 * 60 * 1000;
const STEPS: u64 = 10;
const STEPS_MAX: u64 = 10_000_000;

// The conformance suite calls the first tool of the list without arguments and wants a result.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "whoami",
        description: "Tells about the server process that answers: its pid, the names of its environment variables (never their \
             values), the protocol revision in use, and what the client said of itself.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |call| Ok(whoami(call)),
    },
    Tool {
        name: "echo",
        description: "Returns the text you give it, unchanged. The quickest way to see that the connection works.",
        about: || {
            json!({
                "title": "Echo",
                "annotations": {"readOnlyHint": true},
                "inputSchema": {
                    "type": "object",
                    "properties": {"text": {"type": "string", "description": "What to say back"}},
                    "required": ["text"],
                },
            })
        },
        pace: Pace::Quick,
        act: |call| Ok(text(call.text("text")?)),
    },
    Tool {
        name: "add",
        description: "Adds two numbers and returns the sum, as text and as structured content.",
        about: || {
            json!({
                "title": "Add two numbers",
                "annotations": {"readOnlyHint": true},
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "a": {"type": "number", "description": "The first number"},
                        "b": {"type": "number", "description": "The second number"},
                    },
                    "required": ["a", "b"],
                },
                "outputSchema": {
                    "type": "object",
                    "properties": {"sum": {"type": "number"}},
                    "required": ["sum"],
                },
            })
        },
        pace: Pace::Quick,
        act: add,
    },
    Tool {
        name: "sleep",
        description: "Waits for so many milliseconds, then says so. Reports progress nine times on the way to clients that ask for it, and \
             stops at once when the call is cancelled. Other calls go on meanwhile.",
        about: || {
            json!({
                "title": "Sleep",
                "annotations": {"readOnlyHint": true},
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "ms": {"type": "integer", "minimum": 0, "maximum": SLEEP_MAX_MS, "description": "How long to wait, in milliseconds"},
                    },
                    "required": ["ms"],
                },
            })
        },
        pace: Pace::Slow,
        act: sleep,
    },
    Tool {
        name: "emit",
        description: "Returns a text of exactly so many bytes, to see how large results travel.",
        about: || {
            json!({
                "title": "Emit bytes",
                "annotations": {"readOnlyHint": true},
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "bytes": {"type": "integer", "minimum": 0, "maximum": EMIT_MAX, "description": "The length of the text"},
                    },
                    "required": ["bytes"],
                },
            })
        },
        pace: Pace::Quick,
        act: |call| {
            let bytes = usize::try_from(call.count("bytes", EMIT_MAX)?).unwrap_or(usize::MAX);
            Ok(text(&"x".repeat(bytes)))
        },
    },
    Tool {
        name: "count_state",
        description: "Adds one to a counter that lives in the server process and returns it. Call it from two clients: if the \
             second sees 2, they share one process; if both see 1, each has its own.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |call| {
            let count = call.server.count.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(text(&count.to_string()))
        },
    },
    Tool {
        name: "log",
        description: "Sends one log message to the client at the level you choose. Messages below the level set with \
             logging/setLevel are not sent.",
        about: || {
            json!({
                "title": "Log a message",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "level": {"type": "string", "enum": LEVELS, "description": "How grave it is"},
                        "text": {"type": "string", "description": "What to log"},
                    },
                    "required": ["level", "text"],
                },
            })
        },
        pace: Pace::Quick,
        act: |call| {
            let level = call.text("level")?;
            if !LEVELS.contains(&level) {
                return Err(one_of("level", &LEVELS));
            }
            let is_sent = call.log(level, &call.text("text")?.into());
            Ok(text(if is_sent {
                "Sent."
            } else {
                "Not sent: the client asked for graver messages only, or for none."
            }))
        },
    },
    Tool {
        name: "touch_resource",
        description: "Pretends that a resource has changed. Clients that subscribed to its address get \
             notifications/resources/updated.",
        about: || {
            json!({
                "title": "Touch a resource",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "uri": {"type": "string", "description": "Its address; test://watched-resource if left out"},
                    },
                },
            })
        },
        pace: Pace::Quick,
        act: |call| {
            let uri = call.optional_text("uri")?.unwrap_or("test://watched-resource");
            Ok(text(&if call.server.announce(News::Resource(uri)) {
                format!("The update of {uri} was announced.")
            } else {
                format!("Nobody has subscribed to {uri}, so nobody was told.")
            }))
        },
    },
    Tool {
        name: "toggle_tool",
        description: "Adds a tool named surprise to the list of tools, or takes it away again, and announces the change with \
             notifications/tools/list_changed.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |call| {
            let is_there = call.server.toggle_surprise();
            call.server.announce(News::Tools);
            Ok(text(if is_there {
                "The tool surprise has appeared."
            } else {
                "The tool surprise is gone."
            }))
        },
    },
    Tool {
        name: "announce_change",
        description: "Announces that the list of tools, resources or prompts has changed, though it has not, so that a client \
             reads it again.",
        about: || {
            json!({
                "title": "Announce a changed list",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "list": {"type": "string", "enum": LISTS, "description": "Which list"},
                    },
                    "required": ["list"],
                },
            })
        },
        pace: Pace::Quick,
        act: |call| {
            let list = call.text("list")?;
            call.server.announce(match list {
                "tools" => News::Tools,
                "resources" => News::Resources,
                "prompts" => News::Prompts,
                _ => return Err(one_of("list", &LISTS)),
            });
            Ok(text("Announced."))
        },
    },
];

const LISTS: [&str; 3] = ["tools", "resources", "prompts"];

pub(super) const SURPRISE: Tool = Tool {
    name: "surprise",
    description: "A tool that comes and goes with toggle_tool.",
    about: no_arguments,
    pace: Pace::Quick,
    act: |_| Ok(text("You found it.")),
};

pub(super) const HASTY: Tool = Tool {
    name: "hasty",
    description: "Reports progress so many times as fast as it can, then answers.",
    about: || {
        json!({
            "inputSchema": {
                "type": "object",
                "properties": {"steps": {"type": "integer", "minimum": 0, "maximum": STEPS_MAX}},
                "required": ["steps"],
            },
        })
    },
    pace: Pace::Slow,
    act: |call| {
        let steps = call.count("steps", STEPS_MAX)?;
        // Of the length that progress has which says something.
        let message = "still at it; ".repeat(20);
        (1..=steps).for_each(|step| call.progress(step, steps, &message));
        Ok(text("Done."))
    },
};

pub(super) const CRASH: Tool = Tool {
    name: "crash",
    description: "Ends the server process on the spot: with the exit code you give, else by a signal.",
    about: || {
        json!({
            "inputSchema": {
                "type": "object",
                "properties": {"code": {"type": "integer", "minimum": 0, "maximum": 255}},
            },
        })
    },
    pace: Pace::Quick,
    act: |call| {
        let code = match call.arguments.get("code") {
            None => None,
            Some(_) => i32::try_from(call.count("code", 255)?).ok(),
        };
        call.server.last_words();
        mischief::crash(code)
    },
};

fn add(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.number("a")?, call.number("b")?);
    let whole = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)).map(Value::from);
    let sum = whole.unwrap_or_else(|| {
        Value::from(a.as_f64().unwrap_or(f64::NAN) + b.as_f64().unwrap_or(f64::NAN))
    });
    if sum.is_null() {
        return Err(Fault::new(INVALID_PARAMS, "the sum is too large for a number"));
    }
    let mut result = text(&sum.to_string());
    result["structuredContent"] = json!({"sum": sum});
    Ok(result)
}

fn sleep(call: &Call<'_>) -> Outcome {
    let ms = call.count("ms", SLEEP_MAX_MS)?;
    for step in 1..=STEPS {
        call.pause(ms * step / STEPS - ms * (step - 1) / STEPS)?;
        // The last step is told by the result itself.
        if step < STEPS {
            call.progress(step, STEPS, "sleeping");
        }
    }
    Ok(text(&format!("Slept for {ms} ms.")))
}

fn whoami(call: &Call<'_>) -> Value {
    let mut names: Vec<String> =
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    let mut about = call.client();
    about["pid"] = std::process::id().into();
    about["environment"] = names.into();
    let mut result = text(&format!("{about:#}"));
    result["structuredContent"] = about;
    result
}

fn one_of(name: &str, choices: &[&str]) -> Fault {
    Fault::new(
        INVALID_PARAMS,
        format!("the argument \"{name}\" must be one of {}", choices.join(", ")),
    )
}
