//! What is remembered of a child for clients of either era.

use serde_json::json;

use super::child::{input_required, result};
use super::eras::ERAS;
use super::modern::*;
use super::*;
use crate::bridge::memory::{List, Said};
use crate::wire::version::Era;

#[test]
fn a_resting_child_is_answered_for_in_both_eras() {
    for era in ERAS {
        let mut pair = Pair::of(era);
        let (a, caller) = (pair.session(Version::V2025_11_25), modern("anonymous", "{}"));
        let extra = match era {
            Era::Legacy => json!({"tools": []}),
            Era::Modern => json!({
                "tools": [], "resultType": "complete", "ttlMs": 7, "cacheScope": "public",
                "_meta": {SERVER_INFO: {"name": "pretend"}},
            }),
        };
        pair.child.on("tools/list", move |request| vec![result(request, &extra)]);
        let warm = [
            pair.call(a, 1, "tools/list", &json!({})),
            pair.wants(&caller, 1, "tools/list", &json!({"_meta": {"progressToken": 1}})),
        ];
        pair.drive();
        let greetings = [
            pair.call(a, 2, "initialize", &json!({})),
            pair.wants(&caller, 2, "server/discover", &json!({})),
        ];
        pair.rests();
        pair.child.heard();
        let cold = [
            pair.call(a, 1, "tools/list", &json!({})),
            pair.wants(&caller, 1, "tools/list", &json!({})),
            pair.call(a, 2, "initialize", &json!({})),
            pair.wants(&caller, 2, "server/discover", &json!({})),
        ];
        assert!(pair.child.heard().is_empty());
        for (warm, cold) in warm.iter().chain(&greetings).zip(&cold) {
            let (warm, cold) = (warm.letters.answer(), cold.letters.answer());
            assert!(cold.is_some() && warm == cold, "{era:?}: {warm:?} and {cold:?}");
        }
        let vague = json!({"_meta": {LEVEL: "debug"}});
        assert!(pair.wants(&caller, 3, "tools/list", &vague).letters.is_empty());
    }
}

#[test]
fn t49_interim_and_retried_results_are_never_remembered() {
    let mut pair = Pair::modern();
    let caller = modern("p", ALL);
    let retried = json!({"inputResponses": {}, "requestState": "s"});
    let asked = pair.wants(&caller, 1, "tools/list", &json!({}));
    let request = pair.child.one();
    pair.says(&input_required(&request, &json!({"k": {"method": "roots/list"}}), &json!("s")));
    assert_eq!(asked.letters.code(), Some(-32603), "a list asks for nothing");
    pair.wants(&caller, 2, "tools/list", &retried);
    let request = pair.child.one();
    pair.says(&result(&request, &json!({"tools": [], "resultType": "complete"})));
    assert!(pair.board.memory().pages(List::Tools).is_empty());
    pair.wants(&caller, 3, "tools/list", &json!({}));
    let request = pair.child.one();
    pair.says(&result(&request, &json!({"tools": [], "resultType": "complete"})));
    assert!(matches!(pair.board.memory().pages(List::Tools)[0].said, Said::Result(_)));
}
