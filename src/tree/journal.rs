//! Indexes that a Proxmox Backup Server that shares the store has moved meanwhile (docs/format.md, 11.7).

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::Tree;
use crate::base::NoticeLevel;
use crate::error::{Kind, Result};
use crate::name::index_kind;
use crate::sys::{self, Attempt, Dir, Flock, LockMode, busy, c_name};
use crate::tree::TreeLocks;

const JOURNAL_NAME: &CStr = c"move-journal";

/// Bytes of the journal: hundreds of thousands of moves.
const JOURNAL_MAX_SIZE: usize = 64 << 20;

/// How long the journal's lock is waited for.
const WAIT_MS: u64 = 5000;

/// Takes the path of an index, below the store's directory.
type Take<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl Tree {
    /// Gives `take` the paths of the indexes that the journal names, which may be gone by now, while it is locked; with
    /// `empty` it is emptied then. One that leads elsewhere brings a notice.
    ///
    /// Errors: `Busy` if it stays locked elsewhere; `Limit`, `Io`; those of `take` and of the notice.
    pub fn moved_indexes(&self, empty: bool, take: &mut Take<'_>) -> Result<()> {
        let TreeLocks::Files { dir, store } = self.locks() else { return Ok(()) };
        read(self, dir, store, empty, take)
    }
}

fn read(tree: &Tree, dir: &Path, name: &str, empty: bool, take: &mut Take<'_>) -> Result<()> {
    let dir = match Dir::open(dir).and_then(|dir| dir.open_dir(&c_name(name)?)) {
        Ok(Some(dir)) => dir,
        Ok(None) => return Ok(()),
        Err(error) if error.kind() == Kind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(_lock) = lock(tree, &dir)? else { return Ok(()) };
    let Some((file, stat)) = dir.open_file(JOURNAL_NAME)? else { return Ok(()) };
    let text = sys::read_bounded(&file, stat.size, JOURNAL_MAX_SIZE);
    let text = text.map_err(|error| error.of(&dir.join(JOURNAL_NAME)))?;
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let path = Path::new(OsStr::from_bytes(line));
        match below(tree, path)? {
            JournalPath::Below(path) => take(path.as_os_str().as_bytes())?,
            JournalPath::Gone => {}
            JournalPath::Foreign => {
                let journal = dir.join(JOURNAL_NAME);
                let message = format!("{} names {:?}, which is no index of this store", journal.display(), path);
                tree.base().notice(NoticeLevel::Warning, &message, Some(&journal))?;
            }
        }
    }
    if empty && stat.size > 0 { dir.truncate(JOURNAL_NAME) } else { Ok(()) }
}

fn lock(tree: &Tree, dir: &Dir) -> Result<Option<Flock>> {
    tree.base().wait_for_brief_lock(WAIT_MS, || match Flock::on_file(dir, JOURNAL_NAME, LockMode::Exclusive)? {
        Attempt::Taken(flock) => Ok(Some(flock)),
        Attempt::Missing => Ok(None),
        Attempt::Held | Attempt::Replaced => Err(busy(&dir.join(JOURNAL_NAME))),
    })
}

/// Where a line of the journal leads.
enum JournalPath {
    /// There, below the store's directory.
    Below(PathBuf),
    Gone,
    Foreign,
}

/// The server may know the store's directory by another path, so that links have to be resolved.
///
/// Errors: `Io` where that cannot be seen.
fn below(tree: &Tree, path: &Path) -> Result<JournalPath> {
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let named = path.file_name().filter(|name| index_kind(name.as_bytes()).is_some());
    let (Some(name), Some(parent)) = (named, path.parent()) else { return Ok(JournalPath::Foreign) };
    if let Ok(rest) = path.strip_prefix(tree.base().path())
        && is_plain(rest)
    {
        return Ok(JournalPath::Below(rest.to_path_buf()));
    }
    let dir = match sys::resolved(parent) {
        Err(error) if error.kind() == Kind::NotFound => return Ok(JournalPath::Gone),
        other => other?,
    };
    Ok(match dir.strip_prefix(sys::resolved(tree.base().path())?) {
        Ok(rest) => JournalPath::Below(rest.join(name)),
        Err(_) => JournalPath::Foreign,
    })
}
