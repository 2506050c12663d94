//! Images.

use std::ffi::c_void;

use super::args::{self, Out, OutStruct, size_first};
use super::callback::{self, progress, pxds_progress_fn, pxds_read_fn};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::index::{pxds_index, pxds_index_writer};
use super::ingest::{c_stats, on_chunk, pxds_ingest_chunk_fn, pxds_ingest_stats};
use super::key::{opt_key, pxds_key};
use super::status::pxds_status;
use super::store::pxds_store;
use crate::error::{Error, Kind, Result};
use crate::ingest::{Changes, Image, ImageOptions};
use crate::sys::CallerFd;

/// pxds_image_new() size: not known; the image ends where its data does.
pub const PXDS_SIZE_UNKNOWN: u64 = u64::MAX;

/// pxds_image_options.flags: store chunks uncompressed.
pub const PXDS_IMAGE_NO_COMPRESS: u32 = 1;

/// pxds_image_options.flags: a regular file that has changed while pxds_image_read_fd() read it is PXDS_ERR_STATE, and
/// not only a notice of the store's.
pub const PXDS_IMAGE_STRICT: u32 = 2;

/// pxds_image_options.flags: `ctime` is given.
pub const PXDS_IMAGE_SET_CTIME: u32 = 4;

/// pxds_image_options.flags: `uuid` is given.
pub const PXDS_IMAGE_SET_UUID: u32 = 8;

/// Bytes of every chunk of an image but the last, unless told otherwise: the only ones that Proxmox Backup Server reads
/// in versions after 4.2.3.
pub const PXDS_PBS_IMAGE_CHUNK_SIZE: u64 = 4194304;

/// How an image is ingested.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_image_options {
    /// Bytes of this structure; set by PXDS_IMAGE_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_IMAGE_...
    pub flags: u32,
    /// Threads that store chunks, as pxds_ingest_options has them; a batch is four chunks.
    pub threads: u32,
    /// Bytes of every chunk but the last, a power of two up to PXDS_BLOB_MAX_SIZE; 0 for PXDS_PBS_IMAGE_CHUNK_SIZE. Any
    /// other brings a notice of the store's.
    pub chunk_size: u64,
    /// With PXDS_IMAGE_SET_CTIME: creation time of the index, in seconds since 1970. Otherwise it is now.
    pub ctime: i64,
    /// With PXDS_IMAGE_SET_UUID: the index's uuid. Otherwise it is random.
    pub uuid: [u8; 16],
    /// The key that chunks are encrypted with; it changes their digests too. May be NULL. It can be freed meanwhile.
    pub key: *const pxds_key,
    /// Is told of each chunk; NULL for none. Valid while the image lives.
    pub on_chunk: pxds_ingest_chunk_fn,
    /// Handed to `on_chunk`.
    pub on_chunk_user: *mut c_void,
    /// Is told how far the image is, as in pxds_ingest_options, but units are chunks, and bytes their plain bytes; NULL
    /// for none. The total is known when the size is. A chunk that is given twice counts once. Valid while the image
    /// lives.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_image_options);

/// Bytes of an image, from `offset` on.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_image_range {
    /// The first byte.
    pub offset: u64,
    /// How many. Their end may lie behind that of the image.
    pub length: u64,
}

/// An image on its way into a store, in chunks of one size: a disk, say. Exclusive.
///
/// Each chunk needs its bytes once: as a stream, from pxds_image_write(), pxds_image_read() and a pipe or socket given
/// to pxds_image_read_fd(), in any mixture; by position, from a file or device given to pxds_image_read_fd(), or from
/// pxds_image_write_at(); or from an earlier image, by pxds_image_reuse_bitmap() and pxds_image_reuse_ranges(). A
/// stream or a file gives bytes to the chunks that have none so far: a stream passes over the others, and a file is not
/// read there. Then call pxds_image_finish(). Zeros cost next to nothing.
///
/// It holds the store's process lock. Memory: one chunk, one encoded chunk, and 33 bytes for each chunk of the image;
/// up to twice as many of these while its size is not known. After a failure it takes no more, unless the function says
/// that nothing has changed; its sums are still there. There is no index of a part of an image; but the chunks are in
/// the store, and garbage collection leaves them there for a day.
pub struct pxds_image(Exclusive<Image>);

pub(super) unsafe fn read_options(options: *const pxds_image_options) -> Result<ImageOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    let known = PXDS_IMAGE_NO_COMPRESS | PXDS_IMAGE_STRICT | PXDS_IMAGE_SET_CTIME | PXDS_IMAGE_SET_UUID;
    args::flags(options.flags, known, "options.flags")?;
    let defaults = ImageOptions::default();
    // SAFETY: the caller's.
    unsafe {
        Ok(ImageOptions {
            chunk_size: if options.chunk_size == 0 { defaults.chunk_size } else { options.chunk_size },
            compress: options.flags & PXDS_IMAGE_NO_COMPRESS == 0,
            key: opt_key(options.key),
            ctime: args::given(options.flags, PXDS_IMAGE_SET_CTIME, options.ctime, "options.ctime")?,
            uuid: args::given(options.flags, PXDS_IMAGE_SET_UUID, options.uuid, "options.uuid")?,
            on_chunk: on_chunk(options.on_chunk, options.on_chunk_user),
            progress: progress(options.progress, options.progress_user),
            threads: options.threads as usize,
            strict: options.flags & PXDS_IMAGE_STRICT != 0,
        })
    }
}

/// Starts an image of `size` bytes, or of PXDS_SIZE_UNKNOWN, into `store`. `options` may be NULL.
///
/// Owns: the caller owns `*out` and frees it with pxds_image_free().
/// Errors: PXDS_ERR_ARGUMENT; PXDS_ERR_NOT_FOUND (a store without chunks); PXDS_ERR_LIMIT (too many chunks);
/// PXDS_ERR_BUSY, with the path, while the store is collected; PXDS_ERR_NOMEM, PXDS_ERR_IO; PXDS_ERR_STATE and
/// PXDS_ERR_UNSUPPORTED for a store that can only be read.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_new(
    store: *const pxds_store,
    size: u64,
    options: *const pxds_image_options,
    out: *mut *mut pxds_image,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, options) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, read_options(options)?) };
        let size = Some(size).filter(|&size| size != PXDS_SIZE_UNKNOWN);
        Ok(out.hand_out(pxds_image(Exclusive::new(Image::new(store.chunks()?, size, options)?))))
    })
}

/// Takes the next bytes of the image as a stream. Chunks that end in them are stored before it returns.
///
/// Errors: PXDS_ERR_ARGUMENT, with the offset, if there are more than the image has; PXDS_ERR_CANCELLED, PXDS_ERR_STATE
/// (finished, or failed before), and what pxds_store_insert() may give.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_write(
    image: *mut pxds_image,
    data: *const c_void,
    data_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (image, data) = unsafe { (args::handle(image, "image")?, args::bytes(data, data_len, "data")?) };
        image.0.enter()?.write(data)
    })
}

/// Takes the chunk at `offset`, whole: for a caller that gets only the chunks that have changed.
///
/// Chunks come in any order, and the last one for a place counts, whatever there was before. Only the one at the end of
/// the image is short; a short one ends an image of unknown size. Where the stream stands does not change.
///
/// Errors: PXDS_ERR_ARGUMENT, after which nothing has changed, if it is no chunk of the image; as pxds_image_write().
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_write_at(
    image: *mut pxds_image,
    offset: u64,
    data: *const c_void,
    data_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (image, data) = unsafe { (args::handle(image, "image")?, args::bytes(data, data_len, "data")?) };
        image.0.enter()?.write_at(offset, data)
    })
}

/// Takes what `read` gives as a stream, to its end, which need not be that of the image.
///
/// Errors: as pxds_image_write(); PXDS_ERR_ARGUMENT also if `read` claims more bytes than it was offered room for.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_read(
    image: *mut pxds_image,
    read: pxds_read_fn,
    user: *mut c_void,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let image = unsafe { args::handle(image, "image")? };
        let mut read = callback::reader(read, user)?;
        image.0.enter()?.read(&mut read)
    })
}

/// Takes from the descriptor `fd` every chunk that has no bytes yet.
///
/// A regular file or block device is the image from its first byte on, wherever the descriptor stands. Its holes are
/// zeros and are not read. Its length is the size of the image if that is not known; if it is, a longer file is read
/// only so far. Bytes that are appended meanwhile are not seen. Looking for holes moves the descriptor, which is put
/// back before the call returns: its position must not be used meanwhile. Anything else is a stream, which is read to
/// its end.
///
/// The descriptor is the caller's and stays open. A regular file whose size, mtime or ctime are others at the end than
/// at the start brings a notice of the store's.
///
/// Errors: as pxds_image_write(), and PXDS_ERR_IO of the reading; PXDS_ERR_CORRUPT, with the offset, if the file,
/// device or stream ends before the image, because it shrinks, say; PXDS_ERR_STATE, after which nothing has changed,
/// for a file or device when the stream so far has ended within a chunk; with PXDS_IMAGE_STRICT PXDS_ERR_STATE, and the
/// image has failed, for a file that has changed.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_read_fd(image: *mut pxds_image, fd: i32, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        let image = unsafe { args::handle(image, "image")? };
        let fd = CallerFd::new(fd)?;
        image.0.enter()?.read_fd(fd)
    })
}

/// Takes from `earlier`, a fixed index of the same chunk size, the chunks that have not changed since.
///
/// Bit i of `bitmap`, from the lowest bit of the first byte on, is for the `granularity` bytes at i * granularity, a
/// power of two; a set one says that they may have changed. A chunk is taken over if it is the same range of bytes in
/// both images (so a short last chunk is not, if the size has changed), none of its bits is set, it has no bytes yet
/// and the store has it: it is then touched, and reported to `on_chunk` and in the sums as one that the store had. The
/// others are left to be read or written.
///
/// Errors: PXDS_ERR_ARGUMENT, also if the bitmap lacks a bit of a chunk that both images have, PXDS_ERR_CORRUPT if the
/// csum of `earlier` is wrong, and PXDS_ERR_STATE if the size of the image is not known, after which nothing has
/// changed; PXDS_ERR_CANCELLED, PXDS_ERR_IO.
/// Threads: exclusive for the image, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_reuse_bitmap(
    image: *mut pxds_image,
    earlier: *const pxds_index,
    bitmap: *const u8,
    bitmap_len: usize,
    granularity: u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (image, earlier, bits) = unsafe {
            (
                args::handle(image, "image")?,
                args::handle(earlier, "earlier")?,
                args::bytes(bitmap.cast(), bitmap_len, "bitmap")?,
            )
        };
        image.0.enter()?.reuse(earlier.core(), Changes::Bitmap { bits, granularity })
    })
}

/// As pxds_image_reuse_bitmap(), where what may have changed is `range_count` ranges. They may come in any order and
/// overlap; none of them means that nothing has changed. Takes 16 bytes of memory a range.
///
/// Errors: as pxds_image_reuse_bitmap(); PXDS_ERR_ARGUMENT also for a range that reaches beyond 2^64 - 1.
/// Threads: exclusive for the image, shared for the index.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_reuse_ranges(
    image: *mut pxds_image,
    earlier: *const pxds_index,
    ranges: *const pxds_image_range,
    range_count: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (image, earlier, ranges) = unsafe {
            (
                args::handle(image, "image")?,
                args::handle(earlier, "earlier")?,
                args::slice(ranges, range_count, "ranges")?,
            )
        };
        let mut changes = Vec::new();
        changes
            .try_reserve_exact(ranges.len())
            .map_err(|_| Error::new(Kind::NoMemory, format!("no memory for {range_count} ranges")))?;
        changes.extend(ranges.iter().map(|range| (range.offset, range.length)));
        image.0.enter()?.reuse(earlier.core(), Changes::Ranges(changes))
    })
}

/// Writes the sums over what has been stored so far to `*stats`. After pxds_image_finish() they are final.
///
/// Each chunk of zeros but the first is a duplicate, and so is each that an earlier image has given. A chunk that
/// pxds_image_write_at() has given twice counts twice.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_get_stats(
    image: *mut pxds_image,
    stats: *mut pxds_ingest_stats,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, image) = unsafe { (OutStruct::new(stats, "stats")?, args::handle(image, "image")?) };
        Ok(out.set(c_stats(image.0.enter()?.stats())))
    })
}

/// Gives the index, complete but not yet written: see pxds_index_writer_save(). If the size was not known, what there
/// is of the last chunk is stored first.
///
/// Owns: the caller owns `*out` and frees it with pxds_index_writer_free(). It holds the store's process lock.
/// Errors: PXDS_ERR_STATE, with the offset of the first chunk that has no bytes, after which nothing has changed and
/// they can still be given; as pxds_image_write().
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_finish(
    image: *mut pxds_image,
    out: *mut *mut pxds_index_writer,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (out, image) = unsafe { (Out::handle(out, "out")?, args::handle(image, "image")?) };
        Ok(out.hand_out(pxds_index_writer::stored(image.0.enter()?.finish()?)))
    })
}

/// Frees an image. NULL is fine. One that is not finished leaves chunks that no index names, which garbage collection
/// takes.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_image_free(image: *mut pxds_image) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(image, |image| image.0.is_busy()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunk_size_is_that_of_the_core() {
        assert_eq!(PXDS_PBS_IMAGE_CHUNK_SIZE, crate::limits::PBS_IMAGE_CHUNK_SIZE);
    }
}
