//! Configuration: plain data ([`model`]) and how it is found, read, checked and explained.

pub mod listen;
pub mod model;
pub mod secret;
pub mod units;
