//! A backend in a directory of a file system: a key is a path below it.
//!
//! For tests, and for whoever has his objects on a share. What it promises rests on what every file system does: a
//! rename replaces a file at once, and of several links to one name one succeeds.
//!
//! - An object is written under a temporary name beside its own, one with a space in it, which no key has; so no
//!   listing shows it. What a kill leaves of that kind stays, and does no harm.
//! - Directories are made when an object needs them and go with the last one. One that goes while an object is written
//!   into it makes the temporary file fail, as long as there is none; then all begins anew. Once there is one, the
//!   directory is not empty, and does not go.
//! - A key and one below it cannot both be objects here: `a` is a file or a directory.
//! - Links, devices and the like are no objects.
//! - There is no [`Put::IfMatch`]: a file system compares nothing when it renames, and a lock would keep out only those
//!   who ask for it.

mod walk;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Again, Answer, Backend, Call, Entry, Failure, Key, Limits, Object, PAGE_MAX, Put, PutDone};
use crate::error::{Error, Kind, Result, push, reserve};
use crate::sys::{self, Dir, FileKind, Stat, TempFile, c_name};

/// What temporary names begin with.
const TEMPORARY: &CStr = c" put";

const FILE_MODE: u32 = 0o644;
const DIR_MODE: u32 = 0o755;

/// Bytes that are read or written between two questions whether the call is still wanted.
const PIECE: usize = 1 << 20;

/// How often a directory may vanish while an object is written into it: each time others have removed the last object
/// in between.
const ATTEMPTS: usize = 100;

/// Calls at once.
const CONNECTIONS: usize = 8;

/// What writes the bytes of an object; it may be asked again, for another file.
type Fill<'a> = &'a mut dyn FnMut(&mut TempFile<'_>) -> Answer<()>;

/// A backend in a directory.
#[derive(Debug)]
pub struct Directory {
    root: Dir,
    /// How many directories may be there whose names are not yet on the disk; those that never got there are counted
    /// for ever. As long as there are any, each write syncs all directories above its object.
    unsynced: AtomicUsize,
}

impl Directory {
    /// The backend whose objects are below the directory `path`, which there must be.
    ///
    /// Errors: `NotFound`, `Io`.
    pub fn open(path: &Path) -> Result<Directory> {
        Ok(Directory { root: Dir::open(path)?, unsynced: AtomicUsize::new(0) })
    }

    /// The directory that the object is in, if it is there, and the object's name in it.
    fn parent_of(&self, key: &Key) -> Result<Option<(Dir, CString)>> {
        let (parent, name) = split(key.as_str());
        let Some(dir) = self.root.open_below(parent)? else { return Ok(None) };
        Ok(Some((dir, c_name(name)?)))
    }

    /// The open file of an object, its facts and the path for messages.
    fn open_object(&self, key: &Key) -> Result<Option<(File, Stat)>> {
        let Some((dir, name)) = self.parent_of(key)? else { return Ok(None) };
        match dir.open_file(&name) {
            // A link, a directory, a device.
            Err(error) if error.kind() == Kind::Format => Ok(None),
            other => other,
        }
    }

    /// Makes the object of what `fill` writes.
    fn write(&self, key: &Key, is_new: bool, fill: Fill<'_>) -> Answer<PutDone> {
        for _ in 1..ATTEMPTS {
            match self.write_once(key, is_new, fill) {
                // The directory has gone since it was opened.
                Err(failure) if failure.error.kind() == Kind::NotFound => {}
                other => return other,
            }
        }
        self.write_once(key, is_new, fill)
    }

    fn write_once(&self, key: &Key, is_new: bool, fill: Fill<'_>) -> Answer<PutDone> {
        let (parent, name) = split(key.as_str());
        let done = self.make_parents(parent).and_then(|dir| write_into(&dir, &c_name(name)?, is_new, fill));
        match done {
            Ok(_) if self.unsynced.load(Ordering::SeqCst) > 0 => self.sync_above(parent)?,
            Ok(_) => {}
            // Directories may have been made for it.
            Err(_) => drop(self.remove_empty(parent)),
        }
        done
    }

    /// Opens the directory `path` after making what is missing of it.
    fn make_parents(&self, path: &str) -> Answer<Dir> {
        let mut dir = self.root.reopen().map_err(failure)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let name = c_name(name)?;
            if let Some(child) = dir.open_child(&name).map_err(failure)? {
                dir = child;
                continue;
            }
            // Counted before it is there, since others may use it at once.
            self.unsynced.fetch_add(1, Ordering::SeqCst);
            match dir.open_or_make_child(&name, DIR_MODE, None) {
                Ok((child, _)) => {
                    dir.sync().map_err(failure)?;
                    dir = child;
                    self.unsynced.fetch_sub(1, Ordering::SeqCst);
                }
                Err(error) => {
                    self.unsynced.fetch_sub(1, Ordering::SeqCst);
                    return Err(failure(match error.kind() {
                        Kind::Exists => below_an_object(error),
                        _ => error,
                    }));
                }
            }
        }
        Ok(dir)
    }

    /// Brings to the disk the names of the directory `path` and of those above it, as far as they are there.
    fn sync_above(&self, path: &str) -> Answer<()> {
        let mut dir = self.root.reopen().map_err(failure)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            dir.sync().map_err(failure)?;
            match dir.open_child(&c_name(name)?).map_err(failure)? {
                Some(child) => dir = child,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Removes the directory `path` and those above it that are empty. Gives the lowest that stays.
    fn remove_empty<'a>(&self, mut path: &'a str) -> &'a str {
        while !path.is_empty() {
            let (above, name) = split(path);
            let remove = || match (self.root.open_below(above)?, c_name(name)?) {
                (Some(dir), name) => dir.remove_empty_dir(&name),
                (None, _) => Ok(true),
            };
            // One that cannot be removed does no harm.
            if !matches!(remove(), Ok(true)) {
                break;
            }
            path = above;
        }
        path
    }

    /// Removes the emptied directory `path`, and brings to the disk what has gone.
    fn tidy(&self, path: &str) -> Result<()> {
        match self.root.open_below(self.remove_empty(path))? {
            Some(dir) => dir.sync(),
            // It has gone meanwhile, by somebody who does the same.
            None => Ok(()),
        }
    }

    /// Removes an object; what is none stays.
    fn remove(&self, key: &Key) -> Result<()> {
        let Some((dir, name)) = self.parent_of(key)? else { return Ok(()) };
        match dir.lstat(&name)? {
            Some(stat) if stat.kind == FileKind::File => dir.unlink(&name).map(drop),
            _ => Ok(()),
        }
    }
}

impl Backend for Directory {
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
        call.check()?;
        let Some((file, stat)) = self.open_object(key).map_err(failure)? else { return Ok(None) };
        let len = sys::check_size(stat.size, max_len)?;
        let begin = out.len();
        let result = read(&file, len, out, call);
        if let Err(failure) = result {
            out.truncate(begin);
            return Err(failure);
        }
        Ok(Some(object(&stat)))
    }

    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
        let is_new = match how {
            Put::Replace => false,
            Put::New => true,
            Put::IfMatch(_) => {
                let why = "a directory cannot replace an object on the condition that it is still the same";
                return Err(Error::new(Kind::Unsupported, why).into());
            }
        };
        call.check()?;
        if is_new && self.stat(key, call)?.is_some() {
            // So nothing is written that is not needed.
            return Ok(PutDone::Exists);
        }
        self.write(key, is_new, &mut |file| {
            for piece in data.chunks(PIECE) {
                call.check()?;
                file.write(piece).map_err(failure)?;
            }
            Ok(())
        })
    }

    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
        call.check()?;
        let stat = || match self.parent_of(key)? {
            Some((dir, name)) => dir.lstat(&name),
            None => Ok(None),
        };
        let stat = stat().map_err(failure)?;
        Ok(stat.filter(|stat| stat.kind == FileKind::File).map(|stat| object(&stat)))
    }

    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
        walk::list(&self.root, prefix, after, page, call)
    }

    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
        let mut failed = Vec::new();
        let mut parents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            call.check()?;
            match self.remove(key) {
                Ok(()) => push(parents.entry(split(key.as_str()).0).or_default(), place)?,
                Err(error) => push(&mut failed, (place, error))?,
            }
        }
        for (parent, places) in parents {
            if let Err(error) = self.tidy(parent) {
                for place in places {
                    push(&mut failed, (place, error.clone()))?;
                }
            }
        }
        Ok(failed)
    }

    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
        call.check()?;
        let Some((mut source, stat)) = self.open_object(from).map_err(failure)? else { return Ok(false) };
        self.write(to, false, &mut |file| {
            source.rewind().map_err(|error| Error::os("read", from.as_str(), &error))?;
            let (mut left, mut piece) = (stat.size, Vec::new());
            while left > 0 {
                call.check()?;
                let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                sys::read_up_to(&source, len, &mut piece).map_err(failure)?;
                if piece.len() != len {
                    return Err(shortened());
                }
                file.write(&piece).map_err(failure)?;
                left -= len as u64;
            }
            Ok(())
        })?;
        Ok(true)
    }

    fn limits(&self) -> Limits {
        Limits { connections: CONNECTIONS, max_delete: PAGE_MAX, any_thread: true, put_new: true, if_match: false }
    }

    fn location(&self) -> String {
        self.root.path().display().to_string()
    }
}

/// What something is in, empty for the top, and its name there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Reads `len` bytes behind what `out` has.
fn read(file: &File, len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<()> {
    reserve(out, len)?;
    let end = out.len() + len;
    while out.len() < end {
        call.check()?;
        let (begin, want) = (out.len(), (end - out.len()).min(PIECE));
        sys::append_up_to(file, want, out).map_err(failure)?;
        if out.len() - begin != want {
            return Err(shortened());
        }
    }
    Ok(())
}

/// Objects are replaced and never changed; this one was.
fn shortened() -> Failure {
    Error::new(Kind::Io, "the file has been shortened while it was read: it is not one that an object is put in").into()
}

fn object(stat: &Stat) -> Object {
    Object {
        size: stat.size,
        modified: stat.mtime,
        // Each write makes a new file, while the one before still has its number.
        etag: format!("{:x}-{:x}.{:09}-{:x}", stat.inode, stat.mtime, stat.mtime_nsec, stat.size),
        // The file system may be a server's, and shows its clock only to those who write.
        now: None,
    }
}

/// Makes the file `name` of what `fill` writes.
fn write_into(dir: &Dir, name: &CStr, is_new: bool, fill: Fill<'_>) -> Answer<PutDone> {
    let mut file = TempFile::create_as(dir, TEMPORARY, name, FILE_MODE).map_err(failure)?;
    fill(&mut file)?;
    let result = if is_new { file.commit_at_once(true) } else { file.commit(true) };
    let Err(error) = result else { return Ok(PutDone::Stored) };
    match dir.lstat(name).map_err(failure)? {
        Some(stat) if stat.kind != FileKind::File => {
            let why = "is no file, so there can be no object of this key";
            Err(Error::at(Kind::Unsupported, &dir.join(name), why).into())
        }
        _ if error.kind() == Kind::Exists => Ok(PutDone::Exists),
        _ => Err(failure(error)),
    }
}

fn below_an_object(error: Error) -> Error {
    error.with_kind(Kind::Unsupported).context("in a directory there is no object below another")
}

/// Most of what a file system says it says again.
fn failure(error: Error) -> Failure {
    let again = if error.errno().is_some_and(sys::is_passing) { Again::Yes } else { Again::No };
    Failure { error, again }
}
