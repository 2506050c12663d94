//! Forms of the inner loops for features of processors, chosen at run time.
//!
//! Each takes slices and tables alone and has a portable twin in the module that uses it, whose results it equals.

#![allow(unsafe_code)]

pub(crate) mod cuts;
pub(crate) mod registers;
pub mod sha256;
