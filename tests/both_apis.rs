//! The same flows over the safe Rust API and over the C interface: what comes out, and every error with its message,
//! path, errno and callback value, is the same.
//!
//! A flow says what it expects; what it has seen is kept besides, word for word, and compared between the two.

mod common;

#[path = "apis/extern_api.rs"]
mod extern_api;
#[path = "apis/safe_api.rs"]
mod safe_api;

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use common::{Rng, Scratch};
use pxds::base::SyncLevel;
use pxds::error::{Error, Kind};
use pxds::store::{Store, StoreOptions};

const TIME: i64 = 1_593_179_765;
const UUID: [u8; 16] = [7; 16];

/// All that an error says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: String,
    message: String,
    path: Option<String>,
    errno: i32,
    callback_value: i32,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            kind: format!("{:?}", error.kind()),
            message: error.message().to_owned(),
            path: error.path().map(|path| path.to_str().unwrap().to_owned()),
            errno: error.errno().unwrap_or(0),
            callback_value: error.callback_value(),
        }
    }
}

pub(crate) type Outcome<T> = Result<T, Failure>;

/// What goes into an index.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// Cut by content, at about 4096 bytes.
    Stream(&'a [u8]),
    /// Of a size that is said before, or not.
    Image { data: &'a [u8], size: Option<u64>, chunk_size: u64 },
}

/// An archive of a backup.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Archive<'a> {
    Index(Input<'a>),
    Blob(&'a [u8]),
}

/// What was seen of a list: path, protected, finished.
pub(crate) type Listed = (String, bool, bool);

/// One store, through one of the two interfaces.
pub(crate) trait Api {
    /// The bytes of the index; after a refusal by the callback at chunk `refuse`, what there is of it, and the error.
    fn ingest(&self, input: Input<'_>, refuse: Option<u64>) -> (Outcome<()>, Option<Vec<u8>>);
    /// What was handed to the output, which refuses after `room` bytes, and the count that the call gives.
    fn restore(&self, index: &[u8], range: Option<(u64, u64)>, room: usize) -> (Outcome<()>, Vec<u8>, u64);
    /// The bytes of a buffer of that length, and how many the call says it has written.
    fn read_range(&self, index: &[u8], offset: u64, length: usize) -> (Outcome<u64>, Vec<u8>);
    /// As `read_range`, by a reader.
    fn read_at(&self, index: &[u8], offset: u64, length: usize) -> (Outcome<usize>, Vec<u8>);
    /// From where to where, and whether it is zeros.
    fn extent(&self, index: &[u8], offset: u64) -> Outcome<Option<(u64, bool)>>;
    /// The snapshot that was made, and the one before it.
    fn backup(
        &self,
        group: &str,
        time: i64,
        owner: Option<&str>,
        archives: &[(&str, Archive<'_>)],
    ) -> Outcome<(String, Option<String>)>;
    fn list(&self, ns: &str, recursive: bool) -> Outcome<Vec<Listed>>;
    fn groups(&self, ns: &str, recursive: bool) -> Outcome<Vec<String>>;
    fn namespaces(&self, ns: &str, recursive: bool) -> Outcome<Vec<String>>;
    fn files(&self, snapshot: &str) -> Outcome<Vec<(String, u64)>>;
    fn read_blob(&self, snapshot: &str, name: &str, max_len: usize) -> Outcome<Vec<u8>>;
    /// The bytes of the archive, restored.
    fn read_archive(&self, snapshot: &str, name: &str) -> Outcome<Vec<u8>>;
    fn notes(&self, snapshot: &str) -> Outcome<String>;
    fn set_notes(&self, snapshot: &str, notes: &str) -> Outcome<()>;
    fn protect(&self, snapshot: &str, protected: bool) -> Outcome<()>;
    fn destroy(&self, snapshot: &str) -> Outcome<()>;
    /// What was removed, and what is protected.
    fn destroy_group(&self, group: &str) -> (Outcome<()>, (u64, u64));
    fn owner(&self, group: &str) -> Outcome<Option<String>>;
    fn set_owner(&self, group: &str, owner: &str) -> Outcome<()>;
    /// The text of the manifest, read and written again.
    fn manifest(&self, text: &[u8]) -> Outcome<Vec<u8>>;
    /// Namespace, type, id, and the path that these give again.
    fn parse_group(&self, path: &str) -> Outcome<(String, String, String, String)>;
    fn parse_snapshot(&self, path: &str) -> Outcome<(String, String, String, i64, String)>;
}

/// What a flow has seen.
struct Seen {
    base: String,
    lines: Vec<String>,
}

impl Seen {
    /// Keeps what was seen, and hands it on.
    fn see<T: Debug>(&mut self, what: T) -> T {
        self.lines.push(format!("{what:?}").replace(&self.base, "BASE"));
        what
    }

    /// Keeps an error, and gives its kind.
    #[track_caller]
    fn refused<T: Debug>(&mut self, outcome: Outcome<T>) -> Kind {
        let failure = self.see(outcome).unwrap_err();
        let kinds = [
            Kind::Argument,
            Kind::NotFound,
            Kind::Exists,
            Kind::Busy,
            Kind::Limit,
            Kind::Corrupt,
            Kind::Format,
            Kind::State,
            Kind::Cancelled,
            Kind::Protected,
            Kind::Io,
        ];
        kinds.into_iter().find(|kind| format!("{kind:?}") == failure.kind).expect("a kind that a flow expects")
    }
}

/// Runs a flow over both, each on a store of its own that was made alike.
fn over_both(flow: fn(&dyn Api, &Path, &mut Seen)) {
    let mut all = Vec::new();
    for safe in [true, false] {
        let scratch = Scratch::new();
        let path = scratch.join("store");
        let options = StoreOptions { sync: SyncLevel::None, ..StoreOptions::default() };
        drop(Store::create(&path, &options).unwrap());
        let api: Box<dyn Api> = match safe {
            true => Box::new(safe_api::Safe::open(&path)),
            false => Box::new(extern_api::Extern::open(&path)),
        };
        let mut seen = Seen { base: scratch.path().to_str().unwrap().to_owned(), lines: Vec::new() };
        flow(&*api, &path, &mut seen);
        all.push(seen.lines);
    }
    assert!(!all[0].is_empty());
    for (safe, foreign) in all[0].iter().zip(&all[1]) {
        assert_eq!(safe, foreign, "left: the safe API; right: the C interface");
    }
    assert_eq!(all[0].len(), all[1].len());
}

fn ingest(api: &dyn Api, input: Input<'_>) -> Vec<u8> {
    let (outcome, index) = api.ingest(input, None);
    outcome.unwrap();
    index.unwrap()
}

#[test]
fn a_stream_and_back() {
    over_both(|api, path, seen| {
        let data = Rng::new(1).mixture(300_000);
        let index = seen.see(ingest(api, Input::Stream(&data)));
        let (outcome, bytes, written) = api.restore(&index, None, usize::MAX);
        outcome.unwrap();
        assert_eq!((&bytes, written), (&data, data.len() as u64));
        seen.see(ingest(api, Input::Stream(b"")));

        // A callback that refuses: the index of what was stored, the refused chunk included.
        let (outcome, partial) = seen.see(api.ingest(Input::Stream(&data), Some(5)));
        let failure = outcome.unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.callback_value), ("Cancelled", 7));
        let (outcome, bytes, _) = api.restore(&partial.unwrap(), None, usize::MAX);
        outcome.unwrap();
        assert!(bytes.len() > 1000 && bytes.len() < data.len() && data.starts_with(&bytes));

        // An output that refuses: what it has taken so far, and the count of it.
        let (outcome, bytes, written) = seen.see(api.restore(&index, None, 50_000));
        assert_eq!(outcome.unwrap_err().callback_value, 9);
        assert!(data.starts_with(&bytes) && written == bytes.len() as u64 && written > 30_000);

        // A chunk that is missing, after others.
        let victim = pxds::index::Index::from_bytes(&index, None).unwrap().chunk(20).unwrap().digest;
        let store = Store::open(path, &common::quick()).unwrap();
        fs::remove_file(store.chunks().chunk_path(&victim)).unwrap();
        let (outcome, bytes, written) = seen.see(api.restore(&index, None, usize::MAX));
        assert_eq!(outcome.unwrap_err().kind, "NotFound");
        assert!(data.starts_with(&bytes) && written == bytes.len() as u64 && written > 0);
        // One that is damaged.
        fs::write(store.chunks().chunk_path(&victim), [0; 100]).unwrap();
        let (outcome, _, _) = seen.see(api.restore(&index, None, usize::MAX));
        outcome.unwrap_err();

        // Indexes that are none.
        let mut wrong = index.clone();
        wrong[40] ^= 1;
        let (outcome, bytes, written) = seen.see(api.restore(&wrong, None, usize::MAX));
        assert_eq!((outcome.unwrap_err().kind.as_str(), bytes.len(), written), ("Corrupt", 0, 0));
        for cut in [0, 7, 4095, index.len() - 1] {
            let (outcome, ..) = seen.see(api.restore(&index[..cut], None, usize::MAX));
            outcome.unwrap_err();
        }
    });
}

#[test]
fn an_image_and_its_ranges() {
    over_both(|api, _, seen| {
        let mut data = Rng::new(2).bytes(200_000);
        data[65536..131_072].fill(0);
        let size = data.len() as u64;
        let image = |size, chunk_size| Input::Image { data: &data, size, chunk_size };
        let index = seen.see(ingest(api, image(Some(size), 65536)));
        assert_eq!(ingest(api, image(None, 65536)), index);
        for (size, chunk_size) in [(Some(size + 1), 65536), (Some(size - 1), 65536), (None, 5), (None, 1 << 30)] {
            let (outcome, index) = seen.see(api.ingest(image(size, chunk_size), None));
            assert!(outcome.is_err() && index.is_none());
        }
        let (outcome, none) = seen.see(api.ingest(image(Some(size), 65536), Some(2)));
        assert_eq!(outcome.unwrap_err().callback_value, 7);
        assert!(none.is_none(), "there is no part of an image");

        for (offset, length) in
            [(0, size), (0, 0), (1, 10), (65_530, 12), (199_999, 1), (100_000, u64::MAX), (3, 131_072)]
        {
            let (outcome, bytes, written) = api.restore(&index, Some((offset, length)), usize::MAX);
            outcome.unwrap();
            let end = offset.saturating_add(length).min(size);
            assert_eq!((&bytes[..], written), (&data[offset as usize..end as usize], end - offset));
            let room = usize::try_from(length.min(300_000)).unwrap();
            let (count, bytes) = seen.see(api.read_range(&index, offset, room));
            let count = count.unwrap() as usize;
            assert_eq!(&bytes[..count], &data[offset as usize..offset as usize + count]);
            let (count, bytes) = seen.see(api.read_at(&index, offset, room));
            let count = count.unwrap();
            assert_eq!(&bytes[..count], &data[offset as usize..offset as usize + count]);
            assert_eq!(count, room.min((size - offset) as usize));
        }
        for offset in [size, size + 1, u64::MAX] {
            assert_eq!(seen.see(api.restore(&index, Some((offset, 10)), usize::MAX)).1, b"");
            assert_eq!(seen.see(api.read_range(&index, offset, 10)).1, [0xa5; 10]);
            assert_eq!(seen.see(api.read_at(&index, offset, 10)).1, [0xa5; 10]);
            assert_eq!(seen.see(api.extent(&index, offset)), Ok(None));
        }
        assert_eq!(seen.see(api.extent(&index, 70_000)).unwrap(), Some((131_072 - 70_000, true)));
        assert_eq!(seen.see(api.extent(&index, 131_072)).unwrap(), Some((size - 131_072, false)));
        let (outcome, bytes, written) = seen.see(api.restore(&index, Some((10, 150_000)), 70_000));
        assert_eq!(outcome.unwrap_err().callback_value, 9);
        assert_eq!((&bytes[..], written), (&data[10..10 + bytes.len()], bytes.len() as u64));
    });
}

#[test]
fn the_life_of_a_snapshot() {
    over_both(|api, path, seen| {
        let data = Rng::new(3).mixture(100_000);
        let stream = Archive::Index(Input::Stream(&data));
        let image = Archive::Index(Input::Image { data: &data, size: None, chunk_size: 4 << 20 });
        let archives =
            [("root.pxar.didx", stream), ("disk.img.fidx", image), ("etc.conf.blob", Archive::Blob(b"a = b"))];
        let group = "ns/a/host/x";
        let (first, none) = seen.see(api.backup(group, TIME, Some("me@pbs"), &archives)).unwrap();
        assert_eq!((first.as_str(), none), ("ns/a/host/x/2020-06-26T13:56:05Z", None));
        let (second, previous) = seen.see(api.backup(group, TIME + 1, None, &archives[..1])).unwrap();
        assert_eq!(previous.as_ref(), Some(&first));
        for (time, owner, archives) in [
            (TIME, None, &archives[..]),
            (0, None, &archives[..]),
            (i64::MAX, None, &archives[..]),
            (TIME + 2, Some("you@pbs"), &archives[..]),
            (TIME + 2, None, &[]),
            (TIME + 2, None, &[("a.didx", archives[1].1)]),
            (TIME + 2, None, &[("../a.didx", archives[0].1)]),
            (TIME + 2, None, &[archives[2], archives[2]]),
            (TIME + 2, None, &[("a.didx", Archive::Index(Input::Stream(b"")))]),
        ] {
            seen.refused(api.backup(group, time, owner, archives));
        }
        let both = [(first.clone(), false, true), (second.clone(), false, true)];
        assert_eq!(seen.see(api.list("a", false)).unwrap(), both);
        assert_eq!(seen.see(api.list("", true)).unwrap(), both);
        assert_eq!(seen.see(api.list("", false)).unwrap(), []);
        assert_eq!(seen.refused(api.list("b", false)), Kind::NotFound);
        assert_eq!(seen.refused(api.list("a/../b", true)), Kind::Argument);
        assert_eq!(seen.see(api.groups("", true)).unwrap(), [group]);
        assert_eq!(seen.refused(api.groups("b", true)), Kind::NotFound);
        assert_eq!(seen.see(api.namespaces("", true)).unwrap(), ["", "a"]);
        assert_eq!(seen.refused(api.namespaces("b", false)), Kind::NotFound);
        assert_eq!(seen.see(api.files(&first)).unwrap().len(), 4);
        assert_eq!(seen.refused(api.files("ns/a/host/x/2021-06-26T13:56:05Z")), Kind::NotFound);

        assert_eq!(api.read_archive(&first, "root.pxar.didx").unwrap(), data);
        assert_eq!(api.read_archive(&first, "disk.img.fidx").unwrap(), data);
        assert_eq!(seen.see(api.read_blob(&first, "etc.conf.blob", 5)).unwrap(), b"a = b");
        assert_eq!(seen.refused(api.read_blob(&first, "etc.conf.blob", 4)), Kind::Limit);
        assert_eq!(seen.refused(api.read_blob(&first, "root.pxar.didx", 4)), Kind::Argument);
        assert_eq!(seen.refused(api.read_blob(&first, "none.blob", 4)), Kind::NotFound);
        assert_eq!(seen.refused(api.read_blob(&first, "../x.blob", 4)), Kind::Argument);
        assert_eq!(seen.refused(api.read_archive(&first, "etc.conf.blob")), Kind::Argument);
        assert_eq!(seen.refused(api.read_archive(&first, "none.fidx")), Kind::NotFound);
        fs::write(path.join(&first).join("etc.conf.blob"), "other bytes").unwrap();
        assert_eq!(seen.refused(api.read_blob(&first, "etc.conf.blob", 5)), Kind::Corrupt);
        fs::write(path.join(&first).join("root.pxar.didx"), "other bytes").unwrap();
        seen.refused(api.read_archive(&first, "root.pxar.didx"));

        assert_eq!(seen.see(api.notes(&second)).unwrap(), "");
        seen.see(api.set_notes(&second, "one\n\u{e9}")).unwrap();
        assert_eq!(seen.see(api.notes(&second)).unwrap(), "one\n\u{e9}");
        seen.see(api.set_notes(&second, "")).unwrap();
        assert_eq!(seen.see(api.notes(&second)).unwrap(), "");
        assert_eq!(seen.refused(api.set_notes("host/x", "no snapshot")), Kind::Argument);

        seen.see(api.protect(&first, true)).unwrap();
        assert_eq!(seen.refused(api.destroy(&first)), Kind::Protected);
        let (outcome, counts) = seen.see(api.destroy_group(group));
        assert_eq!((outcome.is_ok(), counts), (false, (1, 1)), "the C interface makes an error of what stays");
        assert_eq!(seen.see(api.list("a", false)).unwrap(), [(first.clone(), true, true)]);
        seen.see(api.protect(&first, false)).unwrap();
        seen.see(api.destroy(&first)).unwrap();
        assert_eq!(seen.refused(api.destroy(&first)), Kind::NotFound);
        assert_eq!(seen.refused(api.protect(&first, true)), Kind::NotFound);
        assert_eq!(seen.refused(api.notes(&first)), Kind::NotFound);
        assert_eq!(seen.see(api.owner(group)).unwrap().as_deref(), Some("me@pbs"));
        assert_eq!(seen.refused(api.set_owner(group, "nobody")), Kind::Argument);
        seen.see(api.set_owner(group, "you@pbs!t")).unwrap();
        assert_eq!(seen.see(api.owner(group)).unwrap().as_deref(), Some("you@pbs!t"));
        fs::write(path.join(group).join("owner"), b"\xff").unwrap();
        assert_eq!(seen.refused(api.owner(group)), Kind::Format);
        fs::remove_file(path.join(group).join("owner")).unwrap();
        assert_eq!(seen.see(api.owner(group)).unwrap(), None);
        let (outcome, counts) = seen.see(api.destroy_group(group));
        assert_eq!((outcome, counts), (Ok(()), (0, 0)));
        assert_eq!(seen.refused(api.owner(group)), Kind::NotFound);
        let (outcome, counts) = seen.see(api.destroy_group(group));
        assert_eq!((outcome.is_ok(), counts), (false, (0, 0)));
    });
}

#[test]
fn manifests_go_round() {
    over_both(|api, _, seen| {
        for name in common::names(&common::vector_path("manifest")) {
            let bytes = common::vector_bytes(&format!("manifest/{name}"));
            seen.see((name, api.manifest(&bytes))).1.ok();
        }
        let good = br#"{"backup-id":"x","backup-time":5,"backup-type":"vm","files":[],"mine":{"a":[1.5]}}"#;
        let written = seen.see(api.manifest(good)).unwrap();
        assert_eq!(api.manifest(&written).unwrap(), written);
        assert!(String::from_utf8(written).unwrap().contains("\"mine\""));
        for bad in [&b""[..], b"null", b"{}", b"{\"backup-id\":", &[b'['; 100_000], b"\xff"] {
            assert_eq!(seen.refused(api.manifest(bad)), Kind::Format);
        }
    });
}

#[test]
fn names_are_read_alike() {
    over_both(|api, _, seen| {
        let long = format!("host/{}", "x".repeat(256));
        let deep = format!("{}host/x", "ns/a/".repeat(8));
        for path in [
            "host/x",
            "ns/a/ns/b/vm/100",
            "ct/0",
            "",
            "/",
            "host",
            "host/",
            "host/.x",
            "host/-x",
            "host/x/",
            "x/host",
            "ns/a",
            "ns/host/host/x",
            "ns//host/x",
            "host/\u{e9}",
            "host/x\n",
            "HOST/x",
            &long,
            &deep,
        ] {
            let group = seen.see(api.parse_group(path));
            if let Ok((.., again)) = &group {
                assert_eq!(again, path);
            }
            seen.see(api.parse_snapshot(path)).unwrap_err();
            for time in ["2020-06-26T13:56:05Z", "2020-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "2020-06-26 13:56:05"]
            {
                let snapshot = seen.see(api.parse_snapshot(&format!("{path}/{time}")));
                assert!(snapshot.is_err() || group.is_ok());
                if let Ok((.., again)) = snapshot {
                    assert_eq!(again, format!("{path}/{time}"));
                }
            }
        }
    });
}
