//! What was done to the daemon and its children, and when: an error is legal only while its cause is under way.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// A child of the server was killed or told to die; until its successor is ready.
    Death,
    /// A child of the server was stopped; until it was let go on and had time to catch up.
    Hang,
    /// The daemon was told to stop, or killed; until the next one is ready.
    Daemon,
    /// The server was changed or taken away.
    Reload,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Chaos(Rc<RefCell<Vec<Window>>>);

#[derive(Debug)]
struct Window {
    blow: Blow,
    /// Empty for the daemon, which strikes all.
    server: String,
    from: Instant,
    until: Option<Instant>,
}

/// How long after the end of a blow its errors may still arrive.
const SLACK: Duration = Duration::from_secs(1);

// === impl Chaos ===

impl Chaos {
    pub(crate) fn begin(&self, blow: Blow, server: &str) {
        let window = Window { blow, server: server.to_owned(), from: Instant::now(), until: None };
        self.0.borrow_mut().push(window);
    }

    /// Ends all blows of this kind that are under way at a server.
    pub(crate) fn end(&self, blow: Blow, server: &str) {
        for window in self.0.borrow_mut().iter_mut() {
            if window.blow == blow && window.server == server && window.until.is_none() {
                window.until = Some(Instant::now());
            }
        }
    }

    /// The servers at which a blow of this kind is under way, and since when.
    pub(crate) fn under_way(&self, blow: Blow) -> Vec<(String, Instant)> {
        let windows = self.0.borrow();
        let open = windows.iter().filter(|window| window.blow == blow && window.until.is_none());
        open.map(|window| (window.server.clone(), window.from)).collect()
    }

    /// Whether such a blow met anything that began at `from` and is over now.
    pub(crate) fn met(&self, blow: Blow, server: &str, from: Instant) -> bool {
        self.0.borrow().iter().any(|window| {
            window.blow == blow
                && (window.server.is_empty() || window.server == server)
                && window.until.is_none_or(|until| until + SLACK >= from)
        })
    }

    pub(crate) fn count(&self, blow: Blow) -> usize {
        self.0.borrow().iter().filter(|window| window.blow == blow).count()
    }
}
