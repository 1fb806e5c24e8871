//! What the children of a server are started from, as it stands on disks that may not answer.
//!
//! A disk that is away, such as a mount whose server is gone, makes whoever asks it wait for ever, and nothing can be done about
//! that from outside. So it is asked on threads that may wait, never by a task that serves nor by the nursery, and who wants to know
//! gives up after a while. The thread that hangs is not given up but kept: until it is back nobody else goes to ask the same, or in
//! time all threads there are would hang.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::process::{Recipe, SpawnError};
use super::recall::Fingerprint;

/// A recipe, and what can be found out about it. Its clones ask together.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) recipe: Arc<Recipe>,
    program: Question,
    fingerprint: Question,
}

/// One question to the disks, asked by one thread at a time.
#[derive(Clone, Debug)]
struct Question(Arc<Semaphore>);

/// How long anybody waits for a disk.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Disks are asked a few things at a time: each takes a thread, whose memory stays, and a daemon with many servers asks for all of
/// them at once when it starts.
static CROWD: Semaphore = Semaphore::const_new(2);

/// How long a question waits for those before it, which may hang.
const SOON: Duration = Duration::from_millis(100);

// === impl Site ===

impl Site {
    pub(super) fn new(recipe: Recipe) -> Self {
        let (program, fingerprint) = (Question::new(), Question::new());
        Self { recipe: Arc::new(recipe), program, fingerprint }
    }

    /// The file of the program, found where it is to be started.
    pub(super) async fn program(&self) -> Result<OsString, SpawnError> {
        let recipe = Arc::clone(&self.recipe);
        let found = self.program.ask(PATIENCE, move || recipe.find()).await;
        found.unwrap_or_else(|| Err(self.recipe.silent()))
    }

    /// What it is started from, in one number. Nobody knows if the disks do not say. This asks for more than a start needs: an
    /// argument may name a file elsewhere.
    pub(super) async fn fingerprint(&self) -> Option<Fingerprint> {
        let recipe = Arc::clone(&self.recipe);
        self.fingerprint.ask(PATIENCE, move || Fingerprint::of(&recipe)).await
    }
}

#[cfg(test)]
impl Site {
    /// One whose disks never answer.
    pub(super) fn hung(recipe: Recipe) -> Self {
        let never = Question(Arc::new(Semaphore::new(0)));
        Self { recipe: Arc::new(recipe), program: never.clone(), fingerprint: never }
    }
}

/// Room to ask a disk something, for as long as it is held. Whoever has waited long enough goes ahead without.
pub(super) async fn room() -> Option<SemaphorePermit<'static>> {
    timeout(SOON, CROWD.acquire()).await.ok()?.ok()
}

// === impl Question ===

impl Question {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// The answer, if there is one in time.
    async fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let answer = async {
            let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
            let _room = room().await;
            let mut asking = JoinSet::new();
            asking.spawn_blocking(move || {
                let answer = look();
                drop(turn);
                answer
            });
            asking.join_next().await?.ok()
        };
        timeout(patience, answer).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_disk_that_does_not_answer_keeps_one_thread_and_nobody_else() {
        let question = Question::new();
        let (answer, disk) = mpsc::sync_channel::<u8>(1);
        assert_eq!(question.ask(SHORT, move || disk.recv().ok()).await, None);
        let (asked, asks) = mpsc::sync_channel(3);
        for _ in 0..3 {
            let asked = asked.clone();
            assert_eq!(question.ask(SHORT, move || asked.send(())).await, None);
        }
        assert!(asks.try_recv().is_err(), "more threads hang");
        assert_eq!(Question::new().ask(PATIENCE, || 1).await, Some(1), "others are answered");
        answer.send(1).unwrap();
        assert_eq!(question.ask(PATIENCE, || 2).await, Some(2), "and so is this once it is back");
    }

    #[tokio::test]
    async fn a_look_that_fails_leaves_its_turn_to_the_next() {
        let question = Question::new();
        assert_eq!(question.ask(PATIENCE, || -> u8 { panic!("on purpose") }).await, None);
        assert_eq!(question.ask(PATIENCE, || 1).await, Some(1));
    }
}
