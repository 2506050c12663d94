//! What there is in a large store: its groups and snapshots, with and without their manifests.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use pxds::blob::Codec;
use pxds::hash::sha256;
use pxds::manifest::{CryptMode, FileInfo, MANIFEST_NAME, Manifest};
use pxds::name::{BackupType, Group, Namespace, Snapshot};
use pxds::store::Store;

use super::new_store;
use super::random_access::{MS, row};

const GROUPS: u32 = 100;
/// Of each group, one a day.
const SNAPSHOTS: i64 = 1000;
const DAY: i64 = 86400;

pub(crate) fn run(scratch: &Path) {
    let store = new_store(&scratch.join("many"));
    for id in 0..GROUPS {
        make_group(&store, &Group::new(Namespace::root(), BackupType::Vm, &(100 + id).to_string()).unwrap());
    }
    row("list 100000 snapshots in 100 groups", 1, MS, || {
        assert_eq!(list(&store, |_| ()), 100_000);
    });
    row("the same, with their manifests", 1, MS, || {
        assert_eq!(list(&store, |snapshot| drop(black_box(store.tree().load_manifest(snapshot).unwrap()))), 100_000);
    });
}

/// Goes through the finished snapshots of the store, and counts them.
fn list(store: &Store, mut each: impl FnMut(&Snapshot)) -> usize {
    let mut count = 0;
    for group in store.tree().groups(&Namespace::root()).unwrap().found {
        for info in store.tree().snapshots(&group).unwrap().found {
            count += usize::from(info.finished);
            each(&info.snapshot);
        }
    }
    count
}

/// Directories with nothing but a manifest, as that of a virtual machine with two disks.
fn make_group(store: &Store, group: &Group) {
    let mut codec = Codec::new();
    for i in 0..SNAPSHOTS {
        let snapshot = Snapshot::new(group.clone(), 1_600_000_000 + i * DAY).unwrap();
        let mut manifest = Manifest::new(group.kind(), group.id(), snapshot.time()).unwrap();
        for name in ["qemu-server.conf.blob", "drive-scsi0.img.fidx", "drive-scsi1.img.fidx"] {
            let filename = name.to_owned();
            let csum = sha256(format!("{snapshot}/{name}").as_bytes());
            manifest.add_file(&FileInfo { filename, crypt_mode: CryptMode::None, size: 32 << 30, csum }).unwrap();
        }
        manifest.set_notes(Some("every night")).unwrap();
        let dir = store.path().join(snapshot.path());
        fs::create_dir_all(&dir).unwrap();
        let blob = codec.encode_vec(&manifest.to_json().unwrap(), true).unwrap();
        fs::write(dir.join(MANIFEST_NAME), blob).unwrap();
    }
}
