//! The keeper: our own program again, which outlives the daemon and ends what it leaves behind.
//!
//! Everything the daemon can do about its children it does itself; the keeper is for when it can do nothing any more, because
//! it was killed or has crashed. It is told of each child on its stdin. When that ends, it looks for whoever of those families
//! is still there: SIGTERM, a second of grace, SIGKILL, and looks again until nobody is. After an orderly end it has been told
//! that there is nobody, and leaves at once.
//!
//! It is entered before anything else of the program, has one thread, and sleeps until it is told something.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, BufRead as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::upstream::keeper::{Word, recall};
use crate::upstream::kin::{Being, Census, Kin, Mark};
use crate::upstream::nursery::{GRACE, PATIENCE, PAUSE_MAX, PAUSE_MIN};

/// Runs the keeper if that is what the program was started as: `stdiod keeper MARK`.
pub(super) fn called() -> Option<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).take(3).collect();
    let [name, mark] = &arguments[..] else { return None };
    let mark = Mark::parse(mark.to_str().filter(|_| name == "keeper")?)?;
    Some(keep(&mark))
}

fn keep(mark: &Mark) -> ExitCode {
    // What stops the daemon must not stop the keeper before it. Whoever starts it by hand may have made it lead a group already.
    rustix::process::setsid().ok();
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        // A flag that nobody reads: the signal is taken and nothing follows.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).ok();
    }
    let Some(known) = listen() else { return ExitCode::SUCCESS };
    match end_all(mark, &known) {
        Ok(0) => {}
        Ok(ended) => say(&format!("stdiod vanished; {ended} of what it left had to be ended")),
        Err(left) => say(&format!("stdiod vanished; some of what it left does not end: {left}")),
    }
    ExitCode::SUCCESS
}

/// Takes in what it is told until the daemon is gone. None if it has gone in good order and nothing is left.
fn listen() -> Option<BTreeMap<u64, Kin>> {
    let mut known = BTreeMap::new();
    let mut stdin = io::BufReader::with_capacity(1024, io::stdin().lock());
    let mut line = String::new();
    loop {
        line.clear();
        match stdin.read_line(&mut line) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            Ok(0) | Err(_) => return Some(known),
            Ok(_) => match line.parse() {
                Ok(Word::Done) => return None,
                Ok(word) => recall(&mut known, word),
                Err(()) => {}
            },
        }
    }
}

/// Ends all that is left; says how many there were, or who would not end.
fn end_all(mark: &Mark, known: &BTreeMap<u64, Kin>) -> Result<usize, String> {
    let begun = Instant::now();
    let mut asked: BTreeSet<Being> = BTreeSet::new();
    let mut pause = PAUSE_MIN;
    loop {
        let members = match Census::take(mark) {
            Ok(census) => census.of_all(known),
            Err(error) => return Err(error.to_string()),
        };
        if members.is_empty() {
            return Ok(asked.len());
        }
        if begun.elapsed() >= PATIENCE {
            let pids: Vec<String> = members.iter().map(|being| being.pid.to_string()).collect();
            return Err(pids.join(" "));
        }
        let is_late = begun.elapsed() >= GRACE;
        for being in members {
            // Who cannot be signalled is found again, and told of in the end.
            if is_late {
                asked.insert(being);
                being.signal(Signal::KILL).ok();
            } else if asked.insert(being) {
                being.signal(Signal::TERM).ok();
            }
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn say(text: &str) {
    use io::Write as _;
    // Where standard error went with the daemon there is nobody to tell.
    writeln!(io::stderr(), "stdiod keeper: {text}").ok();
}
