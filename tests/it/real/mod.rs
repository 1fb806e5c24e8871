//! The outermost ring: the built daemon, real children, real HTTP. A test that shows a numbered rule begins with its number.

mod calls;
mod sessions;
mod streams;
mod telling;
