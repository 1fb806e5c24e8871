//! Which events are said, by a filter that can be exchanged while they are.
//!
//! The filter is asked when a place in the code is met for the first time, and seldom after that. So it stands behind a lock, of
//! which the events that are said know nothing.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tracing::callsite::rebuild_interest_cache;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};

/// Lets through what its filter wants. Clones share the filter.
#[derive(Debug, Clone)]
pub(super) struct Sieve(Arc<RwLock<Targets>>);

// === impl Sieve ===

impl Sieve {
    pub(super) fn new(filter: Targets) -> Self {
        Self(Arc::new(RwLock::new(filter)))
    }

    /// Goes by another filter from now on.
    pub(super) fn exchange(&self, filter: Targets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = filter;
        rebuild_interest_cache();
    }

    fn filter(&self) -> RwLockReadGuard<'_, Targets> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Sieve {
    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&*self.filter(), about)
    }

    fn enabled(&self, about: &Metadata<'_>, context: Context<'_, S>) -> bool {
        Layer::enabled(&*self.filter(), about, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::<S>::max_level_hint(&*self.filter())
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::gatherer::Gatherer;
    use super::super::lines::{Lines, Shape};
    use super::*;

    fn of(filter: &str) -> Targets {
        filter.parse().unwrap()
    }

    fn say() {
        tracing::debug!("softly");
        let span = tracing::info_span!(target: "a", "within", n = 1);
        span.in_scope(|| tracing::debug!(target: "b", "inside"));
        tracing::warn!("loudly");
    }

    #[test]
    fn the_filter_that_is_there_when_something_is_said_decides() {
        let gatherer = Arc::new(Gatherer::new());
        let sieve = Sieve::new(of("warn"));
        let lines = Lines::new(Shape::Json, Arc::clone(&gatherer));
        let mut before = 0;
        with_default(tracing_subscriber::registry().with(sieve.clone()).with(lines), || {
            for (filter, said) in [
                ("warn", ["loudly"].as_slice()),
                ("debug", &["softly", "inside", "loudly"]),
                ("off", &[]),
                ("warn,b=debug", &["inside", "loudly"]),
                ("error", &[]),
            ] {
                sieve.exchange(of(filter));
                say();
                let all = gatherer.waiting();
                let told: Vec<&str> = ["softly", "inside", "loudly"]
                    .into_iter()
                    .filter(|word| all[before..].contains(word))
                    .collect();
                assert_eq!(told, said, "{filter}");
                before = all.len();
            }
        });
    }
}
