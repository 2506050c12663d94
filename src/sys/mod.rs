//! The operating system: the only place that touches files.
//!
//! Files of a store are named relative to an open directory ([`Dir`]), so that a path is resolved once. Every
//! error carries the path, and the errno. Paths are bytes.

#![allow(unsafe_code)]

mod allocator;
mod clock;
mod dir;
mod entries;
mod fd;
mod file;
mod holes;
mod lock;
mod memory;
mod output;
mod path;
mod process;
mod random;
mod removal;
mod reserve;
mod secret;
mod set_aside;
mod signals;
#[cfg(feature = "s3")]
mod socket;
mod sparse;
mod temp;
mod tree;
mod watch;

pub use clock::{now, pause, wait_for};
pub use dir::{Dir, FileId, FileKind, Owner, Stat, open_input, open_regular};
pub use entries::{DirEntries, DirEntry, DirNames};
pub use fd::{CallerFd, ZEROS};
pub use file::{
    append_bounded, append_up_to, check_size, file_id, forget_cached, read_bounded, read_exact, read_up_to, write_all,
};
pub use holes::Holes;
pub use lock::{Attempt, Flock, LockFile, LockMode, busy};
pub use memory::large_buffer;
pub use output::{Destination, InPlace, Output};
pub use path::{absolute, make_dirs, resolved};
use path::{c_path, split_file_path};
pub use process::{ProcessMark, host_name, process_start};
pub use random::{HashSeed, random};
pub use removal::{Removed, is_random_name, random_name};
pub use reserve::{begin_call, check_memory, memory_is_back};
pub use secret::without_traces;
pub use set_aside::without_traces_in;
pub use signals::SignalsBlocked;
use signals::without_signals;
#[cfg(feature = "s3")]
pub use socket::{Ready, Socket, addresses};
pub use sparse::Region;
pub use temp::{TempFile, anonymous, is_temporary_name, temporary_name};
pub use tree::c_name;
pub use watch::{Change, Watch};

use std::io;

/// Calls `f` until it is not interrupted; a negative result is the errno.
fn retry<T: Copy + Default + PartialOrd>(mut f: impl FnMut() -> T) -> io::Result<T> {
    loop {
        let result = f();
        if result >= T::default() {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether an error number says that there is no room on the disk, or none for this user.
pub fn is_full(errno: i32) -> bool {
    matches!(errno, libc::ENOSPC | libc::EDQUOT)
}

/// Whether an error number says that the same call, made anew by name, may go better: it was interrupted, or the file
/// that it had was one of a server that no longer knows it.
pub fn is_passing(errno: i32) -> bool {
    matches!(errno, libc::EINTR | libc::EAGAIN | libc::ESTALE | libc::ETIMEDOUT)
}

/// Whether an error number says that this user may not.
pub fn is_denied(errno: i32) -> bool {
    matches!(errno, libc::EACCES | libc::EPERM)
}
