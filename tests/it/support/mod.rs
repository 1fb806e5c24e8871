//! What the outermost tests stand on: the built daemon, raw HTTP, and a client that speaks as real ones do.
//!
//! The daemon is always the binary, its children are `stdiod demo-server`, and every byte goes over a socket. Waiting is
//! for something to happen, with a limit so generous that only a fault reaches it.

pub(crate) mod child;
pub(crate) mod daemon;
pub(crate) mod http;
pub(crate) mod mcp;
pub(crate) mod modern;
pub(crate) mod program;
pub(crate) mod stream;
pub(crate) mod wait;

pub(crate) use child::{Demo, Record};
pub(crate) use daemon::Daemon;
pub(crate) use http::{Answer, Request};
pub(crate) use modern::Modern;
pub(crate) use program::program;
pub(crate) use stream::Events;
pub(crate) use wait::{LIMIT, eventually};
