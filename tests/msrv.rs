//! The Rust version that Cargo.toml promises is enough for everything that the library is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Major, minor, patch.
fn parse(version: &str) -> [u32; 3] {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// The packages that building the library takes, tests left out: name and wanted Rust version.
fn needed(metadata: &Value) -> BTreeMap<String, Option<String>> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let nodes: BTreeMap<_, _> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (node["id"].to_string(), node)).collect();
    let root = metadata["resolve"]["root"].to_string();
    let (mut seen, mut open) = (BTreeSet::from([root.clone()]), vec![root]);
    while let Some(id) = open.pop() {
        for dependency in list(&nodes[&id]["deps"]) {
            let only_for_tests = list(&dependency["dep_kinds"]).iter().all(|kind| kind["kind"] == "dev");
            let id = dependency["pkg"].to_string();
            if !only_for_tests && seen.insert(id.clone()) {
                open.push(id);
            }
        }
    }
    let packages = list(&metadata["packages"]).into_iter().filter(|package| seen.contains(&package["id"].to_string()));
    packages
        .map(|package| {
            let name = format!("{} {}", package["name"], package["version"]).replace('"', "");
            (name, package["rust_version"].as_str().map(str::to_owned))
        })
        .collect()
}

#[test]
fn no_dependency_wants_a_newer_rust() {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // What other platforms need is not downloaded, and cannot be asked about offline.
    let metadata = cargo(&["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]);
    let needed = needed(&serde_json::from_str(&metadata).unwrap());
    let names: Vec<_> = needed.keys().map(|name| name.split(' ').next().unwrap()).collect();
    for direct in ["pxds", "crc32fast", "libc", "serde_json", "sha2", "zstd", "zstd-sys"] {
        assert!(names.contains(&direct), "{direct} is not in {names:?}");
    }
    assert!(!names.contains(&"cbindgen"), "only for tests: {names:?}");

    let own = needed.iter().find(|(name, _)| name.starts_with("pxds ")).unwrap().1.as_deref().unwrap();
    let newer: Vec<_> = needed
        .iter()
        .filter(|(_, wanted)| wanted.as_deref().is_some_and(|wanted| parse(wanted) > parse(own)))
        .collect();
    assert!(newer.is_empty(), "Cargo.toml says {own}, and these want more: {newer:?}");
}

#[test]
fn versions_compare_by_number() {
    assert!(parse("1.88") < parse("1.100"));
    assert!(parse("1.88") == parse("1.88.0"));
    assert!(parse("1.88.1") > parse("1.88"));
}
