//! The tool that misbehaves on request. It is offered only to those who torture a bridge.

use std::io::Write as _;

use serde_json::json;

use super::{Pace, Tool};
use crate::demo::call::text;
use crate::demo::mischief;
use crate::wire::fault::{Fault, INVALID_PARAMS};

const WAIT_MAX_MS: u64 = 10 * 60 * 1000;
const STEPS: u64 = 4;

/// More than the daemon's tests let a line be.
const LONG_LINE: usize = 3 << 20;

pub(super) const ACT_UP: Tool = Tool {
    name: "act_up",
    description: "Misbehaves in the way you name, waits, and returns the text you give it.",
    about: || {
        json!({
            "inputSchema": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "ms": {"type": "integer", "minimum": 0, "maximum": WAIT_MAX_MS},
                    "how": {"type": "string", "enum": ["noise", "line", "stderr", "exit", "end_listens", "strange_type"]},
                },
                "required": ["text"],
            },
        })
    },
    pace: Pace::Slow,
    act: |call| {
        let said = call.text("text")?;
        let voice = &call.server.voice;
        match call.optional_text("how")? {
            None => {}
            Some("noise") => voice.raw(b"{\"half\": \n\xff\xfe no text\n[]\n{\"jsonrpc\":\"2.0\",\"id\":\"nobody\",\"result\":1}\nnoise\r\n"),
            Some("line") => {
                let mut line = vec![b'x'; LONG_LINE];
                line.push(b'\n');
                voice.raw(&line);
            }
            Some("stderr") => {
                let flood = "a line on stderr that nobody needs\n".repeat(5000);
                // Nobody may be listening, and that is no reason to fail.
                drop(std::io::stderr().lock().write_all(flood.as_bytes()));
            }
            Some("strange_type") => {
                let mut result = text(said);
                result["resultType"] = "strange".into();
                return Ok(result);
            }
            Some("end_listens") => call.server.listens.end_all(call.server),
            Some("exit") => {
                call.server.last_words();
                mischief::crash(Some(9));
            }
            Some(other) => {
                return Err(Fault::new(INVALID_PARAMS, format!("no way to act up: {other:?}")));
            }
        }
        if call.arguments.contains_key("ms") {
            let ms = call.count("ms", WAIT_MAX_MS)?;
            for step in 1..=STEPS {
                call.pause(ms / STEPS)?;
                if step < STEPS {
                    call.progress(step, STEPS, "acting up");
                }
            }
        }
        Ok(text(said))
    },
};
