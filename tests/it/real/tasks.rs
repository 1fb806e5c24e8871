//! Work that goes on after its call was answered, through the daemon.

use serde_json::{Value, json};

use crate::support::child::Desk;
use crate::support::mcp::{Mcp, request, text};
use crate::support::{Answer, Daemon, Demo, Record, Request, eventually};

const REVISION: &str = "2026-07-28";

/// Somebody without a handshake who knows tasks, on a server named `demo`.
#[derive(Clone, Copy)]
struct Client<'a> {
    daemon: &'a Daemon,
    who: &'a str,
}

// === impl Client ===

impl Client<'_> {
    fn request(self, method: &str, params: &Value) -> Request {
        let mut message = request(&json!("r"), method, params);
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {
                "elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}},
        });
        let subject =
            params["name"].as_str().or_else(|| params["taskId"].as_str()).unwrap_or_default();
        Request::post("/servers/demo/mcp", &message)
            .header("MCP-Protocol-Version", REVISION)
            .header("Mcp-Method", method)
            .header("Mcp-Name", subject)
            .header("Authorization", &format!("Bearer {}", token(self.who)))
    }

    fn send(self, method: &str, params: &Value) -> Answer {
        self.daemon.send(&self.request(method, params))
    }

    #[track_caller]
    fn result(self, method: &str, params: &Value) -> Value {
        let answer = self.send(method, params);
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// Calls a tool that becomes a task, and gives the name of that.
    #[track_caller]
    fn begin(self, tool: &str, arguments: &Value) -> String {
        let made = self.result("tools/call", &json!({"name": tool, "arguments": arguments}));
        assert_eq!(made["resultType"], "task");
        made["taskId"].as_str().unwrap().to_owned()
    }

    /// Waits for a task to come to this.
    #[track_caller]
    fn comes_to(self, status: &str, task: &str) -> Value {
        eventually(status, || {
            let found = self.result("tasks/get", &json!({"taskId": task}));
            assert_eq!(found["taskId"], task);
            (found["status"] == status).then_some(found)
        })
    }

    fn code(self, method: &str, params: &Value) -> (u16, Value) {
        let answer = self.send(method, params);
        (answer.status, answer.json()["error"]["code"].clone())
    }
}

fn token(who: &str) -> String {
    format!("{who}-secret-0123456789")
}

/// A daemon that ann and bob may use.
fn daemon(flags: &str, keys: &str) -> (Daemon, Record) {
    let desk = Desk::new();
    let mut entries = Vec::new();
    for name in ["ann", "bob"] {
        let file = desk.write(name, &format!("{}\n", token(name)));
        entries.push(format!("{{ name = \"{name}\", file = {:?} }}", file.display().to_string()));
    }
    let (demo, record) = Demo::new("demo").flags(flags).keys(keys).recorded(&desk);
    let config = format!("[auth]\ntokens = [{}]\n{}", entries.join(", "), demo.toml());
    (Daemon::at(desk, &config), record)
}

#[test]
fn t45_a_task_is_its_owners_whoever_else_knows_its_name() {
    let (daemon, record) = daemon("--era modern", "idle_stop = \"100ms\"");
    let [ann, bob] = ["ann", "bob"].map(|who| Client { daemon: &daemon, who });
    let discovered = ann.result("server/discover", &json!({}));
    assert!(discovered["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object());

    let task = ann.begin("multi_input", &json!({}));
    let asked = ann.comes_to("input_required", &task);
    assert_eq!(asked["inputRequests"].as_object().unwrap().len(), 2);
    let named = json!({"taskId": task});
    let answers = json!({
        "name": {"action": "accept", "content": {"name": "Ann"}},
        "confirm": {"action": "accept", "content": {"confirm": true}},
    });
    let update = json!({"taskId": task, "inputResponses": answers});
    let unknown = json!({"taskId": "0".repeat(32)});
    let told = bob.send("tasks/get", &unknown).json();
    for (method, params) in
        [("tasks/get", &named), ("tasks/update", &update), ("tasks/cancel", &named)]
    {
        assert_eq!(bob.send(method, params).json(), told, "{method}");
        assert_eq!(told["error"]["code"], -32602);
    }
    assert_eq!(ann.code("tasks/list", &json!({})), (404, json!(-32601)));
    assert_eq!(ann.result("tasks/update", &update)["resultType"], "complete");
    let done = ann.comes_to("completed", &task);
    assert_eq!(done["result"]["content"][0]["text"], "Both were answered.");
    // The child's own name for it never left the daemon, and what is no task of anybody's never came to the child.
    let of_child = record.of("tasks/get")[0]["params"]["taskId"].clone();
    assert_ne!(of_child, task);
    assert_eq!(ann.send("tasks/get", &json!({"taskId": of_child})).json(), told);
    assert!(record.of("tasks/get").iter().all(|get| get["params"]["taskId"] == of_child));
    assert!(!daemon.log().iter().any(|line| line.contains(&task)), "logs show no names of tasks");
}

#[test]
fn a_task_keeps_its_child_from_resting_and_a_stream_tells_of_it() {
    // A stream alone is no reason to stay.
    let (daemon, _) = daemon("--era modern", "idle_stop = \"100ms\"");
    let ann = Client { daemon: &daemon, who: "ann" };
    let task = ann.begin("slow_compute", &json!({"seconds": 1}));
    let filter = json!({"notifications": {"taskIds": [task]}});
    let mut stream = ann.send("subscriptions/listen", &filter).events();
    let honoured = stream.message().unwrap();
    assert_eq!(honoured["params"]["notifications"], json!({"taskIds": [task]}));
    let news = stream.message().unwrap();
    assert_eq!(
        (&news["method"], &news["params"]["taskId"]),
        (&json!("notifications/tasks"), &json!(task))
    );
    assert_eq!(news["params"]["status"], "completed");
    drop(stream);
    daemon.logged("put to rest");
    assert_eq!(ann.code("tasks/get", &json!({"taskId": task})), (200, json!(-32602)));
}

#[test]
fn t45_tasks_are_for_clients_and_servers_of_one_era() {
    let hidden = |legacy: &mut Mcp| {
        let told = legacy.initialize(&json!({"elicitation": {}})).json();
        assert_eq!(told["result"]["capabilities"].get("tasks"), None, "{told}");
        let call =
            json!({"name": "slow_compute", "arguments": {"seconds": 0}, "task": {"ttl": 1000}});
        let answer = legacy.call("tools/call", &call);
        assert_eq!(text(&answer), "Computed for 0 s.");
        assert_eq!(legacy.call("tasks/list", &json!({}))["error"]["code"], -32601);
    };
    let (modern, _) = daemon("--era modern", "");
    hidden(&mut Mcp::with_token(modern.address(), "/servers/demo/mcp", &token("ann")));

    let (legacy, _) = daemon("--era legacy --legacy-tasks", "");
    hidden(&mut Mcp::with_token(legacy.address(), "/servers/demo/mcp", &token("ann")));
    let ann = Client { daemon: &legacy, who: "ann" };
    let discovered = ann.result("server/discover", &json!({}))["capabilities"].clone();
    assert!(discovered.get("tasks").is_none() && discovered.get("extensions").is_none());
    let call = json!({"name": "slow_compute", "arguments": {"seconds": 0}, "task": {"ttl": 1000}});
    assert_eq!(ann.result("tools/call", &call)["content"][0]["text"], "Computed for 0 s.");
    assert_eq!(ann.code("tasks/get", &json!({"taskId": "x"})), (404, json!(-32601)));
    let required = json!({"name": "failing_job", "arguments": {}});
    assert_eq!(ann.code("tools/call", &required), (404, json!(-32601)));
}

#[test]
fn a_session_with_a_child_of_its_own_has_that_childs_tasks() {
    let (daemon, _) = daemon("--era legacy --legacy-tasks", "mode = \"per-session\"");
    let open = |who| Mcp::with_token(daemon.address(), "/servers/demo/mcp", &token(who));
    let (mut ann, mut bob) = (open("ann"), open("ann"));
    let call = json!({"name": "slow_compute", "arguments": {"seconds": 0}, "task": {"ttl": 1000}});
    let made = ann.call("tools/call", &call)["result"]["task"]["taskId"].clone();
    let named = json!({"taskId": made});
    let answer = ann.call("tasks/result", &named);
    assert_eq!(text(&answer), "Computed for 0 s.");
    assert_eq!(ann.call("tasks/list", &json!({}))["result"]["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(bob.call("tasks/list", &json!({}))["result"]["tasks"], json!([]));
    assert_eq!(bob.call("tasks/get", &named)["error"]["code"], -32602);
}

#[test]
fn a_session_gets_what_comes_of_a_task_of_the_newer_era() {
    let (daemon, _) = daemon("--era modern", "tasks = \"bridge\"");
    let mut ann = Mcp::with_token(daemon.address(), "/servers/demo/mcp", &token("ann"));
    let answer = ann.tool("slow_compute", &json!({"seconds": 1}));
    assert_eq!(text(&answer), "Computed for 1 s.");
    assert_eq!(answer["result"].as_object().unwrap().len(), 1, "nothing newer is in it: {answer}");
    let answer = ann.tool("failing_job", &json!({}));
    assert_eq!(answer["result"]["isError"], true);
    let answer = ann.tool("protocol_error_job", &json!({}));
    assert_eq!(answer["error"]["message"], "this job intentionally breaks");
}

#[test]
fn a_client_without_a_handshake_owns_tasks_of_an_older_server() {
    let (daemon, record) = daemon("--era legacy --legacy-tasks", "tasks = \"bridge\"");
    let [ann, bob] = ["ann", "bob"].map(|who| Client { daemon: &daemon, who });
    let discovered = ann.result("server/discover", &json!({}));
    assert!(discovered["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object());
    assert!(discovered["capabilities"].get("tasks").is_none());

    let task = ann.begin("slow_compute", &json!({"seconds": 0}));
    let done = ann.comes_to("completed", &task);
    assert_eq!(done["resultType"], "complete");
    assert_eq!(done["result"]["content"][0]["text"], "Computed for 0 s.");
    assert!(done["ttlMs"].is_u64() && done.get("ttl").is_none());
    assert!(!done.to_string().contains("related-task"));
    let failed = ann.begin("failing_job", &json!({}));
    assert_eq!(ann.comes_to("completed", &failed)["result"]["isError"], true);
    let broken = ann.begin("protocol_error_job", &json!({}));
    let broken = ann.comes_to("failed", &broken);
    assert_eq!(broken["error"]["message"], "this job intentionally breaks");
    assert!(broken.get("result").is_none());

    let slow = ann.begin("slow_compute", &json!({"seconds": 600}));
    let named = json!({"taskId": slow});
    assert_eq!(bob.code("tasks/cancel", &named), (200, json!(-32602)));
    for _ in 0..2 {
        let ack = ann.result("tasks/cancel", &named);
        assert_eq!((&ack["resultType"], ack.get("taskId")), (&json!("complete"), None));
    }
    assert_eq!(ann.comes_to("cancelled", &slow).get("result"), None);

    let asking = ann.begin("multi_input", &json!({}));
    // Such a server may ask one thing after the other.
    let done = eventually("the end of the questions", || {
        let found = ann.result("tasks/get", &json!({"taskId": asking}));
        for (key, ask) in found["inputRequests"].as_object().into_iter().flatten() {
            assert_eq!(
                (&found["status"], &ask["method"]),
                (&json!("input_required"), &json!("elicitation/create"))
            );
            let given =
                json!({key: {"action": "accept", "content": {"name": "Ann", "confirm": true}}});
            ann.result("tasks/update", &json!({"taskId": asking, "inputResponses": given}));
        }
        (found["status"] == "completed").then_some(found)
    });
    assert_eq!(done["result"]["content"][0]["text"], "Both were answered.");
    assert!(record.raw().iter().all(|line| !line.contains(&asking)));
}
