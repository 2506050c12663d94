//! What Proxmox Backup Server is configured to do with a store (docs/format.md, 7.10).

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{Scratch, failure, kind};
use pxds::base::SyncLevel;
use pxds::error::Kind;
use pxds::limits::PBS_CONFIG_MAX_SIZE;
use pxds::pbsconfig::{PbsStore, Tuning};

const STORE: &str = "/nowhere/store";

fn parse(text: &str) -> Option<PbsStore> {
    PbsStore::parse(text.as_bytes(), Path::new(STORE)).unwrap()
}

/// A configuration of one store, with these lines too.
fn with(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("\t{line}\n")).collect();
    format!("datastore: s1\n\tpath {STORE}\n{lines}\n")
}

/// The message that a configuration with this line is refused with.
#[track_caller]
fn refusal(line: &str, expected: Kind) -> String {
    let error = failure(PbsStore::parse(with(&[line]).as_bytes(), Path::new(STORE)));
    assert_eq!(error.kind(), expected, "{line}: {error}");
    error.message().to_owned()
}

/// As PBS writes it, with all that it may say.
#[test]
fn as_pbs_writes_it() {
    let text = "datastore: other\n\tcomment the other one\n\tgc-schedule daily\n\tpath /nowhere/other\n\n\
                s3-client: c1\n\tendpoint x\n\n\
                datastore: s1\n\tbackend type=filesystem\n\tcomment path /nowhere/fake\n\tgc-schedule 05:00\n\
                \tmaintenance-mode read-only,message=\"moved, by \\\"me\\\"\"\n\
                \tnotification-mode notification-system\n\
                \tpath /nowhere/store\n\
                \ttuning chunk-order=none,gc-atime-cutoff=60,gc-atime-safety-check=0,gc-cache-capacity=0,\
                sync-level=file,default-verification-readers=2,default-verification-workers=8\n\n";
    let found = parse(text).unwrap();
    assert_eq!((found.name.as_str(), found.is_s3), ("s1", false));
    assert_eq!(found.read_only.as_deref(), Some("moved, by \"me\""));
    let expected = Tuning {
        sync: Some(SyncLevel::File),
        cutoff_minutes: Some(60),
        probes_atime: Some(false),
        remembered: Some(0),
        inode_order: Some(false),
        workers: Some(8),
    };
    assert_eq!(found.tuning, expected);
    assert_eq!(found.entangled(), None);
}

#[test]
fn what_is_not_said_is_not_known() {
    let found = parse(&with(&[])).unwrap();
    assert_eq!((found.read_only, found.is_s3, found.tuning), (None, false, Tuning::default()));
    assert_eq!(parse(""), None);
    assert_eq!(parse("\n\n"), None);
    assert_eq!(parse("datastore: s1\n\tpath /nowhere/store2\n"), None);
    // Below it, and above it, is not it.
    assert_eq!(parse("datastore: s1\n\tpath /nowhere\n\ndatastore: s2\n\tpath /nowhere/store/x\n"), None);
}

#[test]
fn forms_that_people_write() {
    for text in [
        "datastore: s1\n path /nowhere/store\n",
        "datastore: s1\n    path    /nowhere/store   \n",
        "datastore:s1\r\n\tpath /nowhere/store\r\n\r\n",
        "# a comment\ndatastore: s1\n# another\n\tpath /nowhere/store",
        "datastore: s2\n\tpath /nowhere/x\ndatastore: s1\n\tpath /nowhere/store/\n",
        "verification: s1\n\tstore x\n\n\ndatastore: s1\n\tunknown\n\tpath /nowhere/./store\n",
    ] {
        assert_eq!(parse(text).map(|found| found.name).as_deref(), Some("s1"), "{text:?}");
    }
    for (line, expected) in [
        ("tuning gc-atime-safety-check=true", Some(true)),
        ("tuning gc-atime-safety-check=Yes", Some(true)),
        ("tuning gc-atime-safety-check=off", Some(false)),
        ("tuning gc-atime-safety-check = false , sync-level = none", Some(false)),
        ("tuning gc-atime-safety-check=\"0\"", Some(false)),
        ("tuning some-day=1,new=\"a,b=c\"", None),
        ("tuning", None),
    ] {
        assert_eq!(parse(&with(&[line])).unwrap().tuning.probes_atime, expected, "{line}");
    }
}

#[test]
fn maintenance_modes() {
    for line in ["maintenance-mode read-only", "maintenance-mode type=read-only", "maintenance-mode type=\"read-only\""]
    {
        assert_eq!(parse(&with(&[line])).unwrap().read_only.as_deref(), Some(""), "{line}");
    }
    for mode in ["offline", "delete", "unmount", "s3-refresh"] {
        assert_eq!(
            refusal(&format!("maintenance-mode {mode}"), Kind::Busy),
            format!("the store s1 is in maintenance mode {mode}")
        );
        assert_eq!(
            refusal(&format!("maintenance-mode message=back soon,type={mode}"), Kind::Busy),
            format!("the store s1 is in maintenance mode {mode}: back soon")
        );
    }
    // What is not known may be stricter than what is.
    assert_eq!(
        refusal("maintenance-mode type=new-one", Kind::Unsupported),
        "line 3: the maintenance mode \"new-one\" is not known"
    );
    refusal("maintenance-mode message=x", Kind::Format);
    refusal("maintenance-mode", Kind::Format);
    // Another store's is no matter.
    let text = format!("datastore: s0\n\tpath /nowhere/x\n\tmaintenance-mode offline\n\n{}", with(&[]));
    assert_eq!(parse(&text).unwrap().name, "s1");
}

#[test]
fn backends() {
    for (line, is_s3) in [
        ("backend type=s3,client=c1,bucket=b", true),
        ("backend s3,client=c1,bucket=b", true),
        ("backend bucket=b,max-cache-size=1G,type=s3", true),
        ("backend type=filesystem", false),
        ("backend filesystem", false),
    ] {
        assert_eq!(parse(&with(&[line])).unwrap().is_s3, is_s3, "{line}");
    }
    assert_eq!(refusal("backend type=tape", Kind::Unsupported), "line 3: the backend \"tape\" is not known");
}

#[test]
fn values_out_of_range_are_refused() {
    for (key, good, bad) in [
        ("gc-atime-cutoff", ["1", "1445", "2880"], ["0", "2881", "-1", "x", "1.5", "", "18446744073709551617"]),
        ("gc-cache-capacity", ["0", "1048576", "8388608"], ["8388609", "-1", "x", " ", "", "1e3", "0x10"]),
        ("default-verification-workers", ["1", "4", "1024"], ["0", "1025", "-1", "x", "", "4 4", "²"]),
        ("sync-level", ["none", "file", "filesystem"], ["", "all", "None", "0", "fs", "off", "file;"]),
        ("chunk-order", ["none", "inode", "inode"], ["", "atime", "INODE", "0", "1", "x", "no"]),
        ("gc-atime-safety-check", ["1", "0", "yes"], ["", "2", "maybe", "-", "tru", "00", "x"]),
    ] {
        for value in good {
            parse(&with(&[&format!("tuning {key}={value}")])).unwrap();
        }
        for value in bad {
            let message = refusal(&format!("tuning {key}={value}"), Kind::Format);
            assert!(message.starts_with("line 3: ") && message.contains(key), "{message}");
        }
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let section = "datastore: s1\n\tpath /nowhere/store\n";
    for (text, expected) in [
        ("hello".to_owned(), "line 1: neither a section nor a key of one"),
        ("data store: s1\n".to_owned(), "line 1: neither a section nor a key of one"),
        ("datastore: \n".to_owned(), "line 1: neither a section nor a key of one"),
        ("datastore: s1 s2\n".to_owned(), "line 1: neither a section nor a key of one"),
        ("\tpath /x\n".to_owned(), "line 1: a key that belongs to no section"),
        (format!("{section}\n\tcomment x\n"), "line 4: a key that belongs to no section"),
        (format!("{section}\n{section}"), "line 4: a second section datastore: s1"),
        (format!("{section}\n{}", section.replace("s1", "s2")), "line 4: it has the directory of the store s1 too"),
        (format!("{section}\tpath /x\n"), "line 3: a second path"),
        ("datastore: s1\n\tcomment x\n".to_owned(), "line 1: the store s1 has no path"),
        ("datastore: s1\n\tpath x/y\n".to_owned(), "line 2: the path \"x/y\" is not one from the root"),
        (with(&["tuning sync-level=\"file"]), "line 3: a quotation that does not end"),
        (with(&["tuning sync-level=\"file\\\""]), "line 3: a quotation that does not end"),
        (with(&["tuning sync-level=\"file\"x"]), "line 3: something behind a quotation"),
        (with(&["tuning sync-level=file,sync-level=none"]), "line 3: a second value of \"sync-level\""),
        (with(&["maintenance-mode offline,read-only"]), "line 3: a second value of \"\""),
        (
            with(&[&format!("tuning {}", (0..65).map(|i| format!("k{i}=1,")).collect::<String>())]),
            "line 3: too many parts",
        ),
        (with(&[&format!("comment {}", "x".repeat(5112))]), "line 3: 5121 bytes are more than the 5120 of a line"),
    ] {
        let error = failure(PbsStore::parse(text.as_bytes(), Path::new(STORE)));
        assert_eq!((error.kind(), error.message()), (Kind::Format, expected), "{text:?}");
    }
    assert!(parse(&with(&[&format!("comment {}", "x".repeat(5111))])).is_some());
    for name in ["../x", ".x", "-x", "a/b", "\u{e4}"] {
        let text = format!("datastore: {name}\n\tpath {STORE}\n");
        assert_eq!(kind(PbsStore::parse(text.as_bytes(), Path::new(STORE))), Kind::Format, "{name}");
    }
    assert_eq!(kind(PbsStore::parse(b"datastore: s1\n\tcomment \xff\n", Path::new(STORE))), Kind::Format);
}

/// The directory counts, whatever path leads there.
#[test]
fn a_store_is_found_by_its_directory() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.join(name);
    for name in ["real/store", "other"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    symlink(at("real"), at("link")).unwrap();
    symlink("../other", at("real/other")).unwrap();
    let text = format!(
        "datastore: s1\n\tpath {}\n\ndatastore: s2\n\tpath {}\n\ndatastore: s3\n\tpath {}\n",
        at("link/store").display(),
        at("other").display(),
        at("gone").display(),
    );
    for (path, name) in [
        ("real/store", Some("s1")),
        ("link/store", Some("s1")),
        ("real/store/.", Some("s1")),
        ("real/../real/store", Some("s1")),
        ("real/other", Some("s2")),
        ("gone", Some("s3")),
        ("real", None),
        ("new", None),
    ] {
        let found = PbsStore::parse(text.as_bytes(), &at(path)).unwrap();
        assert_eq!(found.map(|found| found.name).as_deref(), name, "{path}");
    }
}

/// A store with a device of its own is mounted under its name.
#[test]
fn a_device_of_its_own() {
    let text = "datastore: s1\n\tbacking-device 1234-5678\n\tpath on/the/device\n";
    for (path, found) in [("/mnt/datastore/s1", true), ("/on/the/device", false), ("/mnt/datastore/s2", false)] {
        assert_eq!(PbsStore::parse(text.as_bytes(), Path::new(path)).unwrap().is_some(), found, "{path}");
    }
}

#[test]
fn stores_in_one_another() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    symlink(at("a/b"), at("link")).unwrap();
    let entangled = |store: &str, other: &str| {
        let [store, other] = [store, other].map(at);
        let text = format!("datastore: s1\n\tpath {}\n\ndatastore: s2\n\tpath {}\n", store.display(), other.display());
        let found = PbsStore::parse(text.as_bytes(), &store).unwrap().unwrap();
        let entangled = found.entangled().map(|(name, path)| (name.to_owned(), path.to_owned()));
        assert!(entangled.is_none() || entangled == Some(("s2".to_owned(), other)));
        entangled.is_some()
    };
    for (store, other, expected) in [
        ("a", "a/b", true),
        ("a/b", "a", true),
        ("a", "link", true),
        ("link", "a", true),
        ("a", "a/gone/deep", true),
        ("gone/deep", "gone", true),
        ("a", "ab", false),
        ("a/b", "a/c", false),
    ] {
        assert_eq!(entangled(store, other), expected, "{store} {other}");
    }
}

#[test]
fn the_file() {
    let scratch = Scratch::new();
    let config = scratch.join("datastore.cfg");
    let read = || PbsStore::read(&config, Path::new(STORE));
    assert_eq!(kind(read()), Kind::NotFound);
    fs::create_dir(&config).unwrap();
    assert_eq!(kind(read()), Kind::Format);
    fs::remove_dir(&config).unwrap();

    fs::write(&config, with(&[])).unwrap();
    assert_eq!(read().unwrap().unwrap().name, "s1");
    fs::write(&config, with(&["path x"])).unwrap();
    let error = failure(read());
    assert_eq!((error.kind(), error.path()), (Kind::Format, Some(&*config)));
    assert!(error.message().starts_with(&format!("{}: line 3: ", config.display())), "{error}");

    let full = format!("{}{}", with(&[]), "#".repeat(PBS_CONFIG_MAX_SIZE));
    fs::write(&config, &full[..PBS_CONFIG_MAX_SIZE]).unwrap();
    assert_eq!(read().unwrap().unwrap().name, "s1");
    fs::write(&config, &full[..PBS_CONFIG_MAX_SIZE + 1]).unwrap();
    let error = failure(read());
    assert_eq!((error.kind(), error.path()), (Kind::Limit, Some(&*config)));
}
