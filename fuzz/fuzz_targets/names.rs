//! Any text as a name: what is accepted makes a path that stays where it is, and reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::crypt::Fingerprint;
use pxds::calendar::{format_time, parse_time};
use pxds::name::{Group, Namespace, Snapshot, check_archive, check_owner, lock_file};

fn stays(path: &str) {
    assert!(path.split('/').all(|name| !name.is_empty() && !name.starts_with('.') && name.len() <= 255), "{path}");
}

fuzz_target!(|text: &str| {
    if let Ok(namespace) = Namespace::parse(text) {
        assert_eq!(namespace.as_str(), text);
        if !namespace.is_root() {
            stays(&namespace.path());
        }
    }
    if let Ok(group) = Group::parse(text) {
        assert_eq!(group.path(), text);
        stays(text);
        let (dir, name) = lock_file(group.namespace(), &group.name());
        assert!(name.len() <= 255 && !name.contains('/') && !dir.starts_with('/'));
    }
    if let Ok(snapshot) = Snapshot::parse(text) {
        assert_eq!(snapshot.path(), text);
        stays(text);
    }
    if let Ok(time) = parse_time(text) {
        assert_eq!(format_time(time).unwrap(), text);
    }
    if check_archive(text).is_ok() {
        stays(text);
    }
    let _ = check_owner(text);
    let _ = Fingerprint::parse(text);
});
