//! The main loop: builds the house from its configuration, waits for what may happen, and takes it down in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fatal::Fatal;
use super::{greeting_card, keys, state, systemd, telemetry};
use crate::auth::bearer::Bearers;
use crate::config::Loaded;
use crate::config::model::Model;
use crate::config::picture::line;
use crate::http::{House, Listener};
use crate::link::directory::Directory;
use crate::link::ended::Ended;
use crate::link::sessions::{MOMENT, Sessions};
use crate::link::stream_sessions::StreamSessions;
use crate::upstream::{self, HostRoom, Nursery, Settings};

/// How long calls may go on once the daemon has been told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long connections may take to close once all calls are answered.
const FAREWELL: Duration = Duration::from_secs(2);

/// Everything that can wake the main task.
#[derive(Debug)]
enum Event {
    Signal(i32),
    /// A listener or a warden has ended by itself, which none should.
    PartGone(Result<(), tokio::task::JoinError>),
    Sweep,
    Heartbeat,
}

/// Serves until a signal.
pub(super) fn serve(loaded: Loaded) -> Result<(), Fatal> {
    telemetry::begin(&loaded.model.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{}", line(warning));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fatal::running(format!("no threads could be started: {error}")))?;
    runtime.block_on(live(loaded))
}

async fn live(loaded: Loaded) -> Result<(), Fatal> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Fatal::running(format!("signals cannot be received: {error}")))?;
    let model = &loaded.model;
    let bearers = model
        .auth
        .as_ref()
        .map(Bearers::read)
        .transpose()
        .map_err(|error| Fatal::usage(error.to_string()))?;
    let listeners = bind(model).await?;

    let stop = CancellationToken::new();
    let hurry = CancellationToken::new();
    let mut wardens = JoinSet::new();
    let state = state::directory(model);
    let nursery = Nursery::open(model.max_children)
        .map_err(|error| Fatal::running(format!("no threads could be started: {error}")))?;
    let directory = open_servers(model, state.clone(), &nursery, &stop, &hurry, &mut wardens);
    let keys = keys::load(model, state.as_deref());
    let sessions = Arc::new(Sessions::new(keys, ended(state.as_deref())));
    let (_publish, directory) = watch::channel(Arc::new(directory));
    let house = Arc::new(House {
        directory,
        sessions: Arc::clone(&sessions),
        stream_sessions: StreamSessions::default(),
        bearers,
        config: model.http.clone(),
        stopping: stop.clone(),
        born: Instant::now(),
    });

    greeting_card::show(&loaded, &listeners);
    let connections = Arc::new(Semaphore::new(model.http.max_connections));
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(listener.run(Arc::clone(&house), Arc::clone(&connections)));
    }
    systemd::ready(&format!("serving {} servers", model.servers.len()));

    let mut sweep = tokio::time::interval(MOMENT);
    let mut heartbeat = systemd::heartbeat().map(tokio::time::interval);
    let signal = loop {
        let event = tokio::select! { biased;
            signal = next_signal(&mut signals) => Event::Signal(signal),
            Some(gone) = doors.join_next() => Event::PartGone(gone),
            Some(gone) = wardens.join_next() => Event::PartGone(gone),
            () = beat(&mut heartbeat) => Event::Heartbeat,
            _ = sweep.tick() => Event::Sweep,
        };
        match event {
            Event::Signal(SIGHUP) => {
                if let Some(keys) = keys::reload(model, state.as_deref()) {
                    sessions.rekey(keys);
                }
                tracing::warn!(
                    "SIGHUP: a changed configuration is read at the next start; restart to use it"
                );
            }
            Event::Signal(signal) => break signal,
            Event::PartGone(how) => tracing::error!(?how, "a part of the daemon ended by itself"),
            Event::Sweep => sessions.sweep(),
            Event::Heartbeat => systemd::alive(),
        }
    };

    tracing::info!(
        signal,
        "stopping: calls may finish within {} s; a second signal hurries",
        DRAIN.as_secs()
    );
    systemd::stopping();
    stop.cancel();
    let down = take_down(&mut wardens, &mut doors, &house.stream_sessions);
    tokio::pin!(down);
    tokio::select! { biased;
        () = &mut down => {}
        signal = second_signal(&mut signals) => {
            tracing::warn!(signal, "hurrying");
            hurry.cancel();
            down.await;
        }
    }
    nursery.end().await;
    tracing::info!("stopped");
    systemd::status("stopped");
    Ok(())
}

/// Waits for the children, then for the connections, which have had their answers by then.
async fn take_down(wardens: &mut JoinSet<()>, doors: &mut JoinSet<()>, sessions: &StreamSessions) {
    while wardens.join_next().await.is_some() {}
    sessions.clear();
    let closing = async { while doors.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, closing).await.is_err() {
        tracing::debug!("some connections were cut");
    }
}

/// The sessions that were ended before; only those of this process if they cannot be read.
fn ended(state: Option<&Path>) -> Ended {
    let Some(state) = state else { return Ended::default() };
    Ended::load(state).unwrap_or_else(|error| {
        tracing::warn!(
            state_dir = %state.display(), %error,
            "which sessions were ended is not known, nor written down: after a restart their ids open again"
        );
        Ended::default()
    })
}

/// Binds all addresses, or says of all that cannot be bound why.
async fn bind(model: &Model) -> Result<Vec<Listener>, Fatal> {
    let own = model.servers.iter().filter(|(_, server)| server.enabled);
    let wanted = model.http.listen.iter().map(|address| (address, None)).chain(
        own.filter_map(|(name, server)| Some((server.listen.as_ref()?, Some(name.clone())))),
    );
    let mut listeners = Vec::new();
    let mut failed: Vec<crate::http::BindError> = Vec::new();
    for (address, only) in wanted {
        match Listener::bind(address, only).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() {
        return Ok(listeners);
    }
    let lines: Vec<String> = failed.iter().map(ToString::to_string).collect();
    let fatal = Fatal::running(lines.join("\n       "));
    Err(failed.iter().filter_map(|error| error.hint()).fold(fatal, Fatal::hint))
}

fn open_servers(
    model: &Model,
    state: Option<Arc<Path>>,
    nursery: &Nursery,
    stop: &CancellationToken,
    hurry: &CancellationToken,
    wardens: &mut JoinSet<()>,
) -> Directory {
    let settings = Settings {
        commit_after: model.http.commit_after.0,
        payloads: model.log.payloads,
        environment: std::env::vars_os().collect(),
        starts: Arc::new(Semaphore::new(starts_at_once())),
        state,
        host: HostRoom::new(model.max_children),
        nursery: nursery.clone(),
        stop: stop.clone(),
        hurry: hurry.clone(),
        drain: DRAIN,
    };
    let mut servers = BTreeMap::new();
    for (name, server) in model.servers.iter().filter(|(_, server)| server.enabled) {
        let config = Arc::new(server.clone());
        let (entry, warden) = upstream::open(name.clone(), &config, settings.clone());
        wardens.spawn(warden);
        servers.insert(name.clone(), entry);
    }
    Directory { servers }
}

/// Children that may be busy starting together. Most of them read files more than they compute.
fn starts_at_once() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    (4 * cores).max(8)
}

async fn next_signal(signals: &mut Signals) -> i32 {
    use futures_core::Stream;
    let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *signals).poll_next(cx)).await;
    match next {
        Some(signal) => signal,
        None => std::future::pending().await,
    }
}

/// A signal that means it: not the one that asks for a reload.
async fn second_signal(signals: &mut Signals) -> i32 {
    loop {
        let signal = next_signal(signals).await;
        if signal != SIGHUP {
            return signal;
        }
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
