//! Indexes.

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::path::Path;
use std::sync::Arc;

use super::args::{self, Out, OutStruct, OutStructs, size_first};
use super::buffer::pxds_buffer;
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::{Exclusive, Shared};
use super::status::{PXDS_NONE, pxds_status};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::MAGIC_FIXED_INDEX;
use crate::index::{ChunkInfo, DynamicWriter, FixedWriter, Index, IndexKind, IndexWriter, Summary, check_path};
use crate::ingest::StoredIndex;
use crate::sys::Output;

/// Kind of an index that is to be opened: either.
pub const PXDS_INDEX_ANY: u32 = 0;
/// Kind of an index: chunks of any size, a `.didx` file.
pub const PXDS_INDEX_DYNAMIC: u32 = 1;
/// Kind of an index: chunks of one size, a `.fidx` file.
pub const PXDS_INDEX_FIXED: u32 = 2;

/// Header bytes of an index file.
pub const PXDS_INDEX_HEADER_SIZE: usize = 4096;
/// Bytes of an entry of a dynamic index.
pub const PXDS_INDEX_DYNAMIC_ENTRY_SIZE: usize = 40;
/// Bytes of an entry of a fixed index.
pub const PXDS_INDEX_FIXED_ENTRY_SIZE: usize = 32;

/// The header of an index, and its size.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_index_info {
    /// Bytes of this structure; set by PXDS_INDEX_INFO_INIT.
    pub struct_size: usize,
    /// PXDS_INDEX_DYNAMIC or PXDS_INDEX_FIXED.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes of the file that it describes.
    pub size: u64,
    /// How many chunks.
    pub chunk_count: u64,
    /// Fixed: bytes of every chunk but the last. Dynamic: 0.
    pub chunk_size: u64,
    /// When it was made, in seconds since 1970.
    pub ctime: i64,
    /// For display.
    pub uuid: [u8; 16],
    /// The csum in its header; of a writer, the csum of its entries so far.
    pub csum: [u8; 32],
}

size_first!(pxds_index_info);

/// A chunk of an index: bytes `start` to `end` (exclusive) of the file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_index_chunk_info {
    /// Bytes of this structure; set by PXDS_INDEX_CHUNK_INFO_INIT.
    pub struct_size: usize,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
    /// The chunk's name.
    pub digest: [u8; 32],
}

size_first!(pxds_index_chunk_info);

/// An index, read whole into memory and checked. Shared.
pub struct pxds_index(Shared<Arc<Index>>);

impl pxds_index {
    /// A handle of `index`.
    pub(super) fn new(index: Index) -> Self {
        pxds_index(Shared::new(Arc::new(index)))
    }

    /// The index of the core.
    pub(super) fn core(&self) -> &Index {
        &self.0
    }

    /// The index of the core, to be kept.
    pub(super) fn share(&self) -> Arc<Index> {
        Arc::clone(&self.0)
    }
}

/// pxds_index_writer_new_fixed() flag: accept chunks without a digest; they stay zeros, which name no chunk.
pub const PXDS_WRITER_ALLOW_INCOMPLETE: u32 = 1;

/// An index in the making. Exclusive.
///
/// One that comes out of an ingest or image holds the store's process lock until it is saved or freed.
pub struct pxds_index_writer(Exclusive<Writer>);

enum Writer {
    Own(IndexWriter),
    Stored(StoredIndex),
}

impl Writer {
    fn add(&mut self, end: u64, digest: &Digest) -> Result<()> {
        match self {
            Writer::Own(writer) => writer.add(end, digest),
            Writer::Stored(index) => index.add(end, digest),
        }
    }

    fn fixed(&mut self) -> Result<&mut FixedWriter> {
        let why = match self {
            Writer::Own(IndexWriter::Fixed(writer)) => return Ok(writer),
            Writer::Stored(index) if index.kind() == IndexKind::Fixed => "the index of an image has all its chunks",
            Writer::Own(IndexWriter::Dynamic(_)) | Writer::Stored(_) => "the writer makes a dynamic index",
        };
        Err(Error::new(Kind::Argument, why))
    }

    fn summary(&self) -> Summary {
        match self {
            Writer::Own(writer) => writer.summary(),
            Writer::Stored(index) => index.summary(),
        }
    }

    fn finish(&mut self, max_len: usize) -> Result<Vec<u8>> {
        match self {
            Writer::Own(writer) => writer.complete()?.to_bytes(max_len),
            Writer::Stored(index) => index.finish(max_len),
        }
    }

    fn save(&mut self, path: &Path) -> Result<()> {
        match self {
            Writer::Own(writer) => {
                let output = Output::at(path)?;
                writer.complete()?.save(&output, true, None)
            }
            Writer::Stored(index) => index.save(path),
        }
    }
}

impl pxds_index_writer {
    fn own(writer: IndexWriter) -> Self {
        pxds_index_writer(Exclusive::new(Writer::Own(writer)))
    }

    /// The writer of what has been ingested.
    pub(super) fn stored(index: StoredIndex) -> Self {
        pxds_index_writer(Exclusive::new(Writer::Stored(index)))
    }

    /// Does `work` with what has been ingested.
    ///
    /// Errors: `Argument` for a writer of the caller's own.
    pub(super) fn with_stored<T>(&self, work: impl FnOnce(&mut StoredIndex) -> Result<T>) -> Result<T> {
        match &mut *self.0.enter()? {
            Writer::Stored(index) => work(index),
            Writer::Own(_) => Err(Error::new(Kind::Argument, "the index did not come out of an ingest or image")),
        }
    }
}

fn kind_filter(kind: u32) -> Result<Option<IndexKind>> {
    let (dynamic, fixed) = (Some(IndexKind::Dynamic), Some(IndexKind::Fixed));
    args::choice(kind, "kind", &[(PXDS_INDEX_ANY, None), (PXDS_INDEX_DYNAMIC, dynamic), (PXDS_INDEX_FIXED, fixed)])
}

/// Opens the index file at `path`. `kind`: PXDS_INDEX_ANY, or the kind that it must be.
///
/// The file is read at once: 40 or 32 bytes of memory a chunk. See docs/format.md, 6.4, for what is checked; the stored
/// csum is not, see pxds_index_check_csum().
///
/// Owns: the caller owns `*out` and frees it with pxds_index_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM,
/// PXDS_ERR_CORRUPT (it shrinks meanwhile).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_open(
    path: *const c_char,
    kind: u32,
    out: *mut *mut pxds_index,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path) = unsafe { (Out::handle(out, "out")?, args::path(path, "path")?) };
        Ok(out.hand_out(pxds_index::new(Index::open(path, kind_filter(kind)?)?)))
    })
}

/// As pxds_index_open(), from the bytes of an index file, which are copied.
///
/// Owns: the caller owns `*out` and frees it with pxds_index_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT, PXDS_ERR_NOMEM.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_parse(
    data: *const c_void,
    data_len: usize,
    kind: u32,
    out: *mut *mut pxds_index,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, data) = unsafe { (Out::handle(out, "out")?, args::bytes(data, data_len, "data")?) };
        Ok(out.hand_out(pxds_index::new(Index::from_bytes(data, kind_filter(kind)?)?)))
    })
}

/// Writes the header and the size of an index to `*info`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_get_info(
    index: *const pxds_index,
    info: *mut pxds_index_info,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (info, index) = unsafe { (OutStruct::new(info, "info")?, args::handle(index, "index")?) };
        let (index, header) = (index.core(), index.core().header());
        Ok(info.set(pxds_index_info {
            struct_size: size_of::<pxds_index_info>(),
            kind: match index.kind() {
                IndexKind::Dynamic => PXDS_INDEX_DYNAMIC,
                IndexKind::Fixed => PXDS_INDEX_FIXED,
            },
            reserved: 0,
            size: index.size(),
            chunk_count: index.count() as u64,
            chunk_size: if index.kind() == IndexKind::Fixed { header.chunk_size } else { 0 },
            ctime: header.ctime,
            uuid: header.uuid,
            csum: header.csum,
        }))
    })
}

/// Writes chunk `number`, from 0, to `*chunk`. Returns PXDS_NONE if the index has no such chunk.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_get_chunk(
    index: *const pxds_index,
    number: u64,
    chunk: *mut pxds_index_chunk_info,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, index) = unsafe { (OutStruct::new(chunk, "chunk")?, args::handle(index, "index")?) };
        let chunk = usize::try_from(number).ok().and_then(|i| index.core().chunk(i));
        let Some(chunk) = chunk else { return Ok(PXDS_NONE) };
        Ok(out.set(chunk_info(&chunk)))
    })
}

fn chunk_info(chunk: &ChunkInfo) -> pxds_index_chunk_info {
    let &ChunkInfo { start, end, digest } = chunk;
    pxds_index_chunk_info { struct_size: size_of::<pxds_index_chunk_info>(), start, end, digest: digest.0 }
}

/// Writes the chunks from number `first` on to the array `chunks`, as many as there are and it has room for, and how
/// many to `*count`. Returns PXDS_NONE if the index has no chunk `first`.
///
/// `chunks[0].struct_size` is set, to that of PXDS_INDEX_CHUNK_INFO_INIT, and holds for all `capacity` elements. Those
/// behind `*count` are zeros but for their size.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_get_chunks(
    index: *const pxds_index,
    first: u64,
    chunks: *mut pxds_index_chunk_info,
    capacity: usize,
    count: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs: each is reset even if the other is wrong.
        let (out_count, out) = unsafe { (Out::new(count, "count"), OutStructs::new(chunks, capacity, "chunks")) };
        let (out_count, out) = (out_count?, out?);
        // SAFETY: the header's rules for handles.
        let index = unsafe { args::handle(index, "index")? }.core();
        let Some(first) = usize::try_from(first).ok().filter(|&first| first < index.count()) else {
            return Ok(PXDS_NONE);
        };
        let count = out.count().min(index.count() - first);
        for i in 0..count {
            let chunk = index.chunk(first + i);
            out.set(i, chunk_info(&chunk.ok_or_else(|| Error::new(Kind::Internal, "an index has lost a chunk"))?));
        }
        Ok(out_count.set(count))
    })
}

/// Finds the chunk that holds the byte at `offset`: writes its number to `*number`, and to `*offset_in_chunk`, which
/// may be NULL, where in the chunk the byte is. Returns PXDS_NONE at and behind the end.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_find_chunk(
    index: *const pxds_index,
    offset: u64,
    number: *mut u64,
    offset_in_chunk: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out_in_chunk, out, index) =
            unsafe { (Out::opt(offset_in_chunk), Out::new(number, "number")?, args::handle(index, "index")?) };
        let Some((i, in_chunk)) = index.core().chunk_from_offset(offset) else { return Ok(PXDS_NONE) };
        if let Some(out_in_chunk) = out_in_chunk {
            out_in_chunk.set(in_chunk);
        }
        Ok(out.set(i as u64))
    })
}

/// Computes the csum of the entries, which a manifest lists, into the 32 bytes at `csum`.
///
/// `size`, which may be NULL, gets the bytes of the file that the index describes.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_compute_csum(
    index: *const pxds_index,
    csum: *mut u8,
    size: *mut u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out_size, out, index) =
            unsafe { (Out::opt(size), Out::array(csum, "csum")?, args::handle(index, "index")?) };
        if let Some(out_size) = out_size {
            out_size.set(index.core().size());
        }
        Ok(out.set(index.core().compute_csum().0))
    })
}

/// Compares the csum in the header with the computed one.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_CORRUPT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_check_csum(index: *const pxds_index, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        unsafe { args::handle(index, "index")? }.core().check_csum()
    })
}

/// Frees an index. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_free(index: *mut pxds_index) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(index) })
}

/// Makes an empty dynamic index in memory, 40 bytes a chunk.
///
/// `ctime`, in seconds since 1970, is stored as it is. `uuid` points to 16 bytes, or is NULL for random ones.
///
/// Owns: the caller owns `*out` and frees it with pxds_index_writer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO (no random bytes).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_new_dynamic(
    ctime: i64,
    uuid: *const u8,
    out: *mut *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, uuid) = unsafe { (Out::handle(out, "out")?, args::opt_value(uuid.cast::<[u8; 16]>())) };
        let writer = DynamicWriter::new(ctime, uuid)?;
        Ok(out.hand_out(pxds_index_writer::own(IndexWriter::Dynamic(writer))))
    })
}

/// Makes a fixed index of an image of `size` bytes in chunks of `chunk_size`, a power of two up to
/// PXDS_BLOB_MAX_SIZE.
///
/// It takes 33 bytes of memory a chunk. Its digests come with pxds_index_writer_add() and
/// pxds_index_writer_set(), in any order. `flags`: 0 or PXDS_WRITER_ALLOW_INCOMPLETE, with which up to 2^18
/// chunks may be without one: finishing with more is PXDS_ERR_LIMIT. Proxmox Backup Server reads no other `chunk_size`
/// than 4 MiB in versions after 4.2.3. For `ctime` and `uuid` see pxds_index_writer_new_dynamic().
///
/// Owns: the caller owns `*out` and frees it with pxds_index_writer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT (too many chunks), PXDS_ERR_NOMEM.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_new_fixed(
    ctime: i64,
    uuid: *const u8,
    size: u64,
    chunk_size: u64,
    flags: u32,
    out: *mut *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, uuid) = unsafe { (Out::handle(out, "out")?, args::opt_value(uuid.cast::<[u8; 16]>())) };
        args::flags(flags, PXDS_WRITER_ALLOW_INCOMPLETE, "flags")?;
        let mut writer = FixedWriter::new(ctime, uuid, size, chunk_size)?;
        if flags & PXDS_WRITER_ALLOW_INCOMPLETE != 0 {
            writer = writer.allow_incomplete();
        }
        Ok(out.hand_out(pxds_index_writer::own(IndexWriter::Fixed(writer))))
    })
}

/// Adds the chunk `digest`, which ends at `end`.
///
/// To a dynamic index it is appended: it begins at the end of the one before, or 0. A refused chunk spoils the index:
/// what follows, and finishing, is PXDS_ERR_STATE. To an index that came out of an ingest add only chunks that are in
/// the store and have been touched since the ingest began.
///
/// To a fixed index chunks come in any order, each at its place: `end` is a multiple of the chunk size, or the image's.
///
/// Errors: PXDS_ERR_ARGUMENT (also if no chunk of a fixed index ends at `end`, for an index that came out of a
/// pxds_image, and if `end` is, for a dynamic one, not behind the end before, more than PXDS_BLOB_MAX_SIZE behind it,
/// or above 2^63 - 1), PXDS_ERR_STATE (finished, or spoiled), PXDS_ERR_IO, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_add(
    writer: *mut pxds_index_writer,
    end: u64,
    digest: *const u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (writer, digest) = unsafe { (args::handle(writer, "writer")?, args::digest(digest, "digest")?) };
        writer.0.enter()?.add(end, &digest)
    })
}

/// Sets the digest of chunk `number`, from 0, of a fixed index. The last one set for a chunk counts.
///
/// Errors: PXDS_ERR_ARGUMENT (also for a chunk that the index does not have, for a dynamic index, and for one that
/// came out of a pxds_image, which has all its chunks), PXDS_ERR_STATE (finished).
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_set(
    writer: *mut pxds_index_writer,
    number: u64,
    digest: *const u8,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (writer, digest) = unsafe { (args::handle(writer, "writer")?, args::digest(digest, "digest")?) };
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        writer.0.enter()?.fixed()?.set(number, &digest)
    })
}

/// Takes the digests of `earlier`, a fixed index of the same chunk size, for the chunks that both have.
///
/// Chunks that have changed since are set after that. If the image has another size now, a short last chunk is not
/// shared.
///
/// Errors: as pxds_index_writer_set(); PXDS_ERR_ARGUMENT also for another chunk size.
/// Threads: exclusive for the writer, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_clone_index(
    writer: *mut pxds_index_writer,
    earlier: *const pxds_index,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let (writer, earlier) = unsafe { (args::handle(writer, "writer")?, args::handle(earlier, "earlier")?) };
        match earlier.core() {
            Index::Fixed(earlier) => writer.0.enter()?.fixed()?.clone_index(earlier),
            Index::Dynamic(_) => Err(Error::new(Kind::Argument, "the earlier index is a dynamic one")),
        }
    })
}

/// Writes what the index has so far to `*info`, its csum included.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_get_info(
    writer: *mut pxds_index_writer,
    info: *mut pxds_index_info,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (info, writer) = unsafe { (OutStruct::new(info, "info")?, args::handle(writer, "writer")?) };
        let Summary { header, count, size } = writer.0.enter()?.summary();
        Ok(info.set(pxds_index_info {
            struct_size: size_of::<pxds_index_info>(),
            kind: if header.magic == MAGIC_FIXED_INDEX { PXDS_INDEX_FIXED } else { PXDS_INDEX_DYNAMIC },
            reserved: 0,
            size,
            chunk_count: count,
            chunk_size: header.chunk_size,
            ctime: header.ctime,
            uuid: header.uuid,
            csum: header.csum,
        }))
    })
}

/// Completes the index and gives the bytes of its file, at most `max_len` of them; the same at every call.
///
/// For a writer that came out of an ingest or image the chunks are on the disk first, by the store's sync level, and
/// the hold on the store stays until the writer is freed: store the bytes before that.
///
/// Owns: the caller owns `*out` and frees it with pxds_buffer_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_LIMIT, PXDS_ERR_STATE (spoiled, or incomplete), PXDS_ERR_IO, PXDS_ERR_NOMEM.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_finish(
    writer: *mut pxds_index_writer,
    max_len: usize,
    out: *mut *mut pxds_buffer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, writer) = unsafe { (Out::handle(out, "out")?, args::handle(writer, "writer")?) };
        Ok(out.hand_out(pxds_buffer::new(writer.0.enter()?.finish(max_len)?)))
    })
}

/// Checks that an index can be saved at `path`: nothing is there, or an index, or an empty file, but nothing that
/// belongs to a snapshot. For callers that want to know before the work.
///
/// Errors: PXDS_ERR_ARGUMENT (no name of a file), PXDS_ERR_NOT_FOUND (no such directory, or a link to nothing),
/// PXDS_ERR_EXISTS (something else has the name), PXDS_ERR_IO.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_check_path(path: *const c_char, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        check_path(unsafe { args::path(path, "path")? })
    })
}

/// Completes the index and writes it to `path`, whole or not at all, where pxds_index_check_path() finds that it can
/// be.
///
/// A symbolic link is followed; a file that is replaced keeps its owner and permissions. When this returns the file is
/// on the disk. A writer that came out of an ingest or image follows the store's sync level in this, brings the chunks
/// to the disk before the file gets its name, and lets go of the store when it succeeds; an empty index below the
/// store's directory brings a notice first. A writer of your own knows no store: call pxds_store_sync() first.
///
/// Errors: PXDS_ERR_ARGUMENT (also for NAME.fidx of a dynamic index or NAME.didx of a fixed one, at which garbage
/// collection would stop, and if a file that was read for the index is there), PXDS_ERR_NOT_FOUND (no such directory),
/// PXDS_ERR_EXISTS (the file there is no index, or belongs to a snapshot), PXDS_ERR_IO, PXDS_ERR_STATE (spoiled or
/// incomplete; saved before and no longer holding the store; or a sync of the store has failed before).
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_save(
    writer: *mut pxds_index_writer,
    path: *const c_char,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (writer, path) = unsafe { (args::handle(writer, "writer")?, args::path(path, "path")?) };
        writer.0.enter()?.save(path)
    })
}

/// Frees a writer. NULL is fine. An index that was not saved leaves no trace.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_index_writer_free(writer: *mut pxds_index_writer) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(writer, |writer| writer.0.is_busy()) })
}
