//! The built-in server, spoken to as a client would speak to it: line by line, through two pipes.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stdiod::demo::{DemoArgs, serve};
use stdiod::wire::lines::{Line, Lines};

mod eras;
mod modern;
mod tasks;

/// A demo server on a thread, and the client's ends of its pipes.
struct Demo {
    to: Option<PipeWriter>,
    from: PipeReader,
    lines: Lines,
    server: JoinHandle<std::io::Result<()>>,
}

// === impl Demo ===

impl Demo {
    fn start(args: DemoArgs) -> Self {
        let (input, to) = pipe().unwrap();
        let (from, output) = pipe().unwrap();
        let server = thread::spawn(move || serve(args, input, output));
        Self { to: Some(to), from, lines: Lines::new(1 << 30), server }
    }

    /// A server that has shaken hands with a client that can be asked everything.
    fn greeted(args: DemoArgs) -> Self {
        let mut demo = Self::start(args);
        let everything = json!({"sampling": {}, "elicitation": {}, "roots": {}});
        demo.greet("2025-11-25", &everything);
        demo
    }

    fn greet(&mut self, version: &str, capabilities: &Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
            "protocolVersion": version,
            "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "1"},
        }}));
        let answer = self.hear();
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    fn say(&mut self, message: &Value) {
        self.print(&format!("{message}\n"));
    }

    fn print(&mut self, text: &str) {
        self.to.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn call(&mut self, id: u64, tool: &str, arguments: &Value) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments}}));
    }

    /// Sends a request and hears its answer, which must be the next message.
    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": 4711, "method": method, "params": params}));
        let answer = self.hear();
        assert_eq!(answer["id"], 4711, "{answer}");
        answer
    }

    fn line(&mut self) -> Option<Line> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(line) = self.lines.next_line() {
                return Some(line);
            }
            let count = self.from.read(&mut chunk).unwrap();
            if count == 0 {
                return self.lines.end();
            }
            self.lines.space().extend_from_slice(&chunk[..count]);
        }
    }

    fn hear(&mut self) -> Value {
        match self.line() {
            Some(Line::Whole(text)) => serde_json::from_slice(&text).unwrap(),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// Asserts that nothing stands between now and the answer to a ping, whatever time passed before.
    fn assert_silent(&mut self) {
        self.say(&json!({"jsonrpc": "2.0", "id": "silence", "method": "ping"}));
        let next = self.hear();
        assert_eq!(next, json!({"jsonrpc": "2.0", "id": "silence", "result": {}}));
    }

    /// Closes stdin and gives what the server still says.
    fn finish(mut self) -> Vec<Line> {
        self.to = None;
        let mut rest = Vec::new();
        while let Some(line) = self.line() {
            rest.push(line);
        }
        self.server.join().unwrap().unwrap();
        rest
    }
}

fn said(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}"))
}

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error in {answer}"))
}

#[test]
fn each_known_revision_is_echoed_and_others_get_the_newest_legacy_one() {
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("tomorrow", "2025-11-25"),
    ] {
        let mut demo = Demo::start(DemoArgs::default());
        let result = demo.greet(asked, &json!({}));
        assert_eq!(result["protocolVersion"], answered);
        assert_eq!(result["capabilities"]["completions"].is_null(), asked == "2024-11-05");
        assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
        assert!(demo.finish().is_empty());
    }
}

#[test]
fn before_the_handshake_only_ping_is_answered() {
    let mut demo = Demo::start(DemoArgs::default());
    assert_eq!(demo.request("ping", &json!({}))["result"], json!({}));
    assert_eq!(code(&demo.request("tools/list", &json!({}))), -32600);
    assert_eq!(code(&demo.request("tools/call", &json!({"name": "echo"}))), -32600);
    assert_eq!(code(&demo.request("server/discover", &json!({}))), -32601);
    assert_eq!(code(&demo.request("initialize", &json!({}))), -32602);
    demo.greet("2025-11-25", &json!({}));
    assert!(demo.request("tools/list", &json!({}))["result"]["tools"].is_array());
}

#[test]
fn ids_come_back_as_they_were_written() {
    let mut demo = Demo::start(DemoArgs::default());
    for id in ["7", "\"7\"", "7.0", "-1", "123456789012345678901234567890", "\"\\u00fc\""] {
        demo.print(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\r\n"));
        let Some(Line::Whole(text)) = demo.line() else { panic!("no answer") };
        let text = std::str::from_utf8(&text).unwrap();
        assert_eq!(text, format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}"));
    }
}

#[test]
fn bad_messages_get_the_error_that_fits_and_notifications_get_none() {
    let mut demo = Demo::greeted(DemoArgs::default());
    for (text, id, expected) in [
        ("{nonsense", Value::Null, -32700),
        (r#"{"jsonrpc":"2.0","id":3}"#, json!(3), -32600),
        (r#"[{"jsonrpc":"2.0","id":3,"method":"ping"}]"#, Value::Null, -32600),
        (r#"{"jsonrpc":"2.0","id":3,"method":"no/such"}"#, json!(3), -32601),
        (r#"{"jsonrpc":"2.0","id":3,"method":"tasks/list"}"#, json!(3), -32601),
        (r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":[1]}"#, json!(3), -32602),
        (r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{}}"#, json!(3), -32602),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"no_such"}}"#,
            json!(3),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":"2"}}}"#,
            json!(3),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"loud"}}"#,
            json!(3),
            -32602,
        ),
    ] {
        demo.print(&format!("{text}\n"));
        let answer = demo.hear();
        assert_eq!((&answer["id"], code(&answer)), (&id, expected), "{text}");
    }
    demo.print("{\"jsonrpc\":\"2.0\",\"method\":\"no/such\"}\n");
    demo.print("{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}\n");
    demo.print("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":99}}\n");
    demo.print("{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n");
    demo.assert_silent();
}

#[test]
fn a_batch_is_taken_apart_in_the_revision_that_has_batches() {
    let mut demo = Demo::start(DemoArgs::default());
    demo.greet("2025-03-26", &json!({}));
    demo.print(
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},7,{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]\n",
    );
    assert_eq!(demo.hear()["id"], 1);
    assert_eq!(code(&demo.hear()), -32600);
    assert_eq!(demo.hear()["id"], 2);
}

#[test]
fn every_tool_on_the_list_can_be_called_and_has_a_sound_entry() {
    let mut demo = Demo::greeted(DemoArgs::default());
    let list = demo.request("tools/list", &json!({}));
    let tools = list["result"]["tools"].as_array().unwrap().clone();
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        assert!(!tool["description"].as_str().unwrap().is_empty(), "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
    }
    for (name, arguments, expected) in [
        ("echo", json!({"text": "grüß\n"}), "grüß\n"),
        ("add", json!({"a": 2, "b": 40}), "42"),
        ("add", json!({"a": 0.5, "b": 1}), "1.5"),
        ("emit", json!({"bytes": 3}), "xxx"),
        ("count_state", json!({}), "1"),
        ("count_state", json!({}), "2"),
        ("sleep", json!({"ms": 1}), "Slept for 1 ms."),
        ("test_simple_text", json!({}), "This is a simple text response for testing."),
        ("test_multiple_content_types", json!({}), "Multiple content types test:"),
    ] {
        demo.call(1, name, &arguments);
        assert_eq!(said(&demo.hear()), expected, "{name}");
        assert!(tools.iter().any(|tool| tool["name"] == name), "{name} is not on the list");
    }
    demo.call(1, "test_error_handling", &json!({}));
    assert_eq!(demo.hear()["result"]["isError"], true);
    demo.call(1, "test_audio_content", &json!({}));
    assert_eq!(demo.hear()["result"]["content"][0]["mimeType"], "audio/wav");
    demo.call(1, "add", &json!({"a": 2, "b": 40}));
    assert_eq!(demo.hear()["result"]["structuredContent"], json!({"sum": 42}));
}

#[test]
fn a_slow_call_does_not_hold_up_the_others() {
    let mut demo = Demo::greeted(DemoArgs::default());
    demo.call(1, "sleep", &json!({"ms": 60_000}));
    demo.call(2, "sleep", &json!({"ms": 30}));
    demo.call(3, "echo", &json!({"text": "quick"}));
    assert_eq!(demo.hear()["id"], 3);
    assert_eq!(demo.hear()["id"], 2);
    let begun = Instant::now();
    assert!(demo.finish().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(30), "the end of stdin ends the slow call");
}

#[test]
fn a_cancelled_call_gives_no_answer() {
    let mut demo = Demo::greeted(DemoArgs::default());
    demo.call(1, "sleep", &json!({"ms": 200}));
    demo.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "1"}}));
    assert_eq!(demo.hear()["id"], 1, "\"1\" is not 1");
    demo.call(2, "sleep", &json!({"ms": 100}));
    demo.say(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}),
    );
    demo.call(3, "sleep", &json!({"ms": 300}));
    assert_eq!(demo.hear()["id"], 3);
    demo.assert_silent();
}

#[test]
fn progress_rises_under_its_token_and_ends_before_the_result() {
    let mut demo = Demo::greeted(DemoArgs::default());
    for (tool, arguments, token) in [
        ("sleep", json!({"ms": 20}), json!("t")),
        ("test_tool_with_progress", json!({}), json!(12)),
    ] {
        demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": token}}}));
        let mut done = Vec::new();
        let result = loop {
            let message = demo.hear();
            if message["id"] == 1 {
                break message;
            }
            assert_eq!(message["method"], "notifications/progress");
            assert_eq!(message["params"]["progressToken"], token);
            done.push(message["params"]["progress"].as_u64().unwrap());
        };
        assert!(result["result"]["content"].is_array());
        assert!(done.len() >= 3 && done.windows(2).all(|pair| pair[0] < pair[1]), "{done:?}");
    }
    demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "sleep", "arguments": {"ms": 1}, "_meta": {"progressToken": null}}}));
    assert_eq!(demo.hear()["id"], 1, "nothing is reported under a token that is none");
    demo.assert_silent();
}

#[test]
fn the_log_level_is_respected() {
    let mut demo = Demo::greeted(DemoArgs::default());
    assert_eq!(demo.request("logging/setLevel", &json!({"level": "error"}))["result"], json!({}));
    demo.call(1, "log", &json!({"level": "warning", "text": "quiet"}));
    assert_eq!(demo.hear()["id"], 1);
    demo.call(2, "log", &json!({"level": "critical", "text": "loud"}));
    let message = demo.hear();
    assert_eq!(message["method"], "notifications/message");
    assert_eq!(message["params"], json!({"level": "critical", "logger": "demo", "data": "loud"}));
    assert_eq!(demo.hear()["id"], 2);
    demo.request("logging/setLevel", &json!({"level": "debug"}));
    demo.call(3, "test_tool_with_logging", &json!({}));
    let heard: Vec<Value> = (0..4).map(|_| demo.hear()).collect();
    assert!(heard[..3].iter().all(|message| message["method"] == "notifications/message"));
    assert_eq!(heard[3]["id"], 3);
}

#[test]
fn asks_reach_the_client_and_their_answers_the_right_call() {
    let mut demo = Demo::greeted(DemoArgs::default());
    demo.call(1, "test_sampling", &json!({"prompt": "one"}));
    let first = demo.hear();
    demo.call(2, "test_sampling", &json!({"prompt": "two"}));
    let second = demo.hear();
    assert_eq!(first["method"], "sampling/createMessage");
    assert_eq!(second["params"]["messages"][0]["content"]["text"], "two");
    demo.say(&json!({"jsonrpc": "2.0", "id": second["id"], "result":
        {"role": "assistant", "model": "m", "content": {"type": "text", "text": "2"}}}));
    let answer = demo.hear();
    assert_eq!((&answer["id"], said(&answer)), (&json!(2), "LLM response: 2"));
    demo.say(&json!({"jsonrpc": "2.0", "id": first["id"], "error": {"code": -1, "message": "no"}}));
    let answer = demo.hear();
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(1), &json!(true)));

    demo.call(3, "ask_roots", &json!({}));
    let ask = demo.hear();
    demo.say(&json!({"jsonrpc": "2.0", "id": ask["id"], "result": {"roots": [
        {"uri": "file:///a", "name": "a"}, {"uri": "file:///b"}]}}));
    assert_eq!(said(&demo.hear()), "file:///a (a)\nfile:///b");

    demo.call(4, "test_elicitation", &json!({"message": "who?"}));
    let ask = demo.hear();
    assert_eq!(ask["params"]["requestedSchema"]["required"], json!(["username", "email"]));
    demo.say(&json!({"jsonrpc": "2.0", "id": ask["id"], "result": {"action": "decline"}}));
    assert_eq!(said(&demo.hear()), "User response: action=decline, content={}");
}

#[test]
fn cancelling_a_call_withdraws_its_question() {
    let mut demo = Demo::greeted(DemoArgs::default());
    demo.call(1, "test_elicitation_sep1330_enums", &json!({}));
    let ask = demo.hear();
    demo.say(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    );
    let withdrawal = demo.hear();
    assert_eq!(withdrawal["method"], "notifications/cancelled");
    assert_eq!(withdrawal["params"]["requestId"], ask["id"]);
    demo.say(&json!({"jsonrpc": "2.0", "id": ask["id"], "result": {"action": "cancel"}}));
    demo.assert_silent();
}

#[test]
fn a_client_that_cannot_be_asked_is_told_so_in_the_result() {
    for (capabilities, tool) in [
        (json!({"elicitation": {}}), "test_sampling"),
        (json!({"elicitation": {"url": {}}}), "test_elicitation"),
        (json!({}), "ask_roots"),
    ] {
        let mut demo = Demo::start(DemoArgs::default());
        demo.greet("2025-11-25", &capabilities);
        demo.call(1, tool, &json!({"prompt": "x", "message": "x"}));
        let answer = demo.hear();
        assert_eq!(answer["result"]["isError"], true, "{tool}");
        assert!(said(&answer).contains("did not declare"), "{answer}");
    }
}

#[test]
fn resources_are_read_and_unknown_ones_refused() {
    let mut demo = Demo::greeted(DemoArgs::default());
    let list = demo.request("resources/list", &json!({}));
    for entry in list["result"]["resources"].as_array().unwrap() {
        let read = demo.request("resources/read", &json!({"uri": entry["uri"]}));
        let content = &read["result"]["contents"][0];
        assert_eq!(content["uri"], entry["uri"]);
        assert_eq!(content["mimeType"], entry["mimeType"]);
        assert!(content["text"].is_string() || content["blob"].is_string(), "{content}");
    }
    let read = demo.request("resources/read", &json!({"uri": "test://template/123/data"}));
    let data: Value =
        serde_json::from_str(read["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(data["id"], "123");
    let refused = demo.request("resources/read", &json!({"uri": "test://template//data"}));
    assert_eq!(code(&refused), -32002);
    assert_eq!(refused["error"]["data"]["uri"], "test://template//data");
}

#[test]
fn only_subscribed_resources_announce_updates() {
    let mut demo = Demo::greeted(DemoArgs::default());
    let uri = json!({"uri": "test://watched-resource"});
    demo.call(1, "touch_resource", &uri);
    assert_eq!(demo.hear()["id"], 1);
    assert_eq!(demo.request("resources/subscribe", &uri)["result"], json!({}));
    demo.call(2, "touch_resource", &uri);
    assert_eq!(demo.hear()["params"], uri);
    assert_eq!(demo.hear()["id"], 2);
    assert_eq!(demo.request("resources/unsubscribe", &uri)["result"], json!({}));
    demo.call(3, "touch_resource", &uri);
    assert_eq!(demo.hear()["id"], 3);
}

#[test]
fn a_tool_comes_and_goes_and_the_change_is_announced() {
    let mut demo = Demo::greeted(DemoArgs::default());
    for expected in ["You found it.", "gone"] {
        demo.call(1, "toggle_tool", &json!({}));
        assert_eq!(demo.hear()["method"], "notifications/tools/list_changed");
        assert_eq!(demo.hear()["id"], 1);
        demo.call(2, "surprise", &json!({}));
        let answer = demo.hear();
        match expected {
            "gone" => assert_eq!(code(&answer), -32602),
            text => assert_eq!(said(&answer), text),
        }
    }
}

#[test]
fn prompts_are_filled_in_and_completed() {
    let mut demo = Demo::greeted(DemoArgs::default());
    let prompt = demo.request(
        "prompts/get",
        &json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": "x", "arg2": "y"}}),
    );
    let content = &prompt["result"]["messages"][0]["content"]["text"];
    assert_eq!(content, "Prompt with arguments: arg1='x', arg2='y'");
    let refused = demo.request("prompts/get", &json!({"name": "test_prompt_with_arguments"}));
    assert_eq!(code(&refused), -32602);
    assert_eq!(code(&demo.request("prompts/get", &json!({"name": "no_such"}))), -32602);

    let reference = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let completed = demo.request(
        "completion/complete",
        &json!({"ref": reference, "argument": {"name": "arg1", "value": "test"}}),
    );
    let expected = json!({"values": ["testValue1"], "total": 1, "hasMore": false});
    assert_eq!(completed["result"]["completion"], expected);
    assert_eq!(code(&demo.request("completion/complete", &json!({"ref": reference}))), -32602);
}

#[test]
fn pages_add_up_to_the_whole_list_and_foreign_cursors_are_refused() {
    let mut whole = Demo::greeted(DemoArgs::default());
    let mut paged = Demo::greeted(DemoArgs { page: Some(3), ..DemoArgs::default() });
    for (method, key) in
        [("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts")]
    {
        let all = whole.request(method, &json!({}))["result"].clone();
        assert!(all["nextCursor"].is_null());
        let mut gathered = Vec::new();
        let mut params = json!({});
        loop {
            let page = paged.request(method, &params)["result"].clone();
            gathered.extend(page[key].as_array().unwrap().clone());
            if page["nextCursor"].is_null() {
                break;
            }
            params = json!({"cursor": page["nextCursor"]});
        }
        assert_eq!(all[key], json!(gathered));
        for cursor in [json!(""), json!("from-0"), json!("from-9999"), json!(3)] {
            assert_eq!(code(&paged.request(method, &json!({"cursor": cursor}))), -32602);
        }
    }
}

#[test]
fn whoami_tells_names_of_variables_and_never_their_values() {
    let mut demo = Demo::greeted(DemoArgs::default());
    demo.call(1, "whoami", &json!({}));
    let about = demo.hear()["result"]["structuredContent"].clone();
    assert_eq!(about["pid"], std::process::id());
    assert_eq!(about["clientInfo"]["name"], "test");
    assert_eq!(about["capabilities"]["roots"], json!({}));
    assert!(about["environment"].as_array().unwrap().contains(&json!("PATH")));
    assert!(!about.to_string().contains(&std::env::var("PATH").unwrap()));
}

#[test]
fn a_hanging_server_reads_everything_and_answers_nothing() {
    let log = std::env::temp_dir().join(format!("stdiod-demo-{}.log", std::process::id()));
    let args = DemoArgs { hang: true, log: Some(log.clone()), ..DemoArgs::default() };
    let mut demo = Demo::start(args);
    demo.print("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\nnoise\n");
    assert!(demo.finish().is_empty());
    let logged = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    assert_eq!(logged, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\nnoise\n");
}

#[test]
fn a_server_that_hangs_in_the_handshake_still_answers_pings() {
    let mut demo = Demo::start(DemoArgs { hang_initialize: true, ..DemoArgs::default() });
    demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}}));
    demo.assert_silent();
}

#[test]
fn noise_surrounds_messages_without_touching_them() {
    let args = DemoArgs { banner: true, pieces: true, half_line: true, ..DemoArgs::default() };
    let mut demo = Demo::start(args);
    demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    let lines = demo.finish();
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let is_answer = |line: &Line| matches!(line, Line::Whole(text) if text == answer);
    assert_eq!(lines.iter().filter(|line| is_answer(line)).count(), 1);
    assert!(lines.len() > 5, "{lines:?}");
    let is_odd =
        |line: &Line| matches!(line, Line::Whole(text) if std::str::from_utf8(text).is_err());
    assert!(lines.iter().any(is_odd), "some noise is not UTF-8");
    assert!(matches!(lines.last(), Some(Line::Cut(_))), "the last line is a half one");
}

#[test]
fn other_ways_to_misbehave_do_what_they_say() {
    let mut demo = Demo::start(DemoArgs {
        array: true,
        string_ids: true,
        huge_line: Some(100_000),
        ..DemoArgs::default()
    });
    let huge = demo.hear();
    assert_eq!(huge[0]["params"]["data"].as_str().unwrap().len(), 100_000);
    demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    assert_eq!(demo.hear(), json!([{"jsonrpc": "2.0", "id": "1", "result": {}}]));

    let mut demo = Demo::start(DemoArgs {
        stray_ask: true,
        answer_cancelled: true,
        revision: stdiod::wire::version::Version::parse_legacy("2025-03-26"),
        ..DemoArgs::default()
    });
    assert_eq!(demo.greet("2025-11-25", &json!({}))["protocolVersion"], "2025-03-26");
    assert_eq!(demo.hear()["method"], "sampling/createMessage");
    demo.call(1, "sleep", &json!({"ms": 60_000}));
    demo.say(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    );
    assert_eq!(demo.hear()["id"], 1, "the answer comes although nobody wants it");
}
