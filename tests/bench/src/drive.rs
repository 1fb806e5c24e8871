//! Loads a bridge that somebody else has started, under a profiler for instance.

use std::net::SocketAddr;
use std::time::Instant;

use crate::load::client::{Client, block_on};

/// `drive ADDRESS PATH CLIENTS CALLS`: so many clients at once, each making so many calls.
pub fn run(args: &[String]) -> Result<(), String> {
    let [address, path, clients, calls] = args else { return Err(crate::USAGE.into()) };
    let address: SocketAddr = address.parse().map_err(|error| format!("{address}: {error}"))?;
    let number = |text: &String| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
    let (clients, calls) = (number(clients)?, number(calls)?);
    block_on(async {
        let mut open = Vec::new();
        for _ in 0..clients {
            open.push(Client::open(address, path).await?);
        }
        let start = Instant::now();
        let tasks = tokio::task::LocalSet::new();
        let crowd = open.into_iter().map(|mut client| {
            tasks.spawn_local(async move { client.calls(calls).await.map(|took| took.len()) })
        });
        let crowd: Vec<_> = crowd.collect();
        tasks.await;
        let mut made = 0;
        for client in crowd {
            made += client.await.map_err(|error| error.to_string())??;
        }
        println!("{:.0} calls/s", made as f64 / start.elapsed().as_secs_f64());
        Ok(())
    })
}
