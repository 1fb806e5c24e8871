//! Tasks between the eras, where they are bridged.

use super::child::{error, notice, result};
use super::tasks::{ABLE, TASKS, about, asks, is_modern, refused};
use super::*;
use crate::config::model::TasksChoice;

/// A modern child whose tasks are waited for, and a session on it.
fn absorbing() -> (Pair, FrontId) {
    let mut pair = Pair::starting(Tenancy::Shared, |limits| limits.tasks = TasksChoice::Bridge);
    is_modern(&mut pair);
    let front = pair.session(Version::V2025_11_25);
    (pair, front)
}

/// A call that became a task named `t`, and what the child hears of it first.
fn absorbed(pair: &mut Pair, front: FrontId) -> (Post, Value) {
    let post = pair.tool_with_token(front, 1, &json!("p"));
    let call = pair.child.one();
    let said = &call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(said["extensions"], json!({TASKS: {}}));
    let task = json!({"resultType": "task", "taskId": "t", "status": "working", "pollIntervalMs": 200, "statusMessage": "begun"});
    pair.says(&result(&call, &task));
    assert!(pair.child.heard().is_empty());
    pair.wait(Duration::from_millis(200));
    (post, asked_about(pair, "tasks/get"))
}

fn asked_about(pair: &mut Pair, method: &str) -> Value {
    let heard = pair.child.one();
    assert_eq!((&heard["method"], &heard["params"]["taskId"]), (&json!(method), &json!("t")));
    heard
}

fn stands(pair: &mut Pair, get: &Value, more: &Value) {
    let mut task = json!({"resultType": "complete", "taskId": "t", "pollIntervalMs": 200});
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    pair.says(&result(get, &task));
}

#[test]
fn a_session_waits_for_a_task_and_hears_how_it_goes() {
    let (mut pair, front) = absorbing();
    let (post, get) = absorbed(&mut pair, front);
    stands(&mut pair, &get, &json!({"status": "working", "statusMessage": "half"}));
    pair.wait(Duration::from_millis(200));
    let get = asked_about(&mut pair, "tasks/get");
    let done = json!({"resultType": "complete", "content": [], "_meta": {"io.modelcontextprotocol/serverInfo": {}}});
    stands(&mut pair, &get, &json!({"status": "completed", "result": done}));
    let progress: Vec<Value> =
        post.letters.messages().iter().map(|m| m["params"].clone()).collect();
    assert_eq!(
        progress,
        [
            json!({"progressToken": "p", "progress": 1, "message": "begun"}),
            json!({"progressToken": "p", "progress": 2, "message": "half"}),
        ]
    );
    assert_eq!(
        post.letters.answer().unwrap(),
        json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
    );
    pair.wait(secs(60));
    assert_eq!((pair.child.heard().len(), pair.board.calls()), (0, 0));
}

#[test]
fn a_session_is_asked_what_a_task_asks_and_once() {
    let (mut pair, front) = absorbing();
    let (post, get) = absorbed(&mut pair, front);
    let asks = json!({"status": "input_required", "inputRequests": {"k": {"method": "elicitation/create", "params": {"message": "?"}}}});
    stands(&mut pair, &get, &asks);
    let question = post.letters.messages().pop().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    pair.wait(secs(5));
    assert!(pair.child.heard().is_empty());
    pair.answer(front, &question["id"]);
    let update = asked_about(&mut pair, "tasks/update");
    assert_eq!(update["params"]["inputResponses"], json!({"k": {"by": 1}}));
    pair.says(&result(&update, &json!({"resultType": "complete"})));
    pair.wait(Duration::from_millis(200));
    let get = asked_about(&mut pair, "tasks/get");
    stands(&mut pair, &get, &asks);
    pair.wait(Duration::from_millis(200));
    let get = asked_about(&mut pair, "tasks/get");
    let fault = json!({"code": -32000, "message": "no"});
    stands(&mut pair, &get, &json!({"status": "failed", "error": fault}));
    assert_eq!(post.letters.methods(), ["notifications/progress", "elicitation/create"]);
    assert_eq!(post.letters.code(), Some(-32000));
}

#[test]
fn a_task_that_nobody_waits_for_any_more_is_cancelled() {
    // By its client, by its time, and because its client cannot be asked.
    let (mut pair, front) = absorbing();
    let (post, _) = absorbed(&mut pair, front);
    pair.cancel(front, 1);
    asked_about(&mut pair, "tasks/cancel");
    assert_eq!(post.letters.code(), Some(-32800));

    let (mut pair, front) = absorbing();
    let (post, _) = absorbed(&mut pair, front);
    pair.wait(secs(601));
    asked_about(&mut pair, "tasks/cancel");
    assert_eq!(post.letters.code(), Some(-32603));

    let (mut pair, front) = absorbing();
    let (post, get) = absorbed(&mut pair, front);
    let asks = json!({"k": {"method": "sampling/createMessage"}});
    stands(&mut pair, &get, &json!({"status": "input_required", "inputRequests": asks}));
    let question = post.letters.messages().pop().unwrap();
    let no =
        json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "no"}});
    pair.order(Order::Answer { front, answer: frame(&no.to_string()) });
    asked_about(&mut pair, "tasks/cancel");
    assert_eq!(post.letters.answer().unwrap()["result"]["isError"], true);

    let (mut pair, front) = absorbing();
    let (post, _) = absorbed(&mut pair, front);
    pair.dies();
    assert_eq!(post.letters.code(), Some(-32603));
}

/// A legacy child of one pool of clients, whose tasks are theirs too.
fn bridging() -> Pair {
    let pooled = Tenancy::Pooled { exclusive: false };
    let mut pair = Pair::starting(pooled, |limits| limits.tasks = TasksChoice::Bridge);
    let result = json!({"protocolVersion": "2025-11-25", "serverInfo": {"name": "s", "version": "1"},
        "capabilities": {"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}}});
    let abilities = Abilities::of_initialize(&result.to_string(), false).unwrap();
    pair.turn(|board, turn| board.ready(Box::new(abilities), turn));
    pair.child.heard();
    pair
}

/// A task of that child, which calls it `t`, by the name its client knows.
fn bridged(pair: &mut Pair) -> String {
    let post = asks(pair, "me", ABLE, "tools/call", &json!({"name": "x"}));
    let call = pair.child.one();
    assert_eq!(call["params"], json!({"name": "x", "task": {"ttl": 3_600_000}}));
    let task = json!({"taskId": "t", "status": "working", "ttl": 60_000, "pollInterval": 5});
    pair.says(&result(&call, &json!({"task": task})));
    let told = post.letters.answer().unwrap()["result"].clone();
    let name = told["taskId"].as_str().unwrap().to_owned();
    let meta = json!({"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "1"}});
    let flat = json!({"resultType": "task", "taskId": name, "status": "working", "ttlMs": 60_000, "pollIntervalMs": 5, "_meta": meta});
    assert_eq!(told, flat);
    name
}

/// What the client is told when the child says that a task of it stands so.
fn told(pair: &mut Pair, name: &str, capabilities: &str, status: &str) -> Post {
    let post = asks(pair, "me", capabilities, "tasks/get", &json!({"taskId": name}));
    let get = asked_about(pair, "tasks/get");
    pair.says(&result(&get, &json!({"taskId": "t", "status": status})));
    post
}

#[test]
fn a_tool_that_makes_no_tasks_is_called_again_without_one() {
    let mut pair = bridging();
    let post = asks(&mut pair, "me", ABLE, "tools/call", &json!({"name": "x"}));
    let call = pair.child.one();
    pair.says(&error(&call, -32601));
    let again = pair.child.one();
    assert_eq!(again["params"], json!({"name": "x"}));
    assert_ne!(again["id"], call["id"]);
    pair.says(&error(&again, -32601));
    assert_eq!(post.letters.code(), Some(-32601));
    // What can be had as a task only needs a client that knows them.
    let post = asks(&mut pair, "me", "{}", "tools/call", &json!({"name": "x"}));
    let call = pair.child.one();
    pair.says(&error(&call, -32601));
    assert_eq!(refused(&post).0, -32021);
    // Whoever knows no tasks is offered none, and a child that ignores the offer has answered.
    asks(&mut pair, "me", r#"{"elicitation":{}}"#, "tools/call", &json!({"name": "x"}));
    assert_eq!(pair.child.one()["params"], json!({"name": "x"}));
    let post = asks(&mut pair, "me", ABLE, "tools/call", &json!({"name": "x"}));
    let call = pair.child.one();
    pair.says(&result(&call, &json!({"content": []})));
    assert_eq!(post.letters.answer().unwrap()["result"]["resultType"], "complete");
}

#[test]
fn the_end_of_an_older_task_is_told_with_what_came_of_it() {
    let mut pair = bridging();
    let name = bridged(&mut pair);
    for (status, said, ends, member) in [
        (
            "failed",
            Ok(
                json!({"isError": true, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "t"}}}),
            ),
            "completed",
            json!({"isError": true, "_meta": {}}),
        ),
        ("completed", Ok(json!({"content": []})), "completed", json!({"content": []})),
        ("failed", Err(-32000), "failed", json!({"code": -32000, "message": "no"})),
    ] {
        let post = told(&mut pair, &name, ABLE, status);
        let fetch = asked_about(&mut pair, "tasks/result");
        pair.says(&match said {
            Ok(said) => result(&fetch, &said),
            Err(code) => error(&fetch, code),
        });
        let told = post.letters.answer().unwrap()["result"].clone();
        assert_eq!((&told["status"], &told["taskId"]), (&json!(ends), &json!(name)));
        let place = if ends == "failed" { "error" } else { "result" };
        assert_eq!(told[place], member);
    }
    for over in [true, false] {
        let post = about(&mut pair, "me", "tasks/cancel", &name);
        let cancel = asked_about(&mut pair, "tasks/cancel");
        pair.says(&if over {
            error(&cancel, -32602)
        } else {
            result(&cancel, &json!({"taskId": "t"}))
        });
        let ack = post.letters.answer().unwrap()["result"].clone();
        assert_eq!((ack["resultType"].as_str(), ack.get("taskId")), (Some("complete"), None));
    }
    let stranger = about(&mut pair, "you", "tasks/get", &name);
    assert_eq!(refused(&stranger), (-32602, "Invalid params: task not found".to_owned()));
}

#[test]
fn the_questions_of_an_older_task_are_asked_and_answered() {
    let mut pair = bridging();
    let name = bridged(&mut pair);
    let post = told(&mut pair, &name, ABLE, "input_required");
    // Nothing has been asked yet, and whoever waits for the outcome is asked.
    assert_eq!(post.letters.answer().unwrap()["result"]["status"], "working");
    asked_about(&mut pair, "tasks/result");
    let question = json!({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create",
        "params": {"message": "?", "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "t"}}}});
    pair.says(&question);
    assert!(pair.child.heard().is_empty());
    let none = format!(r#"{{"roots":{{}},"extensions":{{"{TASKS}":{{}}}}}}"#);
    let unable = told(&mut pair, &name, &none, "input_required");
    assert_eq!(refused(&unable).0, -32021);
    let post = told(&mut pair, &name, ABLE, "input_required");
    let asked = post.letters.answer().unwrap()["result"]["inputRequests"].clone();
    assert_eq!(asked["ask-1"]["params"]["message"], "?");
    assert!(!asked.to_string().contains("related-task"));
    let update = |pair: &mut Pair, given: Value| {
        asks(pair, "me", ABLE, "tasks/update", &json!({"taskId": name, "inputResponses": given}))
    };
    assert_eq!(refused(&update(&mut pair, json!({"ask-1": 7}))).0, -32602);
    let post = update(&mut pair, json!({"ask-1": {"action": "decline"}, "ask-9": {}}));
    assert_eq!(post.letters.answer().unwrap()["result"]["resultType"], "complete");
    let answer = pair.child.one();
    assert_eq!((&answer["id"], &answer["result"]), (&json!("q"), &json!({"action": "decline"})));
    // One that nobody answers is answered when the task is forgotten, and one that is taken back is not.
    pair.says(&question);
    pair.says(&json!({"jsonrpc": "2.0", "id": "q2", "method": "roots/list", "params": question["params"]}));
    pair.says(&notice("notifications/cancelled", &json!({"requestId": "q2"})));
    pair.wait(secs(80));
    let answer = pair.child.one();
    assert_eq!((&answer["id"], &answer["result"]["action"]), (&json!("q"), &json!("cancel")));
    assert!(pair.board.is_empty_handed());
}

#[test]
fn an_older_child_says_by_itself_that_a_task_is_over() {
    let mut pair = bridging();
    bridged(&mut pair);
    assert!(!pair.board.is_idle());
    pair.says(&notice(
        "notifications/tasks/status",
        &json!({"taskId": "t", "status": "completed"}),
    ));
    assert!(pair.board.is_idle());
    assert_eq!(pair.dropped(Dropped::Unheard), 0);
}
