//! The misbehaviour that concerns the process as a whole: how it starts, how it ends, what it leaves behind.

use std::io::{self, Write as _};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::DemoArgs;

/// Nothing started by a test lives longer than this, even if the test dies.
const LINGER: Duration = Duration::from_secs(10 * 60);

/// What happens before the first line is read. May not return.
pub(super) fn before(args: &DemoArgs) -> io::Result<()> {
    if args.own_session {
        rustix::process::setsid()?;
    }
    if args.ignore_sigterm {
        // A flag nobody reads: the signal is taken and nothing follows.
        let taken = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGTERM, taken)?;
    }
    if args.linger {
        linger();
        std::process::exit(0);
    }
    if args.fork_grandchild {
        grandchild(args, false)?;
    }
    if args.fork_grandchild_setsid {
        grandchild(args, true)?;
    }
    if args.stderr_noise {
        stderr_noise();
    }
    if let Some(code) = args.exit_at_start {
        eprintln!("demo-server: told to exit with {code} at the start");
        std::process::exit(code);
    }
    if let Some(ms) = args.slow_start {
        thread::sleep(Duration::from_millis(ms));
    }
    Ok(())
}

pub(super) fn linger() {
    thread::sleep(LINGER);
}

/// Ends the process in the middle of things.
pub(super) fn crash(code: Option<i32>) -> ! {
    match code {
        Some(code) => std::process::exit(code),
        None => std::process::abort(),
    }
}

/// Starts this program once more as a process that only lingers. It holds our stdout, so whoever waits for that to end
/// waits for it too.
fn grandchild(args: &DemoArgs, own_session: bool) -> io::Result<()> {
    #[allow(
        clippy::disallowed_methods,
        reason = "here we play a server that starts processes of its own"
    )]
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["demo-server", "--linger"]).stdin(Stdio::null());
    if own_session {
        command.arg("--own-session");
    }
    if args.ignore_sigterm || args.stubborn_grandchild {
        command.arg("--ignore-sigterm");
    }
    if args.bare_grandchild {
        command.env_clear();
    }
    let child = command.spawn()?;
    eprintln!("grandchild pid {}", child.id());
    Ok(())
}

fn stderr_noise() {
    let mut err = io::stderr().lock();
    let mut noise = Vec::new();
    for n in 0..500 {
        noise.extend(format!("[{n:03}] INFO loading module {n} … fine\n").into_bytes());
    }
    noise.extend_from_slice(b"not UTF-8: \xff\xfe\xc3\n");
    noise.extend(std::iter::repeat_n(b'#', 100_000));
    noise.extend_from_slice(b"\nready");
    // Nobody may be listening, and that is no reason to fail.
    drop(err.write_all(&noise));
}
