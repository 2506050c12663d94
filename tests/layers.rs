//! The layers of src/lib.rs: imports run downward, and only few modules touch the system.
//!
//! The rules, for all code but that under `#[cfg(test)]`:
//!
//! - A module uses itself and modules of lower layers. Those of layer 0 use each other: an error names a digest, and
//!   reading a digest can fail.
//! - Only `sys` touches files: `std::fs`, and the methods of `Path` that look at the disk, are used there alone. Other
//!   modules may name the type `std::fs::File`, of a file that `sys` has opened for them.
//! - Only `sys` uses `libc`; `error` names its error numbers.
//! - Only `simd`, `sys` and `ffi` have `unsafe` code.
//! - Policies work on plain values: `gc`, `stats` and `verify` use no directory and no facts of files.
//! - A file has at most 700 lines.
//!
//! Lines have at most 120 columns, everywhere.

#[path = "common/lexer.rs"]
mod lexer;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lexer::{Found, Token, paths, tokens, without_tests};

const LAYERS: [&[&str]; 11] = [
    &["callback", "error", "digest", "limits"],
    &["progress", "simd"],
    &["calendar", "format", "chunker", "hash", "json", "sys"],
    &["crew", "crypt", "index", "name", "zone"],
    &["backend", "base", "blob", "keyfile", "prune"],
    &["chunks", "manifest", "master"],
    &["source", "tree"],
    &["ingest", "reader", "restore", "store"],
    &["backup", "gc", "stats", "verify"],
    &["pbsconfig"],
    &["ffi"],
];

const MOST_LINES: usize = 700;

const MOST_COLUMNS: usize = 120;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Modules that work on plain values, and what of `sys` they do not use.
const POLICIES: [&str; 3] = ["gc", "stats", "verify"];
const OF_FILES: [&str; 4] = ["Dir", "FileKind", "Flock", "Stat"];

/// Methods of `Path` that ask the operating system.
const LOOKS_AT_THE_DISK: [&str; 10] = [
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "metadata",
    "read_dir",
    "read_link",
    "symlink_metadata",
    "try_exists",
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The modules that a file is in: `src/tree/lock.rs` is `["tree", "lock"]`.
fn module_path(file: &str) -> Vec<&str> {
    let mut path: Vec<_> = file.trim_end_matches(".rs").split('/').collect();
    if path.last() == Some(&"mod") {
        path.pop();
    }
    path
}

/// The module of the crate that a path leads into; `None` if it stays in the file's own, or is none of the crate's.
fn target<'a>(segments: &'a [String], from: &[&str]) -> Option<&'a str> {
    let rest = match segments[0].as_str() {
        "crate" => &segments[1..],
        "super" => {
            let ups = segments.iter().take_while(|segment| *segment == "super").count();
            if ups < from.len() {
                return None;
            }
            &segments[ups..]
        }
        _ => return None,
    };
    rest.first().map(String::as_str)
}

/// What the file `file`, relative to src, does against the rules.
fn violations(file: &str, source: &str) -> Vec<String> {
    let from = module_path(file);
    let own = from[0];
    let Some(own_layer) = layer(own) else { return vec![format!("{file}: {own} is in no layer")] };
    let (code, lines_of_tests) = without_tests(tokens(source));
    let mut violations = Vec::new();
    let mut violation = |line: usize, what: &str| violations.push(format!("{file}:{line}: {what}"));

    for Found { segments, line } in paths(&code) {
        if let Some(module) = target(&segments, &from) {
            let allowed = match layer(module) {
                Some(layer) => module == own || layer < own_layer || layer == 0,
                None => false,
            };
            if !allowed {
                violation(line, &format!("{own} may not use {module}"));
            }
        }
        let names: Vec<_> = segments.iter().map(String::as_str).collect();
        match names[..] {
            _ if own == "sys" => {}
            ["std", "fs", "File"] => {}
            ["std", "fs", ..] | ["File", ..] => violation(line, "std::fs"),
            ["libc", number] if own == "error" && is_error_number(number) => {}
            ["libc", ..] => violation(line, "libc"),
            [.., "sys", name] if POLICIES.contains(&own) && OF_FILES.contains(&name) => {
                violation(line, &format!("{own} may not use sys::{name}"));
            }
            _ => {}
        }
    }
    for words in code.windows(3) {
        let [dot, method, bracket] = words else { continue };
        if own != "sys" && dot.text == "." && bracket.text == "(" && LOOKS_AT_THE_DISK.contains(&method.text.as_str()) {
            violation(method.line, &format!("Path::{}", method.text));
        }
        if POLICIES.contains(&own) && dot.text == "." && ["dir", "reopen"].contains(&method.text.as_str()) {
            violation(method.line, &format!("{own} uses a directory"));
        }
    }
    for Token { text, line } in &code {
        if text == "unsafe" && !["simd", "sys", "ffi"].contains(&own) {
            violation(*line, "unsafe");
        }
    }
    let lines = source.lines().count().saturating_sub(lines_of_tests);
    if lines > MOST_LINES {
        violation(lines, &format!("{lines} lines without tests, more than {MOST_LINES}"));
    }
    violations
}

fn is_error_number(name: &str) -> bool {
    name.starts_with('E') && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn src() -> PathBuf {
    Path::new(ROOT).join("src")
}

/// The source files below src, relative to it.
fn files() -> Vec<String> {
    files_below(&src(), &["rs"])
}

/// The files below `top` with one of these extensions, relative to it.
fn files_below(top: &Path, extensions: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    let mut dirs = vec![top.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extensions.contains(&extension.to_str().unwrap())) {
                files.push(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

fn read(file: &str) -> String {
    fs::read_to_string(src().join(file)).unwrap()
}

/// The modules that lib.rs declares: those of the library, and those of its tests.
fn declared() -> (BTreeSet<String>, BTreeSet<String>) {
    let modules = |tokens: &[Token]| -> BTreeSet<String> {
        let declarations = tokens.windows(3).filter(|words| words[0].text == "mod" && words[2].text == ";");
        declarations.map(|words| words[1].text.clone()).collect()
    };
    let all = tokens(&read("lib.rs"));
    let library = modules(&without_tests(all.clone()).0);
    let tests = modules(&all).difference(&library).cloned().collect();
    (library, tests)
}

#[test]
fn imports_run_downward() {
    let (_, of_tests) = declared();
    let files = files();
    assert!(files.len() > 30, "{files:?}");
    let violations: Vec<_> = files
        .iter()
        .filter(|file| *file != "lib.rs" && !of_tests.contains(module_path(file)[0]))
        .flat_map(|file| violations(file, &read(file)))
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn the_documentation_has_the_same_layers() {
    let lib = read("lib.rs");
    let rows = lib.lines().filter_map(|line| {
        let row = line.strip_prefix("//! | ")?;
        let (number, modules) = row.split_once(" | ")?;
        let modules: Vec<&str> = modules.split('`').skip(1).step_by(2).collect();
        Some((number.parse::<usize>().ok()?, modules))
    });
    let expected: Vec<_> = LAYERS.iter().map(|modules| modules.to_vec()).enumerate().collect();
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    let in_layers: BTreeSet<_> =
        LAYERS.iter().flat_map(|modules| modules.iter().map(|&name| name.to_owned())).collect();
    assert_eq!(declared().0, in_layers);
}

#[test]
fn lines_fit() {
    let root = Path::new(ROOT);
    let dirs = "src tests tool c-examples include bindings benches fuzz/fuzz_targets scripts docs";
    let below = dirs.split(' ').flat_map(|dir| {
        let extensions = ["rs", "c", "h", "cpp", "hpp", "py", "go", "js", "ts", "lua", "rb", "sh", "md", "txt", "supp"];
        files_below(&root.join(dir), &extensions).into_iter().map(move |file| root.join(dir).join(file))
    });
    let at_the_root = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "Cargo.toml", "cbindgen.toml"];
    let mut wide = Vec::new();
    for path in below.chain(at_the_root.iter().map(|file| root.join(file))) {
        let text = fs::read_to_string(&path).unwrap();
        for (line, number) in text.lines().zip(1..) {
            // A row of a table has no other line to go to.
            if line.chars().count() > MOST_COLUMNS && !line.starts_with("//! |") && !line.starts_with("|") {
                wide.push(format!("{}:{number}", path.display()));
            }
        }
    }
    assert!(wide.is_empty(), "more than {MOST_COLUMNS} columns:\n{}", wide.join("\n"));
}

#[test]
fn violations_are_seen() {
    let seen = [
        ("blob.rs", "use crate::store::Store;", "blob may not use store"),
        ("blob.rs", "use super::manifest;", "blob may not use manifest"),
        ("tree/lock.rs", "fn f() { super::super::ingest::g() }", "tree may not use ingest"),
        ("tree/lock.rs", "use crate::{error::{self, Error}, restore::{Restorer}};", "tree may not use restore"),
        ("hash.rs", "use crate::format::field;", "hash may not use format"),
        ("simd/sha256.rs", "use crate::hash::sha256;", "simd may not use hash"),
        ("sys/dir.rs", "pub fn f() -> crate::blob::Blob { loop {} }", "sys may not use blob"),
        ("index/mod.rs", "use crate::testing::Scratch;", "index may not use testing"),
        ("error.rs", "use crate::format::field;", "error may not use format"),
        ("chunks/mod.rs", "use std::fs;", "std::fs"),
        ("chunks/mod.rs", "use std::{io, fs::read};", "std::fs"),
        ("chunks/mod.rs", "fn f(path: &Path) -> Vec<u8> { std::fs::read(path).unwrap() }", "std::fs"),
        ("chunks/mod.rs", "use std::fs::File; fn f() { File::open(\"x\"); }", "std::fs"),
        ("ffi/store.rs", "fn f(path: &Path) -> bool { path.exists() }", "Path::exists"),
        ("restore.rs", "const E: i32 = libc::ENOENT;", "libc"),
        ("error.rs", "fn f() { libc::close(1) }", "libc"),
        ("blob.rs", "fn f() { unsafe { g() } }", "unsafe"),
        ("gc/sweep.rs", "use crate::sys::{self, Stat};", "gc may not use sys::Stat"),
        ("stats/mod.rs", "fn f(base: &Base) { base.reopen(); }", "stats uses a directory"),
        ("nowhere.rs", "", "nowhere is in no layer"),
        ("blob.rs", "#[cfg(test)] mod tests { use crate::ffi; } use crate::ffi;", "blob may not use ffi"),
        ("blob.rs", &"\n".repeat(701), "701 lines without tests, more than 700"),
    ];
    for (file, source, expected) in seen {
        let found = violations(file, source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(found[0].ends_with(&format!(": {expected}")), "{source}: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_no_violation() {
    let fine = [
        ("blob.rs", "use crate::{error::Error, format, hash::sha256};"),
        ("chunks/lock.rs", "use super::Chunks; use crate::sys; use super::layout::{Layout, detect};"),
        ("ffi/store.rs", "use super::super::store; fn f() { unsafe { crate::restore::g() } }"),
        ("digest.rs", "use crate::error::Error;"),
        ("error.rs", "use crate::digest::Digest; const E: i32 = libc::ENOENT;"),
        ("sys/mod.rs", "use std::fs; fn f(path: &Path) { unsafe { libc::close(1) }; path.exists(); }"),
        ("index/spool.rs", "use std::fs::File; struct S(File);"),
        ("simd/sha256.rs", "fn f() { unsafe { g() } }"),
        (
            "blob.rs",
            "// use crate::ffi;\n/* unsafe /* libc::x */ std::fs::x */ const A: &str = \"crate::ffi::x unsafe\";",
        ),
        (
            "blob.rs",
            "const B: &str = r#\"\"unsafe\" crate::ffi::x\"#; fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' }",
        ),
        (
            "blob.rs",
            "#[cfg(test)] use crate::{ffi, testing}; #[cfg(test)] mod tests { fn f() { unsafe { std::fs::x() } } }",
        ),
        ("blob.rs", "pub(crate) fn f() {} pub(in crate::blob) fn g() {}"),
    ];
    for (file, source) in fine {
        assert_eq!(violations(file, source), [""; 0], "{source}");
    }
    let long_tests = format!("{}#[cfg(test)]\nmod tests {{{}}}\n", "\n".repeat(600), "\n".repeat(600));
    assert_eq!(violations("blob.rs", &long_tests), [""; 0]);
}
