//! Verification.

use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;
use std::sync::Arc;

use super::args::{self, OutStruct, size_first};
use super::callback::{User, progress, pxds_progress_fn, verdict};
use super::error::pxds_error;
use super::guard::guard_ok;
use super::key::{opt_key, pxds_key};
use super::status::{PXDS_RESULT_INCOMPLETE, pxds_status, status_of};
use super::store::pxds_store;
use super::text::c_string;
use crate::callback::Callback;
use crate::error::Result;
use crate::verify::{Damage, Done, OnDamage, OnDone, Outcome, Scope, Sums, Verifier, VerifyOptions};

/// pxds_verify_options.flags: change nothing: neither rename bad chunks nor note the outcome in manifests.
pub const PXDS_VERIFY_READ_ONLY: u32 = 1;
/// pxds_verify_options.flags: read chunks as an index lists them. By default they are read in the order of their inode
/// numbers, which spares a disk that turns.
pub const PXDS_VERIFY_INDEX_ORDER: u32 = 2;
/// pxds_verify_options.flags: pass over snapshots that have been found good no more than `skip_days` days ago. One that
/// has failed since is checked again, unlike with PBS.
pub const PXDS_VERIFY_SKIP_VERIFIED: u32 = 4;
/// pxds_verify_options.flags, with a key: take a snapshot that is not signed for as good as one that is.
pub const PXDS_VERIFY_ALLOW_UNSIGNED: u32 = 8;

/// pxds_progress.phase: snapshots are listed; `done` says how many.
pub const PXDS_VERIFY_PHASE_LIST: u32 = 0;
/// pxds_progress.phase: snapshots are checked; `done` says how many of `total` have been, `bytes` the plain bytes of
/// the chunks so far.
pub const PXDS_VERIFY_PHASE_CHECK: u32 = 1;

/// pxds_verify_damage.flags: it is a place in an index: `offset`, `length` and `digest` are set.
pub const PXDS_DAMAGE_CHUNK: u32 = 1;
/// pxds_verify_damage.flags: the file of the chunk has been renamed.
pub const PXDS_DAMAGE_RENAMED: u32 = 2;
/// pxds_verify_damage.flags: a good chunk has taken its place. This is no failure of the snapshot.
pub const PXDS_DAMAGE_REPAIRED: u32 = 4;

/// How a snapshot came out: all was well, or has been repaired.
pub const PXDS_OUTCOME_OK: u32 = 1;
/// How a snapshot came out: something was not.
pub const PXDS_OUTCOME_FAILED: u32 = 2;
/// How a snapshot came out: not looked at, because it is being made or removed.
pub const PXDS_OUTCOME_BUSY: u32 = 3;
/// How a snapshot came out: not looked at, because it has been removed since it was listed.
pub const PXDS_OUTCOME_GONE: u32 = 4;
/// How a snapshot came out: not looked at, because of PXDS_VERIFY_SKIP_VERIFIED.
pub const PXDS_OUTCOME_RECENT: u32 = 5;
/// How a snapshot came out: all that could be checked was well, or has been repaired, but the key that was given does
/// not vouch for it. It is not signed, or with another key, which alone could tell more; `reason` says which.
pub const PXDS_OUTCOME_UNVOUCHED: u32 = 6;
/// How a snapshot came out: not looked at, because it has no manifest and is not being made. It was never finished, or
/// its manifest is lost.
pub const PXDS_OUTCOME_UNFINISHED: u32 = 7;
/// How a snapshot came out: some of it, or its manifest, could not be read (no permission, a fault of the device), and
/// what could be was well. That proves nothing: it is neither good nor failed, and no outcome is noted.
pub const PXDS_OUTCOME_UNREADABLE: u32 = 8;

/// Damage: a file of a snapshot, or an entry of an index, one for each entry that names a bad chunk.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_verify_damage {
    /// Bytes of this structure.
    pub struct_size: usize,
    /// The snapshot, `[ns/NAME/...]TYPE/ID/TIME`.
    pub snapshot: *const c_char,
    /// The file: an index, a blob, or `index.json.blob`.
    pub archive: *const c_char,
    /// Why, in words, as pxds_error_message() has them.
    pub message: *const c_char,
    /// Where the chunk begins in the file that the index describes.
    pub offset: u64,
    /// Its bytes, by the index.
    pub length: u64,
    /// Its name.
    pub digest: [u8; 32],
    /// Why: PXDS_ERR_NOT_FOUND, CORRUPT, FORMAT, LIMIT or AUTH; PXDS_ERR_CRYPT_MODE if it is encrypted and should not
    /// be, or the reverse; PXDS_ERR_IO and others if it could not be read or written, which says nothing of its
    /// content.
    pub status: pxds_status,
    /// PXDS_DAMAGE_CHUNK, RENAMED, REPAIRED.
    pub flags: u32,
}

/// Is told of damage, before the snapshot is done. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
pub type pxds_verify_damage_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, damage: *const pxds_verify_damage) -> i32>;

/// A snapshot that has been dealt with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_verify_done {
    /// Bytes of this structure.
    pub struct_size: usize,
    /// The snapshot, `[ns/NAME/...]TYPE/ID/TIME`.
    pub snapshot: *const c_char,
    /// Places and files that are damaged, or cannot be read.
    pub errors: u64,
    /// Places that were damaged and have been repaired.
    pub repaired: u64,
    /// PXDS_OUTCOME_OK, FAILED, BUSY, GONE, RECENT, UNVOUCHED, UNFINISHED or UNREADABLE.
    pub outcome: u32,
    /// 0.
    pub reserved: u32,
    /// Why the key does not vouch for it, of PXDS_OUTCOME_UNVOUCHED; else NULL.
    pub reason: *const c_char,
}

/// Is told of each snapshot. A result other than 0 stops the call with PXDS_ERR_CANCELLED.
pub type pxds_verify_done_fn = Option<unsafe extern "C" fn(user: *mut c_void, done: *const pxds_verify_done) -> i32>;

/// How a verification works.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_verify_options {
    /// Bytes of this structure; set by PXDS_VERIFY_OPTIONS_INIT.
    pub struct_size: usize,
    /// PXDS_VERIFY_READ_ONLY, INDEX_ORDER, SKIP_VERIFIED, ALLOW_UNSIGNED.
    pub flags: u32,
    /// Threads: one reads while the others check. 0: one for each processor; 1: the calling one alone.
    pub threads: u32,
    /// For PXDS_VERIFY_SKIP_VERIFIED; whole days.
    pub skip_days: u64,
    /// Checks signatures, and opens encrypted chunks and blobs of snapshots that it has signed, or whose manifest has
    /// its fingerprint. May be NULL: then the CRC of what is encrypted has to do. A snapshot that it has not signed
    /// comes out as PXDS_OUTCOME_UNVOUCHED, if not worse; a wrong signature, and the signed manifest of another
    /// snapshot, is damage.
    pub key: *const pxds_key,
    /// Another store, from which chunks are taken that are missing or bad; may be NULL. They are checked first.
    pub repair_from: *const pxds_store,
    /// The task in the noted outcome: a UPID as PBS writes it. NULL: one of this process and time.
    pub upid: *const c_char,
    /// Is told of damage; may be NULL, as the others.
    pub on_damage: pxds_verify_damage_fn,
    /// Handed to `on_damage`.
    pub on_damage_user: *mut c_void,
    /// Is told of each snapshot.
    pub on_done: pxds_verify_done_fn,
    /// Handed to `on_done`.
    pub on_done_user: *mut c_void,
    /// Is told how far the call is; see PXDS_VERIFY_PHASE_...
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_verify_options);

/// Sums of a verification.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_verify_result {
    /// Bytes of this structure; set by PXDS_VERIFY_RESULT_INIT.
    pub struct_size: usize,
    /// Snapshots that came out well.
    pub ok: u64,
    /// Snapshots that failed.
    pub failed: u64,
    /// Snapshots that were not looked at, or came out as PXDS_OUTCOME_UNREADABLE.
    pub skipped: u64,
    /// Chunks that were checked, the damaged ones among them.
    pub chunks: u64,
    /// Their plain bytes, by the indexes.
    pub bytes: u64,
    /// Bytes of their files.
    pub stored_bytes: u64,
    /// Chunks that are rotten.
    pub bad: u64,
    /// Chunks that are not there.
    pub missing: u64,
    /// Chunks that could not be read.
    pub unreadable: u64,
    /// Rotten chunks whose files have been renamed.
    pub renamed: u64,
    /// Chunks, of the bad, the missing and the unreadable, that have been repaired.
    pub repaired: u64,
    /// Snapshots that came out as PXDS_OUTCOME_UNVOUCHED; they are not among `ok`.
    pub unvouched: u64,
    /// Snapshots that came out as PXDS_OUTCOME_UNFINISHED; they are not among `skipped`.
    pub unfinished: u64,
    /// Snapshots whose outcome could not be noted, for lack of space for example; a notice of the store's says why. The
    /// outcome stays the same.
    pub unnoted: u64,
    /// PXDS_RESULT_INCOMPLETE.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

size_first!(pxds_verify_result);

fn c_result(sums: &Sums) -> pxds_verify_result {
    pxds_verify_result {
        struct_size: size_of::<pxds_verify_result>(),
        ok: sums.ok,
        failed: sums.failed,
        skipped: sums.skipped,
        chunks: sums.chunks,
        bytes: sums.bytes,
        stored_bytes: sums.stored_bytes,
        bad: sums.bad,
        missing: sums.missing,
        unreadable: sums.unreadable,
        renamed: sums.renamed,
        repaired: sums.repaired,
        unvouched: sums.unvouched,
        unfinished: sums.unfinished,
        unnoted: sums.unnoted,
        flags: if sums.incomplete { PXDS_RESULT_INCOMPLETE } else { 0 },
        reserved: 0,
    }
}

unsafe fn read_options(options: &pxds_verify_options) -> Result<VerifyOptions> {
    let known = PXDS_VERIFY_READ_ONLY | PXDS_VERIFY_INDEX_ORDER | PXDS_VERIFY_SKIP_VERIFIED;
    args::flags(options.flags, known | PXDS_VERIFY_ALLOW_UNSIGNED, "options.flags")?;
    // SAFETY: the caller's.
    let (key, from, upid) = unsafe {
        (opt_key(options.key), args::opt(options.repair_from), args::opt_text(options.upid, "options.upid")?)
    };
    Ok(VerifyOptions {
        read_only: options.flags & PXDS_VERIFY_READ_ONLY != 0,
        index_order: options.flags & PXDS_VERIFY_INDEX_ORDER != 0,
        skip_days: (options.flags & PXDS_VERIFY_SKIP_VERIFIED != 0).then_some(options.skip_days),
        threads: options.threads as usize,
        key,
        allow_unsigned: options.flags & PXDS_VERIFY_ALLOW_UNSIGNED != 0,
        repair_from: from.map(|store| store.store().cloned()).transpose()?,
        upid: upid.map(str::to_owned),
        on_damage: on_damage(options.on_damage, options.on_damage_user),
        on_done: on_done(options.on_done, options.on_done_user),
        progress: progress(options.progress, options.progress_user),
    })
}

fn outcome_constant(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Ok => PXDS_OUTCOME_OK,
        Outcome::Failed => PXDS_OUTCOME_FAILED,
        Outcome::Busy => PXDS_OUTCOME_BUSY,
        Outcome::Gone => PXDS_OUTCOME_GONE,
        Outcome::Recent => PXDS_OUTCOME_RECENT,
        Outcome::Unvouched => PXDS_OUTCOME_UNVOUCHED,
        Outcome::Unfinished => PXDS_OUTCOME_UNFINISHED,
        Outcome::Unreadable => PXDS_OUTCOME_UNREADABLE,
    }
}

/// Text for C, of whatever origin.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

/// A core callback for a C one.
fn on_damage(callback: pxds_verify_damage_fn, user: *mut c_void) -> Option<OnDamage> {
    let (callback, user) = (callback?, User::new(user));
    Some(Callback(Arc::new(move |damage: &Damage<'_>| {
        // The name of a file in a manifest may be anything.
        let (archive, message) = (text(damage.archive), text(damage.message));
        let snapshot = c_string(damage.snapshot.path())?;
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let damage = pxds_verify_damage {
            struct_size: size_of::<pxds_verify_damage>(),
            snapshot: snapshot.as_ptr(),
            archive: archive.as_ptr(),
            message: message.as_ptr(),
            offset: damage.chunk.map_or(0, |chunk| chunk.start),
            length: damage.chunk.map_or(0, |chunk| chunk.len()),
            digest: damage.chunk.map_or([0; 32], |chunk| chunk.digest.0),
            status: status_of(damage.kind),
            flags: flag(damage.chunk.is_some(), PXDS_DAMAGE_CHUNK)
                | flag(damage.renamed, PXDS_DAMAGE_RENAMED)
                | flag(damage.repaired, PXDS_DAMAGE_REPAIRED),
        };
        // SAFETY: by the header's rules the callback may be called, with this structure for the length of the call.
        verdict("callback for damage", unsafe { callback(user.get(), &damage) })
    })))
}

/// A core callback for a C one.
fn on_done(callback: pxds_verify_done_fn, user: *mut c_void) -> Option<OnDone> {
    let (callback, user) = (callback?, User::new(user));
    Some(Callback(Arc::new(move |done: &Done<'_>| {
        let (snapshot, reason) = (c_string(done.snapshot.path())?, done.reason.map(text));
        let done = pxds_verify_done {
            struct_size: size_of::<pxds_verify_done>(),
            snapshot: snapshot.as_ptr(),
            errors: done.errors,
            repaired: done.repaired,
            outcome: outcome_constant(done.outcome),
            reserved: 0,
            reason: reason.as_ref().map_or_else(std::ptr::null, |reason| reason.as_ptr()),
        };
        // SAFETY: as above.
        verdict("callback for snapshots", unsafe { callback(user.get(), &done) })
    })))
}

/// Checks that everything snapshots need is there, and is what it was. `path` says which: NULL or "" all of the store,
/// `[ns/NAME/...]TYPE/ID` a group, the same with `/TIME` one snapshot, `ns/NAME/...` a namespace and those below it.
/// `options` and `result` may be NULL.
///
/// Files are compared with the manifest, and each chunk with its digest, once in a call. A rotten chunk is read again,
/// and then renamed, so that the next backup with that data stores it anew. The outcome is noted in the manifest, of
/// many snapshots together, with one sync, at the latest a minute later or when the call ends, however it does. Damage
/// is no failure of this call: `result->failed` counts it, and is written however the call ends; `unvouched` and
/// `unfinished` count other snapshots that were not found good. What cannot be read is no damage: its snapshot comes
/// out as PXDS_OUTCOME_UNREADABLE, and the result is PXDS_RESULT_INCOMPLETE. See docs/format.md, 10.
///
/// Each snapshot is locked against removal while it is checked; in a whole store or namespace the groups
/// `host/benchmark` are left out. A call that is stopped leaves the store valid, and has not noted the outcome of the
/// snapshot at hand.
///
/// Memory: the entries of one index; for each thread 120 MB of chunks at most, eight times that with the largest
/// chunks, of 128 MiB; the names of 3.7 million chunks, 180 MB at most, which it takes for 14 TB in chunks of 4 MiB,
/// and the reasons of 131,072 bad ones, 40 MB. Chunks that do not fit are forgotten, and checked again where they are
/// named again.
///
/// Errors: PXDS_ERR_ARGUMENT (also a bad UPID, or PXDS_VERIFY_READ_ONLY with `repair_from`), PXDS_ERR_NOT_FOUND (the
/// namespace, the group, the snapshot or its manifest, or all chunks), PXDS_ERR_IO (a directory cannot be listed, which
/// of a whole store or namespace is PXDS_RESULT_INCOMPLETE, or there are too many open files), PXDS_ERR_NOMEM,
/// PXDS_ERR_CANCELLED; PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read, without
/// PXDS_VERIFY_READ_ONLY.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_verify(
    store: *const pxds_store,
    path: *const c_char,
    options: *const pxds_verify_options,
    result: *mut pxds_verify_result,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, path, options) = unsafe {
            let out = OutStruct::opt(result)?;
            (out, args::handle(store, "store")?, args::opt_text(path, "path")?, args::options(options)?)
        };
        let scope = Scope::parse(path.unwrap_or_default())?;
        // SAFETY: the header's rules for inputs.
        let mut verifier = Verifier::new(store.store()?, unsafe { read_options(&options)? })?;
        let outcome = verifier.run(&scope);
        if let Some(out) = out {
            out.set(c_result(&verifier.sums()));
        }
        outcome
    })
}
