//! What a processor has beyond the portable code: forms of the inner loops that are chosen at run time.
//!
//! Each takes slices and tables alone and has a portable twin in the module that uses it, whose results it equals.

#![allow(unsafe_code)]

pub(crate) mod cuts;
pub(crate) mod registers;
pub mod sha256;
