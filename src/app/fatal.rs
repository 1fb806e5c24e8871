//! Why the program ends before its time, told to people: what happened, what to do, and the exit status.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use crate::config::Rejected;
use crate::config::picture::{Style, picture};
use crate::config::problem::Problem;

/// The end of the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    /// The configuration has errors.
    #[error(transparent)]
    Configuration(#[from] Rejected),
    /// The command line asks for something that makes no sense.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// Something failed while running.
    #[error("{message}")]
    Running { message: String, hints: Vec<String> },
}

// === impl Fatal ===

impl Fatal {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hints: Vec::new() }
    }

    pub(crate) fn running(message: impl Into<String>) -> Self {
        Self::Running { message: message.into(), hints: Vec::new() }
    }

    /// Says what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        match &mut self {
            // Each problem of a configuration has its own.
            Self::Configuration(_) => {}
            Self::Usage { hints, .. } | Self::Running { hints, .. } => hints.push(hint.into()),
        }
        self
    }

    /// 1 failed while running, 2 usage or configuration.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Running { .. } => 1,
            Self::Configuration(_) | Self::Usage { .. } => 2,
        }
    }

    /// Tells it on standard error.
    pub(crate) fn report(&self) {
        let text = match self {
            Self::Configuration(rejected) => {
                format!("{}\n\n{rejected}\n", picture(&rejected.problems, style()))
            }
            Self::Usage { message, hints } | Self::Running { message, hints } => {
                hints.iter().fold(format!("error: {message}\n"), |mut text, hint| {
                    writeln!(text, "  = help: {hint}").expect("a string takes any text");
                    text
                })
            }
        };
        // Where standard error is gone there is nobody to tell.
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}

/// Shows warnings to whoever started the program.
pub(crate) fn warn(warnings: &[Problem]) {
    if !warnings.is_empty() {
        let text = format!("{}\n\n", picture(warnings, style()));
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}

/// Colours only where a person looks and did not ask for none (<https://no-color.org>).
fn style() -> Style {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if io::stderr().is_terminal() && !set("NO_COLOR") && !dumb {
        Style::Colour
    } else {
        Style::Plain
    }
}

/// Writes the output of a command. A reader that left has seen what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Fatal> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fatal::running(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
