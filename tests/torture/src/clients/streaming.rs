//! Calls answered by event streams, which the client cuts now and then and takes up again where it left them, beside a
//! standing stream on which no answer may ever come.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::chaos::Blow;
use crate::http::Trouble;
use crate::ledger::{Leave, Outcome};
use crate::peer::{Answer, LIMIT, Peer, same, text_of, tool};
use crate::rng::Rng;
use crate::world::World;

const KIND: &str = "streaming";

pub(super) async fn live(world: Rc<World>, server: String, mut rng: Rng) {
    let mut peer = Peer::new(world.address, &server, "2025-11-25");
    let nothing = json!({});
    if !world.open(KIND, &mut peer, &nothing).await {
        return;
    }
    let (mut listening, mut listener_rng) = (peer.twin(), rng.fork());
    let standing = stand(&world, &mut listening, &mut listener_rng);
    let calling = async {
        while !world.over.get() {
            let (id, payload) = (peer.id(), world.payload(KIND));
            let mut arguments = super::mischief(&mut rng, &payload);
            arguments["ms"] = rng.below(200).into();
            let mut message = tool(id, "act_up", &arguments);
            message["params"]["_meta"] = json!({"progressToken": format!("t{id}")});
            let cut = rng.chance(40).then(|| Duration::from_millis(rng.below(120)));
            let leave = Leave { cut: cut.is_some(), ..world.leave() };
            let made = world.ledger.make(KIND, &server, leave);
            let said = timeout(LIMIT, call(&world, &mut peer, id, &message, cut)).await;
            let outcome = same(said.unwrap_or(Err(Outcome::Trouble(Trouble::Late))), &payload);
            world.ledger.settle(made, &outcome);
            world.recover(KIND, &mut peer, &nothing, &outcome).await;
            world.pause(&mut rng, 20).await;
        }
        world.finale(KIND, &mut peer).await;
    };
    tokio::select! {
        () = calling => {}
        () = standing => {}
    }
}

/// Makes a call; if it is to be cut, leaves its stream and takes it up again once.
async fn call(
    world: &World,
    peer: &mut Peer,
    id: u64,
    message: &Value,
    cut: Option<Duration>,
) -> Result<String, Outcome> {
    let mut answer = peer.post(message).await?;
    let Some(after) = cut.filter(|_| answer.head.status == 200 && answer.head.is_stream) else {
        let result = answer.result(id).await?;
        peer.take_back(answer);
        return text_of(&result);
    };
    answer.primed().await.map_err(Outcome::Trouble)?;
    if let Ok(result) = timeout(after, answer.result(id)).await {
        return text_of(&result?);
    }
    let last = answer.last_id().map(str::to_owned);
    drop(answer);
    let Some(last) = last else {
        return Err(Outcome::Wrong("a stream of 2025-11-25 began without an event id".into()));
    };
    world.count("streams taken up again");
    sleep(Duration::from_millis(20)).await;
    let mut rest = peer.twin().listen(Some(&last)).await?;
    text_of(&resumed(&mut rest, id).await?)
}

/// The answer on a stream that was taken up again, and nothing after it.
async fn resumed(rest: &mut Answer, id: u64) -> Result<Value, Outcome> {
    let mut found = None;
    loop {
        let patience = if found.is_some() { Duration::from_millis(100) } else { LIMIT };
        let message = match timeout(patience, rest.next()).await {
            Err(_) if found.is_some() => break,
            Err(_) => return Err(Outcome::Trouble(Trouble::Late)),
            Ok(message) => message.map_err(Outcome::Trouble)?,
        };
        let Some(message) = message else { break };
        if message.get("method").is_some() {
            continue;
        }
        let settled = crate::peer::settled(&message, id)?;
        if found.replace(settled).is_some() {
            return Err(Outcome::Wrong(format!("answered twice: {message}")));
        }
    }
    found.ok_or(Outcome::Unanswered)?
}

/// Holds a standing stream, which is cut at times too. Never ends by itself.
async fn stand(world: &World, peer: &mut Peer, rng: &mut Rng) {
    let mut last: Option<String> = None;
    loop {
        match peer.listen(last.as_deref()).await {
            Ok(mut stream) => {
                let whole = Duration::from_millis(rng.between(200, 3000));
                let fault = timeout(whole, heard(&mut stream)).await;
                if let Ok(why) = fault
                    && !world.ledger.chaos.met(
                        Blow::Daemon,
                        &peer.server,
                        std::time::Instant::now(),
                    )
                {
                    world.ledger.fail(format!("the standing stream at {}: {why}", peer.server));
                }
                last = stream.last_id().map(str::to_owned);
                if last.is_some() {
                    world.count("standing streams taken up again");
                }
            }
            Err(Outcome::Refused { status: 404, .. }) if world.leave().forgotten => {
                return std::future::pending().await;
            }
            Err(outcome) => {
                last = None;
                let met =
                    |blow| world.ledger.chaos.met(blow, &peer.server, std::time::Instant::now());
                if !met(Blow::Daemon) && !met(Blow::Hang) && !met(Blow::Death) {
                    world.ledger.fail(format!(
                        "a standing stream at {} was refused: {outcome:?}",
                        peer.server
                    ));
                }
            }
        }
        sleep(Duration::from_millis(rng.below(100))).await;
    }
}

/// Listens until something is heard that must not be.
async fn heard(stream: &mut Answer) -> String {
    loop {
        match stream.next().await {
            Ok(Some(message)) if message.get("method").is_some() && message.get("id").is_none() => {
            }
            Ok(Some(message)) => return format!("it brought {message}"),
            Ok(None) => return "it ended".to_owned(),
            Err(trouble) => return format!("{trouble:?}"),
        }
    }
}
