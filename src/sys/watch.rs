//! Whether a file stays as it is while it is read.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use super::CallerFd;
use super::dir::fstat;
use crate::error::Result;

/// A regular file as it was when reading began. Reading itself changes none of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    size: i64,
    /// When the content was changed last: seconds since 1970, and nanoseconds.
    mtime: (i64, i64),
    /// When anything of it was changed last.
    ctime: (i64, i64),
}

/// Looks after a descriptor that is being read.
#[derive(Debug)]
pub struct Watch<'a> {
    fd: CallerFd<'a>,
    /// `None` if it is no regular file, which alone says when it is changed.
    before: Option<Facts>,
}

/// A change of a file.
#[derive(Debug)]
pub struct Change {
    /// Its path, if that can be found out.
    pub path: Option<PathBuf>,
    /// In words, the file among them.
    pub message: String,
}

impl<'a> Watch<'a> {
    /// Begins before the first byte is read.
    pub fn start(fd: CallerFd<'a>) -> Result<Self> {
        Ok(Watch { fd, before: facts(fd)? })
    }

    /// The change of the file since the start; `None` if it is unchanged.
    pub fn change(&self) -> Result<Option<Change>> {
        let (Some(before), Some(now)) = (self.before, facts(self.fd)?) else { return Ok(None) };
        if before == now {
            return Ok(None);
        }
        let what = if before.size != now.size {
            format!("it had {} bytes and has {}", before.size, now.size)
        } else if before.mtime != now.mtime {
            "somebody has written to it".to_owned()
        } else {
            "its mode, owner or names are others, or what says when it was written".to_owned()
        };
        let number = self.fd.as_fd().as_raw_fd();
        let path = std::fs::read_link(format!("/proc/self/fd/{number}")).ok().filter(|path| path.is_absolute());
        let name = path.as_ref().map_or_else(|| format!("descriptor {number}"), |path| path.display().to_string());
        let message = format!("{name} has changed while it was read, {what}: what is stored may be a mixture");
        Ok(Some(Change { path, message }))
    }
}

fn facts(fd: CallerFd<'_>) -> Result<Option<Facts>> {
    let raw = fstat(&fd).map_err(|source| fd.error("stat", &source))?;
    let is_file = raw.st_mode & libc::S_IFMT == libc::S_IFREG;
    Ok(is_file.then_some(Facts {
        size: raw.st_size,
        mtime: (raw.st_mtime, raw.st_mtime_nsec),
        ctime: (raw.st_ctime, raw.st_ctime_nsec),
    }))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::testing::Scratch;

    /// What is told of `change`, done to a file of ten bytes that is read.
    fn told(change: impl FnOnce(&File)) -> Option<String> {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        let watch = Watch::start(CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
        file.read_exact(&mut [0; 5]).unwrap();
        change(&file);
        let change = watch.change().unwrap();
        change.map(|change| {
            assert_eq!(change.path, Some(path.canonicalize().unwrap()));
            change.message
        })
    }

    #[test]
    fn changes_are_told_apart() {
        assert_eq!(told(|_| ()), None);
        assert_eq!(told(|mut file| file.read_exact(&mut [0; 5]).unwrap()), None, "reading is no change");
        assert!(told(|file| file.set_len(11).unwrap()).unwrap().contains("it had 10 bytes and has 11"));
        assert!(told(|file| file.set_len(9).unwrap()).unwrap().contains("it had 10 bytes and has 9"));
        assert!(told(|mut file| file.write_all(b"x").unwrap()).unwrap().contains("has written"));
        // The clock of a file system may not have moved on.
        let with_mode = |file: &File| {
            std::thread::sleep(Duration::from_millis(50));
            file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        assert!(told(with_mode).unwrap().contains("its mode"));
        let written_and_set_back = |mut file: &File| {
            std::thread::sleep(Duration::from_millis(50));
            file.write_all(b"x").unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        };
        assert!(told(written_and_set_back).unwrap().contains("what says when"));
    }

    #[test]
    fn what_is_no_regular_file_is_not_watched() {
        let file = File::open("/dev/zero").unwrap();
        let watch = Watch::start(CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
        assert!(watch.before.is_none() && watch.change().unwrap().is_none());
    }
}
