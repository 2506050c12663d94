//! Directories below a directory, and files in them, reached and made without following links.

use std::ffi::{CStr, CString};
use std::fs::File;

use super::dir::{Dir, FileKind, Owner, Stat, give_to, open_at};
use super::temp::TempFile;
use crate::error::{Error, Kind, Result};

/// How often a directory is made again that others have removed before it was opened: they do so once each.
const REMOVED_MEANWHILE: usize = 1000;

impl Dir {
    /// Opens the directory `name`; `None` if it is missing, or a link or another file has the name.
    pub fn open_child(&self, name: &CStr) -> Result<Option<Dir>> {
        let none = [libc::ENOENT, libc::ENOTDIR, libc::ELOOP];
        match open_at(self.raw(), name, libc::O_RDONLY | libc::O_DIRECTORY, 0) {
            Ok(fd) => Ok(Some(Dir::from_parts(fd, self.join(name)))),
            Err(source) if source.raw_os_error().is_some_and(|errno| none.contains(&errno)) => Ok(None),
            Err(source) => Err(self.error("open directory", name, &source)),
        }
    }

    /// Opens the directory `path`, names separated by `/`, one after the other as [`Dir::open_child`] does.
    pub fn open_below(&self, path: &str) -> Result<Option<Dir>> {
        let mut dir = self.reopen()?;
        for name in components(path) {
            match dir.open_child(&c_name(name)?)? {
                Some(child) => dir = child,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }

    /// Opens the directory `name` after making it if it is missing; true if it was.
    ///
    /// Errors: `Exists` if something that is no directory has the name; `Busy` if others remove it all the time; `Io`.
    pub fn open_or_make_child(&self, name: &CStr, mode: u32, owner: Option<Owner>) -> Result<(Dir, bool)> {
        for _ in 0..REMOVED_MEANWHILE {
            let made = self.make_dir(name, mode, owner)?;
            match self.open_child(name) {
                Ok(Some(child)) => return Ok((child, made)),
                // It has been removed in between, or is something else.
                Ok(None) if self.lstat(name)?.is_none_or(|stat| stat.kind == FileKind::Dir) => {}
                Ok(None) => return Err(Error::at(Kind::Exists, &self.join(name), "is not a directory")),
                Err(error) => {
                    if made {
                        // The caller does not learn that it is there.
                        let _ = self.remove_dir(name);
                    }
                    return Err(error);
                }
            }
        }
        Err(Error::at(Kind::Busy, &self.join(name), "is removed whenever it is made"))
    }

    /// Opens the regular file `name` itself for reading; `None` if it is not there.
    ///
    /// Errors: `Io`; `Format` if it is a link, or no regular file.
    pub fn open_file(&self, name: &CStr) -> Result<Option<(File, Stat)>> {
        match self.open_with(name, libc::O_RDONLY, 0) {
            Ok(file) => self.checked_file(name, file).map(Some),
            Err(source) if source.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(source) => Err(self.file_error("open", name, &source)),
        }
    }

    /// Writes `data` to the file `name`, whole or not at all, replacing what has the name; with `sync` it is on the
    /// disk when this returns.
    pub fn replace_file(&self, name: &CStr, data: &[u8], mode: u32, owner: Option<Owner>, sync: bool) -> Result<()> {
        let mut file = TempFile::create(self, name, 0o600)?;
        file.write(data)?;
        file.set_owner_and_mode(owner, mode)?;
        file.commit(sync)
    }

    /// Makes the empty file `name`, of this owner if one is given; what has the name already stays as it is.
    pub fn make_file(&self, name: &CStr, mode: u32, owner: Option<Owner>) -> Result<()> {
        match self.open_with(name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, mode) {
            Ok(file) => owner
                .map_or(Ok(()), |owner| give_to(&file, owner))
                .map_err(|source| self.error("change the owner of", name, &source)),
            Err(source) if source.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            Err(source) => Err(self.error("create", name, &source)),
        }
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// A name for the kernel.
///
/// Errors: `Argument` if it holds a NUL byte.
pub fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::new(Kind::Argument, format!("the name {name:?} holds a NUL byte")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn links_are_not_followed() {
        let scratch = Scratch::new();
        let root = scratch.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("outside")).unwrap();
        fs::write(root.join("outside/kept"), "x").unwrap();
        symlink(root.join("outside"), root.join("a/link")).unwrap();
        symlink(root.join("outside/kept"), root.join("a/file")).unwrap();
        let dir = Dir::open(root).unwrap();
        assert!(dir.open_below("a/b").unwrap().is_some());
        assert!(dir.open_below("a/link").unwrap().is_none());
        assert!(dir.open_below("a/file").unwrap().is_none());
        assert!(dir.open_below("a/none/x").unwrap().is_none());
        let a = dir.open_child(c"a").unwrap().unwrap();
        assert_eq!(a.open_file(c"file").unwrap_err().kind(), Kind::Format);
        assert_eq!(a.open_file(c"b").unwrap_err().kind(), Kind::Format);
        assert!(a.open_file(c"none").unwrap().is_none());
    }

    #[test]
    fn made_once() {
        let scratch = Scratch::new();
        let dir = Dir::open(scratch.path()).unwrap();
        assert!(dir.open_or_make_child(c"x", 0o755, None).unwrap().1);
        assert!(!dir.open_or_make_child(c"x", 0o755, None).unwrap().1);
        dir.make_file(c"f", 0o644, None).unwrap();
        fs::write(scratch.path().join("f"), "x").unwrap();
        dir.make_file(c"f", 0o644, None).unwrap();
        assert_eq!(fs::read(scratch.path().join("f")).unwrap(), b"x");
        assert_eq!(dir.open_or_make_child(c"f", 0o755, None).unwrap_err().kind(), Kind::Exists);
        dir.replace_file(c"f", b"new", 0o600, None, true).unwrap();
        assert_eq!(fs::read(scratch.path().join("f")).unwrap(), b"new");
    }

    #[test]
    fn a_directory_that_others_remove_is_made_again() {
        let scratch = Scratch::new();
        let dir = Dir::open(scratch.path()).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let _ = fs::remove_dir(scratch.path().join("d"));
                }
            });
            let failed = (0..20_000).find_map(|_| dir.open_or_make_child(c"d", 0o755, None).err());
            over.store(true, Ordering::Relaxed);
            assert!(failed.is_none(), "{failed:?}");
        });
    }
}
