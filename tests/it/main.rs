//! The integration tests: one binary, so that linking happens once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]

mod config;
mod corpora;
mod demo;
mod demo_process;
mod real;
mod support;
mod tidy;
mod units;
