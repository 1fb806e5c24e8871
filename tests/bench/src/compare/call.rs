//! Echo calls in open sessions, of one client and of many at once.

use super::effort::Bench;
use super::found::Found;
use crate::client::crowd;
use crate::figures::quantile;

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(1).await?;
    for count in [1, 16, 64, 256] {
        let clients = bench.clients(&bridge, count, 1).await?;
        let (_, clients) = crowd(bridge.pid(), clients, bench.warm_up()).await?;
        let (crowd, _) = crowd(bridge.pid(), clients, bench.budget()).await?;
        found.put(&format!("call.{count}.rate"), crowd.rate);
        found.put(&format!("call.{count}.cpu"), crowd.cpu_us);
        if count == 1 {
            let mut took = crowd.took_us.concat();
            found.put("call.1.p50", quantile(&mut took, 0.5));
            found.put("call.1.p99", quantile(&mut took, 0.99));
        }
    }
    Ok(())
}
