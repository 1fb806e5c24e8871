//! The servers of the daemon: one warden each, and what they are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::run::Ended;
use crate::config::diff::Diff;
use crate::config::model::{Model, Server};
use crate::link::directory::{Adjustment, Directory, Entry};
use crate::upstream::{self, HostRoom, Nursery, Settings};
use crate::wire::id::ServerName;

/// How long calls may go on once the daemon, or their server, has been told to stop.
pub(super) const DRAIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Wardens {
    tasks: JoinSet<Ended>,
    /// What ends each server that is in the directory.
    stops: BTreeMap<ServerName, Stop>,
    settings: Settings,
}

/// How long a server that is out of the directory still takes what is sent to it: whoever found it there a moment ago is on its
/// way.
const LINGER: Duration = Duration::from_millis(50);

/// How one server is ended.
#[derive(Debug)]
struct Stop {
    /// It is not in the next directory: when the last who found it in this one lets go of it, it ends by itself.
    leaving: CancellationToken,
    now: CancellationToken,
}

/// Servers that are out of the directory and still work.
#[derive(Debug)]
pub(super) struct Retiring {
    stops: Vec<Stop>,
    /// Those of them that nothing takes the place of.
    removed: Vec<ServerName>,
}

// === impl Wardens ===

impl Wardens {
    pub(super) fn new(
        model: &Model,
        state: Option<Arc<Path>>,
        nursery: Nursery,
        stop: &CancellationToken,
        hurry: &CancellationToken,
    ) -> Self {
        let settings = Settings {
            commit_after: model.http.commit_after.0,
            payloads: model.log.payloads,
            environment: std::env::vars_os().collect(),
            starts: Arc::new(Semaphore::new(starts_at_once())),
            state,
            host: HostRoom::new(model.max_children),
            nursery,
            stop: stop.clone(),
            ending: stop.clone(),
            hurry: hurry.clone(),
            drain: DRAIN,
        };
        Self { tasks: JoinSet::new(), stops: BTreeMap::new(), settings }
    }

    /// The directory of the first configuration.
    pub(super) fn open_all(&mut self, model: &Model) -> Directory {
        let enabled = model.servers.iter().filter(|(_, server)| server.enabled);
        let open = |(name, server)| (ServerName::clone(name), self.open(name, server));
        Directory { servers: enabled.map(open).collect() }
    }

    /// Makes the directory of a new configuration out of the one that holds. Who is in both and needs no new child stays as it
    /// is. Who is not in the new one goes on until the new one is published.
    pub(super) async fn change(
        &mut self,
        held: &Directory,
        model: &Model,
        diff: &Diff,
    ) -> (Directory, Retiring) {
        let commit_after = model.http.commit_after.0;
        let for_all = self.settings.commit_after != commit_after
            || self.settings.payloads != model.log.payloads;
        self.settings.commit_after = commit_after;
        self.settings.payloads = model.log.payloads;

        let leaving = diff.removed.iter().chain(diff.restarted.keys());
        let stops: Vec<Stop> = leaving.filter_map(|name| self.stops.remove(name)).collect();
        for stop in &stops {
            stop.leaving.cancel();
        }
        let retiring = Retiring { stops, removed: diff.removed.clone() };
        let mut directory = Directory::default();
        for (name, server) in model.servers.iter().filter(|(_, server)| server.enabled) {
            let kept = held.servers.get(name).filter(|_| self.stops.contains_key(name));
            let entry = match kept {
                None => self.open(name, server),
                Some(entry) if for_all || diff.adjusted.contains_key(name) => {
                    self.adjust(entry, server).await
                }
                Some(entry) => Arc::clone(entry),
            };
            directory.servers.insert(name.clone(), entry);
        }
        (directory, retiring)
    }

    /// Lets servers finish their calls and end, now that a directory without them is published.
    pub(super) fn retire(&mut self, retiring: Retiring) {
        let (ending, state) = (self.settings.ending.clone(), self.settings.state.clone());
        let ended = Ended { what: "the end of replaced servers".to_owned(), expected: true };
        self.tasks.spawn(async move {
            // When the daemon ends, so do they.
            tokio::time::timeout(LINGER, ending.cancelled()).await.ok();
            for stop in retiring.stops {
                stop.now.cancel();
            }
            let Some(state) = state else { return ended };
            for name in retiring.removed {
                upstream::forget(&state, &name).await;
            }
            ended
        });
    }

    async fn adjust(&self, entry: &Entry, server: &Server) -> Arc<Entry> {
        let Settings { commit_after, payloads, .. } = self.settings;
        entry
            .adjusted(Adjustment { config: Arc::new(server.clone()), commit_after, payloads })
            .await
    }

    fn open(&mut self, name: &ServerName, server: &Server) -> Arc<Entry> {
        let (leaving, now) = (CancellationToken::new(), self.settings.ending.child_token());
        let stop = Stop { leaving: leaving.clone(), now: now.clone() };
        let settings = Settings { stop: now.clone(), ..self.settings.clone() };
        let (entry, warden) = upstream::open(name.clone(), &Arc::new(server.clone()), settings);
        let what = format!("the server {name}");
        self.tasks.spawn(async move {
            warden.await;
            Ended { what, expected: leaving.is_cancelled() || now.is_cancelled() }
        });
        self.stops.insert(name.clone(), stop);
        entry
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

/// Children that may be busy starting together. Most of them wait more than they compute, so a small host starts as many as it is
/// likely to have; a large one has better things to do than to start hundreds.
fn starts_at_once() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    (8 * cores).clamp(16, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a server ends that its directory lets go of, after another configuration was adopted or without one.
    async fn ends(next: Option<Model>) -> Ended {
        let servers = [(ServerName::new("s").unwrap(), Server::default())].into();
        let model = Model { servers, ..Model::default() };
        let token = CancellationToken::new();
        let nursery = Nursery::open(1).unwrap();
        let mut wardens = Wardens::new(&model, None, nursery, &token, &token);
        let held = wardens.open_all(&model);
        let changed = match &next {
            Some(next) => Some(wardens.change(&held, next, &Diff::between(&model, next)).await),
            None => None,
        };
        drop(held);
        let ended = wardens.ended().await.unwrap();
        drop(changed);
        ended
    }

    #[tokio::test]
    async fn a_server_that_is_let_go_of_before_it_is_told_is_no_fault() {
        assert!(ends(Some(Model::default())).await.expected);
    }

    #[tokio::test]
    async fn a_server_that_ends_while_it_is_configured_is_one() {
        assert!(!ends(None).await.expected);
    }
}
