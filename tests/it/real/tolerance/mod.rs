//! What real clients rely on, rule by rule. Each was found by watching clients fail: a test names one that needs it, and its
//! own name begins with the number of the rule. Tests of a rule that stand elsewhere in this ring are named the same way.
//!
//! | Rule | What clients may rely on |
//! | --- | --- |
//! | 1, 2 | a GET is a stream at once and stays one, or it is 405; nothing else, whatever it accepts |
//! | 3 | what is not there is 404 or 405 at once, and no child hears of it |
//! | 4, 5 | a DELETE and a notification are answered at once, whatever the child does |
//! | 6, 7 | a request is answered on its own POST, by 200 and a JSON-RPC response, also where the child fails |
//! | 8, 9 | 401 is about tokens alone, 404 about sessions alone |
//! | 10 | ids are given with the handshake and taken everywhere; headers that a client leaves out, or sends too early, harm nobody |
//! | 11 to 14 | both eras are served at one URL; who tries the other one first is told so properly |
//! | 15 | a request without anything before it is answered |
//! | 16 to 18 | HTTP/1.0, kept connections, trailing slashes and names of this host work |
//! | 19 to 21 | clients go on after the death of a child or a restart of the daemon, and are not told of health that is not there |
//! | 22, 23 | sessions cost nothing, and one server's trouble is no other's |
//! | 24, 25 | progress comes while a call runs; who comes while a child starts waits for it |
//!
//! Limits of time are far above what is needed, and far below what makes a client give up.

mod eras;
mod http;
mod life;
mod methods;
mod push;
mod symptoms;

use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::cold::scripted;
use crate::support::child::Desk;
use crate::support::mcp::request;
use crate::support::{Daemon, eventually};

/// What clients are promised to get at once comes well within this.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How the clients at hand ask for a stream, and in which ways others may.
const ACCEPTS: [&str; 5] = [
    "text/event-stream",
    "application/json, text/event-stream",
    "text/event-stream, application/json",
    "*/*",
    "",
];

/// A daemon whose only child can be taken from it for good.
struct Mortal {
    daemon: Daemon,
    broken: std::path::PathBuf,
}

fn list() -> Value {
    request(&json!(1), "tools/list", &json!({}))
}

/// Does it, and fails if that takes longer than clients are promised.
#[track_caller]
fn at_once<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = act();
    let took = begun.elapsed();
    assert!(took < AT_ONCE, "{what} took {took:?}");
    done
}

// === impl Mortal ===

impl Mortal {
    /// With further lines for the server's section.
    fn start(keys: &str) -> Self {
        let desk = Desk::new();
        let broken = desk.path().join("broken");
        let (toml, _) = scripted(&desk, "demo", &format!("test -e {} && exit 3", broken.display()));
        Self { daemon: Daemon::at(desk, &format!("{toml}{keys}\n")), broken }
    }

    /// Stops the child in the middle of whatever it does: it takes in everything and answers nothing.
    fn freeze(&self) {
        kill_process(self.daemon.child_pid("demo"), Signal::STOP).unwrap();
    }

    /// Ends the child, and none that is started after it lives.
    fn kill_for_good(&self) {
        std::fs::write(&self.broken, "").unwrap();
        kill_process(self.daemon.child_pid("demo"), Signal::KILL).unwrap();
        eventually("the server is given up", || {
            let demo = &self.daemon.get("/readyz").json()["not_ready"]["demo"];
            (demo["state"] == "failed").then_some(())
        });
    }
}
