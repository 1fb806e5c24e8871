//! Loads a bridge that somebody else has started, under a profiler for instance.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Budget, Client, block_on, crowd};

/// `drive ADDRESS PATH CLIENTS CALLS`: so many clients at once, each making so many calls.
pub fn run(args: &[String]) -> Result<(), String> {
    let [address, path, clients, calls] = args else { return Err(crate::usage()) };
    let address: SocketAddr = address.parse().map_err(|error| format!("{address}: {error}"))?;
    let number = |text: &String| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
    let (clients, calls) = (number(clients)?, number(calls)?);
    block_on(async {
        let mut open = Vec::new();
        for _ in 0..clients {
            open.push(Client::open(address, path).await?);
        }
        let budget = Budget::new(clients * calls, Duration::from_hours(1));
        // Whose processor time it is does not matter here.
        let (crowd, _) = crowd(std::process::id(), open, budget).await?;
        println!("{:.0} calls/s", crowd.rate);
        Ok(())
    })
}
