//! What the kernel tells about a process.

use std::fs;
use std::time::Duration;

/// Processor time a process has used, its children apart.
#[derive(Clone, Copy)]
pub struct Cpu {
    /// Exact, but of the threads that still run.
    running_us: f64,
    /// Of all threads there ever were, in ticks of the clock.
    all_us: f64,
}

/// A tick, which is what `utime` and `stime` count in on every machine that this runs on.
const TICK_US: f64 = 10_000.0;

impl Cpu {
    pub fn of(pid: u32) -> Self {
        let of_thread = |thread: fs::DirEntry| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        };
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let running_ns: f64 = threads.filter_map(of_thread).sum();
        let stat = stat(pid).unwrap_or_default();
        let ticks = |place: usize| stat.get(place)?.parse::<f64>().ok();
        let ticks = ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0);
        Self { running_us: running_ns / 1000.0, all_us: ticks * TICK_US }
    }

    /// Microseconds since an earlier look. What threads used that ended in between, only the coarse count knows.
    pub fn since(self, earlier: Self) -> f64 {
        let (exact, coarse) = (self.running_us - earlier.running_us, self.all_us - earlier.all_us);
        if coarse > exact * 1.05 + 5.0 * TICK_US { coarse } else { exact }
    }
}

/// The fields of `stat` behind the name of the program, of which the first is the state.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn status_kib(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// Memory it holds.
pub fn rss_kib(pid: u32) -> f64 {
    status_kib(pid, "VmRSS")
}

/// The most it held since [`forget_peak`].
pub fn peak_kib(pid: u32) -> f64 {
    status_kib(pid, "VmHWM")
}

pub fn forget_peak(pid: u32) -> Result<(), String> {
    let file = format!("/proc/{pid}/clear_refs");
    fs::write(&file, "5").map_err(|error| format!("{file}: {error}"))
}

pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The processes below it, at any depth.
pub fn descendants(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pairs = pids.filter_map(|pid| Some((pid, stat(pid)?.get(1)?.parse::<u32>().ok()?)));
    let pairs: Vec<(u32, u32)> = pairs.collect();
    let mut found = vec![pid];
    let mut looked = 0;
    while looked < found.len() {
        let parent = found[looked];
        found.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
        looked += 1;
    }
    found.split_off(1)
}

/// What a process has now.
#[derive(Clone, Copy)]
pub struct Belongings {
    pub descriptors: usize,
    pub children: usize,
    pub rss_kib: f64,
}

impl Belongings {
    pub fn of(pid: u32) -> Self {
        let children = descendants(pid).len();
        Self { descriptors: descriptors(pid), children, rss_kib: rss_kib(pid) }
    }

    /// What it has once it let go of what it had more of, or after a second.
    pub async fn settled(self, pid: u32) -> Self {
        let mut now = Self::of(pid);
        for _ in 0..20 {
            if now.descriptors <= self.descriptors && now.children <= self.children {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            now = Self::of(pid);
        }
        now
    }
}
