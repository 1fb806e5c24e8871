//! Sessions: how they begin and end, whom they belong to, and which child they get.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{Mcp, initialize, request, text, tool};
use crate::support::{Daemon, Demo, Request, eventually};

/// Two tokens for everything, and one for a server that is not there.
fn guarded(desk: &Desk) -> String {
    let mut text = String::from("[auth]\ntokens = [\n");
    for (name, servers) in [("ann", "*"), ("bob", "*"), ("eve", "other")] {
        let file = desk.write(name, &format!("{name}-secret-0123456789\n"));
        let file = file.display();
        writeln!(text, "{{ name = {name:?}, file = '{file}', servers = [{servers:?}] }},").unwrap();
    }
    let anns = Demo::new("anns").keys("tokens = [\"ann\"]").toml();
    text + "]\n" + &Demo::new("demo").toml() + &Demo::new("other").toml() + &anns
}

fn refused(answer: crate::support::Answer, status: u16, id: &Value) {
    assert_eq!(answer.status, status);
    let body = answer.json();
    assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32600), id), "{body}");
}

/// For rmcp and mcp-remote, which begin anew after a 404 and after nothing else.
#[test]
fn c9_t15_a_deleted_session_is_gone_for_every_method() {
    let daemon = Daemon::demo("");
    let client = daemon.plain();
    let deleted = client.delete();
    assert_eq!((deleted.status, deleted.text().as_str()), (200, ""));
    refused(client.post(&request(&json!(3), "tools/list", &json!({}))), 404, &json!(3));
    refused(client.notify("notifications/initialized", &json!({})), 404, &Value::Null);
    refused(client.delete(), 404, &Value::Null);
    refused(client.send(&client.dressed(Request::listen("/mcp"))), 404, &Value::Null);
}

/// For rmcp and mcp-remote, which begin anew after a 404 and after nothing else.
#[test]
fn c9_t15_an_unknown_session_is_404_in_lenient_and_in_strict_mode() {
    for strict in ["", "[http]\nlenient_sessions = false\n"] {
        let daemon = Daemon::start(&format!("{strict}{}", Demo::new("demo").toml()));
        for forged in ["0123456789abcdef0123456789abcdef", "x", "not a session"] {
            let mut client = Mcp::closed(daemon.address(), "/mcp", "2025-11-25");
            forged.clone_into(&mut client.session);
            refused(client.post(&request(&json!("q"), "ping", &json!({}))), 404, &json!("q"));
            refused(client.delete(), 404, &Value::Null);
            // A new beginning is what such a client should try, and its old id does not stand in the way.
            let answer = client.initialize(&json!({}));
            assert_eq!(answer.status, 200);
            assert_ne!(answer.header("mcp-session-id"), Some(forged));
        }
    }
}

#[test]
fn t15_a_session_of_another_principal_or_server_is_404() {
    let desk = Desk::new();
    let config = guarded(&desk);
    let daemon = Daemon::at(desk, &config);
    let ann = Mcp::with_token(daemon.address(), "/servers/demo/mcp", "ann-secret-0123456789");
    let list = request(&json!(1), "tools/list", &json!({}));
    assert_eq!(ann.post(&list).status, 200);
    let as_bob = ann.request(&list).header("Authorization", "Bearer bob-secret-0123456789");
    refused(ann.send(&as_bob), 404, &json!(1));
    let elsewhere = Request::post("/servers/other/mcp", &list)
        .header("Mcp-Session-Id", &ann.session)
        .header("Authorization", "Bearer ann-secret-0123456789");
    refused(daemon.send(&elsewhere), 404, &json!(1));
    assert_eq!(ann.post(&list).status, 200, "it lives on for its owner");
}

/// For mcp-remote, which takes a 401 for the beginning of OAuth and nothing else for it.
#[test]
fn c8_without_its_token_nothing_is_said_about_a_session() {
    let desk = Desk::new();
    let config = guarded(&desk);
    let daemon = Daemon::at(desk, &config);
    let path = "/servers/demo/mcp";
    let list = request(&json!(1), "tools/list", &json!({}));
    let forged =
        |request: Request| request.header("Mcp-Session-Id", "0123456789abcdef0123456789abcdef");
    for token in ["", "Bearer wrong", "Basic YW5uOmFubg==", "Bearer", "ann-secret-0123456789"] {
        for request in [
            Request::post(path, &list),
            forged(Request::post(path, &list)),
            Request::post(path, &list).body("{ not json"),
            forged(Request::listen(path)),
            forged(Request::new("DELETE", path)),
            Request::get("/status"),
            // Nor which servers there are.
            Request::post("/servers/none/mcp", &list),
            Request::listen("/servers/demo/sse"),
        ] {
            let answer = daemon.send(&request.header("Authorization", token));
            assert_eq!(answer.status, 401, "{token:?}");
            assert!(answer.header("www-authenticate").is_some_and(|v| v.starts_with("Bearer")));
            assert_eq!(answer.json()["error"]["code"], -32600);
        }
    }
    let eve = Request::post(path, &list).header("Authorization", "Bearer eve-secret-0123456789");
    refused(daemon.send(&eve), 403, &Value::Null);
    for (token, status) in [("ann", 200), ("bob", 403), ("eve", 403)] {
        let bearer = format!("Bearer {token}-secret-0123456789");
        let narrowed = Request::post("/servers/anns/mcp", &list).header("Authorization", &bearer);
        assert_eq!(daemon.send(&narrowed).status, status, "{token}");
    }
    let good = Request::post(path, &list).header("Authorization", "bearer  ann-secret-0123456789");
    assert_eq!(daemon.send(&good).status, 200);
    assert_eq!(daemon.get("/healthz").status, 200, "health needs no token");
    assert!(!daemon.get("/").text().contains("demo"), "names are for those with a token");
    assert!(daemon.log().iter().all(|line| !line.contains("secret")));
}

#[test]
fn t23_a_shared_child_is_told_of_no_capability_and_its_questions_reach_nobody() {
    let desk = Desk::new();
    let (demo, record) =
        Demo::new("demo").flags("--stray-ask").keys("mode = \"shared\"").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let mut client =
        daemon.client("/mcp", "2025-11-25", &json!({"sampling": {}, "elicitation": {}}));
    let listening = client.listen();
    assert_eq!(record.wait_for("initialize")["params"]["capabilities"], json!({}));
    let refusal = record.wait("a refusal", |m| m.get("error").is_some());
    assert_eq!(refusal["error"]["code"], -32601, "{refusal}");
    let answer = client.tool("test_sampling", &json!({"prompt": "hello"}));
    assert!(text(&answer).contains("client does not support sampling"), "{answer}");
    client.delete();
    assert_eq!(listening.messages(), [] as [Value; 0]);
}

#[test]
fn without_a_token_only_numbers_are_told_and_with_one_only_what_it_opens() {
    let desk = Desk::new();
    let config = guarded(&desk);
    let daemon = Daemon::at(desk, &config);
    let ask = |path: &str, token: &str| {
        let request = Request::get(path);
        let request = match token {
            "" => request,
            name => request.header("Authorization", &format!("Bearer {name}-secret-0123456789")),
        };
        daemon.send(&request)
    };
    eventually("all are ready", || (ask("/readyz", "").status == 200).then_some(()));
    let stranger = ask("/readyz", "").json();
    assert_eq!(stranger["counts"], json!({"ready": 3, "all": 3}));
    assert_eq!((&stranger["servers"], &stranger["not_ready"]), (&json!([]), &json!({})));
    assert_eq!(ask("/readyz", "bob").json()["servers"], json!(["demo", "other"]));
    let seen = ask("/status", "eve").json()["servers"].clone();
    assert_eq!(seen.as_object().unwrap().keys().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn clients_that_can_be_asked_get_children_of_their_own_and_no_others_do() {
    let daemon = Daemon::demo("");
    let count = |client: &mut Mcp| text(&client.tool("count_state", &json!({}))).to_owned();
    let (mut a, mut b) = (daemon.plain(), daemon.plain());
    assert_eq!((count(&mut a), count(&mut b)), ("1".to_owned(), "2".to_owned()));
    let mut asked = daemon.client("/mcp", "2025-11-25", &json!({"roots": {}}));
    let mut other = daemon.client("/mcp", "2025-11-25", &json!({"roots": {}}));
    assert_eq!((count(&mut asked), count(&mut other)), ("1".to_owned(), "1".to_owned()));
    assert_eq!(children(&daemon), 3);
    asked.delete();
    other.delete();
    eventually("their children leave", || (children(&daemon) == 1).then_some(()));
}

fn children(daemon: &Daemon) -> usize {
    daemon.status()["servers"]["demo"]["children"].as_array().unwrap().len()
}

#[test]
fn a_private_child_hears_its_own_client_and_nothing_twice() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").keys("start = \"lazy\"").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let mut client = daemon.client("/mcp", "2025-06-18", &json!({"roots": {"listChanged": true}}));
    client.notify("notifications/roots/list_changed", &json!({}));
    record.wait_for("notifications/roots/list_changed");
    client.call("tools/list", &json!({}));
    let greetings = record.of("initialize");
    assert_eq!(greetings.len(), 1);
    assert_eq!(greetings[0]["params"]["capabilities"], json!({"roots": {"listChanged": true}}));
    assert_eq!(greetings[0]["params"]["protocolVersion"], "2025-06-18");
    assert_eq!(record.of("notifications/initialized").len(), 1);
}

#[test]
fn beyond_max_children_the_longest_idle_one_makes_room_and_comes_back() {
    let daemon = Daemon::start(&Demo::new("demo").keys("max_children = 2").toml());
    let open = || daemon.client("/mcp", "2025-11-25", &json!({"roots": {}}));
    let mut first = open();
    assert_eq!(text(&first.tool("count_state", &json!({}))), "1");
    let mut second = open();
    assert_eq!(text(&second.tool("count_state", &json!({}))), "1");
    assert_eq!(text(&first.tool("count_state", &json!({}))), "1", "on a fresh child");
    let running = daemon.status()["servers"]["demo"]["children"].clone();
    let pids = running.as_array().unwrap().iter().filter(|child| !child["pid"].is_null()).count();
    assert!(pids <= 2, "{running}");
}

#[test]
fn a_client_that_waited_in_vain_for_a_child_is_told_what_is_scarce() {
    let keys = "max_children = 1\nstart_wait = \"300ms\"";
    let daemon = Daemon::start(&Demo::new("demo").keys(keys).toml());
    let busy = daemon.plain();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| busy.post(&tool(&json!(1), "sleep", &json!({"ms": 1500}))));
        eventually("the only child is busy", || (in_flight(&daemon) == 1).then_some(()));
        let answer = daemon.post("/mcp", &initialize("2025-11-25", &json!({"roots": {}})));
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
        let body = answer.json();
        assert!(body["error"]["message"].as_str().unwrap().contains("max_children"), "{body}");
        assert_eq!(call.join().unwrap().status, 200);
    });
}

fn in_flight(daemon: &Daemon) -> u64 {
    daemon.status()["servers"]["demo"]["children"][0]["in_flight"].as_u64().unwrap()
}

#[test]
fn one_place_is_enough_for_all_who_take_turns() {
    let daemon =
        Daemon::start(&Demo::new("demo").keys("mode = \"per-session\"\nmax_children = 1").toml());
    let (mut a, mut b) = (daemon.plain(), daemon.plain());
    for client in [&mut a, &mut b] {
        assert_eq!(text(&client.tool("echo", &json!({"text": "x"}))), "x");
    }
    assert_eq!(text(&a.tool("echo", &json!({"text": "again"}))), "again");
    let listed = daemon.post("/mcp", &request(&json!(1), "tools/list", &json!({}))).json();
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    daemon.ready("/readyz");
}

#[test]
fn a_call_that_finds_its_child_leaving_waits_for_the_next() {
    let keys = "max_children = 2\nstop_grace = \"700ms\"";
    let daemon = Daemon::start(&Demo::new("demo").flags("--ignore-eof").keys(keys).toml());
    let open = || daemon.client("/mcp", "2025-11-25", &json!({"roots": {}}));
    let mut first = open();
    assert_eq!(text(&first.tool("echo", &json!({"text": "x"}))), "x");
    std::thread::scope(|scope| {
        let second = scope.spawn(open);
        daemon.logged("put to rest");
        assert_eq!(text(&first.tool("echo", &json!({"text": "y"}))), "y");
        second.join().unwrap();
    });
}

#[test]
fn a_session_is_initialised_once() {
    let daemon = Daemon::demo("");
    let mut client = daemon.plain();
    refused(client.post(&initialize("2025-11-25", &json!({}))), 400, &json!(0));
    assert_eq!(client.call("ping", &json!({}))["result"], json!({}));
}

/// For LiteLLM, which keeps no session: 1.109 opens more than four on every server for each call.
#[test]
fn c22_sessions_that_come_and_go_start_no_process_and_leave_nothing() {
    let daemon = Daemon::demo("");
    daemon.ready("/readyz");
    let pid = daemon.child_pid("demo");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut client = daemon.plain();
                    let listening = client.listen();
                    client.call("tools/list", &json!({}));
                    assert_eq!(client.delete().status, 200);
                    assert_eq!(listening.messages().len(), 0);
                }
            });
        }
    });
    assert_eq!(daemon.child_pid("demo"), pid);
    let demo = daemon.status()["servers"]["demo"].clone();
    assert_eq!((&demo["sessions"], demo["children"].as_array().unwrap().len()), (&json!(0), 1));
    let child = &demo["children"][0];
    assert_eq!((&child["sessions"], &child["in_flight"]), (&json!(0), &json!(0)), "{child}");
}

#[test]
fn a_child_sees_of_the_environment_only_what_it_is_given() {
    let desk = Desk::new();
    let keys = "env = { GIVEN = \"1\" }\npass_env = [\"PASSED\"]";
    let config = Demo::new("demo").keys(keys).toml();
    let mut command = crate::support::daemon::command();
    for name in
        ["PASSED", "SECRET_TOKEN", "LC_ALL", "HOME", "https_proxy", "STDIOD_HTTP__KEEP_ALIVE"]
    {
        command.env(name, "9s");
    }
    let daemon = Daemon::run(desk, &config, command, &["--listen", "127.0.0.1:0"]);
    let about = daemon.plain().tool("whoami", &json!({}))["result"]["structuredContent"].clone();
    // The mark by which what it starts is found again is the only thing of ours.
    let expected = ["GIVEN", "HOME", "LC_ALL", "PASSED", "PATH", "_STDIOD_CHILD", "https_proxy"];
    assert_eq!(about["environment"], json!(expected));
}

#[test]
fn tools_that_are_denied_are_neither_shown_nor_called() {
    let desk = Desk::new();
    let keys = "tools = { allow = [\"*\"], deny = [\"e*\"] }";
    let (demo, record) = Demo::new("demo").keys(keys).recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    let mut client = daemon.plain();
    let list = client.call("tools/list", &json!({}));
    let names: Vec<&str> = list["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert!(names.contains(&"add") && !names.contains(&"echo"), "{names:?}");
    assert_eq!(client.tool("echo", &json!({"text": "x"}))["error"]["code"], -32602);
    assert_eq!(record.of("tools/call"), [] as [Value; 0]);
}
