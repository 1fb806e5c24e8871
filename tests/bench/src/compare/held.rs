//! Sessions that do nothing: each holds the connection it was opened on, and another with its stream.

use super::effort::Bench;
use super::found::Found;
use crate::client::open_session;
use crate::messages;
use crate::proc::{Belongings, Cpu};
use crate::wire::Wire;

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(1).await?;
    let (pid, path) = (bridge.pid(), &bridge.paths[0]);
    let before = Belongings::of(pid).settled(pid).await;
    let mut held = Vec::new();
    for _ in 0..bench.effort.sessions {
        let mut wire = Wire::connect(bridge.address).await?;
        let session = open_session(&mut wire, path).await?;
        let mut stream = Wire::connect(bridge.address).await?;
        stream.send(&messages::get(path, &session)).await?;
        stream.head().await?;
        if stream.status != 200 {
            return Err(stream.unexpected("a stream"));
        }
        held.push((wire, stream));
    }
    // What is done once after the last is no part of the rest.
    tokio::time::sleep(bench.effort.rest / 5).await;
    let during = Belongings::of(pid);
    let cpu = Cpu::of(pid);
    tokio::time::sleep(bench.effort.rest).await;
    let used_us = Cpu::of(pid).since(cpu);
    let sessions = held.len() as f64;
    drop(held);
    let after = before.settled(pid).await;
    found.put("held.memory", (during.rss_kib - before.rss_kib) / sessions);
    found.put("held.cpu", used_us / bench.effort.rest.as_secs_f64() / 1e4);
    let left = after.descriptors.saturating_sub(before.descriptors);
    found.put("held.descriptors", left as f64);
    Ok(())
}
