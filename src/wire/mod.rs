//! The words on the wire, and nothing else.
//!
//! This floor knows what a JSON-RPC message looks like, how lines and event streams are cut into
//! messages, and what each protocol revision allows. It refuses to know tokio, hyper, the clock, random
//! sources and the environment: bytes come in as arguments, values go out.

pub mod id;
