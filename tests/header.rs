//! `include/pxds.h` is what cbindgen makes of `src/ffi`. `PXDS_REGENERATE=1`, as `make header` sets it, rewrites it.

use std::path::{Path, PathBuf};

/// The boundary's files in the order of the header.
const SOURCES: &[&str] = &[
    "status",
    "version",
    "error",
    "buffer",
    "file",
    "digest",
    "callback",
    "name",
    "key",
    "keyfile",
    "master",
    "blob",
    "format",
    "chunker",
    "store",
    "convert",
    "index",
    "lock",
    "ingest",
    "image",
    "source",
    "copy",
    "restore",
    "cache",
    "reader",
    "json",
    "manifest",
    "tree",
    "group",
    "prune",
    "gc",
    "verify",
    "pbsconfig",
    "stats",
    "snapshot",
    "backup",
];

fn generate(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(format!("src/ffi/{source}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    trailer_into_guard(&compact(&String::from_utf8(header).unwrap()))
}

/// Moves what cbindgen puts behind the include guard into it.
fn trailer_into_guard(header: &str) -> String {
    const END: &str = "#endif  /* PXDS_H */\n";
    let (guarded, trailer) = header.split_once(END).unwrap();
    format!("{guarded}{}\n{END}", trailer.trim_start())
}

/// Puts comments of one line onto one line.
fn compact(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
        match lines[at..] {
            [open, text, close, ..] if open.trim() == "/**" && close.trim() == "*/" => {
                out += &format!("{indent}/** {} */\n", text.trim().trim_start_matches("* "));
                at += 3;
            }
            _ => {
                out += lines[at];
                out.push('\n');
                at += 1;
            }
        }
    }
    out
}

#[test]
fn the_committed_header_is_current() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/pxds.h");
    let generated = generate(&root);
    if std::env::var_os("PXDS_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == generated, "include/pxds.h is stale: run `make header`");
}
