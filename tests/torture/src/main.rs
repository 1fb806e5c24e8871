//! A bounded torture of the daemon: the built binary, its own demo server as child, clients of every kind over loopback,
//! and somebody who breaks things by a seed. Everything that must hold is a line in the report, and what does not hold
//! makes the exit status.

mod baseline;
mod chaos;
mod clients;
mod daemon;
mod havoc;
mod http;
mod ledger;
mod options;
mod peer;
mod proc;
mod report;
mod rng;
mod scenarios;
mod sse;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use options::Options;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; true if all of it holds.
fn run() -> Result<bool, String> {
    let options = Options::read(std::env::args().skip(1))?;
    println!("seed {}", options.seed);
    let names = options.scenarios.iter().flat_map(|name| match name.as_str() {
        "all" => scenarios::ALL.to_vec(),
        "short" => scenarios::SHORT.to_vec(),
        other => vec![other],
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (begun, mut broken) = (Instant::now(), Vec::new());
    for name in names {
        let tasks = tokio::task::LocalSet::new();
        let report = tasks.block_on(&runtime, scenarios::run(name, &options))?;
        report.show();
        if !report.holds() {
            broken.push(name);
        }
    }
    let word = if broken.is_empty() {
        "all holds".to_owned()
    } else {
        format!("broken: {}", broken.join(", "))
    };
    println!("\nseed {}: {word}, after {} s", options.seed, begun.elapsed().as_secs());
    Ok(broken.is_empty())
}
