//! Statistics: what the model of tests/tool/stats.py does not come by.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, kind, quick};
use pxds::callback::Callback;
use pxds::error::{Error, Kind};
use pxds::format::{IndexHeader, MAGIC_DYNAMIC_INDEX};
use pxds::hash::sha256;
use pxds::progress::Stage;
use pxds::stats::{MATRIX_GROUPS, PHASE_CHUNKS, PHASE_FIND, PHASE_INDEXES, Stats, StatsOptions, collect};
use pxds::store::{Store, StoreOptions};

/// The file of a dynamic index of these chunks: what they are called, and their lengths.
fn index_of(chunks: &[(u64, u64)]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut end = 0;
    for (name, len) in chunks {
        end += len;
        entries.extend(end.to_le_bytes());
        entries.extend(sha256(&name.to_le_bytes()).0);
    }
    let header = IndexHeader {
        magic: MAGIC_DYNAMIC_INDEX,
        uuid: [0; 16],
        ctime: 0,
        csum: sha256(&entries).0,
        size: 0,
        chunk_size: 0,
    };
    [&header.to_bytes()[..], &entries].concat()
}

/// Puts an index into a directory of the store.
fn put(store: &Store, path: &str, chunks: &[(u64, u64)]) {
    let path = store.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, index_of(chunks)).unwrap();
}

fn count(store: &Store) -> Stats {
    collect(store.tree(), None, &StatsOptions::default()).unwrap()
}

/// A store that keeps its notices.
fn noted(scratch: &Scratch) -> (Store, Arc<Mutex<Vec<String>>>) {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let kept = notices.clone();
    let notice = move |_, message: &str, path: Option<&Path>| {
        assert!(message.contains(path.unwrap().to_str().unwrap()));
        kept.lock().unwrap().push(message.to_owned());
        Ok(())
    };
    (scratch.store_with("store", &StoreOptions { notice: Some(Callback(Arc::new(notice))), ..quick() }), notices)
}

#[test]
fn what_is_new_goes_by_time_whatever_the_order_of_groups() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    put(&store, "ct/1/2020-01-03T00:00:00Z/a.didx", &[(1, 10), (2, 20)]);
    put(&store, "ct/1/2020-01-05T00:00:00Z/a.didx", &[(1, 10), (3, 40)]);
    put(&store, "vm/1/2020-01-02T00:00:00Z/a.didx", &[(2, 20), (2, 20)]);
    put(&store, "vm/1/2020-01-04T00:00:00Z/a.didx", &[(3, 40)]);
    let stats = count(&store);
    let new: Vec<_> = stats.snapshots.iter().map(|row| row.new.size).collect();
    assert_eq!(new, [10, 0, 20, 40]);
    let own: Vec<_> = stats.snapshots.iter().map(|row| row.own.size).collect();
    assert_eq!(own, [0; 4]);
    assert_eq!(stats.groups.iter().map(|group| group.own.size).collect::<Vec<_>>(), [10, 0]);
    assert_eq!((stats.total.shared.size, stats.total.across_groups.size), (70, 60));
    assert_eq!(stats.shared_between(0, 1), Some(60));
    assert_eq!(stats.snapshots[2].described.references, 2);
    assert_eq!((stats.snapshots[2].used.chunks, stats.snapshots[2].described.logical_bytes), (1, 40));
}

#[test]
fn indexes_beside_snapshots_count_as_one_more() {
    let scratch = Scratch::new();
    let (store, notices) = noted(&scratch);
    put(&store, "vm/1/2020-01-02T00:00:00Z/a.didx", &[(1, 10), (2, 20)]);
    put(&store, "a.didx", &[(1, 10), (3, 40)]);
    put(&store, "any/where/b.didx", &[(3, 40)]);
    put(&store, "vm/1/2020-01-02T00:00:00Z/deeper/c.didx", &[(4, 80)]);
    put(&store, ".hidden/d.didx", &[(5, 160)]);
    put(&store, "any/.e.didx", &[(5, 160)]);
    let outside = scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("f.didx"), index_of(&[(6, 320)])).unwrap();
    symlink(&outside, store.path().join("link")).unwrap();
    symlink(outside.join("f.didx"), store.path().join("g.didx")).unwrap();
    fs::create_dir(store.path().join("h.didx")).unwrap();
    let stats = count(&store);
    assert_eq!((stats.total.others.indexes, stats.total.others.logical_bytes), (3, 170));
    assert_eq!((stats.total.described.indexes, stats.total.used.size), (4, 150));
    assert_eq!((stats.snapshots[0].own.size, stats.snapshots[0].new.size), (20, 30));
    assert_eq!((stats.groups[0].own.size, stats.total.shared.size), (20, 10));
    // A link of an index's name may lead to one that somebody needs. It counts for nothing, and is told of.
    assert_eq!(stats.total.described.unreadable, 1);
    let said = notices.lock().unwrap();
    assert!(said.len() == 1 && said[0].contains("g.didx is not a regular file"), "{said:?}");
}

#[test]
fn what_cannot_be_is_left_out() {
    let scratch = Scratch::new();
    let (store, notices) = noted(&scratch);
    let snapshot = "vm/1/2020-01-02T00:00:00Z";
    put(&store, &format!("{snapshot}/a.didx"), &[(1, 128 << 20)]);
    put(&store, &format!("{snapshot}/b.didx"), &[(2, 5), (3, (128 << 20) + 1)]);
    put(&store, &format!("{snapshot}/c.fidx"), &[(4, 5)]);
    fs::write(store.path().join(snapshot).join("d.didx"), b"").unwrap();
    put(&store, &format!("{}e.didx", "d/".repeat(127)), &[(5, 1)]);
    put(&store, &format!("{}f.didx", "d/".repeat(128)), &[(6, 1)]);
    let stats = count(&store);
    let row = &stats.snapshots[0];
    assert_eq!((row.described.indexes, row.described.unreadable), (1, 3));
    assert_eq!((row.used.size, row.sizes[27]), (128 << 20, 1));
    assert_eq!((stats.total.others.indexes, stats.total.others.unreadable), (1, 1));
    assert_eq!(stats.total.described.unreadable, 4);
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 4, "{notices:?}");
    assert!(notices.iter().all(|message| message.starts_with("not counted: ")), "{notices:?}");
}

#[test]
fn of_many_groups_those_with_the_longest_indexes_are_compared() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let count_of_groups = MATRIX_GROUPS + 6;
    for group in 0..count_of_groups {
        // The first six have the shortest.
        let mut chunks = vec![(0, 7), (1 + group as u64 % 2, 9)];
        chunks.extend((0..if group < 6 { 0 } else { 3 }).map(|i| (100 + i, 1)));
        put(&store, &format!("vm/{group}/2020-01-02T00:00:00Z/a.didx"), &chunks);
    }
    let stats = count(&store);
    for a in 0..count_of_groups {
        for b in 0..count_of_groups {
            let same = if a % 2 == b % 2 { 9 } else { 0 };
            let expected = (a >= 6 && b >= 6).then_some(10 + same);
            assert_eq!(stats.shared_between(a, b), expected, "{a} {b}");
        }
    }
    assert_eq!(stats.shared_between(count_of_groups, count_of_groups), None);
}

#[test]
fn progress_can_end_it_in_every_phase() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut rng = Rng::new(1);
    let chunks: Vec<_> = (0..20_000).map(|_| (rng.next(), 1)).collect();
    put(&store, "vm/1/2020-01-02T00:00:00Z/a.didx", &chunks);
    for phase in [PHASE_FIND, PHASE_CHUNKS, PHASE_INDEXES] {
        let last: Mutex<Option<(u32, std::time::Instant)>> = Mutex::default();
        let stop = move |progress: &Stage| {
            let now = std::time::Instant::now();
            let last = last.lock().unwrap().replace((progress.phase, now));
            let is_due = |at| now.duration_since(at).as_millis() >= 100;
            assert!(last.is_none_or(|(phase, at)| phase != progress.phase || is_due(at)));
            // The next call is then at the next step.
            std::thread::sleep(std::time::Duration::from_millis(100));
            if progress.phase == phase { Err(Error::cancelled("test", 1)) } else { Ok(()) }
        };
        fs::create_dir_all(store.path().join(".chunks/00")).unwrap();
        fs::write(store.path().join(".chunks/00").join("00".repeat(32)), [0; 12]).unwrap();
        let options = StatsOptions { progress: Some(Callback(Arc::new(stop))) };
        assert_eq!(kind(collect(store.tree(), Some(store.chunks()), &options)), Kind::Cancelled, "{phase:?}");
    }
}

#[test]
fn sizes_that_disagree_count_once() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    put(&store, "vm/1/2020-01-02T00:00:00Z/a.didx", &[(1, 10)]);
    put(&store, "vm/1/2020-01-03T00:00:00Z/a.didx", &[(1, 1000)]);
    let stats = count(&store);
    assert_eq!((stats.total.described.logical_bytes, stats.total.used.size), (1010, 10));
    assert_eq!(stats.snapshots[1].used.size, 10);
}
