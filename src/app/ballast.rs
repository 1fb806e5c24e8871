//! What starting needs and serving does not: most of the program's code reads arguments and configurations, once.

use std::ffi::c_void;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Unmaps the program's code. What is called comes back with its neighbours as it is called, from the page cache where it stays;
/// what is not is none of our memory any more, and the first that the kernel can give to others.
#[expect(
    unsafe_code,
    reason = "memory that is known by its address alone cannot be given back safely"
)]
pub(super) fn drop_code() {
    // Without it nothing is given back, and all works as well.
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for range in maps.lines().filter_map(code) {
        let start = std::ptr::with_exposed_provenance_mut::<c_void>(range.start);
        // SAFETY: the range is mapped from a file and cannot be written, so whoever reads it afterwards finds what was there.
        if let Err(error) = unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) } {
            tracing::debug!(%error, "code that is not needed any more stays in memory");
        }
    }
}

/// The range of a mapping that holds code from a file. Other parts of the file may have been written since they were mapped.
fn code(mapping: &str) -> Option<Range<usize>> {
    let mut fields = mapping.split_ascii_whitespace();
    let (range, access) = (fields.next()?, fields.next()?);
    let is_code = access == "r-xp" && fields.nth(3)?.starts_with('/');
    let (start, end) = range.split_once('-').filter(|_| is_code)?;
    let address = |hex| usize::from_str_radix(hex, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_is_given_back() {
        let found = code("55e0f1a00000-55e0f1fc4000 r-xp 00149000 fe:00 1234  /usr/bin/stdiod");
        assert_eq!(found, Some(0x55e0_f1a0_0000..0x55e0_f1fc_4000));
        for other in [
            "55e0f18b0000-55e0f1a00000 r--p 00000000 fe:00 1234  /usr/bin/stdiod",
            "55e0f2000000-55e0f2010000 rwxp 00000000 fe:00 1234  /usr/lib/patched.so",
            "7f0000000000-7f0000010000 r-xp 00000000 00:00 0",
            "7ffd1a1fe000-7ffd1a200000 r-xp 00000000 00:00 0  [vdso]",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
    }
}
