//! Benchmarks of the path a message takes.
//!
//! - `micro`: allocations, bytes and time of single steps, in this process. The counts are the same on every machine.
//! - `counts`: allocations of the whole daemon for each call, from a build of it that counts them.
//! - `load`: latency, throughput, CPU time and memory of release builds, several of them interleaved if asked.
//! - `eras`: CPU time and throughput of clients of either era on children of either era.
//!
//! Everything is bounded in count and time and stays on loopback.

mod counts;
mod drive;
mod eras;
mod figures;
mod load;
mod messages;
mod micro;

use std::process::ExitCode;

const USAGE: &str = "\
usage: stdiod-bench micro
       stdiod-bench counts
       stdiod-bench load [--daemon PATH[@LOG_LEVEL]]... [--rounds N] [--calls N]
       stdiod-bench eras [--daemon PATH] [--rounds N] [--calls N]

Without --daemon the release build of this repository is measured; build it first with `cargo build --release`.
Of several daemons each is measured in every round, and the later ones are compared with the first.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((command, rest)) if command == "micro" && rest.is_empty() => {
            micro::run();
            Ok(())
        }
        Some((command, rest)) if command == "counts" && rest.is_empty() => counts::run(),
        Some((command, rest)) if command == "load" => load::run(rest),
        Some((command, rest)) if command == "drive" => drive::run(rest),
        Some((command, rest)) if command == "eras" => eras::run(rest),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
