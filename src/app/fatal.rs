//! Why the program ends before its time, told to people: what happened, what to do, and the exit status.

use std::io::{self, IsTerminal, Write};

use crate::config::picture::{Style, picture};
use crate::config::{Rejected, count};

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
        let mut text = String::new();
        match self {
            Self::Configuration(rejected) => {
                text += &picture(&rejected.problems, style());
                text += &format!("\n\n{}; nothing was started\n", count(&rejected.problems));
            }
            Self::Usage { message, hints } | Self::Running { message, hints } => {
                text += &format!("error: {message}\n");
                for hint in hints {
                    text += &format!("  = help: {hint}\n");
                }
            }
        }
        // Where standard error is gone there is nobody to tell.
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}

/// Colours only where a person looks and did not ask for none (<https://no-color.org>).
pub(crate) fn style() -> Style {
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
