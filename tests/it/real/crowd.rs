//! The host's ceiling: so many children of all servers together, and no more.

use serde_json::json;

use crate::support::mcp::text;
use crate::support::{Daemon, Demo, eventually};

fn host(max: usize, servers: &[Demo]) -> Daemon {
    let servers: String = servers.iter().map(Demo::toml).collect();
    Daemon::start(&format!("max_children = {max}\n\n{servers}"))
}

fn running(daemon: &Daemon, server: &str) -> usize {
    let status = daemon.status();
    let children = status["servers"][server]["children"].as_array().unwrap();
    children.iter().filter(|child| child["pid"].is_number()).count()
}

#[test]
fn on_a_full_host_a_client_hears_why_it_waits_and_shared_children_stay() {
    let lazy = "start = \"lazy\"\nstart_wait = \"500ms\"";
    let daemon = host(2, &[Demo::new("one"), Demo::new("two"), Demo::new("three").keys(lazy)]);
    for server in ["one", "two"] {
        daemon.ready(&format!("/servers/{server}/readyz"));
    }
    let answer = daemon.post(
        "/servers/three/mcp",
        &crate::support::mcp::tool(&json!(1), "echo", &json!({"text": "x"})),
    );
    let body = answer.json();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("max_children") && message.contains("host"), "{body}");
    daemon.logged("as many as the top-level max_children allows");
    assert_eq!((running(&daemon, "one"), running(&daemon, "two")), (1, 1));
    assert_eq!(running(&daemon, "three"), 0);
}

#[test]
fn an_unused_private_child_makes_room_for_another_server_and_comes_back() {
    let own = "mode = \"per-session\"\nstart = \"lazy\"";
    let daemon =
        host(1, &[Demo::new("own").keys(own), Demo::new("other").keys("start = \"lazy\"")]);
    let mut first = daemon.client("/servers/own/mcp", "2025-11-25", &json!({}));
    assert_eq!(text(&first.tool("echo", &json!({"text": "a"}))), "a");
    let mut other = daemon.client("/servers/other/mcp", "2025-11-25", &json!({}));
    assert_eq!(text(&other.tool("echo", &json!({"text": "b"}))), "b");
    assert_eq!((running(&daemon, "own"), running(&daemon, "other")), (0, 1));
    // The shared child of the other stays where it is: the first waits until that ends.
    let pid = daemon.child_pid("other");
    let call = first.request(&crate::support::mcp::tool(&json!(5), "echo", &json!({"text": "c"})));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| first.send(&call).json());
        eventually("the first waits", || {
            let status = daemon.status();
            let children = status["servers"]["own"]["children"].as_array().unwrap().clone();
            children.iter().any(|child| child["in_flight"] == 1).then_some(())
        });
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(text(&waiting.join().unwrap()), "c");
    });
}
