//! Sixteen calls at once in one session, which the child answers after 50 ms each.

use std::time::Instant;

use super::effort::Bench;
use super::found::Found;
use crate::client::{Budget, open_session};
use crate::figures::quantile;
use crate::messages;
use crate::wire::Wire;

const CALLS: usize = 16;
const TIMES: usize = 20;

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(1).await?;
    let path = &bridge.paths[0];
    let mut wires = vec![Wire::connect(bridge.address).await?];
    let session = open_session(&mut wires[0], path).await?;
    for id in 1..CALLS {
        let mut wire = Wire::connect(bridge.address).await?;
        let list = messages::post(path, &session, messages::LIST);
        wire.expect(&list, 200).await.map_err(|error| format!("connection {id}: {error}"))?;
        wires.push(wire);
    }
    let mut took_ms = Vec::new();
    let budget = Budget::new(TIMES, bench.effort.time);
    while budget.take(Instant::now()) {
        let start = Instant::now();
        let call = |(n, mut wire): (usize, Wire)| {
            let request = messages::post(path, &session, &messages::sleep(100 + n));
            tokio::task::spawn_local(async move {
                wire.expect(&request, 200).await?;
                let id = format!("\"id\":{}", 100 + n);
                let is_answer = wire.message.windows(id.len()).any(|part| part == id.as_bytes())
                    && wire.message.windows(4).any(|part| part == b"done");
                if is_answer { Ok(wire) } else { Err(wire.unexpected("the answer")) }
            })
        };
        let tasks: Vec<_> = wires.drain(..).enumerate().map(call).collect();
        for task in tasks {
            wires.push(task.await.map_err(|error| error.to_string())??);
        }
        took_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    found.put("parallel.p50", quantile(&mut took_ms, 0.5));
    Ok(())
}
