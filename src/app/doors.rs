//! The listeners of the daemon: which stand, and how they come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fatal::Fatal;
use super::run::Ended;
use crate::config::diff::{Door, DoorDiff};
use crate::config::model::Model;
use crate::http::{BindError, Closing, Houses, Listener, Places};

#[derive(Debug)]
pub(super) struct Doors {
    standing: BTreeMap<Door, Standing>,
    tasks: JoinSet<Ended>,
    places: Places,
    houses: Houses,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Standing {
    /// As it was bound.
    address: String,
    closing: Closing,
}

/// What became of the listeners of a new configuration.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) opened: Vec<String>,
    pub(super) closed: Vec<String>,
    pub(super) failed: Vec<BindError>,
}

/// How long a listener that closes may keep its address from one that is to follow it.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// Binds all addresses, or says of all that cannot be bound why.
pub(super) async fn bind(model: &Model) -> Result<Vec<(Door, Listener)>, Fatal> {
    let mut listeners = Vec::new();
    let mut failed: Vec<BindError> = Vec::new();
    for door in Door::all(model) {
        match Listener::bind(&door.address, door.server.clone()).await {
            Ok(listener) => listeners.push((door, listener)),
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() {
        return Ok(listeners);
    }
    let lines: Vec<String> = failed.iter().map(ToString::to_string).collect();
    let fatal = Fatal::running(lines.join("\n       "));
    Err(failed.iter().filter_map(BindError::hint).fold(fatal, Fatal::hint))
}

// === impl Doors ===

impl Doors {
    pub(super) fn new(houses: Houses, places: usize, stop: CancellationToken) -> Self {
        let places = Places::new(places);
        Self { standing: BTreeMap::new(), tasks: JoinSet::new(), places, houses, stop }
    }

    /// Lets a listener accept.
    pub(super) fn open(&mut self, door: Door, listener: Listener) {
        let closing =
            Closing { asked: self.stop.child_token(), released: CancellationToken::new() };
        let address = listener.address().to_owned();
        let what = format!("the listener on {address}");
        let (asked, places) = (closing.asked.clone(), self.places.clone());
        let run = listener.run(self.houses.clone(), places, closing.clone());
        self.tasks.spawn(async move {
            run.await;
            Ended { what, expected: asked.is_cancelled() }
        });
        self.standing.insert(door, Standing { address, closing });
    }

    /// Opens and closes what a new configuration wants otherwise. What cannot be bound is left out, and tried again with the
    /// next reload.
    pub(super) async fn change(&mut self, model: &Model) -> Change {
        self.places.allow(model.http.max_connections);
        let diff = DoorDiff::between(self.standing.keys(), Door::all(model));
        let mut change = Change::default();
        for door in diff.opened {
            self.try_open(door, &mut change).await;
        }
        let closed: Vec<Standing> =
            diff.closed.iter().filter_map(|door| self.standing.remove(door)).collect();
        for standing in &closed {
            standing.closing.asked.cancel();
        }
        for standing in closed {
            // Beyond that time it is the next one that fails, and says why.
            timeout(RELEASE_MAX, standing.closing.released.cancelled()).await.ok();
            change.closed.push(standing.address);
        }
        for door in diff.opened_after {
            self.try_open(door, &mut change).await;
        }
        change
    }

    async fn try_open(&mut self, door: Door, change: &mut Change) {
        match Listener::bind(&door.address, door.server.clone()).await {
            Ok(listener) => {
                change.opened.push(listener.address().to_owned());
                super::greeting_card::listening(&listener, None);
                self.open(door, listener);
            }
            Err(error) => change.failed.push(error),
        }
    }

    /// The next that ends. Waits for ever while there is none.
    pub(super) async fn ended(&mut self) -> Result<Ended, JoinError> {
        match self.tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended.
    pub(super) async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
