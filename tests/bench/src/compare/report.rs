//! The tables.

use std::fmt::Write as _;

use super::effort::CASES;
use super::found::{FIGURES, Figure, Rounds};
use super::limits::LIMITS;
use super::subject::{Kind, Subject};

/// Everything for people.
pub fn markdown(subjects: &[Subject], cases: &[&str], rounds: &Rounds) -> String {
    let mut text = format!(
        "Medians of {} rounds, in brackets the lowest and the highest; × is the median of the rounds' ratios to the pipe floor.\n\n",
        rounds.found.len()
    );
    for subject in subjects {
        text += &match &subject.kind {
            Kind::Stdiod { program, log_level } => {
                format!("{}: {}, log level {log_level}\n", subject.name, program.display())
            }
            Kind::Peer { program, .. } => format!("{}: {}\n", subject.name, program.display()),
            Kind::PipeFloor | Kind::HttpFloor => String::new(),
        };
    }
    for case in cases {
        table(&mut text, subjects, case, rounds);
    }
    left_out(&mut text, subjects, cases, rounds);
    limits(&mut text, subjects, rounds);
    text
}

fn table(text: &mut String, subjects: &[Subject], case: &str, rounds: &Rounds) {
    let figures = || FIGURES.iter().filter(|figure| figure.case() == case);
    let has_any = |n: usize| figures().any(|figure| rounds.told(n, figure.key).is_some());
    let shown: Vec<usize> = (0..subjects.len()).filter(|n| has_any(*n)).collect();
    write!(text, "\n| {case} |").expect("strings take any text");
    for n in &shown {
        *text += &format!(" {} |", subjects[*n].name);
    }
    *text += "\n| --- |";
    *text += &" ---: |".repeat(shown.len());
    *text += "\n";
    for figure in figures() {
        *text += &format!("| {} |", figure.text);
        for n in &shown {
            *text += &format!(" {} |", cell(*n, figure, rounds));
        }
        *text += "\n";
    }
}

fn cell(subject: usize, figure: &Figure, rounds: &Rounds) -> String {
    let Some(told) = rounds.told(subject, figure.key) else { return String::new() };
    let digits = figure.digits;
    let mut text = format!("{:.digits$}", told.median);
    if told.low < told.high {
        text += &format!(" ({:.digits$} to {:.digits$})", told.low, told.high);
    }
    if rounds.floor != Some(subject)
        && let Some(ratio) = rounds.ratio(subject, figure.key)
    {
        text += &format!(" {ratio:.2}×");
    }
    text
}

/// What is missing from the tables, and why.
fn left_out(text: &mut String, subjects: &[Subject], cases: &[&str], rounds: &Rounds) {
    let mut lines = String::new();
    for (n, subject) in subjects.iter().enumerate() {
        for (name, case) in CASES.iter().filter(|(name, _)| cases.contains(name)) {
            if !subject.takes(*case) && subject.is_peer() {
                lines += &format!("- {}, {name}: it has one server behind it.\n", subject.name);
            }
            if let Some(reason) = rounds.failure(n, name) {
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                lines += &format!("- {}, {name}: failed: {reason}\n", subject.name);
            }
        }
    }
    if !lines.is_empty() {
        *text += &format!("\nMissing from the tables, in whole or in part:\n\n{lines}");
    }
}

fn limits(text: &mut String, subjects: &[Subject], rounds: &Rounds) {
    let of = |wanted: fn(&Subject) -> bool| -> Vec<usize> {
        (0..subjects.len()).filter(|n| wanted(&subjects[*n])).collect()
    };
    let (daemons, peers) = (of(Subject::is_stdiod), of(Subject::is_peer));
    for daemon in daemons {
        *text += &format!("\n| limits of {} | found | allowed | |\n", subjects[daemon].name);
        *text += "| --- | ---: | ---: | --- |\n";
        for limit in LIMITS {
            let Some(verdict) = limit.verdict(rounds, daemon, &peers) else { continue };
            let word = if verdict.is_met { "met" } else { "**not met**" };
            let (value, bound) = (verdict.value, verdict.bound);
            *text += &format!("| {} | {value:.2} | {bound} | {word} |\n", limit.text);
        }
    }
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
