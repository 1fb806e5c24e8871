//! Calls of clients without a session, of older revisions and of the one that knows none.

use super::effort::{Bench, explained};
use super::found::Found;
use super::subject::Sessions;
use crate::client::{Budget, Client, crowd};
use crate::messages::ECHO_BYTES;
use crate::proc::Belongings;

const CLIENTS: usize = 16;

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let legacy = measure(bench, found, "legacy").await;
    let modern = measure(bench, found, "modern").await;
    match (legacy, modern) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(error), Ok(())) => Err(format!("legacy: {error}")),
        (Ok(()), Err(error)) => Err(format!("modern: {error}")),
        (Err(one), Err(other)) => Err(format!("legacy: {one}; modern: {other}")),
    }
}

async fn measure(bench: &Bench<'_>, found: &mut Found, era: &str) -> Result<(), String> {
    let bridge = bench.subject.launch(1, Sessions::Unknown)?;
    let (pid, address, path) = (bridge.pid(), bridge.address, &bridge.paths[0]);
    let connect = async || match era {
        "modern" => Client::modern(address, path, ECHO_BYTES).await,
        _ => Client::sessionless(address, path).await,
    };
    let first = bridge.until(async || connect().await?.calls(1).await).await;
    first.map_err(|error| explained(&bridge, &error))?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(connect().await?);
    }
    let (posts, time) = (bench.effort.posts, bench.effort.posts_time);
    let (_, clients) = crowd(pid, clients, Budget::new(posts / 20, time / 10)).await?;
    let before = Belongings::of(pid);
    let (crowd, clients) = crowd(pid, clients, Budget::new(posts, time)).await?;
    let after = before.settled(pid).await;
    drop(clients);
    found.put(&format!("stateless.{era}.rate"), crowd.rate);
    found.put(&format!("stateless.{era}.cpu"), crowd.cpu_us);
    let children = after.children.saturating_sub(before.children) as f64;
    found.put(&format!("stateless.{era}.children"), children);
    found.put(&format!("stateless.{era}.rss"), after.rss_kib - before.rss_kib);
    Ok(())
}
