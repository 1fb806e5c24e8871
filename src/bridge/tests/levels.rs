//! Log messages, where clients or children have no handshake.

use serde_json::json;

use super::child::{log, result};
use super::modern::*;
use super::*;
use crate::wire::version::Era;

fn with_level(pair: &mut Pair, caller: &Caller, id: u32, level: &str) -> Post {
    pair.wants(caller, id, "tools/call", &json!({"name": "x", "_meta": {LEVEL: level}}))
}

#[test]
fn t29_a_client_without_a_session_hears_what_it_asked_for_and_nothing_else() {
    for era in [Era::Legacy, Era::Modern] {
        let mut pair = Pair::of(era);
        let caller = modern("p", "{}");
        let quiet = pair.uses(&caller, 1);
        let request = pair.child.heard().pop().unwrap();
        pair.says(&log("emergency", "x"));
        assert!(quiet.letters.is_empty(), "{era:?}: it never asked for any");
        pair.says(&result(&request, &json!({})));

        let post = with_level(&mut pair, &caller, 2, "warning");
        let request = pair.child.heard().pop().unwrap();
        for level in ["info", "warning", "error"] {
            pair.says(&log(level, level));
        }
        let heard: Vec<_> =
            post.letters.messages().iter().map(|m| m["params"]["level"].clone()).collect();
        assert_eq!(heard, ["warning", "error"], "{era:?}");
        // Of several calls nobody can say which one is meant.
        let other = with_level(&mut pair, &caller, 3, "debug");
        pair.says(&log("error", "x"));
        assert_eq!((post.letters.messages().len(), other.letters.messages().len()), (2, 0));
        pair.says(&result(&request, &json!({})));
        pair.says(&log("error", "x"));
        assert_eq!(other.letters.messages().len(), 1);
        let bad = with_level(&mut pair, &caller, 4, "loud");
        assert_eq!(bad.letters.code(), Some(-32602));
    }
}

#[test]
fn t29_an_older_child_is_told_the_level_while_it_is_wanted() {
    let mut pair = Pair::shared();
    let caller = modern("p", "{}");
    with_level(&mut pair, &caller, 1, "debug");
    let told = pair.child.heard();
    assert_eq!(
        (&told[0]["method"], &told[0]["params"]["level"]),
        (&json!("logging/setLevel"), &json!("debug"))
    );
    assert!(told[1]["params"]["_meta"].get(LEVEL).is_none());
    pair.says(&result(&told[1], &json!({})));
    pair.wait(Duration::from_millis(4999));
    assert!(pair.child.heard().is_empty());
    pair.wait(Duration::from_millis(1));
    assert_eq!(pair.child.one()["params"]["level"], "info");
}

#[test]
fn t29_a_newer_child_is_told_the_level_of_a_session_with_each_request() {
    let mut pair = Pair::modern();
    let a = pair.session(Version::V2025_11_25);
    pair.tool(a, 1);
    assert_eq!(pair.child.one()["params"]["_meta"][LEVEL], "info");
    pair.call(a, 2, "logging/setLevel", &json!({"level": "error"}));
    pair.tool(a, 3);
    assert_eq!(pair.child.one()["params"]["_meta"][LEVEL], "error");
    pair.uses(&modern("p", "{}"), 1);
    assert!(pair.child.one()["params"]["_meta"].get(LEVEL).is_none());
}

#[test]
fn t29_a_suspended_call_hears_nothing() {
    let mut pair = Pair::pooled(false);
    let caller = modern("p", ALL);
    let post = with_level(&mut pair, &caller, 1, "debug");
    pair.asks("roots/list");
    pair.collect();
    pair.says(&log("error", "x"));
    assert!(post.letters.messages().is_empty());
    let other = with_level(&mut pair, &caller, 2, "debug");
    pair.says(&log("error", "x"));
    assert_eq!(other.letters.messages().len(), 1, "it is the only one that runs");
}

#[test]
fn t30_no_log_line_crosses_between_principals_of_either_era() {
    for era in [Era::Legacy, Era::Modern] {
        let mut pair = Pair::of(era);
        let a = pair.session_of(Version::V2025_11_25, &Principal::new("a"));
        let stream = pair.listen(a, Vanish::Detach);
        let mine = pair.tool(a, 1);
        pair.says(&log("error", "mine"));
        assert_eq!(mine.letters.messages().len(), 1, "{era:?}");
        let b = modern("b", "{}");
        let post = with_level(&mut pair, &b, 1, "debug");
        pair.says(&log("error", "secret"));
        pair.cancel(a, 1);
        pair.says(&log("error", "secret"));
        assert!(post.letters.messages().is_empty() && stream.letters.messages().is_empty());
        assert_eq!(mine.letters.messages().len(), 1);
        let listen = pair.hears(&b, 2, &json!({"toolsListChanged": true}));
        pair.says(&log("error", "secret"));
        assert!(!listen.letters.methods().contains(&"notifications/message".to_owned()));
    }
}
