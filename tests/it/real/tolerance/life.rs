//! Rules 19 to 25: what clients notice of children that die, hang or start, and of a daemon that restarts.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::json;

use super::{AT_ONCE, Mortal, at_once, list};
use crate::support::child::Desk;
use crate::support::mcp::{initialize, text, tool};
use crate::support::{Daemon, Demo, Request, eventually};

/// LiteLLM 1.81 gives up after 30 s, most people before.
const BACK: Duration = Duration::from_secs(15);

/// For LiteLLM, which found 0 of 16 tools behind mcp-proxy after this, while health said 16 of 16.
#[test]
fn c19_after_a_child_is_killed_a_new_session_lists_and_calls() {
    for keys in ["", "idle_stop = \"10m\""] {
        let daemon = Daemon::start(&Demo::new("demo").keys(keys).toml());
        let before = daemon.plain().call("tools/list", &json!({}))["result"].clone();
        let pid = daemon.child_pid("demo");
        for _ in 0..2 {
            for child in daemon.status()["servers"]["demo"]["children"].as_array().unwrap() {
                let Some(pid) = child["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
                else {
                    continue;
                };
                kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).ok();
            }
            let killed = Instant::now();
            let mut client = daemon.plain();
            assert_eq!(client.call("tools/list", &json!({}))["result"], before, "{keys}");
            // Which the calls that follow are as good as.
            let answer = client.tool("echo", &json!({"text": "x"}));
            assert_eq!(text(&answer), "x", "{keys}");
            assert!(killed.elapsed() < BACK, "{keys}: {:?}", killed.elapsed());
        }
        assert_ne!(daemon.child_pid("demo"), pid, "{keys}");
        daemon.ready("/readyz");
    }
}

/// For the same LiteLLM: what lists while nothing can be called hides a dead server.
#[test]
fn c19_a_server_that_is_gone_neither_greets_nor_lists_nor_counts_as_healthy() {
    let mortal = Mortal::start("");
    let mut client = mortal.daemon.plain();
    client.call("tools/list", &json!({}));
    mortal.kill_for_good();
    let greeting = mortal.daemon.post("/mcp", &initialize("2025-11-25", &json!({})));
    assert_eq!((greeting.status, greeting.header("mcp-session-id")), (200, None));
    let answers = [
        greeting.json(),
        client.call("tools/list", &json!({})),
        client.tool("echo", &json!({"text": "x"})),
    ];
    for answer in answers {
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains("demo") && said.contains("status 3"), "{said}");
    }
    assert_eq!(mortal.daemon.get("/readyz").status, 503);
    assert_eq!(mortal.daemon.status()["servers"]["demo"]["children"][0]["state"], "failed");
}

/// For Python, TypeScript and FastMCP: the first call after a death is the first of the new child, and their session is the old one.
#[test]
fn c20_the_same_session_goes_on_after_each_death() {
    let daemon = Daemon::demo("");
    let sessions = [json!({}), json!({"sampling": {}, "roots": {}})];
    for capabilities in sessions {
        let mut client = daemon.client("/mcp", "2025-06-18", &capabilities);
        for n in 0..2 {
            let answer = client.tool("whoami", &json!({}));
            let pid = answer["result"]["structuredContent"]["pid"].as_i64();
            let pid = pid.unwrap_or_else(|| panic!("no pid in {answer}"));
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
            eventually("it is gone", || (!crate::support::daemon::lives(pid)).then_some(()));
            assert!(client.call("tools/list", &json!({}))["result"].is_object(), "death {n}");
        }
    }
}

/// For rmcp and mcp-remote, which begin anew as soon as they read 404, and for all whose gateway begins anew with each call.
#[test]
fn c21_after_a_restart_a_new_session_works_and_an_id_that_opens_nothing_is_404_at_once() {
    let daemon =
        Daemon::start(&Demo::new("demo").keys("mode = \"per-session\"\nstateful = true").toml());
    let mut lost = daemon.plain();
    assert_eq!(text(&lost.tool("echo", &json!({"text": "x"}))), "x");
    let daemon = daemon.follow(Signal::KILL);
    let lost = lost.at(daemon.address());
    at_once("what its child knew is gone", || assert_eq!(lost.post(&list()).status, 404));
    let forged = Request::post("/mcp", &list()).header("Mcp-Session-Id", "of-another-life");
    at_once("an id of nobody", || assert_eq!(daemon.send(&forged).status, 404));
    let begun = Instant::now();
    assert!(daemon.plain().call("tools/list", &json!({}))["result"].is_object());
    assert!(begun.elapsed() < BACK, "{:?}", begun.elapsed());
}

/// For LiteLLM, which looks at all its servers at once, and does all of it again around each call.
#[test]
fn c22_sixteen_discoveries_at_once_are_answered_by_the_children_that_are_there() {
    let names: Vec<String> = (0..4).map(|n| format!("s{n}")).collect();
    let config: String = names.iter().map(|name| Demo::new(name).toml()).collect();
    let daemon = Daemon::start(&config);
    daemon.ready("/readyz");
    let pids = || names.iter().map(|name| daemon.child_pid(name)).collect::<Vec<_>>();
    let before = pids();
    thread::scope(|scope| {
        for n in 0..16 {
            let (daemon, name) = (&daemon, &names[n % names.len()]);
            scope.spawn(move || {
                for _ in 0..3 {
                    let path = format!("/servers/{name}/mcp");
                    let mut client = daemon.client(&path, "2025-11-25", &json!({}));
                    let _listening = client.listen();
                    let tools = client.call("tools/list", &json!({}))["result"]["tools"].clone();
                    assert!(tools.as_array().unwrap().len() > 5);
                    assert_eq!(client.delete().status, 200);
                }
            });
        }
    });
    assert_eq!(pids(), before);
    for name in &names {
        let server = daemon.status()["servers"][name].clone();
        assert_eq!(server["sessions"], 0, "{server}");
        assert_eq!(server["children"].as_array().unwrap().len(), 1, "{server}");
    }
}

/// For LiteLLM 1.81, which shows nothing before the slowest server has answered, and gives it 30 s.
#[test]
fn c23_a_server_that_hangs_delays_nobody_and_is_answered_for_in_time() {
    let wait = "start_wait = \"1s\"";
    let hung = Demo::new("hung").flags("--hang").keys(wait).toml();
    let slow = Demo::new("slow").flags("--slow-start 60000").keys(wait).toml();
    let daemon = Daemon::start(&format!("{hung}{slow}{}", Demo::new("well").toml()));
    thread::scope(|scope| {
        let waiting = ["hung", "slow"].map(|name| {
            let path = format!("/servers/{name}/mcp");
            let initialize = Request::post(&path, &initialize("2025-11-25", &json!({})));
            let daemon = &daemon;
            scope.spawn(move || {
                let begun = Instant::now();
                let answer = daemon.send(&initialize);
                assert_eq!(answer.status, 200, "{path}");
                let body = if answer.is_stream() {
                    answer.events().messages().pop().unwrap()
                } else {
                    answer.json()
                };
                assert!(body["error"]["message"].is_string(), "{body}");
                begun.elapsed()
            })
        });
        let begun = Instant::now();
        for _ in 0..10 {
            let mut client = daemon.client("/servers/well/mcp", "2025-11-25", &json!({}));
            assert!(client.call("tools/list", &json!({}))["result"].is_object());
            assert_eq!(client.delete().status, 200);
        }
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        for took in waiting.map(|one| one.join().unwrap()) {
            assert!(took < Duration::from_secs(5), "as start_wait says: {took:?}");
        }
    });
}

/// For a TypeScript program with an idle limit of its own: the progress is there before the answer, on the POST, whoever asks.
#[test]
fn c24_progress_comes_on_the_post_before_the_answer_with_a_session_or_without() {
    let daemon = Daemon::start(&Demo::new("demo").toml());
    let off = Daemon::start(&Demo::new("demo").keys("push = \"off\"").toml());
    let mut call = tool(&json!("long"), "sleep", &json!({"ms": 2000}));
    call["params"]["_meta"] = json!({"progressToken": 7});
    let session = daemon.plain().request(&call);
    let post = Request::post("/mcp", &call);
    let reversed = post.clone().header("Accept", "text/event-stream, application/json");
    thread::scope(|scope| {
        for (daemon, request, who) in [
            (&daemon, &session, "a session"),
            (&daemon, &post, "nobody"),
            (&off, &post, "push is off"),
            (&daemon, &reversed, "rmcp"),
        ] {
            scope.spawn(move || {
                let mut events = daemon.send(request).events();
                assert_eq!(events.message().unwrap()["params"]["progressToken"], 7, "{who}");
                let child = daemon.status()["servers"]["demo"]["children"][0].clone();
                assert_ne!(child["in_flight"], 0, "{who} hears of it while it runs");
                let rest = events.messages();
                assert!(rest.len() > 3, "{who}: {rest:?}");
                assert_eq!(text(rest.last().unwrap()), "Slept for 2000 ms.", "{who}");
            });
        }
    });
}

/// For LiteLLM, which lists once when it starts: a refused connection then is a server without tools for ever.
#[test]
fn c25_the_doors_are_open_before_any_child_is_there() {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags("--slow-start 2000").recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    at_once("health", || assert_eq!(daemon.get("/healthz").status, 200));
    assert_eq!(daemon.get("/readyz").status, 503);
    let begun = Instant::now();
    thread::scope(|scope| {
        for n in 0..8 {
            let daemon = &daemon;
            scope.spawn(move || match n % 4 {
                0 => drop(daemon.plain()),
                1 => assert!(daemon.post("/mcp", &list()).json()["result"].is_object()),
                2 => {
                    let call = tool(&json!(1), "echo", &json!({"text": "x"}));
                    assert_eq!(text(&daemon.post("/mcp", &call).json()), "x");
                }
                _ => assert!(daemon.modern().call("tools/list", &json!({})).result().is_object()),
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(record.of("initialize").len(), 1, "all of them waited for the same");
}
