//! Release builds under load: the same echo call, from one client, from many, and the memory it takes to serve them.

pub mod client;
mod daemon;
mod pipe;

use std::path::{Path, PathBuf};
use std::time::Instant;

use client::{Client, block_on};
pub use daemon::{Daemon, free_address, sibling};

use crate::figures::{median, quantile};

/// One daemon to measure.
struct Subject {
    name: String,
    program: PathBuf,
    log_level: String,
    /// What each round found, in the order of [`ROWS`].
    rounds: Vec<Vec<f64>>,
}

const ROWS: [&str; 12] = [
    "p50, 1 client (µs)",
    "p99, 1 client (µs)",
    "CPU per call, 1 client (µs)",
    "calls/s, 16 clients",
    "CPU per call, 16 clients (µs)",
    "calls/s, 64 clients",
    "CPU per call, 64 clients (µs)",
    "RSS, 1 idle server (KiB)",
    "RSS, 16 idle servers (KiB)",
    "RSS added by 10,000 idle sessions (KiB)",
    "p50, 1 client beside them (µs)",
    "pipe alone: p50 (µs)",
];

const SESSIONS: usize = 10_000;

pub fn run(args: &[String]) -> Result<(), String> {
    let (mut subjects, mut rounds, mut calls) = (Vec::new(), 5, 20_000);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{arg}: {error}"));
        match arg.as_str() {
            "--daemon" => subjects.push(Subject::new(value)),
            "--rounds" => rounds = number()?.clamp(1, 100),
            "--calls" => calls = number()?.clamp(100, 1_000_000),
            _ => return Err(format!("{arg} is not known\n\n{}", crate::USAGE)),
        }
    }
    if subjects.is_empty() {
        subjects.push(Subject::new(&release_build().display().to_string()));
    }
    for round in 1..=rounds {
        for subject in &mut subjects {
            eprintln!("round {round} of {rounds}: {}", subject.name);
            let found = measure(&subject.program, &subject.log_level, calls)?;
            subject.rounds.push(found);
        }
    }
    show(&subjects);
    Ok(())
}

/// What `cargo build --release` makes in this repository.
pub fn release_build() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/stdiod")
}

fn measure(program: &Path, log_level: &str, calls: usize) -> Result<Vec<f64>, String> {
    let mut found = Vec::with_capacity(ROWS.len());
    let daemon = Daemon::start(program, log_level, &["legacy"], &[])?;
    let idle = daemon.rss_kib();
    let server = &daemon.servers[0];
    block_on(async {
        let mut client = Client::open(daemon.address, server).await?;
        client.calls(1000).await?;
        let cpu = daemon.cpu_us();
        let mut took = client.calls(calls / 2).await?;
        let cpu = (daemon.cpu_us() - cpu) / took.len() as f64;
        found.extend([quantile(&mut took, 0.5), quantile(&mut took, 0.99), cpu]);
        Ok(())
    })?;
    for clients in [16, 64] {
        let (rate, cpu) = block_on(crowd(&daemon, clients, calls / clients))?;
        found.extend([rate, cpu]);
    }
    drop(daemon);
    let daemon = Daemon::start(program, log_level, &["legacy"; 16], &[])?;
    found.extend([idle, daemon.rss_kib()]);
    drop(daemon);
    found.extend(sessions(&Daemon::start(program, log_level, &["legacy"], &[])?)?);
    found.push(pipe::p50_us(calls / 2)?);
    Ok(found)
}

/// Many clients at once: calls each second, and processor time of the daemon for each.
async fn crowd(daemon: &Daemon, clients: usize, calls: usize) -> Result<(f64, f64), String> {
    let mut open = Vec::new();
    for _ in 0..clients {
        open.push(Client::open(daemon.address, &daemon.servers[0]).await?);
    }
    all_at_once(daemon, open, calls).await
}

/// Lets each of these clients make so many calls.
pub async fn all_at_once(
    daemon: &Daemon,
    clients: Vec<Client>,
    calls: usize,
) -> Result<(f64, f64), String> {
    let tasks = tokio::task::LocalSet::new();
    let cpu = daemon.cpu_us();
    let start = Instant::now();
    let crowd = clients.into_iter().map(|mut client| {
        tasks.spawn_local(async move { client.calls(calls).await.map(|took| took.len()) })
    });
    let crowd: Vec<_> = crowd.collect();
    let mut made = 0;
    tasks.await;
    for client in crowd {
        made += client.await.map_err(|error| error.to_string())??;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok((made as f64 / seconds, (daemon.cpu_us() - cpu) / made as f64))
}

/// The memory that idle sessions take, and what they mean for the calls of another.
fn sessions(daemon: &Daemon) -> Result<[f64; 2], String> {
    block_on(async {
        let mut client = Client::open(daemon.address, &daemon.servers[0]).await?;
        let before = daemon.rss_kib();
        for _ in 0..SESSIONS {
            client.open_session(&daemon.servers[0]).await?;
        }
        let added = daemon.rss_kib() - before;
        let mut took = Client::open(daemon.address, &daemon.servers[0]).await?.calls(2000).await?;
        Ok([added, quantile(&mut took, 0.5)])
    })
}

fn show(subjects: &[Subject]) {
    let rounds = subjects.first().map_or(0, |subject| subject.rounds.len());
    println!("Medians of {rounds} rounds; in brackets the lowest and the highest.\n");
    for (n, subject) in subjects.iter().enumerate() {
        println!("{}: {}", n + 1, subject.name);
    }
    print!("\n| |");
    for n in 1..=subjects.len() {
        print!(" {n} |{}", if n > 1 { " to 1 |" } else { "" });
    }
    println!("\n| --- |{}", " ---: |".repeat(2 * subjects.len() - 1));
    for (row, name) in ROWS.iter().enumerate() {
        print!("| {name} |");
        let mut first = None;
        for subject in subjects {
            let values: Vec<f64> = subject.rounds.iter().map(|round| round[row]).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let middle = median(values);
            print!(" {middle:.1} ({low:.1} to {high:.1}) |");
            match first {
                None => first = Some(middle),
                Some(first) => print!(" {:.2} |", middle / first),
            }
        }
        println!();
    }
}

// === impl Subject ===

impl Subject {
    fn new(text: &str) -> Self {
        let (program, level) = text.rsplit_once('@').unwrap_or((text, "info"));
        Self {
            name: format!("{program}, log level {level}"),
            program: program.into(),
            log_level: level.to_owned(),
            rounds: Vec::new(),
        }
    }
}
