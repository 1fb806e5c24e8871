//! What a gateway does for each of its own clients: a session is opened with its stream, its tools are listed, and it ends.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use super::effort::Bench;
use super::found::Found;
use crate::client::{Budget, open_session};
use crate::figures::quantile;
use crate::messages;
use crate::proc::{Belongings, Cpu};
use crate::wire::Wire;

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(1).await?;
    let (pid, address, path) = (bridge.pid(), bridge.address, bridge.paths[0].as_str());
    let (count, time) = (bench.effort.round_trips, bench.effort.time / 2);
    // Many before it counts, so that every pool and table has its size.
    at_once(address, path, 16, Budget::new(count / 3, time / 3)).await?;
    let before = Belongings::of(pid).settled(pid).await;
    for tasks in [1, 16] {
        let cpu = Cpu::of(pid);
        let mut took = at_once(address, path, tasks, Budget::new(count, time)).await?;
        let cpu = Cpu::of(pid).since(cpu) / took.len().max(1) as f64;
        let name = if tasks == 1 { "churn" } else { "churn.16" };
        found.put(&format!("{name}.cpu"), cpu);
        found.put(&format!("{name}.p50"), quantile(&mut took, 0.5));
    }
    let after = before.settled(pid).await;
    let more = |now: usize, then: usize| now.saturating_sub(then) as f64;
    found.put("churn.descriptors", more(after.descriptors, before.descriptors));
    found.put("churn.children", more(after.children, before.children));
    found.put("churn.rss", after.rss_kib - before.rss_kib);
    Ok(())
}

/// How long each took, in microseconds.
pub async fn at_once(
    address: SocketAddr,
    path: &str,
    tasks: usize,
    budget: Budget,
) -> Result<Vec<f64>, String> {
    let budget = Rc::new(budget);
    let begin = |_| {
        let (budget, path) = (Rc::clone(&budget), path.to_owned());
        tokio::task::spawn_local(async move {
            let mut took = Vec::new();
            loop {
                let start = Instant::now();
                if !budget.take(start) {
                    return Ok::<_, String>(took);
                }
                round_trip(address, &path).await?;
                took.push(start.elapsed().as_secs_f64() * 1e6);
            }
        })
    };
    let tasks: Vec<_> = (0..tasks).map(begin).collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.map_err(|error| error.to_string())??);
    }
    Ok(took)
}

/// On connections of its own, one of them for the stream, which is held until the end, as `LiteLLM` does.
async fn round_trip(address: SocketAddr, path: &str) -> Result<(), String> {
    let mut wire = Wire::connect(address).await?;
    let session = open_session(&mut wire, path).await?;
    let mut stream = Wire::connect(address).await?;
    stream.send(&messages::get(path, &session)).await?;
    stream.head().await?;
    if stream.status != 200 {
        return Err(stream.unexpected("a stream"));
    }
    wire.expect(&messages::post(path, &session, messages::LIST), 200).await?;
    if !wire.message.windows(7).any(|part| part == b"\"tools\"") {
        return Err(wire.unexpected("the tools"));
    }
    match wire.exchange(&messages::delete(path, &session)).await? {
        200..=299 => Ok(()),
        _ => Err(wire.unexpected("the end of the session")),
    }
}
