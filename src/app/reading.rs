//! Reading the configuration again, beside everything else: a file on a slow mount must keep no signal waiting.
//!
//! One reading at a time. Whoever asks during one gets another after it, so that what was written last is what holds.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::keys::{self, KeyError};
use crate::auth::bearer::{BadToken, Bearers};
use crate::bridge::seal::Keys;
use crate::config::picture::line;
use crate::config::{Loaded, Rejected, Sources, count, load};

#[derive(Debug)]
pub(super) struct Reading {
    sources: Arc<Sources>,
    /// The state directory, which stays what it was at the start.
    state: Option<Arc<Path>>,
    under_way: JoinSet<Outcome>,
    asked_again: bool,
}

/// What a reading gives.
pub(super) type Outcome = Result<Box<Fresh>, Refused>;

/// A sound configuration with the tokens and the keys it names.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) loaded: Loaded,
    pub(super) bearers: Option<Bearers>,
    /// None where the ones that hold go on.
    pub(super) keys: Option<Keys>,
}

/// Why what was read cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Token(#[from] BadToken),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("reading it failed by a fault of stdiod: {0}")]
    Failed(#[from] tokio::task::JoinError),
}

// === impl Reading ===

impl Reading {
    pub(super) fn new(sources: Sources, state: Option<Arc<Path>>) -> Self {
        let sources = Arc::new(sources);
        Self { sources, state, under_way: JoinSet::new(), asked_again: false }
    }

    pub(super) fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    pub(super) fn ask(&mut self) {
        if self.under_way.is_empty() {
            let (sources, state) = (Arc::clone(&self.sources), self.state.clone());
            self.under_way.spawn_blocking(move || read(&sources, state.as_deref()));
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

fn read(sources: &Sources, state: Option<&Path>) -> Outcome {
    let loaded = load(sources)?;
    let bearers = loaded.model.auth.as_ref().map(Bearers::read).transpose()?;
    let keys = keys::reload(&loaded.model, state)?;
    Ok(Box::new(Fresh { loaded, bearers, keys }))
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
            Self::Token(_) | Self::Key(_) | Self::Failed(_) => tracing::error!("{self}"),
        }
    }

    /// In a few words.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Rejected(rejected) => count(&rejected.problems),
            Self::Token(_) | Self::Key(_) | Self::Failed(_) => self.to_string(),
        }
    }
}
