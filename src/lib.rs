//! The Proxmox Backup Server datastore model: blobs, chunks, indexes, and the flows between them.
//!
//! The C API of `include/pxds.h` is the product; it is the module `ffi`. The safe Rust modules below it carry the
//! work and are tested by themselves.
//!
//! Layers, each importing only from those before it (held by `tests/layers.rs`):
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`callback`], [`error`], [`digest`], [`limits`] |
//! | 1 | [`progress`], [`simd`] |
//! | 2 | [`calendar`], [`format`](mod@format), [`chunker`], [`hash`], [`json`], [`sys`] |
//! | 3 | [`crew`], [`crypt`], [`index`], [`name`], [`zone`] |
//! | 4 | [`backend`], [`base`], [`blob`], [`keyfile`], [`prune`] |
//! | 5 | [`chunks`], [`manifest`], [`master`] |
//! | 6 | [`source`], [`tree`] |
//! | 7 | [`ingest`], [`reader`], [`restore`], [`store`] |
//! | 8 | [`backup`], [`gc`], [`stats`], [`verify`] |
//! | 9 | [`pbsconfig`] |
//! | 10 | [`ffi`] |
//!
//! The main flow: bytes → `chunker` (where to cut) → `hash` (the chunk's name) → `chunks` (is it there? touch it) →
//! `blob` (compress, CRC) → `chunks` (insert) → `index` (append) → a file.

// An unwinding panic is caught at every export; an aborting one would take the host down.
#[cfg(panic = "abort")]
compile_error!("pxds must be built with panic=unwind: a panic must never abort the program that links it");

pub mod callback;
pub mod digest;
pub mod error;
pub mod limits;

pub mod progress;
pub mod simd;

pub mod calendar;
pub mod chunker;
pub mod format;
pub mod hash;
pub mod json;
pub mod sys;

pub mod crew;
pub mod crypt;
pub mod index;
pub mod name;
pub mod zone;

pub mod backend;
pub mod base;
pub mod blob;
pub mod keyfile;
pub mod prune;

pub mod chunks;
pub mod manifest;
pub mod master;

pub mod source;
pub mod tree;

pub mod ingest;
pub mod reader;
pub mod restore;
pub mod store;

pub mod backup;
pub mod gc;
pub mod stats;
pub mod verify;

pub mod pbsconfig;

pub mod ffi;

#[cfg(test)]
mod testing;
