//! Zeros that take no room: holes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{CallerFd, TempFile, retry};
use crate::error::{Error, Result};

impl CallerFd<'_> {
    /// Whether it is a regular file that may be written anywhere, so that [`CallerFd::skip_zeros`] works.
    pub fn can_have_holes(&self) -> Result<bool> {
        let fd = self.0.as_raw_fd();
        // SAFETY: plain call on an open descriptor.
        let flags =
            retry(|| unsafe { libc::fcntl(fd, libc::F_GETFL) }).map_err(|source| self.error("look at", &source))?;
        let regular = file_len(self.0).map_err(|source| self.error("look at", &source))?.is_some();
        let writable = flags & libc::O_ACCMODE != libc::O_RDONLY;
        Ok(regular && writable && flags & libc::O_APPEND == 0)
    }

    /// Makes the next `len` bytes zeros, and moves behind them.
    pub fn skip_zeros(&self, len: u64) -> Result<()> {
        skip_zeros(self.0, len).map_err(|source| self.error("write", &source))
    }

    fn error(&self, action: &str, source: &io::Error) -> Error {
        Error::os(action, &format!("descriptor {}", self.0.as_raw_fd()), source)
    }
}

impl TempFile<'_> {
    /// Appends `len` zeros.
    pub fn skip_zeros(&mut self, len: u64) -> Result<()> {
        skip_zeros(self.fd(), len).map_err(|source| self.error("write", &source))
    }
}

/// Makes the next `len` bytes of a regular file zeros, as a hole where there can be one, and moves behind them.
///
/// The file is as long as it must be whenever this returns, so that nothing is left to be done at the end.
fn skip_zeros(fd: BorrowedFd<'_>, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let too_large = || io::Error::from_raw_os_error(libc::EFBIG);
    let len = i64::try_from(len).map_err(|_| too_large())?;
    let start = seek(fd, 0, libc::SEEK_CUR)?;
    let end = start.checked_add(len).ok_or_else(too_large)?;
    let old_len = file_len(fd)?.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    if end > old_len {
        // SAFETY: plain call on an open descriptor.
        retry(|| unsafe { libc::ftruncate(fd.as_raw_fd(), end) })?;
    }
    let overwritten = end.min(old_len) - start;
    if overwritten > 0 && !punch(fd, start, overwritten)? {
        write_zeros_at(fd, start, overwritten)?;
    }
    seek(fd, end, libc::SEEK_SET).map(drop)
}

/// Takes `len` bytes out of a file; false if the file system cannot.
fn punch(fd: BorrowedFd<'_>, start: i64, len: i64) -> io::Result<bool> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: plain call on an open descriptor.
    match retry(|| unsafe { libc::fallocate(fd.as_raw_fd(), mode, start, len) }) {
        Ok(_) => Ok(true),
        Err(source) if matches!(source.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => Ok(false),
        Err(source) => Err(source),
    }
}

fn write_zeros_at(fd: BorrowedFd<'_>, mut at: i64, mut len: i64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while len > 0 {
        let part = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
        // SAFETY: `part` bytes are there to be read.
        let written = retry(|| unsafe { libc::pwrite(fd.as_raw_fd(), ZEROS.as_ptr().cast(), part, at) })? as i64;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (at, len) = (at + written, len - written);
    }
    Ok(())
}

fn seek(fd: BorrowedFd<'_>, offset: i64, whence: i32) -> io::Result<i64> {
    // SAFETY: plain call on an open descriptor.
    retry(|| unsafe { libc::lseek(fd.as_raw_fd(), offset, whence) })
}

/// Bytes of a regular file; `None` if it is none.
fn file_len(fd: BorrowedFd<'_>) -> io::Result<Option<i64>> {
    let mut raw = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `raw` has room for the structure.
    retry(|| unsafe { libc::fstat(fd.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it filled the structure.
    let raw = unsafe { raw.assume_init_ref() };
    Ok((raw.st_mode & libc::S_IFMT == libc::S_IFREG).then_some(raw.st_size))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, SeekFrom};
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use super::*;

    /// The fallback of file systems without holes.
    #[test]
    fn zeros_are_written_where_no_hole_can_be() {
        let scratch = crate::testing::Scratch::new();
        let path = scratch.path().join("file");
        std::fs::write(&path, vec![7; 200_000]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        write_zeros_at(file.as_fd(), 10, 150_000).unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), 200_000);
        assert!(content.iter().enumerate().all(|(i, &byte)| (byte == 0) == (10..150_010).contains(&i)));
    }

    /// From every place in or behind a file, of which `old` bytes are there.
    #[test]
    fn what_is_skipped_reads_as_zeros() {
        let scratch = crate::testing::Scratch::new();
        let path = scratch.path().join("file");
        for (old, start, len) in
            [(0, 0, 5), (9000, 100, 8000), (9000, 8999, 1), (9000, 8000, 9000), (10, 20, 5), (10, 0, 0)]
        {
            std::fs::write(&path, vec![7; old]).unwrap();
            let mut file = File::options().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start(start)).unwrap();
            skip_zeros(file.as_fd(), len).unwrap();
            assert_eq!(file.stream_position().unwrap(), start + len);
            let mut expected = vec![7; old];
            if len > 0 {
                expected.resize(old.max((start + len) as usize), 0);
                expected[start as usize..(start + len) as usize].fill(0);
            }
            assert!(std::fs::read(&path).unwrap() == expected, "{len} bytes at {start} of {old}");
        }
    }

    #[test]
    fn what_no_file_can_hold_is_an_error() {
        let scratch = crate::testing::Scratch::new();
        let file = File::options().write(true).create_new(true).open(scratch.path().join("file")).unwrap();
        assert_eq!(skip_zeros(file.as_fd(), u64::MAX).unwrap_err().raw_os_error(), Some(libc::EFBIG));
        file.write_all_at(b"x", 0).unwrap();
        (&file).seek(SeekFrom::Start(1)).unwrap();
        assert_eq!(skip_zeros(file.as_fd(), i64::MAX as u64).unwrap_err().raw_os_error(), Some(libc::EFBIG));
        assert_eq!(file.metadata().unwrap().len(), 1);
    }
}
