//! Namespaces, groups and snapshots (docs/format.md, 7).

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{Scratch, failure};
use pxds::base::SyncLevel;
use pxds::callback::Callback;
use pxds::error::{Error, Kind};
use pxds::name::{Group, Namespace, Snapshot};
use pxds::progress::Stage;
use pxds::store::{Store, StoreOptions};
use pxds::tree::{DestroyOptions, Destroyed, Tree};

const TIME: &str = "2020-06-26T13:56:05Z";

fn group(path: &str) -> Group {
    Group::parse(path).unwrap()
}

fn snapshot(path: &str) -> Snapshot {
    Snapshot::parse(path).unwrap()
}

fn namespace(path: &str) -> Namespace {
    Namespace::parse(path).unwrap()
}

/// A directory of snapshots without chunks, and the notices that come of reading it.
struct Bare {
    scratch: Scratch,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Bare {
    fn new(dirs: &[&str]) -> Self {
        let scratch = Scratch::new();
        for dir in dirs {
            fs::create_dir_all(scratch.join(dir)).unwrap();
        }
        Bare { scratch, notices: Arc::default() }
    }

    fn tree(&self) -> Tree {
        let notices = self.notices.clone();
        let options = StoreOptions {
            sync: SyncLevel::None,
            notice: Some(Callback(Arc::new(move |_, message, path| {
                assert!(message.contains(path.unwrap().to_str().unwrap()), "{message}");
                notices.lock().unwrap().push(path.unwrap().file_name().unwrap().to_string_lossy().into_owned());
                Ok(())
            }))),
            ..StoreOptions::default()
        };
        Store::open_tree(self.scratch.path(), &options).unwrap()
    }

    /// The names that were skipped since the last time.
    fn skipped(&self) -> Vec<String> {
        let mut names = std::mem::take(&mut *self.notices.lock().unwrap());
        names.sort();
        names
    }

    fn touch(&self, path: &str) {
        fs::write(self.scratch.join(path), "").unwrap();
    }
}

#[test]
fn a_bare_directory_has_snapshots_and_no_chunks() {
    let bare = Bare::new(&[&format!("host/x/{TIME}")]);
    assert_eq!(failure(Store::open(bare.scratch.path(), &StoreOptions::default())).kind(), Kind::NotFound);
    let tree = bare.tree();
    assert_eq!(tree.groups(&Namespace::root()).unwrap().whole().unwrap(), [group("host/x")]);
    assert!(!bare.scratch.join(".lock").exists());
}

#[test]
fn groups_come_in_order_and_the_rest_is_skipped() {
    let bare = Bare::new(&[
        "vm/100",
        "vm/99",
        "vm/a",
        "host/b",
        "ct/1",
        "other/x",
        "lost+found",
        "ns/a/host/y",
        "host/-bad",
        "host/.hidden",
    ]);
    bare.touch("host/file");
    symlink(bare.scratch.join("ct"), bare.scratch.join("host/link")).unwrap();
    let tree = bare.tree();
    let listing = tree.groups(&Namespace::root()).unwrap();
    let names: Vec<_> = listing.found.iter().map(Group::path).collect();
    assert_eq!(names, ["ct/1", "host/b", "vm/99", "vm/100", "vm/a"]);
    // What might have been a group is told of as well, and that it could not be seen.
    assert_eq!(bare.skipped(), ["-bad", ".hidden", "file", "link"]);
    assert_eq!(listing.unseen.unwrap().kind(), Kind::Format);
    assert_eq!(tree.groups(&namespace("a")).unwrap().whole().unwrap(), [group("ns/a/host/y")]);
    assert_eq!(failure(tree.groups(&namespace("none"))).kind(), Kind::NotFound);
}

#[test]
fn namespaces_are_found_below_each_other() {
    let bare = Bare::new(&["ns/b/ns/c", "ns/a", "ns/a.b", "ns/.bad", "ns/b/ns/-"]);
    let tree = bare.tree();
    let names = |ns: &str, recursive| -> Vec<String> {
        tree.namespaces(&namespace(ns), recursive)
            .unwrap()
            .whole()
            .unwrap()
            .iter()
            .map(|ns| ns.as_str().to_owned())
            .collect()
    };
    assert_eq!(names("", false), ["a", "a.b", "b"]);
    assert_eq!(bare.skipped(), [".bad"]);
    assert_eq!(names("", true), ["", "a", "a.b", "b", "b/c"]);
    assert_eq!(bare.skipped(), ["-", ".bad"]);
    assert_eq!(names("b", true), ["b", "b/c"]);
    assert_eq!(failure(tree.namespaces(&namespace("x"), true)).kind(), Kind::NotFound);
    assert_eq!(bare.skipped(), ["-"]);
    bare.touch("ns/file");
    // Nothing can lie behind a file, but behind what is neither that nor a directory.
    for (special, unseen) in [("file", false), ("socket", true)] {
        if unseen {
            std::os::unix::net::UnixListener::bind(bare.scratch.join("ns/socket")).unwrap();
        }
        let listing = tree.namespaces(&Namespace::root(), false).unwrap();
        assert_eq!(listing.found.len(), 3);
        assert!(bare.skipped().contains(&special.to_owned()));
        assert_eq!(listing.unseen.is_some_and(|error| error.path().unwrap().ends_with("ns/socket")), unseen);
    }
    // An eighth level is none.
    fs::create_dir_all(bare.scratch.join(["ns/d"; 8].join("/"))).unwrap();
    assert_eq!(names("d", true).len(), 7);
}

#[test]
fn snapshots_come_by_time_and_say_what_they_are() {
    const STRAY: &str = "2022-01-01T00:00:00Z";
    let (old, new) = (format!("host/x/{TIME}"), "host/x/2021-01-01T00:00:00Z".to_owned());
    let odd =
        ["host/x/2021-02-30T00:00:00Z", "host/x/2021-13-01T00:00:00Z", "host/x/x", "host/x/2021-01-01T00:00:00.5Z"];
    let bare = Bare::new(&[&new, &old, odd[0], odd[1], odd[2], odd[3]]);
    fs::create_dir(bare.scratch.join(format!("host/x/{TIME}.tmp_AbC123"))).unwrap();
    symlink(&new, bare.scratch.join(format!("host/x/{STRAY}"))).unwrap();
    bare.touch(&format!("{old}/.protected"));
    bare.touch(&format!("{old}/index.json.blob"));
    // No manifest that can be read: a directory of its name. Only what has none is unfinished.
    fs::create_dir(bare.scratch.join(format!("{new}/index.json.blob"))).unwrap();
    let tree = bare.tree();
    let found: Vec<_> = tree
        .snapshots(&group("host/x"))
        .unwrap()
        .found
        .into_iter()
        .map(|i| (i.snapshot.path(), i.protected, i.finished))
        .collect();
    assert_eq!(found, [(old.clone(), true, true), (new.clone(), false, true)]);
    assert_eq!(bare.skipped().len(), 5);
    assert!(tree.snapshot_listing(&group("host/x")).unwrap().unseen.unwrap().path().unwrap().ends_with(STRAY));
    assert_eq!(tree.last_finished(&group("host/x")).unwrap(), Some(snapshot(&new)));
    assert!(tree.snapshot_info(&snapshot(&old)).unwrap().protected);
    assert_eq!(failure(tree.snapshot_info(&snapshot("host/x/2022-01-01T00:00:00Z"))).kind(), Kind::NotFound);
    assert_eq!(failure(tree.snapshots(&group("host/none"))).kind(), Kind::NotFound);
}

#[test]
fn files_of_a_snapshot_are_regular_archives() {
    let path = format!("host/x/{TIME}");
    let bare = Bare::new(&[&path, &format!("{path}/dir.blob")]);
    for name in [
        "b.didx",
        "a.fidx",
        "index.json.blob",
        "client.log.blob",
        "odd name.blob",
        ".blob",
        "x.txt",
        ".protected",
        "x.tmp_didx",
    ] {
        bare.touch(&format!("{path}/{name}"));
    }
    fs::write(bare.scratch.join(&path).join("line\nbreak.blob"), "").unwrap();
    fs::write(bare.scratch.join(&path).join("a.fidx"), "12345").unwrap();
    symlink("a.fidx", bare.scratch.join(&path).join("link.fidx")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bare.scratch.join(&path).join("s.blob")).unwrap();
    let files = bare.tree().snapshot_files(&snapshot(&path)).unwrap();
    let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.size)).collect();
    assert_eq!(
        names,
        [
            (".blob", 0),
            ("a.fidx", 5),
            ("b.didx", 0),
            ("client.log.blob", 0),
            ("index.json.blob", 0),
            ("odd name.blob", 0)
        ]
    );
}

#[test]
fn a_link_in_the_way_leads_nowhere() {
    let outside = Scratch::new();
    fs::create_dir_all(outside.join(format!("x/{TIME}"))).unwrap();
    fs::write(outside.join(format!("x/{TIME}/index.json.blob")), "").unwrap();
    let bare = Bare::new(&["vm"]);
    symlink(outside.path(), bare.scratch.join("host")).unwrap();
    symlink(outside.path(), bare.scratch.join("vm/x")).unwrap();
    symlink(outside.path(), bare.scratch.join("ns")).unwrap();
    let tree = bare.tree();
    let groups = tree.groups_below(&Namespace::root()).unwrap();
    assert_eq!((groups.found, groups.unseen.unwrap().kind()), (vec![], Kind::Format));
    let namespaces = tree.namespaces(&Namespace::root(), false).unwrap();
    assert_eq!((namespaces.found, namespaces.unseen.unwrap().kind()), (vec![], Kind::Format));
    // Nor is it said of what is asked for by its name that it is not there.
    assert_eq!(failure(tree.groups(&namespace("x"))).kind(), Kind::Format);
    for group in ["host/x", "vm/x", "ns/x/host/x"].map(group) {
        assert_eq!(failure(tree.snapshot_listing(&group)).kind(), Kind::Format);
        assert!(tree.snapshots_if_any(&group).unwrap().unseen.is_some());
    }
    for path in [format!("host/x/{TIME}"), format!("vm/x/{TIME}"), format!("ns/x/host/x/{TIME}")] {
        let snapshot = snapshot(&path);
        assert_eq!(failure(tree.snapshot_files(&snapshot)).kind(), Kind::NotFound, "{path}");
        assert_eq!(failure(tree.set_protected(&snapshot, true)).kind(), Kind::NotFound, "{path}");
        assert_eq!(failure(tree.destroy_snapshot(&snapshot)).kind(), Kind::NotFound, "{path}");
        assert!(matches!(failure(tree.create_snapshot(&snapshot, None)).kind(), Kind::Exists), "{path}");
        let mut destroyed = Destroyed::default();
        let error = failure(tree.destroy_group(snapshot.group(), &DestroyOptions::default(), &mut destroyed));
        assert_eq!((error.kind(), destroyed), (Kind::NotFound, Destroyed::default()), "{path}");
    }
    assert!(outside.join(format!("x/{TIME}/index.json.blob")).exists());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn groups_have_owners_and_notes() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("ns/a/host/x");
    assert_eq!(failure(store.tree().group_owner(&x)).kind(), Kind::NotFound);
    assert_eq!(failure(store.tree().create_group(&x, Some("nobody"))).kind(), Kind::Argument);
    assert!(!store.path().join("ns").exists());
    drop(store.tree().create_group(&x, Some("me@pbs!token")).unwrap());
    let dir = store.path().join("ns/a/host/x");
    assert_eq!(fs::read(dir.join("owner")).unwrap(), b"me@pbs!token\n");
    assert_eq!(fs::metadata(dir.join("owner")).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(store.tree().group_owner(&x).unwrap().as_deref(), Some("me@pbs!token"));
    // The user of the token may use it, and who does not say.
    for (owner, allowed) in
        [(Some("me@pbs"), true), (Some("me@pbs!token"), true), (None, true), (Some("you@pbs"), false)]
    {
        let result = store.tree().create_group(&x, owner);
        assert_eq!(result.is_ok(), allowed, "{owner:?}");
        assert!(result.map_or(true, |group| !group.is_new()));
    }
    store.tree().set_group_owner(&x, "you@pbs").unwrap();
    assert_eq!(fs::read(dir.join("owner")).unwrap(), b"you@pbs\n");
    fs::write(dir.join("owner"), "  \n").unwrap();
    assert_eq!(store.tree().group_owner(&x).unwrap(), None);
    drop(store.tree().create_group(&x, None).unwrap());
    assert_eq!(store.tree().group_owner(&x).unwrap().as_deref(), Some("root@pam"));

    assert_eq!(store.tree().group_notes(&x).unwrap(), "");
    store.tree().set_group_notes(&x, "one\ntwo").unwrap();
    assert_eq!(fs::read(dir.join("notes")).unwrap(), b"one\ntwo");
    assert_eq!(store.tree().group_notes(&x).unwrap(), "one\ntwo");
    store.tree().set_group_notes(&x, "").unwrap();
    assert!(!dir.join("notes").exists());
    assert_eq!(failure(store.tree().set_group_notes(&x, &"x".repeat((1 << 20) + 1))).kind(), Kind::Limit);
    fs::write(dir.join("notes"), b"\xff").unwrap();
    assert_eq!(failure(store.tree().group_notes(&x)).kind(), Kind::Format);
}

#[test]
fn what_stands_in_owner_and_notes_is_judged() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    drop(store.tree().create_group(&x, None).unwrap());
    let file = store.path().join("host/x/owner");
    for (content, expected) in [
        ("a@pam!t \t\r\nb@pam\n", Ok(Some("a@pam!t"))),
        ("\na@pam\n", Ok(None)),
        ("", Ok(None)),
        ("nobody\n", Err(Kind::Format)),
        ("a@pam\x1b[2J\n", Err(Kind::Format)),
        (" a@pam\n", Err(Kind::Format)),
        (&format!("a@pam\n{}", "x".repeat(4090)), Ok(Some("a@pam"))),
        (&format!("a@pam\n{}", "x".repeat(4091)), Err(Kind::Limit)),
    ] {
        fs::write(&file, content).unwrap();
        match (store.tree().group_owner(&x), expected) {
            (Ok(owner), Ok(expected)) => assert_eq!(owner.as_deref(), expected, "{content:?}"),
            (Err(error), Err(kind)) => {
                assert_eq!((error.kind(), error.path()), (kind, Some(&*file)), "{content:?}");
                assert_eq!(failure(store.tree().create_group(&x, Some("a@pam"))).kind(), kind);
            }
            (found, expected) => panic!("{content:?}: {found:?} and not {expected:?}"),
        }
    }
    store.tree().set_group_owner(&x, "a@pam").unwrap();
    let notes = file.with_file_name("notes");
    fs::write(&notes, vec![b'x'; (1 << 20) + 1]).unwrap();
    let error = failure(store.tree().group_notes(&x));
    assert_eq!((error.kind(), error.path()), (Kind::Limit, Some(&*notes)));
}

#[test]
fn owner_and_notes_are_changed_under_the_lock_of_the_group() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("host/x");
    let held = store.tree().create_group(&x, None).unwrap();
    let dir = store.path().join("host/x");
    for error in [
        failure(store.tree().set_group_owner(&x, "me@pbs")),
        failure(store.tree().set_group_notes(&x, "notes")),
        failure(store.tree().set_group_notes(&x, "")),
    ] {
        assert_eq!((error.kind(), error.path()), (Kind::Busy, Some(&*dir)));
    }
    drop(held);
    assert_eq!(common::names(&dir), ["owner"]);
    store.tree().set_group_owner(&x, "me@pbs").unwrap();
    assert_eq!(store.tree().group_owner(&x).unwrap().as_deref(), Some("me@pbs"));
}

#[test]
fn what_was_made_for_a_group_can_be_taken_back() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("ns/a/ns/b/host/x");
    store.tree().create_group(&x, None).unwrap().undo();
    assert!(!store.path().join("ns").exists());
    drop(store.tree().create_group(&group("ns/a/host/y"), None).unwrap());
    store.tree().create_group(&x, None).unwrap().undo();
    assert!(store.path().join("ns/a/host/y/owner").exists());
    assert!(!store.path().join("ns/a/ns").exists());
    store.tree().create_group(&group("ns/a/host/y"), None).unwrap().undo();
    assert!(store.path().join("ns/a/host/y/owner").exists());
}

#[test]
fn what_others_put_into_a_new_group_stays() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = group("ns/a/host/x");
    let new = store.tree().create_group(&x, Some("me@pbs")).unwrap();
    fs::write(store.path().join("ns/a/host/x/notes"), "mine").unwrap();
    new.undo();
    assert_eq!(store.tree().group_owner(&x).unwrap().as_deref(), Some("me@pbs"));
    assert_eq!(store.tree().group_notes(&x).unwrap(), "mine");
    // Made by somebody else between its directory and its owner: what a crash of his has left is no owner.
    let y = store.path().join("host/y");
    fs::create_dir_all(&y).unwrap();
    fs::write(y.join("owner.tmp_AbC123"), "").unwrap();
    let new = store.tree().create_group(&group("host/y"), Some("me@pbs")).unwrap();
    assert!(!new.is_new());
    assert_eq!(common::names(&y), ["owner"]);
}

#[test]
fn snapshots_are_made_after_1970() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for path in ["host/x/1970-01-01T00:00:00Z", "host/x/1969-12-31T23:59:58Z", "host/x/0000-01-01T00:00:00Z"] {
        assert_eq!(failure(store.tree().create_snapshot(&snapshot(path), None)).kind(), Kind::Argument, "{path}");
    }
    assert!(!store.path().join("host").exists());
    drop(store.tree().create_snapshot(&snapshot("host/x/1970-01-01T00:00:01Z"), None).unwrap());
    // One that is there already can be read.
    fs::create_dir(store.path().join("host/x/1969-12-31T23:59:58Z")).unwrap();
    assert_eq!(store.tree().snapshots(&group("host/x")).unwrap().found.len(), 2);
}

#[test]
fn protection_is_a_file_and_needs_the_lock() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let x = snapshot(&format!("host/x/{TIME}"));
    assert_eq!(failure(store.tree().set_protected(&x, true)).kind(), Kind::NotFound);
    let held = store.tree().create_snapshot(&x, None).unwrap();
    assert_eq!(failure(store.tree().create_snapshot(&x, None)).kind(), Kind::Exists);
    let error = failure(store.tree().set_protected(&x, true));
    assert_eq!((error.kind(), error.path()), (Kind::Busy, Some(&*store.path().join(x.path()))));
    drop(held);
    for _ in 0..2 {
        store.tree().set_protected(&x, true).unwrap();
        assert!(store.tree().snapshot_info(&x).unwrap().protected);
    }
    assert_eq!(fs::metadata(store.path().join(x.path()).join(".protected")).unwrap().len(), 0);
    assert_eq!(failure(store.tree().destroy_snapshot(&x)).kind(), Kind::Protected);
    for _ in 0..2 {
        store.tree().set_protected(&x, false).unwrap();
        assert!(!store.tree().snapshot_info(&x).unwrap().protected);
    }
    store.tree().destroy_snapshot(&x).unwrap();
    assert_eq!(failure(store.tree().destroy_snapshot(&x)).kind(), Kind::NotFound);
}

#[test]
fn protected_snapshots_keep_their_group() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let paths = ["host/x/2020-01-01T00:00:00Z", "host/x/2020-01-02T00:00:00Z", "host/x/2020-01-03T00:00:00Z"];
    for path in paths {
        drop(store.tree().create_snapshot(&snapshot(path), None).unwrap());
    }
    store.tree().set_protected(&snapshot(paths[1]), true).unwrap();
    for dry_run in [true, false] {
        assert_eq!(store.tree().snapshots(&group("host/x")).unwrap().found.len(), 3);
        let mut destroyed = Destroyed::default();
        let options = DestroyOptions { dry_run, ..DestroyOptions::default() };
        store.tree().destroy_group(&group("host/x"), &options, &mut destroyed).unwrap();
        assert_eq!(destroyed, Destroyed { removed: 2, protected: 1 });
    }
    assert_eq!(store.tree().snapshots(&group("host/x")).unwrap().found.len(), 1);
    store.tree().set_protected(&snapshot(paths[1]), false).unwrap();
    let mut destroyed = Destroyed::default();
    store.tree().destroy_group(&group("host/x"), &DestroyOptions::default(), &mut destroyed).unwrap();
    assert_eq!(destroyed, Destroyed { removed: 1, protected: 0 });
    assert!(!store.path().join("host/x").exists());
    let again = store.tree().destroy_group(&group("host/x"), &DestroyOptions::default(), &mut destroyed);
    assert_eq!(failure(again).kind(), Kind::NotFound);
}

#[test]
fn the_removal_of_a_group_can_be_stopped() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for day in 1..=4 {
        drop(store.tree().create_snapshot(&snapshot(&format!("host/x/2020-01-0{day}T00:00:00Z")), None).unwrap());
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    // So slow that each of them is told of.
    let tell = move |stage: &Stage| {
        heard.lock().unwrap().push((stage.done, stage.total));
        std::thread::sleep(std::time::Duration::from_millis(101));
        if stage.done == 2 { Err(Error::cancelled("test", 7)) } else { Ok(()) }
    };
    let mut destroyed = Destroyed::default();
    let options = DestroyOptions { progress: Some(Callback(Arc::new(tell))), ..DestroyOptions::default() };
    let error = failure(store.tree().destroy_group(&group("host/x"), &options, &mut destroyed));
    assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 7));
    assert_eq!(destroyed, Destroyed { removed: 2, protected: 0 });
    assert_eq!(store.tree().snapshots(&group("host/x")).unwrap().found.len(), 2);
    assert_eq!(store.tree().group_owner(&group("host/x")).unwrap().as_deref(), Some("root@pam"));
    assert_eq!(*told.lock().unwrap(), [(0, 4), (1, 4), (2, 4)]);
}

/// PBS takes it for the first of March.
#[test]
fn what_is_protected_without_a_name_keeps_its_group() {
    let bare = Bare::new(&["host/x/2024-02-30T00:00:00Z", "host/x/-", &format!("host/x/{TIME}"), "elsewhere"]);
    for path in ["host/x/2024-02-30T00:00:00Z/.protected", "host/x/2024-02-30T00:00:00Z/a.didx", "elsewhere/.protected"]
    {
        bare.touch(path);
    }
    symlink(bare.scratch.join("elsewhere"), bare.scratch.join("host/x/link")).unwrap();
    let tree = bare.tree();
    let mut destroyed = Destroyed::default();
    tree.destroy_group(&group("host/x"), &DestroyOptions::default(), &mut destroyed).unwrap();
    assert_eq!(destroyed, Destroyed { removed: 1, protected: 1 });
    assert!(bare.scratch.join("host/x/2024-02-30T00:00:00Z/a.didx").exists());
    assert_eq!(bare.skipped(), ["2024-02-30T00:00:00Z"], "what stays with the group is not told of");

    fs::remove_file(bare.scratch.join("host/x/2024-02-30T00:00:00Z/.protected")).unwrap();
    for dry_run in [true, false] {
        let mut destroyed = Destroyed::default();
        let options = DestroyOptions { dry_run, ..DestroyOptions::default() };
        assert!(bare.scratch.join("host/x/-").exists());
        tree.destroy_group(&group("host/x"), &options, &mut destroyed).unwrap();
        assert_eq!(destroyed, Destroyed::default());
        assert_eq!(bare.skipped(), ["-", "2024-02-30T00:00:00Z", "link"]);
    }
    assert!(!bare.scratch.join("host/x").exists() && bare.scratch.join("elsewhere/.protected").exists());
}

#[test]
fn foreign_trees_go_whole() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for path in [format!("host/x/{TIME}"), format!("host/y/{TIME}")] {
        drop(store.tree().create_snapshot(&snapshot(&path), None).unwrap());
        fs::create_dir_all(store.path().join(path).join(["d"; 200].join("/"))).unwrap();
    }
    store.tree().destroy_snapshot(&snapshot(&format!("host/x/{TIME}"))).unwrap();
    assert_eq!(common::names(&store.path().join("host/x")), ["owner"]);
    fs::create_dir_all(store.path().join("host/y/other").join(["d"; 200].join("/"))).unwrap();
    store.tree().destroy_group(&group("host/y"), &DestroyOptions::default(), &mut Destroyed::default()).unwrap();
    assert_eq!(common::names(store.path()), [".chunks", ".lock", "host"]);
}

#[test]
fn hidden_directories_are_in_no_listing() {
    let bare = Bare::new(&[".pxds-tmp", "ns/a/.pxds-tmp", "host/.pxds-tmp", "host/x/.pxds-tmp", "vm/1"]);
    fs::create_dir(bare.scratch.join(format!("host/x/{TIME}"))).unwrap();
    let tree = bare.tree();
    assert_eq!(tree.groups(&Namespace::root()).unwrap().found, [group("host/x"), group("vm/1")]);
    assert_eq!(tree.namespaces(&Namespace::root(), true).unwrap().found.len(), 2);
    assert_eq!(tree.snapshots(&group("host/x")).unwrap().found.len(), 1);
    assert_eq!(bare.skipped(), [""; 0], "they are nobody's business");
}

#[test]
fn the_tree_of_pbs() {
    let scratch = Scratch::new();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/store/store.tar.gz");
    let status = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(scratch.path()).status().unwrap();
    assert!(status.success());
    let store = Store::open(scratch.path(), &StoreOptions::default()).unwrap();
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(archive.with_file_name("store.json")).unwrap()).unwrap();
    let listed = expected["listing"]["namespaces"].as_array().unwrap();
    let namespaces: Vec<_> = store.tree().namespaces(&Namespace::root(), true).unwrap().whole().unwrap();
    let mut names: Vec<_> = listed.iter().map(|ns| ns["ns"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(namespaces.iter().map(Namespace::as_str).collect::<Vec<_>>(), names);
    for listed in listed {
        let ns = namespace(listed["ns"].as_str().unwrap());
        let groups = store.tree().groups(&ns).unwrap().found;
        let listed = listed["groups"].as_array().unwrap();
        // Here the order of ids is that of their bytes.
        let mut names: Vec<_> = listed.iter().map(|group| group["group"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(groups.iter().map(Group::name).collect::<Vec<_>>(), names);
        for listed in listed {
            let group = groups.iter().find(|group| group.name() == listed["group"].as_str().unwrap()).unwrap();
            assert_eq!(store.tree().group_owner(group).unwrap().as_deref(), listed["owner"].as_str());
            let snapshots = store.tree().snapshots(group).unwrap().found;
            let listed = listed["snapshots"].as_array().unwrap();
            assert_eq!(snapshots.len(), listed.len());
            for (info, listed) in snapshots.iter().zip(listed) {
                assert_eq!(info.snapshot.path(), listed["path"].as_str().unwrap());
                assert_eq!(info.snapshot.time(), listed["backup-time"].as_i64().unwrap());
                assert_eq!(info.protected, listed["protected"].as_bool().unwrap());
                assert_eq!(info.finished, listed["finished"].as_bool().unwrap());
                let files = store.tree().snapshot_files(&info.snapshot).unwrap();
                let names: Vec<_> = listed["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
                assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);
            }
        }
    }
}
