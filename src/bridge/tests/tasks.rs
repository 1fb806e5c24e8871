//! Work that goes on after its call was answered: whose it is, and who hears of it.

use super::child::{error, notice, result};
use super::*;

pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

pub(super) const ABLE: &str =
    r#"{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// A shared child without a handshake that knows tasks.
fn modern() -> Pair {
    let mut pair = Pair::starting(Tenancy::Shared, |_| {});
    is_modern(&mut pair);
    pair
}

pub(super) fn is_modern(pair: &mut Pair) {
    let result = json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}, "extensions": {TASKS: {}}}});
    let abilities = Abilities::of_discovery(&result.to_string()).unwrap();
    pair.turn(|board, turn| board.ready(Box::new(abilities), turn));
    pair.child.heard();
}

/// A client without a handshake.
fn caller(who: &str, capabilities: &str) -> Caller {
    let hello = Hello {
        version: Version::MODERN,
        capabilities: capabilities.into(),
        client_info: r#"{"name":"c"}"#.into(),
    };
    Caller::Implicit(FrontCard {
        version: Version::MODERN,
        principal: Principal::new(who),
        declared: AskSet::declared(capabilities),
        client: "c".into(),
        hello: Arc::new(hello),
        hears: true,
        since: None,
    })
}

pub(super) fn asks(
    pair: &mut Pair,
    who: &str,
    capabilities: &str,
    method: &str,
    params: &Value,
) -> Post {
    pair.request(caller(who, capabilities), true, &request(&json!("r"), method, params))
}

pub(super) fn about(pair: &mut Pair, who: &str, method: &str, task: &str) -> Post {
    asks(pair, who, ABLE, method, &json!({"taskId": task}))
}

fn task(name: &str) -> Value {
    json!({"resultType": "task", "taskId": name, "status": "working", "ttlMs": 60_000, "statusMessage": "complete"})
}

/// A task of this client, by the name it is given. The child calls it `t"1`.
fn begins(pair: &mut Pair, who: &str) -> String {
    let post = asks(pair, who, ABLE, "tools/call", &json!({"name": "x"}));
    let call = pair.child.one();
    pair.says(&result(&call, &task("t\"1")));
    let answer = post.letters.answer().unwrap();
    assert_eq!((&answer["id"], &answer["result"]["resultType"]), (&json!("r"), &json!("task")));
    let name = answer["result"]["taskId"].as_str().unwrap().to_owned();
    assert_eq!(name.len(), 32);
    name
}

pub(super) fn refused(post: &Post) -> (i64, String) {
    let why = post.letters.refusal().expect("a refusal").fault();
    (why.code.into(), why.message.clone())
}

#[test]
fn t45_a_task_has_a_name_of_ours_in_all_requests_about_it() {
    let mut pair = modern();
    let name = begins(&mut pair, "me");
    for (method, said, told) in [
        (
            "tasks/get",
            json!({"resultType": "complete", "taskId": "t\"1", "status": "working"}),
            json!({"resultType": "complete", "taskId": name, "status": "working"}),
        ),
        ("tasks/update", json!({"resultType": "complete"}), json!({"resultType": "complete"})),
        ("tasks/cancel", json!({}), json!({"resultType": "complete"})),
    ] {
        let post = about(&mut pair, "me", method, &name);
        let heard = pair.child.one();
        assert_eq!(
            (&heard["method"], &heard["params"]["taskId"]),
            (&json!(method), &json!("t\"1"))
        );
        pair.says(&result(&heard, &said));
        assert_eq!(post.letters.answer().unwrap()["result"], told, "{method}");
    }
    assert!(!pair.notes.iter().any(|note| format!("{note:?}").contains(&name)), "no log shows it");
}

#[test]
fn t45_a_foreign_task_and_one_that_never_was_are_the_same() {
    let mut pair = modern();
    let name = begins(&mut pair, "me");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let foreign = about(&mut pair, "you", method, &name);
        for odd in ["t\"1", &"0".repeat(32), ""] {
            let unknown = about(&mut pair, "me", method, odd);
            assert_eq!(refused(&unknown), refused(&foreign));
        }
        assert_eq!(refused(&foreign), (-32602, "Invalid params: task not found".to_owned()));
    }
    assert!(pair.child.heard().is_empty());
}

#[test]
fn t45_what_is_hidden_is_unknown() {
    let names = ["tasks/get", "tasks/update", "tasks/cancel", "tasks/list", "tasks/result"];
    let params = json!({"taskId": "x"});
    for method in names {
        // A shared child was asked for none, and what is between the eras is bridged by nobody.
        let mut shared = Pair::shared();
        let session = shared.session(Version::V2025_11_25);
        assert_eq!(refused(&shared.call(session, 1, method, &params)).0, -32601, "{method}");
        assert_eq!(refused(&asks(&mut shared, "me", ABLE, method, &params)).0, -32601, "{method}");
        let mut other = modern();
        let session = other.session(Version::V2025_11_25);
        assert_eq!(refused(&other.call(session, 1, method, &params)).0, -32601, "{method}");
        assert!(shared.child.heard().is_empty() && other.child.heard().is_empty());
    }
    let mut pair = modern();
    for method in ["tasks/list", "tasks/result"] {
        assert_eq!(refused(&asks(&mut pair, "me", ABLE, method, &params)).0, -32601, "{method}");
    }
    let undeclared = asks(&mut pair, "me", "{}", "tasks/get", &params);
    let why = undeclared.letters.refusal().unwrap().fault();
    let data: Value = serde_json::from_str(why.data.unwrap().get()).unwrap();
    assert_eq!(
        (why.code, &data),
        (-32021, &json!({"requiredCapabilities": {"extensions": {TASKS: {}}}}))
    );
}

#[test]
fn t45_the_tasks_of_a_private_child_pass_as_they_are() {
    let (mut pair, front) = Pair::private();
    for method in ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"] {
        let params = json!({"taskId": "t"});
        let post = pair.call(front, 1, method, &params);
        let heard = pair.child.one();
        assert_eq!(heard["params"], params);
        pair.says(&result(&heard, &params));
        assert_eq!(post.letters.answer().unwrap()["result"], params, "{method}");
    }
    let stream = pair.listen(front, Vanish::Detach);
    pair.says(&notice("notifications/tasks/status", &json!({"taskId": "t"})));
    assert_eq!(stream.letters.methods(), ["notifications/tasks/status"]);
}

#[test]
fn a_task_for_a_client_that_knows_none_is_the_servers_mistake() {
    let mut pair = modern();
    for (capabilities, method) in [("{}", "tools/call"), (ABLE, "prompts/get")] {
        let post = asks(&mut pair, "me", capabilities, method, &json!({"name": "x"}));
        let call = pair.child.one();
        pair.says(&result(&call, &task("t")));
        assert_eq!(refused(&post).0, -32603, "{method}");
        let taken_back = pair.child.one();
        assert_eq!(taken_back["method"], "tasks/cancel");
        assert_eq!(taken_back["params"]["taskId"], "t");
        let said = &taken_back["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        assert_eq!(*said, json!({"extensions": {TASKS: {}}}));
        pair.says(&result(&taken_back, &json!({})));
    }
    let post = asks(&mut pair, "me", ABLE, "tools/call", &json!({"name": "x"}));
    let call = pair.child.one();
    pair.says(&result(&call, &json!({"resultType": "task"})));
    assert_eq!(refused(&post).0, -32603);
}

#[test]
fn a_task_asks_only_what_its_client_declared() {
    let mut pair = modern();
    let name = begins(&mut pair, "me");
    let (elicit, sample) =
        (json!({"method": "elicitation/create"}), json!({"method": "sampling/createMessage"}));
    let said = json!({"taskId": "t\"1", "status": "input_required",
        "inputRequests": {"a": elicit, "b": sample}});
    let asked = |pair: &mut Pair, capabilities: &str| {
        let post = asks(pair, "me", capabilities, "tasks/get", &json!({"taskId": name}));
        let heard = pair.child.one();
        pair.says(&result(&heard, &said));
        post
    };
    let answer = asked(&mut pair, ABLE).letters.answer().unwrap();
    assert_eq!(answer["result"]["inputRequests"], json!({"a": elicit}));
    let none = format!(r#"{{"roots":{{}},"extensions":{{"{TASKS}":{{}}}}}}"#);
    assert_eq!(refused(&asked(&mut pair, &none)).0, -32021);
}

#[test]
fn a_stream_tells_of_its_clients_tasks_and_of_no_others() {
    let mut pair = modern();
    let (mine, theirs) = (begins(&mut pair, "me"), begins(&mut pair, "you"));
    let wanted =
        json!({"notifications": {"taskIds": [mine, theirs, "t\"1"], "toolsListChanged": true}});
    let stream = asks(&mut pair, "me", ABLE, "subscriptions/listen", &wanted);
    let heard = pair.child.one();
    assert_eq!(
        heard["params"]["notifications"],
        json!({"taskIds": ["t\"1"], "toolsListChanged": true})
    );
    let stamp = json!({"io.modelcontextprotocol/subscriptionId": heard["id"]});
    let honoured = json!({"notifications": {"taskIds": ["t\"1"]}, "_meta": stamp});
    pair.says(&notice("notifications/subscriptions/acknowledged", &honoured));
    for name in ["t\"1", "t2"] {
        let news = json!({"taskId": name, "status": "completed", "_meta": stamp});
        pair.says(&notice("notifications/tasks", &news));
    }
    let told = stream.letters.messages();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["params"]["notifications"], json!({"taskIds": [mine]}));
    assert_eq!(told[1]["params"]["taskId"], mine);
    assert_eq!(told[1]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "r");
    let undeclared = asks(&mut pair, "me", "{}", "subscriptions/listen", &wanted);
    assert_eq!(pair.child.one()["params"]["notifications"]["taskIds"], json!([]));
    pair.drop_reader(&undeclared);
}

#[test]
fn a_child_with_a_task_is_in_use_until_that_is_over() {
    let mut pair = modern();
    assert!(pair.board.is_idle() && !pair.board.is_in_use());
    let first = begins(&mut pair, "me");
    assert!(!pair.board.is_idle() && pair.board.is_in_use());
    let get = |pair: &mut Pair, name: &str| {
        let post = about(pair, "me", "tasks/get", name);
        (post, pair.child.one())
    };
    let (_, heard) = get(&mut pair, &first);
    pair.says(&result(&heard, &json!({"taskId": "t\"1", "status": "failed"})));
    assert!(pair.board.is_idle() && !pair.board.is_in_use());
    let (post, heard) = get(&mut pair, &first);
    pair.says(&result(&heard, &json!({"taskId": "t\"1", "status": "failed", "error": {}})));
    assert!(post.letters.answer().is_some(), "its end can be asked for again");
    begins(&mut pair, "me");
    pair.wait(secs(80));
    assert!(pair.board.is_idle() && pair.board.is_empty_handed());
}

#[test]
fn a_task_dies_with_its_child_or_when_that_forgets_it() {
    let mut pair = modern();
    let name = begins(&mut pair, "me");
    let post = about(&mut pair, "me", "tasks/get", &name);
    let heard = pair.child.one();
    pair.says(&error(&heard, -32602));
    assert_eq!(refused(&post), (-32602, "Invalid params: task not found".to_owned()));
    assert!(pair.board.is_idle());
    let name = begins(&mut pair, "me");
    pair.dies();
    is_modern(&mut pair);
    assert_eq!(refused(&about(&mut pair, "me", "tasks/get", &name)).0, -32602);
    assert!(pair.child.heard().is_empty());
}
