//! Lists of namespaces, groups and snapshots.

use std::ffi::{CString, c_char};
use std::mem::size_of;

use super::args::{self, Out, size_first};
use super::blob::PXDS_CRYPT_DEFAULT;
use super::error::pxds_error;
use super::guard::{element, guard, guard_value};
use super::handle::Shared;
use super::manifest::{PXDS_VERIFIED_NONE, crypt_constant, last_verified};
use super::name::{constant_of, namespace};
use super::status::pxds_status;
use super::store::pxds_store;
use super::text::{c_string, opt_text};
use crate::error::{Error, Kind, Result, push, try_collect};
use crate::manifest::Manifest;
use crate::name::{Group, Namespace};
use crate::tree::{Fact, Listing, SnapshotInfo, Tree};

/// Listing flag: the namespace itself and all below it, not only what is right in it.
pub const PXDS_LIST_RECURSIVE: u32 = 1;

/// Listing flag, of snapshots: with the owner of each group, from a small file.
pub const PXDS_LIST_OWNERS: u32 = 2;
/// Listing flag, of snapshots: with what their manifests say. Each is read for that.
pub const PXDS_LIST_MANIFESTS: u32 = 4;

/// pxds_snapshot_entry.flags: it is protected from being removed.
pub const PXDS_SNAPSHOT_PROTECTED: u32 = 1;
/// pxds_snapshot_entry.flags: it is finished, which is to say that it has a manifest.
pub const PXDS_SNAPSHOT_FINISHED: u32 = 2;
/// pxds_snapshot_entry.flags: it has a manifest that PXDS_LIST_MANIFESTS asked for and that cannot be read.
pub const PXDS_SNAPSHOT_UNREADABLE: u32 = 4;

/// A group in a list.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_group_entry {
    /// Bytes of this structure; set by PXDS_GROUP_ENTRY_INIT.
    pub struct_size: usize,
    /// Its path below the store, `[ns/NAME/...]TYPE/ID`: what functions on groups take. The list's, as the
    /// other strings.
    pub path: *const c_char,
    /// Its namespace, `a/b`; "" for the root.
    pub ns: *const c_char,
    /// Its id.
    pub id: *const c_char,
    /// PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST.
    pub r#type: u32,
    /// 0.
    pub reserved: u32,
}

size_first!(pxds_group_entry);

/// A snapshot in a list, or by itself.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_snapshot_entry {
    /// Bytes of this structure; set by PXDS_SNAPSHOT_ENTRY_INIT.
    pub struct_size: usize,
    /// Its path below the store, `[ns/NAME/...]TYPE/ID/TIME`: what functions on snapshots take. The list's, as the
    /// other strings; NULL, as these, from pxds_snapshot_get_info().
    pub path: *const c_char,
    /// Its namespace, `a/b`; "" for the root.
    pub ns: *const c_char,
    /// The id of its group.
    pub id: *const c_char,
    /// Its time, in seconds since 1970.
    pub time: i64,
    /// PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST.
    pub r#type: u32,
    /// PXDS_SNAPSHOT_...
    pub flags: u32,
    /// In a list with PXDS_LIST_OWNERS: who owns its group; NULL if no file says so.
    pub owner: *const c_char,
    /// In a list with PXDS_LIST_MANIFESTS, as what follows: the notes, up to a NUL in them; their first line is shown
    /// as the comment. NULL if there are none.
    pub notes: *const c_char,
    /// Bytes of what its files hold, by the manifest.
    pub size: u64,
    /// How many files the manifest lists.
    pub file_count: usize,
    /// PXDS_VERIFIED_...
    pub verify_state: u32,
    /// PXDS_CRYPT_..., as all files have it; PXDS_CRYPT_DEFAULT if they differ, or if there are none.
    pub crypt_mode: u32,
    /// When the last verification began, in seconds since 1970; 0 with PXDS_VERIFIED_NONE.
    pub verify_time: i64,
}

size_first!(pxds_snapshot_entry);

/// Namespaces. Shared.
pub struct pxds_namespace_list {
    names: Shared<Vec<CString>>,
    complete: bool,
}

/// Groups, by namespace, type (ct, host, vm) and id; ids that are numbers come first, by value. Shared.
pub struct pxds_group_list {
    groups: Shared<Vec<GroupNames>>,
    complete: bool,
}

/// Snapshots, group by group as in a list of groups, the oldest of each first. Shared.
pub struct pxds_snapshot_list {
    /// Each with its owner, if that is asked for.
    groups: Shared<Vec<(GroupNames, Option<CString>)>>,
    snapshots: Shared<Vec<Listed>>,
    complete: bool,
}

impl pxds_snapshot_list {
    fn get(&self, i: usize) -> Result<Option<pxds_snapshot_entry>> {
        let Some(Listed { group, path, info, noted }) = self.snapshots.get(i) else { return Ok(None) };
        let group = self.groups.get(*group).ok_or_else(|| Error::new(Kind::Internal, "a list has lost a group"))?;
        let (GroupNames { ns, id, .. }, owner) = group;
        let entry = snapshot_entry(info);
        Ok(Some(pxds_snapshot_entry {
            path: path.as_ptr(),
            ns: ns.as_ptr(),
            id: id.as_ptr(),
            flags: entry.flags | noted.flags,
            owner: opt_text(owner),
            notes: opt_text(&noted.notes),
            size: noted.size,
            file_count: noted.file_count,
            verify_state: noted.verify_state,
            crypt_mode: noted.crypt_mode,
            verify_time: noted.verify_time,
            ..entry
        }))
    }
}

/// A snapshot in a list.
struct Listed {
    /// The number of its group.
    group: usize,
    path: CString,
    info: SnapshotInfo,
    noted: Noted,
}

/// The facts in a manifest, if it is read.
#[derive(Default, PartialEq)]
struct Noted {
    flags: u32,
    notes: Option<CString>,
    size: u64,
    file_count: usize,
    verify_state: u32,
    verify_time: i64,
    crypt_mode: u32,
}

impl Noted {
    fn of(manifest: &Manifest) -> Result<Self> {
        let files = manifest.files();
        let mut modes = files.iter().map(|file| file.crypt_mode);
        let mode = modes.next().filter(|&first| modes.all(|mode| mode == first));
        let (verify_state, verify_time) = last_verified(manifest);
        let notes = manifest.notes().map(|notes| notes.split('\0').next().unwrap_or_default());
        Ok(Noted {
            flags: 0,
            notes: notes.map(c_string).transpose()?,
            size: files.iter().fold(0, |sum, file| file.size.saturating_add(sum)),
            file_count: files.len(),
            verify_state,
            verify_time,
            crypt_mode: mode.map_or(PXDS_CRYPT_DEFAULT, crypt_constant),
        })
    }
}

/// The strings of a group.
struct GroupNames {
    path: CString,
    ns: CString,
    id: CString,
    kind: u32,
}

impl GroupNames {
    fn new(group: &Group) -> Result<Self> {
        Ok(GroupNames {
            path: c_string(group.path())?,
            ns: c_string(group.namespace().as_str())?,
            id: c_string(group.id())?,
            kind: constant_of(group.kind()),
        })
    }
}

/// Lists the namespaces right below `ns`, by name; with PXDS_LIST_RECURSIVE itself and all below it.
///
/// `ns` is `a/b`; "" or NULL for the root. A directory with an invalid name is skipped, with a notice of the store's.
/// An entry that cannot be seen is passed over with a notice, and the list then says that it is not complete: a
/// directory that cannot be listed or opened, for lack of descriptors too, and something else, a link for example, in
/// the place of a directory.
///
/// Owns: the caller owns `*out` and frees it with pxds_namespace_list_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT (the namespace is no directory),
/// PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_namespaces(
    store: *const pxds_store,
    ns: *const c_char,
    flags: u32,
    out: *mut *mut pxds_namespace_list,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, ns) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, namespace(ns)?) };
        args::flags(flags, PXDS_LIST_RECURSIVE, "flags")?;
        let listing = store.tree().namespaces(&ns, flags & PXDS_LIST_RECURSIVE != 0)?;
        let names = try_collect(listing.found.iter().map(|ns| c_string(ns.as_str())))?;
        Ok(out.hand_out(pxds_namespace_list { names: Shared::new(names), complete: listing.unseen.is_none() }))
    })
}

fn groups(tree: &Tree, ns: &Namespace, flags: u32) -> Result<Listing<Group>> {
    if flags & PXDS_LIST_RECURSIVE != 0 { tree.groups_below(ns) } else { tree.groups(ns) }
}

/// Lists the groups of the namespace `ns`; with PXDS_LIST_RECURSIVE also those of all namespaces below it.
///
/// For `ns`, invalid names and entries that cannot be seen, see pxds_store_namespaces().
///
/// Owns: the caller owns `*out` and frees it with pxds_group_list_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT (the namespace is no directory),
/// PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_groups(
    store: *const pxds_store,
    ns: *const c_char,
    flags: u32,
    out: *mut *mut pxds_group_list,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, ns) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, namespace(ns)?) };
        args::flags(flags, PXDS_LIST_RECURSIVE, "flags")?;
        let listing = groups(store.tree(), &ns, flags)?;
        let groups = try_collect(listing.found.iter().map(GroupNames::new))?;
        Ok(out.hand_out(pxds_group_list { groups: Shared::new(groups), complete: listing.unseen.is_none() }))
    })
}

/// The snapshots of the groups of a listing; `list` gives those of one of them. `flags`: what to say of each.
fn list_snapshots(
    tree: &Tree,
    groups: Listing<Group>,
    flags: u32,
    list: impl Fn(&Group) -> Result<Listing<SnapshotInfo>>,
) -> Result<pxds_snapshot_list> {
    let mut complete = groups.unseen.is_none();
    let (mut names, mut snapshots) = (Vec::new(), Vec::new());
    for group in groups.found {
        let listing = list(&group)?;
        complete &= listing.unseen.is_none();
        for info in listing.found {
            let is_read = flags & PXDS_LIST_MANIFESTS != 0 && info.finished;
            let fact = match is_read {
                true => tree.listed_manifest(&info.snapshot, Noted::of)?,
                false => Fact::Known(Noted::default()),
            };
            complete &= fact != Fact::Unreadable;
            let noted = match fact {
                Fact::Known(noted) => noted,
                Fact::Gone => continue,
                Fact::Unreadable => Noted { flags: PXDS_SNAPSHOT_UNREADABLE, ..Noted::default() },
            };
            push(&mut snapshots, Listed { group: names.len(), path: c_string(info.snapshot.path())?, info, noted })?;
        }
        let owner = match flags & PXDS_LIST_OWNERS != 0 {
            true => tree.listed_owner(&group)?,
            false => Fact::Known(None),
        };
        complete &= owner != Fact::Unreadable;
        let owner = if let Fact::Known(owner) = owner { owner } else { None };
        push(&mut names, (GroupNames::new(&group)?, owner.map(c_string).transpose()?))?;
    }
    Ok(pxds_snapshot_list { groups: Shared::new(names), snapshots: Shared::new(snapshots), complete })
}

/// Lists the snapshots of all groups of the namespace `ns`; with PXDS_LIST_RECURSIVE also of all namespaces below it.
///
/// With PXDS_LIST_OWNERS and PXDS_LIST_MANIFESTS the list says more of each. An owner or manifest that cannot be read
/// is a notice, and the list is then not complete.
///
/// For `ns`, invalid names and entries that cannot be seen, see pxds_store_namespaces().
///
/// Owns: the caller owns `*out` and frees it with pxds_snapshot_list_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_NOT_FOUND, PXDS_ERR_IO, PXDS_ERR_FORMAT (the namespace is no directory),
/// PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_store_snapshots(
    store: *const pxds_store,
    ns: *const c_char,
    flags: u32,
    out: *mut *mut pxds_snapshot_list,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, ns) = unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, namespace(ns)?) };
        args::flags(flags, PXDS_LIST_RECURSIVE | PXDS_LIST_OWNERS | PXDS_LIST_MANIFESTS, "flags")?;
        let tree = store.tree();
        Ok(out.hand_out(list_snapshots(tree, groups(tree, &ns, flags)?, flags, |group| tree.snapshots_if_any(group))?))
    })
}

/// Lists the snapshots of one group, `[ns/NAME/...]TYPE/ID`; none if the group is not there. `flags`: 0,
/// PXDS_LIST_OWNERS, PXDS_LIST_MANIFESTS, see pxds_store_snapshots(). For what cannot be seen see
/// pxds_store_namespaces().
///
/// Owns: the caller owns `*out` and frees it with pxds_snapshot_list_free().
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_IO, PXDS_ERR_FORMAT (the group is no directory), PXDS_ERR_CANCELLED (by the
/// notice callback).
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_snapshots(
    store: *const pxds_store,
    group: *const c_char,
    flags: u32,
    out: *mut *mut pxds_snapshot_list,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, store, group) =
            unsafe { (Out::handle(out, "out")?, args::handle(store, "store")?, args::text(group, "group")?) };
        args::flags(flags, PXDS_LIST_OWNERS | PXDS_LIST_MANIFESTS, "flags")?;
        let tree = store.tree();
        let group = Listing { found: vec![Group::parse(group)?], unseen: None };
        Ok(out.hand_out(list_snapshots(tree, group, flags, |group| match tree.snapshot_listing(group) {
            Err(error) if error.kind() == Kind::NotFound => Ok(Listing { found: Vec::new(), unseen: None }),
            listing => listing,
        })?))
    })
}

/// How many; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_list_count(list: *const pxds_namespace_list) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| list.names.len()))
}

/// 1 if the list has every namespace there is; 0 if something could not be seen, of which there was a notice, and for
/// NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_list_is_complete(list: *const pxds_namespace_list) -> i32 {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| i32::from(list.complete)))
}

/// Namespace `i`, from 0, as `a/b`, "" for the root; NULL if the list has no such one.
///
/// Owns: the string is the list's.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_list_get(list: *const pxds_namespace_list, i: usize) -> *const c_char {
    let none = std::ptr::null;
    guard_value(none(), || {
        // SAFETY: the header's rules for handles.
        let list = unsafe { args::opt(list) };
        list.and_then(|list| list.names.get(i)).map_or_else(none, |ns| ns.as_ptr())
    })
}

/// Frees a list. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_list_free(list: *mut pxds_namespace_list) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(list) })
}

/// How many; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_list_count(list: *const pxds_group_list) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| list.groups.len()))
}

/// 1 if the list has every group there is; 0 if something could not be seen, of which there was a notice, and for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_list_is_complete(list: *const pxds_group_list) -> i32 {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| i32::from(list.complete)))
}

/// Writes group `i`, from 0, to `*entry`. Returns PXDS_NONE if the list has no such one.
///
/// Owns: the strings are the list's.
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_list_get(
    list: *const pxds_group_list,
    i: usize,
    entry: *mut pxds_group_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    let read = |list: &pxds_group_list| {
        Ok(list.groups.get(i).map(|group| pxds_group_entry {
            struct_size: size_of::<pxds_group_entry>(),
            path: group.path.as_ptr(),
            ns: group.ns.as_ptr(),
            id: group.id.as_ptr(),
            r#type: group.kind,
            reserved: 0,
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
pub unsafe extern "C" fn pxds_group_list_free(list: *mut pxds_group_list) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(list) })
}

/// How many; 0 for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_list_count(list: *const pxds_snapshot_list) -> usize {
    // SAFETY: the header's rules for handles.
    guard_value(0, || unsafe { args::opt(list) }.map_or(0, |list| list.snapshots.len()))
}

/// 1 if the list has every snapshot there is, and all that was asked for of each; 0 if something could not be seen, of
/// which there was a notice, and for NULL.
///
/// Threads: shared.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_list_is_complete(list: *const pxds_snapshot_list) -> i32 {
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
pub unsafe extern "C" fn pxds_snapshot_list_get(
    list: *const pxds_snapshot_list,
    i: usize,
    entry: *mut pxds_snapshot_entry,
    err: *mut *mut pxds_error,
) -> pxds_status {
    // SAFETY: the header's rules for handles and outputs.
    unsafe { element((list, "list"), (entry, "entry"), err, |list| list.get(i)) }
}

/// A snapshot, without strings.
pub(super) fn snapshot_entry(info: &SnapshotInfo) -> pxds_snapshot_entry {
    let none = std::ptr::null;
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    pxds_snapshot_entry {
        struct_size: size_of::<pxds_snapshot_entry>(),
        path: none(),
        ns: none(),
        id: none(),
        time: info.snapshot.time(),
        r#type: constant_of(info.snapshot.group().kind()),
        flags: flag(info.protected, PXDS_SNAPSHOT_PROTECTED) | flag(info.finished, PXDS_SNAPSHOT_FINISHED),
        owner: none(),
        notes: none(),
        size: 0,
        file_count: 0,
        verify_state: PXDS_VERIFIED_NONE,
        crypt_mode: PXDS_CRYPT_DEFAULT,
        verify_time: 0,
    }
}

/// Frees a list. NULL is fine.
///
/// Threads: any, but no other call may be using the handle.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_list_free(list: *mut pxds_snapshot_list) {
    // SAFETY: the header's rules for handles.
    guard_value((), || unsafe { args::free(list) })
}
