//! No handshake, no session, a new connection for each call: a line of `curl`.

use std::rc::Rc;

use crate::peer::{Peer, same};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "stateless";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-06-18");
    while !world.over.get() {
        if rng.chance(50) {
            peer = Peer::new(world.address, &server, "2025-06-18");
        }
        let payload = world.payload(KIND);
        let arguments = super::mischief(&mut rng, &payload);
        let made = world.ledger.make(KIND, &server, world.leave());
        let outcome = same(peer.tool("act_up", &arguments).await, &payload);
        world.ledger.settle(made, &outcome);
        world.pause(&mut rng, 20).await;
    }
    world.finale(KIND, &mut peer).await;
}
