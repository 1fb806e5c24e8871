//! Which era a process speaks, who decides it, and every way to be found out about it.

use std::time::Duration;

use stdiod::demo::EraChoice;

use super::*;

const VERSION: &str = "2026-07-28";

/// What a request carries that is written in the modern revision.
pub(super) fn envelope(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    })
}

fn probe(demo: &mut Demo) -> Value {
    demo.request("server/discover", &json!({"_meta": envelope(&json!({}))}))
}

fn hello(demo: &mut Demo) -> Value {
    demo.request("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}}))
}

fn speaking(era: EraChoice) -> Demo {
    Demo::start(DemoArgs { era, ..DemoArgs::default() })
}

fn discovering(orders: &[&str]) -> Demo {
    let discover = orders.iter().map(|order| order.parse().unwrap()).collect();
    Demo::start(DemoArgs { discover, ..DemoArgs::default() })
}

#[test]
fn a_probe_makes_a_process_modern_for_good() {
    let mut demo = speaking(EraChoice::Dual);
    let found = probe(&mut demo)["result"].clone();
    assert_eq!(found["supportedVersions"], json!([VERSION]));
    assert_eq!(found["resultType"], "complete");
    assert!(found["ttlMs"].is_u64() && found["cacheScope"].is_string());
    assert!(found["instructions"].is_string());
    let about = &found["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(about["name"], "stdiod-demo");
    let refused = hello(&mut demo);
    assert_eq!(code(&refused), -32022);
    let data = json!({"supported": [VERSION], "requested": "2025-11-25"});
    assert_eq!(refused["error"]["data"], data);
}

#[test]
fn a_greeting_makes_a_process_legacy_for_good() {
    let mut demo = speaking(EraChoice::Dual);
    assert_eq!(hello(&mut demo)["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(code(&probe(&mut demo)), -32600);
    assert_eq!(code(&demo.request("server/discover", &json!({}))), -32601);
    demo.assert_silent();
}

#[test]
fn a_server_of_one_era_says_so() {
    let mut legacy = speaking(EraChoice::Legacy);
    assert_eq!(code(&probe(&mut legacy)), -32601);
    assert_eq!(hello(&mut legacy)["result"]["protocolVersion"], "2025-11-25");
    let mut modern = speaking(EraChoice::Modern);
    let refused = hello(&mut modern);
    assert_eq!(code(&refused), -32022);
    assert_eq!(refused["error"]["data"]["supported"], json!([VERSION]));
    assert!(probe(&mut modern)["result"].is_object());
}

#[test]
fn a_probe_is_answered_as_ordered_and_the_last_order_stays() {
    let mut demo = discovering(&["error:-32022:2026-07-28+2025-11-25", "nonsense", "proper"]);
    let refused = probe(&mut demo);
    assert_eq!(code(&refused), -32022);
    assert_eq!(refused["error"]["data"]["supported"], json!([VERSION, "2025-11-25"]));
    assert_eq!(probe(&mut demo)["result"]["supportedVersions"], Value::Null);
    for _ in 0..2 {
        assert_eq!(probe(&mut demo)["result"]["supportedVersions"], json!([VERSION]));
    }
    let mut demo = discovering(&["error:-32001", "versions:2025-11-25"]);
    let refused = probe(&mut demo);
    assert_eq!((code(&refused), &refused["error"]["data"]), (-32001, &Value::Null));
    assert_eq!(probe(&mut demo)["result"]["supportedVersions"], json!(["2025-11-25"]));
}

#[test]
fn a_server_that_cannot_be_modern_can_still_be_greeted() {
    for order in ["nonsense", "error:-32001", "error:-32022", "versions:2025-11-25"] {
        let mut demo = discovering(&[order]);
        probe(&mut demo);
        assert_eq!(hello(&mut demo)["result"]["protocolVersion"], "2025-11-25", "{order}");
        assert_eq!(code(&probe(&mut demo)), -32600, "{order}");
    }
    let mut demo = discovering(&["error:-32022:2026-07-28"]);
    probe(&mut demo);
    assert_eq!(code(&hello(&mut demo)), -32022);
}

#[test]
fn a_silent_server_has_still_decided_unless_it_is_loose() {
    let say = |demo: &mut Demo| {
        demo.say(&json!({"jsonrpc": "2.0", "id": "probe", "method": "server/discover",
            "params": {"_meta": envelope(&json!({}))}}));
    };
    let mut demo = discovering(&["silence", "proper"]);
    say(&mut demo);
    assert_eq!(code(&hello(&mut demo)), -32022);
    assert!(probe(&mut demo)["result"].is_object());
    let discover = vec!["late:50".parse().unwrap()];
    let mut demo = Demo::start(DemoArgs { discover, loose_era: true, ..DemoArgs::default() });
    let begun = Instant::now();
    say(&mut demo);
    assert_eq!(hello(&mut demo)["result"]["protocolVersion"], "2025-11-25");
    let late = demo.hear();
    assert_eq!(late["id"], "probe");
    assert_eq!(late["result"]["supportedVersions"], json!([VERSION]));
    assert!(begun.elapsed() >= Duration::from_millis(50));
}
