//! Rules 1 to 10: methods, statuses and sessions.

use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::{ACCEPTS, AT_ONCE, Mortal, at_once, list};
use crate::support::child::Desk;
use crate::support::mcp::{Mcp, initialize, request, tool};
use crate::support::{Answer, Daemon, Demo, Request, eventually};

const TOKEN: &str = "a-secret-0123456789";

/// A daemon that opens to this token alone.
fn guarded() -> Daemon {
    let desk = Desk::new();
    let file = desk.write("token", TOKEN);
    let auth =
        format!("[auth]\ntokens = [{{ name = \"n\", file = {:?} }}]\n", file.to_str().unwrap());
    Daemon::at(desk, &format!("{auth}{}", Demo::new("demo").toml()))
}

fn bearing(request: Request) -> Request {
    request.header("Authorization", &format!("Bearer {TOKEN}"))
}

/// For Inspector 2.12, which lists no tools if its GET meets anything but a stream or 405.
#[test]
fn c1_c2_a_get_is_a_stream_at_once_whatever_it_accepts_and_stays_one() {
    let config = format!("[http]\nkeep_alive = \"100ms\"\n{}", Demo::new("demo").toml());
    let daemon = Daemon::start(&config);
    for accept in ACCEPTS {
        let client = daemon.plain();
        let mut events = at_once(accept, || {
            let get = client.dressed(Request::listen("/mcp")).header("Accept", accept);
            let answer = client.send(&get);
            assert_eq!(answer.header("cache-control"), Some("no-cache, no-transform"));
            assert_eq!(answer.header("x-accel-buffering"), Some("no"));
            let mut events = answer.events();
            events.until("\n\n");
            events
        });
        events.until(": keep-alive\n\n: keep-alive\n\n: keep-alive\n\n");
        client.post(&tool(&json!(1), "announce_change", &json!({"list": "tools"})));
        events.until("list_changed");
    }
}

/// For mcp-remote, which waits 15 seconds for the head of its GET before it does anything else.
#[test]
fn c1_a_get_is_a_stream_at_once_whatever_the_child_does() {
    let mortal = Mortal::start("");
    let client = mortal.daemon.plain();
    mortal.freeze();
    at_once("a stream while the child hangs", || client.listen());
    mortal.kill_for_good();
    at_once("a stream while there is no child", || client.listen());
}

/// For every client that tries a GET before it has a session, or with a program that can take no stream.
#[test]
fn c2_where_there_is_no_stream_to_have_a_get_is_405_whatever_it_accepts() {
    let daemon = Daemon::demo("");
    let client = daemon.plain();
    let off = Daemon::start(&Demo::new("demo").keys("push = \"off\"").toml());
    let none = ["application/json", "text/html", "image/png"];
    let said = |answer: Answer| (answer.status, answer.header("allow").map(str::to_owned));
    for accept in ACCEPTS.into_iter().chain(none) {
        let get = Request::listen("/mcp").header("Accept", accept);
        assert_eq!(said(daemon.send(&get)), (405, Some("POST".to_owned())), "{accept}");
        assert_eq!(said(off.send(&get)), (405, Some("POST".to_owned())), "{accept}");
    }
    for accept in none {
        let get = client.dressed(Request::listen("/mcp")).header("Accept", accept);
        assert_eq!(said(client.send(&get)), (405, Some("POST, DELETE".to_owned())), "{accept}");
    }
}

/// For mcp-remote, which asks for eight such things before it says anything.
#[test]
fn c3_what_is_not_there_is_said_at_once_and_without_the_child() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags("--hang").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let guarded = guarded();
    let begun = Instant::now();
    let get = daemon.send(&Request::listen("/mcp"));
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/servers/demo/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/mcp/.well-known/openid-configuration",
    ] {
        assert_eq!(daemon.get(path).status, 404, "{path}");
        // A 401 here would be the beginning of OAuth, which is not to be had.
        assert_eq!(guarded.get(path).status, 404, "{path} without a token");
    }
    assert_eq!(daemon.post("/register", &json!({})).status, 404);
    assert_eq!(guarded.post("/register", &json!({})).status, 404);
    assert_eq!(daemon.send(&Request::new("DELETE", "/mcp")).status, 400);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let greets = ["server/discover", "initialize"];
    let methods = record.messages().into_iter().map(|message| message["method"].clone());
    assert!(methods.into_iter().all(|method| greets.iter().any(|greets| method == *greets)));
}

/// For LiteLLM 1.109, which loses all its servers over one DELETE that is not answered, and 1.81, which waits 30 s for each.
#[test]
fn c4_a_delete_is_answered_at_once_whatever_the_child_does() {
    let mortal = Mortal::start("");
    let daemon = &mortal.daemon;
    let (shared, second) = (daemon.plain(), daemon.plain());
    let private = daemon.client("/mcp", "2025-11-25", &json!({"sampling": {}}));
    let unknown = Request::new("DELETE", "/mcp").header("Mcp-Session-Id", "of-another-life");
    mortal.freeze();
    let mine = shared.clone();
    thread::scope(|scope| {
        let hanging = scope.spawn(move || mine.post(&list()).json());
        eventually("a call hangs", || {
            (daemon.status()["servers"]["demo"]["children"][0]["in_flight"] == 1).then_some(())
        });
        at_once("an end with a call under way", || assert_eq!(shared.delete().status, 200));
        assert_eq!(hanging.join().unwrap()["error"]["code"], -32800, "its session is over");
    });
    at_once("the end of a session that does not exist", || {
        assert_eq!(daemon.send(&unknown).status, 404);
    });
    for child in daemon.status()["servers"]["demo"]["children"].as_array().unwrap() {
        let pid = i32::try_from(child["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }
    at_once("an end with a child of its own that hangs", || {
        assert_eq!(private.delete().status, 200);
    });
    mortal.kill_for_good();
    at_once("an end while there is no child", || assert_eq!(second.delete().status, 200));
}

/// For 12 of 15 clients, which give the session up if a notification is refused: initialized above all.
#[test]
fn c5_notifications_are_taken_at_once_whatever_the_child_does() {
    let mortal = Mortal::start("");
    let client = mortal.daemon.plain();
    let notifies = |how: &str| {
        for (method, params) in [
            ("notifications/initialized", json!({})),
            ("notifications/cancelled", json!({"requestId": 77})),
            ("notifications/progress", json!({"progressToken": 1, "progress": 1})),
            ("notifications/roots/list_changed", json!({})),
            ("notifications/nobody/knows", json!({"x": 1})),
        ] {
            let answer = at_once(method, || client.notify(method, &params));
            assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{method}: {how}");
        }
        // Answers to questions are answered like them.
        let late = client.post(&json!({"jsonrpc": "2.0", "id": 5, "result": {}}));
        assert_eq!((late.status, late.text().as_str()), (202, ""), "{how}");
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(mortal.daemon.post("/mcp", &note).status, 202, "without a session: {how}");
    };
    notifies("all is well");
    mortal.freeze();
    notifies("the child hangs");
    mortal.kill_for_good();
    notifies("there is no child");
}

/// For Python before mcp 2 and the TypeScript SDK, which wait for their whole time limit where no answer comes on the POST.
#[test]
fn c6_every_request_is_answered_on_its_own_post() {
    let keys = "request_timeout = \"300ms\"";
    let daemon = Daemon::start(&Demo::new("demo").keys(keys).flags("--crash-tool").toml());
    let client = daemon.plain();
    for (method, params) in [
        ("ping", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "echo", "arguments": {"text": "x"}})),
        ("tools/call", json!({"name": "no-such-tool"})),
        ("tools/call", json!({"name": "sleep", "arguments": {"ms": 60_000}})),
        ("tools/call", json!({"name": "crash"})),
        ("resources/read", json!({"uri": "demo://no-such-thing"})),
        ("nobody/knows", json!({})),
        ("server/discover", json!({})),
    ] {
        for accept in
            ["application/json, text/event-stream", "application/json", "text/event-stream"]
        {
            let message = request(&json!("mine"), method, &params);
            let answer = client.send(&client.request(&message).header("Accept", accept));
            assert_eq!(answer.status, 200, "{method} {params}");
            assert!(!answer.is_stream() || accept.contains("event"), "{method}");
            let body = if answer.is_stream() {
                answer.events().messages().pop().expect("a stream ends with the answer")
            } else {
                answer.json()
            };
            assert_eq!(body["id"], "mine", "{body}");
            let (result, error) = (body.get("result"), body.get("error"));
            assert!(result.is_some() != error.is_some(), "{body}");
        }
    }
}

/// For LiteLLM 1.81, which cancels everything over a status that is no success, or a connection that closes.
#[test]
fn c7_what_a_child_does_wrong_in_a_call_is_an_error_that_names_it_on_a_200() {
    let keys = "request_timeout = \"300ms\"\nmax_message = \"64KiB\"";
    let daemon = Daemon::start(&Demo::new("demo").keys(keys).flags("--crash-tool").toml());
    let client = daemon.plain();
    let long = "x".repeat(60 << 10);
    for (call, why) in [
        (tool(&json!(1), "crash", &json!({})), "SIGABRT"),
        (tool(&json!(1), "sleep", &json!({"ms": 60_000})), "timed out"),
        (tool(&json!(1), "echo", &json!({"text": format!("{long}{long}")})), "max_message"),
    ] {
        for request in [client.request(&call), Request::post("/mcp", &call)] {
            let answer = daemon.send(&request);
            assert_eq!(answer.status, 200, "{why}");
            let error = answer.json()["error"].clone();
            assert!(error["code"].as_i64().is_some_and(|code| code != 0), "{error}");
            let said = error["message"].as_str().unwrap();
            assert!(said.contains("demo") && said.contains(why), "{said}");
        }
    }
}

/// For LiteLLM, whose every `initialize` comes without a session id: taking that for a lack of credentials was its ruin.
#[test]
fn c8_with_a_good_token_nothing_about_a_session_is_a_401() {
    let daemon = guarded();
    let begin = bearing(Request::post("/mcp", &initialize("2025-11-25", &json!({}))));
    for stale in ["", "of-another-life"] {
        let answer = daemon.send(&begin.clone().header("Mcp-Session-Id", stale));
        assert_eq!((answer.status, answer.header("mcp-session-id").is_some()), (200, true));
    }
    let ended = Mcp::with_token(daemon.address(), "/mcp", TOKEN);
    assert_eq!(ended.delete().status, 200);
    for (session, post, get) in
        [("", 200, 405), ("of-another-life", 404, 404), (&ended.session, 404, 404)]
    {
        let with = |request: Request| bearing(request).header("Mcp-Session-Id", session);
        assert_eq!(daemon.send(&with(Request::post("/mcp", &list()))).status, post, "{session}");
        assert_eq!(daemon.send(&with(Request::listen("/mcp"))).status, get, "{session}");
    }
}

/// For mcp 1.9, which says no revision, mcp-remote, which names methods in headers before its time, and all that echo their id.
#[test]
fn c10_an_id_is_given_with_the_handshake_and_taken_with_whatever_headers() {
    let daemon = Daemon::demo("");
    let client = daemon.plain();
    assert_eq!(daemon.post("/mcp", &list()).header("mcp-session-id"), None, "without a handshake");
    let modern = daemon.modern();
    let discover = modern.message(&json!(1), "server/discover", &json!({}));
    for message in [discover, modern.message(&json!(2), "tools/list", &json!({}))] {
        let answer = modern.post(&message);
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None), "{message}");
    }
    let echo = tool(&json!(1), "echo", &json!({"text": "x"}));
    for (version, method, name) in [
        ("2025-11-25", "", ""),
        ("", "", ""),
        ("2025-06-18", "tools/call", "echo"),
        ("", "tools/call", "echo"),
        ("", "tools/list", "another"),
    ] {
        let with = |request: Request| {
            let request = client.dressed(request).header("MCP-Protocol-Version", version);
            client.send(&request.header("Mcp-Method", method).header("Mcp-Name", name))
        };
        let answer = with(Request::post("/mcp", &echo));
        assert_eq!(answer.status, 200, "{version} {method}");
        assert_eq!(answer.header("mcp-session-id"), Some(client.session.as_str()));
        assert_eq!(with(Request::listen("/mcp")).status, 200, "{version} {method}");
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(with(Request::post("/mcp", &note)).status, 202, "{version} {method}");
    }
    let delete = client.dressed(Request::new("DELETE", "/mcp")).header("MCP-Protocol-Version", "");
    assert_eq!(client.send(&delete).status, 200);
    assert_eq!(client.post(&list()).json()["id"], Value::from(1), "which it no longer opens");
}
