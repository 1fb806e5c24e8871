//! Benchmarks of the path a message takes.
//!
//! - `micro`: allocations, bytes and time of single steps, in this process. The counts are the same on every machine.
//! - `counts`: allocations of the whole daemon for each call, from a build of it that counts them.
//! - `compare`: latency, throughput, CPU time and memory of the daemon, beside the least bridge there can be and others.
//! - `drive`: only the load, for a bridge that runs already.
//! - `eras`: CPU time and throughput of clients of either era on children of either era.
//!
//! Everything is bounded in count and time and stays on loopback.

mod bridge;
mod client;
mod compare;
mod counts;
mod drive;
mod eras;
mod events;
mod figures;
mod messages;
mod micro;
mod proc;
mod wire;

use std::process::ExitCode;

const USAGE: &str = "\
usage: stdiod-bench micro
       stdiod-bench counts
       stdiod-bench eras [--daemon PATH] [--rounds N] [--calls N]
       stdiod-bench drive ADDRESS PATH CLIENTS CALLS [--kind session|stateless|modern|progress|churn] [--text BYTES]
                          [--events COUNT] [--warm CALLS] [--wait]";

/// Printed where the arguments are wrong.
#[must_use]
pub fn usage() -> String {
    format!(
        "{USAGE}\n       {}\n\nWithout --daemon the release build of this repository is measured; build it first with `cargo build --release`.",
        compare::USAGE
    )
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((command, rest)) if command == "micro" && rest.is_empty() => {
            micro::run();
            Ok(())
        }
        Some((command, rest)) if command == "counts" && rest.is_empty() => counts::run(),
        Some((command, rest)) if command == "compare" => compare::run(rest),
        Some((command, rest)) if command == "drive" => drive::run(rest),
        Some((command, rest)) if command == "eras" => eras::run(rest),
        _ => Err(usage()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
