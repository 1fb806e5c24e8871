//! Questions to clients without a handshake: they come as answers, and are answered by asking again.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::modern::Said;
use crate::support::stream::{Pipe, connect};
use crate::support::{Answer, Daemon, Demo, LIMIT, Modern, Record, Request, eventually};

const ERAS: [&str; 2] = ["legacy", "modern"];

fn recorded(era: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let flags = format!("--era {era} --state-key k");
    let (demo, record) = Demo::new("demo").flags(&flags).keys(keys).recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    daemon.ready("/readyz");
    (daemon, record)
}

fn call(tool: &str) -> Value {
    json!({"name": tool, "arguments": {}})
}

/// The questions of a result, and the state to bring back.
#[track_caller]
fn asked(said: &Said) -> (Vec<(String, Value)>, String) {
    let result = said.result();
    assert_eq!(result["resultType"], "input_required", "{result}");
    assert!(result.get("ttlMs").is_none() && result.get("cacheScope").is_none(), "{result}");
    let questions = result["inputRequests"].as_object().unwrap();
    for question in questions.values() {
        assert!(question["id"].is_null() && question["method"].is_string(), "{question}");
    }
    let questions = questions.iter().map(|(key, question)| (key.clone(), question.clone()));
    (questions.collect(), result["requestState"].as_str().unwrap().to_owned())
}

/// What a well-meaning client answers.
fn answer(question: &Value) -> Value {
    match question["method"].as_str() {
        Some("sampling/createMessage") => {
            json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"})
        }
        Some("roots/list") => json!({"roots": [{"uri": "file:///srv", "name": "srv"}]}),
        _ => json!({"action": "accept", "content": {
            "name": "Ann", "color": "green", "ok": true, "username": "ann", "email": "a@b.example",
            "context": "none",
        }}),
    }
}

fn answers(questions: &[(String, Value)]) -> Value {
    questions.iter().map(|(key, question)| (key.clone(), answer(question))).collect()
}

/// The request again, with answers and a state.
fn again(params: &Value, answers: &Value, state: &str) -> Value {
    let mut params = params.clone();
    params["inputResponses"] = answers.clone();
    params["requestState"] = state.into();
    params
}

/// Answers until there is nothing more to answer; gives how often that was, and what came then.
#[track_caller]
fn through(client: &Modern, method: &str, params: &Value) -> (usize, Said) {
    let mut said = client.call(method, params);
    let mut rounds = 0;
    while said.result()["resultType"] == "input_required" {
        let (questions, state) = asked(&said);
        said = client.call(method, &again(params, &answers(&questions), &state));
        rounds += 1;
        assert!(rounds < 10, "{said:?}");
    }
    assert_eq!(said.result()["resultType"], "complete");
    (rounds, said)
}

#[test]
fn t18_a_call_that_asks_goes_on_with_the_answers() {
    for era in ERAS {
        let (daemon, record) = recorded(era, "");
        let client = daemon.modern().able();
        for (tool, rounds, expected) in [
            ("test_input_required_result_elicitation", 1, "Hello, Ann!"),
            ("test_input_required_result_sampling", 1, "Paris"),
            ("test_input_required_result_list_roots", 1, "file:///srv (srv)"),
            ("test_input_required_result_request_state", 1, "state-ok"),
            (
                "test_input_required_result_multiple_inputs",
                1,
                "Paris Ann! Roots: file:///srv (srv)",
            ),
            ("test_input_required_result_multi_round", 2, "Ann likes green."),
        ] {
            let (asked, said) = through(&client, "tools/call", &call(tool));
            assert_eq!((asked, said.text()), (rounds, expected), "{era} {tool}");
        }
        let prompt = json!({"name": "test_input_required_result_prompt"});
        let (rounds, said) = through(&client, "prompts/get", &prompt);
        assert_eq!(rounds, 1);
        assert!(said.result()["messages"].is_array(), "{said:?}");
        let seen = record.raw().join("\n");
        assert!(!seen.contains("sd1."), "no child sees our seal");
    }
}

#[test]
fn t18_what_was_not_answered_is_asked_again_and_what_was_not_asked_is_let_go() {
    for era in ERAS {
        let (daemon, _) = recorded(era, "");
        let client = daemon.modern().able();
        let params = call("test_input_required_result_multiple_inputs");
        let (questions, state) = asked(&client.call("tools/call", &params));
        assert_eq!(questions.len(), 3, "all at once");
        let mut given = answers(&questions[..1]);
        given["nobody-asked"] = json!({"action": "accept"});
        let (open, state) = asked(&client.call("tools/call", &again(&params, &given, &state)));
        assert_eq!(open, questions[1..], "{era}");
        let (open, state) = asked(&client.call("tools/call", &again(&params, &json!({}), &state)));
        assert_eq!(open, questions[1..], "{era}");
        let said = client.call("tools/call", &again(&params, &answers(&open), &state));
        assert_eq!(said.text(), "Paris Ann! Roots: file:///srv (srv)", "{era}");
    }
}

#[test]
fn t18_answers_that_are_none_are_refused_and_the_call_waits_on() {
    for era in ERAS {
        let (daemon, record) = recorded(era, "");
        let client = daemon.modern().able();
        let params = call("test_input_required_result_elicitation");
        let (questions, state) = asked(&client.call("tools/call", &params));
        let key = &questions[0].0;
        for wrong in [json!(null), json!([]), json!("yes")] {
            let said = client.call("tools/call", &again(&params, &wrong, &state));
            assert_eq!(said.error(), (400, -32602), "{era} {wrong}");
        }
        for wrong in [json!(null), json!("yes"), json!(7)] {
            let said = client.call("tools/call", &again(&params, &json!({key: wrong}), &state));
            let status = if era == "legacy" { 400 } else { 200 };
            assert_eq!(
                said.error(),
                (status, -32602),
                "{era} {wrong}: the child's own error is 200"
            );
        }
        let said = client.call("tools/call", &again(&params, &answers(&questions), &state));
        assert_eq!(said.text(), "Hello, Ann!", "{era}");
        // Answers to a question that was never asked begin a call.
        let calls = record.of("tools/call").len();
        let mut first = call("test_input_required_result_elicitation");
        first["inputResponses"] = json!({key: answer(&questions[0].1)});
        let said = client.call("tools/call", &first);
        let again = said.result()["resultType"] == "input_required";
        assert_eq!(again, era == "legacy", "{era}: {said:?}");
        assert_eq!(record.of("tools/call").len(), calls + 1);
    }
}

#[test]
fn t18_a_user_who_says_no_is_heard() {
    for era in ERAS {
        let (daemon, _) = recorded(era, "");
        let client = daemon.modern().able();
        let params = json!({"name": "test_elicitation", "arguments": {"message": "Well?"}});
        for action in ["decline", "cancel"] {
            let (questions, state) = asked(&client.call("tools/call", &params));
            let no = json!({&questions[0].0: {"action": action}});
            let said = client.call("tools/call", &again(&params, &no, &state));
            assert_eq!(said.text(), format!("User response: action={action}, content={{}}"));
        }
    }
}

#[test]
fn t21_who_did_not_say_it_can_be_asked_is_not() {
    for era in ERAS {
        let (daemon, _) = recorded(era, "");
        let client = daemon.modern();
        let said = client.tool("test_missing_capability", &json!({}));
        if era == "modern" {
            assert_eq!(said.error(), (400, -32021), "{said:?}");
            let needed = &said.body()["error"]["data"]["requiredCapabilities"];
            assert_eq!(needed, &json!({"sampling": {}}));
        } else {
            assert_eq!(said.result()["isError"], true, "{said:?}");
        }
        let roots = client.can(&json!({"roots": {}}));
        let (asked, said) =
            through(&roots, "tools/call", &call("test_input_required_result_capabilities"));
        assert_eq!((asked, said.text()), (1, "Asked 1 questions, and all were answered."));
    }
}

/// What a child was sent since then of calls and answers.
fn heard(record: &Record, since: usize) -> Vec<Value> {
    record.messages().split_off(since)
}

#[test]
fn t19_a_state_opens_for_its_own_request_alone() {
    for era in ERAS {
        let desk = Desk::new();
        let token = |who: &str| {
            let file = desk.write(who, &format!("{who}-secret-0123456789"));
            format!("{{ name = {who:?}, file = {file:?} }}")
        };
        let auth = format!("[auth]\ntokens = [{}, {}]\n", token("ann"), token("bob"));
        let flags = format!("--era {era} --state-key k");
        let (a, record) = Demo::new("a").flags(&flags).recorded(&desk);
        let (b, other) = Demo::new("b").flags(&flags).recorded(&desk);
        let daemon = Daemon::at(desk, &format!("{auth}{}{}", a.toml(), b.toml()));
        daemon.ready("/readyz");
        let client = |who: &str, server: &str| {
            let client = Modern::new(daemon.address(), &format!("/servers/{server}/mcp"));
            client.able().with_token(&format!("{who}-secret-0123456789"))
        };
        let (ann, bob, elsewhere) = (client("ann", "a"), client("bob", "a"), client("ann", "b"));
        // Their children are there and known, so that nothing but calls and answers can come.
        for client in [&bob, &elsewhere] {
            client.tool("ask_roots", &json!({}));
        }
        let tool = "test_input_required_result_elicitation";
        let params = json!({"name": tool, "arguments": {"a": 1, "b": [true, null]}});
        let (questions, state) = asked(&ann.call("tools/call", &params));
        let right = again(&params, &answers(&questions), &state);
        let (before, before_other) = (record.raw().len(), other.raw().len());

        let with_state = |state: &str| again(&params, &answers(&questions), state);
        let altered = |at: usize| {
            let mut text = state.clone().into_bytes();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            with_state(std::str::from_utf8(&text).unwrap())
        };
        let mut other_arguments = right.clone();
        other_arguments["arguments"]["a"] = json!(2);
        let mut other_tool = right.clone();
        other_tool["name"] = "ask_roots".into();
        let mut no_text = right.clone();
        no_text["requestState"] = json!({"a": 1});
        let wrong = [
            ("altered", &ann, "tools/call", altered(state.len() / 2)),
            ("altered at its end", &ann, "tools/call", altered(state.len() - 2)),
            ("cut", &ann, "tools/call", with_state(&state[..state.len() - 4])),
            ("lengthened", &ann, "tools/call", with_state(&format!("{state}AAAA"))),
            ("empty", &ann, "tools/call", with_state("")),
            ("no text", &ann, "tools/call", no_text),
            ("another principal", &bob, "tools/call", right.clone()),
            ("another server", &elsewhere, "tools/call", right.clone()),
            ("other arguments", &ann, "tools/call", other_arguments),
            ("another tool", &ann, "tools/call", other_tool),
            ("another method", &ann, "prompts/get", right.clone()),
        ];
        let mut told = Vec::new();
        for (what, client, method, params) in &wrong {
            let said = client.call(method, params);
            assert_eq!(said.error(), (400, -32602), "{era} {what}: {said:?}");
            told.push(said.why().to_owned());
        }
        told.dedup();
        assert_eq!(told.len(), 1, "one and the same: {told:?}");
        assert_eq!(heard(&record, before), [] as [Value; 0], "{era}");
        assert_eq!(heard(&other, before_other), [] as [Value; 0], "{era}");

        // Spelt otherwise it is the same request.
        let mut spelt = right.clone();
        spelt["arguments"] = json!({"b": [true, null], "a": 1});
        assert_eq!(ann.call("tools/call", &spelt).text(), "Hello, Ann!", "{era}");
        let second = ann.call("tools/call", &right);
        if era == "legacy" {
            assert_eq!(second.error(), (400, -32602), "a second use");
            assert_eq!(second.why(), told[0]);
        } else {
            assert_eq!(second.text(), "Hello, Ann!", "how often is its server's business");
        }
    }
}

#[test]
fn t19_a_state_of_an_earlier_round_is_over() {
    let (daemon, record) = recorded("legacy", "");
    let client = daemon.modern().able();
    let params = call("test_input_required_result_multi_round");
    let (questions, first) = asked(&client.call("tools/call", &params));
    let retry = again(&params, &answers(&questions), &first);
    let (questions, second) = asked(&client.call("tools/call", &retry));
    let before = record.raw().len();
    assert_eq!(client.call("tools/call", &retry).error(), (400, -32602));
    assert_eq!(record.raw().len(), before);
    let said = client.call("tools/call", &again(&params, &answers(&questions), &second));
    assert_eq!(said.text(), "Ann likes green.");
}

#[test]
fn t19_of_many_who_bring_the_same_state_at_once_one_goes_on() {
    let (daemon, record) = recorded("legacy", "");
    let client = daemon.modern().able();
    let params = call("test_input_required_result_elicitation");
    let (questions, state) = asked(&client.call("tools/call", &params));
    let retry = again(&params, &answers(&questions), &state);
    let said: Vec<Said> = thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|_| scope.spawn(|| client.call("tools/call", &retry))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (good, bad): (Vec<Said>, Vec<Said>) = said.into_iter().partition(|said| said.status == 200);
    assert_eq!((good.len(), good[0].text()), (1, "Hello, Ann!"));
    assert!(bad.iter().all(|said| said.error() == (400, -32602)), "{bad:?}");
    let results = record.messages().iter().filter(|m| m["result"].is_object()).count();
    assert_eq!(results, 1, "the child has one answer to its one question");
}

/// The pid of the child a call waits at.
fn asking_child(daemon: &Daemon) -> rustix::process::Pid {
    eventually("a child with a question", || {
        let status = daemon.status();
        let children = status["servers"]["demo"]["children"].as_array()?.clone();
        let busy = children
            .iter()
            .rfind(|child| child["lane"] != "shared")
            .or_else(|| children.first())?;
        rustix::process::Pid::from_raw(i32::try_from(busy["pid"].as_i64()?).ok()?)
    })
}

#[test]
fn t20_a_child_that_dies_takes_its_questions_with_it_and_states_of_its_own_live_on() {
    for era in ERAS {
        let (daemon, record) = recorded(era, "");
        let client = daemon.modern().able();
        let params = call("test_input_required_result_elicitation");
        let (questions, state) = asked(&client.call("tools/call", &params));
        let retry = again(&params, &answers(&questions), &state);
        let seen = daemon.log().len();
        // One more is under way, and hears of the end at once.
        thread::scope(|scope| {
            let running = scope.spawn(|| client.tool("sleep", &json!({"ms": 60_000})));
            record.wait("the call", |m| m["params"]["name"] == "sleep");
            kill_process(asking_child(&daemon), Signal::KILL).unwrap();
            let said = running.join().unwrap();
            assert_eq!(said.error(), (200, -32603), "{era}: {said:?}");
            assert_eq!(said.body()["error"]["data"]["retryable"], true);
        });
        daemon.logged_after(seen, "SIGKILL");
        let before = record.of("tools/call").len();
        let said = client.call("tools/call", &retry);
        if era == "legacy" {
            assert_eq!(said.error(), (400, -32602), "{said:?}");
            assert_eq!(record.of("tools/call").len(), before);
        } else {
            assert_eq!(said.text(), "Hello, Ann!");
        }
        // And a new call is answered by a new child.
        let (_, said) = through(&client, "tools/call", &params);
        assert_eq!(said.text(), "Hello, Ann!");
        let in_flight = daemon.status()["servers"]["demo"]["children"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["in_flight"].as_u64().unwrap())
            .sum::<u64>();
        assert_eq!(in_flight, 0, "nothing is kept");
    }
}

#[test]
fn t46_after_a_restart_of_the_daemon_only_what_it_need_not_remember_goes_on() {
    for (era, signal) in [
        ("legacy", Signal::TERM),
        ("legacy", Signal::KILL),
        ("modern", Signal::TERM),
        ("modern", Signal::KILL),
    ] {
        let (daemon, record) = recorded(era, "");
        let params = call("test_input_required_result_elicitation");
        let (questions, state) = asked(&daemon.modern().able().call("tools/call", &params));
        let retry = again(&params, &answers(&questions), &state);
        let daemon = daemon.follow(signal);
        daemon.ready("/readyz");
        let before = record.of("tools/call").len();
        let client = daemon.modern().able();
        let said = client.call("tools/call", &retry);
        if era == "legacy" {
            assert_eq!(said.error(), (400, -32602), "{signal:?}: {said:?}");
            assert_eq!(record.of("tools/call").len(), before);
        } else {
            assert_eq!(said.text(), "Hello, Ann!", "{signal:?}");
        }
        let other =
            Daemon::start(&Demo::new("demo").flags(&format!("--era {era} --state-key k")).toml());
        let said = other.modern().able().call("tools/call", &retry);
        assert_eq!(said.error(), (400, -32602), "another daemon has another key: {said:?}");
    }
}

#[test]
fn t24_nobody_is_asked_what_concerns_another() {
    for era in ERAS {
        let (daemon, _) = recorded(era, "");
        thread::scope(|scope| {
            for n in 0..12 {
                let client = daemon.modern().able();
                scope.spawn(move || {
                    let message = format!("This is for number {n}.");
                    let params =
                        json!({"name": "test_elicitation", "arguments": {"message": message}});
                    let (questions, state) = asked(&client.call("tools/call", &params));
                    assert_eq!(questions.len(), 1);
                    assert_eq!(questions[0].1["params"]["message"], *message, "{era}");
                    let given =
                        json!({&questions[0].0: {"action": "accept", "content": {"username": n}}});
                    let said = client.call("tools/call", &again(&params, &given, &state));
                    let expected =
                        format!("User response: action=accept, content={{\"username\":{n}}}");
                    assert_eq!(said.text(), expected, "{era}");
                });
            }
        });
    }
}

#[test]
fn t12_who_leaves_takes_its_call_back_once_and_hears_no_more_of_it() {
    for era in ERAS {
        for (flags, progress) in [("", false), ("", true), (" --answer-cancelled", true)] {
            let (daemon, record) = recorded(&format!("{era}{flags}"), "");
            let client = daemon.modern();
            let mut sleep = client.message(
                &json!(7),
                "tools/call",
                &json!({"name": "sleep", "arguments": {"ms": 60_000}}),
            );
            if progress {
                sleep["params"]["arguments"]["ms"] = json!(2000);
                sleep["params"]["_meta"]["progressToken"] = json!("t");
                let mut events = client.post(&sleep).events();
                assert_eq!(events.message().unwrap()["params"]["progressToken"], "t");
            } else {
                leaves(&daemon, &client.request(&sleep), || record.wait_for("tools/call"));
            }
            let cancelled = record.wait_for("notifications/cancelled");
            let call = &record.of("tools/call")[0];
            assert_eq!(cancelled["params"]["requestId"], call["id"], "its own id");
            assert!(cancelled.get("id").is_none());
            // A client of the same id afterwards hears of its own call alone.
            let echo = client.message(
                &json!(7),
                "tools/call",
                &json!({"name": "sleep", "arguments": {"ms": 300}}),
            );
            let said = Said::of(client.post(&echo));
            assert_eq!((said.text(), said.messages.len()), ("Slept for 300 ms.", 1), "{era}");
            assert_eq!(record.of("notifications/cancelled").len(), 1, "{era}");
        }
    }
}

/// Sends a request and leaves without waiting for the answer, once `then` has been seen.
fn leaves<T>(daemon: &Daemon, request: &Request, then: impl FnOnce() -> T) -> T {
    let mut connection = connect(daemon.address());
    connection.write_all(&request.bytes()).unwrap();
    then()
}

/// A call that has its answers and waits for its turn at the child, while another one sleeps there.
fn with_one_held(act: impl FnOnce(&Daemon, &Record, Box<dyn Pipe>, &Request)) {
    let (daemon, record) = recorded("legacy", "");
    let client = daemon.modern().able();
    let params = call("test_input_required_result_elicitation");
    let (questions, state) = asked(&client.call("tools/call", &params));
    assert_eq!(
        record.of("notifications/cancelled").len(),
        0,
        "the connection is gone, the call is not"
    );
    let sleep = json!({"name": "sleep", "arguments": {"ms": 60_000}});
    let sleep = client.request(&client.message(&json!(1), "tools/call", &sleep));
    let retry = again(&params, &answers(&questions), &state);
    let retry = client.request(&client.message(&json!(2), "tools/call", &retry));
    leaves(&daemon, &sleep, || {
        record.wait("the other call", |m| m["params"]["name"] == "sleep");
        let mut connection = connect(daemon.address());
        connection.write_all(&retry.bytes()).unwrap();
        // Answers that are none are refused for another reason as long as the question stands.
        let none = again(&params, &json!({&questions[0].0: 7}), &state);
        eventually("it is taken up", || {
            let said = client.call("tools/call", &none);
            said.why().contains("requestState").then_some(())
        });
        act(&daemon, &record, connection, &retry);
    });
}

#[test]
fn t12_who_leaves_while_its_answers_wait_takes_its_call_back() {
    with_one_held(|daemon, record, connection, retry| {
        drop(connection);
        let cancelled = record.wait_for("notifications/cancelled");
        assert_eq!(cancelled["params"]["requestId"], record.of("tools/call")[0]["id"]);
        // What was agreed to is not done behind anybody's back.
        let told = record.wait("an answer", |m| m["method"].is_null() && m.get("id").is_some());
        assert!(told["error"].is_object(), "{told}");
        let retry = Said::of(daemon.send(retry));
        assert_eq!(retry.error(), (400, -32602), "it is over");
    });
}

#[test]
fn t20_a_child_that_dies_while_answers_wait_is_told_of_at_once() {
    with_one_held(|daemon, _, connection, retry| {
        kill_process(asking_child(daemon), Signal::KILL).unwrap();
        assert_eq!(Said::of(Answer::of(connection)).error(), (200, -32603));
        assert_eq!(Said::of(daemon.send(retry)).error(), (400, -32602));
    });
}

#[test]
fn a_call_that_waits_for_its_client_does_not_hold_up_the_stop() {
    for era in ERAS {
        let (mut daemon, _) = recorded(era, "");
        let said = daemon.modern().able().tool("ask_roots", &json!({}));
        asked(&said);
        let begun = Instant::now();
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.ended(LIMIT).code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(3), "{era}: {:?}", begun.elapsed());
    }
}
