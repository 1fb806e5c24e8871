//! The outermost floor: arguments, commands, the main loop.

use std::process::ExitCode;

use clap::Parser;

use crate::demo::{self, DemoArgs};

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    /// Be a small MCP server on standard input and output.
    DemoServer(DemoArgs),
}

/// Runs the program and says how it ended: 0 well, 1 failed while running, 2 usage or configuration.
pub fn main() -> ExitCode {
    match Cli::parse() {
        Cli::DemoServer(args) => match demo::run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("stdiod: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
