//! The handle to a slot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::replies::{Farewell, Post};
use crate::bridge::refusal::Refusal;
use crate::bridge::switchboard::Order;
use crate::wire::id::{CallId, FrontId, ServerName};

/// The orders of clients to one slot, in order.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Wires>);

/// A handle that does not keep what lies behind it. The room for orders is kilobytes, and who is remembered longer than its
/// slot must not hold that.
#[derive(Clone, Debug)]
pub(crate) struct WeakLink(Weak<Wires>);

#[derive(Debug)]
struct Wires {
    server: ServerName,
    orders: mpsc::Sender<Order<Post>>,
    /// Goodbyes and closings, which a child that does not read must not hold up.
    control: mpsc::Sender<Order<Post>>,
    next: AtomicU64,
    /// No other slot has it, of this process or an earlier one.
    number: u64,
}

/// The ends a slot holds.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) orders: mpsc::Receiver<Order<Post>>,
    pub(crate) control: mpsc::Receiver<Order<Post>>,
    /// As long as the slot is there, so is the way to it.
    _link: Link,
}

/// Orders that wait for a slot's attention.
const ORDERS_MAX: usize = 256;

/// Calls and streams open at one slot.
const CALLS_MAX: usize = 16_384;

/// How long an order waits for a child that does not read.
const PATIENCE: Duration = Duration::from_secs(10);

// === impl Link ===

impl Link {
    pub(crate) fn new(server: ServerName) -> (Self, Inbox) {
        let (orders, orders_end) = mpsc::channel(ORDERS_MAX);
        let (control, control_end) = mpsc::channel(CALLS_MAX);
        let number = getrandom::u64().unwrap_or_default();
        let link =
            Self(Arc::new(Wires { server, orders, control, next: AtomicU64::new(1), number }));
        let inbox = Inbox { orders: orders_end, control: control_end, _link: link.clone() };
        (link, inbox)
    }

    pub(crate) fn downgrade(&self) -> WeakLink {
        WeakLink(Arc::downgrade(&self.0))
    }

    /// A number for a call, and the room for its goodbye.
    pub(crate) fn admit(&self) -> Result<Farewell, Refusal> {
        let permit = self.0.control.clone().try_reserve_owned().map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => self.busy("too many calls and streams are open"),
            mpsc::error::TrySendError::Closed(_) => self.closed(),
        })?;
        Ok(Farewell::new(permit, CallId(self.0.next.fetch_add(1, Ordering::Relaxed))))
    }

    /// Sends an order. Waits while the child does not read, but not for ever.
    pub(crate) async fn send(&self, order: Order<Post>) -> Result<(), Refusal> {
        // Most often there is room, and then no timer is needed.
        let order = match self.0.orders.try_send(order) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.closed()),
            Err(mpsc::error::TrySendError::Full(order)) => order,
        };
        // Apart, so that nobody carries along what waiting takes.
        match Box::pin(timeout(PATIENCE, self.0.orders.send(order))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(self.busy("it does not read its standard input")),
        }
    }

    /// Ends a session. Never waits; a slot with no room for this has thousands of goodbyes to read first, and a session that
    /// is not closed then is only idle.
    pub(crate) fn close(&self, front: FrontId) {
        // A slot that is gone, or going, needs no telling.
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.0.control.try_send(Order::Close { front })
        {
            tracing::warn!(server = %self.0.server, "a session could not be closed: its slot is flooded");
        }
    }

    /// What its slot is called where nobody may mistake another for it.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether the slot still listens.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.orders.is_closed()
    }

    fn busy(&self, what: &'static str) -> Refusal {
        Refusal::Busy { server: self.0.server.clone(), what }
    }

    fn closed(&self) -> Refusal {
        Refusal::NoChild { server: self.0.server.clone(), why: "it is being stopped".into() }
    }
}

// === impl WeakLink ===

impl WeakLink {
    /// The handle again, if its slot still listens.
    pub(crate) fn upgrade(&self) -> Option<Link> {
        self.0.upgrade().map(Link).filter(Link::is_open)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.upgrade().is_some()
    }
}
