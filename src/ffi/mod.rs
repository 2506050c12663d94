//! The C boundary: `include/pxds.h` is generated from this module.
//!
//! Every export is `guard(err, || { read the arguments; call the core; write the outputs })`. What they share is in
//! [`kit`]: raw pointers are read in [`args`] alone; the two classes of handles are the types [`handle::Shared`] and
//! [`handle::Exclusive`]; statuses are made from kinds in [`status`]. Doc comments here are the header's: written for a
//! reader of C.

#![allow(unsafe_code)]
// The names are C's.
#![allow(non_camel_case_types)]
// The header's opening comment states the rules for every pointer once; `args` checks what can be checked.
#![allow(clippy::missing_safety_doc)]

use kit::{args, guard, handle, text};
pub use kit::{callback, error, status};

// In the order of the header.
pub mod kit;
pub mod version;
pub mod buffer;
pub mod file;
pub mod digest;
pub mod name;
pub mod key;
pub mod keyfile;
pub mod master;
pub mod blob;
pub mod format;
pub mod chunker;
pub mod store;
pub mod chunks;
pub mod convert;
pub mod index;
pub mod lock;
pub mod ingest;
pub mod image;
pub mod source;
pub mod copy;
pub mod restore;
pub mod cache;
pub mod reader;
pub mod json;
pub mod manifest;
pub mod tree;
pub mod files;
pub mod namespace;
pub mod group;
pub mod prune;
pub mod gc;
pub mod verify;
pub mod pbsconfig;
pub mod stats;
pub mod snapshot;
pub mod backup;
