//! Lines of the log wait here for a thread that writes them, so that whoever says one never waits for its reader.
//!
//! ```text
//!            a line comes              10 ms, or a line that is urgent
//!   asleep ───────────────▶ gathering ─────────────────────────────────▶ busy ──┐
//!      ▲                      │     ▲                                           │
//!      └──── nothing came ────┘     └─────────── all that came is written ──────┘
//! ```
//!
//! Only a thread that is asleep, or gathers while a line is urgent, has to be called, which is a system call. Under any load it
//! wakes itself a hundred times a second. If it dies with the process, what came in the last 10 ms is lost.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a line may wait for others.
const GATHER: Duration = Duration::from_millis(10);

/// What may wait to be written. The line that crosses this is still taken, so that none is too long.
const HEAP_BYTES_MAX: usize = 1024 * 1024;

/// So much is written without waiting for more, that a flood of long lines is not lost to a reader that keeps up.
const HEAP_BYTES_HIGH: usize = HEAP_BYTES_MAX / 4;

#[derive(Debug)]
pub(super) struct Gatherer {
    heap: Mutex<Heap>,
    /// There is something to do for the thread.
    called: Condvar,
    /// What whoever flushes waits for.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Heap {
    /// Whole lines.
    lines: Vec<u8>,
    /// There was no room for so many more.
    lost: u64,
    /// They are not to wait for others.
    urgent: bool,
    writer: Writer,
    /// The last write went through, so another may.
    flows: bool,
    /// Somebody waits until all is written.
    awaited: bool,
}

/// What the thread does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// It comes when it is called.
    Asleep,
    /// It comes soon by itself.
    Gathering,
    /// It writes, or was called already.
    #[default]
    Busy,
}

// === impl Gatherer ===

impl Gatherer {
    /// Starts the thread that writes.
    pub(super) fn to_standard_error() -> io::Result<Arc<Self>> {
        let gatherer = Arc::new(Self::new());
        let writer = Arc::clone(&gatherer);
        // Without the lock of `io::stderr`: while this hangs in a write, a panic can still be told.
        let write = |bytes: &[u8]| Ok(rustix::io::write(io::stderr().as_fd(), bytes)?);
        let said = |lines| {
            tracing::warn!("{lines} lines of the log were lost because standard error took none");
        };
        std::thread::Builder::new().name("logs".to_owned()).spawn(move || {
            let mut lines = Vec::new();
            loop {
                writer.write_next(&mut lines, write, said);
            }
        })?;
        Ok(gatherer)
    }

    pub(super) fn new() -> Self {
        Self { heap: Mutex::default(), called: Condvar::new(), written: Condvar::new() }
    }

    /// Takes a line, with its line break, and never waits.
    pub(super) fn take(&self, line: &str, urgent: bool) {
        let mut heap = self.lock();
        if heap.lines.len() >= HEAP_BYTES_MAX {
            heap.lost += 1;
            return;
        }
        heap.lines.extend_from_slice(line.as_bytes());
        heap.urgent |= urgent || heap.lines.len() >= HEAP_BYTES_HIGH;
        self.call(heap);
    }

    /// Has all that was taken written, and waits for that at most so long.
    pub(super) fn flush(&self, within: Duration) {
        let mut heap = self.lock();
        heap.awaited = true;
        heap.urgent |= !heap.lines.is_empty();
        self.call(heap);
        let pending = |heap: &mut Heap| !heap.lines.is_empty() || heap.writer == Writer::Busy;
        let waited = self.written.wait_timeout_while(self.lock(), within, pending);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn call(&self, mut heap: MutexGuard<'_, Heap>) {
        let call = match heap.writer {
            Writer::Asleep => !heap.lines.is_empty(),
            Writer::Gathering => heap.urgent,
            Writer::Busy => false,
        };
        if call {
            heap.writer = Writer::Busy;
            drop(heap);
            self.called.notify_one();
        }
    }

    /// Waits for lines and writes them, with this memory. How many were lost is `said`, as soon as lines are taken again.
    pub(super) fn write_next(
        &self,
        lines: &mut Vec<u8>,
        write: impl Fn(&[u8]) -> io::Result<usize>,
        said: impl Fn(u64),
    ) {
        let lost = self.gather(lines);
        if lost > 0 {
            said(lost);
        }
        let lost = pour(lines, write);
        lines.clear();
        // What a flood took is given back.
        lines.shrink_to(HEAP_BYTES_HIGH);
        let mut heap = self.lock();
        heap.lost += lost;
        heap.flows = lost == 0;
    }

    /// Swaps for these what came until nothing is to be waited for any more, and how many lines are to be told as lost.
    fn gather(&self, lines: &mut Vec<u8>) -> u64 {
        let mut heap = self.lock();
        loop {
            heap.writer = Writer::Gathering;
            if heap.awaited && heap.lines.is_empty() {
                heap.awaited = false;
                self.written.notify_all();
            }
            let waited = self.called.wait_timeout_while(heap, GATHER, |heap| !heap.urgent);
            heap = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !heap.is_idle() {
                break;
            }
            heap.writer = Writer::Asleep;
            let waited = self.called.wait_while(heap, |heap| heap.is_idle());
            heap = waited.unwrap_or_else(PoisonError::into_inner);
        }
        heap.writer = Writer::Busy;
        heap.urgent = false;
        std::mem::swap(&mut heap.lines, lines);
        if heap.flows { std::mem::take(&mut heap.lost) } else { 0 }
    }

    /// What nobody has written yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> String {
        String::from_utf8_lossy(&self.lock().lines).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Heap> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Heap ===

impl Heap {
    fn is_idle(&self) -> bool {
        self.lines.is_empty() && !(self.flows && self.lost > 0)
    }
}

/// Writes it all, and says how many lines could not be.
fn pour(mut lines: &[u8], write: impl Fn(&[u8]) -> io::Result<usize>) -> u64 {
    while !lines.is_empty() {
        match write(lines) {
            Ok(taken @ 1..) => lines = &lines[taken..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It was opened by somebody who does not want to wait, and is shared with them.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(GATHER),
            Ok(0) | Err(_) => return memchr::memchr_iter(b'\n', lines).count() as u64,
        }
    }
    0
}
