//! `stdiod serve`: the daemon.

use crate::app::fatal::{Fatal, warn};
use crate::config::Loaded;

pub(crate) fn serve(loaded: Loaded) -> Result<(), Fatal> {
    warn(&loaded.warnings);
    drop(loaded);
    Err(Fatal::running("not built yet"))
}
