//! The daemon itself, on an allocator that counts. Whoever connects to the address in `STDIOD_BENCH_COUNTS` is told how
//! many allocations there were since the start, and how many bytes they asked for.

use std::alloc::System;
use std::io::Write;
use std::net::TcpListener;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    if let Ok(address) = std::env::var("STDIOD_BENCH_COUNTS") {
        let listener = TcpListener::bind(address).expect("an address to tell counts at");
        std::thread::spawn(move || {
            for reader in listener.incoming().flatten() {
                tell(reader);
            }
        });
    }
    stdiod::app::main()
}

fn tell(mut reader: std::net::TcpStream) {
    let stats = COUNTING.stats();
    let count = stats.allocations + stats.reallocations;
    // A reader that left needs no counts.
    writeln!(reader, "{count} {}", stats.bytes_allocated).ok();
}
