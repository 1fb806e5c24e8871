//! The scenarios. Each starts its own daemon, does one thing to it, and reports.

mod mix;

use crate::options::Options;
use crate::report::Report;

/// Every scenario, in the order in which they are told of.
pub(crate) const ALL: [&str; 1] = ["mix"];

/// Those that must pass everywhere, in their short forms.
pub(crate) const SHORT: [&str; 1] = ["mix"];

pub(crate) async fn run(name: &str, options: &Options) -> Result<Report, String> {
    match name {
        "mix" => mix::run(options).await,
        _ => Err(format!("there is no scenario {name}\n\n{}", crate::options::USAGE)),
    }
}
