//! Paths, as bytes.

use std::ffi::{CString, OsStr};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// `path` for the kernel.
pub(super) fn c_path(path: &Path) -> Result<CString> {
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
/// it has been made meanwhile.
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
pub(super) fn split_file_path(path: &Path) -> Result<(PathBuf, CString)> {
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
