//! Bytes that are appended and read once at the end: in memory while they are few, then in a nameless file.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::sys::{self, Dir, TempFile};

/// Bytes kept in memory before they move to the file.
const MEMORY: usize = 1 << 20;

/// Keeps up to a mebibyte in memory if there is a directory to spill into, and everything if there is none.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// The bytes that are not in the file yet.
    memory: Vec<u8>,
    spilled: Option<File>,
    spilled_len: u64,
}

impl Spool {
    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.spilled_len + self.memory.len() as u64
    }

    /// Bytes that are in the file.
    #[cfg(test)]
    pub(super) fn spilled_len(&self) -> u64 {
        self.spilled_len
    }

    /// Appends `bytes`; `spill` is where the file would be.
    pub(super) fn append(&mut self, bytes: &[u8], spill: Option<&Dir>) -> Result<()> {
        if let Some(dir) = spill.filter(|_| self.memory.len() + bytes.len() > MEMORY) {
            self.flush(dir)?;
        }
        self.memory
            .try_reserve(bytes.len())
            .map_err(|_| Error::new(Kind::NoMemory, "no memory for another entry of the index"))?;
        self.memory.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self, dir: &Dir) -> Result<()> {
        let file = match self.spilled.take() {
            Some(file) => file,
            None => sys::anonymous(dir)?,
        };
        sys::write_all(&file, &self.memory)
            .map_err(|source| Error::io("write the index's entries below", dir.path(), &source))?;
        self.spilled = Some(file);
        self.spilled_len += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Writes all of it behind what `out` has.
    pub(super) fn write_to(&mut self, out: &mut TempFile<'_>) -> Result<()> {
        if let Some(file) = &mut self.spilled {
            out.write_file(file)?;
        }
        out.write(&self.memory)
    }

    /// Appends all of it to `out`, which has the room.
    pub(super) fn read_to(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(file) = &mut self.spilled {
            file.rewind()
                .and_then(|()| file.take(self.spilled_len).read_to_end(out))
                .map_err(|source| Error::io("read", Path::new("the index's spilled entries"), &source))?;
        }
        out.extend_from_slice(&self.memory);
        Ok(())
    }
}
