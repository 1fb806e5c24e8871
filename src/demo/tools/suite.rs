//! The tools the official conformance suite calls by name: every kind of content, logging, progress, errors.

use serde_json::{Value, json};

use super::{PNG, Pace, Tool, no_arguments};
use crate::demo::call::{failure, text};

/// A sound of one sample.
const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

/// Asks a bridge, if there is one, to end the connection that waits for a call while the call goes on. Over stdio there
/// is no standard way to say it; clients ignore notifications they do not know.
const CLOSE_STREAM: &str = "notifications/stdiod/close_stream";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "test_simple_text",
        description: "Returns one short text.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |_| Ok(text("This is a simple text response for testing.")),
    },
    Tool {
        name: "test_image_content",
        description: "Returns an image of one pixel.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |_| Ok(json!({"content": [image()]})),
    },
    Tool {
        name: "test_audio_content",
        description: "Returns a very short sound.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |_| Ok(json!({"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]})),
    },
    Tool {
        name: "test_embedded_resource",
        description: "Returns a resource within the result.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |_| {
            Ok(json!({"content": [{"type": "resource", "resource": {
                "uri": "test://embedded-resource",
                "mimeType": "text/plain",
                "text": "This is an embedded resource content.",
            }}]}))
        },
    },
    Tool {
        name: "test_multiple_content_types",
        description: "Returns a text, an image and a resource in one result.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |_| {
            Ok(json!({"content": [
                {"type": "text", "text": "Multiple content types test:"},
                image(),
                {"type": "resource", "resource": {
                    "uri": "test://mixed-content-resource",
                    "mimeType": "application/json",
                    "text": r#"{"test":"data","value":123}"#,
                }},
            ]}))
        },
    },
    Tool {
        name: "test_tool_with_logging",
        description: "Sends three log messages while it works.",
        about: no_arguments,
        pace: Pace::Slow,
        act: |call| {
            call.log("info", &"Tool execution started".into());
            call.pause(50)?;
            call.log("info", &"Tool processing data".into());
            call.pause(50)?;
            call.log("info", &"Tool execution completed".into());
            Ok(text("Tool with logging executed successfully"))
        },
    },
    Tool {
        name: "test_tool_with_progress",
        description: "Reports progress three times while it works, if asked to.",
        about: no_arguments,
        pace: Pace::Slow,
        act: |call| {
            call.progress(0, 100, "Completed step 0 of 100");
            call.pause(50)?;
            call.progress(50, 100, "Completed step 50 of 100");
            call.pause(50)?;
            call.progress(100, 100, "Completed step 100 of 100");
            // The TypeScript SDK forgets the token as soon as it sees the result, and loses progress that comes in the
            // same read.
            call.pause(20)?;
            Ok(text("Tool with progress executed successfully"))
        },
    },
    Tool {
        name: "test_error_handling",
        description: "Always fails, with a result that says so.",
        about: no_arguments,
        pace: Pace::Quick,
        act: |_| Ok(failure("This tool intentionally returns an error for testing")),
    },
    Tool {
        name: "test_reconnection",
        description: "Answers after the connection was closed on purpose, so that the client has to reconnect and resume.",
        about: no_arguments,
        pace: Pace::Slow,
        act: |call| {
            let params = format!(r#"{{"requestId":{}}}"#, call.id.as_str());
            call.server.notify_raw(CLOSE_STREAM, &params);
            call.pause(300)?;
            Ok(text(
                "Reconnection test completed successfully. If you received this, the client properly reconnected after \
                 stream closure.",
            ))
        },
    },
    Tool {
        name: "json_schema_2020_12_tool",
        description: "Tool with JSON Schema 2020-12 features",
        about: || json!({"inputSchema": rich_schema()}),
        pace: Pace::Quick,
        act: |call| Ok(text(&format!("Called with {}", Value::from(call.arguments.clone())))),
    },
];

fn image() -> Value {
    json!({"type": "image", "data": PNG, "mimeType": "image/png"})
}

fn rich_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}
