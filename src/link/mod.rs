//! Between the sockets and the children: handles and channels, and the two tables both sides read.
//!
//! A face holds a [`Link`](handle::Link) to a slot. It first asks to be admitted, which reserves the room in which its goodbye
//! will be sent; so a client that vanishes is always noticed, and saying so can neither wait nor fail. Then it sends an order and
//! listens at [`Replies`](replies::Replies). For a call all of that is one step, as long as its slot keeps up.
//!
//! The tables are the [`Directory`](directory::Directory), replaced whole when the configuration changes, and
//! [`Sessions`](sessions::Sessions) with [`StreamSessions`](stream_sessions::StreamSessions) and
//! [`Guests`](guests::Guests), behind locks that are held for one look.

mod counts;
pub(crate) mod handle;
mod letterbox;
pub(crate) mod replies;
pub(crate) mod sealer;

pub(crate) mod directory;
pub(crate) mod era;
pub(crate) mod guests;
pub(crate) mod pools;
pub(crate) mod sessions;
pub(crate) mod stream_sessions;
pub(crate) mod tools;
