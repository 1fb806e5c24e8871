//! `push = "off"`, of a server or of a token: request and response, for clients that can do no more.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ACCEPTS, at_once, list};
use crate::real::sse::Old;
use crate::support::child::Desk;
use crate::support::mcp::{Mcp, initialize, request, text, tool};
use crate::support::{Answer, Daemon, Demo, LIMIT, Record, Request, eventually};

const ABLE: &str = r#"{"sampling": {}, "elicitation": {}, "roots": {}}"#;

fn able() -> Value {
    serde_json::from_str(ABLE).unwrap()
}

fn off(flags: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let demo = Demo::new("demo").flags(flags).keys("push = \"off\"");
    let (demo, record) = demo.recorded(&desk);
    (Daemon::at(desk, &demo.toml()), record)
}

fn said(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("allow"))
}

/// Tokens by name, with what else each says, above servers.
fn guarded(desk: &Desk, tokens: &[(&str, &str)], servers: &str) -> String {
    let entry = |(name, more): &(&str, &str)| {
        let file = desk.write(name, &secret(name));
        format!("{{ name = {name:?}, file = {:?}{more} }}", file.to_str().unwrap())
    };
    let entries: Vec<String> = tokens.iter().map(entry).collect();
    format!("[auth]\ntokens = [{}]\n{servers}", entries.join(", "))
}

fn secret(name: &str) -> String {
    format!("{name}-secret-0123456789")
}

/// The same request with a token.
fn by(name: &str, request: Request) -> Request {
    request.header("Authorization", &format!("Bearer {}", secret(name)))
}

#[test]
fn push_off_means_no_sessions_and_no_streams_to_hold() {
    let (daemon, _) = off("");
    for capabilities in [json!({}), able()] {
        let greeting = daemon.post("/mcp", &initialize("2025-06-18", &capabilities));
        assert_eq!((greeting.status, greeting.header("mcp-session-id")), (200, None));
        assert_eq!(greeting.json()["result"]["protocolVersion"], "2025-06-18");
    }
    for method in ["GET", "DELETE", "PUT"] {
        for accept in ACCEPTS {
            for session in ["", "of-another-life"] {
                let request = Request::new(method, "/mcp").header("Accept", accept);
                let answer = daemon.send(&request.header("Mcp-Session-Id", session));
                assert_eq!(said(&answer), (405, Some("POST")), "{method} {accept}");
            }
        }
    }
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    for session in ["", "of-another-life"] {
        let post = |message: &Value| {
            daemon.send(&Request::post("/mcp", message).header("Mcp-Session-Id", session))
        };
        assert_eq!(post(&note).status, 202);
        // Somebody may answer what nobody asked.
        assert_eq!(post(&json!({"jsonrpc": "2.0", "id": 1, "result": {}})).status, 202);
        let answer = post(&list());
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
        assert!(answer.json()["result"]["tools"].is_array());
    }
    let status = daemon.status()["servers"]["demo"].clone();
    assert_eq!((&status["sessions"], status["children"].as_array().unwrap().len()), (&json!(0), 1));
}

/// What is offered to a client that can be told something, by the server, the path and the token.
fn offers(greeting: &Value) -> Vec<&str> {
    let capabilities = greeting["result"]["capabilities"].as_object().unwrap();
    let is_offer = |key: &&String| matches!(key.as_str(), "listChanged" | "subscribe");
    capabilities
        .values()
        .filter_map(Value::as_object)
        .flat_map(|one| one.keys())
        .filter(is_offer)
        .map(String::as_str)
        .collect()
}

#[test]
fn push_off_offers_no_news_that_nobody_could_tell() {
    for era in ["legacy", "modern"] {
        let flags = format!("--era {era}");
        let greet = |daemon: &Daemon, path: &str| {
            daemon.post(path, &initialize("2025-11-25", &able())).json()
        };
        let (daemon, _) = off(&flags);
        let quiet = greet(&daemon, "/mcp");
        assert_eq!(offers(&quiet), Vec::<&str>::new(), "{quiet}");
        assert!(quiet["result"]["capabilities"]["resources"].is_object(), "{quiet}");
        let daemon = Daemon::demo(&flags);
        assert!(!offers(&greet(&daemon, "/mcp")).is_empty());
        assert_eq!(offers(&greet(&daemon, "/mcp?push=off")), Vec::<&str>::new());
        // Clients without a handshake can be told on a stream of their own.
        let able = daemon.modern().able().call("server/discover", &json!({}));
        assert!(able.result().to_string().contains("listChanged"));
    }
}

#[test]
fn push_off_can_be_asked_for_in_the_url_of_any_server() {
    let daemon = Daemon::demo("");
    let path = "/mcp?a=b&push=off";
    let greeting = daemon.post(path, &initialize("2025-06-18", &able()));
    assert_eq!((greeting.status, greeting.header("mcp-session-id")), (200, None));
    for method in ["GET", "DELETE"] {
        assert_eq!(said(&daemon.send(&Request::new(method, path))), (405, Some("POST")));
    }
    assert!(daemon.post(path, &list()).json()["result"]["tools"].is_array());
    // More than it is given nobody can ask for.
    let (off, _) = off("");
    let greeting = off.post("/mcp?push=on", &initialize("2025-06-18", &able()));
    assert_eq!(greeting.header("mcp-session-id"), None);
    let mut old = Old::greeted(&daemon, "/sse?push=off", "2024-11-05", &able());
    let greeting = old.events.message().unwrap();
    assert_eq!(offers(&greeting), Vec::<&str>::new(), "{greeting}");
    // No child of its own either.
    assert_eq!(daemon.status()["servers"]["demo"]["children"].as_array().unwrap().len(), 1);
}

#[test]
fn a_url_is_no_way_around_sessions_where_they_are_wanted() {
    let path = "/mcp?push=off";
    for keys in ["stateful = true", "mode = \"per-session\""] {
        let daemon = Daemon::at(Desk::new(), &Demo::new("demo").keys(keys).toml());
        let greeting = daemon.post(path, &initialize("2025-06-18", &json!({})));
        assert!(greeting.header("mcp-session-id").is_some(), "{keys}");
        // Not on the child that all others share.
        let mut client = daemon.client(path, "2025-11-25", &json!({}));
        client.tool("echo", &json!({"text": "mine"}));
        let status = daemon.status()["servers"]["demo"].clone();
        let children = status["children"].as_array().unwrap();
        assert!(children.iter().any(|child| child["lane"] == "private"), "{keys}: {status}");
    }

    let desk = Desk::new();
    let servers = Demo::new("well").toml() + &Demo::new("quiet").keys("push = \"off\"").toml();
    let tokens = [("plain", ""), ("off", ", push = \"off\"")];
    let config = format!("[http]\nlenient_sessions = false\n{}", guarded(&desk, &tokens, &servers));
    let daemon = Daemon::at(desk, &config);
    for (token, server, status) in
        [("plain", "well", 400), ("off", "well", 200), ("plain", "quiet", 200)]
    {
        let path = format!("/servers/{server}/mcp?push=off");
        let call = tool(&json!(1), "echo", &json!({"text": "x"}));
        let answer = daemon.send(&by(token, Request::post(&path, &call)));
        assert_eq!(answer.status, status, "{token} at {server}");
        let greeting =
            daemon.send(&by(token, Request::post(&path, &initialize("2025-11-25", &json!({})))));
        // Who is refused without a session is given one.
        let given = greeting.header("mcp-session-id").is_some();
        assert_eq!(given, status == 400, "{token} at {server}");
    }
}

#[test]
fn push_off_leaves_progress_on_the_answer_of_a_call_and_nothing_to_take_up_again() {
    let (daemon, _) = off("");
    let mut call = tool(&json!(1), "sleep", &json!({"ms": 300}));
    call["params"]["_meta"] = json!({"progressToken": "p"});
    for version in ["", "2025-03-26", "2025-11-25"] {
        let post = Request::post("/mcp", &call).header("MCP-Protocol-Version", version);
        let mut events = daemon.send(&post).events();
        assert_eq!(events.message().unwrap()["params"]["progressToken"], "p");
        while events.next_event().is_some() {}
        let raw = events.raw();
        assert!(raw.contains("Slept for 300 ms."), "{raw}");
        // Who has seen an id comes back for the rest, and there is nowhere to come back to.
        assert!(!raw.contains("id:"), "{raw}");
    }
}

#[test]
fn push_off_refuses_questions_of_the_server_at_once_and_says_why() {
    for era in ["legacy", "modern"] {
        let (daemon, record) = off(&format!("--stray-ask --era {era}"));
        daemon.post("/mcp", &initialize("2025-11-25", &able()));
        daemon.post("/mcp", &list());
        for (name, arguments) in [
            ("test_sampling", json!({"prompt": "hm?"})),
            ("test_elicitation", json!({"message": "who?"})),
        ] {
            let answer = at_once(name, || daemon.post("/mcp", &tool(&json!(1), name, &arguments)));
            assert_eq!(answer.status, 200);
            let answer = answer.json();
            let said = answer.to_string();
            let named = match era {
                "legacy" => said.contains("client does not support") && said.contains("push = "),
                _ => said.contains("capability that its client did not declare"),
            };
            assert!(named, "{era}: {said}");
        }
        let refusals = record.messages().into_iter().filter(|m| m.get("error").is_some());
        assert!(refusals.into_iter().all(|refusal| refusal["error"]["code"] == -32601));
        let subscribe = json!({"uri": "demo://welcome"});
        let subscribe = request(&json!(1), "resources/subscribe", &subscribe);
        let error = daemon.post("/mcp", &subscribe).json()["error"].clone();
        assert!(error["message"].as_str().unwrap().contains("push is off"), "{error}");
    }
}

#[test]
fn push_off_leaves_the_first_transport_its_stream_for_answers_and_asks_nothing_on_it() {
    let (daemon, _) = off("--stray-ask");
    let mut old = Old::greeted(&daemon, "/sse", "2024-11-05", &able());
    assert_eq!(old.events.message().unwrap()["id"], 0);
    old.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let mut call = tool(&json!(1), "sleep", &json!({"ms": 100}));
    call["params"]["_meta"] = json!({"progressToken": "p"});
    old.post(&call);
    assert_eq!(old.events.message().unwrap()["params"]["progressToken"], "p");
    let answer = std::iter::from_fn(|| old.events.message()).find(|m| m["id"] == 1).unwrap();
    assert_eq!(text(&answer), "Slept for 100 ms.");
    old.post(&tool(&json!(2), "test_sampling", &json!({"prompt": "hm?"})));
    let answer = at_once("a refusal", || old.events.message().unwrap());
    assert!(text(&answer).contains("client does not support sampling"), "{answer}");
    let children = daemon.status()["servers"]["demo"]["children"].clone();
    assert_eq!(children.as_array().unwrap().len(), 1, "{children}");

    let asking = Daemon::demo("");
    for (daemon, path) in [(&daemon, "/sse"), (&asking, "/sse?push=off")] {
        let mut old = Old::greeted(daemon, path, "2024-11-05", &able());
        let demo = json!({"uri": "demo://welcome"});
        old.post(&request(&json!("s"), "resources/subscribe", &demo));
        let told = std::iter::from_fn(|| old.events.message()).find(|m| m["id"] == "s").unwrap();
        let error = &told["error"];
        assert!(error["message"].as_str().unwrap_or("").contains("push is off"), "{path}: {told}");
    }
}

#[test]
fn push_off_takes_nothing_from_clients_without_a_handshake() {
    for era in ["legacy", "modern"] {
        let (daemon, _) = off(&format!("--era {era}"));
        let client = daemon.modern().able();
        assert_eq!(client.call("server/discover", &json!({})).result()["resultType"], "complete");
        assert_eq!(client.tool("ask_roots", &json!({})).result()["resultType"], "input_required");
        let mut events = client.listen(&json!(1), &json!({"toolsListChanged": true}));
        assert_eq!(events.message().unwrap()["method"], "notifications/subscriptions/acknowledged");
        client.tool("announce_change", &json!({"list": "tools"}));
        assert_eq!(events.message().unwrap()["method"], "notifications/tools/list_changed");
    }
}

#[test]
fn a_token_has_the_last_word_on_push_whatever_the_server_says() {
    let desk = Desk::new();
    let tokens = [("plain", ""), ("off", ", push = \"off\""), ("on", ", push = \"on\"")];
    let servers = Demo::new("well").toml() + &Demo::new("quiet").keys("push = \"off\"").toml();
    let config = format!("[http]\nlenient_sessions = false\n{}", guarded(&desk, &tokens, &servers));
    let daemon = Daemon::at(desk, &config);
    for (token, server, pushes) in [
        ("plain", "well", true),
        ("off", "well", false),
        ("on", "well", true),
        ("plain", "quiet", false),
        ("off", "quiet", false),
        ("on", "quiet", true),
    ] {
        let path = format!("/servers/{server}/mcp");
        let who = format!("{token} at {server}");
        let greeting =
            daemon.send(&by(token, Request::post(&path, &initialize("2025-11-25", &able()))));
        assert_eq!(greeting.status, 200, "{who}");
        assert_eq!(greeting.header("mcp-session-id").is_some(), pushes, "{who}");
        let strict = daemon.send(&by(token, Request::post(&path, &list())));
        assert_eq!(
            strict.status,
            if pushes { 400 } else { 200 },
            "{who}: nobody is asked for what is not given"
        );
        if !pushes {
            let get = daemon.send(&by(token, Request::listen(&path)));
            assert_eq!(said(&get), (405, Some("POST")), "{who}");
            continue;
        }
        let mut client = Mcp::with_token(daemon.address(), &path, &secret(token));
        let mut listening = client.listen();
        client.tool("announce_change", &json!({"list": "tools"}));
        listening.until("list_changed");
    }
}

#[test]
fn what_a_token_says_of_push_is_taken_over_while_calls_go_on() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").recorded(&desk);
    let with = |push: &str| guarded(&desk, &[("n", push), ("other", "")], &demo.toml());
    let (on, off) = (with(""), with(", push = \"off\""));
    let daemon = Daemon::at(desk, &on);
    let open = |name: &str| Mcp::with_token(daemon.address(), "/mcp", &secret(name));
    let (client, other) = (open("n"), open("other"));
    let (mut listening, mut others) = (client.listen(), other.listen());
    let caller = client.clone();
    thread::scope(|scope| {
        let mut call = tool(&json!(1), "sleep", &json!({"ms": 2500}));
        call["params"]["_meta"] = json!({"progressToken": "p"});
        let under_way = scope.spawn(move || caller.post(&call).events().messages().pop().unwrap());
        record.wait_for("tools/call");
        assert!(daemon.reload(&off).contains("changed auth.tokens; 1 unchanged"));
        let end = Instant::now() + LIMIT;
        while listening.sip(Duration::ZERO) {
            assert!(Instant::now() < end, "it still listens");
        }
        let get = client.send(&client.dressed(Request::listen("/mcp")));
        assert_eq!(said(&get), (405, Some("POST")));
        // Its session is not there for it, and is in nobody's way.
        assert_eq!(client.post(&list()).header("mcp-session-id"), None);
        assert_eq!(text(&under_way.join().unwrap()), "Slept for 2500 ms.");
    });
    other.post(&tool(&json!(1), "announce_change", &json!({"list": "tools"})));
    others.until("list_changed");

    assert!(daemon.reload(&on).contains("changed auth.tokens; 1 unchanged"));
    let mut again = client.listen();
    other.post(&tool(&json!(1), "announce_change", &json!({"list": "resources"})));
    again.until("resources/list_changed");
    assert_eq!(record.of("initialize").len(), 1, "no child was touched");
    eventually("both listen", || {
        let get = by("n", Request::get("/status"));
        (daemon.send(&get).json()["servers"]["demo"]["sessions"] == 2).then_some(())
    });
}
