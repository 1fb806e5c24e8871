//! Reading the configuration again, beside everything else: a file on a slow mount must keep no signal waiting.
//!
//! One reading at a time. Whoever asks during one gets another after it, so that what was written last is what holds.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::auth::bearer::{BadToken, Bearers};
use crate::config::picture::line;
use crate::config::{Loaded, Rejected, Sources, count, load};

#[derive(Debug)]
pub(super) struct Reading {
    sources: Arc<Sources>,
    under_way: JoinSet<Outcome>,
    asked_again: bool,
}

/// What a reading gives.
pub(super) type Outcome = Result<Box<Fresh>, Refused>;

/// A sound configuration with the tokens it names.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) loaded: Loaded,
    pub(super) bearers: Option<Bearers>,
}

/// Why what was read cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Token(#[from] BadToken),
    #[error("reading it failed by a fault of stdiod: {0}")]
    Failed(#[from] tokio::task::JoinError),
}

// === impl Reading ===

impl Reading {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources: Arc::new(sources), under_way: JoinSet::new(), asked_again: false }
    }

    pub(super) fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    pub(super) fn ask(&mut self) {
        if self.under_way.is_empty() {
            let sources = Arc::clone(&self.sources);
            self.under_way.spawn_blocking(move || read(&sources));
        } else {
            self.asked_again = true;
        }
    }

    /// The outcome of the reading under way. Waits for ever while there is none.
    pub(super) async fn done(&mut self) -> Outcome {
        let Some(done) = self.under_way.join_next().await else {
            return std::future::pending().await;
        };
        if std::mem::take(&mut self.asked_again) {
            self.ask();
        }
        done.map_err(Refused::from).and_then(|outcome| outcome)
    }
}

fn read(sources: &Sources) -> Outcome {
    let loaded = load(sources)?;
    let bearers = loaded.model.auth.as_ref().map(Bearers::read).transpose()?;
    Ok(Box::new(Fresh { loaded, bearers }))
}

// === impl Refused ===

impl Refused {
    /// Logs every problem on a line of its own, with its place and what to do.
    pub(super) fn log(&self) {
        match self {
            Self::Rejected(rejected) => {
                for problem in &rejected.problems {
                    if problem.is_error() {
                        tracing::error!("{}", line(problem));
                    } else {
                        tracing::warn!("{}", line(problem));
                    }
                }
            }
            Self::Token(_) | Self::Failed(_) => tracing::error!("{self}"),
        }
    }

    /// In a few words.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Rejected(rejected) => count(&rejected.problems),
            Self::Token(_) | Self::Failed(_) => self.to_string(),
        }
    }
}
