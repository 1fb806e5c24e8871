//! Event streams: how they begin, break, are taken up again and end.

use serde_json::json;

use super::child::{log, progress, result, tools_changed, updated};
use super::*;

#[test]
fn t13_answers_come_on_the_standing_stream_and_its_end_cancels_all() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2024_11_05);
    let b = pair.session(Version::V2024_11_05);
    let stream = pair.listen(a, Vanish::EndSession);
    pair.listen(b, Vanish::EndSession);
    assert_eq!(stream.letters.stream(), Some((None, false)));
    for id in 1..=3 {
        pair.call_standing(a, id, "tools/call");
    }
    pair.call_standing(b, 1, "tools/call");
    let sent = pair.child.heard();
    pair.says(&result(&sent[0], &json!({})));
    assert_eq!(stream.letters.messages(), [json!({"jsonrpc": "2.0", "id": 1, "result": {}})]);

    pair.drop_reader(&stream);
    let cancelled: Vec<_> =
        pair.child.heard().iter().map(|line| line["params"]["requestId"].clone()).collect();
    assert_eq!(cancelled, [sent[1]["id"].clone(), sent[2]["id"].clone()]);
    assert_eq!(pair.fronts_gone(), [a]);
    assert_eq!((pair.board.fronts(), pair.board.calls()), (1, 1));
}

#[test]
fn t14_only_the_newest_revision_primes_and_only_the_oldest_has_no_ids() {
    let mut pair = Pair::shared();
    for (version, ids, primes) in [
        (Version::V2024_11_05, false, false),
        (Version::V2025_03_26, true, false),
        (Version::V2025_06_18, true, false),
        (Version::V2025_11_25, true, true),
    ] {
        let front = pair.session(version);
        let post = pair.tool(front, 1);
        pair.wait(secs(5));
        let listen = pair.listen(front, Vanish::Detach);
        for stream in [post.letters.stream(), listen.letters.stream()] {
            let (first, prime) = stream.unwrap();
            assert_eq!((first.is_some(), prime), (ids, primes), "{version}");
            assert!(first.is_none_or(|first| first.seq == 0));
        }
    }
    let caller = Caller::Implicit(card(Version::V2025_11_25, &Principal::anonymous(), pair.now));
    let post = pair.request(caller, true, &request(&json!(1), "tools/list", &json!({})));
    pair.wait(secs(5));
    assert_eq!(post.letters.stream(), Some((None, false)), "nobody can come back for it");
}

#[test]
fn t16_of_two_streams_each_message_goes_to_exactly_one() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let old = pair.listen(a, Vanish::Detach);
    let new = pair.listen(a, Vanish::Detach);
    for _ in 0..3 {
        pair.says(&tools_changed());
    }
    assert_eq!((old.letters.messages().len(), new.letters.messages().len()), (0, 3));
    new.letters.leave();
    pair.says(&tools_changed());
    assert_eq!((old.letters.messages().len(), new.letters.messages().len()), (1, 3));
}

#[test]
fn a_silent_call_becomes_a_stream_after_a_while_and_a_quick_one_never() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let quick = pair.tool(a, 1);
    let sent = pair.child.one();
    pair.wait(Duration::from_millis(4999));
    assert!(quick.letters.is_empty());
    pair.says(&result(&sent, &json!({})));
    assert_eq!(quick.letters.events().len(), 1);

    let slow = pair.tool(a, 2);
    pair.wait(secs(5));
    assert!(slow.letters.stream().is_some());
    pair.wait(secs(100));
    assert_eq!(slow.letters.events().len(), 1, "it is opened once");
}

#[test]
fn t41_a_slow_reader_loses_logs_and_old_progress_but_never_its_answer() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    post.letters.holds(5);
    for n in 1..1000 {
        pair.says(&progress(&sent, n));
        pair.says(&log("info", "x"));
    }
    pair.says(&result(&sent, &json!({})));
    let messages = post.letters.messages();
    assert_eq!(messages.len(), 3, "all that fits before the reserved places, and the newest");
    assert_eq!(messages[2]["params"]["progress"], 999);
    assert!(post.letters.answer().is_some());
    assert_eq!(pair.dropped(Dropped::SlowClient), 1998 - 3);
    let seqs: Vec<u64> = post.letters.ids().iter().map(|id| id.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4], "what is lost leaves no gap in the ids");
}

#[test]
fn t41_the_newest_progress_is_told_when_there_is_room_again() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let post = pair.tool_with_token(a, 1, &json!(1));
    let sent = pair.child.one();
    post.letters.holds(4);
    for n in 1..=100 {
        pair.says(&progress(&sent, n));
    }
    pair.wait(secs(3));
    assert_eq!(post.letters.messages().len(), 1);
    post.letters.holds(4);
    pair.wait(secs(1));
    let told = |post: &Post| -> Vec<Value> {
        post.letters.messages().iter().map(|m| m["params"]["progress"].clone()).collect()
    };
    assert_eq!(told(&post), [1, 100]);
    pair.wait(secs(10));
    pair.says(&progress(&sent, 101));
    assert_eq!(told(&post), [1, 100, 101], "and once each");
}

#[test]
fn t41_changed_lists_merge_while_a_standing_stream_is_full() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let stream = pair.listen(a, Vanish::Detach);
    stream.letters.holds(3);
    for _ in 0..100 {
        pair.says(&tools_changed());
    }
    assert!(!stream.letters.is_closed() && stream.letters.messages().len() == 1);
    pair.wait(secs(3));
    stream.letters.holds(9);
    pair.wait(secs(1));
    assert_eq!(stream.letters.messages().len(), 2, "one for all that were missed");
    pair.wait(secs(10));
    assert_eq!(stream.letters.messages().len(), 2);
}

#[test]
fn t41_a_standing_stream_that_is_full_is_cut_off_and_what_it_missed_is_kept() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let stream = pair.listen(a, Vanish::Detach);
    pair.call(a, 1, "resources/subscribe", &json!({"uri": "a:/"}));
    let sent = pair.child.one();
    pair.says(&result(&sent, &json!({})));
    stream.letters.holds(1);
    pair.says(&updated("a:/"));
    pair.says(&updated("a:/"));
    assert!(stream.letters.is_closed() && stream.letters.messages().len() == 1);
    let seen = *stream.letters.ids().last().unwrap();
    let back = pair.attach(a, seen);
    assert_eq!(back.letters.methods(), ["notifications/resources/updated"]);
    pair.says(&updated("a:/"));
    assert_eq!(back.letters.messages().len(), 2);
}

#[test]
fn t41_what_is_kept_for_all_sessions_is_bounded_and_the_oldest_goes_first() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.log_bytes_max = 8000);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    let mut kept = |front, id| {
        let post = pair.tool_with_token(front, id, &json!(id));
        let sent = pair.child.one();
        pair.says(&progress(&sent, 1));
        let seen = *post.letters.ids().last().unwrap();
        pair.drop_reader(&post);
        pair.says(&result(&sent, &json!({"text": "x".repeat(1900)})));
        assert!(pair.board.kept() <= 8000);
        seen
    };
    let read: Vec<EventId> = (1..=6).map(|n| kept(if n % 2 == 0 { a } else { b }, n)).collect();
    assert!(pair.dropped(Dropped::Forgotten) >= 2);
    let first = pair.attach(b, read[0]);
    assert!(matches!(first.letters.refusal(), Some(Refusal::EventGone)), "the oldest is gone");
    assert!(pair.attach(a, read[5]).letters.answer().is_some(), "the newest is there");
}

#[test]
fn closing_a_session_ends_everything_it_had() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let listen = pair.listen(a, Vanish::Detach);
    let post = pair.tool(a, 1);
    pair.wait(secs(5));
    let first = post.letters.stream().unwrap().0.unwrap();
    let sent = pair.child.one();
    pair.close(a);
    assert_eq!(post.letters.code(), Some(-32800));
    assert!(listen.letters.is_closed() && post.letters.is_closed());
    assert_eq!(pair.child.one()["params"]["requestId"], sent["id"]);
    let gone = |post: &Post| matches!(post.letters.refusal(), Some(Refusal::SessionGone));
    assert!(gone(&pair.attach(a, first)));
    assert!(gone(&pair.listen(a, Vanish::Detach)));
    assert!(gone(&pair.tool(a, 2)));
    pair.close(a);
    pair.note(a, "notifications/initialized", &json!({}));
    assert!(pair.child.heard().is_empty());
}

#[test]
fn t13_a_standing_stream_that_breaks_under_a_thousand_calls_ends_its_session_once() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 500);
    let a = pair.session(Version::V2024_11_05);
    let stream = pair.listen(a, Vanish::EndSession);
    for id in 1..=1000 {
        pair.call_standing(a, id, "tools/call");
    }
    stream.letters.leave();
    let sent = pair.child.heard();
    assert_eq!(sent.len(), 500);
    pair.says(&result(&sent[0], &json!({})));
    assert_eq!(pair.fronts_gone(), [a]);
    assert_eq!((pair.board.fronts(), pair.board.calls()), (0, 0));
    let told = pair.child.methods();
    let cancelled = told.iter().filter(|method| *method == "notifications/cancelled").count();
    assert_eq!((cancelled, told.len()), (500, 501), "one waiting call went, and was cancelled");
}

#[test]
fn calls_that_waited_in_a_session_that_ends_never_reach_the_child() {
    let mut pair = Pair::with(Tenancy::Shared, |limits| limits.concurrency = 1);
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2025_11_25));
    pair.tool(a, 1);
    pair.tool(a, 2);
    pair.tool(b, 1);
    pair.child.heard();
    pair.close(a);
    assert_eq!(pair.child.methods(), ["notifications/cancelled", "tools/call"]);
    assert_eq!(pair.board.calls(), 1);
}

#[test]
fn standing_streams_are_bounded_however_they_come() {
    let mut pair = Pair::shared();
    let a = pair.session(Version::V2025_11_25);
    let streams: Vec<Post> = (0..5).map(|_| pair.listen(a, Vanish::Detach)).collect();
    let open = |streams: &[Post]| -> Vec<bool> {
        streams.iter().map(|stream| !stream.letters.is_closed()).collect()
    };
    assert_eq!(open(&streams), [false, true, true, true, true], "the oldest makes room");
    let first = streams[0].letters.stream().unwrap().0.unwrap();
    let back = pair.attach(a, first);
    assert_eq!(open(&streams), [false, false, true, true, true]);
    let again = pair.attach(a, first);
    assert!(back.letters.is_closed(), "a stream has one reader");
    assert_eq!(open(&streams), [false, false, true, true, true]);
    assert!(!again.letters.is_closed());
    pair.drop_reader(&back);
    pair.wait(secs(600));
    pair.says(&tools_changed());
    assert_eq!(again.letters.ids().len(), 1, "whoever was replaced ends nothing by leaving");
}

#[test]
fn a_stream_whose_reader_left_before_it_was_known_is_not_standing() {
    let mut pair = Pair::shared();
    for (version, vanish) in
        [(Version::V2025_11_25, Vanish::Detach), (Version::V2024_11_05, Vanish::EndSession)]
    {
        let front = pair.session(version);
        let post = pair.post();
        pair.drop_reader(&post);
        let outlet = post.letters.clone();
        let who = pair.who(front);
        pair.order(Order::Listen { call: post.call, who, outlet, vanish });
        assert!(pair.board.is_idle() && post.letters.is_closed());
    }
    assert_eq!(pair.fronts_gone(), [FrontId(2)]);
}

#[test]
fn nothing_is_kept_when_all_have_left() {
    let mut pair = Pair::shared();
    let (a, b) = (pair.session(Version::V2025_11_25), pair.session(Version::V2024_11_05));
    let listen = pair.listen(a, Vanish::Detach);
    pair.listen(b, Vanish::EndSession);
    let post = pair.tool(a, 1);
    let sent = pair.child.one();
    pair.wait(secs(5));
    let first = post.letters.stream().unwrap().0.unwrap();
    pair.drop_reader(&post);
    let back = pair.attach(a, first);
    pair.says(&result(&sent, &json!({})));
    assert!(back.letters.answer().is_some());
    assert!(!pair.board.is_empty_handed());
    pair.close(a);
    pair.close(b);
    for post in [&listen, &post, &back] {
        pair.finish(post);
    }
    assert!(pair.board.is_empty_handed());
}
