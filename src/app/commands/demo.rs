//! `stdiod demo-server`: the built-in server on standard input and output.

use crate::app::cli::DemoArgs;
use crate::app::fatal::Fatal;

pub(crate) fn demo(_args: &DemoArgs) -> Result<(), Fatal> {
    Err(Fatal::running("not built yet"))
}
