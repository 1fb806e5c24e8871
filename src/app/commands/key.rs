//! `stdiod key`: the keys of session ids.

use std::path::PathBuf;

use crate::app::cli::{KeyArgs, KeyCommand};
use crate::app::fatal::{Fatal, print};
use crate::app::{keys, state};
use crate::config::{Host, Sources, load};

pub(crate) fn key(config: Vec<PathBuf>, args: &KeyArgs) -> Result<(), Fatal> {
    let KeyCommand::Rotate = args.command;
    let loaded = load(&Sources::of_process(config, Host::Elsewhere))?;
    let state = state::directory(&loaded.model);
    let path = keys::file(&loaded.model, state.as_deref()).ok_or_else(|| {
        Fatal::running("there is no file of session keys")
            .hint("set sessions.key_file or state_dir")
    })?;
    let kept = keys::rotate(&path).map_err(|error| Fatal::running(error.to_string()))?;
    print(&format!(
        "{}: a new key seals, {kept} older still open\n\
         tell the running daemon with SIGHUP (systemctl reload stdiod); replicas need the same file\n",
        path.display()
    ))
}
