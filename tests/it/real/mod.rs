//! The outermost ring: the built daemon, real children, real HTTP. A test that shows a numbered rule begins with its number.

mod calls;
mod doors;
mod forms;
mod hardship;
mod modes;
mod refusals;
mod scenario;
mod sessions;
mod sse;
mod stopping;
mod streams;
mod telling;
