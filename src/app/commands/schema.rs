//! `stdiod schema`: what a configuration file may hold, for editors and for readers.

use crate::app::cli::SchemaArgs;
use crate::app::fatal::{Fatal, print};
use crate::config::{file_schema, reference};

pub(crate) fn schema(args: &SchemaArgs) -> Result<(), Fatal> {
    if args.reference {
        print(&reference::page())
    } else {
        print(&format!("{:#}\n", file_schema()))
    }
}
