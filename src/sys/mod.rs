//! The operating system: the only place that touches files.
//!
//! Files of a store are named relative to an open directory ([`Dir`]), so that a path is resolved once. Every
//! error carries the path, and the errno. Paths are bytes.

#![allow(unsafe_code)]

mod dir;
mod lock;
mod temp;

pub use dir::{Dir, DirNames, Kind as FileKind, Owner, Stat};
pub use lock::{LockFile, LockMode};
pub use temp::{TempFile, anonymous, temporary_name};

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

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

/// `path` with every link resolved, or `None` if that cannot be.
pub fn resolved(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// Makes the directory `path` and those above it that are missing, with mode 0755 less the umask.
pub fn make_dirs(path: &Path) -> Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o755)
        .create(path)
        .map_err(|source| Error::io("make directory", path, &source))
}

/// The directory and the name of the file that `path` stands for.
///
/// Errors: `Argument` if it names no file.
pub fn split_file_path(path: &Path) -> Result<(PathBuf, CString)> {
    let no_file = || Error::new(Kind::Argument, format!("{} names no file", path.display())).with_path(path);
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(no_file());
    }
    let name = path.file_name().ok_or_else(no_file)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    Ok((parent, c_path(Path::new(name))?))
}

/// Opens the regular file at `path` for reading and gives its length.
///
/// Errors: `NotFound`, `Io`; `Format` if it is not a regular file.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    let (parent, name) = split_file_path(path)?;
    let dir = Dir::open(&parent)?;
    let (file, stat) =
        dir.open_read(&name)?.ok_or_else(|| Error::io("open", path, &io::Error::from_raw_os_error(libc::ENOENT)))?;
    Ok((file, stat.size))
}

/// Fills `out` from `file`; `path` is for errors.
///
/// Errors: `Io`; `Corrupt` if the file ends before.
pub fn read_exact(file: &mut File, out: &mut [u8], path: &Path) -> Result<()> {
    file.read_exact(out).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::new(Kind::Corrupt, format!("{} ended while it was read", path.display())).with_path(path)
        }
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

/// Random bytes from the kernel.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::new(Kind::Io, format!("cannot read random bytes: {error}")))?;
    Ok(bytes)
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
        retry(|| unsafe { libc::read(fd, out.as_mut_ptr().cast(), out.len()) })
            .map(|count| count as usize)
            .map_err(|source| Error::os("read", &format!("from descriptor {fd}"), &source))
    }

    /// Writes all of `data`.
    pub fn write_all(&self, mut data: &[u8]) -> Result<()> {
        let fd = self.0.as_raw_fd();
        while !data.is_empty() {
            // SAFETY: `data` is readable for its length.
            let written = retry(|| unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) })
                .map_err(|source| Error::os("write", &format!("to descriptor {fd}"), &source))?;
            if written == 0 {
                return Err(Error::new(Kind::Io, format!("descriptor {fd} takes no more bytes")));
            }
            data = &data[written as usize..];
        }
        Ok(())
    }
}
