//! Sixty-four clients on one server, and the same on sixteen of the same bridge.

use super::effort::Bench;
use super::found::Found;
use crate::client::crowd;
use crate::figures::{quantile, spread};

const SERVERS: usize = 16;
const CLIENTS: usize = 64;

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(SERVERS).await?;
    let mut one = f64::NAN;
    for servers in [1, SERVERS] {
        let clients = bench.clients(&bridge, CLIENTS, servers).await?;
        let (_, clients) = crowd(bridge.pid(), clients, bench.warm_up()).await?;
        let (crowd, _) = crowd(bridge.pid(), clients, bench.budget()).await?;
        if servers == 1 {
            one = crowd.rate;
            continue;
        }
        let p99 = |server: usize| {
            let of_server = crowd.took_us.iter().skip(server).step_by(SERVERS);
            quantile(&mut of_server.flatten().copied().collect::<Vec<_>>(), 0.99)
        };
        let p99s: Vec<f64> = (0..SERVERS).map(p99).collect();
        let (least, most) = spread(&p99s).ok_or("no server was called")?;
        found.put("servers.rate", crowd.rate);
        found.put("servers.gain", crowd.rate / one);
        found.put("servers.cpu", crowd.cpu_us);
        found.put("servers.fair", most / least);
    }
    Ok(())
}
