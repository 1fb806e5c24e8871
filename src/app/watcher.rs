//! Watching the configuration files, where `watch` asks for it.
//!
//! The files are looked at once a second rather than watched by the kernel: that also sees changes on network mounts, through
//! bind mounts, by an editor that renames a new file over the old one, and by platforms that swap a link to a whole folder.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::config::{Sources, Stamps};

#[derive(Debug)]
pub(super) struct Watcher {
    touched: Arc<Notify>,
    /// The one task; it ends with this.
    _task: JoinSet<()>,
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long they have to stay as they are, so that files that are written one after the other are read together.
const SETTLED: Duration = Duration::from_millis(300);

// === impl Watcher ===

impl Watcher {
    pub(super) fn new(sources: Arc<Sources>) -> Self {
        let touched = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        task.spawn(watch(sources, Arc::clone(&touched)));
        Self { touched, _task: task }
    }

    /// Waits until a file has changed.
    pub(super) async fn touched(&self) {
        self.touched.notified().await;
    }
}

async fn watch(sources: Arc<Sources>, touched: Arc<Notify>) {
    let mut known = look(&sources).await;
    loop {
        tokio::time::sleep(LOOK).await;
        let mut seen = look(&sources).await;
        if seen == known {
            continue;
        }
        loop {
            tokio::time::sleep(SETTLED).await;
            let again = look(&sources).await;
            if again == seen {
                break;
            }
            seen = again;
        }
        known = seen;
        touched.notify_one();
    }
}

/// Off the threads that serve: a mount may hang.
async fn look(sources: &Arc<Sources>) -> Option<Stamps> {
    let sources = Arc::clone(sources);
    tokio::task::spawn_blocking(move || sources.stamps()).await.ok()
}
