//! Calls of clients without a session, of older revisions and of the one that knows none.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::effort::{Bench, explained};
use super::found::Found;
use super::subject::{Children, Sessions};
use crate::client::{Budget, Client, crowd};
use crate::messages::ECHO_BYTES;
use crate::proc;

const CLIENTS: usize = 16;
/// How often it is looked whether there are new children.
const LOOK: Duration = Duration::from_millis(200);

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
    let bridge = bench.subject.launch(1, Children::Quick, Sessions::Unknown)?;
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
    let (before, rss_kib) = (proc::descendants(pid), proc::rss_kib(pid));
    let seen = Rc::new(RefCell::new(BTreeSet::new()));
    let watch = tokio::task::spawn_local(watch(pid, Rc::clone(&seen)));
    let (crowd, clients) = crowd(pid, clients, Budget::new(posts, time)).await?;
    watch.abort();
    seen.borrow_mut().extend(proc::descendants(pid));
    let rss_kib = proc::rss_kib(pid) - rss_kib;
    drop(clients);
    found.put(&format!("stateless.{era}.rate"), crowd.rate);
    found.put(&format!("stateless.{era}.cpu"), crowd.cpu_us);
    let children = seen.borrow().iter().filter(|child| !before.contains(child)).count();
    found.put(&format!("stateless.{era}.children"), children as f64);
    found.put(&format!("stateless.{era}.rss"), rss_kib);
    Ok(())
}

/// A child for each request is gone before the end.
async fn watch(pid: u32, seen: Rc<RefCell<BTreeSet<u32>>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        seen.borrow_mut().extend(proc::descendants(pid));
    }
}
