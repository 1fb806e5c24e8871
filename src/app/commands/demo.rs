//! `stdiod demo-server`: the built-in server on standard input and output.

use crate::app::fatal::Fatal;
use crate::demo::{self, DemoArgs};

pub(crate) fn demo(args: DemoArgs) -> Result<(), Fatal> {
    demo::run(args).map_err(|error| Fatal::running(format!("the demo server ended: {error}")))
}
