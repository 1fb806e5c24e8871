//! stdiod gives every stdio MCP server an HTTP endpoint that any client can use.
//!
//! The folders are floors, and imports point down only:
//!
//! ```text
//!  5  app                main loop, commands, signals          knows everyone
//!  4  http │ upstream    sockets and faces │ children          never know each other
//!  3  link               handles and channels between the two
//!  2  bridge             PURE: who asked what, who gets which answer
//!  1  wire               PURE: messages, lines, events, headers
//! ```
//!
//! Beside the tower stand `config` (plain data and its loading), `auth`, and `demo`, the built-in
//! server. `docs/architecture.md` walks one request through the house.

pub mod wire;

pub mod bridge;

mod link;

mod upstream;

mod auth;
mod http;

pub mod config;
pub mod demo;

pub mod app;
