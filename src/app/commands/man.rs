//! `stdiod man`: manual pages made from the command line itself.

use std::path::Path;

use clap::CommandFactory;

use crate::app::cli::{Cli, ManArgs};
use crate::app::fatal::{Fatal, print};

pub(crate) fn man(args: &ManArgs) -> Result<(), Fatal> {
    if let Some(directory) = &args.dir {
        return write_all(directory);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Fatal::running(format!("cannot make the manual page: {error}")))?;
    print(&String::from_utf8_lossy(&page))
}

fn write_all(directory: &Path) -> Result<(), Fatal> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|error| {
            Fatal::running(format!(
                "cannot write manual pages into {}: {error}",
                directory.display()
            ))
        })
}
