//! Log messages of a child without a handshake that does not say that it writes any.

use super::*;

const KEY: &str = "io.modelcontextprotocol/logLevel";

/// A shared child without a handshake that does not say whether it writes log messages.
fn silent_about_logs() -> Pair {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    let said = json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}});
    let abilities = Abilities::recalled(&said.to_string()).expect("a sound answer");
    pair.turn(|board, turn| board.ready(Box::new(abilities), turn));
    pair.child.heard();
    pair
}

#[test]
fn sessions_hear_log_messages_of_a_child_that_never_said_that_it_writes_any() {
    let mut pair = silent_about_logs();
    let front = pair.session(Version::V2025_11_25);
    let call = pair.tool(front, 1);
    let request = pair.child.one();
    assert_eq!(request["params"]["_meta"][KEY], "info");
    pair.says(&child::log("warning", "heard"));
    pair.says(&child::log("debug", "too much"));
    let heard: Vec<Value> =
        call.letters.messages().iter().map(|text| text["params"]["data"].clone()).collect();
    assert_eq!(heard, ["heard"]);
}

#[test]
fn who_has_no_session_is_told_of_no_log_messages() {
    let mut pair = silent_about_logs();
    let caller = Caller::Implicit(card(Version::ASSUMED, &Principal::anonymous(), pair.now));
    pair.request(caller, true, &request(&json!(1), "tools/call", &json!({"name": "x"})));
    assert_eq!(pair.child.one()["params"]["_meta"].get(KEY), None);
}
