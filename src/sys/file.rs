//! Reading and writing open files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use super::dir::{FileId, stat_fd};
use super::{check_memory, retry, without_signals};
use crate::error::{Error, Kind, Result, reserve};

/// Which file `file` is; `path` is for errors.
pub fn file_id(file: &File, path: &Path) -> Result<FileId> {
    stat_fd(file).map(|stat| stat.id()).map_err(|source| Error::io("stat", path, &source))
}

/// The content of `file`, of `size` bytes, which must be at most `max`.
///
/// Errors: `Limit` if they are more; `NoMemory`; `Io`; without a path.
pub fn read_bounded(file: &File, size: u64, max: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    append_bounded(file, size, max, &mut content).map(|()| content)
}

/// As [`read_bounded`], behind what `out` has.
///
/// Errors: as [`read_bounded`].
pub fn append_bounded(file: &File, size: u64, max: usize, out: &mut Vec<u8>) -> Result<()> {
    append_up_to(file, check_size(size, max)?, out)
}

/// `size` as a length of at most `max` bytes.
///
/// Errors: `Limit`.
pub fn check_size(size: u64, max: usize) -> Result<usize> {
    let fits = usize::try_from(size).ok().filter(|&size| size <= max);
    fits.ok_or_else(|| Error::new(Kind::Limit, format!("{size} bytes are more than {max}")))
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

/// Asks the system to forget what it has cached of `file`, so that the next read is one of the disk. It may not heed
/// it.
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
