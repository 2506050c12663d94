//! The chunker and its hash.

use std::ffi::c_void;
use std::mem::size_of;

use super::args::{self, Out, OutStruct, size_first};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::handle::Exclusive;
use super::status::{PXDS_CUT, PXDS_OK, pxds_status};
use crate::chunker::{Buzhash, Config, DEFAULT_AVG, DynamicChunker, FixedChunker};
use crate::error::Result;

/// Bytes that the rolling hash looks at.
pub const PXDS_CHUNKER_WINDOW: u64 = 64;
/// Average size of a chunk unless told otherwise: 4 MiB.
pub const PXDS_CHUNKER_DEFAULT_AVG: u64 = 4194304;

/// Where a stream is cut. Sizes are in bytes; 0 in a field stands for what pxds_chunker_config_init() would put there.
///
/// A chunk ends where it has at least `min` bytes and (hash & mask) >= threshold, and at `max` bytes in any case, but
/// never before its 65th byte. min <= avg <= max, mask = 2^k - 1, threshold <= mask. See docs/format.md, 4.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_chunker_config {
    /// Bytes of this structure; set by PXDS_CHUNKER_CONFIG_INIT.
    pub struct_size: usize,
    /// The average size of chunks of random data.
    pub avg: u64,
    /// No chunk but the last is smaller.
    pub min: u64,
    /// No chunk is larger.
    pub max: u64,
    /// Bits of the hash that are looked at.
    pub mask: u32,
    /// From which masked hash on a chunk ends.
    pub threshold: u32,
}

size_first!(pxds_chunker_config);

impl pxds_chunker_config {
    /// The parameters, with what is 0 filled in, checked.
    pub(super) fn to_core(self) -> Result<Config> {
        let or = |value: u64, default| if value == 0 { default } else { value };
        let or32 = |value: u32, default| if value == 0 { default } else { value };
        let avg = or(self.avg, DEFAULT_AVG);
        // Only an average that no other field depends on need not be a power of two.
        let all_given = self.min != 0 && self.max != 0 && self.mask != 0 && self.threshold != 0;
        let config = if all_given {
            Config { avg, min: self.min, max: self.max, mask: self.mask, threshold: self.threshold }
        } else {
            let default = Config::from_avg(avg)?;
            Config {
                avg,
                min: or(self.min, default.min),
                max: or(self.max, default.max),
                mask: or32(self.mask, default.mask),
                threshold: or32(self.threshold, default.threshold),
            }
        };
        config.check()?;
        Ok(config)
    }
}

/// Finds where chunks end. Exclusive.
pub struct pxds_chunker(Exclusive<Chunker>);

enum Chunker {
    Dynamic(DynamicChunker),
    Fixed(FixedChunker),
}

/// Fills `*config` with what PBS uses for the average size `avg`: a power of two from 2 to 2^31, or 0 for the default.
///
/// `config->struct_size` must be set, as by PXDS_CHUNKER_CONFIG_INIT.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunker_config_init(
    config: *mut pxds_chunker_config,
    avg: u64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs.
        let out = unsafe { OutStruct::new(config, "config")? };
        let Config { avg, min, max, mask, threshold } = Config::from_avg(if avg == 0 { DEFAULT_AVG } else { avg })?;
        Ok(out.set(pxds_chunker_config {
            struct_size: size_of::<pxds_chunker_config>(),
            avg,
            min,
            max,
            mask,
            threshold,
        }))
    })
}

/// Makes a chunker that cuts by content. `config` may be NULL for the default.
///
/// Owns: the caller owns `*out` and frees it with pxds_chunker_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunker_new(
    config: *const pxds_chunker_config,
    out: *mut *mut pxds_chunker,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, config) = unsafe { (Out::handle(out, "out")?, args::options(config)?) };
        let chunker = DynamicChunker::new(&config.to_core()?)?;
        Ok(out.hand_out(pxds_chunker(Exclusive::new(Chunker::Dynamic(chunker)))))
    })
}

/// Makes a chunker that cuts at every multiple of `chunk_size` bytes, a power of two.
///
/// Owns: the caller owns `*out` and frees it with pxds_chunker_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunker_new_fixed(
    chunk_size: u64,
    out: *mut *mut pxds_chunker,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for outputs.
        let out = unsafe { Out::handle(out, "out")? };
        Ok(out.hand_out(pxds_chunker(Exclusive::new(Chunker::Fixed(FixedChunker::new(chunk_size)?)))))
    })
}

/// Takes the next bytes of the stream, up to the end of the current chunk.
///
/// Returns PXDS_CUT if a chunk ends after the first `*used` bytes, at least 1: call again with what follows them.
/// Returns PXDS_OK if no chunk ends here, with `*used` = `data_len`: call again with what comes next. At the end of the
/// stream the bytes behind the last cut, if any, are the last chunk. The cuts do not depend on how the stream is split
/// into calls.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunker_scan(
    chunker: *mut pxds_chunker,
    data: *const c_void,
    data_len: usize,
    used: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (used, chunker, data) = unsafe {
            (Out::new(used, "used")?, args::handle(chunker, "chunker")?, args::bytes(data, data_len, "data")?)
        };
        let cut = match &mut *chunker.0.enter()? {
            Chunker::Dynamic(chunker) => chunker.scan(data),
            Chunker::Fixed(chunker) => chunker.scan(data.len()),
        };
        used.set(cut.unwrap_or(data.len()));
        Ok(if cut.is_some() { PXDS_CUT } else { PXDS_OK })
    })
}

/// Starts a new stream.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunker_reset(chunker: *mut pxds_chunker, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        match &mut *unsafe { args::handle(chunker, "chunker")? }.0.enter()? {
            Chunker::Dynamic(chunker) => chunker.reset(),
            Chunker::Fixed(chunker) => chunker.reset(),
        }
        Ok(())
    })
}

/// Frees a chunker. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_chunker_free(chunker: *mut pxds_chunker) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(chunker, |chunker| chunker.0.is_busy()) })
}

/// The rolling hash by itself: the hash of the last 64 bytes, as if 64 zero bytes had come first. Exclusive.
pub struct pxds_buzhash(Exclusive<Buzhash>);

/// Makes a hash, of 64 zero bytes, which is 0.
///
/// Owns: the caller owns `*out` and frees it with pxds_buzhash_free().
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buzhash_new(out: *mut *mut pxds_buzhash, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for outputs.
        unsafe { Out::handle(out, "out")? }.hand_out(pxds_buzhash(Exclusive::new(Buzhash::new())));
        Ok(())
    })
}

/// Starts anew from the first 64 bytes of `data`, or from all of it if it is shorter, as at the start of a chunk.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buzhash_init(
    hash: *mut pxds_buzhash,
    data: *const c_void,
    data_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (hash, data) = unsafe { (args::handle(hash, "hash")?, args::bytes(data, data_len, "data")?) };
        hash.0.enter()?.init(data);
        Ok(())
    })
}

/// Rolls the hash over `data`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buzhash_update(
    hash: *mut pxds_buzhash,
    data: *const c_void,
    data_len: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs.
        let (hash, data) = unsafe { (args::handle(hash, "hash")?, args::bytes(data, data_len, "data")?) };
        hash.0.enter()?.update(data);
        Ok(())
    })
}

/// Writes the hash to `*sum`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buzhash_get_sum(
    hash: *mut pxds_buzhash,
    sum: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for handles and outputs.
        let (sum, hash) = unsafe { (Out::new(sum, "sum")?, args::handle(hash, "hash")?) };
        Ok(sum.set(hash.0.enter()?.sum()))
    })
}

/// Makes it the hash of 64 zero bytes again.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buzhash_reset(hash: *mut pxds_buzhash, err: *mut *mut pxds_error) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for handles.
        *unsafe { args::handle(hash, "hash")? }.0.enter()? = Buzhash::new();
        Ok(())
    })
}

/// Frees a hash. NULL is fine.
///
/// Threads: exclusive.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_buzhash_free(hash: *mut pxds_buzhash) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free_exclusive(hash, |hash| hash.0.is_busy()) })
}
