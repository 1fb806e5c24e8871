//! One file per command. Each gets what it needs ready-made: whoever serves, serves a checked configuration.

mod check;
mod completions;
mod demo;
mod export;
mod key;
mod man;
mod run;
mod schema;
mod serve;

use super::cli::{Cli, Command, ServeArgs};
use super::fatal::Fatal;
use crate::config::{Host, Sources};

pub(super) fn run(cli: Cli) -> Result<(), Fatal> {
    let Cli { config, command } = cli;
    match command.unwrap_or_else(|| Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => {
            let mut sources = Sources::of_process(config, Host::Starting);
            sources.flags = args.flags();
            serve::serve(sources)
        }
        Command::Run(args) => {
            if !config.is_empty() {
                return Err(Fatal::usage("`run` takes no configuration file")
                    .hint("`stdiod serve --config FILE` serves what a file says"));
            }
            serve::serve(run::sources(&args)?)
        }
        Command::Check(args) => check::check(config, &args),
        Command::Export(args) => export::export(config, &args),
        Command::Key(args) => key::key(config, &args),
        Command::Schema(args) => schema::schema(&args),
        Command::DemoServer(args) => demo::demo(args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => man::man(&args),
    }
}
