//! Stdiod, the floors and other bridges in one run, in turns.
//!
//! The machine's mood changes from minute to minute, so a figure alone says little. Here every subject has its turn in every
//! case of every round, in an order that moves on from round to round, and what counts is the ratio to the pipe floor of the same
//! round, of which the median over the rounds is told. Each turn starts the subject anew. One thread makes the load, reads
//! every answer and checks its id and its text; processor time is that of the bridge's own process, its children apart.
//!
//! `effort` has the cases and how much of each is done, `found` what each figure is, `limits` what stdiod is held to. Peers do
//! less of everything, because they would take hours: the clock stops them, see [`effort::Effort::of_peers`].

mod big;
mod call;
pub mod churn;
mod effort;
mod found;
mod held;
mod limits;
mod parallel;
mod progress;
mod report;
mod servers;
mod start;
mod stateless;
mod subject;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use effort::{Bench, CASES, Case, Effort};
use found::{Found, Rounds};
use subject::Subject;

use crate::bridge::release_build;
use crate::client::block_on;

pub const USAGE: &str = "\
       stdiod-bench compare [--daemon PATH[@LOG_LEVEL]]... [--peers] [--peer NAME[=PROGRAM]]... [--only CASE]...
                            [--rounds N] [--quick] [--million] [--markdown FILE] [--json FILE]";

/// A case of one subject may take so long.
const CASE_MAX: Duration = Duration::from_secs(90);
/// Who failed a case so often is not asked again.
const FAILURES_MAX: usize = 2;

struct Asked {
    subjects: Vec<Subject>,
    cases: Vec<(&'static str, Case)>,
    rounds: usize,
    effort: Effort,
    is_unbounded: bool,
    markdown: Option<PathBuf>,
    json: Option<PathBuf>,
}

pub fn run(args: &[String]) -> Result<(), String> {
    let asked = Asked::parse(args)?;
    build_programs()?;
    let begin = Instant::now();
    let mut rounds =
        Rounds { found: Vec::new(), floor: asked.subjects.iter().position(Subject::is_pipe_floor) };
    for round in 0..asked.rounds {
        let found = asked.subjects.iter().map(|_| Found::default()).collect();
        rounds.found.push(found);
        for (name, case) in &asked.cases {
            for turn in 0..asked.subjects.len() {
                let n = (turn + round) % asked.subjects.len();
                let subject = &asked.subjects[n];
                let failed = |found: &&Vec<Found>| found[n].failures.contains_key(name);
                let failures = rounds.found.iter().filter(failed).count();
                if !subject.takes(*case) || failures >= FAILURES_MAX {
                    continue;
                }
                eprint!(
                    "\r\x1b[Kround {} of {}: {name}, {}",
                    round + 1,
                    asked.rounds,
                    subject.name
                );
                if let Err(error) = asked.measure(subject, *case, &mut rounds.found[round][n]) {
                    eprintln!("\r\x1b[K{} failed in {name}: {error}", subject.name);
                    rounds.found[round][n].failures.insert(name, error);
                }
            }
        }
    }
    eprintln!("\r\x1b[K{} rounds in {:.0} s", asked.rounds, begin.elapsed().as_secs_f64());
    let cases: Vec<&str> = asked.cases.iter().map(|(name, _)| *name).collect();
    let text = report::markdown(&asked.subjects, &cases, &rounds);
    print!("{text}");
    let write = |file: &Option<PathBuf>, text: &str| {
        let Some(file) = file else { return Ok(()) };
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    };
    write(&asked.markdown, &text)?;
    write(&asked.json, &report::json(&asked.subjects, &rounds))
}

/// Brings the floors and the echo server up to date: `cargo run` builds only the program that it runs.
#[expect(clippy::disallowed_methods, reason = "this is no child of a daemon")]
fn build_programs() -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let is_release = own.parent().is_some_and(|folder| folder.ends_with("release"));
    let mut command = Command::new(env!("CARGO"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    command.args(["build", "--quiet", "--manifest-path"]).arg(manifest);
    command.args(["--bin", "echo", "--bin", "pipe-floor", "--bin", "http-floor"]);
    command.args(is_release.then_some("--release"));
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the floors cannot be built".to_owned()) }
}

// === impl Asked ===

impl Asked {
    fn parse(args: &[String]) -> Result<Self, String> {
        let (mut daemons, mut peers, mut cases) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rounds, mut effort, mut is_unbounded) = (5, Effort::full(), false);
        let (mut markdown, mut json) = (None, None);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => effort = Effort::quick(),
                "--million" => {
                    effort = effort.million();
                    is_unbounded = true;
                }
                "--peers" => peers.extend(installed()?),
                _ => {
                    let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
                    match arg.as_str() {
                        "--daemon" => daemons.push(Subject::stdiod(value)?),
                        "--peer" => peers.push(peer(value)?),
                        "--only" => cases.push(case(value)?),
                        "--rounds" => {
                            let number: usize =
                                value.parse().map_err(|error| format!("{arg}: {error}"))?;
                            rounds = number.clamp(1, 100);
                        }
                        "--markdown" => markdown = Some(value.into()),
                        "--json" => json = Some(value.into()),
                        _ => return Err(format!("{arg} is not known\n\n{}", crate::usage())),
                    }
                }
            }
        }
        if daemons.is_empty() {
            daemons.push(Subject::stdiod(&release_build().display().to_string())?);
        }
        if daemons.len() > 1 {
            for (n, daemon) in daemons.iter_mut().enumerate() {
                daemon.name = format!("stdiod {}", n + 1);
            }
        }
        if cases.is_empty() {
            cases = CASES.to_vec();
        }
        let subjects = [Subject::floors(), daemons, peers].concat();
        Ok(Self { subjects, cases, rounds, effort, is_unbounded, markdown, json })
    }

    fn measure(&self, subject: &Subject, case: Case, found: &mut Found) -> Result<(), String> {
        let effort = if subject.is_peer() { self.effort.of_peers() } else { self.effort };
        let bench = Bench { subject, effort };
        let limit = if self.is_unbounded { Duration::from_hours(1) } else { CASE_MAX };
        block_on(async {
            let done = tokio::time::timeout(limit, case.run(&bench, found)).await;
            done.map_err(|_| format!("it took longer than {} s", limit.as_secs()))?
        })
    }
}

fn case(name: &str) -> Result<(&'static str, Case), String> {
    let known = CASES.iter().find(|(known, _)| *known == name).copied();
    known.ok_or_else(|| {
        let names: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        format!("there is no case {name}, but there are {}", names.join(", "))
    })
}

/// From `NAME=PROGRAM`, or from the name of an installed one.
fn peer(text: &str) -> Result<Subject, String> {
    if let Some((name, program)) = text.split_once('=') {
        return Subject::peer(name, Path::new(program), None);
    }
    let found = installed()?.into_iter().find(|subject| subject.name == text);
    found.ok_or_else(|| format!("{text} is not installed: see tests/bench/peers/install.sh"))
}

/// What `peers/install.sh` installed: a line for each, and one for the folder of the Node that they need.
fn installed() -> Result<Vec<Subject>, String> {
    let cache = std::env::var_os("STDIOD_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache"), PathBuf::from);
    let file = cache.join("bench-peers");
    let text = std::fs::read_to_string(&file).map_err(|error| {
        format!("{}: {error}; tests/bench/peers/install.sh installs the peers", file.display())
    })?;
    let lines = || text.lines().filter_map(|line| line.split_once('='));
    let node = lines().find(|(name, _)| *name == "node").map(|(_, folder)| Path::new(folder));
    let peers = lines().filter(|(name, _)| *name != "node");
    peers.map(|(name, program)| Subject::peer(name, Path::new(program), node)).collect()
}
