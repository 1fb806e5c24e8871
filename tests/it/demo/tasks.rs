//! Tasks of the built-in server, in the words of both revisions that have them.

use std::time::Duration;

use super::eras::envelope;
use super::modern::ask;
use super::*;

const TASKS: &str = "io.modelcontextprotocol/tasks";

fn able() -> Value {
    json!({"elicitation": {}, "extensions": {TASKS: {}}})
}

/// Asks for a task until it has come to this status.
fn wait(demo: &mut Demo, status: &str, mut get: impl FnMut(&mut Demo) -> Value) -> Value {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let found = get(demo)["result"].clone();
        if found["status"] == status {
            return found;
        }
        assert!(Instant::now() < limit, "never came to {status}: {found}");
    }
}

#[test]
fn a_modern_task_is_asked_about_answered_and_ends() {
    let mut demo = Demo::start(DemoArgs::default());
    let tool = json!({"name": "multi_input", "arguments": {}});
    let created = ask(&mut demo, &able(), "tools/call", &tool)["result"].clone();
    assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")));
    let id = json!({"taskId": created["taskId"]});
    let get = |demo: &mut Demo| ask(demo, &able(), "tasks/get", &id);
    let waiting = wait(&mut demo, "input_required", get);
    assert_eq!(waiting["inputRequests"].as_object().unwrap().len(), 2);
    for key in ["name", "confirm"] {
        let mut params = id.clone();
        params["inputResponses"] = json!({key: {"action": "accept", "content": {}}, "x": {}});
        let answer = ask(&mut demo, &able(), "tasks/update", &params);
        assert_eq!(answer["result"]["resultType"], "complete");
        if key == "name" {
            let left = get(&mut demo)["result"]["inputRequests"].clone();
            assert_eq!(left.as_object().unwrap().keys().collect::<Vec<_>>(), ["confirm"]);
        }
    }
    let over = wait(&mut demo, "completed", get);
    assert_eq!(over["result"]["content"][0]["text"], "Both were answered.");
}

#[test]
fn a_modern_task_can_be_cancelled_and_heard_of() {
    let mut demo = Demo::start(DemoArgs::default());
    let tool = json!({"name": "slow_compute", "arguments": {"seconds": 600}});
    let created = ask(&mut demo, &able(), "tools/call", &tool)["result"].clone();
    let id = json!({"taskId": created["taskId"]});
    demo.say(&json!({"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": {
        "notifications": {"taskIds": [created["taskId"]]},
        "_meta": envelope(&able()),
    }}));
    let honoured = json!({"taskIds": [created["taskId"]]});
    assert_eq!(demo.hear()["params"]["notifications"], honoured);
    let mut params = id.clone();
    params["_meta"] = envelope(&able());
    demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/cancel", "params": params}));
    let news = demo.hear();
    assert_eq!(news["method"], "notifications/tasks");
    assert_eq!(news["params"]["status"], "cancelled");
    assert_eq!(demo.hear()["id"], 1);
    assert_eq!(ask(&mut demo, &able(), "tasks/get", &id)["result"]["status"], "cancelled");
    assert!(ask(&mut demo, &able(), "tasks/cancel", &id)["result"].is_object());
    let unknown = json!({"taskId": "no"});
    assert_eq!(code(&ask(&mut demo, &able(), "tasks/get", &unknown)), -32602);
}

#[test]
fn who_knows_no_tasks_gets_a_result_or_is_told_what_is_missing() {
    let mut demo = Demo::start(DemoArgs::default());
    let none = json!({});
    let quick = json!({"name": "slow_compute", "arguments": {"seconds": 0}});
    assert_eq!(said(&ask(&mut demo, &none, "tools/call", &quick)), "Computed for 0 s.");
    for (method, params) in
        [("tools/call", json!({"name": "failing_job"})), ("tasks/get", json!({"taskId": "no"}))]
    {
        let refused = ask(&mut demo, &none, method, &params);
        assert_eq!(code(&refused), -32021);
        let needed = &refused["error"]["data"]["requiredCapabilities"];
        assert_eq!(*needed, json!({"extensions": {TASKS: {}}}));
    }
}

#[test]
fn a_legacy_task_is_wanted_by_the_client_and_asks_by_requests() {
    let args = DemoArgs { legacy_tasks: true, ..DemoArgs::default() };
    let mut demo = Demo::greeted(args);
    demo.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "confirm_delete", "arguments": {"filename": "a"}, "task": {"ttl": 1000},
    }}));
    let created = demo.hear()["result"]["task"].clone();
    assert_eq!(created["status"], "working");
    assert!(created["ttl"].is_u64() && created["createdAt"].is_string());
    let status = demo.hear();
    assert_eq!(status["method"], "notifications/tasks/status");
    assert_eq!(status["params"]["status"], "input_required");
    let asked = demo.hear();
    let related = &asked["params"]["_meta"]["io.modelcontextprotocol/related-task"];
    assert_eq!(related["taskId"], created["taskId"]);
    let id = json!({"taskId": created["taskId"]});
    let listed = demo.request("tasks/list", &json!({}))["result"]["tasks"].clone();
    assert_eq!(listed[0]["status"], "input_required");
    demo.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "tasks/result", "params": id}));
    let result = json!({"action": "accept", "content": {"confirm": true}});
    demo.say(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}));
    for status in ["working", "completed"] {
        assert_eq!(demo.hear()["params"]["status"], status);
    }
    let over = demo.hear();
    assert_eq!((&over["id"], said(&over)), (&json!(2), "a was deleted."));
    assert_eq!(code(&demo.request("tasks/cancel", &id)), -32602);
    for (tool, task) in [("failing_job", json!(null)), ("echo", json!({}))] {
        let params = json!({"name": tool, "task": task});
        assert_eq!(code(&demo.request("tools/call", &params)), -32601, "{tool}");
    }
}

#[test]
fn a_legacy_server_has_no_tasks_unless_told() {
    let mut demo = Demo::greeted(DemoArgs::default());
    assert_eq!(code(&demo.request("tasks/list", &json!({}))), -32601);
    let list = demo.request("tools/list", &json!({}));
    let tools = list["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().all(|tool| tool.get("execution").is_none()));
}
