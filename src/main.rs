//! The `stdiod` program: arguments in, exit code out. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stdiod::app::main()
}
