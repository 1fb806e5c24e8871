//! The tool that sends the user to a web page before it works. The revision 2025-11-25 says so with an error of its own;
//! the next one asks as it asks everything.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Pace, Tool, no_arguments};
use crate::demo::ask::{NoAnswer, Question};
use crate::demo::call::{Call, Outcome, text};
use crate::wire::fault::Fault;

const URL_NEEDED: i32 = -32042;
const URL: &str = "https://example.com/authorize";
const MESSAGE: &str = "Please authorize the demo server.";

pub(super) const VISIT: Tool = Tool {
    name: "visit_url",
    description: "Works only for users who have been to a web page; every second call finds that they have.",
    about: no_arguments,
    pace: Pace::Quick,
    act: |call| if call.is_modern() { asked(call) } else { refused(call) },
};

fn refused(call: &Call<'_>) -> Outcome {
    let visits = call.server.visits.fetch_add(1, Ordering::Relaxed);
    if visits % 2 == 1 {
        return Ok(text("Authorized."));
    }
    let id = format!("visit-{visits}");
    let elicitation = json!({"mode": "url", "elicitationId": id, "url": URL, "message": MESSAGE});
    let fault = Fault::new(URL_NEEDED, "this needs the user to visit a web page");
    Err(fault.with_data(&json!({"elicitations": [elicitation]})))
}

fn asked(call: &Call<'_>) -> Outcome {
    let params = json!({"mode": "url", "url": URL, "message": MESSAGE});
    match call.ask(Question { key: "visit", method: "elicitation/create", params }) {
        Ok(answer) if answer["action"] == "accept" => Ok(text("Authorized.")),
        Ok(_) => Ok(text("Not authorized.")),
        Err(no_answer) => NoAnswer::outcome(no_answer),
    }
}
