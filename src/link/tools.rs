//! Which headers the tools of a server want to see repeated, as its list said last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::bridge::mirrors::Mirrors;

/// What is known of a server's tools.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// How often they may have changed.
    changes: AtomicU64,
    /// Held for one look or one change, never across a wait.
    known: Mutex<Option<Known>>,
    /// Held by who lists them, so that many who want to know list them once.
    listing: tokio::sync::Mutex<()>,
}

/// What a list said that was asked for after so many changes.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) changes: u64,
    pub(crate) mirrors: Mirrors,
}

/// Why nothing was learnt.
#[derive(Debug)]
pub(crate) enum Unlisted {
    /// There is no child to ask. Whatever is called next will say so itself.
    NoChild,
    Failed(Box<str>),
}

#[derive(Debug)]
struct Known {
    mirrors: Arc<Mirrors>,
    changes: u64,
    /// When to ask again, if nothing was learnt.
    until: Option<Instant>,
}

/// A call does not wait longer than this for the tools to be listed. A child that has not even started by then is not worth more:
/// its start counts as a change, so the calls after it are checked.
const LISTING_MAX: Duration = Duration::from_secs(5);

/// How long calls go unchecked before a list that failed is asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

// === impl Tools ===

impl Tools {
    /// What is known, unless it may be out of date.
    pub(crate) fn known(&self) -> Option<Arc<Mirrors>> {
        let changes = self.changes();
        let known = self.lock();
        known
            .as_ref()
            .filter(|known| known.changes == changes)
            .filter(|known| known.until.is_none_or(|until| Instant::now() < until))
            .map(|known| Arc::clone(&known.mirrors))
    }

    /// Has them listed, unless another does that already: then its outcome is ours too. If nothing comes of it, nothing is known
    /// to be checked, for a while or until they change.
    pub(crate) async fn learn(
        &self,
        list: impl Future<Output = Result<Listed, Unlisted>>,
    ) -> Result<Arc<Mirrors>, Unlisted> {
        let late = || Unlisted::Failed("it took too long".into());
        let turn = timeout(LISTING_MAX, self.listing.lock()).await;
        let _turn = turn.map_err(|_| late())?;
        if let Some(mirrors) = self.known() {
            return Ok(mirrors);
        }
        match timeout(LISTING_MAX, list).await.unwrap_or_else(|_| Err(late())) {
            Ok(Listed { changes, mirrors }) => {
                let mirrors = Arc::new(mirrors);
                self.keep(Known { mirrors: Arc::clone(&mirrors), changes, until: None });
                Ok(mirrors)
            }
            Err(Unlisted::NoChild) => Err(Unlisted::NoChild),
            Err(failed @ Unlisted::Failed(_)) => {
                let until = Some(Instant::now() + AGAIN_AFTER);
                self.keep(Known { mirrors: Arc::default(), changes: self.changes(), until });
                Err(failed)
            }
        }
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// After how many changes a list was made up whose first page has come just now. The very first change is that the child is
    /// there at all, and a list that woke it is asked for before and made after that. What was only remembered woke nobody.
    pub(crate) fn changes_at_answer(&self, asked_after: u64) -> u64 {
        if asked_after == 0 { self.changes().min(1) } else { asked_after }
    }

    /// They may be others now.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn keep(&self, known: Known) {
        *self.lock() = Some(known);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        // Nothing that panics is done under the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn listed(changes: u64) -> Listed {
        Listed { changes, mirrors: Mirrors::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn all_wait_once_for_a_list_that_never_comes() {
        let (tools, begun) = (Tools::default(), Instant::now());
        let (one, other, third) =
            tokio::join!(tools.learn(pending()), tools.learn(pending()), tools.learn(pending()));
        assert_eq!(begun.elapsed().as_secs(), LISTING_MAX.as_secs());
        let failed = [one, other, third].iter().filter(|learnt| learnt.is_err()).count();
        assert!(failed > 0 && tools.known().is_some());
        assert!(tools.learn(pending()).await.is_ok(), "it is not asked for again");
        assert_eq!(begun.elapsed().as_secs(), LISTING_MAX.as_secs());
        tokio::time::advance(AGAIN_AFTER).await;
        assert!(tools.known().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_a_reason_to_ask_again() {
        let tools = Tools::default();
        let failed = || ready(Err(Unlisted::Failed("no".into())));
        assert!(tools.learn(failed()).await.is_err());
        assert!(tools.known().is_some());
        tools.changed();
        assert!(tools.known().is_none());
        assert!(tools.learn(ready(Ok(listed(1)))).await.is_ok());
        tokio::time::advance(2 * AGAIN_AFTER).await;
        assert!(tools.known().is_some(), "what was learnt holds");
        tools.changed();
        assert!(tools.known().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_child_that_is_not_there_leaves_nothing_to_remember() {
        let tools = Tools::default();
        let learnt = tools.learn(ready(Err(Unlisted::NoChild))).await;
        assert!(matches!(learnt, Err(Unlisted::NoChild)));
        assert!(tools.known().is_none());
    }

    #[test]
    fn a_list_that_wakes_its_child_is_not_out_of_date_at_once() {
        let tools = Tools::default();
        assert_eq!(tools.changes_at_answer(0), 0, "it was remembered");
        tools.changed();
        assert_eq!(tools.changes_at_answer(0), 1);
        tools.changed();
        assert_eq!(tools.changes_at_answer(0), 1, "it changed while it was listed");
        assert_eq!(tools.changes_at_answer(2), 2);
    }
}
