//! `stdiod serve`: the daemon.

use crate::app::fatal::Fatal;
use crate::app::run;
use crate::config::{Sources, load};

/// The same sources are read again when the daemon reloads.
pub(crate) fn serve(sources: Sources) -> Result<(), Fatal> {
    run::serve(load(&sources)?, sources)
}
