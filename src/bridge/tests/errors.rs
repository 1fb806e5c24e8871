//! What clients of each era see of the errors of children of each.

use serde_json::json;

use super::child::error;
use super::eras::asks_of;
use super::modern::*;
use super::*;
use crate::wire::version::Era;

#[test]
fn t44_errors_say_in_each_era_what_it_knows() {
    let uri = json!({"uri": "a:/x"});
    for (child, client, code, seen) in [
        (Era::Legacy, Era::Legacy, -32002, -32002),
        (Era::Legacy, Era::Modern, -32002, -32602),
        (Era::Legacy, Era::Modern, -32021, -32603),
        (Era::Legacy, Era::Legacy, -32021, -32021),
        (Era::Modern, Era::Legacy, -32021, -32603),
        (Era::Modern, Era::Legacy, -32022, -32603),
        (Era::Modern, Era::Modern, -32022, -32603),
        (Era::Modern, Era::Modern, -32021, -32021),
        (Era::Modern, Era::Modern, -32010, -32010),
        (Era::Modern, Era::Legacy, -32010, -32010),
        (Era::Legacy, Era::Modern, -1, -1),
    ] {
        let mut pair = Pair::of(child);
        let post = asks_of(&mut pair, client, "resources/read", &uri);
        let request = pair.child.one();
        pair.says(&error(&request, code));
        assert_eq!(post.letters.code(), Some(seen), "{code} of {child:?} to {client:?}");
        if code == -32002 && client == Era::Modern {
            assert_eq!(post.letters.answer().unwrap()["error"]["data"], uri);
        }
    }
    let mut pair = Pair::modern();
    let post = asks_of(&mut pair, Era::Legacy, "tools/call", &json!({"name": "x"}));
    let request = pair.child.one();
    pair.says(&error(&request, -32021));
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);
}

#[test]
fn t44_pages_to_visit_are_told_in_both_eras() {
    let pages = json!([{"mode": "url", "elicitationId": "e", "url": "https://a", "message": "?"}]);
    let needs = |request: &Value| {
        let error = json!({"code": -32042, "message": "visit", "data": {"elicitations": pages}});
        json!({"jsonrpc": "2.0", "id": request["id"], "error": error})
    };
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool(a, 1);
    let request = pair.child.one();
    pair.says(&needs(&request));
    assert_eq!(post.letters.answer().unwrap()["error"]["data"]["elicitations"], pages);

    let post = pair.uses(&modern("p", ALL), 1);
    let request = pair.child.one();
    pair.says(&needs(&request));
    let question = post.letters.questions()["url-0"].clone();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"], json!({"mode": "url", "url": "https://a", "message": "?"}));
    assert!(matches!(post.letters.asks().unwrap().ticket, crate::bridge::ticket::Ticket::Visited));
    assert_eq!(pair.board.calls(), 0, "nothing waits for it");

    let post = pair.uses(&modern("p", r#"{"elicitation":{}}"#), 1);
    let request = pair.child.one();
    pair.says(&needs(&request));
    assert_eq!(post.letters.code(), Some(-32021));
}
