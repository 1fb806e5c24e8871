//! What translation costs: clients of either era on children of either era, all on one daemon, in turns.

use std::path::PathBuf;
use std::time::Duration;

use crate::bridge::{Bridge, release_build, stdiod};
use crate::client::{Budget, Client, block_on, crowd};
use crate::figures::median;

/// A client's era and its child's; the server at that place in the configuration is of the child's era.
struct Cell {
    name: &'static str,
    is_modern: bool,
    server: usize,
}

/// Processor time of the daemon for each call, in microseconds, and calls each second.
type Found = (f64, f64);

const ERAS: [&str; 2] = ["legacy", "modern"];

const CELLS: [Cell; 4] = [
    Cell { name: "legacy call on a legacy child", is_modern: false, server: 0 },
    Cell { name: "modern call on a legacy child", is_modern: true, server: 0 },
    Cell { name: "legacy call on a modern child", is_modern: false, server: 1 },
    Cell { name: "modern call on a modern child", is_modern: true, server: 1 },
];

/// Bytes of the text that goes to the child and comes back.
const SIZES: [(&str, usize); 2] = [("small", 16), ("2 KiB", 2048)];

const CLIENTS: usize = 16;

/// A cell's calls of one round are made in so many turns, so that what else happens on the machine meets all cells.
const TURNS: usize = 4;

pub fn run(args: &[String]) -> Result<(), String> {
    let (mut program, mut rounds, mut calls) = (release_build(), 7, 20_000);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{arg}: {error}"));
        match arg.as_str() {
            "--daemon" => program = PathBuf::from(value),
            "--rounds" => rounds = number()?.clamp(1, 100),
            "--calls" => calls = number()?.clamp(1000, 1_000_000),
            _ => return Err(format!("{arg} is not known\n\n{}", crate::usage())),
        }
    }
    println!("{}, {rounds} rounds of {calls} calls, {CLIENTS} clients", program.display());
    println!("load average before: {}", load_average());
    let mut all = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let daemon = stdiod(&program, "info", &ERAS, &[])?;
        all.push(block_on(one_round(&daemon, calls))?);
    }
    println!("load average after: {}", load_average());
    show(&all);
    Ok(())
}

/// All cells with all sizes, in the order of [`SIZES`] and [`CELLS`].
async fn one_round(daemon: &Bridge, calls: usize) -> Result<Vec<Found>, String> {
    let mut sums = vec![(0.0, 0.0); SIZES.len() * CELLS.len()];
    for turn in 0..=TURNS {
        let mut sums = sums.iter_mut();
        for (_, bytes) in SIZES {
            for (cell, sum) in CELLS.iter().zip(&mut sums) {
                let (rate, cpu) = cell.load(daemon, bytes, calls / TURNS).await?;
                // The first turn only warms up.
                if turn > 0 {
                    *sum = (sum.0 + cpu / TURNS as f64, sum.1 + rate / TURNS as f64);
                }
            }
        }
    }
    Ok(sums)
}

fn show(rounds: &[Vec<Found>]) {
    println!("\nMedians; in brackets all rounds.\n");
    println!("| text | | CPU per call (µs) | to the first | calls/s |");
    println!("| --- | --- | ---: | ---: | ---: |");
    for (n, (size, _)) in SIZES.iter().enumerate() {
        for (m, cell) in CELLS.iter().enumerate() {
            let first = n * CELLS.len();
            let place = first + m;
            let of = |value: &dyn Fn(&[Found]) -> f64| rounds.iter().map(|r| value(r)).collect();
            println!(
                "| {size} | {} | {} | {} | {} |",
                cell.name,
                told(of(&|round| round[place].0), 2),
                told(of(&|round| round[place].0 / round[first].0), 3),
                told(of(&|round| round[place].1), 0),
            );
        }
    }
}

fn told(values: Vec<f64>, digits: usize) -> String {
    let all: Vec<String> = values.iter().map(|value| format!("{value:.digits$}")).collect();
    format!("{:.digits$} ({})", median(values), all.join(" "))
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

// === impl Cell ===

impl Cell {
    async fn load(
        &self,
        daemon: &Bridge,
        bytes: usize,
        calls: usize,
    ) -> Result<(f64, f64), String> {
        let path = &daemon.paths[self.server];
        let mut clients = Vec::with_capacity(CLIENTS);
        for _ in 0..CLIENTS {
            clients.push(if self.is_modern {
                Client::modern(daemon.address, path, bytes).await?
            } else {
                Client::legacy(daemon.address, path, bytes).await?
            });
        }
        let budget = Budget::new(calls, Duration::from_mins(10));
        let (crowd, _) = crowd(daemon.pid(), clients, budget).await?;
        Ok((crowd.rate, crowd.cpu_us))
    }
}
