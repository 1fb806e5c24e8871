//! `stdiod serve`: the daemon.

use crate::app::fatal::Fatal;
use crate::config::Loaded;

pub(crate) fn serve(loaded: Loaded) -> Result<(), Fatal> {
    drop(loaded);
    Err(Fatal::running("not built yet"))
}
