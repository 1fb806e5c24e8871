//! A client that leaves without a word: before its answer, or in the middle of it. Its sessions it leaves behind.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::peer::{Peer, tool};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "vanisher";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-11-25");
    let nothing = json!({});
    if !world.open(KIND, &mut peer, &nothing).await {
        return;
    }
    while !world.over.get() {
        let (id, payload) = (peer.id(), world.payload(KIND));
        let mut message = tool(id, "act_up", &json!({"text": payload, "ms": rng.below(300)}));
        message["params"]["_meta"] = json!({"progressToken": id});
        let made = world.ledger.make(KIND, &server, world.leave());
        let patience = Duration::from_millis(rng.below(200));
        let begun = async {
            if let Ok(mut answer) = peer.post(&message).await {
                // Reads some of it; what it reads is of no interest to it.
                while let Ok(Some(_)) = answer.next().await {}
            }
        };
        // Dropped with its connection in whatever it was doing.
        let _ = tokio::time::timeout(patience, begun).await;
        world.ledger.abandon(made);
        if rng.chance(30) {
            // The old session is forgotten, not ended.
            world.open(KIND, &mut peer, &nothing).await;
        }
        if peer.session.is_none() {
            return;
        }
        let outcome = {
            let payload = world.payload(KIND);
            let made = world.ledger.make(KIND, &server, world.leave());
            let outcome = peer.echo(&payload).await;
            world.ledger.settle(made, &outcome);
            outcome
        };
        world.recover(KIND, &mut peer, &nothing, &outcome).await;
        world.pause(&mut rng, 30).await;
    }
    world.finale(KIND, &mut peer).await;
}
