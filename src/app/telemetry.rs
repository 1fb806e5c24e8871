//! Logs: one line per event on standard error, for people or for machines.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use super::fatal::Fatal;
use crate::config::model::{Log, LogFormat};

/// What is logged can be changed while it is.
#[derive(Debug)]
pub(super) struct Reins(reload::Handle<EnvFilter, Registry>);

/// Starts logging. To be called once.
pub(super) fn begin(log: &Log) -> Result<Reins, Fatal> {
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
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let lines = match (text, journal && !terminal) {
        (true, true) => lines.with_target(false).without_time().boxed(),
        (true, false) => lines.with_target(false).boxed(),
        (false, _) => lines.json().flatten_event(true).boxed(),
    };
    let (filter, handle) = reload::Layer::new(filter);
    let begun = tracing_subscriber::registry().with(filter).with(lines).try_init();
    begun.map_err(|error| Fatal::running(format!("logging cannot begin: {error}")))?;
    Ok(Reins(handle))
}

// === impl Reins ===

impl Reins {
    /// Logs by another level or filter from now on.
    pub(super) fn level(&self, level: &str) {
        let changed = EnvFilter::try_new(level).map(|filter| self.0.reload(filter));
        match changed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "log.level could not be changed"),
            Err(error) => tracing::error!(%error, "log.level {level:?} is no level or filter"),
        }
    }
}
