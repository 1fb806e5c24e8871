//! Logs: one line per event on standard error, for people or for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::fatal::Fatal;
use crate::config::model::{Log, LogFormat};

/// Starts logging. To be called once.
pub(super) fn begin(log: &Log) -> Result<(), Fatal> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| {
        Fatal::usage(format!("log.level {:?} is no level or filter: {error}", log.level))
            .hint("write error, warn, info, debug or trace, or a filter such as \"info,stdiod::http=debug\"")
    })?;
    let terminal = std::io::stderr().is_terminal();
    // The journal keeps the time itself, and systemd says that it is there.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let text = match log.format {
        LogFormat::Auto => terminal || journal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let begun = match (text, journal && !terminal) {
        (true, true) => lines.with_target(false).without_time().try_init(),
        (true, false) => lines.with_target(false).try_init(),
        (false, _) => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| Fatal::running(format!("logging cannot begin: {error}")))
}
