//! The tables.

use super::effort::CASES;
use super::found::{FIGURES, Figure, Rounds};
use super::limits::LIMITS;
use super::subject::{Kind, Subject};

/// Everything for people.
pub fn markdown(subjects: &[Subject], cases: &[&str], rounds: &Rounds) -> String {
    let mut lines = vec![
        format!(
            "Medians of {} rounds, in brackets the lowest and the highest; × is the median of the ratios to the pipe floor of the same round.",
            rounds.found.len()
        ),
        String::new(),
    ];
    for Subject { name, kind } in subjects {
        match kind {
            Kind::Stdiod { program, log_level } => {
                lines.push(format!("- {name}: {}, log level {log_level}", program.display()));
            }
            Kind::Peer { program, .. } => lines.push(format!("- {name}: {}", program.display())),
            Kind::PipeFloor | Kind::HttpFloor => {}
        }
    }
    for case in cases {
        lines.extend(table(subjects, case, rounds));
    }
    lines.extend(missing(subjects, cases, rounds));
    lines.extend(limits(subjects, rounds));
    lines.join("\n") + "\n"
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {first} | {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn table(subjects: &[Subject], case: &str, rounds: &Rounds) -> Vec<String> {
    let figures = || FIGURES.iter().filter(|figure| figure.case() == case);
    let has_any = |n: &usize| figures().any(|figure| rounds.told(*n, figure.key).is_some());
    let shown: Vec<usize> = (0..subjects.len()).filter(has_any).collect();
    let mut lines = vec![
        String::new(),
        row(case, shown.iter().map(|n| subjects[*n].name.clone())),
        row("---", shown.iter().map(|_| "---:".to_owned())),
    ];
    for figure in figures() {
        lines.push(row(figure.text, shown.iter().map(|n| cell(*n, figure, rounds))));
    }
    lines
}

fn cell(subject: usize, figure: &Figure, rounds: &Rounds) -> String {
    let Some(told) = rounds.told(subject, figure.key) else { return String::new() };
    let digits = figure.digits;
    let spread = if told.low < told.high {
        format!(" ({:.digits$} to {:.digits$})", told.low, told.high)
    } else {
        String::new()
    };
    let ratio = rounds.ratio(subject, figure.key).filter(|_| rounds.floor != Some(subject));
    let ratio = ratio.map_or_else(String::new, |ratio| match ratio {
        0.1.. => format!(" {ratio:.2}×"),
        _ => format!(" {ratio:.4}×"),
    });
    format!("{:.digits$}{spread}{ratio}", told.median)
}

/// What is not in the tables, and why.
fn missing(subjects: &[Subject], cases: &[&str], rounds: &Rounds) -> Vec<String> {
    let mut lines = Vec::new();
    for (n, subject) in subjects.iter().enumerate() {
        for (name, case) in CASES.iter().filter(|(name, _)| cases.contains(name)) {
            let subject_name = &subject.name;
            if !subject.takes(*case) && subject.is_peer() {
                lines.push(format!("- {subject_name}, {name}: it has one server behind it."));
            }
            if let Some(reason) = rounds.failure(n, name) {
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                lines.push(format!("- {subject_name}, {name}: failed: {reason}"));
            }
        }
    }
    if !lines.is_empty() {
        let title = "Missing from the tables, in whole or in part:";
        lines.splice(0..0, ["", title, ""].map(str::to_owned));
    }
    lines
}

fn limits(subjects: &[Subject], rounds: &Rounds) -> Vec<String> {
    let of = |wanted: fn(&Subject) -> bool| -> Vec<usize> {
        (0..subjects.len()).filter(|n| wanted(&subjects[*n])).collect()
    };
    let peers = of(Subject::is_peer);
    let mut lines = Vec::new();
    for daemon in of(Subject::is_stdiod) {
        lines.push(String::new());
        lines.push(format!("| limits of {} | found | allowed | |", subjects[daemon].name));
        lines.push("| --- | ---: | ---: | --- |".to_owned());
        for limit in LIMITS {
            let Some(verdict) = limit.verdict(rounds, daemon, &peers) else { continue };
            let word = if verdict.is_met { "met" } else { "**not met**" };
            let (value, bound) = (verdict.value, verdict.bound);
            lines.push(format!("| {} | {value:.2} | {bound} | {word} |", limit.text));
        }
    }
    lines
}

/// Everything for programs: each figure of each round.
pub fn json(subjects: &[Subject], rounds: &Rounds) -> String {
    let of_subject = |(n, subject): (usize, &Subject)| {
        let figures = rounds.found.iter().map(|round| &round[n].figures);
        let failures = rounds.found.iter().map(|round| &round[n].failures);
        serde_json::json!({
            "name": subject.name,
            "rounds": figures.collect::<Vec<_>>(),
            "failures": failures.collect::<Vec<_>>(),
        })
    };
    let subjects: Vec<_> = subjects.iter().enumerate().map(of_subject).collect();
    serde_json::json!({ "subjects": subjects }).to_string() + "\n"
}
