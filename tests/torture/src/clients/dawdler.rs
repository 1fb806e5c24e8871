//! A reader so slow that its answers pile up. Now and then it asks for more than a message may hold.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::ledger::{Leave, Outcome};
use crate::peer::Peer;
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "dawdler";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-11-25");
    let nothing = json!({});
    if !world.open(KIND, &mut peer, &nothing).await {
        return;
    }
    peer.sip = Some((16 * 1024, Duration::from_millis(20)));
    while !world.over.get() {
        // A length that hardly any other call asks for stands for a payload of its own.
        let huge = rng.chance(10);
        let bytes = if huge { (2 << 20) + rng.below(1000) } else { rng.between(100_000, 500_000) };
        let made = world.ledger.make(KIND, &server, Leave { huge, ..world.leave() });
        let outcome = match peer.tool("emit", &json!({"bytes": bytes})).await {
            Ok(text) if text.len() as u64 == bytes => Outcome::Right,
            Ok(text) => Outcome::Wrong(format!("{} bytes came for {bytes}", text.len())),
            Err(outcome) => outcome,
        };
        world.ledger.settle(made, &outcome);
        world.recover(KIND, &mut peer, &nothing, &outcome).await;
        world.pause(&mut rng, 50).await;
    }
    world.finale(KIND, &mut peer).await;
}
