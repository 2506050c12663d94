//! Images into a store: chunks of one size, a fixed index, holes, and what an earlier image has already.

mod common;
#[path = "common/image.rs"]
mod image;

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, age, assert_only_chunks, failure, is_fresh, kind, mode, names, quick, reader, reopen};
use image::{
    C, SIZES, bytes_of, check, disk, file_of, finish, growing, image, interrupting, model, options, options_of,
    read_file, stored,
};
use pxds::base::NoticeLevel;
use pxds::callback::Callback;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, Index, IndexKind};
use pxds::ingest::{Changes, ChunkResult, Image, ImageOptions, IngestStats, OnChunk};
use pxds::limits::BLOB_MAX_SIZE;
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::StoreOptions;
use pxds::sys::{self, Dir};

// ---- what comes of an image ----

#[test]
fn every_way_in_makes_the_index_of_the_image() {
    for (i, size) in SIZES.into_iter().enumerate() {
        let mut rng = Rng::new(30 + i as u64);
        let scratch = Scratch::new();
        let data = disk(&mut rng, size / C, size % C);
        let file = file_of(&scratch, "file", &data);
        let mut in_any_order: Vec<_> = data.chunks(C).enumerate().collect();
        in_any_order.reverse();
        in_any_order.rotate_left(size / C / 2);
        let mut number = 0;
        let mut try_to = |what: &str, size: Option<usize>, feed: &mut dyn FnMut(&mut Image)| {
            number += 1;
            let store = scratch.store(&format!("store-{number}"));
            let mut image = Image::new(store.chunks(), size.map(|size| size as u64), options()).unwrap();
            feed(&mut image);
            let index = image.finish().unwrap();
            assert_eq!((index.kind(), index.stats()), (IndexKind::Fixed, image.stats()));
            assert_eq!(image.stats().size, data.len() as u64, "{what}");
            assert_eq!(image.stats().chunks, data.len().div_ceil(C) as u64, "{what}");
            check(&store, &bytes_of(index), &data, C);
        };
        for known in [Some(size), None] {
            try_to("write", known, &mut |image| image.write(&data).unwrap());
            try_to("pieces", known, &mut |image| {
                for piece in rng.pieces(&data, 3000) {
                    if piece.len() % 2 == 0 {
                        image.write(piece).unwrap();
                    } else {
                        image.read(&mut reader(piece, 700)).unwrap();
                    }
                }
            });
            try_to("read", known, &mut |image| image.read(&mut reader(&data, usize::MAX)).unwrap());
            try_to("file", known, &mut |image| read_file(image, &file).unwrap());
            try_to("in any order", known, &mut |image| {
                for (i, chunk) in &in_any_order {
                    image.write_at((i * C) as u64, chunk).unwrap();
                }
            });
            try_to("pipe", known, &mut |image| {
                let (output, mut input) = std::io::pipe().unwrap();
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        input.write_all(&data).unwrap();
                        drop(input);
                    });
                    read_file(image, &output).unwrap();
                });
            });
        }
        try_to("mixture", Some(size), &mut |image| {
            // Some chunks by themselves, the start as a stream, and the rest from the file.
            for (i, chunk) in data.chunks(C).enumerate().filter(|(i, _)| i % 3 == 1) {
                image.write_at((i * C) as u64, chunk).unwrap();
            }
            image.write(&data[..C.min(size)]).unwrap();
            read_file(image, &file).unwrap();
        });
    }
}

#[test]
fn single_bytes_make_the_same_index() {
    let data = disk(&mut Rng::new(40), 3, 100);
    let scratch = Scratch::new();
    for (name, size) in [("known", Some(data.len() as u64)), ("unknown", None)] {
        let store = scratch.store(name);
        let mut written = Image::new(store.chunks(), size, options()).unwrap();
        data.chunks(1).for_each(|byte| written.write(byte).unwrap());
        check(&store, &finish(written), &data, C);
        let mut read = Image::new(store.chunks(), size, options()).unwrap();
        read.read(&mut reader(&data, 1)).unwrap();
        check(&store, &finish(read), &data, C);
    }
}

#[test]
fn chunks_have_any_size_that_is_a_power_of_two() {
    let data = disk(&mut Rng::new(41), 2, 77);
    for chunk_size in [1, 2, 64, 1024, 8192, 1 << 20, BLOB_MAX_SIZE] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let data = &data[..data.len().min(chunk_size.saturating_mul(300))];
        for size in [Some(data.len() as u64), None] {
            let mut image = Image::new(store.chunks(), size, options_of(chunk_size)).unwrap();
            image.write(data).unwrap();
            check(&store, &finish(image), data, chunk_size);
        }
    }
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for chunk_size in [0, 3, 4095, 2 * BLOB_MAX_SIZE, 1 << 40] {
        assert_eq!(kind(Image::new(store.chunks(), Some(1), options_of(chunk_size))), Kind::Argument, "{chunk_size}");
        assert_eq!(kind(Image::new(store.chunks(), None, options_of(chunk_size))), Kind::Argument, "{chunk_size}");
    }
    for (size, chunk_size, expected) in
        [(1 << 63, C, Kind::Argument), (u64::MAX, C, Kind::Argument), (i64::MAX as u64, C, Kind::Limit)]
    {
        assert_eq!(kind(Image::new(store.chunks(), Some(size), options_of(chunk_size))), expected, "{size}");
    }
    // No lock is left behind.
    drop(reopen(&store).chunks().lock_exclusive().unwrap());
}

#[test]
fn the_default_is_4_mib_and_compression() {
    let data = [vec![0; 9 << 20], Rng::new(42).bytes(1 << 20), vec![b'x'; 3 << 20]].concat();
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let before = sys::now();
    let mut image = Image::new(store.chunks(), None, ImageOptions::default()).unwrap();
    image.write(&data).unwrap();
    let mut index = image.finish().unwrap();
    let header = index.summary().header;
    assert_eq!((header.size, header.chunk_size), (13 << 20, 4 << 20));
    assert!((before..=sys::now()).contains(&header.ctime));
    assert_eq!((header.uuid[6] >> 4, header.uuid[8] >> 6), (4, 2), "a random uuid");
    let read = Index::from_bytes(&index.finish(usize::MAX).unwrap(), Some(IndexKind::Fixed)).unwrap();
    // As PBS has it.
    let zeros = Digest::from_hex(b"bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8").unwrap();
    assert_eq!([0, 1].map(|i| read.chunk(i).unwrap().digest), [zeros; 2]);
    let stats = image.stats();
    assert!((1 << 20..(1 << 20) + 2000).contains(&stats.stored_bytes), "the noise, and next to nothing");
    let zero_size = store.chunks().has(&zeros).unwrap().unwrap();
    assert_eq!((stats.chunks, stats.new_chunks, stats.duplicates()), (4, 3, 1));
    assert_eq!(stats.compressed_bytes, stats.stored_bytes + zero_size);

    let plain = scratch.store("plain");
    let mut image =
        Image::new(plain.chunks(), None, ImageOptions { compress: false, ..ImageOptions::default() }).unwrap();
    image.write(&data).unwrap();
    drop(finish(image));
    assert_eq!(plain.chunks().has(&zeros).unwrap(), Some((4 << 20) + 12));
}

#[test]
fn the_restored_image_is_the_image() {
    let data = disk(&mut Rng::new(43), 20, 5);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut image = image(&store, data.len());
    image.write(&data).unwrap();
    let path = scratch.join("a.fidx");
    image.finish().unwrap().save(&path).unwrap();
    let index = Index::open(&path, Some(IndexKind::Fixed)).unwrap();
    let mut restored = Vec::new();
    Restorer::new(store.chunks(), RestoreOptions::default())
        .restore(&index, &mut |bytes| {
            restored.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
    assert!(restored == data);
}

#[test]
fn unusual_chunk_sizes_are_worth_a_word() {
    let scratch = Scratch::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&said);
    let notice = Arc::new(move |level: NoticeLevel, message: &str, _: Option<&std::path::Path>| {
        listener.lock().unwrap().push((level, message.to_owned()));
        Ok(())
    });
    let store = scratch.store_with("store", &StoreOptions { notice: Some(Callback(notice)), ..quick() });
    drop(Image::new(store.chunks(), None, options_of(4 << 20)).unwrap());
    assert!(said.lock().unwrap().is_empty());
    drop(Image::new(store.chunks(), None, options_of(8 << 20)).unwrap());
    assert_eq!(said.lock().unwrap().len(), 1);
    let (level, message) = said.lock().unwrap()[0].clone();
    assert_eq!(level, NoticeLevel::Warning);
    assert!(message.contains("8388608"), "{message}");
}

#[test]
fn an_empty_image_has_an_empty_index() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for size in [Some(0), None] {
        let mut image = Image::new(store.chunks(), size, options()).unwrap();
        let mut index = image.finish().unwrap();
        assert_eq!(image.stats(), IngestStats::default());
        index.save(&scratch.join("empty.fidx")).unwrap();
        assert!(fs::read(scratch.join("empty.fidx")).unwrap() == model(b"", C));
    }
    assert_only_chunks(&store, &[]);
}

// ---- sizes ----

#[test]
fn there_cannot_be_more_than_the_size() {
    let data = Rng::new(44).bytes(2 * C + 10);
    for size in [0, 1, C, C + 5, 2 * C] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let too_long = |error: Error| assert_eq!((error.kind(), error.offset()), (Kind::Argument, Some(size as u64)));
        too_long(failure(image(&store, size).write(&data)));
        too_long(failure(image(&store, size).read(&mut reader(&data, 100))));
        let (output, mut input) = std::io::pipe().unwrap();
        input.write_all(&data[..=size]).unwrap();
        drop(input);
        too_long(failure(read_file(&mut image(&store, size), &output)));
        let mut spoiled = image(&store, size);
        spoiled.write(&data[..size]).unwrap();
        spoiled.write(b"").unwrap();
        too_long(failure(spoiled.write(b"x")));
        assert_eq!([kind(spoiled.write(b"")), kind(spoiled.finish())], [Kind::State; 2]);
        // A file may be longer.
        let mut good = image(&store, size);
        read_file(&mut good, &file_of(&scratch, "longer", &data)).unwrap();
        check(&store, &finish(good), &data[..size], C);
    }
}

#[test]
fn there_cannot_be_less_than_the_size() {
    let data = Rng::new(45).bytes(3 * C);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for (i, len) in [0, 1, C, C + 5, 3 * C - 1].into_iter().enumerate() {
        let short = |error: Error| assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(len as u64)));
        let file = file_of(&scratch, &format!("file-{i}"), &data[..len]);
        short(failure(read_file(&mut image(&store, data.len()), &file)));
        let (output, mut input) = std::io::pipe().unwrap();
        input.write_all(&data[..len]).unwrap();
        drop(input);
        short(failure(read_file(&mut image(&store, data.len()), &output)));

        // A stream of the caller's may go on, also after a look at whether all is there.
        let mut image = image(&store, data.len());
        image.read(&mut reader(&data[..len], 1000)).unwrap();
        let missing = failure(image.finish());
        assert_eq!((missing.kind(), missing.offset()), (Kind::State, Some((len / C * C) as u64)));
        image.write(&data[len..]).unwrap();
        check(&store, &finish(image), &data, C);
    }
}

#[test]
fn chunks_are_whole_and_at_their_places() {
    let data = Rng::new(46).bytes(3 * C + 10);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut image = image(&store, data.len());
    let size = data.len() as u64;
    for (offset, len) in [
        (0, 0),
        (0, C - 1),
        (0, C + 1),
        (1, C),
        (0, 10),
        (3 * C as u64, C),
        (3 * C as u64, 9),
        (3 * C as u64, 11),
        (3 * C as u64 + 1, 9),
        (size, 0),
        (size, 1),
        (4 * C as u64, C),
        (u64::MAX, 1),
        (u64::MAX - C as u64 + 1, C),
    ] {
        assert_eq!(kind(image.write_at(offset, &data[..len])), Kind::Argument, "{len} bytes at {offset}");
    }
    // None of that has changed anything.
    for (i, chunk) in data.chunks(C).enumerate().filter(|(i, _)| *i != 1) {
        image.write_at((i * C) as u64, chunk).unwrap();
    }
    let missing = failure(image.finish());
    assert_eq!((missing.kind(), missing.offset()), (Kind::State, Some(C as u64)));
    image.write_at(C as u64, &data[..C]).unwrap();
    image.write_at(C as u64, &data[C..2 * C]).unwrap();
    check(&store, &finish(image), &data, C);
}

#[test]
fn a_short_chunk_ends_an_image_of_unknown_size() {
    let data = Rng::new(47).bytes(2 * C + 10);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut image = growing(&store);
    image.write_at(2 * C as u64, &data[2 * C..]).unwrap();
    assert_eq!(kind(image.write_at(3 * C as u64, &data[..C])), Kind::Argument);
    assert_eq!(failure(image.finish()).offset(), Some(0));
    image.write(&data).unwrap();
    assert_eq!(image.stats().chunks, 3, "the last one was passed over");
    check(&store, &finish(image), &data, C);

    // What is pending when something follows it is incomplete.
    let mut image = growing(&store);
    image.write(&data[..C + 5]).unwrap();
    image.write_at(2 * C as u64, &data[..C]).unwrap();
    assert_eq!(failure(image.finish()).offset(), Some(C as u64));
    image.write_at(C as u64, &data[C..2 * C]).unwrap();
    check(&store, &finish(image), &[&data[..2 * C], &data[..C]].concat(), C);
}

/// What a stream has brought of a chunk so far is dropped when the chunk comes by itself.
#[test]
fn a_chunk_may_come_while_a_stream_is_within_it() {
    let data = Rng::new(61).bytes(4 * C + 9);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &data);
    for size in [Some(data.len() as u64), None] {
        for read in [false, true] {
            let feed = |image: &mut Image, bytes: &[u8]| {
                if read { image.read(&mut reader(bytes, 1000)).unwrap() } else { image.write(bytes).unwrap() }
            };
            let mut image = Image::new(store.chunks(), size, options()).unwrap();
            feed(&mut image, &vec![0xee; C + 100]);
            image.write_at(0, &data[..C]).unwrap();
            image.write_at(C as u64, &data[C..2 * C]).unwrap();
            feed(&mut image, &data[C + 100..]);
            check(&store, &finish(image), &data, C);
        }
    }
    let mut image = image(&store, data.len());
    image.write(&[0xee; 100]).unwrap();
    image.reuse(&earlier, Changes::Ranges(vec![(3 * C as u64, 1)])).unwrap();
    image.write(&data[100..]).unwrap();
    check(&store, &finish(image), &data, C);

    // The last one of an image of unknown size.
    let mut image = growing(&store);
    image.write(&data[..C + 100]).unwrap();
    image.write_at(C as u64, &data[C..2 * C]).unwrap();
    check(&store, &finish(image), &data[..2 * C], C);
}

#[test]
fn a_file_is_not_read_in_the_middle_of_a_chunk() {
    let data = Rng::new(48).bytes(3 * C);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let file = file_of(&scratch, "file", &data);
    for size in [Some(data.len() as u64), None] {
        let mut image = Image::new(store.chunks(), size, options()).unwrap();
        image.write(&data[..C + 1]).unwrap();
        let error = failure(read_file(&mut image, &file));
        assert_eq!((error.kind(), error.offset()), (Kind::State, Some(C as u64 + 1)));
        image.write(&data[C + 1..2 * C]).unwrap();
        read_file(&mut image, &file).unwrap();
        check(&store, &finish(image), &data, C);
    }
    let mut longer = growing(&store);
    longer.write(&[1; 4 * C]).unwrap();
    assert_eq!(kind(read_file(&mut longer, &file)), Kind::Argument);
}

// ---- zeros ----

#[test]
fn zeros_are_asked_for_once() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let size = 10 * C + 7;
    let zeros = sha256(&[0; C]);
    let same = store.clone();
    // Once the chunk is known, the store is not asked: it would have to store it again.
    let gone = move || fs::remove_file(same.chunks().chunk_path(&zeros)).unwrap();
    let mut image = Image::new(store.chunks(), Some(size as u64), interrupting(0, gone)).unwrap();
    image.write(&[0; 3 * C]).unwrap();
    image.read(&mut reader(&[0; 3 * C], 1000)).unwrap();
    image.write_at(9 * C as u64, &[0; C]).unwrap();
    let file = file_of(&scratch, "file", b"");
    file.set_len(size as u64).unwrap();
    read_file(&mut image, &file).unwrap();
    assert_eq!(store.chunks().has(&zeros).unwrap(), None);
    let stats = image.stats();
    assert_eq!((stats.chunks, stats.new_chunks, stats.new_bytes), (11, 2, C as u64 + 7));
    assert!(finish(image) == model(&vec![0; size], C));
}

#[test]
fn zeros_that_the_store_has_are_touched() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut first = image(&store, C);
    first.write(&[0; C]).unwrap();
    drop(finish(first));
    let path = store.chunks().chunk_path(&sha256(&[0; C]));
    age(&path);
    let file = file_of(&scratch, "file", b"");
    file.set_len(5 * C as u64).unwrap();
    let mut image = growing(&store);
    read_file(&mut image, &file).unwrap();
    assert!(is_fresh(&path));
    assert_eq!((image.stats().new_chunks, image.stats().duplicates()), (0, 5));
    assert!(image.finish().unwrap().reused());
}

#[test]
fn repeated_zeros_of_its_own_are_not_reused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut image = image(&store, 5 * C);
    image.write(&[0; 5 * C]).unwrap();
    assert!(!image.finish().unwrap().reused());
}

// ---- callbacks, failures and order of calls ----

#[test]
fn a_cancelled_image_takes_no_more() {
    let data = Rng::new(58).bytes(5 * C);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let earlier = stored(&store, &data);
    let file = file_of(&scratch, "file", &data);
    let cancelling = || {
        let on_chunk: OnChunk = Callback(Arc::new(|_: &ChunkResult| Err(Error::cancelled("test", 9))));
        Image::new(store.chunks(), Some(5 * C as u64), ImageOptions { on_chunk: Some(on_chunk), ..options() }).unwrap()
    };
    for feed in [
        &mut |image: &mut Image| image.write(&data) as Result<()>,
        &mut |image: &mut Image| image.read(&mut reader(&data, 1000)),
        &mut |image: &mut Image| image.write_at(0, &data[..C]),
        &mut |image: &mut Image| read_file(image, &file),
        &mut |image: &mut Image| image.reuse(&earlier, Changes::Ranges(Vec::new())),
    ] as [&mut dyn FnMut(&mut Image) -> Result<()>; 5]
    {
        let mut image = cancelling();
        let error = failure(feed(&mut image));
        assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 9));
        assert_eq!(image.stats().chunks, 1);
        for refused in [
            kind(image.write(b"")),
            kind(image.read(&mut |_| Ok(0))),
            kind(image.write_at(0, &data[..C])),
            kind(read_file(&mut image, &file)),
            kind(image.reuse(&earlier, Changes::Ranges(Vec::new()))),
            kind(image.finish()),
        ] {
            assert_eq!(refused, Kind::State);
        }
    }
}

#[test]
fn failing_readers_end_the_image() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut first = image(&store, C);
    assert_eq!(failure(first.read(&mut |_| Err(Error::new(Kind::Io, "fire")))).message(), "fire");
    assert_eq!(kind(first.finish()), Kind::State);
    for claim in [1, 1000, usize::MAX / 2] {
        let mut image = image(&store, C);
        assert_eq!(kind(image.read(&mut |buffer| Ok(buffer.len() + claim))), Kind::Argument);
        assert_eq!(kind(image.write(b"x")), Kind::State);
    }
    // Also where only a look at the end is left.
    let mut full = image(&store, C);
    full.write(&[1; C]).unwrap();
    assert_eq!(kind(full.read(&mut |_| Ok(usize::MAX))), Kind::Argument);
}

#[test]
fn a_store_that_fails_ends_the_image() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    // Something that is no file has the name of the chunk.
    let digest = sha256(&[1; C]);
    fs::create_dir_all(store.chunks().chunk_path(&digest)).unwrap();
    let mut image = image(&store, 2 * C);
    let error = failure(image.write(&[1; 2 * C]));
    assert_eq!((error.kind(), error.digest()), (Kind::Exists, Some(&digest)));
    assert_eq!([kind(image.write(b"")), kind(image.finish())], [Kind::State; 2]);
    assert_eq!(image.stats(), IngestStats::default());
}

#[test]
fn nothing_is_taken_after_the_end() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut image = growing(&store);
    image.write(b"data").unwrap();
    let _index = image.finish().unwrap();
    let refused = [kind(image.write(b"")), kind(image.write_at(0, b"data")), kind(image.finish())];
    assert_eq!(refused, [Kind::State; 3]);
    assert_eq!(image.stats().size, 4);
}

// ---- index files and the lock ----

#[test]
fn the_store_is_held_until_the_index_is_saved() {
    let data = disk(&mut Rng::new(59), 5, 9);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let free = || reopen(&store).chunks().lock_exclusive().is_ok();
    let mut image = image(&store, data.len());
    assert!(!free());
    image.write(&data).unwrap();
    let mut index = image.finish().unwrap();
    drop(image);
    assert!(!free(), "the index holds it");
    assert_eq!(kind(index.add(1 << 40, &sha256(b""))), Kind::Argument, "a fixed index has all its chunks");
    index.save_in(&Dir::open(scratch.path()).unwrap(), c"b.fidx", false, None).unwrap();
    assert!(!free());
    let path = store.path().join("a.fidx");
    index.save(&path).unwrap();
    assert!(free());
    assert!(
        fs::read(&path).unwrap() == model(&data, C) && fs::read(scratch.join("b.fidx")).unwrap() == model(&data, C)
    );
    assert_eq!([mode(&path), mode(&scratch.join("b.fidx"))], [0o644; 2]);
    assert_only_chunks(&store, &["a.fidx"]);
    assert_eq!(names(scratch.path()), ["b.fidx", "store"]);

    let dropped = growing(&store);
    assert!(!free());
    drop(dropped);
    assert!(free());
}

#[test]
fn no_image_is_stored_while_the_store_is_collected() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let collection = reopen(&store).chunks().lock_exclusive().unwrap();
    assert_eq!(kind(Image::new(store.chunks(), Some(1), options())), Kind::Busy);
    drop(collection);
    image(&store, 1).write(b"x").unwrap();
}

/// The ranges in an index are those of the image.
#[test]
fn the_last_chunk_is_short() {
    let data = Rng::new(60).bytes(2 * C + 9);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = stored(&store, &data);
    let last = ChunkInfo { start: 2 * C as u64, end: 2 * C as u64 + 9, digest: sha256(&data[2 * C..]) };
    assert_eq!((index.count(), index.chunk(2), index.chunk(3)), (3, Some(last), None));
}
