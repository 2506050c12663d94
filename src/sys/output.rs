//! A path that a whole file is to be written to.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::dir::{Dir, FileId, FileKind, Owner, Stat};
use super::{CallerFd, TempFile, retry, split_file_path, write_all};
use crate::error::{Error, Kind, Result};

/// Links that are followed one after the other, as many as the system itself follows.
const MAX_LINKS: usize = 40;

/// Permissions of a file's group.
const GROUP_BITS: u32 = 0o070;

/// The target of a path for output.
#[derive(Debug)]
pub enum Destination {
    /// A descriptor of this process, named as /dev/stdout, /dev/fd/N or /proc/self/fd/N.
    Descriptor(CallerFd<'static>),
    /// A name in a directory.
    Name(Output),
}

/// The place of a whole file, with links followed, so that a link stays a link.
#[derive(Debug)]
pub struct Output {
    dir: Dir,
    name: CString,
    existing: Option<Stat>,
}

impl Destination {
    /// Looks at `path`.
    ///
    /// Errors: as [`Output::at`]; `Argument` if it names a descriptor that is not open.
    pub fn at(path: &Path) -> Result<Self> {
        let mut at = path.to_path_buf();
        for followed in 0..MAX_LINKS {
            let (parent, name) = split_file_path(&at)?;
            if let Some(fd) = own_descriptor(&parent, &name) {
                return CallerFd::new(fd).map(Destination::Descriptor).map_err(|error| error.with_path(path));
            }
            let dir = Dir::open_for_names(&parent)?;
            match dir.lstat(&name)? {
                Some(stat) if stat.is_link => match read_link(&dir, &name)? {
                    Some(target) => at = parent.join(target),
                    None => return Output::of_other_process(dir, name, path).map(Destination::Name),
                },
                None if followed > 0 => return Err(error_of("follow", path, libc::ENOENT)),
                Some(stat) if stat.kind == FileKind::Dir => return Err(is_directory(path)),
                existing => return Ok(Destination::Name(Output { dir, name, existing })),
            }
        }
        Err(error_of("follow", path, libc::ELOOP))
    }

    /// Writes a file of `data` and nothing else, on the disk when this returns; a descriptor, device or pipe just takes
    /// it.
    ///
    /// Errors: as [`Output::replace`] and [`TempFile::commit_or_undo`]; `Io`.
    pub fn write(&self, data: &[u8], mode: u32) -> Result<()> {
        let output = match self {
            Destination::Descriptor(fd) => return fd.write_all(data),
            Destination::Name(output) => output,
        };
        if output.is_in_place() {
            let mut in_place = output.open_in_place(data.len() as u64)?;
            in_place.write(data)?;
            return in_place.sync();
        }
        let mut file = output.replace(mode)?;
        file.write(data)?;
        output.keep_permissions(&file, 0o777)?;
        file.commit_or_undo(true)
    }
}

impl Output {
    /// Looks at `path`, which is to name a file.
    ///
    /// Errors: `NotFound` if its directory is missing or it is a link to nothing; `Exists` if it is a directory, or
    /// stands for a descriptor; `Argument`, `Io`.
    pub fn at(path: &Path) -> Result<Self> {
        match Destination::at(path)? {
            Destination::Name(output) => Ok(output),
            Destination::Descriptor(_) => {
                Err(Error::at(Kind::Exists, path, "is a descriptor, and not the name of a file"))
            }
        }
    }

    /// The target of a link below /proc, which need not have a path: a pipe, say.
    fn of_other_process(dir: Dir, name: CString, path: &Path) -> Result<Self> {
        match dir.stat(&name)? {
            Some(stat) if stat.kind == FileKind::Other => Ok(Output { dir, name, existing: Some(stat) }),
            Some(stat) if stat.kind == FileKind::Dir => Err(is_directory(path)),
            Some(_) => {
                Err(Error::at(Kind::Exists, path, "is what another process has open; give the name of the file"))
            }
            None => Err(error_of("follow", path, libc::ENOENT)),
        }
    }

    /// The directory that the file will be in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of the file, with links followed.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Whether something is there that is written into, and not replaced: a device or a pipe.
    pub fn is_in_place(&self) -> bool {
        self.existing.is_some_and(|stat| stat.kind == FileKind::Other)
    }

    /// Errors: `Argument` if the file that is there is `input`, which `why` describes.
    pub fn check_is_not(&self, input: Option<FileId>, why: &str) -> Result<()> {
        match self.existing {
            Some(stat) if Some(stat.id()) == input => Err(self.refusal(why).with_kind(Kind::Argument)),
            _ => Ok(()),
        }
    }

    /// Starts a file that gets the name when it is committed, replacing a regular one.
    ///
    /// Errors: `Exists` if something that is no regular file has the name, or a file that a store has made for itself;
    /// `Argument` if a new file would pass for one of those; `Io`.
    pub fn replace(&self, mode: u32) -> Result<TempFile<'_>> {
        self.check_regular()?;
        let around = self.surroundings()?;
        match self.existing {
            Some(_) if around.is_own(&self.name) => Err(self.refusal("belongs to a store or to a snapshot")),
            None if around.in_store && around.is_own(&self.name) => {
                Err(self.error(Kind::Argument, "would pass for a file that the store has made for itself"))
            }
            _ => TempFile::create_unnamed(&self.dir, &self.name, self.first_mode(mode)),
        }
    }

    /// As [`Output::replace`], replacing only an index, which begins as `is_index` says, or a file that is empty. It
    /// may be an index in a store, but not in a snapshot that is finished.
    ///
    /// Errors: as [`Output::replace`]; `Exists` if it is something else.
    pub fn replace_index(&self, is_index: impl FnOnce(&[u8; 8]) -> bool, mode: u32) -> Result<TempFile<'_>> {
        self.check_index(is_index)?;
        TempFile::create_unnamed(&self.dir, &self.name, self.first_mode(mode))
    }

    /// Whether [`Output::replace_index`] would start.
    ///
    /// Errors: as there.
    pub fn check_index(&self, is_index: impl FnOnce(&[u8; 8]) -> bool) -> Result<()> {
        self.check_regular()?;
        if self.existing.is_none() {
            return Ok(());
        }
        let around = self.surroundings()?;
        let kept =
            if has_index_name(&self.name) { around.in_snapshot || around.is_hidden } else { around.is_own(&self.name) };
        if kept {
            return Err(self.refusal("belongs to a store or to a snapshot"));
        }
        match self.magic()? {
            Some(magic) if is_index(&magic) => Ok(()),
            None if self.existing.is_some_and(|stat| stat.size == 0) => Ok(()),
            _ => Err(self.refusal("is no index")),
        }
    }

    /// The first bytes of what is there; `None` if there are fewer.
    fn magic(&self) -> Result<Option<[u8; 8]>> {
        let Some((mut file, _)) = self.dir.open_file(&self.name)? else { return Ok(None) };
        let mut magic = [0; 8];
        match io::Read::read_exact(&mut file, &mut magic) {
            Ok(()) => Ok(Some(magic)),
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(self.dir.error("read", &self.name, &source)),
        }
    }

    fn check_regular(&self) -> Result<()> {
        match self.existing {
            Some(stat) if stat.kind != FileKind::File => Err(self.refusal("is not a regular file")),
            _ => Ok(()),
        }
    }

    fn refusal(&self, why: &str) -> Error {
        self.error(Kind::Exists, &format!("{why}, and is not replaced"))
    }

    fn error(&self, kind: Kind, why: &str) -> Error {
        Error::at(kind, &self.path(), why)
    }

    /// The mode of a file that is to have `mode` if it is new. A file that replaces another is its owner's alone until
    /// it gets the other's permissions.
    fn first_mode(&self, mode: u32) -> u32 {
        if self.existing.is_some() { mode & 0o600 } else { mode }
    }

    /// Starts a file that gets the name when it is committed by [`TempFile::commit_new`].
    ///
    /// Errors: `Exists` if something has the name; `Io`.
    pub fn create(&self, mode: u32) -> Result<TempFile<'_>> {
        if self.existing.is_some() {
            return Err(self.error(Kind::Exists, "exists already"));
        }
        TempFile::create_unnamed(&self.dir, &self.name, mode)
    }

    /// Gives `file`, if it replaces another, the permissions of that, of those in `allowed`, and its owner and group as
    /// far as this process may; but neither set-user-id nor the like, which were given to the old content. False if it
    /// is new.
    pub fn keep_permissions(&self, file: &TempFile<'_>, allowed: u32) -> Result<bool> {
        let Some(Stat { owner, mode, .. }) = self.existing else { return Ok(false) };
        let mode = mode & 0o777 & allowed;
        let result = match owner.for_new_files() {
            None if !file.take_group(owner)? => {
                // The group that it has instead may do no more than everybody.
                file.set_owner_and_mode(None, mode & !GROUP_BITS | mode & (mode << 3) & GROUP_BITS)
            }
            owner => file.set_owner_and_mode(owner, mode),
        };
        result.map(|()| true)
    }

    /// Opens what has the name, to write `len` bytes into it.
    ///
    /// Errors: `Io`, with ENOSPC if it is a device that has not so many.
    pub fn open_in_place(&self, len: u64) -> Result<InPlace> {
        let path = self.path();
        let file =
            self.dir.open_named(&self.name, libc::O_WRONLY).map_err(|source| Error::io("open", &path, &source))?;
        CallerFd::new(file.as_raw_fd())?.check_room(len).map_err(|error| error.of(&path))?;
        Ok(InPlace { file, path, is_block_device: self.existing.is_some_and(|stat| stat.block_device.is_some()) })
    }

    /// What the directory of the file is to stores.
    fn surroundings(&self) -> Result<Surroundings> {
        let in_snapshot = self.dir.stat(c"index.json.blob")?.is_some();
        let resolved = self.dir().canonicalize().map_err(|source| Error::io("resolve", self.dir(), &source))?;
        let store = resolved.ancestors().find(|above| above.join(".chunks").is_dir());
        let below = store.and_then(|store| resolved.strip_prefix(store).ok());
        let has_dot = |part: &OsStr| part.as_bytes().starts_with(b".");
        Ok(Surroundings {
            in_snapshot,
            in_store: below.is_some(),
            is_hidden: below.is_some_and(|below| below.iter().any(has_dot)),
        })
    }
}

/// What a directory is to stores.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    /// It has a manifest.
    in_snapshot: bool,
    /// It is a store's, or in one.
    in_store: bool,
    /// It is in a store, and not in the part that garbage collection looks through: in `.chunks`, say.
    is_hidden: bool,
}

impl Surroundings {
    /// Whether `name` is, here, one that stores use for their own files.
    fn is_own(self, name: &CStr) -> bool {
        let bytes = name.to_bytes();
        let named = bytes.starts_with(b".")
            || matches!(bytes, b"owner" | b"notes")
            || bytes.ends_with(b".blob")
            || has_index_name(name);
        self.is_hidden || (self.in_store || self.in_snapshot) && named
    }
}

fn has_index_name(name: &CStr) -> bool {
    let bytes = name.to_bytes();
    bytes.ends_with(b".didx") || bytes.ends_with(b".fidx")
}

/// A device or pipe that is written into.
#[derive(Debug)]
pub struct InPlace {
    file: File,
    path: PathBuf,
    is_block_device: bool,
}

impl InPlace {
    /// Appends `data`.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        write_all(&self.file, data).map_err(|source| Error::io("write", &self.path, &source))
    }

    /// Brings to the disk what was written, if it is one.
    pub fn sync(&self) -> Result<()> {
        if !self.is_block_device {
            return Ok(());
        }
        self.file.sync_all().map_err(|source| Error::io("sync", &self.path, &source))
    }
}

impl TempFile<'_> {
    /// Gives it to the group of `owner`; false if this process may not.
    fn take_group(&self, owner: Owner) -> Result<bool> {
        let fd = self.fd().as_raw_fd();
        // SAFETY: plain call on an owned descriptor; the user stays.
        match retry(|| unsafe { libc::fchown(fd, u32::MAX, owner.gid) }) {
            Ok(_) => Ok(true),
            Err(source) if source.raw_os_error().is_some_and(super::is_denied) => Ok(false),
            Err(source) => Err(self.error("change the group of", &source)),
        }
    }
}

/// The number of the descriptor of this process that `name` in `parent` stands for, if it is one.
fn own_descriptor(parent: &Path, name: &CStr) -> Option<RawFd> {
    let digits = name.to_str().ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = digits.parse::<RawFd>().ok().filter(|number| number.to_string() == digits)?;
    let parent = parent.canonicalize().ok()?;
    let of_process = parent.strip_prefix(Path::new("/proc/self").canonicalize().ok()?).ok()?;
    // Threads have the descriptors of their process.
    let parts: Vec<_> = of_process.iter().map(OsStr::as_bytes).collect();
    matches!(parts[..], [b"fd"] | [b"task", _, b"fd"]).then_some(number)
}

/// The target of the link `name`; `None` for a link of /proc, which need not lead to a path.
fn read_link(dir: &Dir, name: &CStr) -> Result<Option<PathBuf>> {
    let mut raw = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `raw` has room for the structure.
    retry(|| unsafe { libc::fstatfs(dir.raw(), raw.as_mut_ptr()) })
        .map_err(|source| Error::io("look at the file system of", dir.path(), &source))?;
    // SAFETY: the call succeeded, so it filled the structure.
    if unsafe { raw.assume_init_ref() }.f_type == libc::PROC_SUPER_MAGIC {
        return Ok(None);
    }
    let mut target = vec![0; libc::PATH_MAX as usize];
    // SAFETY: `name` ends in NUL, and `target` is writable for its length.
    let len = retry(|| unsafe { libc::readlinkat(dir.raw(), name.as_ptr(), target.as_mut_ptr().cast(), target.len()) })
        .map_err(|source| dir.error("follow", name, &source))?;
    target.truncate(len as usize);
    Ok(Some(PathBuf::from(std::ffi::OsString::from_vec(target))))
}

fn is_directory(path: &Path) -> Error {
    Error::at(Kind::Exists, path, "is a directory")
}

fn error_of(action: &str, path: &Path, errno: i32) -> Error {
    Error::io(action, path, &io::Error::from_raw_os_error(errno))
}
