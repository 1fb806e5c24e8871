//! One call after the other on one connection, answered in JSON: what a gateway does.

use std::rc::Rc;

use serde_json::json;

use crate::chaos::Blow;
use crate::peer::{Peer, same};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "steady";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-06-18");
    let nothing = json!({});
    if !world.open(KIND, &mut peer, &nothing).await {
        return;
    }
    while !world.over.get() {
        let payload = world.payload(KIND);
        let mut arguments = super::mischief(&mut rng, &payload);
        let exits_left = world.exits_left.get();
        let fatal = exits_left > 0 && server.starts_with("crash") && rng.chance(1);
        if fatal {
            world.exits_left.set(exits_left - 1);
            world.ledger.chaos.begin(Blow::Death, &server);
            arguments["how"] = "exit".into();
        }
        let made = world.ledger.make(KIND, &server, world.leave());
        let name = if rng.chance(50) || fatal { "act_up" } else { "echo" };
        let outcome = same(peer.tool(name, &arguments).await, &payload);
        world.ledger.settle(made, &outcome);
        world.recover(KIND, &mut peer, &nothing, &outcome).await;
        world.pause(&mut rng, 10).await;
    }
    world.finale(KIND, &mut peer).await;
    // Never a DELETE: most clients send none.
}
