//! The outermost ring: the built daemon, real children, real HTTP. A test that shows a numbered rule begins with its number.

mod calls;
mod forms;
mod hardship;
mod refusals;
mod sessions;
mod streams;
mod telling;
