//! Indexes: which chunks, in which order, make up a file (docs/format.md, 6).
//!
//! An [`Index`] is read whole into memory, 40 or 32 bytes a chunk, and stays readable whatever happens to its file.
//! A [`DynamicWriter`] makes a dynamic one, a [`FixedWriter`] a fixed one; either gives a [`Body`], which is saved.

mod body;
mod check;
mod digests;
mod dynamic;
mod dynamic_writer;
mod fixed;
mod fixed_writer;
mod spool;
mod terms;
mod writer;

pub use crate::format::IndexKind;
pub use body::Body;
pub use digests::{IndexRead, for_all_digests};
pub use dynamic::DynamicIndex;
pub use dynamic_writer::DynamicWriter;
pub use fixed::FixedIndex;
pub use fixed_writer::FixedWriter;
pub use terms::{RequiredForm, Terms};
pub use writer::{IndexWriter, Summary};

use std::fs::File;
use std::path::Path;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::{INDEX_HEADER_SIZE, IndexHeader, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX};
use crate::limits::INDEX_MAX_FILE_SIZE;
use crate::sys::{self, FileId, Output};
use check::Check;

/// Entries that are looked at before there is memory for more: 320 KiB of a dynamic index.
const ENTRIES_AT_ONCE: usize = 8192;

/// One chunk of an index: bytes `start` to `end` (exclusive) of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
    /// The chunk's name.
    pub digest: Digest,
}

impl ChunkInfo {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

/// An index of either kind, checked.
#[derive(Debug)]
pub enum Index {
    /// Chunks of any size.
    Dynamic(DynamicIndex),
    /// Chunks of one size.
    Fixed(FixedIndex),
}

impl Index {
    /// Opens the index file at `path`; with `kind`, no other kind is accepted.
    ///
    /// No more is allocated for the entries than twice what has been found good of them.
    ///
    /// Errors: `NotFound`, `Io`, `NoMemory`; `Format` if it is no such index; `Limit` if it, or a chunk in it, is too
    /// long; `Corrupt` if it shrinks meanwhile.
    pub fn open(path: &Path, kind: Option<IndexKind>) -> Result<Self> {
        let (file, len) = sys::open_regular(path)?;
        Self::read(file, len, path, kind)
    }

    /// Reads the index in `file`, which is open at its start and `len` bytes long; `path` is for errors.
    ///
    /// Errors: as [`Index::open`].
    pub fn read(mut file: File, len: u64, path: &Path, kind: Option<IndexKind>) -> Result<Self> {
        let id = sys::file_id(&file, path)?;
        let describe = |error: Error| error.of(path);
        let mut header = [0; INDEX_HEADER_SIZE];
        let entries_len = entries_len(len).map_err(describe)?;
        sys::read_exact(&mut file, &mut header, path)?;
        let (found, header) = check_header(&header, entries_len, kind).map_err(describe)?;
        let (mut check, mut entries) = (Check::new(found), Vec::new());
        while entries.len() < entries_len {
            let seen = entries.len();
            let wanted = (entries_len - seen).min(seen.max(ENTRIES_AT_ONCE * check.entry_size()));
            sys::append_up_to(&file, wanted, &mut entries).map_err(describe)?;
            if entries.len() < seen + wanted {
                return Err(describe(has_shrunk()));
            }
            check.entries(&entries[seen..]).map_err(describe)?;
        }
        let mut index = Self::from_parts(found, header, entries);
        match &mut index {
            Index::Dynamic(index) => index.file = Some(id),
            Index::Fixed(index) => index.file = Some(id),
        }
        Ok(index)
    }

    /// The file that it was read from, if it was one.
    pub fn file(&self) -> Option<FileId> {
        match self {
            Index::Dynamic(index) => index.file,
            Index::Fixed(index) => index.file,
        }
    }

    /// The same, of which more is known.
    #[must_use]
    pub fn with_terms(mut self, terms: Terms) -> Self {
        match &mut self {
            Index::Dynamic(index) => index.terms = terms,
            Index::Fixed(index) => index.terms = terms,
        }
        self
    }

    /// The terms that are known from elsewhere.
    pub fn terms(&self) -> Terms {
        match self {
            Index::Dynamic(index) => index.terms,
            Index::Fixed(index) => index.terms,
        }
    }

    /// Reads an index from the bytes of its file.
    ///
    /// Errors: `Format`, `Limit`, `NoMemory`.
    pub fn from_bytes(bytes: &[u8], kind: Option<IndexKind>) -> Result<Self> {
        let entries_len = entries_len(bytes.len() as u64)?;
        let (header, body) = bytes.split_first_chunk().ok_or_else(|| too_short(bytes.len() as u64))?;
        let (found, header) = check_header(header, entries_len, kind)?;
        Check::new(found).entries(body)?;
        let mut entries = Vec::new();
        reserve(&mut entries, body.len())?;
        entries.extend_from_slice(body);
        Ok(Self::from_parts(found, header, entries))
    }

    /// An index whose entries have been checked.
    fn from_parts(kind: IndexKind, header: IndexHeader, entries: Vec<u8>) -> Self {
        match kind {
            IndexKind::Dynamic => Index::Dynamic(DynamicIndex::new(header, entries)),
            IndexKind::Fixed => Index::Fixed(FixedIndex::new(header, entries)),
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> IndexKind {
        match self {
            Index::Dynamic(_) => IndexKind::Dynamic,
            Index::Fixed(_) => IndexKind::Fixed,
        }
    }

    /// The fields of the header as they are stored.
    pub fn header(&self) -> &IndexHeader {
        match self {
            Index::Dynamic(index) => index.header(),
            Index::Fixed(index) => index.header(),
        }
    }

    /// How many chunks.
    pub fn count(&self) -> usize {
        match self {
            Index::Dynamic(index) => index.count(),
            Index::Fixed(index) => index.count(),
        }
    }

    /// Bytes of the file that the index describes.
    pub fn size(&self) -> u64 {
        match self {
            Index::Dynamic(index) => index.size(),
            Index::Fixed(index) => index.size(),
        }
    }

    /// Chunk `i`; `None` from [`Index::count`] on.
    pub fn chunk(&self, i: usize) -> Option<ChunkInfo> {
        match self {
            Index::Dynamic(index) => index.chunk(i),
            Index::Fixed(index) => index.chunk(i),
        }
    }

    /// Which chunk holds the byte at `offset`, and where in it; `None` from [`Index::size`] on.
    pub fn chunk_from_offset(&self, offset: u64) -> Option<(usize, u64)> {
        match self {
            Index::Dynamic(index) => index.chunk_from_offset(offset),
            Index::Fixed(index) => index.chunk_from_offset(offset),
        }
    }

    /// The csum that the entries should have. It is computed once for an index, by whichever thread asks first.
    pub fn compute_csum(&self) -> Digest {
        match self {
            Index::Dynamic(index) => index.compute_csum(),
            Index::Fixed(index) => index.compute_csum(),
        }
    }

    /// As [`Index::check_csum`], unless its terms vouch for its csum.
    pub fn check_intact(&self) -> Result<()> {
        if self.terms().vouched { Ok(()) } else { self.check_csum() }
    }

    /// Compares the stored csum with the computed one.
    ///
    /// Errors: `Corrupt`.
    pub fn check_csum(&self) -> Result<()> {
        let (stored, computed) = (Digest(self.header().csum), self.compute_csum());
        if stored != computed {
            return Err(Error::new(Kind::Corrupt, format!("the index's csum is {computed} and should be {stored}")));
        }
        Ok(())
    }
}

/// Checks that an index can be saved at `path`: what is there already, if anything, is an index or an empty file, and
/// does not belong to a snapshot that is finished.
///
/// Errors: `NotFound` if the directory is missing or it is a link to nothing; `Exists` if something else has the name;
/// `Argument` if it names no file; `Io`.
pub fn check_path(path: &Path) -> Result<()> {
    Output::at(path)?.check_index(is_magic)
}

/// Whether a file that begins so is an index.
fn is_magic(magic: &[u8; 8]) -> bool {
    matches!(*magic, MAGIC_DYNAMIC_INDEX | MAGIC_FIXED_INDEX)
}

/// Bytes of entries in a file of `len` bytes.
fn entries_len(len: u64) -> Result<usize> {
    if len > INDEX_MAX_FILE_SIZE {
        return Err(Error::new(Kind::Limit, format!("{len} bytes are more than an index may have")));
    }
    let entries = len.checked_sub(INDEX_HEADER_SIZE as u64).ok_or_else(|| too_short(len))?;
    usize::try_from(entries).map_err(|_| Error::new(Kind::Limit, format!("{len} bytes are too many for this machine")))
}

/// Reads the header of an index with so many bytes of entries, and checks all that can be without them.
fn check_header(
    header: &[u8; INDEX_HEADER_SIZE],
    entries_len: usize,
    kind: Option<IndexKind>,
) -> Result<(IndexKind, IndexHeader)> {
    let header = IndexHeader::from_bytes(header);
    let found = match header.magic {
        MAGIC_DYNAMIC_INDEX => IndexKind::Dynamic,
        MAGIC_FIXED_INDEX => IndexKind::Fixed,
        magic => {
            let magic = u64::from_be_bytes(magic);
            return Err(Error::new(Kind::Format, format!("{magic:016x} is no magic of an index")));
        }
    };
    if kind.is_some_and(|kind| kind != found) {
        return Err(Error::new(Kind::Format, format!("it is a {found:?} index").to_lowercase()));
    }
    match found {
        IndexKind::Dynamic => dynamic::check_len(entries_len)?,
        IndexKind::Fixed => fixed::check_header(&header, entries_len)?,
    }
    Ok((found, header))
}

fn has_shrunk() -> Error {
    Error::new(Kind::Corrupt, "it has shrunk while it was read")
}

fn too_short(len: u64) -> Error {
    Error::new(Kind::Format, format!("{len} bytes are too few for an index"))
}
