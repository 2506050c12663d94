//! Names.

use std::ffi::{CStr, c_char};
use std::mem::size_of;

use super::args::{self, Out, OutStruct, OutText, size_first};
use super::error::pxds_error;
use super::guard::{guard, guard_ok, guard_value};
use super::status::pxds_status;
use crate::calendar;
use crate::error::Result;
use crate::name::{self, ArchiveKind, BackupType, Group, Namespace, Snapshot};

/// Type of a backup: a virtual machine, "vm".
pub const PXDS_TYPE_VM: u32 = 0;
/// Type of a backup: a container, "ct".
pub const PXDS_TYPE_CT: u32 = 1;
/// Type of a backup: a host, "host".
pub const PXDS_TYPE_HOST: u32 = 2;

/// Most components of a namespace.
pub const PXDS_NAMESPACE_MAX_DEPTH: usize = 7;
/// Most bytes of a namespace, a/b/c.
pub const PXDS_NAMESPACE_MAX_LEN: usize = 256;
/// Most bytes of a backup id.
pub const PXDS_ID_MAX_LEN: usize = 255;
/// Bytes of a time, with its NUL: "2020-06-26T13:56:05Z".
pub const PXDS_TIME_SIZE: usize = 21;

/// Kind of an archive: a dynamic index, ".didx".
pub const PXDS_ARCHIVE_DYNAMIC: u32 = 1;
/// Kind of an archive: a fixed index, ".fidx".
pub const PXDS_ARCHIVE_FIXED: u32 = 2;
/// Kind of an archive: a blob, ".blob".
pub const PXDS_ARCHIVE_BLOB: u32 = 3;

/// Room for a namespace and its NUL, rounded up.
const NAMESPACE_SIZE: usize = 264;
/// Room for an id and its NUL.
const ID_SIZE: usize = 256;

/// The parts of a group's path.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_group_name {
    /// Bytes of this structure; set by PXDS_GROUP_NAME_INIT.
    pub struct_size: usize,
    /// PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST.
    pub r#type: u32,
    /// 0.
    pub reserved: u32,
    /// The namespace, a/b/c; "" for the root.
    pub ns: [c_char; 264],
    /// The id.
    pub id: [c_char; 256],
}

size_first!(pxds_group_name);

/// The parts of a snapshot's path.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pxds_snapshot_name {
    /// Bytes of this structure; set by PXDS_SNAPSHOT_NAME_INIT.
    pub struct_size: usize,
    /// PXDS_TYPE_VM, PXDS_TYPE_CT or PXDS_TYPE_HOST.
    pub r#type: u32,
    /// 0.
    pub reserved: u32,
    /// In seconds since 1970.
    pub time: i64,
    /// The namespace, a/b/c; "" for the root.
    pub ns: [c_char; 264],
    /// The id.
    pub id: [c_char; 256],
}

size_first!(pxds_snapshot_name);

/// The type that a caller chose.
pub(super) fn backup_type(value: u32) -> Result<BackupType> {
    let types = [(PXDS_TYPE_VM, BackupType::Vm), (PXDS_TYPE_CT, BackupType::Ct), (PXDS_TYPE_HOST, BackupType::Host)];
    args::choice(value, "type", &types)
}

/// The constant of a type.
pub(super) fn constant_of(kind: BackupType) -> u32 {
    match kind {
        BackupType::Vm => PXDS_TYPE_VM,
        BackupType::Ct => PXDS_TYPE_CT,
        BackupType::Host => PXDS_TYPE_HOST,
    }
}

/// The constant of a kind of archive.
pub(super) fn archive_constant(kind: ArchiveKind) -> u32 {
    match kind {
        ArchiveKind::Dynamic => PXDS_ARCHIVE_DYNAMIC,
        ArchiveKind::Fixed => PXDS_ARCHIVE_FIXED,
        ArchiveKind::Blob => PXDS_ARCHIVE_BLOB,
    }
}

/// The namespace that a caller passed; NULL is the root.
pub(super) unsafe fn namespace(ns: *const c_char) -> Result<Namespace> {
    // SAFETY: the caller's.
    unsafe { args::opt_text(ns, "ns") }?.map_or(Ok(Namespace::root()), Namespace::parse)
}

/// The group that a caller passed in parts.
pub(super) unsafe fn group(ns: *const c_char, kind: u32, id: *const c_char) -> Result<Group> {
    // SAFETY: the caller's.
    let (namespace, id) = unsafe { (namespace(ns)?, args::text(id, "id")?) };
    Group::new(namespace, backup_type(kind)?, id)
}

/// A checked name, which has no NUL and fits, as an array of C.
pub(super) fn inline<const N: usize>(name: &str) -> [c_char; N] {
    let mut chars = [0; N];
    for (char, byte) in chars.iter_mut().zip(name.bytes()) {
        *char = byte as c_char;
    }
    chars
}

/// The name of a type: "vm", "ct" or "host"; "unknown" for any other number.
///
/// Owns: the string is the library's and lasts for ever.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn pxds_backup_type_name(r#type: u32) -> *const c_char {
    let name = |kind: u32| -> &'static CStr {
        match kind {
            PXDS_TYPE_VM => c"vm",
            PXDS_TYPE_CT => c"ct",
            PXDS_TYPE_HOST => c"host",
            _ => c"unknown",
        }
    };
    guard_value(c"unknown".as_ptr(), || name(r#type).as_ptr())
}

/// Reads the name of a type, exactly "vm", "ct" or "host", and writes PXDS_TYPE_... to `*type`.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_backup_type_parse(
    name: *const c_char,
    r#type: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, name) = unsafe { (Out::new(r#type, "type")?, args::text(name, "name")?) };
        Ok(out.set(constant_of(BackupType::parse(name)?)))
    })
}

/// Checks the id of a group: letters, digits and _ . - of ASCII, no . or - first, at most PXDS_ID_MAX_LEN bytes.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_id_check(id: *const c_char, err: *mut *mut pxds_error) -> pxds_status {
    // SAFETY: the header's rules for inputs.
    guard_ok(err, || name::check_id(unsafe { args::text(id, "id")? }))
}

/// Checks a namespace: names like an id's with a / between them, or "" for the root.
///
/// It has at most PXDS_NAMESPACE_MAX_DEPTH names and PXDS_NAMESPACE_MAX_LEN bytes.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_namespace_check(ns: *const c_char, err: *mut *mut pxds_error) -> pxds_status {
    // SAFETY: the header's rules for inputs.
    guard_ok(err, || Namespace::parse(unsafe { args::text(ns, "ns")? }).map(drop))
}

/// Checks the name of an archive, an id that ends in .didx, .fidx or .blob, and writes PXDS_ARCHIVE_... to `*kind`,
/// which may be NULL.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_archive_check(
    name: *const c_char,
    kind: *mut u32,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, name) = unsafe { (Out::opt(kind), args::text(name, "name")?) };
        let kind = archive_constant(name::check_archive(name)?);
        if let Some(out) = out {
            out.set(kind);
        }
        Ok(())
    })
}

/// Writes `time`, in seconds since 1970, as the name of a snapshot, such as "2020-06-26T13:56:05Z", and a NUL.
///
/// `capacity` is at least PXDS_TIME_SIZE.
///
/// Errors: PXDS_ERR_ARGUMENT (also outside the years 0000 to 9999), PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_time_format(
    time: i64,
    text: *mut c_char,
    capacity: usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for outputs.
        let room = unsafe { args::text_mut(text, capacity, "text")? };
        args::write_text(room, calendar::format_time(time)?.as_bytes())
    })
}

/// Reads the name of a snapshot, exactly as pxds_time_format() writes it: no 30th of February, no second 60.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_time_parse(
    text: *const c_char,
    time: *mut i64,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, text) = unsafe { (Out::new(time, "time")?, args::text(text, "text")?) };
        Ok(out.set(calendar::parse_time(text)?))
    })
}

/// Writes the path of a group below its store, such as "ns/a/ns/b/vm/100", with a NUL at its end.
///
/// `ns`: the namespace, a/b; NULL or "" for the root. `*text_len` gets the bytes with the NUL; with PXDS_ERR_TOO_SMALL,
/// how many are needed.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_format(
    ns: *const c_char,
    r#type: u32,
    id: *const c_char,
    text: *mut c_char,
    capacity: usize,
    text_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, group) = unsafe { (OutText::new(text, capacity, text_len, "text")?, group(ns, r#type, id)?) };
        out.set(group.path().as_bytes())
    })
}

/// Writes the path of a snapshot below its store, such as "ns/a/vm/100/2020-06-26T13:56:05Z", with a NUL at its end.
///
/// As pxds_group_format(). `time` is in seconds since 1970.
///
/// Errors: PXDS_ERR_ARGUMENT, PXDS_ERR_TOO_SMALL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_format(
    ns: *const c_char,
    r#type: u32,
    id: *const c_char,
    time: i64,
    text: *mut c_char,
    capacity: usize,
    text_len: *mut usize,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard_ok(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, group) = unsafe { (OutText::new(text, capacity, text_len, "text")?, group(ns, r#type, id)?) };
        out.set(Snapshot::new(group, time)?.path().as_bytes())
    })
}

/// Takes the path of a group apart, as pxds_group_format() writes it.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_group_parse(
    path: *const c_char,
    out: *mut pxds_group_name,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path) = unsafe { (OutStruct::new(out, "out")?, args::text(path, "path")?) };
        let group = Group::parse(path)?;
        Ok(out.set(pxds_group_name {
            struct_size: size_of::<pxds_group_name>(),
            r#type: constant_of(group.kind()),
            reserved: 0,
            ns: inline::<NAMESPACE_SIZE>(group.namespace().as_str()),
            id: inline::<ID_SIZE>(group.id()),
        }))
    })
}

/// Takes the path of a snapshot apart, as pxds_snapshot_format() writes it.
///
/// Errors: PXDS_ERR_ARGUMENT.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_snapshot_parse(
    path: *const c_char,
    out: *mut pxds_snapshot_name,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs.
        let (out, path) = unsafe { (OutStruct::new(out, "out")?, args::text(path, "path")?) };
        let snapshot = Snapshot::parse(path)?;
        Ok(out.set(pxds_snapshot_name {
            struct_size: size_of::<pxds_snapshot_name>(),
            r#type: constant_of(snapshot.group().kind()),
            reserved: 0,
            time: snapshot.time(),
            ns: inline::<NAMESPACE_SIZE>(snapshot.group().namespace().as_str()),
            id: inline::<ID_SIZE>(snapshot.group().id()),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_numbers_are_those_of_the_core() {
        assert_eq!(PXDS_NAMESPACE_MAX_DEPTH, name::NAMESPACE_MAX_DEPTH);
        assert_eq!(PXDS_NAMESPACE_MAX_LEN, name::NAMESPACE_MAX_LEN);
        assert_eq!(PXDS_TIME_SIZE, calendar::TIME_LEN + 1);
        assert!(name::check_id(&"x".repeat(PXDS_ID_MAX_LEN)).is_ok());
        assert!(name::check_id(&"x".repeat(PXDS_ID_MAX_LEN + 1)).is_err());
        const { assert!(PXDS_NAMESPACE_MAX_LEN < NAMESPACE_SIZE && PXDS_ID_MAX_LEN < ID_SIZE) };
    }

    #[test]
    fn types_have_their_constants() {
        for kind in BackupType::ALL {
            assert_eq!(backup_type(constant_of(kind)).unwrap(), kind);
            // SAFETY: a string of the library's.
            let name = unsafe { CStr::from_ptr(pxds_backup_type_name(constant_of(kind))) };
            assert_eq!(name.to_str().unwrap(), kind.as_str());
        }
        assert_eq!(backup_type(3).unwrap_err().kind(), Kind::Argument);
    }
}
