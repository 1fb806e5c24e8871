//! From the start of the program to its first answer, its memory at rest, and how it leaves.

use std::time::{Duration, Instant};

use super::effort::{Bench, explained};
use super::found::Found;
use super::subject::{Children, Sessions};
use crate::bridge::Bridge;
use crate::client::open_session;
use crate::figures::median;
use crate::messages;
use crate::proc;
use crate::wire::Wire;

const SERVERS: usize = 16;
/// How long it is left alone before it is asked what it needs at rest.
const REST: Duration = Duration::from_millis(500);

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let (mut first, mut all, mut stop) = (Vec::new(), Vec::new(), Vec::new());
    let (mut late, mut all_late) = (Vec::new(), Vec::new());
    for _ in 0..bench.effort.starts {
        let (took, bridge) = start(bench, 1, Children::Quick).await?;
        first.push(took);
        tokio::time::sleep(REST).await;
        found.put("start.rss", proc::rss_kib(bridge.pid()) * 1024.0 / 1e6);
        stop.push(bridge.stop()?.as_secs_f64() * 1e3);
        if bench.subject.serves_many() {
            let (took, bridge) = start(bench, SERVERS, Children::Quick).await?;
            all.push(took);
            tokio::time::sleep(REST).await;
            found.put("start.16.rss", proc::rss_kib(bridge.pid()) * 1024.0 / 1e6);
            late.push(start(bench, 1, Children::Late).await?.0);
            all_late.push(start(bench, SERVERS, Children::Late).await?.0);
        }
    }
    let one = median(first);
    found.put("start.first", one);
    found.put("start.stop", median(stop));
    if !all.is_empty() {
        let (all, all_late) = (median(all), median(all_late));
        found.put("start.16", all);
        found.put("start.gain", all / one);
        found.put("start.16.late", all_late);
        found.put("start.late.gain", all_late / median(late));
    }
    Ok(())
}

/// Until all servers have listed their tools, in milliseconds.
async fn start(
    bench: &Bench<'_>,
    servers: usize,
    children: Children,
) -> Result<(f64, Bridge), String> {
    let start = Instant::now();
    let bridge = bench.subject.launch(servers, children, Sessions::Kept)?;
    let connected = bridge.until(async || Wire::connect(bridge.address).await).await;
    connected.map_err(|error| explained(&bridge, &error))?;
    let bridge = std::rc::Rc::new(bridge);
    let list = |path: &String| {
        let (bridge, path) = (std::rc::Rc::clone(&bridge), path.clone());
        tokio::task::spawn_local(
            async move { bridge.until(async || list(&bridge, &path).await).await },
        )
    };
    let tasks: Vec<_> = bridge.paths.iter().map(list).collect();
    for task in tasks {
        task.await.map_err(|error| error.to_string())??;
    }
    let took_ms = start.elapsed().as_secs_f64() * 1e3;
    let bridge = std::rc::Rc::into_inner(bridge).ok_or("it is still asked")?;
    Ok((took_ms, bridge))
}

async fn list(bridge: &Bridge, path: &str) -> Result<(), String> {
    let mut wire = Wire::connect(bridge.address).await?;
    let session = open_session(&mut wire, path).await?;
    wire.expect(&messages::post(path, &session, messages::LIST), 200).await?;
    if wire.message.windows(7).any(|part| part == b"\"tools\"") {
        Ok(())
    } else {
        Err(wire.unexpected("the tools"))
    }
}
