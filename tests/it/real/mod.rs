//! The outermost ring: the built daemon, real children, real HTTP. A test that shows a numbered rule begins with its number:
//! those with a `t` are about the translation between the eras, those with a `c` about what clients rely on (`tolerance`).

mod across;
mod calls;
mod cold;
mod crowd;
mod doors;
mod eras;
mod forms;
mod hardship;
mod headers;
mod lanes;
mod listens;
mod logging;
mod modern;
mod modes;
mod orphans;
mod refusals;
mod reloading;
mod restarts;
mod rounds;
mod scenario;
mod sessions;
mod sse;
mod stopping;
mod streams;
mod tasks;
mod telling;
mod tolerance;
