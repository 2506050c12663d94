//! Where a file or device has holes.

use std::ops::Range;

use super::CallerFd;
use super::fd::{Position, file_offset, seek};
use crate::error::Result;

/// Says which ranges of a file or device are holes; quickly, if they are asked in ascending order.
///
/// Asking moves the descriptor; it is put back at the end.
#[derive(Debug)]
pub struct Holes<'a> {
    /// `None` if the file system does not tell: then no holes are known.
    position: Option<Position<'a>>,
    fd: CallerFd<'a>,
    /// The extent that was asked for last, if it is a hole, else empty.
    hole: Range<u64>,
    /// The same, if it is data.
    data: Range<u64>,
}

impl<'a> Holes<'a> {
    /// Holes of the file or device behind `fd`.
    pub fn of(fd: CallerFd<'a>) -> Result<Self> {
        Ok(Holes { position: Some(Position::keep(fd)?), fd, hole: 0..0, data: 0..0 })
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
        match seek(&self.fd, file_offset(offset)?, whence) {
            Ok(found) => Ok(Some(found)),
            Err(source) if source.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            Err(source) if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                self.position = None;
                Ok(None)
            }
            Err(source) => Err(self.fd.error("look for holes in", &source).with_offset(offset)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Seek};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::testing::Scratch;

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
    fn what_has_no_positions_has_no_size() {
        let (reader, _writer) = io::pipe().unwrap();
        let fd = CallerFd::new(reader.as_raw_fd()).unwrap();
        assert_eq!((fd.size().unwrap(), fd.rest().unwrap()), (None, None));
        assert_eq!(Holes::of(fd).unwrap_err().errno(), Some(libc::ESPIPE));
    }
}
