//! HTTP+SSE of 2024-11-05: one stream that brings everything, and a path to post to.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::chaos::Blow;
use crate::http::{Trouble, Wire, request};
use crate::ledger::Outcome;
use crate::peer::{LIMIT, same, settled, text_of, tool};
use crate::rng::Rng;
use crate::sse::{Decoder, Event};
use crate::world::World;

const KIND: &str = "old";

#[derive(Debug)]
struct OldPeer {
    address: SocketAddr,
    stream: Wire,
    decoder: Decoder,
    queue: std::collections::VecDeque<Event>,
    endpoint: String,
    next: u64,
}

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    'session: while !world.over.get() {
        let made = world.ledger.make(KIND, &server, world.leave());
        let opened = timeout(LIMIT, OldPeer::open(world.address, &server)).await;
        let mut peer = match opened.unwrap_or(Err(Outcome::Trouble(Trouble::Late))) {
            Ok(peer) => {
                world.ledger.settle(made, &Outcome::Right);
                peer
            }
            Err(outcome) => {
                world.ledger.settle(made, &outcome);
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        while !world.over.get() {
            let outcome = one(&world, &server, &mut peer, &mut rng).await;
            // Its session is its stream: when that is lost there is nothing to go on with.
            if matches!(
                outcome,
                Outcome::Trouble(_) | Outcome::Unanswered | Outcome::Refused { .. }
            ) {
                continue 'session;
            }
            world.pause(&mut rng, 20).await;
        }
        while !world.calm.get() {
            sleep(Duration::from_millis(20)).await;
        }
        let begun = std::time::Instant::now();
        let outcome = one(&world, &server, &mut peer, &mut rng).await;
        let excused = world.ledger.chaos.met(Blow::Daemon, &server, begun);
        world.judged_usable(outcome == Outcome::Right || excused);
        return;
    }
}

async fn one(world: &World, server: &str, peer: &mut OldPeer, rng: &mut Rng) -> Outcome {
    let payload = world.payload(KIND);
    let arguments = super::mischief(rng, &payload);
    let mut leave = world.leave();
    // A session of this kind ends with its stream, and so with its daemon.
    leave.forgotten |= world.ledger.chaos.met(Blow::Daemon, server, std::time::Instant::now());
    let made = world.ledger.make(KIND, server, leave);
    let said = timeout(LIMIT, peer.tool("act_up", &arguments)).await;
    let outcome = same(said.unwrap_or(Err(Outcome::Trouble(Trouble::Late))), &payload);
    world.ledger.settle(made, &outcome);
    outcome
}

// === impl OldPeer ===

impl OldPeer {
    async fn open(address: SocketAddr, server: &str) -> Result<Self, Outcome> {
        let opening = async {
            let mut stream = Wire::connect(address).await?;
            let path = format!("/servers/{server}/sse");
            stream.send(&request("GET", &path, "Accept: text/event-stream\r\n", "")).await?;
            let head = stream.head().await?;
            Ok((stream, head))
        };
        let (mut stream, head) = opening.await.map_err(Outcome::Trouble)?;
        if head.status != 200 {
            let message = stream.text().await.map_err(Outcome::Trouble)?;
            return Err(Outcome::Refused { status: head.status, message });
        }
        let mut peer = Self {
            address,
            stream,
            decoder: Decoder::default(),
            queue: std::collections::VecDeque::new(),
            endpoint: String::new(),
            next: 0,
        };
        let first = peer.event().await?;
        if first.name != "endpoint" {
            return Err(Outcome::Wrong(format!("the stream began with {first:?}")));
        }
        peer.endpoint = first.data;
        let params = json!({"protocolVersion": "2024-11-05", "capabilities": {},
            "clientInfo": {"name": "torture", "version": "1"}});
        peer.post(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}))
            .await?;
        peer.answer(0).await?;
        peer.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(peer)
    }

    async fn tool(&mut self, name: &str, arguments: &Value) -> Result<String, Outcome> {
        self.next += 1;
        let id = self.next;
        self.post(&tool(id, name, arguments)).await?;
        text_of(&self.answer(id).await?)
    }

    async fn post(&mut self, message: &Value) -> Result<(), Outcome> {
        let posting = async {
            let mut wire = Wire::connect(self.address).await?;
            let headers = "Content-Type: application/json\r\n";
            wire.send(&request("POST", &self.endpoint, headers, &message.to_string())).await?;
            let head = wire.head().await?;
            // The answer to an accepted message says nothing.
            let text = if head.status == 202 { String::new() } else { wire.text().await? };
            Ok((head.status, text))
        };
        let (status, text) = posting.await.map_err(Outcome::Trouble)?;
        if status == 202 { Ok(()) } else { Err(Outcome::Refused { status, message: text }) }
    }

    /// The next answer, which must be the one waited for.
    async fn answer(&mut self, id: u64) -> Result<Value, Outcome> {
        loop {
            let event = self.event().await?;
            let message: Value = serde_json::from_str(&event.data)
                .map_err(|error| Outcome::Wrong(format!("{error}: {}", event.data)))?;
            if message.get("method").is_none() {
                return settled(&message, id)?;
            }
        }
    }

    async fn event(&mut self) -> Result<Event, Outcome> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(event);
            }
            let piece = self.stream.piece().await.map_err(Outcome::Trouble)?;
            let piece = piece.ok_or(Outcome::Unanswered)?;
            self.queue.extend(self.decoder.push(&piece));
        }
    }
}
