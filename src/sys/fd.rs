//! Descriptors that a caller lends: reading and writing in order, and by position.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::dir::{FileId, FileKind, Stat, stat_fd};
use super::{retry, without_signals};
use crate::error::{Error, Kind, Result};

/// Milliseconds that a thread waits for input before it looks whether it is still wanted.
const PATIENCE_MS: i32 = 20;

/// Zeros to write or to hash.
pub static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A caller's descriptor for the length of a call; it is neither owned nor closed.
#[derive(Debug, Clone, Copy)]
pub struct CallerFd<'a>(BorrowedFd<'a>);

impl<'a> From<&'a File> for CallerFd<'a> {
    fn from(file: &'a File) -> Self {
        CallerFd(file.as_fd())
    }
}

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

    /// Waits until there is something to read, or an end or an error, and calls `pause` meanwhile, once at least, so
    /// that a steady trickle of input does not hold it up. A regular file always has input, and a descriptor that
    /// cannot be read fails when it is read.
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

    /// Which file or device is behind the descriptor.
    pub fn id(&self) -> Result<FileId> {
        self.stat().map(|stat| stat.id())
    }

    /// Errors: `Io`, with ENOSPC, if it is a block device that has fewer than `len` bytes from where the descriptor
    /// stands.
    pub fn check_room(&self, len: u64) -> Result<()> {
        if self.stat()?.block_device.is_none() {
            return Ok(());
        }
        match self.rest()? {
            Some(room) if room < len => {
                let what = format!("{len} bytes to a device that has room for {room}");
                Err(Error::os("write", &what, &io::Error::from_raw_os_error(libc::ENOSPC)))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of the regular file or block device behind the descriptor; `None` for anything else, which has no
    /// positions to read at.
    pub fn size(&self) -> Result<Option<u64>> {
        let stat = self.stat()?;
        if stat.block_device.is_some() {
            let _position = Position::keep(*self)?;
            let end = seek(self, 0, libc::SEEK_END).map_err(|source| self.error("find the end of", &source))?;
            return Ok(Some(end));
        }
        Ok((stat.kind == FileKind::File).then_some(stat.size))
    }

    /// Bytes from where the descriptor stands to the end of its regular file or block device; `None` for anything else.
    pub fn rest(&self) -> Result<Option<u64>> {
        let Some(size) = self.size()? else { return Ok(None) };
        Ok(Some(size.saturating_sub(self.position()?)))
    }

    /// Fills `out` with what is at `offset`, or less of it if there is an end before, and says how much. Where the
    /// descriptor stands does not matter and does not change.
    pub fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize> {
        let fd = self.0.as_raw_fd();
        let mut filled = 0;
        while filled < out.len() {
            let rest = &mut out[filled..];
            let at = file_offset(offset + filled as u64)?;
            // SAFETY: `rest` is writable for its length.
            let count = retry(|| unsafe { libc::pread(fd, rest.as_mut_ptr().cast(), rest.len(), at) })
                .map_err(|source| self.error("read from", &source).with_offset(offset))?;
            if count == 0 {
                break;
            }
            filled += count as usize;
        }
        Ok(filled)
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

    /// Where it stands.
    fn position(&self) -> Result<u64> {
        seek(self, 0, libc::SEEK_CUR).map_err(|source| self.error("find the position of", &source))
    }

    fn stat(&self) -> Result<Stat> {
        stat_fd(self).map_err(|source| self.error("stat", &source))
    }

    /// The system's error `source` of doing `action` to it.
    pub(super) fn error(&self, action: &str, source: &io::Error) -> Error {
        Error::os(action, &format!("descriptor {}", self.0.as_raw_fd()), source)
    }
}

impl AsFd for CallerFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0
    }
}

/// Where a descriptor stands; it is put back there when this is dropped.
#[derive(Debug)]
pub(super) struct Position<'a> {
    fd: CallerFd<'a>,
    at: u64,
}

impl<'a> Position<'a> {
    pub(super) fn keep(fd: CallerFd<'a>) -> Result<Self> {
        Ok(Position { fd, at: fd.position()? })
    }
}

impl Drop for Position<'_> {
    fn drop(&mut self) {
        // It was there before.
        let _ = seek(&self.fd, self.at as libc::off_t, libc::SEEK_SET);
    }
}

/// Moves a descriptor, and gives where it stands then.
pub(super) fn seek(fd: &impl AsFd, offset: libc::off_t, whence: i32) -> io::Result<u64> {
    // SAFETY: plain call on a borrowed descriptor.
    retry(|| unsafe { libc::lseek(fd.as_fd().as_raw_fd(), offset, whence) }).map(|at| at as u64)
}

/// `offset` for the kernel.
///
/// Errors: `Limit`.
pub(super) fn file_offset(offset: u64) -> Result<libc::off_t> {
    libc::off_t::try_from(offset)
        .map_err(|_| Error::new(Kind::Limit, format!("no file has an offset {offset}")).with_offset(offset))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Seek;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::testing::Scratch;

    const MIB: u64 = 1 << 20;

    #[test]
    fn reading_by_position() {
        let scratch = Scratch::new();
        let path = scratch.path().join("sparse");
        let mut file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        file.set_len(16 * MIB).unwrap();
        file.write_all_at(&[1; 100], 4 * MIB).unwrap();
        let fd = CallerFd::new(file.as_raw_fd()).unwrap();
        let mut bytes = [7; 200];
        assert_eq!(fd.read_at(&mut bytes, 4 * MIB - 50).unwrap(), 200);
        assert_eq!(bytes, std::array::from_fn(|i| u8::from((50..150).contains(&i))));
        assert_eq!(fd.read_at(&mut bytes, 16 * MIB - 3).unwrap(), 3);
        assert_eq!(fd.read_at(&mut bytes, 16 * MIB + 3).unwrap(), 0);
        file.seek(io::SeekFrom::Start(16 * MIB - 3)).unwrap();
        assert_eq!(fd.rest().unwrap(), Some(3));
        file.seek(io::SeekFrom::Start(17 * MIB)).unwrap();
        assert_eq!(fd.rest().unwrap(), Some(0));
        file.rewind().unwrap();
        assert_eq!(fd.rest().unwrap(), Some(16 * MIB));
        assert_eq!(fd.read_at(&mut bytes, u64::MAX - 200).unwrap_err().kind(), Kind::Limit);
        assert_eq!(file.stream_position().unwrap(), 0);
    }
}
