//! Pruning.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::size_of;

use super::args::{self, Out, size_first};
use super::callback::{progress, pxds_progress_fn};
use super::error::pxds_error;
use super::group::store_and_group;
use super::guard::{element, guard, guard_ok, guard_value};
use super::handle::Shared;
use super::manifest::{PXDS_VERIFIED_FAILED, PXDS_VERIFIED_NONE, PXDS_VERIFIED_OK};
use super::status::{PXDS_NONE, PXDS_OK, pxds_status, status_of};
use super::store::pxds_store;
use super::text::{c_string, opt_text};
use super::tree::{PXDS_SNAPSHOT_FINISHED, PXDS_SNAPSHOT_PROTECTED, snapshot_entry};
use crate::error::{Error, Kind, Result, try_collect};
use crate::prune::{Keep, Mark, Row, Rule, Rules, decide};
use crate::sys;
use crate::tree::{Listing, PruneOptions, Pruned};
use crate::zone::Zone;

/// A mark: it is kept.
pub const PXDS_MARK_KEEP: u32 = 1;
/// A mark: it is kept because it is the newest and not finished, so it may still be in the making.
pub const PXDS_MARK_KEEP_PARTIAL: u32 = 2;
/// A mark: it is kept because it is protected.
pub const PXDS_MARK_PROTECTED: u32 = 3;
/// A mark: it is to be removed.
pub const PXDS_MARK_REMOVE: u32 = 4;

/// pxds_prune_entry.kept_by: keep_last keeps it.
pub const PXDS_KEPT_BY_LAST: u32 = 1;
/// pxds_prune_entry.kept_by: keep_hourly.
pub const PXDS_KEPT_BY_HOURLY: u32 = 2;
/// pxds_prune_entry.kept_by: keep_daily.
pub const PXDS_KEPT_BY_DAILY: u32 = 4;
/// pxds_prune_entry.kept_by: keep_weekly.
pub const PXDS_KEPT_BY_WEEKLY: u32 = 8;
/// pxds_prune_entry.kept_by: keep_monthly.
pub const PXDS_KEPT_BY_MONTHLY: u32 = 16;
/// pxds_prune_entry.kept_by: keep_yearly.
pub const PXDS_KEPT_BY_YEARLY: u32 = 32;
/// pxds_prune_entry.kept_by: keep_good.
pub const PXDS_KEPT_BY_GOOD: u32 = 64;
/// pxds_prune_entry.kept_by: keep_within.
pub const PXDS_KEPT_BY_WITHIN: u32 = 128;
/// pxds_prune_entry.kept_by: it is the newest, and no rule keeps another.
pub const PXDS_KEPT_BY_NEWEST: u32 = 256;

/// pxds_prune_options.flags, of pxds_group_prune(): say what would be removed, and remove nothing.
pub const PXDS_PRUNE_DRY_RUN: u32 = 1;

/// The rules by which snapshots are kept. If all are 0, everything is kept.
///
/// Six counts are PBS's, and applied in this order, from keep_last on. Each keeps the newest snapshots of so many
/// periods, passing over those in which an earlier one keeps a snapshot already. What keep_good and keep_within keep is
/// kept besides. If that is nothing at all, the newest snapshot stays. Snapshots that are protected or not finished use
/// up no count.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_prune_options {
    /// Bytes of this structure; set by PXDS_PRUNE_OPTIONS_INIT.
    pub struct_size: usize,
    /// 0 or PXDS_PRUNE_DRY_RUN.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Snapshots. 0, as in the others: none by this count.
    pub keep_last: u64,
    /// Hours.
    pub keep_hourly: u64,
    /// Days.
    pub keep_daily: u64,
    /// Weeks, from Monday to Sunday.
    pub keep_weekly: u64,
    /// Months.
    pub keep_monthly: u64,
    /// Years.
    pub keep_yearly: u64,
    /// The newest snapshots whose last verification went well, whatever keeps them too. pxds_group_prune() reads
    /// manifests until it has found so many.
    pub keep_good: u64,
    /// Those that are younger than so many seconds, at `now`.
    pub keep_within: u64,
    /// In seconds since 1970; 0 is the time of the call.
    pub now: i64,
    /// The time zone in which hours, days and so on begin; NULL is UTC. A name of the IANA database that is built in,
    /// `Europe/Vienna`; a rule of POSIX, `CET-1CEST,M3.5.0,M10.5.0/3`; or the absolute path of a TZif file, such as
    /// `/etc/localtime`. The environment is not looked at.
    pub zone: *const c_char,
    /// Of pxds_group_prune(): is told how many of the snapshots that are to go are done; 0 of 0 while manifests are
    /// read for keep_good. May be NULL. A call that it stops has removed some of them whole, and gives no list.
    pub progress: pxds_progress_fn,
    /// Handed to `progress`.
    pub progress_user: *mut c_void,
}

size_first!(pxds_prune_options);

/// A snapshot to decide about.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_prune_row {
    /// Its time, in seconds since 1970.
    pub time: i64,
    /// PXDS_SNAPSHOT_...
    pub flags: u32,
    /// PXDS_VERIFIED_...
    pub verify_state: u32,
}

/// The result for a snapshot.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_prune_entry {
    /// Bytes of this structure; set by PXDS_PRUNE_ENTRY_INIT.
    pub struct_size: usize,
    /// Its path below the store, `[ns/NAME/...]TYPE/ID/TIME`. The list's.
    pub path: *const c_char,
    /// Why removing it failed, or NULL. The list's.
    pub message: *const c_char,
    /// Its time, in seconds since 1970.
    pub time: i64,
    /// PXDS_SNAPSHOT_..., when it was listed.
    pub flags: u32,
    /// PXDS_MARK_KEEP, KEEP_PARTIAL, PROTECTED or REMOVE. One that was to be removed, and was protected or finished
    /// before it was reached, is kept, and marked so.
    pub mark: u32,
    /// PXDS_OK: its mark holds. For one that is to be removed also PXDS_NONE, if another process was faster, or the
    /// failure, such as PXDS_ERR_BUSY.
    pub status: pxds_status,
    /// With PXDS_MARK_KEEP: the rules that keep it, PXDS_KEPT_BY_...; 0 if everything is kept, or it was finished
    /// before it was reached. Otherwise 0.
    pub kept_by: u32,
}

size_first!(pxds_prune_entry);

/// The results for the snapshots of a group, the newest first. Shared.
pub struct pxds_prune_list {
    entries: Shared<Vec<Entry>>,
    complete: bool,
}

struct Entry {
    path: CString,
    message: Option<CString>,
    time: i64,
    flags: u32,
    mark: Mark,
    status: pxds_status,
    kept_by: u32,
}

impl Entry {
    fn new(pruned: &Pruned, dry_run: bool) -> Result<Self> {
        let Pruned { info, mark, rules, removed, error } = pruned;
        let listed = snapshot_entry(info);
        let status = match error {
            Some(error) => status_of(error.kind()),
            None if *mark == Mark::Remove && !removed && !dry_run => PXDS_NONE,
            None => PXDS_OK,
        };
        Ok(Entry {
            path: c_string(info.snapshot.path())?,
            message: error.as_ref().map(|error| CString::new(error.message()).unwrap_or_default()),
            time: listed.time,
            flags: listed.flags,
            mark: *mark,
            status,
            kept_by: constants_of(*rules),
        })
    }
}

fn constant_of(mark: Mark) -> u32 {
    match mark {
        Mark::Keep => PXDS_MARK_KEEP,
        Mark::KeepPartial => PXDS_MARK_KEEP_PARTIAL,
        Mark::Protected => PXDS_MARK_PROTECTED,
        Mark::Remove => PXDS_MARK_REMOVE,
    }
}

fn constants_of(rules: Rules) -> u32 {
    let constant = |rule: Rule| match rule {
        Rule::Last => PXDS_KEPT_BY_LAST,
        Rule::Hourly => PXDS_KEPT_BY_HOURLY,
        Rule::Daily => PXDS_KEPT_BY_DAILY,
        Rule::Weekly => PXDS_KEPT_BY_WEEKLY,
        Rule::Monthly => PXDS_KEPT_BY_MONTHLY,
        Rule::Yearly => PXDS_KEPT_BY_YEARLY,
        Rule::Good => PXDS_KEPT_BY_GOOD,
        Rule::Within => PXDS_KEPT_BY_WITHIN,
        Rule::Newest => PXDS_KEPT_BY_NEWEST,
    };
    Rule::ALL.into_iter().filter(|&rule| rules.has(rule)).fold(0, |bits, rule| bits | constant(rule))
}

/// The time before which a snapshot is too old for keep_within; `None` if that is not given.
fn within(seconds: u64, now: i64) -> Option<i64> {
    let now = if now == 0 { sys::now() } else { now };
    (seconds > 0).then(|| now.saturating_sub_unsigned(seconds))
}

unsafe fn read_options(options: *const pxds_prune_options) -> Result<PruneOptions> {
    // SAFETY: the caller's.
    let options = unsafe { args::options(options)? };
    args::flags(options.flags, PXDS_PRUNE_DRY_RUN, "options.flags")?;
    args::flags(options.reserved, 0, "options.reserved")?;
    let keep = Keep {
        last: options.keep_last,
        hourly: options.keep_hourly,
        daily: options.keep_daily,
        weekly: options.keep_weekly,
        monthly: options.keep_monthly,
        yearly: options.keep_yearly,
        good: options.keep_good,
        after: within(options.keep_within, options.now),
    };
    // SAFETY: the caller's.
    let zone = unsafe { args::opt_text(options.zone, "options.zone")? };
    let zone = zone.map_or_else(|| Ok(Zone::utc()), Zone::parse).map_err(|error| error.context("options.zone"))?;
    let dry_run = options.flags & PXDS_PRUNE_DRY_RUN != 0;
    Ok(PruneOptions { keep, zone, dry_run, progress: progress(options.progress, options.progress_user) })
}

/// The rows for the core.
fn read_rows(rows: &[pxds_prune_row]) -> Result<Vec<Row>> {
    let mut read = Vec::new();
    let no_memory = |_| Error::new(Kind::NoMemory, format!("no memory for {} rows", rows.len()));
    read.try_reserve_exact(rows.len()).map_err(no_memory)?;
    for (i, row) in rows.iter().enumerate() {
        args::flags(row.flags, PXDS_SNAPSHOT_PROTECTED | PXDS_SNAPSHOT_FINISHED, &format!("rows[{i}].flags"))?;
        let states = [(PXDS_VERIFIED_NONE, false), (PXDS_VERIFIED_OK, true), (PXDS_VERIFIED_FAILED, false)];
        read.push(Row {
            time: row.time,
            finished: row.flags & PXDS_SNAPSHOT_FINISHED != 0,
            protected: row.flags & PXDS_SNAPSHOT_PROTECTED != 0,
            verified: args::choice(row.verify_state, &format!("rows[{i}].verify_state"), &states)?,
        });
    }
    Ok(read)
}

/// Decides which of `count` snapshots are kept, and writes PXDS_MARK_KEEP, KEEP_PARTIAL, PROTECTED or REMOVE for each
/// to `marks`, in the order of `rows`, which may be any. Of rows of one time the earlier one counts as newer.
///
/// The rows are those of one group: all that it has. `options` may be NULL, which keeps everything. The result depends
/// on the arguments alone, and with keep_within and no `now` on the clock; no file is read, unless the zone is one.
///
/// Errors: PXDS_ERR_ARGUMENT (also an unknown zone, or a time outside the years 0000 to 9999); of a zone that is a file
/// PXDS_ERR_NOT_FOUND, PXDS_ERR_FORMAT, PXDS_ERR_LIMIT, PXDS_ERR_IO.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_prune_mark(
    rows: *const pxds_prune_row,
    count: usize,
    options: *const pxds_prune_options,
    marks: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, rows, options) = unsafe {
            let (out, rows) = (args::numbers_mut(marks, count, "marks")?, args::slice(rows, count, "rows")?);
            (out, rows, read_options(options)?)
        };
        let decisions = decide(&read_rows(rows)?, &options.keep, &options.zone)?;
        for (out, decision) in out.iter_mut().zip(decisions) {
            *out = constant_of(decision.mark);
        }
        Ok(())
    })
}

/// The name of a mark, as PBS writes it: "keep", "keep-partial", "protected" or "remove"; "unknown" for any other
/// number.
///
/// Owns: the string is the library's and lasts for ever.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_prune_mark_name(mark: u32) -> *const c_char {
    let name = |mark: u32| -> &'static CStr {
        match mark {
            PXDS_MARK_KEEP => c"keep",
            PXDS_MARK_KEEP_PARTIAL => c"keep-partial",
            PXDS_MARK_PROTECTED => c"protected",
            PXDS_MARK_REMOVE => c"remove",
            _ => c"unknown",
        }
    };
    guard_value(c"unknown".as_ptr(), || name(mark).as_ptr())
}

/// Removes the snapshots of `group`, `[ns/NAME/...]TYPE/ID`, that `options` do not keep, the oldest first. `options`
/// may be NULL, which keeps everything. With PXDS_PRUNE_DRY_RUN nothing is removed.
///
/// The list has every snapshot that was there. A snapshot that could not be removed, because it is in use for example,
/// has its error there and brings a notice; it is no failure of this call. One that may not be looked into stays, with
/// a notice, and so does something else in its place; the list then says that it is not complete. The chunks stay for
/// garbage collection.
///
/// As in PBS a snapshot counts whether its verification failed or not. There is a notice, a warning, before the last
/// one goes that is not known to be bad: if all that stay have failed their verification, or have no readable manifest.
/// Another one tells that `keep_good` keeps nothing, because no snapshot was verified.
///
/// The group is not locked: a backup may be running in it. Each snapshot that is to be removed is locked, and looked at
/// again. Directories that crashes of older versions have left in the group are removed too, unless they are locked.
///
/// Owns: the caller owns `*out` and frees it with pxds_prune_list_free().
/// Errors: PXDS_ERR_ARGUMENT (also an unknown zone); PXDS_ERR_NOT_FOUND (the group, or the zone's file),
/// PXDS_ERR_FORMAT, PXDS_ERR_LIMIT (of that file), PXDS_ERR_IO, PXDS_ERR_CANCELLED (by a callback; some may be removed
/// by then); PXDS_ERR_STATE and PXDS_ERR_UNSUPPORTED for a store that can only be read, without PXDS_PRUNE_DRY_RUN.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_prune(
    store: *const pxds_store,
    group: *const c_char,
    options: *const pxds_prune_options,
    out: *mut *mut pxds_prune_list,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, (store, group), options) =
            unsafe { (Out::handle(out, "out")?, store_and_group(store, group)?, read_options(options)?) };
        let Listing { found, unseen } = store.tree().prune_group(&group, &options)?;
        let entries = try_collect(found.iter().map(|pruned| Entry::new(pruned, options.dry_run)))?;
        Ok(out.hand_out(pxds_prune_list { entries: Shared::new(entries), complete: unseen.is_none() }))
    })
}

/// How many; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_prune_list_count(list: *const pxds_prune_list) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| list.entries.len()))
}

/// 1 if the list has every snapshot there is; 0 if something could not be seen, of which there was a notice, and for
/// NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_prune_list_is_complete(list: *const pxds_prune_list) -> i32 {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| i32::from(list.complete)))
}

/// Writes snapshot `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
///
/// Owns: the strings are the list's.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_prune_list_get(
    list: *const pxds_prune_list,
    i: usize,
    entry: *mut pxds_prune_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    let read = |list: &pxds_prune_list| {
        Ok(list.entries.get(i).map(|entry| pxds_prune_entry {
            struct_size: size_of::<pxds_prune_entry>(),
            path: entry.path.as_ptr(),
            message: opt_text(&entry.message),
            time: entry.time,
            flags: entry.flags,
            mark: constant_of(entry.mark),
            status: entry.status,
            kept_by: entry.kept_by,
        }))
    };
    // SAFETY: the header's rules for handles and outputs.
    unsafe { element((list, "list"), (entry, "entry"), err, read) }
}

/// Frees a list. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_prune_list_free(list: *mut pxds_prune_list) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(list) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_have_their_names() {
        for mark in [Mark::Keep, Mark::KeepPartial, Mark::Protected, Mark::Remove] {
            // SAFETY: a string of the library's.
            let name = unsafe { CStr::from_ptr(pxds_prune_mark_name(constant_of(mark))) };
            assert_eq!(name.to_str().unwrap(), mark.as_str());
        }
    }

    #[test]
    fn rules_have_their_bits() {
        let bits: Vec<_> = Rule::ALL.into_iter().map(|rule| constants_of(Rules::default().with(rule))).collect();
        assert_eq!(bits, (0..9).map(|i| 1 << i).collect::<Vec<_>>());
        assert_eq!(constants_of(Rules::default().with(Rule::Last).with(Rule::Newest)), 257);
    }
}
