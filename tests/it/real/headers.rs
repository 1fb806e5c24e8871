//! Headers that repeat the body, for those on the way that read nothing else.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::modern::Said;
use crate::support::{Daemon, Demo, Modern, Record, Request};

const ERAS: [&str; 2] = ["legacy", "modern"];

fn recorded(flags: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let (demo, record) = Demo::new("demo").flags(flags).recorded(&desk);
    let daemon = Daemon::at(desk, &demo.toml());
    daemon.ready("/readyz");
    (daemon, record)
}

fn call(client: &Modern, name: &str, arguments: &Value) -> Request {
    let params = json!({"name": name, "arguments": arguments});
    client.request(&client.message(&json!("h"), "tools/call", &params))
}

#[track_caller]
fn mismatched(said: &Said, what: &str) {
    assert_eq!(said.error(), (400, -32020), "{what}: {said:?}");
    assert_eq!(said.body()["id"], "h", "{what}");
}

fn wrapped(text: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(text);
    format!("=?base64?{text}?=")
}

#[test]
fn t33_a_name_is_repeated_plain_padded_or_wrapped_and_no_other_way() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era}"));
        let client = daemon.modern();
        let echo = call(&client, "echo", &json!({"text": "x"}));
        for value in ["echo", "  echo", "\techo \t", &wrapped("echo")] {
            let said = Said::of(client.send(&echo.clone().header("Mcp-Name", value)));
            assert_eq!(said.text(), "x", "{era} {value:?}");
        }
        let calls = record.of("tools/call").len();
        assert_eq!(calls, 4);
        for value in [
            "",
            "add",
            "Echo",
            "echo x",
            "=?base64?ZWNobw?=",
            "=?base64?ZWNobx==?=",
            "=?base64?ZW*obw==?=",
            "=?base64??=",
            "=?BASE64?ZWNobw==?=",
            "=?base64?ZWNobw==",
            &wrapped("add"),
        ] {
            let said = Said::of(client.send(&echo.clone().header("Mcp-Name", value)));
            mismatched(&said, value);
        }
        for second in ["echo", "add"] {
            mismatched(&Said::of(client.send(&echo.clone().also("Mcp-Name", second))), "twice");
        }
        assert_eq!(record.of("tools/call").len(), calls, "no child has heard of these");
        // What is not plain comes wrapped, and is then its server's business.
        for name in ["größe", " padded ", "=?base64?eA==?="] {
            let strange = call(&client, name, &json!({})).header("Mcp-Name", &wrapped(name));
            let said = Said::of(client.send(&strange));
            assert_eq!(said.error(), (200, -32602), "{era} {name}: {said:?}");
        }
        for (method, member, value) in [
            ("prompts/get", "name", "test_simple_prompt"),
            ("resources/read", "uri", "demo://welcome"),
        ] {
            let message = client.message(&json!("h"), method, &json!({member: value}));
            let request = client.request(&message);
            assert!(Said::of(client.send(&request)).result().is_object(), "{method}");
            for wrong in ["", "something-else"] {
                let wrong = request.clone().header("Mcp-Name", wrong);
                mismatched(&Said::of(client.send(&wrong)), method);
            }
        }
        // A method without a subject needs no such header, and does not mind one.
        let list = client.request(&client.message(&json!("h"), "tools/list", &json!({})));
        let said = Said::of(client.send(&list.header("Mcp-Name", "whatever")));
        assert!(said.result()["tools"].is_array());
    }
}

/// The headers of a call, its arguments, and whether they agree.
type Row<'a> = (&'a [(&'a str, &'a str)], Value, bool);

#[test]
fn t33_annotated_arguments_are_repeated_by_headers() {
    for flags in ["--era legacy", "--era modern", "--era legacy --page 7", "--era modern --page 7"]
    {
        let (daemon, record) = recorded(flags);
        let client = daemon.modern();
        let table: &[Row<'_>] = &[
            (&[("Region", "us-west1")], json!({"region": "us-west1"}), true),
            (&[("Region", " us-west1\t")], json!({"region": "us-west1"}), true),
            (&[("Region", &wrapped("us-west1"))], json!({"region": "us-west1"}), true),
            (&[("Region", &wrapped("¡hola!"))], json!({"region": "¡hola!"}), true),
            (&[], json!({"region": "us-west1"}), false),
            (&[("Region", "us-east1")], json!({"region": "us-west1"}), false),
            (&[("Region", "US-WEST1")], json!({"region": "us-west1"}), false),
            (&[("Region", "=?base64?dXMtd2VzdDE?=")], json!({"region": "us-west1"}), false),
            (
                &[("Region", "=?base64?dXMtd2VzdDE=")],
                json!({"region": "=?base64?dXMtd2VzdDE="}),
                true,
            ),
            (
                &[("Region", "us-west1"), ("Region", "us-west1")],
                json!({"region": "us-west1"}),
                false,
            ),
            (&[("Region", "a")], json!({}), false),
            (&[("Region", "null")], json!({"region": null}), false),
            (&[], json!({"region": null}), true),
            (&[], json!({}), true),
            (&[("Region", "a"), ("Count", "42")], json!({"region": "a", "count": 42}), true),
            (&[("Region", "a"), ("Count", "42.0")], json!({"region": "a", "count": 42}), true),
            (&[("Region", "a"), ("Count", "43")], json!({"region": "a", "count": 42}), false),
            (&[("Region", "a"), ("Count", "many")], json!({"region": "a", "count": 42}), false),
            (&[("Region", "a"), ("Dry-Run", "true")], json!({"region": "a", "dry": true}), true),
            (&[("Region", "a"), ("dry-run", "false")], json!({"region": "a", "dry": false}), true),
            (&[("Region", "a"), ("Dry-Run", "True")], json!({"region": "a", "dry": true}), false),
            (&[("Region", "a"), ("Dry-Run", "false")], json!({"region": "a", "dry": true}), false),
            (
                &[("Region", "a"), ("City", "Bonn")],
                json!({"region": "a", "place": {"city": "Bonn"}}),
                true,
            ),
            (
                &[("Region", "a"), ("City", "Köln")],
                json!({"region": "a", "place": {"city": "Köln"}}),
                false,
            ),
            (&[("Region", "a")], json!({"region": "a", "place": {"city": "Bonn"}}), false),
            (&[("Region", "a")], json!({"region": "a", "place": {}}), true),
            (&[("Region", "a"), ("Note", "x")], json!({"region": "a", "note": "y"}), true),
            (&[("Region", "a"), ("Unheard-Of", "x")], json!({"region": "a"}), true),
        ];
        let mut taken = 0;
        for (headers, arguments, agrees) in table {
            let request = call(&client, "test_x_mcp_header", arguments);
            let request = headers.iter().fold(request, |request, (name, value)| {
                request.also(&format!("Mcp-Param-{name}"), value)
            });
            let said = Said::of(client.send(&request));
            let what = format!("{flags}: {headers:?} {arguments}");
            if *agrees {
                assert_eq!(
                    serde_json::from_str::<Value>(said.text()).unwrap(),
                    *arguments,
                    "{what}"
                );
                taken += 1;
            } else {
                mismatched(&said, &what);
            }
        }
        assert_eq!(record.of("tools/call").len(), taken);
        assert!(record.raw().iter().all(|line| !line.contains("Mcp-")), "no child sees headers");
        // A session is not held to it.
        let mut plain = daemon.plain();
        let said = plain.tool("test_x_mcp_header", &json!({"region": "a"}));
        assert!(said["result"].is_object(), "{said}");
    }
}

#[test]
fn calls_do_not_wait_for_tools_that_are_never_listed() {
    for era in ERAS {
        let (daemon, record) = recorded(&format!("--era {era} --hang-list"));
        let client = daemon.modern();
        let begun = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(client.tool("echo", &json!({"text": "x"})).text(), "x", "{era}");
                });
            }
        });
        // Each in its turn would take them four times the five seconds that are given to a list.
        assert!(begun.elapsed() < Duration::from_secs(10), "{era}: {:?}", begun.elapsed());
        record.wait_for("notifications/cancelled");
        let begun = Instant::now();
        assert_eq!(client.tool("echo", &json!({"text": "y"})).text(), "y", "{era}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{era}: it is not asked for each time");
        assert_eq!(record.of("tools/list").len(), 1, "{era}");
    }
}

#[test]
fn a_list_that_wakes_its_child_is_asked_for_once() {
    for era in ERAS {
        let desk = Desk::new();
        let demo = Demo::new("demo").flags(&format!("--era {era}")).keys("start = \"lazy\"");
        let (demo, record) = demo.recorded(&desk);
        let daemon = Daemon::at(desk, &demo.toml());
        let client = daemon.modern();
        for _ in 0..3 {
            assert_eq!(client.tool("echo", &json!({"text": "x"})).text(), "x");
        }
        assert_eq!(record.of("tools/list").len(), 1, "{era}");
    }
}
