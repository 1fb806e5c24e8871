//! The process that is on its way: what it is started from is looked at, then the nursery makes it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::Plan;
use crate::bridge::switchboard::Tenancy;
use crate::upstream::nursery::Made;
use crate::upstream::places::Places;
use crate::upstream::process::SpawnError;
use crate::upstream::recall::Fingerprint;

/// A process that may be there soon. One that comes though this was dropped is let go, and killed by that.
pub(super) struct Coming {
    pub(super) since: Instant,
    arrival: Pin<Box<dyn Future<Output = Arrival> + Send>>,
}

/// What has come.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) made: Made,
    /// What it was made from, as it stood when it was first looked at. None if that could not be found out.
    pub(super) found: Option<Fingerprint>,
    pub(super) looked: Instant,
}

// === impl Coming ===

impl Coming {
    pub(super) fn new(plan: &Plan, places: Places) -> Self {
        let since = Instant::now();
        Self { since, arrival: Box::pin(arrival(plan.clone(), places, since)) }
    }

    /// Waits on.
    pub(super) fn poll(coming: &mut Option<Self>, cx: &mut Context<'_>) -> Poll<Arrival> {
        let Some(this) = coming else { return Poll::Pending };
        let arrival = ready!(this.arrival.as_mut().poll(cx));
        *coming = None;
        Poll::Ready(arrival)
    }
}

impl fmt::Debug for Coming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coming({:?})", self.since)
    }
}

async fn arrival(plan: Plan, places: Places, looked: Instant) -> Arrival {
    // Nothing is remembered of a private child.
    let fingerprint = async {
        match plan.tenancy {
            Tenancy::Shared => plan.site.fingerprint().await,
            Tenancy::Private | Tenancy::Pooled { .. } => None,
        }
    };
    // Looked at before the start: a program that changes in between is taken for changed, never for the same.
    let (program, found) = tokio::join!(plan.site.program(), fingerprint);
    let made = match program {
        Ok(program) => plan
            .nursery
            .spawn(plan.site.recipe, program, places)
            .await
            .unwrap_or(Err(SpawnError::NoNursery)),
        Err(error) => Err(error),
    };
    Arrival { made, found, looked }
}
