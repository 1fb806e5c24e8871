//! A call in progress, as the reading thread sees it: something to cancel, and something to bring answers to.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    Cancelled,
    TimedOut,
}

/// A client's answer to a question: its result, or the text of its error.
pub(super) type Answer = Result<Value, String>;

#[derive(Debug, Default)]
pub(super) struct Flight {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    answers: HashMap<u64, Answer>,
}

// === impl Flight ===

impl Flight {
    pub(super) fn cancel(&self) {
        self.state().is_cancelled = true;
        self.changed.notify_all();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state().is_cancelled
    }

    pub(super) fn bring(&self, ask: u64, answer: Answer) {
        self.state().answers.insert(ask, answer);
        self.changed.notify_all();
    }

    /// Lets time pass, unless the call is cancelled.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Interrupted> {
        match self.wait(time, |_| None::<()>) {
            Ok(()) | Err(Interrupted::TimedOut) => Ok(()),
            Err(Interrupted::Cancelled) => Err(Interrupted::Cancelled),
        }
    }

    /// Waits for the answer to a question.
    pub(super) fn answer(&self, ask: u64, limit: Duration) -> Result<Answer, Interrupted> {
        self.wait(limit, |state| state.answers.remove(&ask))
    }

    fn wait<T>(
        &self,
        limit: Duration,
        mut found: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Interrupted> {
        let end = Instant::now() + limit;
        let mut state = self.state();
        loop {
            if state.is_cancelled {
                return Err(Interrupted::Cancelled);
            }
            if let Some(found) = found(&mut state) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Interrupted::TimedOut);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
