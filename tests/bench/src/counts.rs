//! Allocations of the whole daemon for each call.

use std::io::Read;
use std::net::TcpStream;

use crate::bridge::{free_address, sibling, stdiod};
use crate::client::{Client, block_on};
use crate::messages::ECHO_BYTES;

const CALLS: usize = 2000;

/// Who calls whom.
const CELLS: [(&str, usize, bool); 4] = [
    ("legacy call on a legacy child", 0, false),
    ("modern call on a legacy child", 0, true),
    ("legacy call on a modern child", 1, false),
    ("modern call on a modern child", 1, true),
];

pub fn run() -> Result<(), String> {
    let told_at = free_address()?;
    println!("The whole daemon, for each of {CALLS} echo calls of one client on one connection:\n");
    println!("| log level | | allocations | bytes allocated |");
    println!("| --- | --- | ---: | ---: |");
    for level in ["info", "warn"] {
        let variables = [("STDIOD_BENCH_COUNTS", told_at.to_string())];
        let eras = ["legacy", "modern"];
        let daemon = stdiod(&sibling("counted")?, level, &eras, &variables)?;
        for (name, server, is_modern) in CELLS {
            let path = &daemon.paths[server];
            let (count, bytes) = block_on(async {
                let mut client = if is_modern {
                    Client::modern(daemon.address, path, ECHO_BYTES).await?
                } else {
                    Client::open(daemon.address, path).await?
                };
                client.calls(500).await?;
                let before = told(told_at)?;
                client.calls(CALLS).await?;
                let after = told(told_at)?;
                Ok((after.0 - before.0, after.1 - before.1))
            })?;
            let each = |value: usize| value as f64 / CALLS as f64;
            println!("| {level} | {name} | {:.1} | {:.0} |", each(count), each(bytes));
        }
    }
    Ok(())
}

fn told(address: std::net::SocketAddr) -> Result<(usize, usize), String> {
    let mut text = String::new();
    let read = TcpStream::connect(address).and_then(|mut from| from.read_to_string(&mut text));
    read.map_err(|error| format!("the counts cannot be read: {error}"))?;
    let numbers: Vec<usize> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [count, bytes] => Ok((count, bytes)),
        _ => Err(format!("these are no counts: {text:?}")),
    }
}
