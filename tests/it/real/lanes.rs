//! Who shares a child with whom where nobody has a session, and what such clients are told of a server's rules.

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{Mcp, tool};
use crate::support::modern::Said;
use crate::support::{Daemon, Demo, Modern, Record, eventually};

fn recorded(era: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) =
        Demo::new("demo").flags(&format!("--era {era}")).keys(keys).recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    daemon.ready("/readyz");
    (daemon, record)
}

fn children(daemon: &Daemon) -> Vec<Value> {
    daemon.status()["servers"]["demo"]["children"].as_array().unwrap().clone()
}

fn count(client: &Modern) -> String {
    client.tool("count_state", &json!({})).text().to_owned()
}

#[test]
fn where_all_share_a_child_with_a_handshake_nobody_is_asked() {
    let (daemon, record) = recorded("legacy", "mode = \"shared\"");
    let client = daemon.modern().able();
    let said = client.tool("ask_roots", &json!({}));
    assert_eq!(said.result()["isError"], true, "{said:?}");
    assert!(said.text().contains("did not declare"), "{said:?}");
    assert_eq!((count(&client), count(&daemon.modern())), ("1".to_owned(), "2".to_owned()));
    let greetings = record.of("initialize");
    assert_eq!(greetings.len(), 1);
    assert_eq!(greetings[0]["params"]["capabilities"], json!({}), "t23");
    // A child of the same era ties its questions to their calls.
    let (daemon, _) = recorded("modern", "mode = \"shared\"");
    let said = daemon.modern().able().tool("ask_roots", &json!({}));
    assert_eq!(said.result()["resultType"], "input_required");
    assert_eq!(children(&daemon).len(), 1);
}

#[test]
fn clients_that_can_be_asked_the_same_share_a_child_of_their_own() {
    for (mode, plain_is_apart) in [("auto", false), ("per-session", true)] {
        let (daemon, record) = recorded("legacy", &format!("mode = \"{mode}\""));
        let (plain, roots) = (daemon.modern(), daemon.modern().can(&json!({"roots": {}})));
        let sampling = daemon.modern().can(&json!({"sampling": {}}));
        assert_eq!(count(&plain), "1");
        assert_eq!(count(&roots), "1", "{mode}");
        assert_eq!(count(&sampling), "1");
        assert_eq!(
            (count(&roots.clone()), count(&plain.clone())),
            ("2".to_owned(), "2".to_owned())
        );
        let mut session = daemon.plain();
        let counted = session.tool("count_state", &json!({}));
        let expected = if plain_is_apart { "1" } else { "3" };
        assert_eq!(counted["result"]["content"][0]["text"], expected, "{mode}");
        let told: Vec<Value> =
            record.of("initialize").iter().map(|m| m["params"]["capabilities"].clone()).collect();
        for declared in [json!({"roots": {}}), json!({"sampling": {}})] {
            assert_eq!(told.iter().filter(|told| **told == declared).count(), 1, "{told:?}");
        }
    }
    for mode in ["auto", "per-session"] {
        let (daemon, _) = recorded("modern", &format!("mode = \"{mode}\""));
        let (plain, able) = (daemon.modern(), daemon.modern().able());
        assert_eq!((count(&plain), count(&able)), ("1".to_owned(), "2".to_owned()), "{mode}");
    }
}

#[test]
fn a_principal_shares_its_child_with_nobody() {
    let desk = Desk::new();
    let token = |who: &str| {
        let file = desk.write(who, &format!("{who}-secret-0123456789"));
        format!("{{ name = {who:?}, file = {file:?} }}")
    };
    let auth = format!("[auth]\ntokens = [{}, {}]\n", token("ann"), token("bob"));
    let daemon = Daemon::at(desk, &(auth + &Demo::new("demo").toml()));
    let [ann, bob] = ["ann", "bob"]
        .map(|who| daemon.modern().able().with_token(&format!("{who}-secret-0123456789")));
    assert_eq!(
        (count(&ann), count(&bob), count(&ann)),
        ("1".to_owned(), "1".to_owned(), "2".to_owned())
    );
}

/// Does something while the shared child works on a call of a session.
fn while_busy(daemon: &Daemon, client: &Mcp, act: impl FnOnce()) {
    std::thread::scope(|scope| {
        scope.spawn(|| client.post(&tool(&json!(1), "sleep", &json!({"ms": 1200}))).json());
        eventually("it is busy", || {
            children(daemon).iter().any(|child| child["in_flight"] == 1).then_some(())
        });
        act();
    });
}

#[test]
fn who_finds_no_child_is_told_when_to_come_back_or_shares_one() {
    for overflow in ["refuse", "share"] {
        let keys = format!("max_children = 1\noverflow = \"{overflow}\"");
        let (daemon, _) = recorded("legacy", &keys);
        let plain = daemon.plain();
        // Its tools are known before, so that the one child is not asked for them now.
        count(&daemon.modern());
        while_busy(&daemon, &plain, || {
            let client = daemon.modern().able();
            let message = client.message(&json!("o"), "tools/call", &json!({"name": "ask_roots"}));
            let answer = client.post(&message);
            if overflow == "refuse" {
                assert_eq!(answer.header("retry-after"), Some("1"));
                let said = Said::of(answer);
                assert_eq!(said.error(), (503, -32603));
                assert_eq!(said.body()["id"], "o");
                assert!(said.why().contains("max_children"), "{said:?}");
            } else {
                let said = Said::of(answer);
                assert!(said.text().contains("did not declare"), "{said:?}");
            }
            assert_eq!(count(&daemon.modern()), "2", "whoever needs no child of its own is served");
        });
        assert_eq!(children(&daemon).iter().filter(|child| child["pid"].is_i64()).count(), 1);
    }
}

#[test]
fn a_child_that_rests_is_spoken_for_where_it_introduced_itself() {
    for (era, greets) in [("legacy", "initialize"), ("modern", "server/discover")] {
        let (daemon, record) = recorded(era, "idle_stop = \"200ms\"");
        let client = daemon.modern();
        let before = client.call("server/discover", &json!({})).result().clone();
        eventually("the child rests", || {
            (children(&daemon)[0]["state"] == "stopped").then_some(())
        });
        let starts = record.of(greets).len();
        assert_eq!(client.call("server/discover", &json!({})).result(), &before);
        assert_eq!(record.of(greets).len(), starts, "{era}");
        assert_eq!(children(&daemon)[0]["state"], "stopped");
        assert_eq!(client.tool("echo", &json!({"text": "awake"})).text(), "awake");
    }
}

#[test]
fn tools_that_are_hidden_are_hidden_from_these_clients_too() {
    for era in ["legacy", "modern"] {
        let (daemon, record) = recorded(era, "tools = { deny = [\"sleep\", \"test_*\"] }");
        let client = daemon.modern();
        let listed = client.call("tools/list", &json!({}));
        let names: Vec<&str> = listed.result()["tools"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        assert!(names.contains(&"echo") && !names.contains(&"sleep"), "{names:?}");
        assert!(names.iter().all(|name| !name.starts_with("test_")), "{names:?}");
        let said = client.tool("sleep", &json!({"ms": 1}));
        assert_eq!(said.error(), (200, -32602), "as if there were none: {said:?}");
        assert_eq!(record.of("tools/call").len(), 0);
        assert_eq!(client.tool("echo", &json!({"text": "x"})).text(), "x");
    }
}

fn pools(daemon: &Daemon) -> Vec<Value> {
    children(daemon).into_iter().filter(|child| child["lane"] == "pooled").collect()
}

#[test]
fn what_clients_add_to_their_capabilities_earns_them_no_child() {
    let (daemon, record) = recorded("legacy", "");
    for n in 0..4 {
        let client = daemon.modern().can(&json!({"roots": {"listChanged": true}, "x": n}));
        assert_eq!(count(&client), (n + 1).to_string());
    }
    assert_eq!(pools(&daemon).len(), 1);
    let greetings = record.of("initialize");
    assert_eq!(greetings[greetings.len() - 1]["params"]["capabilities"], json!({"roots": {}}));
}

#[test]
fn who_no_longer_waits_for_a_child_keeps_nobody_from_one() {
    let (daemon, _) = recorded("legacy", "max_children = 1\nstart_wait = \"2s\"");
    let kind = |n: u8| daemon.modern().can(&json!({"roots": {}, "experimental": {"n": {"n": n}}}));
    // Its tools are known before, so that the one child is not asked for them now.
    count(&daemon.modern());
    let asked = kind(0).tool("ask_roots", &json!({}));
    let (questions, state) = (&asked.result()["inputRequests"], &asked.result()["requestState"]);
    let clients: Vec<Modern> = (1..6).map(kind).collect();
    std::thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| {
                let said = client.tool("count_state", &json!({}));
                assert_eq!(said.error(), (503, -32603));
                assert!(said.why().contains("max_children"), "{said:?}");
            });
        }
        eventually("all wait", || (pools(&daemon).len() == 6).then_some(()));
    });
    let left = eventually("they are gone", || {
        Some(pools(&daemon)).filter(|pools| pools.len() == 1).map(|mut pools| pools.remove(0))
    });
    assert_eq!(left["suspended"], 1, "{left}");

    let key = questions.as_object().unwrap().keys().next().unwrap();
    let said = kind(0).call(
        "tools/call",
        &json!({
            "name": "ask_roots",
            "arguments": {},
            "inputResponses": {key: {"roots": []}},
            "requestState": state,
        }),
    );
    assert_eq!(said.result()["resultType"], "complete");
    assert_eq!(count(&kind(9)), "1", "the one place is for who comes now");
}

#[test]
fn a_pool_that_nobody_calls_gets_no_new_child() {
    let (daemon, record) = {
        let desk = Desk::new();
        let (demo, record) = Demo::new("demo").flags("--era legacy --crash-tool").recorded(&desk);
        (Daemon::at(desk, &demo.toml()), record)
    };
    daemon.ready("/readyz");
    let client = daemon.modern().able();
    assert_eq!(count(&client), "1");
    let crashed = client.tool("crash", &json!({"code": 3}));
    assert!(crashed.why().contains("exited with status 3"), "{crashed:?}");
    eventually("its slot ends", || pools(&daemon).is_empty().then_some(()));
    assert_eq!(record.of("initialize").len(), 2, "the shared child and the pool's");
    assert_eq!(count(&client), "1", "the next call has a child again");
}

#[test]
fn a_server_that_starts_slowly_is_waited_for_by_who_can_be_asked_something() {
    let desk = Desk::new();
    let demo = Demo::new("demo")
        .flags("--era legacy --slow-start 5500")
        .keys("start = \"lazy\"\nprobe_wait = \"100ms\"");
    let daemon = Daemon::at(desk, &demo.toml());
    let client = daemon.modern().able();
    std::thread::scope(|scope| {
        let listed = scope.spawn(|| client.call("prompts/list", &json!({})));
        let discovered = daemon.modern().call("server/discover", &json!({}));
        assert!(discovered.why().contains("after 5 s"), "{discovered:?}");
        assert!(!discovered.why().contains("start_wait"), "{discovered:?}");
        assert!(listed.join().unwrap().result()["prompts"].is_array());
    });
}
