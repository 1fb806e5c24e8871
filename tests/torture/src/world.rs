//! What all clients of a run share: where the daemon is, the books, and the word that it is over.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::chaos::Blow;
use crate::ledger::{Leave, Ledger, Outcome};
use crate::peer::Peer;
use crate::rng::Rng;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Ledger,
    /// Clients finish what they do.
    pub(crate) over: Cell<bool>,
    /// Chaos has ended and every server is ready again.
    pub(crate) calm: Cell<bool>,
    /// Sessions survive a restart of the daemon.
    pub(crate) sealed: bool,
    /// How many calls may still tell a child to exit. One that dies again and again is started ever later.
    pub(crate) exits_left: Cell<u32>,
    /// Sessions that worked at the end, and how many should have.
    pub(crate) usable: Cell<(u32, u32)>,
    pub(crate) counts: RefCell<std::collections::BTreeMap<&'static str, u64>>,
    serial: Cell<u64>,
    seed: u64,
}

// === impl World ===

impl World {
    pub(crate) fn new(address: SocketAddr, ledger: Ledger, sealed: bool, seed: u64) -> Rc<Self> {
        Rc::new(Self {
            address,
            ledger,
            over: Cell::new(false),
            calm: Cell::new(false),
            sealed,
            exits_left: Cell::new(0),
            usable: Cell::new((0, 0)),
            counts: RefCell::default(),
            serial: Cell::new(0),
            seed,
        })
    }

    /// A text that no other call carries.
    pub(crate) fn payload(&self, who: &str) -> String {
        self.serial.set(self.serial.get() + 1);
        format!("{:x}/{who}/{}", self.seed, self.serial.get())
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.borrow_mut().entry(what).or_default() += 1;
    }

    /// What a call of this client may end with, besides its answer.
    pub(crate) fn leave(&self) -> Leave {
        let restarted = self.ledger.chaos.count(Blow::Daemon) > 0;
        Leave { forgotten: restarted && !self.sealed, ..Leave::default() }
    }

    /// Opens a session, again and again while there is a reason why it fails. False if the run is over before.
    pub(crate) async fn open(
        &self,
        kind: &'static str,
        peer: &mut Peer,
        capabilities: &Value,
    ) -> bool {
        loop {
            let made = self.ledger.make(kind, &peer.server, self.leave());
            let opened = peer.open(capabilities).await;
            if self.ledger.settle(made, &opened) {
                return true;
            }
            peer.session = None;
            if self.over.get() && self.calm.get() {
                return false;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits a little after what went wrong, and opens a new session if the old one was legally forgotten.
    pub(crate) async fn recover(
        &self,
        kind: &'static str,
        peer: &mut Peer,
        capabilities: &Value,
        outcome: &Outcome,
    ) {
        match outcome {
            Outcome::Right => {}
            Outcome::Refused { status: 404, .. } => {
                self.open(kind, peer, capabilities).await;
            }
            Outcome::Wrong(_)
            | Outcome::Fault { .. }
            | Outcome::Refused { .. }
            | Outcome::Trouble(_)
            | Outcome::Unanswered => {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// When all is calm again, the session must still work.
    pub(crate) async fn finale(&self, kind: &'static str, peer: &mut Peer) {
        while !self.calm.get() {
            sleep(Duration::from_millis(20)).await;
        }
        let payload = self.payload(kind);
        let made = self.ledger.make(kind, &peer.server, self.leave());
        let outcome = peer.echo(&payload).await;
        let is_forgotten = matches!(outcome, Outcome::Refused { status: 404, .. });
        let right = self.ledger.settle(made, &outcome);
        let usable = right || (is_forgotten && self.leave().forgotten);
        self.judged_usable(usable);
        if !usable {
            let server = &peer.server;
            self.ledger.fail(format!(
                "{kind} at {server}: its session does not work at the end: {outcome:?}"
            ));
        }
    }

    pub(crate) fn judged_usable(&self, is: bool) {
        let (usable, all) = self.usable.get();
        self.usable.set((usable + u32::from(is), all + 1));
    }

    pub(crate) async fn pause(&self, rng: &mut Rng, most_ms: u64) {
        sleep(Duration::from_millis(rng.below(most_ms + 1))).await;
    }
}
