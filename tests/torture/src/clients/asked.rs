//! A client that can be asked: it has a child of its own, and answers sampling and elicitation in the middle of its calls.
//! A question must come from the call it belongs to, and from no other.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::http::Trouble;
use crate::ledger::Outcome;
use crate::peer::{LIMIT, Peer, same, settled, text_of, tool};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "asked";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-06-18");
    let able = json!({"sampling": {}, "elicitation": {}});
    if !world.open(KIND, &mut peer, &able).await {
        return;
    }
    while !world.over.get() {
        let payload = world.payload(KIND);
        let (name, arguments, expected) = if rng.chance(50) {
            ("test_sampling", json!({"prompt": payload}), format!("LLM response: {payload}"))
        } else {
            let content = json!({"email": "a@b", "username": payload});
            let said = format!("User response: action=accept, content={content}");
            ("test_elicitation", json!({"message": payload}), said)
        };
        let made = world.ledger.make(KIND, &server, world.leave());
        let calling = tokio::time::timeout(LIMIT, call(&mut peer, name, &arguments, &payload));
        let said = calling.await.unwrap_or(Err(Outcome::Trouble(Trouble::Late)));
        let outcome = same(said, &expected);
        world.ledger.settle(made, &outcome);
        world.recover(KIND, &mut peer, &able, &outcome).await;
        world.pause(&mut rng, 40).await;
    }
    world.finale(KIND, &mut peer).await;
    // A child of one's own is given back.
    drop(peer.delete().await);
}

async fn call(
    peer: &mut Peer,
    name: &str,
    arguments: &Value,
    payload: &str,
) -> Result<String, Outcome> {
    let id = peer.id();
    let mut answer = peer.post(&tool(id, name, arguments)).await?;
    if answer.head.status != 200 {
        return Err(answer.refused().await);
    }
    let mut found = None;
    let mut asked = 0;
    while let Some(message) = answer.next().await.map_err(Outcome::Trouble)? {
        let result = match message["method"].as_str() {
            Some("sampling/createMessage") => {
                let prompt = message["params"]["messages"][0]["content"]["text"].clone();
                expect(&prompt, payload)?;
                json!({"role": "assistant", "model": "none", "content": {"type": "text", "text": prompt}})
            }
            Some("elicitation/create") => {
                let text = message["params"]["message"].clone();
                expect(&text, payload)?;
                json!({"action": "accept", "content": {"username": text, "email": "a@b"}})
            }
            Some(_) => continue,
            None => {
                let settled = settled(&message, id)?;
                if found.replace(settled).is_some() {
                    return Err(Outcome::Wrong(format!("answered twice: {message}")));
                }
                continue;
            }
        };
        asked += 1;
        let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        peer.twin().post_only(&reply).await?;
    }
    let result = found.ok_or(Outcome::Unanswered)??;
    if asked != 1 {
        return Err(Outcome::Wrong(format!("asked {asked} times in one call")));
    }
    text_of(&result)
}

fn expect(asked: &Value, payload: &str) -> Result<(), Outcome> {
    if asked == payload {
        return Ok(());
    }
    Err(Outcome::Wrong(format!("asked {asked} in the call of {payload:?}")))
}
