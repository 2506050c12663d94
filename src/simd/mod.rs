//! Kernels that use the processor's vector instructions, chosen at run time. They know nothing but slices.

#![allow(unsafe_code)]

pub mod sha256;
