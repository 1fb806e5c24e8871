//! What the kernel says of processes. Those of a run carry its mark in their environment, which also those inherit that
//! leave their group and their session.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks the processes of a run, and the one that names their server.
pub(crate) const MARK: &str = "TORTURE_MARK";
pub(crate) const SERVER: &str = "TORTURE_SERVER";

/// A living process of a server: a child, or whatever it started.
#[derive(Clone, Debug)]
pub(crate) struct Marked {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) server: String,
}

/// Every living process of the servers of a run.
pub(crate) fn marked(mark: &str) -> Vec<Marked> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for pid in pids() {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        let mut variables = environment.split(|byte| *byte == 0);
        if !variables.any(|variable| variable == wanted.as_bytes()) {
            continue;
        }
        let server = environment.split(|byte| *byte == 0).find_map(|variable| {
            let text = std::str::from_utf8(variable).ok()?;
            text.strip_prefix(SERVER)?.strip_prefix('=').map(str::to_owned)
        });
        let (Some(server), Some((state, parent))) = (server, stat(pid)) else { continue };
        if state != 'Z' && state != 'X' {
            found.push(Marked { pid, parent, server });
        }
    }
    found
}

/// Children of a process that have died and were not waited for.
pub(crate) fn zombies(of: u32) -> usize {
    pids()
        .filter(|pid| stat(*pid).is_some_and(|(state, parent)| state == 'Z' && parent == of))
        .count()
}

/// Resident memory in KiB.
pub(crate) fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Open descriptors.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// What its descriptors are, by kind, to explain a difference.
pub(crate) fn descriptor_kinds(pid: u32) -> String {
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        let kind = target.split(':').next().unwrap_or_default();
        let kind = if target.contains("pidfd") { "pidfd" } else { kind };
        let kind = if Path::new(kind).is_absolute() { "file" } else { kind };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

/// The living children of a process.
pub(crate) fn children(of: u32) -> Vec<u32> {
    let is_child =
        |pid: &u32| stat(*pid).is_some_and(|(state, parent)| parent == of && state != 'Z');
    pids().filter(is_child).collect()
}

pub(crate) fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// Sends a signal to one process; false if it is gone.
pub(crate) fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// State and parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in round brackets may hold anything.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
