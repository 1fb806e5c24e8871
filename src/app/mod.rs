//! The outermost floor: arguments, commands, the main loop.

use std::process::ExitCode;

/// Runs the program and says how it ended: 0 well, 1 failed while running, 2 usage or configuration.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
