//! What a scenario found: a small table of figures, and a line for each thing that must hold.

use std::fmt::Display;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Report {
    name: String,
    figures: Vec<(String, String)>,
    checks: Vec<Check>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Check {
    what: String,
    holds: bool,
    seen: String,
}

impl Report {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn figure(&mut self, what: &str, value: impl Display) {
        self.figures.push((what.to_owned(), value.to_string()));
    }

    pub(crate) fn check(&mut self, what: &str, holds: bool, seen: impl Display) {
        self.checks.push(Check { what: what.to_owned(), holds, seen: seen.to_string() });
    }

    /// Something a reader of a failure wants to know.
    pub(crate) fn note(&mut self, note: impl Display) {
        self.notes.push(note.to_string());
    }

    pub(crate) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    pub(crate) fn show(&self) {
        println!("\n{}\n", self.name);
        let wide = self.figures.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        for (what, value) in &self.figures {
            println!("  {what:<wide$}  {value:>12}");
        }
        println!();
        for check in &self.checks {
            let word = if check.holds { "pass" } else { "FAIL" };
            println!("  {word}  {}: {}", check.what, check.seen);
        }
        for note in &self.notes {
            println!("        {}", note.replace('\n', "\n        "));
        }
    }
}

/// Milliseconds, with as many digits as they deserve.
pub(crate) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

pub(crate) fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median and the worst of some times.
pub(crate) fn median_and_worst(times: &mut [Duration]) -> String {
    times.sort_unstable();
    match times.last() {
        None => "none".to_owned(),
        Some(worst) => format!("{} / {}", ms(times[times.len() / 2]), ms(*worst)),
    }
}
