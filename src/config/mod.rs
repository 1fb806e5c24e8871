//! Configuration: plain data ([`model`]) and how it is found, read, checked and explained.

pub mod model;
pub mod units;
