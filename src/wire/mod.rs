//! The words on the wire, and nothing else.
//!
//! This floor knows what a JSON-RPC message looks like, how lines and event streams are cut into
//! messages, and what each protocol revision allows. It refuses to know tokio, hyper, the clock, random
//! sources and the environment: bytes come in as arguments, values go out.
//!
//! A message is never turned into a tree. [`frame::Frame`] notes where the leaves lie that a bridge must
//! change, and [`frame::Frame::splice`] copies the text once with those leaves exchanged. A long answer is not even copied:
//! it leaves as a [`text::Text`] in pieces.

pub mod canon;
pub mod envelope;

pub mod fault;
pub mod frame;
pub mod glance;
pub mod headers;
pub mod id;
pub mod ink;
pub mod lines;
pub mod little;
pub mod meta;
pub mod method;
pub mod overlong;
pub mod raw;
mod scan;
pub mod splice;
pub mod sse;
pub mod text;
pub mod version;
