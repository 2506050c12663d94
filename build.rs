//! Link settings of the shared library, so that `cargo build` and `make` give the same file.

/// Moved only by a break of the C ABI; independent of the crate's version.
const ABI: &str = "0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpxds.so.{ABI}");
    // Rust's standard library registers thread-local destructors that outlive dlclose().
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
