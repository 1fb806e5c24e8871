//! `stdiod check`: everything the daemon would read, validated without starting anything.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::app::cli::CheckArgs;
use crate::app::fatal::{Fatal, print, warn};
use crate::config::model::Server;
use crate::config::secret::shown_args;
use crate::config::{Host, Loaded, Origin, SYSTEM_FILE, Sources, count, load};

/// A command line longer than this is cut.
const COMMAND_CHARS_MAX: usize = 60;

pub(crate) fn check(config: Vec<PathBuf>, args: &CheckArgs) -> Result<(), Fatal> {
    let host = if args.other_host { Host::Elsewhere } else { Host::Checking };
    let loaded = load(&Sources::of_process(config, host))?;
    warn(&loaded.warnings);
    print(&if args.print { loaded.effective() } else { summary(&loaded) })
}

fn summary(loaded: &Loaded) -> String {
    let servers = &loaded.model.servers;
    let width = servers.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, server) in servers {
        let found = match loaded.programs.get(name) {
            _ if !server.enabled => "(disabled)".to_owned(),
            Some(program) if program.to_str() != Some(server.command.as_str()) => {
                format!("→ {}", program.display())
            }
            Some(_) | None => String::new(),
        };
        let line = format!("{:width$}  {} {found}", name.as_str(), command_line(server));
        writeln!(out, "{}", line.trim_end()).expect("a string takes any text");
    }
    let files = match &loaded.origin {
        Origin::Files(files) => {
            let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            format!("in {}", shown.join(", "))
        }
        Origin::Adhoc => "in the environment".to_owned(),
        Origin::Demo => format!("built in, because there is no {SYSTEM_FILE} and no --config"),
    };
    let servers = if servers.len() == 1 {
        "1 server".to_owned()
    } else {
        format!("{} servers", servers.len())
    };
    let warnings = match loaded.warnings.as_slice() {
        [] => String::new(),
        warnings => format!("; {}", count(warnings)),
    };
    writeln!(out, "ok: {servers} {files}{warnings}").expect("a string takes any text");
    out
}

fn command_line(server: &Server) -> String {
    let mut line = server.command.clone();
    for arg in shown_args(&server.args) {
        if line.chars().count() + arg.chars().count() >= COMMAND_CHARS_MAX {
            line.push_str(" …");
            break;
        }
        line.push(' ');
        line.push_str(&arg);
    }
    line
}
