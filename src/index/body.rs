//! A complete index on its way into a file.

use std::ffi::CStr;
use std::path::Path;

use super::is_magic;
use super::spool::Spool;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::{INDEX_HEADER_SIZE, IndexHeader, MAGIC_DYNAMIC_INDEX};
use crate::sys::{Dir, Output, Owner, TempFile};

/// Mode of an index file.
const MODE: u32 = 0o644;

/// Mode of an index file until it is whole.
const TEMP_MODE: u32 = 0o600;

/// The content of the file of a complete index. Its writer gives it again, the same each time.
pub struct Body<'a> {
    pub(super) header: IndexHeader,
    pub(super) entries: Entries<'a>,
}

/// The entries of a writer.
pub(super) enum Entries<'a> {
    Spooled(&'a mut Spool),
    InMemory(&'a [u8]),
}

impl Body<'_> {
    /// All its bytes.
    ///
    /// Errors: `Limit` above `max_len`; `NoMemory`, `Io`.
    pub fn to_bytes(self, max_len: usize) -> Result<Vec<u8>> {
        let entries_len = match &self.entries {
            Entries::Spooled(spool) => spool.len(),
            Entries::InMemory(entries) => entries.len() as u64,
        };
        let len = entries_len + INDEX_HEADER_SIZE as u64;
        let too_long = || Error::new(Kind::Limit, format!("the index has {len} bytes, more than {max_len}"));
        let len = usize::try_from(len).ok().filter(|&len| len <= max_len).ok_or_else(too_long)?;
        let mut bytes = Vec::new();
        reserve(&mut bytes, len)?;
        bytes.extend_from_slice(&self.header.to_bytes());
        match self.entries {
            Entries::Spooled(spool) => spool.read_to(&mut bytes)?,
            Entries::InMemory(entries) => bytes.extend_from_slice(entries),
        }
        Ok(bytes)
    }

    /// Writes the file `output`, whole or not at all, in the place of an index or of nothing. One that is new gets this
    /// owner. With `sync` it is on the disk when this returns.
    ///
    /// Errors: `Argument` for the name of an index of the other kind; those of [`check_path`](super::check_path); `Io`.
    pub fn save(self, output: &Output, sync: bool, owner: Option<Owner>) -> Result<()> {
        let mut file = output.replace_index(is_magic, TEMP_MODE)?;
        check_name(&output.path(), &self.header)?;
        self.write(&mut file)?;
        if !output.keep_permissions(&file, 0o777)? {
            file.set_owner_and_mode(owner, MODE)?;
        }
        file.commit_or_undo(sync)
    }

    /// Writes the file `name` in `dir`, whole or not at all, in the place of whatever is there.
    ///
    /// Errors: `Io`.
    pub fn save_in(self, dir: &Dir, name: &CStr, sync: bool, owner: Option<Owner>) -> Result<()> {
        let mut file = TempFile::create(dir, name, TEMP_MODE)?;
        self.write(&mut file)?;
        file.set_owner_and_mode(owner, MODE)?;
        file.commit(sync)
    }

    fn write(self, file: &mut TempFile<'_>) -> Result<()> {
        file.write(&self.header.to_bytes())?;
        match self.entries {
            Entries::Spooled(spool) => spool.write_to(file),
            Entries::InMemory(entries) => file.write(entries),
        }
    }
}

/// Checks that `path` is not the name of an index of the other kind: garbage collection goes by the name, and stops at
/// such a file (docs/format.md, 11.2).
fn check_name(path: &Path, header: &IndexHeader) -> Result<()> {
    let is_dynamic = header.magic == MAGIC_DYNAMIC_INDEX;
    let (kind, other) = if is_dynamic { ("dynamic", "fidx") } else { ("fixed", "didx") };
    if path.extension().is_none_or(|extension| extension != other) {
        return Ok(());
    }
    Err(Error::new(Kind::Argument, format!("a {kind} index has no name in .{other}")).of(path))
}
