//! All that runs, as one thing: built from a configuration, brought over to another one, and taken down.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::doors::{self, Doors};
use super::fatal::Fatal;
use super::reading::{Fresh, Outcome, Refused};
use super::run::Ended;
use super::telemetry::Reins;
use super::wardens::Wardens;
use super::{greeting_card, keys, state, systemd};
use crate::auth::bearer::Bearers;
use crate::config::Loaded;
use crate::config::diff::Diff;
use crate::config::model::Model;
use crate::config::picture::line;
use crate::http::{House, Reloads};
use crate::link::sessions::Sessions;
use crate::link::sessions::ended::Ended as EndedSessions;
use crate::link::stream_sessions::StreamSessions;
use crate::upstream::{Nursery, nursery};

#[derive(Debug)]
pub(super) struct Household {
    /// What holds now.
    model: Model,
    /// Where it keeps what outlives it.
    state: Option<Arc<Path>>,
    houses: watch::Sender<Arc<House>>,
    sessions: Arc<Sessions>,
    stream_sessions: Arc<StreamSessions>,
    doors: Doors,
    wardens: Wardens,
    nursery: Nursery,
    reins: Reins,
    stop: CancellationToken,
    /// That it is cancelled, for those who ask with every request.
    stopping: Arc<AtomicBool>,
    hurry: CancellationToken,
}

/// How long connections may take to close once all calls are answered, and a slow disk to take in what is left to write.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long what children left behind may take to end: longer than the nursery tries, unless it is stuck.
const NURSERY_ENDS: Duration = nursery::PATIENCE.saturating_add(nursery::GRACE);

// === impl Household ===

impl Household {
    /// Starts everything. Listeners come first: without them there is no point in starting servers.
    pub(super) async fn begin(loaded: Loaded, reins: Reins) -> Result<Self, Fatal> {
        let model = &loaded.model;
        let bearers = model
            .auth
            .as_ref()
            .map(Bearers::read)
            .transpose()
            .map_err(|error| Fatal::usage(error.to_string()))?;
        let listeners = doors::bind(model).await?;

        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let stopping = Arc::<AtomicBool>::default();
        let state = state::directory(model);
        let nursery = Nursery::open(model.max_children)
            .map_err(|error| Fatal::running(format!("no threads could be started: {error}")))?;
        let mut wardens = Wardens::new(model, state.clone(), nursery.clone(), &stop, &hurry);
        let keys = keys::load(model, state.as_deref());
        let sessions = Arc::new(Sessions::new(keys, ended(state.as_deref())));
        let stream_sessions = Arc::<StreamSessions>::default();
        let (houses, house) = watch::channel(Arc::new(House {
            directory: wardens.open_all(model),
            sessions: Arc::clone(&sessions),
            stream_sessions: Arc::clone(&stream_sessions),
            guests: Arc::default(),
            bearers: bearers.map(Arc::new),
            config: model.http.clone(),
            reloads: Reloads::default(),
            stopping: Arc::clone(&stopping),
            born: Instant::now(),
        }));
        greeting_card::show(&loaded, &listeners);
        let mut doors = Doors::new(house, model.http.max_connections, stop.clone());
        for (door, listener) in listeners {
            doors.open(door, listener);
        }
        let model = loaded.model;
        Ok(Self {
            model,
            state,
            houses,
            sessions,
            stream_sessions,
            doors,
            wardens,
            nursery,
            reins,
            stop,
            stopping,
            hurry,
        })
    }

    /// Whether the configuration files are to be watched.
    pub(super) fn watches(&self) -> bool {
        self.model.watch
    }

    pub(super) fn state(&self) -> Option<Arc<Path>> {
        self.state.clone()
    }

    /// In a few words, for the service manager.
    pub(super) fn summary(&self) -> String {
        format!("serving {} servers", self.houses.borrow().directory.servers.len())
    }

    /// Brings everything over to what was read, or says why it stays as it is.
    pub(super) async fn reload(&mut self, read: Outcome) {
        match read {
            Ok(fresh) => self.adopt(*fresh).await,
            Err(refused) => self.refuse(&refused),
        }
    }

    async fn adopt(&mut self, fresh: Fresh) {
        let Fresh { loaded, mut bearers, keys } = fresh;
        for warning in &loaded.warnings {
            tracing::warn!("{}", line(warning));
        }
        let model = loaded.model;
        let mut diff = Diff::between(&self.model, &model);
        let held = Arc::clone(&self.houses.borrow());
        if held.bearers.as_deref() != bearers.as_ref() && !diff.settings.contains(&"auth.tokens") {
            // The files are the same and hold others.
            diff.settings.push("auth.tokens");
        }
        if let Some(keys) = keys {
            self.sessions.rekey(keys);
        }
        if diff.settings.contains(&"log.level") {
            self.reins.level(&model.log);
        }
        for key in &diff.next_start {
            tracing::warn!("{key} has changed; that takes effect when stdiod is restarted");
        }
        let (directory, retiring) = self.wardens.change(&held.directory, &model, &diff).await;
        match (&held.bearers, &mut bearers) {
            (Some(old), Some(new)) => new.follow(old, &self.model.servers, &model.servers),
            (Some(old), None) => old.revoke_all(),
            (None, _) => {}
        }
        let taken = held.reloads.taken + 1;
        self.houses.send_replace(Arc::new(House {
            directory,
            bearers: bearers.map(Arc::new),
            config: model.http.clone(),
            reloads: Reloads { taken, last: Some((Instant::now(), None)) },
            ..(*held).clone()
        }));
        // Only now, so that whoever comes meanwhile finds the one or the other.
        self.wardens.retire(retiring);
        let change = self.doors.change(&model).await;
        for error in &change.failed {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!("{error}{hint}; the next reload tries again");
        }
        let mut said = diff.to_string();
        for (verb, addresses) in [("listening on", change.opened), ("no longer on", change.closed)]
        {
            if !addresses.is_empty() {
                said = format!("{said}; {verb} {}", addresses.join(", "));
            }
        }
        tracing::info!("reloaded: {said}");
        self.model = model;
    }

    fn refuse(&mut self, refused: &Refused) {
        refused.log();
        let why = refused.brief();
        self.houses.send_modify(|house| {
            let last = Some((Instant::now(), Some(why.clone())));
            let reloads = Reloads { last, ..house.reloads.clone() };
            *house = Arc::new(House { reloads, ..(**house).clone() });
        });
        tracing::error!("not reloaded: {why}; everything goes on as it was");
    }

    /// Forgets sessions that were not used for a while.
    pub(super) fn sweep(&self) {
        self.sessions.sweep();
    }

    /// The next part that ends.
    pub(super) async fn ended(&mut self) -> Result<Ended, tokio::task::JoinError> {
        tokio::select! {
            ended = self.doors.ended() => ended,
            ended = self.wardens.ended() => ended,
        }
    }

    /// Tells everything to stop, and calls to come to an end.
    pub(super) fn stop(&self) {
        systemd::stopping();
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }

    /// What makes [`Self::take_down`] wait no more.
    pub(super) fn hurry(&self) -> CancellationToken {
        self.hurry.clone()
    }

    /// Waits for the children, then for the connections, which have had their answers by then.
    pub(super) async fn take_down(mut self) {
        self.wardens.all_ended().await;
        self.stream_sessions.clear();
        if tokio::time::timeout(FAREWELL, self.doors.all_ended()).await.is_err() {
            tracing::debug!("some connections were cut");
        }
        if tokio::time::timeout(NURSERY_ENDS, self.nursery.end()).await.is_err() {
            tracing::warn!(
                "the start of a process hangs; what others left behind is ended by the keeper instead"
            );
        }
        if tokio::time::timeout(FAREWELL, self.sessions.write_down()).await.is_err() {
            tracing::warn!("which sessions were ended last could not be written down in time");
        }
    }
}

/// The sessions that were ended before; only those of this process if they cannot be read.
fn ended(state: Option<&Path>) -> EndedSessions {
    let Some(state) = state else { return EndedSessions::default() };
    EndedSessions::load(state).unwrap_or_else(|error| {
        tracing::warn!(
            state_dir = %state.display(), %error,
            "which sessions were ended is not known, nor written down: after a restart their ids open again"
        );
        EndedSessions::default()
    })
}
