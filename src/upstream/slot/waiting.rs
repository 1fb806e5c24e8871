//! Waiting for leave to start: a place among the processes, and a turn among those that are busy starting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Plan;
use crate::bridge::switchboard::Absence;
use crate::upstream::places::Places;

/// How often a slot that waits for a place says so.
const SQUEEZE_AGAIN: Duration = Duration::from_millis(100);

/// Waits for leave to start: a place for the process, then a turn among those that start. A spare child does not wait for a
/// place: whoever does has a client.
pub(super) async fn permits(plan: &Plan) -> (Option<Places>, Option<OwnedSemaphorePermit>) {
    if plan.spare {
        let places = Places::try_take(&plan.permits, &plan.host);
        let turn = match &places {
            Some(_) => Arc::clone(&plan.starts).acquire_owned().await.ok(),
            None => None,
        };
        return (places, turn);
    }
    let places = loop {
        let waiting = Places::take(&plan.permits, &plan.host);
        match tokio::time::timeout(SQUEEZE_AGAIN, waiting).await {
            Ok(places) => break places,
            // Several may wait while one made room; and who was busy then may rest now.
            Err(_) => {
                if squeeze(plan) == Some(Absence::HostFull) && plan.host.is_to_be_said() {
                    tracing::warn!(
                        server = %plan.name,
                        "all servers together have {} children, as many as the top-level max_children allows; a client has to wait for one",
                        plan.host.max()
                    );
                }
            }
        }
    };
    let turn = Arc::clone(&plan.starts).acquire_owned().await.ok();
    (Some(places), turn)
}

/// Asks for room where it lacks; says so if it does.
pub(super) fn squeeze(plan: &Plan) -> Option<Absence> {
    if plan.permits.available_permits() == 0 {
        plan.squeezed.notify_one();
        return Some(Absence::NoPlace);
    }
    if plan.host.is_full() {
        plan.host.squeezed.notify_waiters();
        return Some(Absence::HostFull);
    }
    None
}
