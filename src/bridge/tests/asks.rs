//! The child's own questions.

use serde_json::json;

use super::child::{notice, result};
use super::*;

const ELICIT: &str = "elicitation/create";

#[test]
fn t17_a_question_goes_on_the_answer_of_the_call_that_caused_it() {
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    let post = pair.tool(a, 1);
    let sent = pair.child.one();
    let child_id = pair.asks(ELICIT);
    let asked = post.letters.messages();
    assert_eq!(asked[0]["method"], ELICIT);
    assert_ne!(asked[0]["id"], child_id, "the client sees an id of ours");
    assert!(listen.letters.messages().is_empty());
    pair.answer(a, &asked[0]["id"]);
    let answer = pair.child.one();
    assert_eq!((&answer["id"], &answer["result"]["by"]), (&child_id, &json!(a.0)));
    pair.answer(a, &asked[0]["id"]);
    assert!(pair.child.heard().is_empty(), "a question is answered once");
    pair.says(&result(&sent, &json!({})));
    assert!(post.letters.answer().is_some());
}

#[test]
fn t17_without_a_call_to_ask_on_a_question_goes_on_the_standing_stream() {
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    pair.asks("roots/list");
    let asked = listen.letters.messages();
    assert_eq!(asked[0]["method"], "roots/list");
    let text = request(&json!(1), "tools/call", &json!({"name": "x"}));
    let post = pair.request(pair.caller(a), false, &text);
    pair.asks(ELICIT);
    assert_eq!(listen.letters.methods(), ["roots/list", ELICIT]);
    assert!(post.letters.is_empty());
}

#[test]
fn t17_without_any_channel_the_child_is_told_within_push_wait() {
    let (mut pair, _) = Pair::private();
    let child_id = pair.asks(ELICIT);
    pair.wait(Duration::from_millis(4999));
    assert!(pair.child.heard().is_empty());
    pair.wait(secs(1));
    let answer = pair.child.one();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&child_id, &json!(-32603)));
    assert_eq!(pair.board.asks(), 0);
}

#[test]
fn t17_a_stream_that_comes_in_time_is_given_the_question() {
    let (mut pair, a) = Pair::private();
    pair.asks(ELICIT);
    pair.wait(secs(4));
    let listen = pair.listen(a, Vanish::Detach);
    pair.wait(secs(60));
    assert_eq!(listen.letters.methods(), [ELICIT]);
    assert!(pair.child.heard().is_empty(), "the client may take its time");
    pair.answer(a, &listen.letters.messages()[0]["id"]);
    assert_eq!(pair.child.methods(), ["result"]);
}

#[test]
fn t23_a_shared_childs_question_is_refused_and_no_client_sees_it() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let listen = pair.listen(a, Vanish::Detach);
    let post = pair.tool(a, 1);
    pair.child.heard();
    for method in ["sampling/createMessage", ELICIT, "roots/list", "vendor/ask"] {
        let id = pair.asks(method);
        let answer = pair.child.one();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32601)));
    }
    assert!(post.letters.is_empty() && listen.letters.messages().is_empty());
}

#[test]
fn what_a_client_did_not_declare_it_is_not_asked() {
    let mut pair = Pair::with(Tenancy::Private, |_| {});
    let declared = AskSet::declared(r#"{"roots":{}}"#);
    let card = card(Version::V2025_11_25, &Principal::anonymous(), pair.now);
    let front = pair.enters(FrontCard { declared, ..card });
    let listen = pair.listen(front, Vanish::Detach);
    pair.asks(ELICIT);
    assert_eq!(pair.child.one()["error"]["code"], -32601);
    pair.asks("roots/list");
    assert_eq!(listen.letters.methods(), ["roots/list"]);
}

#[test]
fn a_ping_of_the_child_is_answered_by_the_bridge() {
    for mut pair in [Pair::shared(), Pair::private().0] {
        let id = pair.asks("ping");
        assert_eq!(pair.child.one(), json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
}

#[test]
fn a_question_taken_back_is_taken_back_from_the_client() {
    let (mut pair, a) = Pair::private();
    let post = pair.tool(a, 1);
    let child_id = pair.asks(ELICIT);
    pair.says(&notice("notifications/cancelled", &json!({"requestId": child_id})));
    let told = post.letters.messages();
    assert_eq!(told[1]["params"]["requestId"], told[0]["id"]);
    pair.child.heard();
    pair.answer(a, &told[0]["id"]);
    assert!(pair.child.heard().is_empty());
    assert_eq!(pair.dropped(Dropped::StrayAnswer), 1);
}

#[test]
fn questions_end_with_the_last_call_that_may_have_caused_them() {
    let (mut pair, a) = Pair::private();
    let first = pair.tool(a, 1);
    let second = pair.tool(a, 2);
    let sent = pair.child.heard();
    pair.asks(ELICIT);
    assert_eq!(second.letters.methods(), [ELICIT], "the latest call is the likely cause");
    pair.says(&result(&sent[1], &json!({})));
    assert!(pair.child.heard().is_empty(), "it may have been the other");
    pair.says(&result(&sent[0], &json!({})));
    assert_eq!(pair.child.methods(), ["error"]);
    assert!(first.letters.answer().is_some());
    assert_eq!(pair.board.asks(), 0);
}

#[test]
fn a_client_that_leaves_answers_nothing_and_the_child_is_told() {
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    pair.asks("roots/list");
    assert_eq!(listen.letters.messages().len(), 1);
    pair.close(a);
    assert_eq!(pair.child.methods(), ["error"]);
    assert_eq!(pair.board.asks(), 0);
}

#[test]
fn more_questions_than_the_bound_are_refused() {
    let mut pair = Pair::with(Tenancy::Private, |limits| limits.asks_max = 2);
    let a = pair.session(Version::V2025_11_25);
    pair.listen(a, Vanish::Detach);
    for _ in 0..3 {
        pair.asks("roots/list");
    }
    assert_eq!(pair.child.methods(), ["error"]);
    assert_eq!(pair.board.asks(), 2);
}

#[test]
fn the_childs_handshake_ends_before_the_first_request_of_a_hasty_client() {
    let mut pair = Pair::with(Tenancy::Private, |_| {});
    let a = pair.session(Version::V2025_11_25);
    pair.tool(a, 1);
    assert_eq!(pair.child.methods(), ["notifications/initialized", "tools/call"]);
    pair.note(a, "notifications/initialized", &json!({}));
    assert!(pair.child.heard().is_empty());
    pair.note(a, "notifications/roots/list_changed", &json!({}));
    assert_eq!(pair.child.methods(), ["notifications/roots/list_changed"]);
}

#[test]
fn questions_end_however_the_call_that_caused_them_ends() {
    for end in ["cancelled", "late", "spoilt"] {
        let mut pair = Pair::with(Tenancy::Private, |limits| limits.concurrency = 1);
        let a = pair.session(Version::V2025_11_25);
        let post = pair.tool(a, 1);
        pair.call(a, 2, "tools/list", &json!({}));
        let number = pair.child.heard().last().unwrap()["id"].as_u64().unwrap();
        pair.asks(ELICIT);
        assert_eq!(post.letters.methods(), [ELICIT]);
        match end {
            "cancelled" => pair.cancel(a, 1),
            "late" => pair.wait(secs(600)),
            _ => pair.turn(|board, turn| board.spoilt(number, Refusal::Interrupted, turn)),
        }
        assert!(post.letters.answer().is_some(), "{end}");
        assert!(pair.child.methods().contains(&"error".to_owned()), "{end}");
        assert_eq!(pair.board.asks(), 0, "{end}");
    }
}

#[test]
fn a_call_that_has_not_reached_the_child_causes_no_questions() {
    let mut pair = Pair::with(Tenancy::Private, |limits| limits.concurrency = 1);
    let a = pair.session(Version::V2025_11_25);
    let first = pair.tool(a, 1);
    let waiting = pair.tool(a, 2);
    let sent = pair.child.heard().pop().unwrap();
    pair.asks(ELICIT);
    assert_eq!((first.letters.methods(), waiting.letters.is_empty()), (vec![ELICIT.into()], true));
    pair.says(&result(&sent, &json!({})));
    assert_eq!(pair.child.methods(), ["error", "tools/call"]);
}

#[test]
fn a_question_put_elsewhere_ends_with_its_call_too() {
    let (mut pair, a) = Pair::private();
    let listen = pair.listen(a, Vanish::Detach);
    let text = request(&json!(1), "tools/call", &json!({"name": "x"}));
    pair.request(pair.caller(a), false, &text);
    let sent = pair.child.one();
    pair.asks(ELICIT);
    pair.says(&result(&sent, &json!({})));
    assert_eq!(pair.child.methods(), ["error"]);
    assert_eq!(listen.letters.methods(), [ELICIT, "notifications/cancelled"]);
}

#[test]
fn a_stream_that_is_read_is_better_than_one_whose_reader_is_away() {
    let (mut pair, a) = Pair::private();
    let post = pair.tool(a, 1);
    pair.wait(secs(5));
    let first = post.letters.stream().unwrap().0.unwrap();
    pair.drop_reader(&post);
    pair.asks(ELICIT);
    let back = pair.attach(a, first);
    assert_eq!(back.letters.methods(), [ELICIT], "it waited for its reader");
    pair.drop_reader(&back);
    let listen = pair.listen(a, Vanish::Detach);
    pair.asks(ELICIT);
    assert_eq!(listen.letters.methods(), [ELICIT]);
}

#[test]
fn a_question_that_finds_no_room_and_is_not_kept_waits_for_another_stream() {
    let mut pair = Pair::with(Tenancy::Private, |_| {});
    let a = pair.session(Version::V2024_11_05);
    let post = pair.tool(a, 1);
    pair.wait(secs(5));
    post.letters.holds(0);
    pair.child.heard();
    let child_id = pair.asks(ELICIT);
    pair.wait(secs(5));
    assert_eq!(pair.child.one()["id"], child_id, "it is not lost");
}

#[test]
fn a_question_is_answered_by_who_was_asked_and_not_before() {
    let (mut pair, a) = Pair::private();
    pair.asks(ELICIT);
    pair.answer(a, &json!("ask-1"));
    assert!(pair.child.heard().is_empty(), "nobody has been asked yet");
    let listen = pair.listen(a, Vanish::Detach);
    pair.answer(FrontId(99), &listen.letters.messages()[0]["id"]);
    assert!(pair.child.heard().is_empty());
    assert_eq!((pair.dropped(Dropped::StrayAnswer), pair.board.asks()), (2, 1));
}
