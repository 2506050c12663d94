//! Telling a process from the children that it forks.

use std::path::Path;
use std::ptr::NonNull;

use super::{open_regular, read_up_to};

/// Bytes of the mapping; the kernel rounds up to its page.
const LEN: usize = 1;

/// A mark that a child made by fork() does not have, whatever its process id: a page that the kernel wipes there.
///
/// Where the kernel cannot (before Linux 4.14) or has no memory, the process id serves.
#[derive(Debug)]
pub struct ProcessMark {
    page: Option<NonNull<u8>>,
    process: u32,
}

// SAFETY: the page is written before the mark is shared, and only read after that.
unsafe impl Send for ProcessMark {}
// SAFETY: as above.
unsafe impl Sync for ProcessMark {}

impl ProcessMark {
    /// Marks this process.
    pub fn new() -> Self {
        ProcessMark { page: marked_page(), process: std::process::id() }
    }

    /// Whether this is the process that was marked, and not a child of it.
    pub fn is_here(&self) -> bool {
        // SAFETY: the page is mapped as long as the mark lives; volatile, because the kernel changes it.
        let wiped = self.page.is_some_and(|page| unsafe { page.as_ptr().read_volatile() } == 0);
        !wiped && self.process == std::process::id()
    }
}

impl Default for ProcessMark {
    fn default() -> Self {
        Self::new()
    }
}

fn marked_page() -> Option<NonNull<u8>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new anonymous mapping, at whatever address.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), LEN, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping is ours.
    if unsafe { libc::madvise(page, LEN, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: the mapping is ours and not used again.
        unsafe { libc::munmap(page, LEN) };
        return None;
    }
    let page = NonNull::new(page.cast::<u8>())?;
    // SAFETY: the mapping is ours and writable.
    unsafe { page.as_ptr().write_volatile(1) };
    Some(page)
}

impl Drop for ProcessMark {
    fn drop(&mut self) {
        if let Some(page) = self.page {
            // SAFETY: the mapping is ours and not used again.
            unsafe { libc::munmap(page.as_ptr().cast(), LEN) };
        }
    }
}

/// The name of this machine; empty if it is not known.
pub fn host_name() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: `name` is writable for its length, whose last byte stays zero.
    let result = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let len = name.iter().position(|&byte| byte == 0).filter(|_| result == 0).unwrap_or(0);
    String::from_utf8_lossy(&name[..len]).into_owned()
}

/// Bytes of `/proc/self/stat`, at most: fifty numbers and the name of a program.
const STAT_LEN: usize = 4096;

/// When this process was started, in ticks since the system was; 0 if that is not known.
pub fn process_start() -> u64 {
    // The name of the program, in brackets, may hold anything; the number is the twentieth behind it.
    let mut stat = Vec::new();
    if open_regular(Path::new("/proc/self/stat")).and_then(|(file, _)| read_up_to(&file, STAT_LEN, &mut stat)).is_err()
    {
        return 0;
    }
    let behind = stat.iter().rposition(|&byte| byte == b')').map_or(&[][..], |end| &stat[end + 1..]);
    let number = std::str::from_utf8(behind).ok().and_then(|text| text.split_ascii_whitespace().nth(19));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_process_are_known() {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host_name(), name.trim_end());
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // SAFETY: a plain question.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
        let started = process_start() as f64 / ticks;
        assert!(started > 0.0 && started <= seconds, "{started} of {seconds}");
    }

    #[test]
    fn a_child_does_not_have_the_mark() {
        let mark = ProcessMark::new();
        assert!(mark.is_here());
        // SAFETY: the child calls nothing but what is safe after fork, and leaves at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: the page is mapped in the child too.
            let wiped = mark.page.is_none_or(|page| unsafe { page.as_ptr().read_volatile() } == 0);
            // SAFETY: leaves without running anything of the parent's.
            unsafe { libc::_exit(i32::from(!wiped || mark.is_here())) };
        }
        let mut status = -1;
        // SAFETY: waits for the child that was just made.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
