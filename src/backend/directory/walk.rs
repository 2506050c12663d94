//! Listing the objects of a directory: in the order of their parts, from the middle on, with no more memory than a page
//! takes for each directory in between.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ffi::CString;

use super::failure;
use crate::backend::{Answer, Call, Entry, KEY_MAX, PAGE_MAX, PREFIX_MAX, by_parts};
use crate::error::{Result, copy_text, push};
use crate::sys::{Dir, FileKind};

/// Names of one directory that are remembered at once: those of one page.
const BATCH: usize = PAGE_MAX;

/// Names that are read between two questions whether the call is still wanted.
const STRIDE: usize = 1000;

/// An entry of a directory. A directory and what is in it stand where the name does: `a/b` comes before `a.b`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    name: CString,
    is_dir: bool,
}

/// A directory on the way.
struct Level {
    /// Its path with a slash behind it; empty for the top.
    path: String,
    /// Open while its entries are looked at, and not while those below it are: they may be deep.
    dir: Option<Dir>,
    /// Entries that come next, the first one last.
    items: Vec<Item>,
    /// The last name of the batch, if there are others behind it.
    cut: Option<CString>,
}

struct Walk<'a> {
    root: &'a Dir,
    prefix: &'a str,
    after: &'a str,
    call: &'a Call<'a>,
}

/// Puts the next objects into `page`; see `Backend::list`.
pub(super) fn list(root: &Dir, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
    let walk = Walk { root, prefix, after, call };
    let begin = page.len();
    let result = walk.run(begin, page);
    if result.is_err() {
        page.truncate(begin);
    }
    result
}

impl Walk<'_> {
    fn run(&self, begin: usize, page: &mut Vec<Entry>) -> Answer<bool> {
        // What is above it has nothing else that matters.
        let top = self.prefix.rfind('/').map_or("", |slash| &self.prefix[..=slash]);
        let mut levels = Vec::new();
        push_level(&mut levels, self.enter(top.to_owned())?)?;
        while let Some(level) = levels.last_mut() {
            let Some(item) = level.items.pop() else {
                match level.cut.take() {
                    Some(last) => self.read(level, Some(last))?,
                    None => drop(levels.pop()),
                }
                continue;
            };
            let key = format!("{}{}", level.path, text(&item.name).unwrap_or_default());
            if item.is_dir {
                level.dir = None;
                push_level(&mut levels, self.enter(key + "/")?)?;
                continue;
            }
            let Some(dir) = self.dir_of(level)? else { continue };
            // Gone meanwhile, or replaced by what is no file.
            let stat = dir.lstat(&item.name).map_err(failure)?;
            let Some(stat) = stat.filter(|stat| stat.kind == FileKind::File) else { continue };
            push(page, Entry { key, object: super::object(&stat) })?;
            if page.len() - begin == PAGE_MAX {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The directory `path` with its first entries; `None` if it is gone, or no key is so long.
    fn enter(&self, path: String) -> Answer<Option<Level>> {
        if path.len() >= KEY_MAX - PREFIX_MAX {
            return Ok(None);
        }
        let mut level = Level { path, dir: None, items: Vec::new(), cut: None };
        self.read(&mut level, None)?;
        Ok(Some(level))
    }

    /// The open directory; `None` if it is gone.
    fn dir_of<'a>(&self, level: &'a mut Level) -> Answer<Option<&'a Dir>> {
        if level.dir.is_none() {
            level.dir = self.root.open_below(&level.path).map_err(failure)?;
        }
        Ok(level.dir.as_ref())
    }

    /// Reads the next entries of a directory, those behind `last`.
    fn read(&self, level: &mut Level, last: Option<CString>) -> Answer<()> {
        let path = copy_text(&level.path)?;
        let Some(dir) = self.dir_of(level)? else { return Ok(()) };
        let mut first: BinaryHeap<Item> = BinaryHeap::new();
        let mut is_cut = false;
        for (number, entry) in dir.entries().map_err(failure)?.enumerate() {
            if number % STRIDE == 0 {
                self.call.check()?;
            }
            let entry = entry.map_err(failure)?;
            let Some(name) = text(&entry.name) else { continue };
            if last.as_ref().is_some_and(|last| entry.name <= *last) {
                continue;
            }
            let key = format!("{path}{name}");
            let (as_file, as_dir) = (self.wants(&key), self.enters(&format!("{key}/")));
            if !as_file && !as_dir {
                continue;
            }
            let is_dir = match dir.kind_of(&entry).map_err(failure)? {
                Some(FileKind::File) if as_file => false,
                Some(FileKind::Dir) if as_dir => true,
                _ => continue,
            };
            first.push(Item { name: entry.name, is_dir });
            if first.len() > BATCH {
                first.pop();
                is_cut = true;
            }
        }
        level.cut = first.peek().filter(|_| is_cut).map(|item| item.name.clone());
        level.items = first.into_sorted_vec();
        level.items.reverse();
        Ok(())
    }

    fn wants(&self, key: &str) -> bool {
        key.starts_with(self.prefix) && by_parts(key, self.after) == Ordering::Greater
    }

    /// Whether there can be keys that it wants below `path`, which ends with a slash.
    fn enters(&self, path: &str) -> bool {
        let has_prefix = path.starts_with(self.prefix) || self.prefix.starts_with(path);
        has_prefix && (by_parts(path, self.after) == Ordering::Greater || self.after.starts_with(path))
    }
}

fn push_level(levels: &mut Vec<Level>, level: Option<Level>) -> Result<()> {
    level.map_or(Ok(()), |level| push(levels, level))
}

/// A name as a part of a key; `None` if no key has it.
fn text(name: &CString) -> Option<&str> {
    name.to_str().ok().filter(|name| name.bytes().all(|byte| (0x21..0x7f).contains(&byte)))
}
