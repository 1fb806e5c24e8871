//! `stdiod completions`: a script that lets a shell complete our command line.

use clap::CommandFactory;
use clap_complete::{Shell as Target, generate};

use crate::app::cli::{Cli, CompletionsArgs, Shell};
use crate::app::fatal::{Fatal, print};

pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), Fatal> {
    let shell = match args.shell {
        Shell::Bash => Target::Bash,
        Shell::Elvish => Target::Elvish,
        Shell::Fish => Target::Fish,
        Shell::Powershell => Target::PowerShell,
        Shell::Zsh => Target::Zsh,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "stdiod", &mut script);
    print(&String::from_utf8_lossy(&script))
}
