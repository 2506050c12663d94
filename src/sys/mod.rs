//! The operating system: the only place that touches files.
//!
//! Files of a store are named relative to an open directory ([`Dir`]), so that a path is resolved once. Every
//! error carries the path, and the errno. Paths are bytes.

#![allow(unsafe_code)]

mod allocator;
mod dir;
mod entries;
mod flock;
mod holes;
mod lock;
mod memory;
mod output;
mod process;
mod random;
mod removal;
mod reserve;
mod secret;
mod signals;
mod sparse;
mod temp;
mod tree;
mod watch;

pub use dir::{Dir, FileId, FileKind, Owner, Stat};
pub use entries::{DirEntries, DirEntry, DirNames};
pub use flock::{Attempt, Flock, pause};
pub use holes::Holes;
pub use lock::{LockFile, LockMode};
pub use memory::large_buffer;
pub use output::{Destination, InPlace, Output};
pub use process::{ProcessMark, host_name, process_start};
pub use random::{HashSeed, random};
pub use removal::{Removed, is_random_name, random_name};
pub use reserve::{begin_call, check_memory, memory_is_back};
pub use secret::without_traces;
pub use signals::SignalsBlocked;
use signals::without_signals;
pub use sparse::Region;
pub use temp::{TempFile, anonymous, is_temporary_name, temporary_name};
pub use tree::c_name;
pub use watch::{Change, Watch};

use std::ffi::{CString, OsStr};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result, reserve};

/// Milliseconds that a thread waits for input before it looks whether it is still wanted.
const PATIENCE_MS: i32 = 20;

/// Calls `f` until it is not interrupted; a negative result is the errno.
fn retry<T: Copy + Default + PartialOrd>(mut f: impl FnMut() -> T) -> io::Result<T> {
    loop {
        let result = f();
        if result >= T::default() {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// `path` for the kernel.
fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(Kind::Argument, "a path holds a NUL byte").with_path(path))
}

/// `path` from the root; neither links nor `..` are resolved.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| Error::io("resolve", path, &source).with_kind(Kind::Argument))
}

/// `path` with every link resolved.
///
/// Errors: `NotFound` if it, or what a link leads to, is not there; `Io`.
pub fn resolved(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|source| Error::io("resolve", path, &source))
}

/// Makes the directory `path` with `mode`, and those above it that are missing with mode 0755, less the umask; false if
/// somebody has made it meanwhile.
pub fn make_dirs(path: &Path, mode: u32) -> Result<bool> {
    let error = |source: io::Error| Error::io("make directory", path, &source);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(error)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(true),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(error(source)),
    }
}

/// The directory and the name of the file that `path` stands for.
///
/// Errors: `Argument` if it names no file.
fn split_file_path(path: &Path) -> Result<(PathBuf, CString)> {
    let bytes = path.as_os_str().as_bytes();
    // By hand: std would take "dir/." and "dir/" for "dir".
    let (parent, name) = match bytes.iter().rposition(|&byte| byte == b'/') {
        Some(0) => (&b"/"[..], &bytes[1..]),
        Some(slash) => (&bytes[..slash], &bytes[slash + 1..]),
        None => (&b"."[..], bytes),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Err(Error::at(Kind::Argument, path, "names no file"));
    }
    Ok((PathBuf::from(OsStr::from_bytes(parent)), c_path(Path::new(OsStr::from_bytes(name)))?))
}

/// Opens the regular file at `path` for reading and gives its length.
///
/// Errors: `NotFound`, `Io`; `Format` if it is not a regular file.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    dir::open_regular(path)
}

/// Which file `file` is; `path` is for errors.
pub fn file_id(file: &File, path: &Path) -> Result<FileId> {
    dir::stat_fd(file.as_raw_fd()).map(|stat| stat.id()).map_err(|source| Error::io("stat", path, &source))
}

/// Reads the next `len` bytes of `file` into `out`, replacing what it has, or fewer if the file ends before.
///
/// The room is reserved at once and not cleared first.
///
/// Errors: `NoMemory`; `Io`, without a path.
pub fn read_up_to(file: &File, len: usize, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    append_up_to(file, len, out)
}

/// As [`read_up_to`], behind what `out` has.
///
/// Errors: as [`read_up_to`].
pub fn append_up_to(file: &File, len: usize, out: &mut Vec<u8>) -> Result<()> {
    check_memory()?;
    reserve(out, len)?;
    let end = out.len() + len;
    while out.len() < end {
        let want = end - out.len();
        let room = out.spare_capacity_mut().as_mut_ptr();
        // SAFETY: `len` bytes have been reserved, so `room` has at least `want`.
        let count = retry(|| unsafe { libc::read(file.as_raw_fd(), room.cast(), want) })
            .map_err(|source| Error::os("read", "it", &source))? as usize;
        if count == 0 {
            break;
        }
        // SAFETY: the call has filled `count` bytes of the room.
        unsafe { out.set_len(out.len() + count) };
    }
    Ok(())
}

/// Writes all of `data` to `file`; raises no signal.
pub fn write_all(mut file: &File, data: &[u8]) -> io::Result<()> {
    without_signals(|| file.write_all(data))
}

/// Asks the system to forget what it has cached of `file`, so that the next read is one of the disk. It may not heed it.
pub fn forget_cached(file: &File) {
    // SAFETY: plain call on an open descriptor.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

/// Fills `out` from `file`; `path` is for errors.
///
/// Errors: `Io`; `Corrupt` if the file ends before.
pub fn read_exact(file: &mut File, out: &mut [u8], path: &Path) -> Result<()> {
    file.read_exact(out).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::at(Kind::Corrupt, path, "ended while it was read"),
        _ => Error::io("read", path, &source),
    })
}

/// Seconds since 1970.
pub fn now() -> i64 {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

/// Whether an error number says that there is no room on the disk, or none for this user.
pub fn is_full(errno: i32) -> bool {
    matches!(errno, libc::ENOSPC | libc::EDQUOT)
}

/// Whether an error number says that this user may not.
pub fn is_denied(errno: i32) -> bool {
    matches!(errno, libc::EACCES | libc::EPERM)
}

/// A caller's descriptor for the length of a call; it is neither owned nor closed.
#[derive(Debug, Clone, Copy)]
pub struct CallerFd<'a>(BorrowedFd<'a>);

impl CallerFd<'_> {
    /// Borrows `fd` after checking that it is open.
    ///
    /// Errors: `Argument`.
    pub fn new(fd: RawFd) -> Result<Self> {
        // SAFETY: F_GETFD on any number is harmless.
        if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            return Err(Error::new(Kind::Argument, format!("{fd} is not an open descriptor")));
        }
        // SAFETY: it is open, and the caller keeps it so for the length of the call.
        Ok(CallerFd(unsafe { BorrowedFd::borrow_raw(fd) }))
    }

    /// Reads at most `out.len()` bytes; 0 is the end.
    pub fn read(&self, out: &mut [u8]) -> Result<usize> {
        let fd = self.0.as_raw_fd();
        // SAFETY: `out` is writable for its length.
        self.when_ready(libc::POLLIN, || unsafe { libc::read(fd, out.as_mut_ptr().cast(), out.len()) })
            .map_err(|source| Error::os("read", &format!("from descriptor {fd}"), &source))
    }

    /// Waits until there is something to read, or an end or an error, and calls `pause` meanwhile, once at least: what
    /// always has a little must not hold it up. A regular file always has, and what cannot be read at all says so when it
    /// is.
    ///
    /// Errors: those of `pause`.
    pub fn await_input(&self, pause: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        loop {
            pause()?;
            if self.is_readable_in_time() {
                return Ok(());
            }
        }
    }

    fn is_readable_in_time(&self) -> bool {
        let mut wait = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure.
        let ready = retry(|| unsafe { libc::poll(&raw mut wait, 1, PATIENCE_MS) });
        !matches!(ready, Ok(0)) || self.is_write_only()
    }

    fn is_write_only(&self) -> bool {
        // SAFETY: plain call on an open descriptor.
        let flags = unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_GETFL) };
        flags >= 0 && flags & libc::O_ACCMODE == libc::O_WRONLY
    }

    /// Writes all of `data`.
    pub fn write_all(&self, mut data: &[u8]) -> Result<()> {
        let fd = self.0.as_raw_fd();
        while !data.is_empty() {
            // SAFETY: `data` is readable for its length.
            let mut write = || unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) };
            let written = without_signals(|| self.when_ready(libc::POLLOUT, &mut write))
                .map_err(|source| Error::os("write", &format!("to descriptor {fd}"), &source))?;
            if written == 0 {
                return Err(Error::new(Kind::Io, format!("descriptor {fd} takes no more bytes")));
            }
            data = &data[written..];
        }
        Ok(())
    }

    /// Makes a call that moves bytes; on a descriptor that does not block, waits until it may succeed.
    fn when_ready(&self, events: libc::c_short, mut call: impl FnMut() -> isize) -> io::Result<usize> {
        loop {
            match retry(&mut call) {
                Ok(count) => return Ok(count as usize),
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => {
                    let mut wait = libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 };
                    // SAFETY: one valid structure.
                    retry(|| unsafe { libc::poll(&raw mut wait, 1, -1) })?;
                }
                Err(source) => return Err(source),
            }
        }
    }
}
