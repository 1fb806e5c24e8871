//! What systemd is told. Without it, nothing happens here.

use std::time::Duration;

use sd_notify::NotifyState;

pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// To be followed by [`ready`], also if nothing came of it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
        // Without the time it would count as an answer to nothing.
        Err(error) => tracing::debug!(%error, "the clock could not be read"),
    }
}

pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing calls")]);
}

pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often a sign of life is wanted: twice as often as the watchdog would bark.
pub(super) fn heartbeat() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|beat| !beat.is_zero())
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
