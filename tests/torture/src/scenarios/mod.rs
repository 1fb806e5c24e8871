//! The scenarios. Each starts its own daemon, does one thing to it, and reports.

mod bounded;
mod cold;
mod crash;
mod dormant;
mod mix;
mod orphans;
mod reload;
mod restart;

use crate::options::Options;
use crate::report::Report;

/// Every scenario, in the order in which they are told of.
pub(crate) const ALL: [&str; 8] =
    ["mix", "crash", "orphans", "bounded", "restart", "dormant", "cold", "reload"];

/// Those that must pass everywhere, in their short forms.
pub(crate) const SHORT: [&str; 8] = ALL;

pub(crate) async fn run(name: &str, options: &Options) -> Result<Report, String> {
    match name {
        "mix" => mix::run(options).await,
        "crash" => crash::run(options).await,
        "orphans" => orphans::run(options).await,
        "bounded" => bounded::run(options).await,
        "restart" => restart::run(options).await,
        "dormant" => dormant::run(options).await,
        "cold" => cold::run(options).await,
        "reload" => reload::run(options).await,
        _ => Err(format!("there is no scenario {name}\n\n{}", crate::options::USAGE)),
    }
}
