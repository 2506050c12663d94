//! Removing a directory with all that is in it, of whatever depth, and looking first whether that can be done.
//!
//! Both use only a few descriptors: the tree may be foreign, or hostile.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::dir::{Dir, FileKind, Stat, open_at};
use super::{random, retry};
use crate::error::{Error, Kind, Result, push};

/// Bytes of a path above which messages name the directory that it leads through.
const PATH_MAX: usize = 4096;

/// The counts of what has been removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files, links and the like.
    pub files: u64,
    /// Their lengths.
    pub bytes: u64,
}

impl Removed {
    fn count(&mut self, stat: Option<Stat>) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(stat.map_or(0, |stat| stat.size));
    }
}

/// The facts that decide whether an entry of a directory can be removed.
struct Traits {
    is_dir: bool,
    /// Something is mounted there, or a part of the file system of its own begins.
    is_mount: bool,
    /// Not even its owner may remove it.
    is_fixed: bool,
}

impl Dir {
    /// Whether a file system, or a part of one, is mounted on the entry `name`. Nothing is mounted on what is not
    /// there.
    pub fn is_mount(&self, name: &CStr) -> Result<bool> {
        Ok(self.traits(name)?.is_some_and(|traits| traits.is_mount))
    }

    /// Looks whether the directory `name` can be removed with all that is in it: nothing is mounted on it or below it,
    /// no file is immutable, and, if it is to be done `by_us`, every directory may be changed.
    ///
    /// Errors: `Busy` for a mount, and `Io` for an entry that may not be removed, each with its path.
    pub fn check_removable(&self, name: &CStr, by_us: bool) -> Result<()> {
        self.check_entry(name)?;
        let Some(mut dir) = self.open_child(name)? else { return Ok(()) };
        let mut levels = Vec::new();
        push(&mut levels, Level::of(&dir, by_us)?)?;
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.below.pop() {
                if let Some(child) = dir.open_child(&name)? {
                    let shown = if child.path().as_os_str().len() > PATH_MAX { dir.path() } else { child.path() };
                    let shown = shown.to_path_buf();
                    dir = Dir::from_parts(child.into_fd(), shown);
                    push(&mut levels, Level::of(&dir, by_us)?)?;
                }
                continue;
            }
            levels.pop();
            if let Some(above) = levels.last() {
                dir = above.reopen_from(&dir)?;
            }
        }
        Ok(())
    }

    fn check_entry(&self, name: &CStr) -> Result<Option<Traits>> {
        let Some(traits) = self.traits(name)? else { return Ok(None) };
        let path = self.join(name);
        if traits.is_mount {
            return Err(Error::at(Kind::Busy, &path, "is a mount: what is in it is not removed"));
        }
        if traits.is_fixed {
            return Err(Error::io("remove", &path, &io::Error::from_raw_os_error(libc::EPERM)));
        }
        Ok(Some(traits))
    }

    /// `None` if it is not there.
    fn traits(&self, name: &CStr) -> Result<Option<Traits>> {
        let Some(stat) = self.lstat(name)? else { return Ok(None) };
        let is_dir = stat.kind == FileKind::Dir;
        // The device of a file does not tell: some file systems have files from several devices.
        let is_other_device = is_dir && stat.device != self.stat_self()?.device;
        let attributes = attributes(self.raw(), name);
        let has = |bits: libc::c_int| attributes & bits as u64 != 0;
        Ok(Some(Traits {
            is_dir,
            is_mount: is_other_device || has(libc::STATX_ATTR_MOUNT_ROOT),
            is_fixed: has(libc::STATX_ATTR_IMMUTABLE | libc::STATX_ATTR_APPEND),
        }))
    }

    /// Whether entries of the directory may be made, renamed and removed.
    fn check_changeable(&self) -> Result<()> {
        let access = libc::W_OK | libc::X_OK;
        // SAFETY: the name ends in NUL.
        retry(|| unsafe { libc::faccessat(self.raw(), c".".as_ptr(), access, libc::AT_EACCESS) })
            .map(drop)
            .map_err(|source| Error::io("change", self.path(), &source))
    }

    /// Removes `name` and, if it is a directory, all that is in it; links are removed, not followed, and nothing that
    /// is mounted below it is touched. `None` if it is not there.
    ///
    /// Directories below one another are moved up first, each into `name` itself, so that depth is no matter. An error
    /// leaves the rest where it is.
    ///
    /// Errors: `Busy` for a mount; `Io`.
    pub fn remove_tree(&self, name: &CStr) -> Result<Option<Removed>> {
        let mut removed = Removed::default();
        let Some(top) = self.open_child(name)? else {
            let stat = self.lstat(name)?;
            return Ok(self.unlink(name)?.then(|| {
                removed.count(stat);
                removed
            }));
        };
        self.check_entry(name)?;
        while let Some(below) = top.remove_files(&mut removed)? {
            top.check_entry(&below)?;
            if let Some(child) = top.open_child(&below)? {
                child.move_up(&top, &mut removed)?;
            }
            top.remove_dir(&below)?;
        }
        self.remove_dir(name)?;
        Ok(Some(removed))
    }

    /// Removes what is no directory, until it meets one and gives its name.
    fn remove_files(&self, removed: &mut Removed) -> Result<Option<CString>> {
        let entries = match self.entries() {
            // Another process is removing it too.
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            other => other?,
        };
        for entry in entries {
            let name = entry?.name;
            match self.lstat(&name)? {
                Some(stat) if stat.kind == FileKind::Dir => return Ok(Some(name)),
                Some(stat) if self.unlink(&name)? => removed.count(Some(stat)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Empties the directory: what is no directory is removed, and the others go to `top` under names of their own.
    fn move_up(&self, top: &Dir, removed: &mut Removed) -> Result<()> {
        for entry in self.entries()? {
            let name = entry?.name;
            match self.lstat(&name)? {
                Some(stat) if stat.kind == FileKind::Dir => {
                    self.check_entry(&name)?;
                    // An empty directory can be removed even where permissions do not allow moving it.
                    if !self.remove_empty_dir(&name)? {
                        self.rename_new_into(&name, top, &random_name()?)?;
                    }
                }
                Some(stat) if self.unlink(&name)? => removed.count(Some(stat)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A directory on the way down.
struct Level {
    device: u64,
    inode: u64,
    /// Bytes of the path that messages name it by.
    path_len: usize,
    /// Directories in it that are still to be looked at.
    below: Vec<CString>,
}

impl Level {
    /// Looks at all that is in `dir`, as [`Dir::check_removable`] does.
    fn of(dir: &Dir, by_us: bool) -> Result<Self> {
        let Stat { device, inode, .. } = dir.stat_self()?;
        let mut below = Vec::new();
        for entry in dir.entries()? {
            let name = entry?.name;
            if dir.check_entry(&name)?.is_some_and(|traits| traits.is_dir) {
                push(&mut below, name)?;
            }
        }
        if by_us {
            dir.check_changeable()?;
        }
        Ok(Level { device, inode, path_len: dir.path().as_os_str().len(), below })
    }

    /// The directory once more, from `child` in it.
    fn reopen_from(&self, child: &Dir) -> Result<Dir> {
        let path = PathBuf::from(OsStr::from_bytes(&child.path().as_os_str().as_bytes()[..self.path_len]));
        let fd = open_at(child.raw(), c"..", libc::O_RDONLY | libc::O_DIRECTORY, 0)
            .map_err(|source| Error::io("open directory", &path, &source))?;
        let dir = Dir::from_parts(fd, path);
        let stat = dir.stat_self()?;
        if (stat.device, stat.inode) != (self.device, self.inode) {
            return Err(Error::new(Kind::Busy, "somebody is moving what is in it").of(dir.path()));
        }
        Ok(dir)
    }
}

/// A name that nothing has.
///
/// Errors: `Io` without random numbers.
pub fn random_name() -> Result<CString> {
    let number = u64::from_ne_bytes(random()?);
    CString::new(format!("{number:016x}")).map_err(|_| Error::new(Kind::Internal, "a number holds a NUL byte"))
}

/// Whether a name is one of [`random_name`].
pub fn is_random_name(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.len() == 16 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The attributes STATX_ATTR_... of `name`; none where the system cannot tell, as before Linux 5.8 of mounts.
fn attributes(dir: RawFd, name: &CStr) -> u64 {
    let mut raw = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // By its number: older musl libraries have no statx().
    // SAFETY: `name` ends in NUL and `raw` has room for the structure, which is valid as zeros too.
    unsafe {
        let wanted = libc::STATX_BASIC_STATS;
        if libc::syscall(libc::SYS_statx, dir, name.as_ptr(), flags, wanted, raw.as_mut_ptr()) != 0 {
            return 0;
        }
        raw.assume_init_ref().stx_attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A directory `top` of `levels` directories below one another, each with a file and an empty directory.
    fn deep(scratch: &Scratch, levels: usize) -> Dir {
        let dir = Dir::open(scratch.path()).unwrap();
        let mut inner = dir.open_or_make_child(c"top", 0o755, None).unwrap().0;
        for _ in 0..levels {
            inner.make_file(c"file", 0o644, None).unwrap();
            inner.make_dir(c"empty", 0o755, None).unwrap();
            let child = inner.open_or_make_child(c"directory", 0o755, None).unwrap().0;
            inner = Dir::from_parts(child.into_fd(), PathBuf::from("deep"));
        }
        dir
    }

    #[test]
    fn depth_is_no_matter() {
        let scratch = Scratch::new();
        // More than there may be open files, and longer than a path may be.
        let levels = 1500;
        let dir = deep(&scratch, levels);
        dir.check_removable(c"top", true).unwrap();
        assert_eq!(dir.remove_tree(c"top").unwrap().map(|removed| removed.files), Some(levels as u64));
        assert_eq!(dir.names().unwrap().count(), 0);
        assert_eq!(dir.remove_tree(c"top").unwrap(), None);
        dir.check_removable(c"top", true).unwrap();
    }

    #[test]
    fn files_and_bytes_are_counted_and_links_are_not_followed() {
        let scratch = Scratch::new();
        let top = scratch.path().join("top");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir(scratch.path().join("outside")).unwrap();
        fs::write(scratch.path().join("outside/kept"), "x").unwrap();
        for (name, len) in [("1", 1), ("a/2", 10), ("a/b/3", 100)] {
            fs::write(top.join(name), vec![0; len]).unwrap();
        }
        symlink(scratch.path().join("outside"), top.join("a/link")).unwrap();
        let dir = Dir::open(scratch.path()).unwrap();
        let link_len = fs::symlink_metadata(top.join("a/link")).unwrap().len();
        dir.check_removable(c"top", true).unwrap();
        assert_eq!(dir.remove_tree(c"top").unwrap(), Some(Removed { files: 4, bytes: 111 + link_len }));
        assert_eq!(fs::read(scratch.path().join("outside/kept")).unwrap(), b"x");
        fs::write(scratch.path().join("file"), "12345").unwrap();
        assert_eq!(dir.remove_tree(c"file").unwrap(), Some(Removed { files: 1, bytes: 5 }));
    }

    #[test]
    fn another_device_is_a_mount() {
        // The one that every Linux has.
        let root = Dir::open(std::path::Path::new("/")).unwrap();
        assert!(root.is_mount(c"proc").unwrap());
        assert_eq!(root.check_removable(c"proc", true).unwrap_err().kind(), Kind::Busy);
        let scratch = Scratch::new();
        deep(&scratch, 1);
        assert!(!Dir::open(scratch.path()).unwrap().is_mount(c"top").unwrap());
        assert!(!root.is_mount(c"no such name").unwrap());
    }

    #[test]
    fn random_names_are_recognised() {
        assert!(is_random_name(&random_name().unwrap()));
        for other in [c"", c"0123456789abcde", c"0123456789abcdef0", c"0123456789abcdeg", c"0123456789ABCDEF"] {
            assert!(!is_random_name(other), "{other:?}");
        }
    }
}
