//! The pure heart: who asked what of whom, and who gets which answer.
//!
//! One [`Switchboard`](switchboard::Switchboard) stands for one place a child can live in. Requests of many clients
//! come in as orders, the child's lines come in as frames, and what is to be done comes out in a
//! [`Turn`](turn::Turn): lines for the child, notes for the log. Answers leave through an
//! [`Outlet`](outlet::Outlet), which is a channel in life and a letter box in tests; it is asked directly because what it
//! says (taken, full, gone) decides what happens next.
//!
//! This floor refuses to know tokio, hyper, the clock, random sources and the environment. Time and fresh numbers are
//! arguments, so every rule here can be tested in microseconds and fuzzed by sequences of operations.
//!
//! ```text
//!  orders ──► switchboard ──► lines for the child        lifecycle   when a child is started and stopped
//!   lines ──►  │ fronts      ──► events for clients      greeting    its handshake
//!    time ──►  │ calls, asks ──► notes                   lane        who shares it
//!              │ topics, tasks, stream log, timers       policy      which tools are shown
//!                                                        passport    what a session's id says, under seal
//!                                                        ticket      what brings a retry to the call it belongs to
//!                                                        mirrors     which arguments headers have to repeat
//!                                                        memory      what a child said last
//! ```

pub mod outlet;
pub mod refusal;
pub mod turn;

pub mod switchboard;

mod ask;
mod call;
pub mod front;
mod numbered;
mod queue;
mod rounds;
pub mod stream_log;
pub mod tasks;
mod timers;
mod topics;

pub mod greeting;
pub mod lane;
pub mod lifecycle;
mod listens;
pub mod memory;
pub mod mirrors;
pub mod passport;
pub mod policy;
pub mod seal;
pub mod ticket;
pub mod translate;

#[cfg(test)]
mod tests;
