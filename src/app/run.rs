//! The main loop: builds the household from its configuration, waits for what may happen, and takes it down in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use super::fatal::Fatal;
use super::household::Household;
use super::reading::{Outcome, Reading};
use super::signals::{Signals, Wish};
use super::telemetry::Reins;
use super::wardens::DRAIN;
use super::watcher::Watcher;
use super::{ballast, systemd, telemetry};
use crate::config::picture::line;
use crate::config::{Loaded, Sources};
use crate::link::sessions::MOMENT;

/// How long a file that hangs may keep the process from ending.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// Tasks that run before it is looked whether there is something for others. A child that floods us is one that always runs.
const POLLS_A_LOOK: u32 = 16;

/// Everything that can wake the main task.
#[derive(Debug)]
enum Event {
    Wish(Wish),
    /// A configuration file has changed.
    FileTouched,
    /// The configuration has been read again.
    Read(Outcome),
    PartGone(Result<Ended, JoinError>),
    Sweep,
    Heartbeat,
}

/// A listener or a warden that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) what: String,
    /// It was told to, or nobody has use for it any more; else it is a fault.
    pub(super) expected: bool,
}

/// Serves until a signal. `sources` are what the configuration was loaded from, and will be again.
pub(super) fn serve(loaded: Loaded, sources: Sources) -> Result<(), Fatal> {
    let (reins, _last_word) = telemetry::begin(&loaded.model.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{}", line(warning));
    }
    // One thread: a call that crosses to another wakes it twice, which costs more than all that could be done there meanwhile.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(POLLS_A_LOOK)
        .build()
        .map_err(|error| Fatal::running(format!("no threads could be started: {error}")))?;
    let ended = runtime.block_on(live(loaded, sources, reins));
    runtime.shutdown_timeout(LEAVE_MAX);
    ended
}

async fn live(loaded: Loaded, sources: Sources, reins: Reins) -> Result<(), Fatal> {
    let mut signals = Signals::new()?;
    let mut household = Household::begin(loaded, reins).await?;
    let mut reading = Reading::new(sources, household.state());
    let watch = |reading: &Reading| Watcher::new(Arc::clone(reading.sources()));
    let mut watcher = household.watches().then(|| watch(&reading));
    systemd::ready(&household.summary());
    ballast::drop_code();

    let mut sweep = tokio::time::interval(MOMENT);
    let mut heartbeat = systemd::heartbeat().map(tokio::time::interval);
    let signal = loop {
        let event = tokio::select! { biased;
            wish = signals.next() => Event::Wish(wish),
            read = reading.done() => Event::Read(read),
            ended = household.ended() => Event::PartGone(ended),
            () = touched(watcher.as_ref()) => Event::FileTouched,
            () = beat(&mut heartbeat) => Event::Heartbeat,
            _ = sweep.tick() => Event::Sweep,
        };
        match event {
            Event::Wish(Wish::Stop(signal)) => break signal,
            Event::Wish(Wish::Reload) => {
                systemd::reloading();
                reading.ask();
            }
            Event::FileTouched => {
                tracing::info!("a configuration file has changed");
                systemd::reloading();
                reading.ask();
            }
            Event::Read(outcome) => {
                household.reload(outcome).await;
                match (household.watches(), &watcher) {
                    (true, None) => watcher = Some(watch(&reading)),
                    (false, Some(_)) => watcher = None,
                    (true, Some(_)) | (false, None) => {}
                }
                systemd::ready(&household.summary());
                ballast::drop_code();
            }
            Event::PartGone(Ok(Ended { expected: true, .. })) | Event::Sweep => household.sweep(),
            Event::PartGone(Ok(ended)) => tracing::error!("{} ended by itself", ended.what),
            Event::PartGone(Err(error)) => tracing::error!(%error, "a part of the daemon failed"),
            Event::Heartbeat => systemd::alive(),
        }
    };

    household.stop();
    // Said once it is so: whoever reads this line finds nothing taken any more.
    tracing::info!(
        signal,
        "stopping: calls may finish within {} s; a second signal hurries",
        DRAIN.as_secs()
    );
    let hurry = household.hurry();
    let down = household.take_down();
    tokio::pin!(down);
    tokio::select! { biased;
        () = &mut down => {}
        signal = signals.stop() => {
            tracing::warn!(signal, "hurrying");
            hurry.cancel();
            down.await;
        }
    }
    tracing::info!("stopped");
    systemd::status("stopped");
    Ok(())
}

async fn touched(watcher: Option<&Watcher>) {
    match watcher {
        Some(watcher) => watcher.touched().await,
        None => std::future::pending().await,
    }
}

async fn beat(heartbeat: &mut Option<tokio::time::Interval>) {
    match heartbeat {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
