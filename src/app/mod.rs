//! The outermost floor: arguments, commands, the main loop.

mod ballast;
mod cli;
mod commands;
mod fatal;
mod greeting_card;
mod keeper;
mod keys;
mod reach;
mod run;
mod signals;
mod state;
mod systemd;
mod telemetry;

mod doors;
mod household;
mod wardens;

mod reading;
mod watcher;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

/// Runs the program and says how it ended: 0 well, 1 failed while running, 2 usage or configuration.
pub fn main() -> ExitCode {
    if let Some(ended) = keeper::called() {
        return ended;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A reader that left has seen what it wanted.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            fatal.report();
            ExitCode::from(fatal.status())
        }
    }
}
