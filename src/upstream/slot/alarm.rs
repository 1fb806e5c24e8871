//! Wakes a slot in time.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

/// A timer that is set anew only for what is due earlier. Moving one costs more than being woken once too often: most of what a
/// slot waits for, the answers of its child, comes long before it is due.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When it rings, and whom it wakes.
    set: Option<(Instant, Waker)>,
}

// === impl Alarm ===

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), set: None }
    }

    /// Whether it has rung since it was set. To be asked once: then it has not.
    pub(super) fn has_rung(&mut self) -> bool {
        let has_rung = self.set.is_some() && self.sleep.is_elapsed();
        if has_rung {
            self.set = None;
        }
        has_rung
    }

    /// Sees to it that the task is woken by then. Ready if that is now.
    pub(super) fn poll(&mut self, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        if let Some((at, waker)) = &self.set
            && *at <= due
            && waker.will_wake(cx.waker())
        {
            return Poll::Pending;
        }
        self.sleep.as_mut().reset(due.into());
        // Whether it is set must not depend on how much else the task has done.
        let polled = pin!(unconstrained(self.sleep.as_mut())).poll(cx);
        self.set = polled.is_pending().then(|| (due, cx.waker().clone()));
        polled
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alarm({:?})", self.set.as_ref().map(|(at, _)| at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_for_the_earliest_and_only_once() {
        let start = Instant::now();
        let at = |ms| Some(start + Duration::from_millis(ms));
        let mut alarm = Alarm::new();
        std::future::poll_fn(|cx| {
            assert!(alarm.poll(None, cx).is_pending());
            assert!(alarm.poll(at(60_000), cx).is_pending());
            assert!(alarm.poll(at(20), cx).is_pending());
            assert!(alarm.poll(at(60_000), cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let mut woken = 0;
        std::future::poll_fn(|_| {
            woken += 1;
            // Nothing but the alarm wakes this task a second time.
            if alarm.has_rung() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert!(start.elapsed() >= Duration::from_millis(20) && woken == 2, "{woken}");
        assert!(!alarm.has_rung());
    }

    #[tokio::test]
    async fn what_is_due_already_is_not_slept_through() {
        let mut alarm = Alarm::new();
        let due = Some(Instant::now());
        std::future::poll_fn(
            |cx| {
                if alarm.has_rung() { Poll::Ready(()) } else { alarm.poll(due, cx) }
            },
        )
        .await;
        assert!(!alarm.has_rung());
    }
}
