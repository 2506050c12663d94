//! The targets of `make fuzz`, which needs a toolchain of its own: that they are up to date, and what they say of the
//! files that fuzzing starts from, whole and with a few bytes changed. They are of a library with all that it has by
//! default.

#![cfg(feature = "s3")]
// Each target is a crate of its own there, and names a crate that is not here.
#![allow(unused_attributes)]
extern crate self as libfuzzer_sys;

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Rng;

/// The modules of the targets, and the table of them: name, function, directory of the files to start from.
macro_rules! targets {
    ($($name:ident: $path:literal, $start:literal;)*) => {
        $(#[path = $path]
        mod $name;)*

        const TARGETS: &[(&str, fn(&[u8]), &str)] = &[$((stringify!($name), $name::run, $start),)*];
    };
}

targets! {
    blob: "../fuzz/fuzz_targets/blob.rs", "blobs";
    chunker: "../fuzz/fuzz_targets/chunker.rs", "blobs";
    index: "../fuzz/fuzz_targets/index.rs", "index";
    keyfile: "../fuzz/fuzz_targets/keyfile.rs", "keys";
    manifest: "../fuzz/fuzz_targets/manifest.rs", "manifest";
    names: "../fuzz/fuzz_targets/names.rs", "names";
    pbsconfig: "../fuzz/fuzz_targets/pbsconfig.rs", "names";
    s3: "../fuzz/fuzz_targets/s3.rs", "s3";
    zone: "../fuzz/fuzz_targets/zone.rs", "prune";
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Bytes of a file that are used, as `make fuzz` has it.
const MOST: usize = 65536;

/// Changed versions of each file.
const CHANGED: usize = 100;

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_target_is_here_and_in_the_makefile() {
    let stem = |file: PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let found: Vec<_> = files_in(&Path::new(ROOT).join("fuzz/fuzz_targets")).into_iter().map(stem).collect();
    assert_eq!(found, TARGETS.iter().map(|&(name, ..)| name).collect::<Vec<_>>());
    let row: Vec<_> = TARGETS.iter().map(|(name, _, start)| format!("{name}:{start}")).collect();
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    assert!(makefile.contains(&format!("FUZZ := {}\n", row.join(" "))));
}

#[test]
fn what_they_start_from_and_what_is_near_it() {
    for &(name, run, start) in TARGETS {
        let mut rng = Rng::new(7);
        let mut count = 0;
        for file in files_in(&Path::new(ROOT).join("tests/vectors").join(start)) {
            let mut whole = fs::read(&file).unwrap();
            whole.truncate(MOST);
            run(&whole);
            for _ in 0..CHANGED {
                let mut changed = whole.clone();
                changed.truncate(rng.below(whole.len() + 1));
                for _ in 0..rng.below(4) {
                    if !changed.is_empty() {
                        let at = rng.below(changed.len());
                        changed[at] = rng.next() as u8;
                    }
                }
                run(&changed);
            }
            count += 1;
        }
        assert!(count > 0, "{name}: no file to start from");
    }
}

// Behind the targets: they name it by its crate.
/// A target: what is done with the bytes of an input.
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:block) => {
        pub(crate) fn run($data: &[u8]) $body
    };
    (|$text:ident: &str| $body:block) => {
        pub(crate) fn run(data: &[u8]) {
            if let Ok($text) = std::str::from_utf8(data) $body
        }
    };
}
