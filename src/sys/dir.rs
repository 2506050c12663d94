//! An open directory and what is done below it.
//!
//! Everything below a store is opened by [`open_at`], which follows no link. A file also passes [`Dir::checked_file`],
//! which takes only a regular one. Paths that a caller has named are opened by [`open_named`].

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{c_path, reserve, retry};
use crate::error::{Error, Kind, Result};

/// An open directory. Names given to its methods are relative to it.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// The kind of file that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Anything else.
    Other,
}

/// The facts of a file that matter here.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Its kind.
    pub kind: FileKind,
    /// It is a symbolic link that was not followed.
    pub is_link: bool,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last access, in seconds since 1970.
    pub atime: i64,
    /// Time of the last change of the content, in seconds since 1970.
    pub mtime: i64,
    /// The nanoseconds of that second.
    pub mtime_nsec: i64,
    /// Permission bits.
    pub mode: u32,
    /// Its owner.
    pub owner: Owner,
    /// The file system that it is in.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Which block device it is, if it is one.
    pub block_device: Option<u64>,
}

/// User and group of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Which file something is, whatever its name: the same for all its links, and for all nodes of one block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    /// 0, which no file has, for a block device.
    inode: u64,
}

impl Stat {
    /// Which file it is.
    pub fn id(&self) -> FileId {
        match self.block_device {
            Some(device) => FileId { device, inode: 0 },
            None => FileId { device: self.device, inode: self.inode },
        }
    }

    fn from_raw(raw: &libc::stat) -> Self {
        Stat {
            kind: match raw.st_mode & libc::S_IFMT {
                libc::S_IFREG => FileKind::File,
                libc::S_IFDIR => FileKind::Dir,
                _ => FileKind::Other,
            },
            is_link: raw.st_mode & libc::S_IFMT == libc::S_IFLNK,
            size: u64::try_from(raw.st_size).unwrap_or(0),
            atime: raw.st_atime,
            mtime: raw.st_mtime,
            mtime_nsec: raw.st_mtime_nsec,
            mode: raw.st_mode & 0o7777,
            owner: Owner { uid: raw.st_uid, gid: raw.st_gid },
            device: raw.st_dev,
            inode: raw.st_ino,
            block_device: (raw.st_mode & libc::S_IFMT == libc::S_IFBLK).then_some(raw.st_rdev),
        }
    }
}

impl Dir {
    /// Opens the directory at `path`.
    ///
    /// Errors: `NotFound`; `Io`, with ENOTDIR if it is no directory.
    pub fn open(path: &Path) -> Result<Self> {
        let c_path = c_path(path)?;
        let fd = open_named(libc::AT_FDCWD, &c_path, libc::O_RDONLY | libc::O_DIRECTORY)
            .map_err(|source| Error::io("open directory", path, &source))?;
        Ok(Dir { fd, path: path.to_path_buf() })
    }

    /// Opens the directory `name` itself; `None` if it is missing.
    ///
    /// Errors: `Format` if it is a link, or no directory; `Io`.
    pub fn open_dir(&self, name: &CStr) -> Result<Option<Self>> {
        self.open_dir_with(name, libc::O_RDONLY)
    }

    /// As [`Dir::open_dir`], for reaching files in it by name, as [`Dir::open_for_names`] does.
    pub fn open_dir_for_names(&self, name: &CStr) -> Result<Option<Self>> {
        self.open_dir_with(name, libc::O_PATH)
    }

    fn open_dir_with(&self, name: &CStr, flags: i32) -> Result<Option<Self>> {
        match open_at(self.raw(), name, flags | libc::O_DIRECTORY, 0) {
            Ok(fd) => Ok(Some(Dir { fd, path: self.join(name) })),
            Err(source) => match source.raw_os_error() {
                Some(libc::ENOENT) => Ok(None),
                Some(libc::ENOTDIR | libc::ELOOP) => Err(self.not_a_directory(name)),
                _ => Err(self.error("open directory", name, &source)),
            },
        }
    }

    /// The error of a link, or a file, in the place of a directory.
    pub fn not_a_directory(&self, name: &CStr) -> Error {
        Error::at(Kind::Format, &self.join(name), "is not a directory")
    }

    /// Opens the directory at `path` for reaching files in it by name, which takes less permission than listing it.
    /// Neither [`Dir::sync`] nor [`Dir::sync_filesystem`] works on it.
    pub fn open_for_names(path: &Path) -> Result<Self> {
        let c_path = c_path(path)?;
        let fd = open_named(libc::AT_FDCWD, &c_path, libc::O_PATH | libc::O_DIRECTORY)
            .map_err(|source| Error::io("open directory", path, &source))?;
        Ok(Dir { fd, path: path.to_path_buf() })
    }

    /// The same directory once more, wherever it has been moved.
    pub fn reopen(&self) -> Result<Self> {
        let fd = open_at(self.raw(), c".", libc::O_RDONLY | libc::O_DIRECTORY, 0)
            .map_err(|source| Error::io("open directory", &self.path, &source))?;
        Ok(Dir { fd, path: self.path.clone() })
    }

    /// The directory that `fd` is open on; `path` is for messages.
    pub(super) fn from_parts(fd: OwnedFd, path: PathBuf) -> Self {
        Dir { fd, path }
    }

    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// As it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name`, for messages.
    pub fn join(&self, name: &CStr) -> PathBuf {
        self.path.join(std::ffi::OsStr::from_bytes(name.to_bytes()))
    }

    /// The error of doing `action` to `name`.
    pub(super) fn error(&self, action: &str, name: &CStr, source: &io::Error) -> Error {
        Error::io(action, &self.join(name), source)
    }

    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// The facts of `name`, of what a link points to; `None` if it is not there. For what a caller has named: below a
    /// store it is [`Dir::lstat`].
    pub fn stat(&self, name: &CStr) -> Result<Option<Stat>> {
        self.stat_with(name, 0)
    }

    /// The facts of `name` itself; `None` if it, or a directory in its path, is missing.
    pub fn lstat(&self, name: &CStr) -> Result<Option<Stat>> {
        match self.stat_with(name, libc::AT_SYMLINK_NOFOLLOW) {
            Err(error) if error.errno() == Some(libc::ENOTDIR) => Ok(None),
            other => other,
        }
    }

    fn stat_with(&self, name: &CStr, flags: i32) -> Result<Option<Stat>> {
        match stat_at(self.raw(), name, flags) {
            Ok(stat) => Ok(Some(stat)),
            Err(source) if source.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(source) => Err(self.error("stat", name, &source)),
        }
    }

    /// The facts of the directory itself.
    pub fn stat_self(&self) -> Result<Stat> {
        stat_fd(&self.fd).map_err(|source| Error::io("stat", &self.path, &source))
    }

    /// Sets the access time of `name` to now and leaves the modification time; false if it is not there.
    pub fn touch(&self, name: &CStr) -> Result<bool> {
        self.set_atime_to(name, libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_NOW })
    }

    /// Sets the access time of `name` to `seconds` since 1970, otherwise as [`Dir::touch`].
    pub fn set_atime(&self, name: &CStr, seconds: i64) -> Result<bool> {
        self.set_atime_to(name, libc::timespec { tv_sec: seconds, tv_nsec: 0 })
    }

    fn set_atime_to(&self, name: &CStr, atime: libc::timespec) -> Result<bool> {
        let times = [atime, libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT }];
        // SAFETY: `name` ends in NUL and `times` are two structures.
        let result =
            retry(|| unsafe { libc::utimensat(self.raw(), name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) });
        match result {
            Ok(_) => Ok(true),
            Err(source) if source.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(source) => Err(self.error("set the access time of", name, &source)),
        }
    }

    /// Makes the directory `name`, of this owner if one is given; false if something of that name is there.
    ///
    /// The mode is subject to the umask.
    pub fn make_dir(&self, name: &CStr, mode: u32, owner: Option<Owner>) -> Result<bool> {
        // SAFETY: `name` ends in NUL.
        match retry(|| unsafe { libc::mkdirat(self.raw(), name.as_ptr(), mode) }) {
            Ok(_) => {}
            Err(source) if source.raw_os_error() == Some(libc::EEXIST) => return Ok(false),
            Err(source) => return Err(self.error("make directory", name, &source)),
        }
        if let Some(owner) = owner
            && let Err(error) = self.change_owner(name, owner)
        {
            // Better none than one that its owner cannot use.
            let _ = self.remove_dir(name);
            return Err(error);
        }
        Ok(true)
    }

    /// Gives `name`, `c"."` for the directory itself, to `owner`.
    pub fn change_owner(&self, name: &CStr, owner: Owner) -> Result<()> {
        let Owner { uid, gid } = owner;
        // SAFETY: `name` ends in NUL.
        retry(|| unsafe { libc::fchownat(self.raw(), name.as_ptr(), uid, gid, libc::AT_SYMLINK_NOFOLLOW) })
            .map(drop)
            .map_err(|source| self.error("change the owner of", name, &source))
    }

    /// Renames `from` to `to` in this directory, replacing what is there.
    pub fn rename(&self, from: &CStr, to: &CStr) -> Result<()> {
        // SAFETY: both names end in NUL.
        retry(|| unsafe { libc::renameat(self.raw(), from.as_ptr(), self.raw(), to.as_ptr()) })
            .map(drop)
            .map_err(|source| self.error("rename to", to, &source))
    }

    /// Renames `from` to `to`, which must not exist yet.
    ///
    /// Errors: `Exists`, `Io`.
    pub fn rename_new(&self, from: &CStr, to: &CStr) -> Result<()> {
        self.rename_new_into(from, self, to)
    }

    /// Renames `from` to `to` in the directory `target` of the same file system, where it must not exist yet.
    ///
    /// Errors: `Exists`, `Io`.
    pub fn rename_new_into(&self, from: &CStr, target: &Dir, to: &CStr) -> Result<()> {
        let (old, new) = (self.raw(), target.raw());
        let error = |source: &io::Error| match target.error("rename to", to, source) {
            error if source.raw_os_error() == Some(libc::EXDEV) => error.context(
                "both are below one mount, so this is an overlay with one of them in its lower layer, or they are in \
                 projects with quotas of their own",
            ),
            error => error,
        };
        match rename_at(old, from, new, to, libc::RENAME_NOREPLACE) {
            Ok(()) => Ok(()),
            // File systems without the flag: look, then rename.
            Err(source) if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                if target.lstat(to)?.is_some() {
                    return Err(error(&io::Error::from_raw_os_error(libc::EEXIST)));
                }
                // SAFETY: both names end in NUL.
                retry(|| unsafe { libc::renameat(old, from.as_ptr(), new, to.as_ptr()) })
                    .map(drop)
                    .map_err(|source| error(&source))
            }
            Err(source) => Err(error(&source)),
        }
    }

    /// Gives the file `from` the name `to` in place of its own, if nothing has it yet: at once, on every file system.
    /// Where renaming cannot look first, a second link can.
    ///
    /// Errors: `Exists`, `Io`.
    pub(super) fn rename_new_at_once(&self, from: &CStr, to: &CStr) -> Result<()> {
        let dir = self.raw();
        match rename_at(dir, from, dir, to, libc::RENAME_NOREPLACE) {
            Err(source) if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {}
            other => return other.map_err(|source| self.error("rename to", to, &source)),
        }
        self.link_and_unlink(from, to)
    }

    fn link_and_unlink(&self, from: &CStr, to: &CStr) -> Result<()> {
        // SAFETY: both names end in NUL.
        let linked = retry(|| unsafe { libc::linkat(self.raw(), from.as_ptr(), self.raw(), to.as_ptr(), 0) });
        if let Err(source) = linked {
            // A server of files that was asked twice, since its first answer was lost, says that the name is there.
            let ours = source.raw_os_error() == Some(libc::EEXIST) && self.are_one(from, to)?;
            if !ours {
                return Err(self.error("link to", to, &source));
            }
        }
        // It has its name; the other one is that of no file.
        let _ = self.unlink(from);
        Ok(())
    }

    fn are_one(&self, one: &CStr, other: &CStr) -> Result<bool> {
        let (one, other) = (self.lstat(one)?, self.lstat(other)?);
        Ok(one.zip(other).is_some_and(|(one, other)| one.id() == other.id()))
    }

    /// Removes the file `name`; false if it is not there.
    pub fn unlink(&self, name: &CStr) -> Result<bool> {
        self.unlink_with(name, 0)
    }

    /// Removes the empty directory `name`; false if it is not there.
    pub fn remove_dir(&self, name: &CStr) -> Result<bool> {
        self.unlink_with(name, libc::AT_REMOVEDIR)
    }

    /// Removes the directory `name` if it is empty; false if it is not, and true if it is missing.
    pub fn remove_empty_dir(&self, name: &CStr) -> Result<bool> {
        match self.remove_dir(name) {
            Err(error) if error.errno().is_some_and(|errno| [libc::ENOTEMPTY, libc::EEXIST].contains(&errno)) => {
                Ok(false)
            }
            other => other.map(|_| true),
        }
    }

    fn unlink_with(&self, name: &CStr, flags: i32) -> Result<bool> {
        // SAFETY: `name` ends in NUL.
        match retry(|| unsafe { libc::unlinkat(self.raw(), name.as_ptr(), flags) }) {
            Ok(_) => Ok(true),
            Err(source) if source.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(source) => Err(self.error("remove", name, &source)),
        }
    }

    /// Empties the regular file `name` itself.
    pub fn truncate(&self, name: &CStr) -> Result<()> {
        let file = self.open_with(name, libc::O_WRONLY, 0).map_err(|source| self.file_error("open", name, &source))?;
        let (file, _) = self.checked_file(name, file)?;
        file.set_len(0).map_err(|source| self.error("empty", name, &source))
    }

    /// Opens `name` itself with `flags`, for the other modules here: [`open_at`]'s rules.
    pub(super) fn open_with(&self, name: &CStr, flags: i32, mode: u32) -> io::Result<File> {
        open_at(self.raw(), name, flags, mode).map(File::from)
    }

    /// Opens what the caller has named `name`, by whatever links lead to it: [`open_named`]'s rules.
    pub(super) fn open_named(&self, name: &CStr, flags: i32) -> io::Result<File> {
        open_named(self.raw(), name, flags).map(File::from)
    }

    /// `file`, which was opened as `name`, and its facts.
    ///
    /// Errors: `Format` if it is no regular one; `Io`.
    pub(super) fn checked_file(&self, name: &CStr, file: File) -> Result<(File, Stat)> {
        checked_regular(file.into(), &|| self.join(name))
    }

    /// The error of doing `action` to `name`, where a regular file belongs: `Format` if the error means that something
    /// else is there.
    pub(super) fn file_error(&self, action: &str, name: &CStr, source: &io::Error) -> Error {
        match source.raw_os_error() {
            Some(libc::ELOOP | libc::ENXIO | libc::EISDIR) => not_regular(&self.join(name)),
            _ => self.error(action, name, source),
        }
    }

    /// Brings the directory's names to the disk.
    pub fn sync(&self) -> Result<()> {
        // SAFETY: plain call on an owned descriptor.
        retry(|| unsafe { libc::fsync(self.raw()) })
            .map(drop)
            .map_err(|source| Error::io("sync directory", &self.path, &source))
    }

    /// Brings the whole file system below the directory to the disk.
    pub fn sync_filesystem(&self) -> Result<()> {
        // SAFETY: plain call on an owned descriptor.
        retry(|| unsafe { libc::syncfs(self.raw()) })
            .map(drop)
            .map_err(|source| Error::io("sync the file system of", &self.path, &source))
    }
}

/// Opens `name` itself, below the open directory `dir`: a link is not followed, a fifo not waited for, and a terminal
/// does not become the process's.
pub(super) fn open_at(dir: RawFd, name: &CStr, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    open(dir, name, flags | libc::O_NOFOLLOW | libc::O_NONBLOCK, mode)
}

/// Opens what a caller has named: links are followed, and nothing is made.
pub(super) fn open_named(dir: RawFd, name: &CStr, flags: i32) -> io::Result<OwnedFd> {
    open(dir, name, flags, 0)
}

fn open(dir: RawFd, name: &CStr, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    if reserve::is_short() {
        return Err(io::Error::from_raw_os_error(libc::ENOMEM));
    }
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: `name` ends in NUL.
    let fd = retry(|| unsafe { libc::openat(dir, name.as_ptr(), flags, mode) })?;
    // SAFETY: the call succeeded, so `fd` is open and ours alone.
    off_the_standard_streams(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Moves `fd` away if it has the number of a standard stream: a host that has closed that one, and prints all the same,
/// would print into it.
fn off_the_standard_streams(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(fd);
    }
    // SAFETY: plain call on an owned descriptor.
    let moved = retry(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) })?;
    // SAFETY: the call succeeded, so `moved` is open and ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Opens the regular file at `path` for reading and gives its length.
///
/// Errors: `NotFound`, `Io`; `Format` if it is not a regular file.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    let c_path = c_path(path)?;
    let fd = open_named(libc::AT_FDCWD, &c_path, libc::O_RDONLY | libc::O_NONBLOCK)
        .map_err(|source| Error::io("open", path, &source))?;
    checked_regular(fd, &|| path.to_path_buf()).map(|(file, stat)| (file, stat.size))
}

/// Opens `path`, which a caller has named, to be read once: a file, a device, a fifo, whose other end is waited for.
///
/// Errors: `NotFound`; `Io`, with EISDIR for a directory.
pub fn open_input(path: &Path) -> Result<File> {
    let describe = |source: io::Error| Error::io("open", path, &source);
    let fd = open_named(libc::AT_FDCWD, &c_path(path)?, libc::O_RDONLY).map_err(describe)?;
    match stat_fd(&fd).map_err(describe)?.kind {
        FileKind::Dir => Err(describe(io::Error::from_raw_os_error(libc::EISDIR))),
        FileKind::File | FileKind::Other => Ok(File::from(fd)),
    }
}

pub(super) fn checked_regular(fd: OwnedFd, path: &dyn Fn() -> PathBuf) -> Result<(File, Stat)> {
    let stat = stat_fd(&fd).map_err(|source| Error::io("stat", &path(), &source))?;
    if stat.kind != FileKind::File {
        return Err(not_regular(&path()));
    }
    Ok((File::from(fd), stat))
}

fn not_regular(path: &Path) -> Error {
    Error::at(Kind::Format, path, "is not a regular file")
}

/// renameat2(2), by its number: musl has no function of that name.
pub(super) fn rename_at(old: RawFd, from: &CStr, new: RawFd, to: &CStr, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: both names end in NUL.
    retry(|| unsafe { libc::syscall(libc::SYS_renameat2, old, from.as_ptr(), new, to.as_ptr(), flags) }).map(drop)
}

pub(super) fn stat_at(dir: RawFd, name: &CStr, flags: i32) -> io::Result<Stat> {
    let mut raw = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `name` ends in NUL and `raw` has room for the structure.
    retry(|| unsafe { libc::fstatat(dir, name.as_ptr(), raw.as_mut_ptr(), flags) })?;
    // SAFETY: the call succeeded, so it filled the structure.
    Ok(Stat::from_raw(unsafe { raw.assume_init_ref() }))
}

pub(super) fn stat_fd(fd: &impl AsFd) -> io::Result<Stat> {
    fstat(fd).map(|raw| Stat::from_raw(&raw))
}

/// The facts that the system gives about an open file.
pub(super) fn fstat(fd: &impl AsFd) -> io::Result<libc::stat> {
    let mut raw = MaybeUninit::uninit();
    // SAFETY: `raw` has room for the structure.
    retry(|| unsafe { libc::fstat(fd.as_fd().as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it filled the structure.
    Ok(unsafe { raw.assume_init() })
}

/// Gives an open file to `owner`: that one, whatever has its name meanwhile.
pub(super) fn give_to(file: &File, owner: Owner) -> io::Result<()> {
    let Owner { uid, gid } = owner;
    // SAFETY: plain call on an owned descriptor.
    retry(|| unsafe { libc::fchown(file.as_raw_fd(), uid, gid) }).map(drop)
}

/// The effective user may give files away.
pub(super) fn is_root() -> bool {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() == 0 }
}

impl Owner {
    /// The owner that new files below a directory of this owner must get: files of root would shut the owner out.
    pub fn for_new_files(self) -> Option<Owner> {
        let own = Owner { uid: 0, gid: 0 };
        (is_root() && self != own).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;

    type Way = fn(&Dir, &CStr, &CStr) -> Result<()>;

    #[test]
    fn a_name_that_is_taken_stays() {
        let ways: [Way; 2] = [Dir::rename_new_at_once, Dir::link_and_unlink];
        for way in ways {
            let scratch = Scratch::new();
            let path = |name| scratch.path().join(name);
            let dir = Dir::open(scratch.path()).unwrap();
            fs::write(path("one"), "1").unwrap();
            fs::write(path("two"), "2").unwrap();
            way(&dir, c"one", c"to").unwrap();
            assert_eq!(way(&dir, c"two", c"to").unwrap_err().kind(), Kind::Exists);
            assert_eq!((fs::read(path("to")).unwrap(), fs::read(path("two")).unwrap()), (b"1".into(), b"2".into()));
            assert!(!path("one").exists());
            assert_eq!(way(&dir, c"none", c"new").unwrap_err().kind(), Kind::NotFound);
        }
    }

    #[test]
    fn a_link_whose_answer_was_lost() {
        let scratch = Scratch::new();
        let path = |name| scratch.path().join(name);
        let dir = Dir::open(scratch.path()).unwrap();
        fs::write(path("one"), "1").unwrap();
        fs::hard_link(path("one"), path("to")).unwrap();
        dir.link_and_unlink(c"one", c"to").unwrap();
        assert!(!path("one").exists() && fs::read(path("to")).unwrap() == b"1");
    }
}
