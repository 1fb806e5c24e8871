//! A bridge under measurement: started, waited for, asked about itself through `/proc`, and stopped.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;

/// How long a bridge may take until all its servers answer.
const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take to leave.
const STOP_MAX: Duration = Duration::from_secs(10);
/// What of its log is kept to explain a failure.
const TAIL: usize = 400;

/// Where a bridge will listen and keep its files.
pub struct Place {
    pub address: SocketAddr,
    pub folder: PathBuf,
}

pub struct Bridge {
    process: Child,
    pub address: SocketAddr,
    folder: PathBuf,
    /// The paths of its servers.
    pub paths: Vec<String>,
    said: Arc<Mutex<Vec<u8>>>,
}

/// A loopback address nobody listens at.
pub fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// A program of this package.
pub fn sibling(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is missing", path.display())) }
}

/// What `cargo build --release` makes in this repository.
pub fn release_build() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/stdiod")
}

/// Starts the daemon with echo servers of these eras and waits until each has answered.
pub fn stdiod(
    program: &Path,
    log_level: &str,
    eras: &[&str],
    variables: &[(&str, String)],
) -> Result<Bridge, String> {
    let place = Place::new()?;
    let (mut command, paths) = stdiod_command(&place, program, log_level, eras)?;
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let bridge = Bridge::launch(place, command, paths)?;
    crate::client::block_on(bridge.wait())?;
    Ok(bridge)
}

/// The command that starts the daemon there, and the paths of its servers.
#[expect(clippy::disallowed_methods, reason = "this is no child of a daemon")]
pub fn stdiod_command(
    place: &Place,
    program: &Path,
    log_level: &str,
    eras: &[&str],
) -> Result<(Command, Vec<String>), String> {
    let echo = sibling("echo")?;
    let echo = echo.display();
    let mut text = format!(
        "state_dir = \"{}\"\n[http]\nlisten = [\"{}\"]\n[log]\nlevel = \"{log_level}\"\n",
        place.folder.join("state").display(),
        place.address
    );
    for (n, era) in eras.iter().enumerate() {
        let lines = format!("command = \"{echo}\"\nargs = [\"{era}\"]\nmode = \"shared\"\n");
        write!(text, "[servers.echo{n}]\n{lines}").expect("strings take any text");
    }
    let file = place.folder.join("stdiod.toml");
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["serve", "--config"]).arg(&file);
    Ok((command, paths(eras.len())))
}

/// The paths that servers have with those who serve many.
pub fn paths(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("/servers/echo{n}/mcp")).collect()
}

// === impl Place ===

impl Place {
    pub fn new() -> Result<Self, String> {
        let address = free_address()?;
        let name = format!("stdiod-bench-{}-{}", std::process::id(), address.port());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(Self { address, folder })
    }
}

// === impl Bridge ===

impl Bridge {
    /// Starts it. What it says is read, as a journal would, and thrown away but for its end.
    pub fn launch(place: Place, mut command: Command, paths: Vec<String>) -> Result<Self, String> {
        let (mut log, writer) = std::io::pipe().map_err(|error| error.to_string())?;
        let other = writer.try_clone().map_err(|error| error.to_string())?;
        // The daemon takes every variable of this kind for configuration.
        command.env_remove("STDIOD_CACHE").current_dir(&place.folder);
        command.stdin(Stdio::null()).stdout(other).stderr(writer);
        let program = command.get_program().to_string_lossy().into_owned();
        let process = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        // It holds ends of the pipe.
        drop(command);
        let said = Arc::new(Mutex::new(Vec::new()));
        let tail = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = log.read(&mut buffer) {
                let mut tail = tail.lock().expect("nobody panics with it");
                tail.extend_from_slice(&buffer[read.saturating_sub(TAIL)..read]);
                let more = tail.len().saturating_sub(TAIL);
                tail.drain(..more);
            }
        });
        let Place { address, folder } = place;
        Ok(Self { process, address, folder, paths, said })
    }

    /// Waits until each of its servers has answered in a session.
    pub async fn wait(&self) -> Result<(), String> {
        for path in &self.paths {
            self.until(async || Client::open(self.address, path).await?.calls(1).await).await?;
        }
        Ok(())
    }

    /// Tries this until it succeeds, or the bridge has had time enough.
    pub async fn until<T>(
        &self,
        attempt: impl AsyncFn() -> Result<T, String>,
    ) -> Result<T, String> {
        let start = Instant::now();
        let mut failure = "no answer".to_owned();
        while start.elapsed() < START_MAX {
            let limit = START_MAX.saturating_sub(start.elapsed());
            match tokio::time::timeout(limit, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => failure = error,
                Err(_) => break,
            }
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        Err(format!("it does not serve: {failure}"))
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to leave and gives how long it took.
    pub fn stop(mut self) -> Result<Duration, String> {
        let start = Instant::now();
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        while start.elapsed() < STOP_MAX {
            if self.process.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(start.elapsed());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Err(format!("it did not leave within {} s", STOP_MAX.as_secs()))
    }

    /// The last lines it said.
    pub fn last_words(&self) -> String {
        let said = self.said.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Its children see their input end. If it is gone already there is nothing to stop.
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
