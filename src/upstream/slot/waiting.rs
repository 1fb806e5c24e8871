//! Waiting for leave to start: a place among the processes, and a turn among those that are busy starting.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::OwnedSemaphorePermit;

use super::Plan;
use crate::bridge::switchboard::Absence;
use crate::upstream::places::Places;

/// Leave to start: places for the process, and a turn. Without places there is no leave.
pub(super) type Leave = (Option<Places>, Option<OwnedSemaphorePermit>);

/// A slot's wait for leave, kept from one look to the next: whoever waits anew waits behind all others.
#[derive(Default)]
pub(super) struct Waiting(Option<Pin<Box<dyn Future<Output = Leave> + Send>>>);

// === impl Waiting ===

impl Waiting {
    pub(super) fn begin(&mut self, plan: &Plan) {
        if self.0.is_none() {
            self.0 = Some(Box::pin(leave(plan.clone())));
        }
    }

    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Waits on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Leave> {
        let Some(waiting) = &mut self.0 else { return Poll::Pending };
        let leave = ready!(waiting.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(leave)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiting({})", self.is_on())
    }
}

/// Waits for a place for the process, then for a turn among those that start. A spare child does not wait for a place:
/// whoever does has a client.
async fn leave(plan: Plan) -> Leave {
    if plan.spare {
        let places = Places::try_take(&plan.permits, &plan.host);
        let turn = match &places {
            Some(_) => Arc::clone(&plan.starts).acquire_owned().await.ok(),
            None => None,
        };
        return (places, turn);
    }
    let ask_host = || {
        plan.host.squeezed.notify_waiters();
        if plan.host.is_to_be_said() {
            tracing::warn!(
                server = %plan.name,
                "all servers together have {} children, as many as the top-level max_children allows; a client has to wait for one",
                plan.host.max()
            );
        }
    };
    let ask_server = || plan.squeezed.notify_one();
    let places = Places::take(&plan.permits, ask_server, &plan.host, ask_host).await;
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
