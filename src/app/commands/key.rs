//! `stdiod key`: the keys of session ids.

use std::io;
use std::path::PathBuf;

use crate::app::cli::{KeyArgs, KeyCommand, RotateArgs};
use crate::app::fatal::{Fatal, print};
use crate::app::keys::{self, KeyError, Place};
use crate::app::state;
use crate::config::{Host, Sources, load};

const TELL: &str =
    "tell the running daemon with SIGHUP (systemctl reload stdiod); replicas need the same file\n";

pub(crate) fn key(config: Vec<PathBuf>, args: &KeyArgs) -> Result<(), Fatal> {
    let KeyCommand::Rotate(args) = &args.command;
    let loaded = load(&Sources::of_process(config, Host::Elsewhere))?;
    let state = state::place(&loaded.model);
    let place = keys::place(&loaded.model, state.as_deref()).ok_or_else(|| {
        Fatal::running("there is no file of session keys")
            .hint("set sessions.key_file or state_dir")
    })?;
    rotate(args, &place).and_then(|done| print(&done))
}

fn rotate(args: &RotateArgs, place: &Place) -> Result<String, Fatal> {
    let path = place.path();
    if args.create {
        if let Place::Own(path) = place
            && let Some(directory) = path.parent()
        {
            let unwritable = |error| KeyError::Unwritable(directory.to_owned(), error);
            state::prepare(directory).map_err(|error| failed(&unwritable(error)))?;
        }
        if keys::create(path).map_err(|error| failed(&error))? {
            return Ok(format!("{}: made, with one key\n{TELL}", path.display()));
        }
    }
    let kept = keys::rotate(path).map_err(|error| match &error {
        // The daemon may well look elsewhere than this shell: a key that is made here would only seem to be the one in use.
        KeyError::Unreadable(_, why) if why.kind() == io::ErrorKind::NotFound => absent(place),
        KeyError::Unreadable(..)
        | KeyError::NoKey(..)
        | KeyError::Empty(_)
        | KeyError::Unwritable(..) => failed(&error),
    })?;
    Ok(format!("{}: a new key seals, {kept} older still open\n{TELL}", path.display()))
}

fn absent(place: &Place) -> Fatal {
    let fatal = Fatal::running(format!(
        "there are no session keys to turn: no file {}",
        place.path().display()
    ));
    match place {
        Place::Named(_) => fatal.hint("sessions.key_file names it; --create makes it"),
        Place::Own(_) => fatal
            .hint("a daemon that systemd started keeps them elsewhere: STATE_DIRECTORY=/var/lib/stdiod stdiod key rotate")
            .hint("or name the place in the configuration, with state_dir or sessions.key_file")
            .hint("--create makes the file here"),
    }
}

fn failed(error: &KeyError) -> Fatal {
    Fatal::running(error.to_string())
}
