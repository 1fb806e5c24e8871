//! Results of 16 MiB, one after another in one session.

use std::time::{Duration, Instant};

use memchr::memmem;

use super::effort::Bench;
use super::found::Found;
use crate::client::open_session;
use crate::messages;
use crate::proc;
use crate::wire::Wire;

/// What the whole message may have with the default settings of stdiod, less room for what stands around the text.
const BYTES: usize = 16 * 1024 * 1024 - 1024;
const TIME_MAX: Duration = Duration::from_secs(20);

pub async fn run(bench: &Bench<'_>, found: &mut Found) -> Result<(), String> {
    let bridge = bench.start(1).await?;
    let (pid, path) = (bridge.pid(), &bridge.paths[0]);
    let mut wire = Wire::connect(bridge.address).await?;
    let session = open_session(&mut wire, path).await?;
    proc::forget_peak(pid)?;
    let before = proc::rss_kib(pid);
    let mut seconds = 0.0;
    for id in 0..=bench.effort.results {
        let request = messages::post(path, &session, &messages::bytes(100 + id, BYTES));
        let start = Instant::now();
        let result = tokio::time::timeout(TIME_MAX, result(&mut wire, &request, 100 + id)).await;
        result.map_err(|_| "the result did not come within 20 s")??;
        // The first one finds the pages of all.
        if id > 0 {
            seconds += start.elapsed().as_secs_f64();
        }
    }
    let mib = (bench.effort.results * BYTES) as f64 / f64::from(1 << 20);
    found.put("big.rate", mib / seconds);
    found.put("big.peak", (proc::peak_kib(pid) - before) * 1024.0 / 1e6);
    Ok(())
}

/// Counts the text as it comes: kept, it would cost more than the floor.
async fn result(wire: &mut Wire, request: &[u8], id: usize) -> Result<(), String> {
    wire.send(request).await?;
    wire.head().await?;
    let (mut filler, mut edges) = (0, Vec::new());
    while let Some(piece) = wire.piece().await? {
        let piece = &wire.read_in()[piece];
        let of_piece = messages::filler(piece);
        filler += of_piece;
        if of_piece < piece.len() {
            edges.extend(piece.iter().filter(|byte| **byte != messages::FILLER).take(1000));
        }
    }
    let id = format!("\"id\":{id}");
    if wire.status == 200 && filler == BYTES && memmem::find(&edges, id.as_bytes()).is_some() {
        return Ok(());
    }
    edges.truncate(300);
    let said = String::from_utf8_lossy(&edges);
    Err(format!("{filler} of {BYTES} bytes came, with status {} and {said}", wire.status))
}
