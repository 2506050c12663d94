//! A file that is written at places, in any order and by several threads, with zeros that take no room: holes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::dir::{FileKind, stat_fd};
use super::fd::seek;
use super::{CallerFd, TempFile, ZEROS, retry, without_signals};
use crate::error::{Error, Result};

/// A part of a regular file, from one place on, that is written in any order. Any number of threads may write at once.
#[derive(Debug)]
pub struct Region<'a> {
    file: RegionFile<'a>,
    /// Where it begins.
    start: i64,
    /// How long the file was before.
    old_len: i64,
    holes: bool,
}

#[derive(Debug)]
enum RegionFile<'a> {
    Caller(CallerFd<'a>),
    Temp(&'a TempFile<'a>),
}

impl<'a> Region<'a> {
    /// The region from where `fd` stands, if it is a regular file that may be written anywhere, which one opened for
    /// appending may not. `holes`: see [`Region::write_zeros_at`].
    pub fn of(fd: CallerFd<'a>, holes: bool) -> Result<Option<Self>> {
        let look = |source: io::Error| fd.error("look at", &source);
        // SAFETY: plain call on an open descriptor.
        let flags = retry(|| unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) }).map_err(look)?;
        let anywhere = flags & libc::O_ACCMODE != libc::O_RDONLY && flags & libc::O_APPEND == 0;
        match file_len(&fd).map_err(look)? {
            Some(old_len) if anywhere => {
                let start = seek(&fd, 0, libc::SEEK_CUR).map_err(look)? as i64;
                Ok(Some(Region { file: RegionFile::Caller(fd), start, old_len, holes }))
            }
            _ => Ok(None),
        }
    }

    /// All of `file`, which nothing has been written to yet. `holes`: see [`Region::write_zeros_at`].
    pub fn of_new(file: &'a TempFile<'_>, holes: bool) -> Self {
        Region { file: RegionFile::Temp(file), start: 0, old_len: 0, holes }
    }

    /// Writes all of `data` at `offset` from the start.
    ///
    /// Errors: `Io`.
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<()> {
        self.place(offset, data.len() as u64)
            .and_then(|(at, _)| write_all_at(self.fd(), data, at))
            .map_err(|source| self.error(&source))
    }

    /// Makes the `len` bytes at `offset` zeros. Beyond the old end of the file they take no room: there may be any
    /// number of them. With `holes` they take none before it either, where there can be holes.
    ///
    /// Zeros beyond the old end of the file appear only with [`Region::finish`], or with a write behind them: changing
    /// the length here could cut off what another thread has just written.
    ///
    /// Errors: `Io`.
    pub fn write_zeros_at(&self, offset: u64, len: u64) -> Result<()> {
        self.place(offset, len)
            .and_then(|(start, end)| self.make_zeros(start, end))
            .map_err(|source| self.error(&source))
    }

    /// Ends with `len` bytes: the file is at least as long, and the descriptor stands behind them.
    ///
    /// Errors: `Io`.
    pub fn finish(&self, len: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let finish = |(_, end): (i64, i64)| {
            if file_len(&self.fd())?.is_some_and(|now| now < end) {
                // SAFETY: plain call on an open descriptor.
                without_signals(|| retry(|| unsafe { libc::ftruncate(self.fd().as_raw_fd(), end) }))?;
            }
            seek(&self.fd(), end, libc::SEEK_SET).map(drop)
        };
        self.place(0, len).and_then(finish).map_err(|source| self.error(&source))
    }

    fn make_zeros(&self, start: i64, end: i64) -> io::Result<()> {
        let overwritten = end.min(self.old_len) - start;
        if overwritten > 0 && !(self.holes && punch(self.fd(), start, overwritten)?) {
            write_zeros_at(self.fd(), start, overwritten)?;
        }
        Ok(())
    }

    /// Where `len` bytes at `offset` begin and end in the file.
    fn place(&self, offset: u64, len: u64) -> io::Result<(i64, i64)> {
        let ends = || {
            let start = self.start.checked_add(i64::try_from(offset).ok()?)?;
            Some((start, start.checked_add(i64::try_from(len).ok()?)?))
        };
        ends().ok_or_else(|| io::Error::from_raw_os_error(libc::EFBIG))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self.file {
            RegionFile::Caller(ref fd) => fd.as_fd(),
            RegionFile::Temp(file) => file.fd(),
        }
    }

    fn error(&self, source: &io::Error) -> Error {
        match self.file {
            RegionFile::Caller(fd) => Error::os("write", &format!("to descriptor {}", fd.as_fd().as_raw_fd()), source),
            RegionFile::Temp(file) => file.error("write", source),
        }
    }
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
    while len > 0 {
        let part = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROS.len());
        write_all_at(fd, &ZEROS[..part], at)?;
        (at, len) = (at + part as i64, len - part as i64);
    }
    Ok(())
}

fn write_all_at(fd: BorrowedFd<'_>, mut data: &[u8], mut at: i64) -> io::Result<()> {
    while !data.is_empty() {
        // SAFETY: `data` is readable for its length.
        let mut write = || unsafe { libc::pwrite(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), at) };
        let written = without_signals(|| retry(&mut write))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += written as i64;
        data = &data[written as usize..];
    }
    Ok(())
}

/// Bytes of a regular file; `None` for any other.
fn file_len(fd: &impl AsFd) -> io::Result<Option<i64>> {
    let stat = stat_fd(fd)?;
    Ok((stat.kind == FileKind::File).then_some(stat.size as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs::File;
    use std::io::{Seek, SeekFrom};

    fn writable(scratch: &Scratch, old: usize) -> (std::path::PathBuf, File) {
        let path = scratch.path().join("file");
        std::fs::write(&path, vec![7; old]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        (path, file)
    }

    fn region(file: &File, holes: bool) -> Region<'_> {
        // The descriptor outlives what is made of it here.
        Region::of(CallerFd::new(file.as_raw_fd()).unwrap(), holes).unwrap().unwrap()
    }

    /// The fallback of file systems without holes.
    #[test]
    fn zeros_are_written_where_no_hole_can_be() {
        let scratch = Scratch::new();
        let (path, file) = writable(&scratch, 200_000);
        write_zeros_at(file.as_fd(), 10, 150_000).unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), 200_000);
        assert!(content.iter().enumerate().all(|(i, &byte)| (byte == 0) == (10..150_010).contains(&i)));
    }

    /// From every place in or behind a file, of which `old` bytes are there.
    #[test]
    fn zeros_are_zeros_in_any_old_file() {
        let scratch = Scratch::new();
        for (old, start, len) in
            [(0, 0, 5), (9000, 100, 8000), (9000, 8999, 1), (9000, 8000, 9000), (10, 20, 5), (10, 0, 0), (10, 20, 0)]
        {
            for holes in [false, true] {
                let (path, mut file) = writable(&scratch, old);
                file.seek(SeekFrom::Start(start)).unwrap();
                let region = region(&file, holes);
                region.write_zeros_at(0, len).unwrap();
                region.finish(len).unwrap();
                assert_eq!((&file).stream_position().unwrap(), start + len);
                let mut expected = vec![7; old];
                if len > 0 {
                    expected.resize(old.max((start + len) as usize), 0);
                    expected[start as usize..(start + len) as usize].fill(0);
                }
                assert!(std::fs::read(&path).unwrap() == expected, "{len} bytes at {start} of {old}, {holes}");
            }
        }
    }

    #[test]
    fn pieces_come_in_any_order() {
        let scratch = Scratch::new();
        let (path, mut file) = writable(&scratch, 6);
        file.seek(SeekFrom::Start(2)).unwrap();
        let region = region(&file, true);
        region.write_at(b"last", 8).unwrap();
        region.write_zeros_at(2, 6).unwrap();
        region.write_at(b"ab", 0).unwrap();
        region.finish(14).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\x07\x07ab\0\0\0\0\0\0last\0\0");
        assert_eq!((&file).stream_position().unwrap(), 16);
        // A longer file keeps its length.
        region.finish(3).unwrap();
        assert_eq!((file.metadata().unwrap().len(), (&file).stream_position().unwrap()), (16, 5));
    }

    #[test]
    fn only_what_may_be_written_anywhere_has_regions() {
        let scratch = Scratch::new();
        let (path, _) = writable(&scratch, 1);
        let has = |file: &File| Region::of(CallerFd::new(file.as_raw_fd()).unwrap(), true).unwrap().is_some();
        assert!(has(&File::options().write(true).open(&path).unwrap()));
        assert!(!has(&File::options().append(true).open(&path).unwrap()));
        assert!(!has(&File::open(&path).unwrap()));
        assert!(!has(&File::options().write(true).open("/dev/null").unwrap()));
    }

    #[test]
    fn what_no_file_can_hold_is_an_error() {
        let scratch = Scratch::new();
        let (_, mut file) = writable(&scratch, 1);
        file.seek(SeekFrom::Start(1)).unwrap();
        let region = region(&file, true);
        let too_large = [
            region.write_zeros_at(0, u64::MAX),
            region.write_zeros_at(0, i64::MAX as u64),
            region.write_at(b"x", i64::MAX as u64 - 1),
            region.finish(i64::MAX as u64),
        ];
        for result in too_large {
            assert_eq!(result.unwrap_err().errno(), Some(libc::EFBIG));
        }
        assert_eq!((file.metadata().unwrap().len(), (&file).stream_position().unwrap()), (1, 1));
    }
}
