//! Configuration: plain data ([`model`]) and how it is found, read, checked and explained.
//!
//! ```text
//! layers     which files, variables and flags there are, in rising order
//!   document   TOML, JSON or YAML ► one tree whose every part knows its place
//!   foreign    mcpServers ► servers
//!   walk       unknown keys and wrong types, by the shape that the schema gives
//! merged     figment lays the layers over each other; each value still knows its layer
//! load       ► Model ► references expanded, files of variables read ► check ► Loaded, or all problems
//! picture    a problem as a line of the file with a caret
//! diff       what a new model changes of an old one
//! ```
//!
//! Nothing here knows the daemon. [`load()`] looks at the [`Sources`] it is given and at files, never at the process.

mod advice;
mod check;
pub mod diff;
mod document;
mod effective;
mod environment;
mod expand;
mod foreign;
pub mod key;
mod layers;
pub mod listen;
mod load;
mod merged;
pub mod model;
mod node;
pub mod picture;
pub mod place;
pub mod problem;
pub mod programs;
pub mod reference;
mod schema;
pub mod secret;
mod shape;
pub mod units;
mod walk;

#[cfg(test)]
mod testing;

pub use document::Document;
pub use layers::{Flag, Host, SYSTEM_FILE, Sources, Stamps};
pub use load::{DEMO, Loaded, Origin, Rejected, count, load};
pub use schema::file_schema;
