//! What starting needs and serving does not: most of the program's code reads arguments and configurations, once.

use std::ffi::c_void;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Unmaps the program's code. What is called is back with its first call, and its neighbours with it, from the page cache where all of
/// it stays; what is not is not resident any more.
#[expect(
    unsafe_code,
    reason = "memory that is known by its address alone cannot be given back safely"
)]
pub(super) fn drop_code() {
    // Without it nothing is given back, and all works as well.
    let Ok(mappings) = std::fs::read_to_string("/proc/self/smaps") else { return };
    for range in code(&mappings) {
        let start = std::ptr::with_exposed_provenance_mut::<c_void>(range.start);
        // SAFETY: nothing can be written there, and no page of it is a copy that has been: whoever reads it afterwards finds in the
        // file what was there.
        if let Err(error) = unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) } {
            tracing::debug!(%error, "code that is not needed any more stays in memory");
        }
    }
}

/// The mappings that hold code from files and nothing else. Who debugs, traces or mends a running program writes into copies of its
/// pages.
fn code(mappings: &str) -> Vec<Range<usize>> {
    let (mut found, mut last) = (Vec::new(), None);
    for line in mappings.lines() {
        if let Some((range, is_code)) = head(line) {
            last = is_code.then_some(range);
        } else if let Some(copied) = line.strip_prefix("Anonymous:") {
            found.extend(last.take().filter(|_| copied.trim() == "0 kB"));
        }
    }
    found
}

/// What begins the description of a mapping: its range, and whether that is code from a file.
fn head(line: &str) -> Option<(Range<usize>, bool)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let address = |hex| usize::from_str_radix(hex, 16).ok();
    let range = address(start)?..address(end)?;
    let can_only_run = fields.next()? == "r-xp";
    Some((range, can_only_run && fields.nth(3).is_some_and(|name| name.starts_with('/'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_that_nobody_wrote_to_is_given_back() {
        let mapping = |range, access, name, copied| {
            format!(
                "{range} {access} 00149000 fe:00 1234  {name}\nRss:  64 kB\nAnonymous:  {copied} kB\nVmFlags: rd ex\n"
            )
        };
        let all = [
            mapping("1000-2000", "r--p", "/usr/bin/stdiod", 0),
            mapping("2000-5000", "r-xp", "/usr/bin/stdiod", 0),
            mapping("5000-6000", "r--p", "/usr/bin/stdiod", 4),
            mapping("6000-7000", "rwxp", "/usr/lib/hooks.so", 0),
            mapping("7000-8000", "r-xp", "/usr/lib/mended.so", 4),
            mapping("8000-9000", "r-xp", "/usr/lib/a b.so (deleted)", 0),
            mapping("9000-a000", "r-xp", "", 0),
            mapping("a000-b000", "r-xp", "[vdso]", 0),
        ];
        assert_eq!(code(&all.concat()), [0x2000..0x5000, 0x8000..0x9000]);
        assert_eq!(code(""), []);
    }
}
