//! Reading a file or device by position, and where it has holes.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::dir::{FileId, FileKind, Stat, stat_fd};
use super::{CallerFd, retry};
use crate::error::{Error, Kind, Result};

impl CallerFd<'_> {
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

    fn stat(&self) -> Result<Stat> {
        stat_fd(self.0.as_raw_fd()).map_err(|source| error(self.0, "stat", &source))
    }

    /// Bytes of the regular file or block device behind the descriptor; `None` for anything else, which has no
    /// positions to read at.
    pub fn size(&self) -> Result<Option<u64>> {
        let stat = self.stat()?;
        if stat.block_device.is_some() {
            let _position = Position::keep(self.0)?;
            let end = seek(self.0, 0, libc::SEEK_END).map_err(|source| error(self.0, "find the end of", &source))?;
            return Ok(Some(end));
        }
        Ok((stat.kind == FileKind::File).then_some(stat.size))
    }

    /// Bytes from where the descriptor stands to the end of its regular file or block device; `None` for anything else.
    pub fn rest(&self) -> Result<Option<u64>> {
        let Some(size) = self.size()? else { return Ok(None) };
        let at = seek(self.0, 0, libc::SEEK_CUR).map_err(|source| error(self.0, "find the position of", &source))?;
        Ok(Some(size.saturating_sub(at)))
    }

    /// Fills `out` with what is at `offset`, or less of it if there is an end before, and says how much. Where the
    /// descriptor stands does not matter and does not change.
    pub fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize> {
        let fd = self.0;
        let mut filled = 0;
        while filled < out.len() {
            let rest = &mut out[filled..];
            let at = position(offset + filled as u64)?;
            // SAFETY: `rest` is writable for its length.
            let count = retry(|| unsafe { libc::pread(fd.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len(), at) })
                .map_err(|source| error(fd, "read from", &source).with_offset(offset))?;
            if count == 0 {
                break;
            }
            filled += count as usize;
        }
        Ok(filled)
    }
}

/// Says which ranges of a file or device are holes; quickly, if they are asked in ascending order.
///
/// Asking moves the descriptor; it is put back at the end.
#[derive(Debug)]
pub struct Holes<'a> {
    /// `None`: the file system does not tell, and there are none.
    position: Option<Position<'a>>,
    fd: BorrowedFd<'a>,
    /// The extent that was asked for last, if it is a hole, else empty.
    hole: Range<u64>,
    /// The same, if it is data.
    data: Range<u64>,
}

impl<'a> Holes<'a> {
    /// Holes of the file or device behind `fd`.
    pub fn of(fd: CallerFd<'a>) -> Result<Self> {
        Ok(Holes { position: Some(Position::keep(fd.0)?), fd: fd.0, hole: 0..0, data: 0..0 })
    }

    /// Whether `range`, which is not empty, lies wholly in a hole, as far as the file reaches.
    pub fn cover(&mut self, range: Range<u64>) -> Result<bool> {
        let known = |extent: &Range<u64>| extent.contains(&range.start);
        if self.position.is_some() && !known(&self.hole) && !known(&self.data) {
            self.look(range.start)?;
        }
        Ok(known(&self.hole) && range.end <= self.hole.end)
    }

    /// Finds the extent that `offset` is in.
    fn look(&mut self, offset: u64) -> Result<()> {
        (self.hole, self.data) = (0..0, 0..0);
        match self.seek(offset, libc::SEEK_DATA)? {
            Some(data) if data > offset => self.hole = offset..data,
            // A file that has shrunk has neither here.
            Some(_) => self.data = offset..self.seek(offset, libc::SEEK_HOLE)?.unwrap_or(offset),
            // No more data: a hole up to the end, if that is not before.
            None if self.position.is_some() => self.hole = offset..self.seek(0, libc::SEEK_END)?.unwrap_or(offset),
            None => {}
        }
        Ok(())
    }

    /// `None` if there is no such place, or if the file system does not tell.
    fn seek(&mut self, offset: u64, whence: i32) -> Result<Option<u64>> {
        match seek(self.fd, position(offset)?, whence) {
            Ok(found) => Ok(Some(found)),
            Err(source) if source.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            Err(source) if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                self.position = None;
                Ok(None)
            }
            Err(source) => Err(error(self.fd, "look for holes in", &source).with_offset(offset)),
        }
    }
}

/// Where a descriptor stands; it is put back there when this is dropped.
#[derive(Debug)]
struct Position<'a> {
    fd: BorrowedFd<'a>,
    at: libc::off_t,
}

impl<'a> Position<'a> {
    fn keep(fd: BorrowedFd<'a>) -> Result<Self> {
        let at = seek(fd, 0, libc::SEEK_CUR).map_err(|source| error(fd, "find the position of", &source))?;
        Ok(Position { fd, at: position(at)? })
    }
}

impl Drop for Position<'_> {
    fn drop(&mut self) {
        // It was there before.
        let _ = seek(self.fd, self.at, libc::SEEK_SET);
    }
}

fn seek(fd: BorrowedFd<'_>, offset: libc::off_t, whence: i32) -> io::Result<u64> {
    // SAFETY: plain call on a borrowed descriptor.
    retry(|| unsafe { libc::lseek(fd.as_raw_fd(), offset, whence) }).map(|at| at as u64)
}

fn position(offset: u64) -> Result<libc::off_t> {
    libc::off_t::try_from(offset)
        .map_err(|_| Error::new(Kind::Limit, format!("no file has an offset {offset}")).with_offset(offset))
}

fn error(fd: BorrowedFd<'_>, action: &str, source: &io::Error) -> Error {
    Error::os(action, &format!("descriptor {}", fd.as_raw_fd()), source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs::File;
    use std::io::Seek;
    use std::os::unix::fs::FileExt;

    const MIB: u64 = 1 << 20;

    fn sparse(scratch: &Scratch) -> File {
        let path = scratch.path().join("sparse");
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        file.set_len(16 * MIB).unwrap();
        file.write_all_at(&[1; 100], 4 * MIB).unwrap();
        file.write_all_at(&[1; 100], 9 * MIB - 50).unwrap();
        file
    }

    #[test]
    fn holes_are_found_and_the_descriptor_stays() {
        let scratch = Scratch::new();
        let mut file = sparse(&scratch);
        file.seek(io::SeekFrom::Start(77)).unwrap();
        let fd = CallerFd::new(file.as_raw_fd()).unwrap();
        assert_eq!(fd.size().unwrap(), Some(16 * MIB));
        let mut holes = Holes::of(fd).unwrap();
        let covered: Vec<bool> = (0..16).map(|i| holes.cover(i * MIB..(i + 1) * MIB).unwrap()).collect();
        let expected: Vec<bool> = (0..16).map(|i| ![4, 8, 9].contains(&i)).collect();
        assert_eq!(covered, expected);
        assert!(!holes.cover(0..16 * MIB).unwrap());
        assert!(holes.cover(0..4 * MIB).unwrap() && holes.cover(10 * MIB..16 * MIB).unwrap());
        // There is nothing behind the end, not even a hole.
        assert!(!holes.cover(15 * MIB..16 * MIB + 1).unwrap());
        file.set_len(12 * MIB).unwrap();
        assert!(!Holes::of(fd).unwrap().cover(12 * MIB..13 * MIB).unwrap());
        drop(holes);
        assert_eq!(file.stream_position().unwrap(), 77);
    }

    #[test]
    fn reading_by_position() {
        let scratch = Scratch::new();
        let mut file = sparse(&scratch);
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

    #[test]
    fn what_has_no_positions_has_no_size() {
        let (reader, _writer) = io::pipe().unwrap();
        let fd = CallerFd::new(reader.as_raw_fd()).unwrap();
        assert_eq!((fd.size().unwrap(), fd.rest().unwrap()), (None, None));
        assert_eq!(Holes::of(fd).unwrap_err().errno(), Some(libc::ESPIPE));
    }
}
