//! Several calls in one POST, which revision 2025-03-26 allowed. Each of them must be answered, and once.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::http::Trouble;
use crate::ledger::Outcome;
use crate::peer::{LIMIT, Peer, same, settled, text_of, tool};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "batch";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-03-26");
    let nothing = json!({});
    if !world.open(KIND, &mut peer, &nothing).await {
        return;
    }
    while !world.over.get() {
        let (mut calls, mut messages) = (BTreeMap::new(), Vec::new());
        for _ in 0..rng.between(1, 8) {
            let (id, payload) = (peer.id(), world.payload(KIND));
            messages.push(tool(id, "act_up", &super::mischief(&mut rng, &payload)));
            calls.insert(id, (world.ledger.make(KIND, &server, world.leave()), payload));
        }
        messages.push(json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": "nobody's", "progress": 1}}));
        let mut outcomes = BTreeMap::new();
        let ids: Vec<u64> = calls.keys().copied().collect();
        let posting = post(&mut peer, messages, &ids, &mut outcomes);
        let posted = tokio::time::timeout(LIMIT, posting).await;
        let whole = posted.unwrap_or(Err(Outcome::Trouble(Trouble::Late)));
        for (id, (made, payload)) in calls {
            let outcome = match (outcomes.remove(&id), &whole) {
                (Some(said), _) => same(said, &payload),
                (None, Err(outcome)) => outcome.clone(),
                (None, Ok(())) => Outcome::Unanswered,
            };
            world.ledger.settle(made, &outcome);
        }
        if let Err(outcome) = whole {
            world.recover(KIND, &mut peer, &nothing, &outcome).await;
        }
        world.pause(&mut rng, 30).await;
    }
    world.finale(KIND, &mut peer).await;
}

/// Posts a batch and takes what comes for each of its calls.
async fn post(
    peer: &mut Peer,
    messages: Vec<Value>,
    ids: &[u64],
    outcomes: &mut BTreeMap<u64, Result<String, Outcome>>,
) -> Result<(), Outcome> {
    let mut answer = peer.post(&Value::Array(messages)).await?;
    if answer.head.status != 200 {
        return Err(answer.refused().await);
    }
    while let Some(message) = answer.next().await.map_err(Outcome::Trouble)? {
        if message.get("method").is_some() {
            continue;
        }
        let id = message["id"].as_u64().filter(|id| ids.contains(id));
        let id = id.ok_or_else(|| Outcome::Wrong(format!("not of this batch: {message}")))?;
        let said = settled(&message, id)?.and_then(|result| text_of(&result));
        if outcomes.insert(id, said).is_some() {
            outcomes.insert(id, Err(Outcome::Wrong(format!("answered twice: {message}"))));
        }
    }
    peer.take_back(answer);
    Ok(())
}
