//! Files that appear whole under their name or not at all.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

use super::dir::{Dir, FileKind, Owner, give_to, rename_at, stat_at, stat_fd};
use super::{random, retry, without_signals, write_all};
use crate::error::{Error, Kind, Result};

/// Separates the stem of a temporary name from its random end.
const INFIX: &[u8] = b".tmp_";
const RANDOM_LEN: usize = 6;
const NAME_MAX: usize = 255;

/// The characters of the random end. PBS uses letters and digits alone.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// A file under a temporary name beside its target, or under none; removed when it is dropped without
/// [`TempFile::commit`].
///
/// The name is the target's with its extension replaced by `tmp_` and six random characters (docs/format.md, 5.5).
/// It is made exclusively, so that two writers never share one.
#[derive(Debug)]
pub struct TempFile<'a> {
    dir: &'a Dir,
    file: File,
    /// The temporary name, removed when this is dropped; `None` as long as the file has no name, and once it has its
    /// own.
    name: Option<CString>,
    target: &'a CStr,
}

impl<'a> TempFile<'a> {
    /// Makes the file for `target`, a name below `dir`, with the mode that the umask leaves of `mode`.
    ///
    /// Errors: `NotFound` if the target's directory is missing, `Io`.
    pub fn create(dir: &'a Dir, target: &'a CStr, mode: u32) -> Result<Self> {
        Self::create_as(dir, target, target, mode)
    }

    /// As [`TempFile::create`], under a temporary name beside `stem` and not the target.
    pub fn create_as(dir: &'a Dir, stem: &CStr, target: &'a CStr, mode: u32) -> Result<Self> {
        loop {
            let name = temporary_name(stem)?;
            match dir.open_with(&name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, mode) {
                Ok(file) => return Ok(TempFile { dir, file, name: Some(name), target }),
                Err(source) if source.raw_os_error() == Some(libc::EEXIST) => {}
                Err(source) => return Err(dir.error("create", target, &source)),
            }
        }
    }

    /// As [`TempFile::create`], in `dir` itself, and without a name where the file system can do that: then not even a
    /// program that is killed leaves anything.
    pub fn create_unnamed(dir: &'a Dir, target: &'a CStr, mode: u32) -> Result<Self> {
        match open_unnamed(dir, mode) {
            Ok(Some(file)) if linkable(&file).is_some() => Ok(TempFile { dir, file, name: None, target }),
            Ok(_) => Self::create(dir, target, mode),
            Err(source) => Err(dir.error("create", target, &source)),
        }
    }

    /// Sets the owner, if one is given, then exactly this mode, whatever the umask.
    pub fn set_owner_and_mode(&self, owner: Option<Owner>, mode: u32) -> Result<()> {
        let fd = self.file.as_raw_fd();
        if let Some(owner) = owner {
            give_to(&self.file, owner).map_err(|source| self.error("change the owner of", &source))?;
        }
        // SAFETY: plain call on an owned descriptor.
        retry(|| unsafe { libc::fchmod(fd, mode) })
            .map(drop)
            .map_err(|source| self.error("change the mode of", &source))
    }

    /// Appends `data`.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        write_all(&self.file, data).map_err(|source| self.error("write", &source))
    }

    /// Appends all of `source` from its start.
    pub fn write_file(&mut self, source: &mut File) -> Result<()> {
        io::Seek::rewind(source)
            .and_then(|()| without_signals(|| io::copy(source, &mut self.file)))
            .map(drop)
            .map_err(|source| self.error("write", &source))
    }

    /// Brings the content to the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|source| self.error("sync", &source))
    }

    /// Gives the file its name, replacing what has it.
    ///
    /// With `sync` the content is on the disk before the name, and the name when this returns. Should the very last
    /// step fail, the sync of the directory, the file has its name already.
    pub fn commit(mut self, sync: bool) -> Result<()> {
        let (dir, target) = (self.dir, self.target);
        let parent = self.sync_and_open_parent(sync)?;
        dir.rename(self.named()?, target)?;
        self.name = None;
        parent.map_or(Ok(()), |parent| parent.sync())
    }

    /// Closes the file and leaves it under its temporary name, which it gives.
    pub fn keep(mut self) -> Result<CString> {
        let name = self.named()?.to_owned();
        self.name = None;
        Ok(name)
    }

    /// As [`TempFile::commit`], but if it fails, the name stands for what it stood for before.
    ///
    /// A process that is killed between two calls here leaves what was there before under a temporary name.
    ///
    /// Errors: `Exists` if something that is no regular file has got the name; `Io`.
    pub fn commit_or_undo(mut self, sync: bool) -> Result<()> {
        let (dir, target) = (self.dir, self.target);
        let parent = self.sync_and_open_parent(sync)?;
        loop {
            match self.put_new() {
                Err(error) if error.kind() == Kind::Exists => {}
                result => return result.and_then(|()| self.sync_or_remove(parent)),
            }
            match dir.exchange(self.named()?, target) {
                Ok(()) => return self.sync_or_exchange_back(parent),
                // It has been removed meanwhile.
                Err(source) if source.raw_os_error() == Some(libc::ENOENT) => {}
                Err(source) if is_unknown(&source) => return self.commit_without_exchange(parent),
                Err(source) => return Err(self.error("rename to", &source)),
            }
        }
    }

    /// As [`TempFile::commit_or_undo`], if nothing has the name yet.
    ///
    /// Errors: `Exists`, `Io`.
    pub fn commit_new(mut self, sync: bool) -> Result<()> {
        let parent = self.sync_and_open_parent(sync)?;
        self.put_new()?;
        self.sync_or_remove(parent)
    }

    /// As [`TempFile::commit`], if nothing has the name yet: of several that try at once, one gets it, on every file
    /// system. What it is in must be `dir` itself.
    ///
    /// Errors: `Exists`, `Io`.
    pub fn commit_at_once(mut self, sync: bool) -> Result<()> {
        let (dir, target) = (self.dir, self.target);
        let parent = self.sync_and_open_parent(sync)?;
        dir.rename_new_at_once(self.named()?, target)?;
        self.name = None;
        parent.map_or(Ok(()), |parent| parent.sync())
    }

    fn sync_and_open_parent(&self, sync: bool) -> Result<Option<Dir>> {
        if !sync {
            return Ok(None);
        }
        self.sync()?;
        self.dir.open_parent_of(self.target).map(Some)
    }

    /// The temporary name, which the file gets now if it has none.
    fn named(&mut self) -> Result<&CStr> {
        while self.name.is_none() {
            let name = temporary_name(self.target)?;
            match self.link(&name) {
                Ok(()) => self.name = Some(name),
                Err(source) if source.raw_os_error() == Some(libc::EEXIST) => {}
                Err(source) => return Err(self.error("create", &source)),
            }
        }
        self.name.as_deref().ok_or_else(|| Error::new(Kind::Internal, "a temporary file without a name"))
    }

    /// Gives the file the name `name`, its first.
    fn link(&self, name: &CStr) -> io::Result<()> {
        let path = linkable(&self.file).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        // SAFETY: both names end in NUL.
        retry(|| unsafe {
            libc::linkat(libc::AT_FDCWD, path.as_ptr(), self.dir.raw(), name.as_ptr(), libc::AT_SYMLINK_FOLLOW)
        })
        .map(drop)
    }

    /// Gives the file its name, if nothing has it.
    fn put_new(&mut self) -> Result<()> {
        match self.name.take() {
            Some(name) => {
                let result = self.dir.rename_new(&name, self.target);
                if result.is_err() {
                    self.name = Some(name);
                }
                result
            }
            None => self.link(self.target).map_err(|source| self.error("create", &source)),
        }
    }

    /// The end of a file that is new.
    fn sync_or_remove(&mut self, parent: Option<Dir>) -> Result<()> {
        let result = parent.map_or(Ok(()), |parent| parent.sync());
        match &result {
            Ok(()) => result,
            Err(_) => self.dir.unlink(self.target).and(result),
        }
    }

    /// The end of a file that has changed places with another, which has the temporary name now and is removed.
    fn sync_or_exchange_back(&mut self, parent: Option<Dir>) -> Result<()> {
        let (dir, target) = (self.dir, self.target);
        let check = |old: Option<super::Stat>| match old {
            Some(old) if old.kind != FileKind::File => {
                Err(dir.error("replace", target, &io::Error::from_raw_os_error(libc::EEXIST)))
            }
            _ => parent.as_ref().map_or(Ok(()), Dir::sync),
        };
        let Err(error) = dir.lstat(self.named()?).and_then(check) else { return Ok(()) };
        if let Err(source) = dir.exchange(self.named()?, target) {
            // A file that was there before is not removed.
            self.name = None;
            return Err(dir.error("give its old content back to", target, &source).context(error));
        }
        Err(error)
    }

    /// The end where the file system cannot exchange two files: the last step cannot be undone.
    fn commit_without_exchange(&mut self, parent: Option<Dir>) -> Result<()> {
        let (dir, target) = (self.dir, self.target);
        dir.rename(self.named()?, target)?;
        self.name = None;
        let describe = |error: Error| {
            let path = dir.join(target);
            error.context(format!("{} has its new content, which may not be on the disk", path.display()))
        };
        parent.map_or(Ok(()), |parent| parent.sync()).map_err(describe)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn error(&self, action: &str, source: &io::Error) -> Error {
        self.dir.error(action, self.target, source)
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // A temporary file that cannot be removed is never taken for anything else.
            let _ = self.dir.unlink(name);
        }
    }
}

/// The path by which a file that has no name can be given one; `None` where /proc does not lead to it.
fn linkable(file: &File) -> Option<CString> {
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    let same = stat_at(libc::AT_FDCWD, &path, 0).ok()?.id() == stat_fd(file).ok()?.id();
    same.then_some(path)
}

/// Whether an error says that the file system, or the system, does not know a way of renaming.
fn is_unknown(source: &io::Error) -> bool {
    matches!(source.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP))
}

/// A random name beside `target` that no program uses otherwise: see [`TempFile`].
pub fn temporary_name(target: &CStr) -> Result<CString> {
    let target = target.to_bytes();
    let base = target.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    // A leading dot is part of the stem.
    let stem = match target[base..].iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 => base + dot,
        _ => target.len(),
    };
    let stem = stem.min(base + NAME_MAX - INFIX.len() - RANDOM_LEN);
    let mut name = [&target[..stem], INFIX].concat();
    name.extend(random::<RANDOM_LEN>()?.map(|byte| LETTERS[usize::from(byte & 63)]));
    CString::new(name).map_err(|_| Error::new(Kind::Internal, "a temporary name holds a NUL byte"))
}

/// Whether `name` is one that [`temporary_name`], or PBS, makes for `target`, a plain name that is short and has no
/// extension, or has lost it.
pub fn is_temporary_name(name: &CStr, target: &CStr) -> bool {
    let end = name.to_bytes().strip_prefix(target.to_bytes()).and_then(|rest| rest.strip_prefix(INFIX));
    end.is_some_and(|end| end.len() == RANDOM_LEN && end.iter().all(|byte| LETTERS.contains(byte)))
}

/// A file in `dir` without a name, gone when it is closed.
pub fn anonymous(dir: &Dir) -> Result<File> {
    match open_unnamed(dir, 0o600) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => {
            let temp = TempFile::create(dir, c".spool", 0o600)?;
            temp.file.try_clone().map_err(|source| temp.error("open", &source))
        }
        Err(source) => Err(Error::io("create a file in", dir.path(), &source)),
    }
}

/// `None` where the file system has no files without a name.
fn open_unnamed(dir: &Dir, mode: u32) -> io::Result<Option<File>> {
    let unsupported = [libc::EOPNOTSUPP, libc::EISDIR, libc::ENOENT, libc::EINVAL];
    match dir.open_with(c".", libc::O_RDWR | libc::O_TMPFILE, mode) {
        Err(source) if source.raw_os_error().is_some_and(|errno| unsupported.contains(&errno)) => Ok(None),
        other => other.map(Some),
    }
}

impl Dir {
    /// Lets the files `one` and `other` change places.
    fn exchange(&self, one: &CStr, other: &CStr) -> io::Result<()> {
        rename_at(self.raw(), one, self.raw(), other, libc::RENAME_EXCHANGE)
    }

    /// The directory that `name`, a path below this one, is in.
    fn open_parent_of(&self, name: &CStr) -> Result<Dir> {
        let bytes = name.to_bytes();
        let parent = match bytes.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => CString::new(&bytes[..slash]),
            None => CString::new("."),
        }
        .map_err(|_| Error::new(Kind::Internal, "a name holds a NUL byte"))?;
        self.open_dir(&parent)?.ok_or_else(|| {
            let path: PathBuf = self.join(&parent);
            Error::io("open directory", &path, &io::Error::from_raw_os_error(libc::ENOENT))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_replace_the_extension() {
        for (target, stem) in [
            (c"ab/0123", "ab/0123.tmp_"),
            (c"root.pxar.didx", "root.pxar.tmp_"),
            (c".gc-status", ".gc-status.tmp_"),
            (c"x.d/notes", "x.d/notes.tmp_"),
        ] {
            let name = temporary_name(target).unwrap().into_string().unwrap();
            assert!(name.starts_with(stem), "{name}");
            assert_eq!(name.len(), stem.len() + RANDOM_LEN);
        }
        let name = temporary_name(c"owner").unwrap();
        assert!(is_temporary_name(&name, c"owner"), "{name:?}");
        for other in [
            c"owner",
            c"owner.tmp_",
            c"owner.tmp_12345",
            c"owner.tmp_1234567",
            c"owner.tmp_12.456",
            c"notes.tmp_123456",
        ] {
            assert!(!is_temporary_name(other, c"owner"), "{other:?}");
        }
        let long = CString::new("x".repeat(255)).unwrap();
        assert_eq!(temporary_name(&long).unwrap().as_bytes().len(), 255);
    }

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let scratch = crate::testing::Scratch::new();
        let dir = Dir::open(scratch.path()).unwrap();
        let mut temp = TempFile::create(&dir, c"file", 0o644).unwrap();
        temp.write(b"half").unwrap();
        assert_eq!(dir.names().unwrap().count(), 1);
        drop(temp);
        assert_eq!(dir.names().unwrap().count(), 0);

        let mut temp = TempFile::create(&dir, c"file", 0o600).unwrap();
        temp.write(b"whole").unwrap();
        temp.set_owner_and_mode(None, 0o644).unwrap();
        temp.commit(true).unwrap();
        let names: Vec<_> = dir.names().unwrap().map(Result::unwrap).collect();
        assert_eq!(names, [c"file".to_owned()]);
        assert_eq!(dir.stat(c"file").unwrap().unwrap().mode, 0o644);
    }

    #[test]
    fn anonymous_files_have_no_name() {
        let scratch = crate::testing::Scratch::new();
        let dir = Dir::open(scratch.path()).unwrap();
        write_all(&anonymous(&dir).unwrap(), b"x").unwrap();
        assert_eq!(dir.names().unwrap().count(), 0);
    }
}
