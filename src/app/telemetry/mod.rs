//! Logs: one line per event on standard error, for people or for machines.
//!
//! Whoever says something only puts a line of text into memory (`lines`, in one of the shapes `text` and `json`); a thread
//! writes what has gathered there (`gatherer`). So a line costs no system call, and a reader of standard error that stalls
//! costs lines, which are counted, and never holds up a call.

mod clock;
mod digits;
mod gatherer;
mod json;
mod lines;
mod plain;
mod sieve;
mod text;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt as _;

use self::gatherer::Gatherer;
use self::lines::{Lines, Shape};
use self::sieve::Sieve;
use self::text::Text;
use super::fatal::Fatal;
use crate::config::model::{Log, LogFormat};

/// How long the end of the process waits for a standard error that takes nothing.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// What is logged can be changed while it is.
#[derive(Debug)]
pub(super) struct Reins(Sieve);

/// Kept until the process has nothing more to say: then all that was said is written.
#[derive(Debug)]
pub(super) struct LastWord(Arc<Gatherer>);

/// Starts logging. To be called once.
pub(super) fn begin(log: &Log) -> Result<(Reins, LastWord), Fatal> {
    let filter = log.filter().map_err(|error| {
        Fatal::usage(format!("log.level {:?} is no level or filter: {error}", log.level))
            .hint("write error, warn, info, debug or trace, or a filter such as \"info,stdiod::http=debug\"")
    })?;
    let gatherer = Gatherer::to_standard_error()
        .map_err(|error| Fatal::running(format!("no threads could be started: {error}")))?;
    let sieve = Sieve::new(filter);
    let lines = Lines::new(shape(log.format), Arc::clone(&gatherer));
    let begun = tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(sieve.clone()).with(lines),
    );
    begun.map_err(|error| Fatal::running(format!("logging cannot begin: {error}")))?;
    before_panics(Arc::clone(&gatherer));
    Ok((Reins(sieve), LastWord(gatherer)))
}

fn shape(format: LogFormat) -> Shape {
    let terminal = std::io::stderr().is_terminal();
    // The journal keeps the time itself, and systemd says that it is there.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let text = match format {
        LogFormat::Auto => terminal || journal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if !text {
        return Shape::Json;
    }
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Shape::Text(Text { time: terminal || !journal, colours })
}

/// A panic is told on standard error directly, and may be followed by the end of the process: what led to it comes first.
fn before_panics(gatherer: Arc<Gatherer>) {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        gatherer.flush(LEAVE_MAX);
        told(panic);
    }));
}

// === impl Reins ===

impl Reins {
    /// Logs by another level or filter from now on.
    pub(super) fn level(&self, log: &Log) {
        match log.filter() {
            Ok(filter) => self.0.exchange(filter),
            Err(error) => {
                tracing::error!(%error, "log.level {:?} is no level or filter", log.level);
            }
        }
    }
}

// === impl LastWord ===

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.flush(LEAVE_MAX);
    }
}
