//! The configuration of a store in Proxmox Backup Server.

use std::ffi::c_char;

use super::args::{self, OutStruct};
use super::callback::notice;
use super::error::pxds_error;
use super::gc::{PXDS_GC_DRY_RUN, PXDS_GC_NO_ATIME_PROBE, PXDS_GC_NO_CACHE, pxds_gc_options};
use super::guard::guard;
use super::status::{PXDS_NONE, PXDS_OK, pxds_status};
use super::store::{
    PXDS_STORE_NOT_S3_CACHE, PXDS_STORE_READ_ONLY, PXDS_STORE_S3_CACHE, PXDS_SYNC_DEFAULT, PXDS_SYNC_FILE,
    PXDS_SYNC_FILESYSTEM, PXDS_SYNC_NONE, pxds_store_options,
};
use super::verify::{PXDS_VERIFY_INDEX_ORDER, pxds_verify_options};
use crate::base::{NoticeLevel, SyncLevel};
use crate::error::{Error, Kind, Result};
use crate::name::check_store;
use crate::pbsconfig::{PbsStore, Tuning};

/// Bytes that are always enough for the name of a store with its NUL.
pub const PXDS_STORE_NAME_SIZE: usize = 256;

/// Reads what Proxmox Backup Server is configured to do with the store in the directory `store`, from its file
/// `config`, which is /etc/proxmox-backup/datastore.cfg there. Returns PXDS_NONE, and changes nothing, if no store in
/// that file has this directory.
///
/// `name` gets the store's name with a NUL; PXDS_STORE_NAME_SIZE bytes are enough. The options become what is
/// configured, where they are still 0; each may be NULL, and the others stay as they are. To read the file again
/// initialise them anew.
///
/// - `store_options`: `store_name` becomes `name`, which has to stay while the options are used; one that is given must
///   be this name. `sync` is the configured one. Maintenance mode "read-only" is PXDS_STORE_READ_ONLY, and a notice to
///   `notice`; a store in S3 is PXDS_STORE_S3_CACHE, any other PXDS_STORE_NOT_S3_CACHE.
/// - `gc_options`: `cutoff_minutes`, `remembered` or PXDS_GC_NO_CACHE, PXDS_GC_NO_ATIME_PROBE. Pass them only to
///   collect garbage: while another store lies in this one, or this one in it, that is PXDS_ERR_UNSUPPORTED.
/// - `verify_options`: PXDS_VERIFY_INDEX_ORDER, `threads`.
///
/// Nothing else in the library reads this file, or any other that it was not given. See docs/format.md, 7.10.
///
/// Errors: PXDS_ERR_ARGUMENT (`store_options->store_name` is the name of another store, or of none); PXDS_ERR_BUSY (a
/// maintenance mode in which the store is not to be used), PXDS_ERR_UNSUPPORTED (a mode or a backend that is not known;
/// see above); PXDS_ERR_FORMAT (the message names the line), PXDS_ERR_LIMIT (more than 1 MiB), PXDS_ERR_TOO_SMALL,
/// PXDS_ERR_NOT_FOUND, PXDS_ERR_IO; PXDS_ERR_CANCELLED (by the notice callback).
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pxds_pbs_config_read(
    config: *const c_char,
    store: *const c_char,
    name: *mut c_char,
    name_capacity: usize,
    store_options: *mut pxds_store_options,
    gc_options: *mut pxds_gc_options,
    verify_options: *mut pxds_verify_options,
    err: *mut *mut pxds_error,
) -> pxds_status {
    guard(err, || {
        // SAFETY: the header's rules for inputs and outputs. The name that is given may be in the room for the name.
        let (given, room) = unsafe { (given_name(store_options), args::text_mut(name, name_capacity, "name")?) };
        let given = given?;
        // SAFETY: as above.
        let (config, store) = unsafe { (args::path(config, "config")?, args::path(store, "store")?) };
        // SAFETY: as above.
        let (store_out, gc_out, verify_out) = unsafe {
            (OutStruct::amend(store_options)?, OutStruct::amend(gc_options)?, OutStruct::amend(verify_options)?)
        };
        let found = PbsStore::read(config, store)?;
        check_name(given.as_deref(), found.as_ref()).map_err(|error| error.of(config))?;
        let Some(found) = found else { return Ok(PXDS_NONE) };
        let entangled = gc_out.as_ref().and_then(|_| found.entangled());
        if let Some((other, path)) = entangled {
            let message = format!(
                "no garbage is collected in the store {}: the store {other}, {}, lies in it or around it",
                found.name,
                path.display()
            );
            return Err(Error::new(Kind::Unsupported, message).with_path(path));
        }
        args::write_text(room, found.name.as_bytes())?;
        if let Some((out, options)) = store_out {
            tell(&found, &options)?;
            out.set(store_options_of(&found, options, name));
        }
        if let Some((out, options)) = gc_out {
            out.set(gc_options_of(&found.tuning, options));
        }
        if let Some((out, options)) = verify_out {
            out.set(verify_options_of(&found.tuning, options));
        }
        Ok(PXDS_OK)
    })
}

/// A copy of the name that the caller has given.
unsafe fn given_name(options: *const pxds_store_options) -> Result<Option<String>> {
    // SAFETY: the caller's.
    let given = unsafe { args::opt_text(args::options(options)?.store_name, "store_options.store_name")? };
    given.map(|name| check_store(name).map(|()| name.to_owned())).transpose()
}

/// Compares the name that the caller has given with the one that is configured.
fn check_name(given: Option<&str>, found: Option<&PbsStore>) -> Result<()> {
    match (given, found) {
        (Some(given), Some(found)) if given != found.name => {
            Err(Error::new(Kind::Argument, format!("the store is called {}, not {given}", found.name)))
        }
        (Some(given), None) => {
            Err(Error::new(Kind::Argument, format!("no store has this directory, neither {given} nor another")))
        }
        _ => Ok(()),
    }
}

/// Says that the store is in maintenance.
fn tell(found: &PbsStore, options: &pxds_store_options) -> Result<()> {
    let Some(message) = &found.read_only else { return Ok(()) };
    let Some(notice) = notice(options.notice, options.notice_user) else { return Ok(()) };
    let colon = if message.is_empty() { "" } else { ": " };
    let text = format!("the store {} is in maintenance mode read-only{colon}{message}", found.name);
    notice(NoticeLevel::Warning, &text, None)
}

fn store_options_of(found: &PbsStore, mut options: pxds_store_options, name: *const c_char) -> pxds_store_options {
    options.store_name = name;
    if options.sync == PXDS_SYNC_DEFAULT {
        options.sync = match found.tuning.sync {
            None => PXDS_SYNC_DEFAULT,
            Some(SyncLevel::None) => PXDS_SYNC_NONE,
            Some(SyncLevel::File) => PXDS_SYNC_FILE,
            Some(SyncLevel::Filesystem) => PXDS_SYNC_FILESYSTEM,
        };
    }
    options.flags |= if found.read_only.is_some() { PXDS_STORE_READ_ONLY } else { 0 };
    options.flags |= match found.is_s3 {
        true => PXDS_STORE_S3_CACHE,
        // The configuration says it, so no look is needed; the caller's option counts for more.
        false if options.flags & PXDS_STORE_S3_CACHE == 0 => PXDS_STORE_NOT_S3_CACHE,
        false => 0,
    };
    options
}

fn gc_options_of(tuning: &Tuning, mut options: pxds_gc_options) -> pxds_gc_options {
    if options.cutoff_minutes == 0 {
        options.cutoff_minutes = tuning.cutoff_minutes.unwrap_or(0);
    }
    if options.remembered == 0 {
        options.remembered = tuning.remembered.unwrap_or(0) as u64;
        // 0 stands for the default here, and for nothing there.
        options.flags |= if tuning.remembered == Some(0) { PXDS_GC_NO_CACHE } else { 0 };
    }
    // A dry run has no probe that could be left out.
    if tuning.probes_atime == Some(false) && options.flags & PXDS_GC_DRY_RUN == 0 {
        options.flags |= PXDS_GC_NO_ATIME_PROBE;
    }
    options
}

fn verify_options_of(tuning: &Tuning, mut options: pxds_verify_options) -> pxds_verify_options {
    if tuning.inode_order == Some(false) {
        options.flags |= PXDS_VERIFY_INDEX_ORDER;
    }
    if options.threads == 0 {
        options.threads = tuning.workers.unwrap_or(0);
    }
    options
}
