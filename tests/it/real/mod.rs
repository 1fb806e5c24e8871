//! The outermost ring: the built daemon, real children, real HTTP. A test that shows a numbered rule begins with its number.

mod calls;
mod cold;
mod crowd;
mod doors;
mod eras;
mod forms;
mod hardship;
mod modes;
mod orphans;
mod refusals;
mod reloading;
mod restarts;
mod scenario;
mod sessions;
mod sse;
mod stopping;
mod streams;
mod tasks;
mod telling;
