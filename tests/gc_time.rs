//! The cut-off of a collection, and clocks that are wrong or are set while it runs (docs/format.md, 11).

mod common;
#[path = "common/garbage.rs"]
mod garbage;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::kind;
use garbage::{Scene, clock, real, set_atime};
use pxds::error::Kind;
use pxds::gc::{GcOptions, PHASE_SWEEP};

const DAY: &str = "host/x/2024-01-01T12:00:00Z";

#[test]
fn the_cut_off_decides() {
    for (minutes, hours_ago, kept) in
        [(1445, 24, true), (1445, 25, false), (60, 2, false), (2880, 25, true), (1, 1, false)]
    {
        let scene = Scene::new();
        let chunk = scene.chunk("x");
        set_atime(&scene.store.chunks().chunk_path(&chunk), real() as u64 - hours_ago * 3600);
        let options = GcOptions { cutoff_minutes: minutes, ..GcOptions::default() };
        let status = scene.collect_with(&options, |_| Ok(())).unwrap();
        assert_eq!(scene.has(&chunk), kept, "{minutes} {hours_ago}");
        assert_eq!((status.pending_chunks, status.removed_chunks), (kept.into(), (!kept).into()));
    }
}

/// A clock was wrong once. Chunks in use have been touched by today's.
#[test]
fn what_was_accessed_in_the_future_is_pending_and_told() {
    let scene = Scene::new();
    let chunks = ["used", "future", "far future", "bad"].map(|data| scene.chunk(data));
    scene.snapshot(DAY, &chunks[..1]);
    scene.store.chunks().mark_bad(&chunks[3]).unwrap();
    let (later, last) = (real() as u64 + 86_400, 4_070_908_800);
    set_atime(&scene.store.chunks().chunk_path(&chunks[0]), last);
    set_atime(&scene.store.chunks().chunk_path(&chunks[1]), later);
    set_atime(&scene.store.chunks().chunk_path(&chunks[2]), last);
    set_atime(&scene.store.chunks().chunk_path(&chunks[3]).with_extension("0.bad"), later);
    let len = |data: &str| common::plain_blob(data.as_bytes()).len() as u64;
    for dry_run in [true, false] {
        let options = GcOptions { dry_run, ..GcOptions::default() };
        let status = scene.collect_with(&options, |_| Ok(())).unwrap();
        assert_eq!((status.disk_chunks, status.pending_chunks, status.still_bad), (1, 2, 1));
        let bytes = len("future") + len("far future") + len("bad");
        assert_eq!((status.future_files, status.future_bytes, status.future_until), (3, bytes, last as i64));
        let said = scene.said();
        assert!(said[0].contains("in the future") && said[0].contains("2099-01-01T00:00:00Z"), "{said:?}");
    }
    // Once the time has come they go.
    let then = GcOptions { clock: clock(move || last as i64 + 86_701), ..GcOptions::default() };
    set_atime(&scene.store.chunks().chunk_path(&chunks[0]), last);
    let status = scene.collect_with(&GcOptions { skip_atime_probe: true, ..then }, |_| Ok(())).unwrap();
    assert_eq!((status.removed_chunks, status.removed_bad, status.future_files), (2, 1, 0));
    assert_eq!(scene.left(&chunks), [true, false, false, false]);
}

/// A writer that is at work for longer than the cut-off: three days, by the clock of the collection.
#[test]
fn what_a_long_writer_has_touched_stays() {
    let scene = Scene::new();
    let chunks = [scene.chunk("touched"), scene.chunk("old")];
    let later = GcOptions { clock: clock(|| real() + 3 * 86_400), ..GcOptions::default() };
    let lock = scene.store.chunks().lock_shared().unwrap();
    scene.store.chunks().touch(&chunks[0]).unwrap();
    let status = scene.collect_with(&later, |_| Ok(())).unwrap();
    assert_eq!(scene.left(&chunks), [true, false]);
    assert_eq!((status.disk_chunks, status.removed_chunks), (1, 1));
    drop(lock);
    scene.collect_with(&later, |_| Ok(())).unwrap();
    assert_eq!(scene.left(&chunks), [false, false]);
}

#[test]
fn options_that_cannot_be() {
    let scene = Scene::new();
    let good = GcOptions::default();
    for options in [
        GcOptions { cutoff_minutes: 0, ..good.clone() },
        GcOptions { cutoff_minutes: 2881, ..good.clone() },
        GcOptions { remembered: (1 << 23) + 1, ..good.clone() },
        GcOptions { dry_run: true, skip_atime_probe: true, ..good },
    ] {
        assert_eq!(kind(scene.collect_with(&options, |_| Ok(()))), Kind::Argument, "{options:?}");
    }
}

/// The clock was two days ahead when the collection began and is then set right: what it has marked since looks two
/// days old.
#[test]
fn a_clock_that_is_set_back_while_marking() {
    let scene = Scene::new();
    let chunks = [scene.chunk("kept"), scene.chunk("gone")];
    scene.snapshot(DAY, &chunks[..1]);
    let calls = AtomicI64::new(0);
    let ahead = clock(move || real() + if calls.fetch_add(1, Ordering::SeqCst) == 0 { 2 * 86_400 } else { 0 });
    let options = GcOptions { clock: ahead, skip_atime_probe: true, ..GcOptions::default() };
    let status = scene.collect_with(&options, |_| Ok(())).unwrap();
    assert_eq!(scene.left(&chunks), [true, false]);
    assert_eq!((status.disk_chunks, status.removed_chunks), (1, 1));
}

/// The clock is set back when the sweep has begun, and a writer through the same store then touches a chunk.
#[test]
fn a_clock_that_is_set_back_while_sweeping() {
    let scene = Scene::new();
    let chunk = scene.chunk("touched late");
    let ahead = Arc::new(AtomicI64::new(2 * 86_400));
    let offset = ahead.clone();
    let clock = clock(move || real() + offset.load(Ordering::SeqCst));
    let options = GcOptions { clock, skip_atime_probe: true, ..GcOptions::default() };
    let mut first = true;
    scene
        .collect_with(&options, |step| {
            if step.phase == PHASE_SWEEP && std::mem::take(&mut first) {
                ahead.store(0, Ordering::SeqCst);
                scene.store.chunks().touch(&chunk).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert!(scene.has(&chunk));
}

#[test]
fn a_clock_that_jumps_ahead() {
    let scene = Scene::new();
    let chunk = scene.chunk("x");
    scene.snapshot(DAY, &[chunk]);
    let calls = AtomicI64::new(0);
    let options =
        GcOptions { clock: clock(move || real() + calls.fetch_add(86_400, Ordering::SeqCst)), ..GcOptions::default() };
    scene.collect_with(&options, |_| Ok(())).unwrap();
    assert!(scene.has(&chunk));
}
