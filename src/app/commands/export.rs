//! `stdiod export`: the other end of the configuration, for a gateway that is to use the servers of this daemon.
//!
//! ```text
//! endpoints   configuration ► each server's address, and the token that opens it
//!   tokens    which token, in which variable of the gateway
//! litellm     endpoints ► LiteLLM's YAML
//! ```
//!
//! Only what is written counts. The files and credentials of the service need not be readable for whoever makes it.

mod endpoints;
mod litellm;
mod tokens;
mod yaml;

use std::path::PathBuf;

use self::endpoints::Endpoints;
use crate::app::cli::{ExportArgs, Format};
use crate::app::fatal::{Fatal, print, warn};
use crate::config::{Host, Sources, load};

pub(crate) fn export(config: Vec<PathBuf>, args: &ExportArgs) -> Result<(), Fatal> {
    let loaded = load(&Sources::of_process(config, Host::Elsewhere))?;
    warn(&loaded.warnings);
    let model = &loaded.model;
    let text = match args.format {
        Format::LiteLlm => {
            litellm::page(&loaded, &Endpoints::of(model, args, "litellm")?, args.transport)
        }
    };
    print(&text)
}
