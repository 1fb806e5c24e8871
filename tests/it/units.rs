//! The systemd unit that is shipped: its syntax, its hardening, and what the daemon counts on.
//!
//! `systemd-analyze` needs no running systemd. Where it is not installed these tests say so and pass, except in CI.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::support::program;

/// Exposure as `systemd-analyze security` measures it, times ten: 0 is nothing exposed, 100 everything.
const EXPOSURE_MAX: &str = "25";

fn shipped() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("systemd/stdiod.service");
    fs::read_to_string(path).expect("the shipped unit")
}

/// A copy of the unit whose program exists on this machine, because `verify` insists on that.
fn startable(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder for the unit");
    let path = folder.join("stdiod.service");
    let text = text.replace("/usr/local/bin/stdiod", program());
    fs::write(&path, text).expect("a writable folder");
    path
}

/// Runs `systemd-analyze`; `None` where there is none.
#[expect(clippy::disallowed_methods, reason = "asks a tool; no child of the daemon")]
fn analyze(args: &[&str], unit: &PathBuf) -> Option<Output> {
    match std::process::Command::new("systemd-analyze").args(args).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "systemd-analyze: {error}; CI must have it");
            eprintln!("NOT CHECKED: systemd-analyze cannot be run here: {error}");
            None
        }
    }
}

/// `verify` ends well even when it complains about a key, so any word of it is a failure.
fn complaints(name: &str, text: &str) -> Option<String> {
    let output = analyze(&["verify"], &startable(name, text))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    if said.trim().is_empty() && !output.status.success() {
        said = output.status.to_string();
    }
    Some(said.trim().to_owned())
}

#[test]
fn the_unit_is_understood_to_the_last_key() {
    if let Some(said) = complaints("verify", &shipped()) {
        assert_eq!(said, "");
        let wrong = shipped().replace("KillMode=mixed", "KillModes=mixed");
        assert_ne!(
            complaints("verify-wrong", &wrong),
            Some(String::new()),
            "a misspelt key went unseen"
        );
    }
}

#[test]
fn the_unit_exposes_little() {
    let args = ["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX];
    if let Some(output) = analyze(&args, &startable("security", &shipped())) {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_unit_keeps_what_the_daemon_and_its_servers_count_on() {
    let unit = shipped();
    let has = |line: &str| unit.lines().any(|have| have == line);
    for line in [
        "Type=notify",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "KillMode=mixed",
        "OOMPolicy=continue",
        "DynamicUser=yes",
        "StateDirectory=stdiod",
        "RuntimeDirectory=stdiod",
        "RestartPreventExitStatus=2",
    ] {
        assert!(has(line), "the unit lost `{line}`");
    }
    for key in ["MemoryDenyWriteExecute=", "ProcSubset="] {
        assert!(
            !unit.lines().any(|line| line.starts_with(key)),
            "{key} breaks servers written in JavaScript"
        );
    }
}
