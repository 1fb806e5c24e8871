//! The children: one warden per server, one slot per child.
//!
//! A **slot** is one task and the only owner of a child: its process, its pipes, its switchboard, its lifecycle. Others hold a
//! link to it. It reads and writes in one loop, so a child that blocks on its output cannot deadlock us, and no lock is needed.
//! A slot outlives the processes that occupy it; sessions stay on it while a dead child is replaced.
//!
//! A **warden** owns the slots of one server: the shared one, which lives as long as the server, and the private ones, which
//! live as long as their session. It hands out places to run a process, so a server never has more than `max_children`, and
//! all together never more than the host's; when they are all taken, the private child that has been idle longest is put to rest.
//!
//! The **nursery** is the one thread that starts processes, and sees to it that nothing is left of those that have ended.
//! The **keeper** is a process that does the same for us.
//!
//! A **site** is what the children of a server are started from, and the only place where the disks it lies on are asked.
//!
//! **Recall** keeps what a shared child said last in the state directory, so that it can be answered for while it rests.

mod environment;
pub(crate) mod keeper;
pub(crate) mod kin;
pub(crate) mod nursery;
mod outbox;
mod places;
mod process;
mod recall;
mod site;
mod slot;
mod stderr;
mod warden;

pub(crate) use nursery::Nursery;
pub(crate) use places::HostRoom;
pub(crate) use recall::forget;
pub(crate) use warden::{Settings, open};
