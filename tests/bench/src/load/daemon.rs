//! A daemon under measurement: started, asked about itself through `/proc`, and stopped.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::{Client, block_on};

/// How long a daemon may take until all its servers answer.
const START_MAX: Duration = Duration::from_secs(20);

pub struct Daemon {
    process: Child,
    folder: PathBuf,
    pub address: SocketAddr,
    /// The paths of its servers.
    pub servers: Vec<String>,
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

impl Daemon {
    /// Starts a daemon with echo servers of these eras and waits until each has answered.
    #[expect(clippy::disallowed_methods, reason = "these are no children of a daemon")]
    pub fn start(
        program: &Path,
        log_level: &str,
        eras: &[&str],
        variables: &[(&str, String)],
    ) -> Result<Self, String> {
        let address = free_address()?;
        let folder = std::env::temp_dir().join(format!("stdiod-bench-{}", address.port()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let file = folder.join("stdiod.toml");
        let config = config(address, log_level, eras, &sibling("echo")?);
        std::fs::write(&file, config).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        if program.ends_with("pipe-floor") {
            command.arg(address.to_string()).arg(eras.len().to_string());
            command.arg(sibling("echo")?).arg("legacy");
        } else {
            command.args(["serve", "--config"]).arg(&file);
        }
        let process = command
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let servers = (0..eras.len()).map(|n| format!("/servers/echo{n}/mcp")).collect();
        let daemon = Self { process, folder, address, servers };
        daemon.wait()?;
        Ok(daemon)
    }

    fn wait(&self) -> Result<(), String> {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if start.elapsed() > START_MAX {
                return Err("the daemon does not listen".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        block_on(async {
            for server in &self.servers {
                Client::open(self.address, server).await?.calls(1).await?;
            }
            Ok(())
        })
    }

    /// Processor time its threads have used, its children apart, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.process.id()));
        let of_thread = |thread: std::fs::DirEntry| {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        };
        let ns: f64 = threads.into_iter().flatten().flatten().filter_map(of_thread).sum();
        ns / 1000.0
    }

    /// Memory it holds, in KiB.
    pub fn rss_kib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Its children see their input end. If it is gone already there is nothing to stop.
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn config(address: SocketAddr, log_level: &str, eras: &[&str], echo: &Path) -> String {
    let mut text = format!("[http]\nlisten = [\"{address}\"]\n[log]\nlevel = \"{log_level}\"\n");
    for (n, era) in eras.iter().enumerate() {
        write!(
            text,
            "[servers.echo{n}]\ncommand = {:?}\nargs = [\"{era}\"]\nmode = \"shared\"\n",
            echo.to_string_lossy()
        )
        .expect("strings take any text");
    }
    text
}
