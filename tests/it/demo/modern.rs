//! The modern era of the built-in server: envelopes, questions in rounds, listens, hints, log levels.

use stdiod::demo::EraChoice;

use super::eras::envelope;
use super::*;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn everything() -> Value {
    json!({"sampling": {}, "elicitation": {}, "roots": {}})
}

fn start() -> Demo {
    Demo::start(DemoArgs { era: EraChoice::Modern, ..DemoArgs::default() })
}

/// A request of a client with these capabilities, and its answer, which must be the next message.
pub(super) fn ask(demo: &mut Demo, capabilities: &Value, method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = envelope(capabilities);
    demo.request(method, &params)
}

fn call(demo: &mut Demo, params: &Value) -> Value {
    ask(demo, &everything(), "tools/call", params)
}

fn begin(demo: &mut Demo, id: &Value, method: &str, params: &Value, meta: &Value) {
    let mut params = params.clone();
    params["_meta"] = envelope(&everything());
    for (name, value) in meta.as_object().unwrap() {
        params["_meta"][name] = value.clone();
    }
    demo.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
}

#[test]
fn every_request_needs_its_envelope() {
    let mut demo = start();
    assert_eq!(code(&demo.request("tools/list", &json!({}))), -32602);
    let mut meta = envelope(&json!({}));
    meta["io.modelcontextprotocol/protocolVersion"] = "v999".into();
    let refused = demo.request("tools/list", &json!({"_meta": meta}));
    assert_eq!(code(&refused), -32022);
    assert_eq!(refused["error"]["data"]["requested"], "v999");
    let mut meta = envelope(&json!({}));
    meta.as_object_mut().unwrap().remove("io.modelcontextprotocol/clientInfo");
    assert!(demo.request("tools/list", &json!({"_meta": meta}))["result"].is_object());
}

#[test]
fn what_the_era_has_no_more_is_unknown() {
    let mut demo = start();
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
        "no/such",
    ] {
        assert_eq!(code(&ask(&mut demo, &json!({}), method, &json!({}))), -32601, "{method}");
    }
    demo.print("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]\n");
    assert_eq!(code(&demo.hear()), -32600);
}

#[test]
fn every_result_has_a_type_and_those_to_keep_have_hints() {
    let mut demo = start();
    for (method, params, has_hints) in [
        ("server/discover", json!({}), true),
        ("tools/list", json!({}), true),
        ("prompts/list", json!({}), true),
        ("resources/list", json!({}), true),
        ("resources/templates/list", json!({}), true),
        ("resources/read", json!({"uri": "test://static-text"}), true),
        ("prompts/get", json!({"name": "test_simple_prompt"}), false),
        ("tools/call", json!({"name": "echo", "arguments": {"text": "a"}}), false),
    ] {
        let answer = ask(&mut demo, &json!({}), method, &params);
        let result = &answer["result"];
        assert_eq!(result["resultType"], "complete", "{method}");
        let about = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(about["name"], "stdiod-demo", "{method}");
        assert_eq!(result["ttlMs"].is_u64(), has_hints, "{method}");
        assert_eq!(result["cacheScope"].is_string(), has_hints, "{method}");
    }
    let lost = ask(&mut demo, &json!({}), "resources/read", &json!({"uri": "no:where"}));
    assert_eq!(code(&lost), -32602);
    assert_eq!(lost["error"]["data"]["uri"], "no:where");
}

#[test]
fn a_question_ends_the_round_and_its_answer_the_next() {
    let mut demo = start();
    let mut params = json!({"name": "test_input_required_result_multi_round", "arguments": {}});
    let first = call(&mut demo, &params)["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["step1"]["method"], "elicitation/create");
    assert!(first.get("ttlMs").is_none());
    params["requestState"] = first["requestState"].clone();
    params["inputResponses"] = json!({"step1": {"action": "accept", "content": {"name": "Ann"}}});
    let second = call(&mut demo, &params)["result"].clone();
    assert!(second["inputRequests"].get("step1").is_none());
    assert_ne!(second["requestState"], first["requestState"]);
    params["requestState"] = second["requestState"].clone();
    params["inputResponses"] = json!({"step2": {"action": "accept", "content": {"color": "red"}}});
    assert_eq!(said(&call(&mut demo, &params)), "Ann likes red.");
}

#[test]
fn questions_that_were_not_answered_are_asked_again_and_others_are_remembered() {
    let mut demo = start();
    let mut params = json!({"name": "test_input_required_result_multiple_inputs", "arguments": {}});
    let first = call(&mut demo, &params)["result"].clone();
    assert_eq!(first["inputRequests"].as_object().unwrap().len(), 3);
    params["requestState"] = first["requestState"].clone();
    params["inputResponses"] = json!({
        "user_name": {"action": "accept", "content": {"name": "Ann"}},
        "greeting": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hi"}},
        "what": {"is": "this"},
    });
    let second = call(&mut demo, &params)["result"].clone();
    let open: Vec<_> = second["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(open, ["client_roots"]);
    params["requestState"] = second["requestState"].clone();
    params["inputResponses"] = json!({"client_roots": {"roots": [{"uri": "file:///a"}]}});
    assert_eq!(said(&call(&mut demo, &params)), "Hi Ann! Roots: file:///a");
}

#[test]
fn a_state_is_good_for_its_own_request_only() {
    let mut demo = start();
    let mut params = json!({"name": "test_sampling", "arguments": {"prompt": "Why?"}});
    let state = call(&mut demo, &params)["result"]["requestState"].as_str().unwrap().to_owned();
    params["inputResponses"] = json!({"answer": {"content": {"type": "text", "text": "So."}}});
    params["requestState"] = format!("{state}x").into();
    assert_eq!(code(&call(&mut demo, &params)), -32602);
    params["requestState"] = state.into();
    let mut other = params.clone();
    other["arguments"]["prompt"] = "How?".into();
    assert_eq!(code(&call(&mut demo, &other)), -32602);
    assert_eq!(said(&call(&mut demo, &params)), "LLM response: So.");
    for broken in [Value::Null, json!([]), json!({"answer": 12})] {
        params["inputResponses"] = broken;
        assert_eq!(code(&call(&mut demo, &params)), -32602);
    }
}

#[test]
fn a_bare_round_has_no_state_as_long_as_nothing_is_to_be_remembered() {
    let mut demo = Demo::start(DemoArgs { bare_asks: true, ..DemoArgs::default() });
    let mut params = json!({"name": "test_input_required_result_multi_round"});
    let first = call(&mut demo, &params)["result"].clone();
    assert!(first["inputRequests"].is_object() && first.get("requestState").is_none());
    params["inputResponses"] = json!({"step1": {"action": "accept", "content": {}}});
    let second = call(&mut demo, &params)["result"].clone();
    assert!(second["inputRequests"]["step2"].is_object() && second["requestState"].is_string());
}

#[test]
fn a_forgetful_server_leaves_out_the_type_of_its_results() {
    let mut demo = Demo::start(DemoArgs { forget_result_type: true, ..DemoArgs::default() });
    let list = ask(&mut demo, &json!({}), "tools/list", &json!({}));
    assert!(list["result"]["tools"].is_array() && list["result"].get("resultType").is_none());
}

#[test]
fn a_server_may_answer_what_no_server_should() {
    let args = DemoArgs { ask_on_list: true, act_up: true, ..DemoArgs::default() };
    let mut demo = Demo::start(args);
    let asked = ask(&mut demo, &json!({}), "tools/list", &json!({}))["result"].clone();
    assert_eq!(asked["inputRequests"]["roots"]["method"], "roots/list");
    let strange = json!({"name": "act_up", "arguments": {"text": "a", "how": "strange_type"}});
    assert_eq!(call(&mut demo, &strange)["result"]["resultType"], "strange");
    begin(
        &mut demo,
        &json!("l"),
        "subscriptions/listen",
        &json!({"notifications": {}}),
        &json!({}),
    );
    assert_eq!(demo.hear()["params"]["notifications"], json!({}));
    let end = json!({"name": "act_up", "arguments": {"text": "a", "how": "end_listens"}});
    begin(&mut demo, &json!(1), "tools/call", &end, &json!({}));
    assert_eq!(demo.hear()["id"], "l");
    assert_eq!(said(&demo.hear()), "a");
}

#[test]
fn a_client_is_asked_only_what_this_request_declares() {
    let mut demo = start();
    let whatever = json!({"name": "test_input_required_result_capabilities"});
    let able = json!({"sampling": {}});
    let asked = ask(&mut demo, &able, "tools/call", &whatever)["result"]["inputRequests"].clone();
    assert_eq!(asked.as_object().unwrap().len(), 1);
    assert_eq!(asked["greeting"]["method"], "sampling/createMessage");
    let needy = json!({"name": "test_missing_capability"});
    let refused = ask(&mut demo, &json!({}), "tools/call", &needy);
    assert_eq!(code(&refused), -32021);
    assert_eq!(refused["error"]["data"]["requiredCapabilities"], json!({"sampling": {}}));
    let roots = ask(&mut demo, &json!({}), "tools/call", &json!({"name": "ask_roots"}));
    assert_eq!(roots["error"]["data"]["requiredCapabilities"], json!({"roots": {}}));
}

#[test]
fn prompts_and_resources_ask_too() {
    let mut demo = start();
    for (method, mut params, key, found) in [
        (
            "prompts/get",
            json!({"name": "test_input_required_result_prompt"}),
            "user_context",
            "/messages/0/content/text",
        ),
        ("resources/read", json!({"uri": "demo://greeting"}), "user_name", "/contents/0/text"),
    ] {
        let first = ask(&mut demo, &everything(), method, &params)["result"].clone();
        assert_eq!(first["resultType"], "input_required", "{method}");
        params["requestState"] = first["requestState"].clone();
        let content = json!({"name": "Ann", "context": "Ann"});
        params["inputResponses"] = json!({key: {"action": "accept", "content": content}});
        let answer = ask(&mut demo, &everything(), method, &params);
        let text = answer["result"].pointer(found).and_then(Value::as_str).unwrap();
        assert!(text.contains("Ann"), "{method}: {text}");
    }
}

#[test]
fn logs_come_only_to_requests_that_ask_for_them() {
    let mut demo = start();
    let tool = json!({"name": "test_logging_tool"});
    assert_eq!(said(&call(&mut demo, &tool)), "Logged.");
    let level = json!({"io.modelcontextprotocol/logLevel": "critical"});
    begin(&mut demo, &json!(1), "tools/call", &tool, &level);
    for level in ["critical", "alert", "emergency"] {
        assert_eq!(demo.hear()["params"]["level"], level);
    }
    assert_eq!(demo.hear()["id"], 1);
    let level = json!({"io.modelcontextprotocol/logLevel": "loud"});
    begin(&mut demo, &json!(2), "tools/call", &tool, &level);
    assert_eq!(code(&demo.hear()), -32602);
}

#[test]
fn a_cancelled_call_says_nothing_more() {
    let mut demo = start();
    let sleep = json!({"name": "sleep", "arguments": {"ms": 600_000}});
    begin(&mut demo, &json!("s"), "tools/call", &sleep, &json!({"progressToken": "t"}));
    demo.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "s"}}));
    let echo = call(&mut demo, &json!({"name": "echo", "arguments": {"text": "on"}}));
    assert_eq!(said(&echo), "on");
    assert!(demo.finish().is_empty());
}

#[test]
fn a_listen_is_acknowledged_first_and_hears_what_it_asked_for() {
    let mut demo = start();
    let tools = json!({"notifications": {"toolsListChanged": true, "taskIds": ["no"]}});
    let watched = json!({"notifications": {"resourceSubscriptions": ["test://watched-resource"]}});
    for (id, filter, honoured) in [
        (json!(7), &tools, json!({"toolsListChanged": true})),
        (json!("w"), &watched, watched["notifications"].clone()),
    ] {
        begin(&mut demo, &id, "subscriptions/listen", filter, &json!({}));
        let first = demo.hear();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(first["params"]["notifications"], honoured);
        assert_eq!(first["params"]["_meta"][SUBSCRIPTION], id);
    }
    for (tool, method, id) in [
        ("toggle_tool", "notifications/tools/list_changed", json!(7)),
        ("touch_resource", "notifications/resources/updated", json!("w")),
    ] {
        begin(&mut demo, &json!(1), "tools/call", &json!({"name": tool}), &json!({}));
        let news = demo.hear();
        assert_eq!(news["method"], method);
        assert_eq!(news["params"]["_meta"][SUBSCRIPTION], id);
        assert_eq!(demo.hear()["id"], 1);
    }
    let quiet = json!({"name": "test_trigger_prompt_change"});
    assert_eq!(said(&call(&mut demo, &quiet)), "Announced.");
    demo.say(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}),
    );
    assert_eq!(
        said(&call(&mut demo, &json!({"name": "toggle_tool"}))),
        "The tool surprise is gone."
    );
    assert_eq!(code(&ask(&mut demo, &json!({}), "subscriptions/listen", &json!({}))), -32602);
    let rest = demo.finish();
    let [Line::Whole(end)] = &rest[..] else { panic!("expected one end, got {rest:?}") };
    let end: Value = serde_json::from_slice(end).unwrap();
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!("w"), &json!("complete")));
    assert_eq!(end["result"]["_meta"][SUBSCRIPTION], "w");
}

#[test]
fn a_url_is_asked_for_as_the_era_does_it() {
    let args = |era| DemoArgs { era, url_tool: true, ..DemoArgs::default() };
    let mut modern = Demo::start(args(EraChoice::Modern));
    let tool = json!({"name": "visit_url"});
    let refused = call(&mut modern, &tool);
    let needed = json!({"elicitation": {"url": {}}});
    assert_eq!(refused["error"]["data"]["requiredCapabilities"], needed);
    let asked = ask(&mut modern, &needed, "tools/call", &tool);
    let question = &asked["result"]["inputRequests"]["visit"]["params"];
    assert_eq!(question["mode"], "url");
    let mut legacy = Demo::greeted(args(EraChoice::Legacy));
    legacy.call(1, "visit_url", &json!({}));
    let refused = legacy.hear();
    assert_eq!(code(&refused), -32042);
    assert!(refused["error"]["data"]["elicitations"][0]["elicitationId"].is_string());
    legacy.call(2, "visit_url", &json!({}));
    assert_eq!(said(&legacy.hear()), "Authorized.");
}

#[test]
fn the_old_era_asks_the_same_questions_by_requests() {
    let mut demo = Demo::greeted(DemoArgs::default());
    demo.call(1, "test_input_required_result_multiple_inputs", &json!({}));
    for _ in 0..3 {
        let asked = demo.hear();
        let result = match asked["method"].as_str().unwrap() {
            "elicitation/create" => json!({"action": "accept", "content": {"name": "Ann"}}),
            "sampling/createMessage" => json!({"content": {"type": "text", "text": "Hi"}}),
            "roots/list" => json!({"roots": []}),
            other => panic!("{other}"),
        };
        demo.say(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}));
    }
    assert_eq!(said(&demo.hear()), "Hi Ann! Roots: The client has no roots.");
    let mut shy = Demo::start(DemoArgs::default());
    shy.greet("2025-11-25", &json!({}));
    shy.call(1, "test_missing_capability", &json!({}));
    let asked = shy.hear();
    assert_eq!(asked["method"], "sampling/createMessage");
    let error = json!({"code": -32601, "message": "no"});
    shy.say(&json!({"jsonrpc": "2.0", "id": asked["id"], "error": error}));
    assert_eq!(shy.hear()["result"]["isError"], true);
}
