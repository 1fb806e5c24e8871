//! A client that changes its mind: it cancels what it asked for, sometimes too late.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::http::Trouble;
use crate::ledger::{Leave, Outcome};
use crate::peer::{Peer, same, text_of, tool};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "canceller";

/// A call so long that only a cancel ends it.
const LONG: u64 = 300_000;
const AGAIN: Duration = Duration::from_secs(2);

/// A cancelled call is over soon, unless its child does not read.
const SOON: Duration = Duration::from_secs(30);

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-06-18");
    let nothing = json!({});
    if !world.open(KIND, &mut peer, &nothing).await {
        return;
    }
    while !world.over.get() {
        let (id, payload) = (peer.id(), world.payload(KIND));
        let wait = Duration::from_millis(rng.between(30, 150));
        // Half of them end at about the time they are cancelled.
        let ms = if rng.chance(50) { 2 * LONG } else { rng.below(300) };
        let message = tool(id, "act_up", &json!({"text": payload, "ms": ms}));
        let made = world.ledger.make(KIND, &server, Leave { cancelled: true, ..world.leave() });
        let mut other = peer.twin();
        let cancel = async {
            tokio::time::sleep(wait).await;
            let params = json!({"requestId": id, "reason": "changed my mind"});
            // If it cannot be posted, the call itself will tell why. One that overtook its call, which can happen where two
            // connections are under way at once, meant nothing to the daemon and is said again; it must not happen often.
            drop(other.notify("notifications/cancelled", &params).await);
            if ms > LONG {
                tokio::time::sleep(AGAIN).await;
                world.count("cancelled again");
                drop(other.notify("notifications/cancelled", &params).await);
            }
        };
        let call = async {
            let mut answer = peer.post(&message).await?;
            let result = answer.result(id).await?;
            peer.take_back(answer);
            text_of(&result)
        };
        let both = async {
            tokio::pin!(call);
            tokio::select! {
                said = &mut call => said,
                () = cancel => call.await,
            }
        };
        let said = tokio::time::timeout(SOON, both).await;
        let outcome = same(said.unwrap_or(Err(Outcome::Trouble(Trouble::Late))), &payload);
        world.ledger.settle(made, &outcome);
        world.recover(KIND, &mut peer, &nothing, &outcome).await;
        world.pause(&mut rng, 20).await;
    }
    world.finale(KIND, &mut peer).await;
}
