//! `stdiod serve`: the daemon.

use crate::app::fatal::Fatal;
use crate::app::run;
use crate::config::Loaded;

pub(crate) fn serve(loaded: Loaded) -> Result<(), Fatal> {
    run::serve(loaded)
}
