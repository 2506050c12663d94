//! An index and a store in, bytes out (docs/format.md, 9.1), and every way in which that can fail.

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;

use common::{Rng, Scratch, failure, kind, mode, names, plain_blob, plant, raw_blob, umask};
use pxds::base::SyncLevel;
use pxds::chunker::Config;
use pxds::chunks::Layout;
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::format::{IndexHeader, MAGIC_COMPRESSED_BLOB, MAGIC_ENCRYPTED_BLOB, MAGIC_FIXED_INDEX};
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, DynamicWriter, Index};
use pxds::ingest::{Ingest, IngestOptions};
use pxds::limits::BLOB_MAX_SIZE;
use pxds::restore::{RestoreOptions, Restorer};
use pxds::store::{Store, StoreOptions};
use pxds::sys::CallerFd;

/// Stores `data` in chunks of 1 to 16 KiB, of which a part is compressed.
fn take_in(store: &Store, data: &[u8]) -> Index {
    let options = IngestOptions { chunker: Config::from_avg(4096).unwrap(), ..IngestOptions::default() };
    let mut ingest = Ingest::new(store.chunks(), options).unwrap();
    ingest.write(data).unwrap();
    Index::from_bytes(&ingest.finish().unwrap().finish(usize::MAX).unwrap(), None).unwrap()
}

fn restorer_of(store: &Store) -> Restorer {
    Restorer::new(store.chunks(), RestoreOptions::default())
}

fn chunks(index: &Index) -> Vec<ChunkInfo> {
    (0..index.count()).map(|i| index.chunk(i).unwrap()).collect()
}

/// An index of chunks that follow one another.
fn index_of(chunks: &[(u64, Digest)]) -> Index {
    let mut writer = DynamicWriter::new(0, None).unwrap();
    let mut end = 0;
    for (len, digest) in chunks {
        end += len;
        writer.add(end, digest).unwrap();
    }
    Index::from_bytes(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap()
}

/// Restores into memory: how it went, and what was given out.
fn restore(store: &Store, index: &Index) -> (pxds::error::Result<()>, Vec<u8>) {
    let mut restorer = restorer_of(store);
    let mut out = Vec::new();
    let result = restorer.restore(index, &mut |data| {
        out.extend_from_slice(data);
        Ok(())
    });
    assert_eq!(restorer.written(), out.len() as u64);
    (result, out)
}

/// Checks that a restore fails at chunk `i` as `expected`, after having given out all before it.
#[track_caller]
fn assert_fails_at(store: &Store, index: &Index, data: &[u8], i: usize, expected: Kind, context: &str) {
    let chunk = index.chunk(i).unwrap();
    let (result, out) = restore(store, index);
    let error = failure(result);
    assert_eq!(error.kind(), expected, "{context}: {error}");
    assert_eq!(error.digest(), Some(&chunk.digest), "{context}: {error}");
    assert_eq!(error.offset(), Some(chunk.start), "{context}: {error}");
    assert!(out == data[..chunk.start as usize], "{context}");
}

// ---- whole files ----

#[test]
fn what_went_in_comes_out() {
    let mut rng = Rng::new(31);
    for layout in [Layout::Hex2, Layout::Hex4] {
        for len in [0, 1, 63, 1024, 16_384, 16_385, 300_000] {
            let data = rng.mixture(len);
            let scratch = Scratch::new();
            let store = scratch.store_of(layout);
            let index = take_in(&store, &data);
            assert_eq!(index.size(), len as u64);

            let (result, out) = restore(&store, &index);
            result.unwrap();
            assert!(out == data, "{len} bytes");

            let mut restorer = restorer_of(&store);
            let path = scratch.join("file");
            restorer.restore_file(&index, &path).unwrap();
            assert_eq!(restorer.written(), len as u64);
            assert!(fs::read(&path).unwrap() == data, "{len} bytes");

            let mut file = File::options().read(true).write(true).create_new(true).open(scratch.join("fd")).unwrap();
            restorer.restore_fd(&index, CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
            assert_eq!(restorer.written(), len as u64);
            std::io::Seek::rewind(&mut file).unwrap();
            let mut out = Vec::new();
            file.read_to_end(&mut out).unwrap();
            assert!(out == data, "{len} bytes");
        }
    }
}

#[test]
fn a_descriptor_is_written_from_where_it_stands() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, b"data");
    let path = scratch.join("file");
    fs::write(&path, b"0123456789").unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(3)).unwrap();
    restorer_of(&store).restore_fd(&index, CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"012data789");
    // It is the caller's, and stays open.
    file.metadata().unwrap();

    let read_only = File::open(&path).unwrap();
    let fd = CallerFd::new(read_only.as_raw_fd()).unwrap();
    assert_eq!(kind(restorer_of(&store).restore_fd(&index, fd)), Kind::Io);
    assert_eq!(kind(CallerFd::new(-1)), Kind::Argument);
}

#[test]
fn fixed_indexes_are_restored() {
    let data = Rng::new(32).mixture(10_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digests: Vec<_> = data.chunks(4096).map(|chunk| (sha256(chunk), plain_blob(chunk))).collect();
    for (digest, blob) in &digests {
        plant(&store, digest, blob);
    }
    let entries: Vec<u8> = digests.iter().flat_map(|(digest, _)| digest.0).collect();
    let (csum, size) = (sha256(&entries).0, data.len() as u64);
    let header = IndexHeader { magic: MAGIC_FIXED_INDEX, uuid: [0; 16], ctime: 0, csum, size, chunk_size: 4096 };
    let index = Index::from_bytes(&[&header.to_bytes()[..], &entries].concat(), None).unwrap();
    let (result, out) = restore(&store, &index);
    result.unwrap();
    assert!(out == data);
}

/// Chunks of no bytes are read (docs/format.md, 6.4), and give none.
#[test]
fn a_chunk_of_no_bytes_is_restored() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    for data in [&b""[..], b"data"] {
        plant(&store, &sha256(data), &plain_blob(data));
    }
    let mut bytes = DynamicWriter::new(0, None).unwrap().complete().unwrap().to_bytes(4096).unwrap();
    for (end, data) in [(4_u64, &b"data"[..]), (4, b""), (8, b"data")] {
        bytes.extend([&end.to_le_bytes()[..], &sha256(data).0].concat());
    }
    let csum = sha256(&bytes[4096..]);
    bytes[32..64].copy_from_slice(&csum.0);
    let index = Index::from_bytes(&bytes, None).unwrap();
    let (result, out) = restore(&store, &index);
    result.unwrap();
    assert_eq!(out, b"datadata");
}

#[test]
fn a_restorer_can_be_used_again() {
    let mut rng = Rng::new(33);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let mut restorer = restorer_of(&store);
    for len in [100_000, 10, 50_000, 0, 70_000] {
        let data = rng.mixture(len);
        let index = take_in(&store, &data);
        assert_eq!(kind(restorer.restore(&index_of(&[(1, sha256(b"missing"))]), &mut |_| Ok(()))), Kind::NotFound);
        assert_eq!(restorer.written(), 0);
        let path = scratch.join("file");
        restorer.restore_file(&index, &path).unwrap();
        assert!(fs::read(&path).unwrap() == data);
    }
}

// ---- failures ----

/// Nothing else tells an index that has lost its end from a whole one.
#[test]
fn a_wrong_csum_is_found_before_anything_is_given_out() {
    let data = Rng::new(39).bytes(50_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let whole = take_in(&store, &data);
    let mut writer = DynamicWriter::new(0, None).unwrap();
    chunks(&whole).iter().for_each(|chunk| writer.add(chunk.end, &chunk.digest).unwrap());
    let bytes = writer.complete().unwrap().to_bytes(usize::MAX).unwrap();
    let mut wrong = bytes.clone();
    wrong[40] ^= 1;
    for (bytes, end) in
        [(&bytes[..bytes.len() - 40], chunks(&whole).last().unwrap().start as usize), (&wrong, data.len())]
    {
        let index = Index::from_bytes(bytes, None).unwrap();
        let (result, out) = restore(&store, &index);
        assert_eq!((kind(result), out), (Kind::Corrupt, Vec::new()));
        // For salvage.
        let mut out = Vec::new();
        let mut restorer =
            Restorer::new(store.chunks(), RestoreOptions { any_csum: true, ..RestoreOptions::default() });
        let mut sink = |data: &[u8]| {
            out.extend_from_slice(data);
            Ok(())
        };
        restorer.restore(&index, &mut sink).unwrap();
        assert!(out == data[..end]);
    }
}

#[test]
fn the_sinks_failure_ends_the_restore() {
    let data = Rng::new(34).bytes(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, &data);
    for k in [0, 1, 7] {
        let mut restorer = restorer_of(&store);
        let mut calls = 0;
        let error = failure(restorer.restore(&index, &mut |_| {
            calls += 1;
            if calls <= k { Ok(()) } else { Err(Error::cancelled("test", 4)) }
        }));
        assert_eq!((error.kind(), error.callback_value()), (Kind::Cancelled, 4));
        assert_eq!(calls, k + 1, "nothing is given out after that");
        assert_eq!(restorer.written(), index.chunk(k).unwrap().start, "the chunks that were taken whole");
    }
}

#[test]
fn a_missing_chunk_is_named() {
    let data = Rng::new(35).bytes(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, &data);
    for i in [0, 3, index.count() - 1] {
        let path = store.chunks().chunk_path(&index.chunk(i).unwrap().digest);
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_fails_at(&store, &index, &data, i, Kind::NotFound, "missing");
        fs::write(&path, content).unwrap();
    }
    restore(&store, &index).0.unwrap();
}

/// A store with three chunks, the middle one small, compressed or not, so that every bit of it can be tried.
fn three_chunks(scratch: &Scratch, compressed: bool) -> (Store, Index, Vec<u8>) {
    let store = scratch.store("store");
    let middle = if compressed { b"abcdefgh".repeat(20) } else { b"abcdefghijklmnopqrstuvwxyz".to_vec() };
    let parts = [b"the first chunk".to_vec(), middle, b"the last chunk".to_vec()];
    let mut codec = pxds::blob::Codec::new();
    for part in &parts {
        plant(&store, &sha256(part), &codec.encode_vec(part, compressed).unwrap());
    }
    let index = index_of(&parts.each_ref().map(|part| (part.len() as u64, sha256(part))));
    let stored = fs::read(store.chunks().chunk_path(&sha256(&parts[1]))).unwrap();
    assert_eq!(stored[..8] == MAGIC_COMPRESSED_BLOB, compressed);
    (store, index, parts.concat())
}

/// docs/format.md, 2.6: a damaged magic is no blob; all else is found by the CRC.
#[test]
fn every_bit_flip_is_found() {
    for compressed in [false, true] {
        let scratch = Scratch::new();
        let (store, index, data) = three_chunks(&scratch, compressed);
        let path = store.chunks().chunk_path(&index.chunk(1).unwrap().digest);
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            let expected = if bit < 64 { Kind::Format } else { Kind::Corrupt };
            assert_fails_at(&store, &index, &data, 1, expected, &format!("bit {bit}"));
        }
        fs::write(&path, good).unwrap();
        assert!(restore(&store, &index).1 == data);
    }
}

#[test]
fn every_truncation_is_found() {
    for compressed in [false, true] {
        let scratch = Scratch::new();
        let (store, index, data) = three_chunks(&scratch, compressed);
        let path = store.chunks().chunk_path(&index.chunk(1).unwrap().digest);
        let good = fs::read(&path).unwrap();
        for len in 0..good.len() {
            fs::write(&path, &good[..len]).unwrap();
            let expected = match len {
                0 => Kind::NotFound,
                1..12 => Kind::Format,
                _ => Kind::Corrupt,
            };
            assert_fails_at(&store, &index, &data, 1, expected, &format!("{len} bytes"));
        }
        fs::write(&path, [&good[..], b"x"].concat()).unwrap();
        assert_fails_at(&store, &index, &data, 1, Kind::Corrupt, "one byte more");
    }
}

/// Damage with a right CRC, as somebody makes on purpose: the digest finds it, or the frame, or the length.
#[test]
fn damage_behind_a_right_crc_is_found() {
    for compressed in [false, true] {
        let scratch = Scratch::new();
        let (store, index, data) = three_chunks(&scratch, compressed);
        let path = store.chunks().chunk_path(&index.chunk(1).unwrap().digest);
        let good = fs::read(&path).unwrap();
        let magic: [u8; 8] = good[..8].try_into().unwrap();
        for at in 12..good.len() {
            let mut payload = good[12..].to_vec();
            payload[at - 12] ^= 0x41;
            fs::write(&path, raw_blob(magic, &payload)).unwrap();
            // A flipped bit of a frame's header may change nothing that matters; then the data is right.
            let (result, out) = restore(&store, &index);
            assert!(result.is_err() || out == data, "byte {at}");
            if !compressed || result.is_err() {
                assert_fails_at(&store, &index, &data, 1, Kind::Corrupt, &format!("byte {at}"));
            }
            fs::write(&path, raw_blob(magic, &good[12..at])).unwrap();
            assert_fails_at(&store, &index, &data, 1, Kind::Corrupt, &format!("cut off at {at}"));
        }
        fs::write(&path, raw_blob(magic, &[&good[12..], b"x"].concat())).unwrap();
        assert_fails_at(&store, &index, &data, 1, Kind::Corrupt, "one byte more");
    }
}

#[test]
fn swapped_chunks_are_found() {
    let data = Rng::new(36).bytes(100_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, &data);
    let (one, other) = (2, 5);
    let paths = [one, other].map(|i| store.chunks().chunk_path(&index.chunk(i).unwrap().digest));
    fs::rename(&paths[0], scratch.join("aside")).unwrap();
    fs::rename(&paths[1], &paths[0]).unwrap();
    fs::rename(scratch.join("aside"), &paths[1]).unwrap();
    assert_fails_at(&store, &index, &data, one, Kind::Corrupt, "swapped");

    // Of the same length, so that only the digest tells them apart.
    let (a, b) = (sha256(b"aaaa"), sha256(b"bbbb"));
    plant(&store, &a, &plain_blob(b"bbbb"));
    plant(&store, &b, &plain_blob(b"aaaa"));
    assert_fails_at(&store, &index_of(&[(4, a), (4, b)]), b"", 0, Kind::Corrupt, "swapped");
}

/// A digest protects the data, but not an index whose ends have been moved.
#[test]
fn a_chunk_of_another_length_than_the_index_says_is_found() {
    let mut codec = pxds::blob::Codec::new();
    for compressed in [false, true] {
        let scratch = Scratch::new();
        let store = scratch.store("store");
        let (first, second) = (vec![b'1'; 5000], vec![b'2'; 5000]);
        for data in [&first, &second] {
            plant(&store, &sha256(data), &codec.encode_vec(data, compressed).unwrap());
        }
        let digests = [sha256(&first), sha256(&second)];
        for wrong in [1, 4999, 5001, 10_000, BLOB_MAX_SIZE as u64] {
            let index = index_of(&[(5000, digests[0]), (wrong, digests[1])]);
            assert_fails_at(&store, &index, &first, 1, Kind::Corrupt, &format!("{wrong} instead of 5000"));
            let index = index_of(&[(wrong, digests[0]), (5000, digests[1])]);
            assert_fails_at(&store, &index, b"", 0, Kind::Corrupt, &format!("{wrong} instead of 5000"));
        }
    }
}

#[test]
fn encrypted_chunks_need_a_key() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"any");
    plant(&store, &digest, &raw_blob(MAGIC_ENCRYPTED_BLOB, &[1; 132]));
    assert_fails_at(&store, &index_of(&[(100, digest)]), b"", 0, Kind::Key, "encrypted");
}

#[test]
fn what_is_no_file_is_no_chunk() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let digest = sha256(b"data");
    fs::create_dir_all(store.chunks().chunk_path(&digest)).unwrap();
    let error = failure(restore(&store, &index_of(&[(4, digest)])).0);
    assert_eq!((error.digest(), error.offset()), (Some(&digest), Some(0)), "{error}");
}

// ---- files ----

/// An index whose third chunk is missing.
fn broken(store: &Store) -> Index {
    let index = take_in(store, &Rng::new(37).bytes(100_000));
    fs::remove_file(store.chunks().chunk_path(&chunks(&index)[2].digest)).unwrap();
    index
}

#[test]
fn a_failed_restore_leaves_no_file() {
    for sync in [SyncLevel::None, SyncLevel::Filesystem] {
        let scratch = Scratch::new();
        let store = scratch.store_with("store", &StoreOptions { sync, ..StoreOptions::default() });
        let index = broken(&store);
        let mut restorer = restorer_of(&store);
        let error = failure(restorer.restore_file(&index, &scratch.join("file")));
        assert_eq!((error.kind(), error.digest()), (Kind::NotFound, Some(&chunks(&index)[2].digest)));
        assert_eq!(restorer.written(), chunks(&index)[2].start);
        assert_eq!(names(scratch.path()), ["store"]);

        fs::write(scratch.join("file"), b"the old content").unwrap();
        assert_eq!(kind(restorer.restore_file(&index, &scratch.join("file"))), Kind::NotFound);
        assert_eq!(fs::read(scratch.join("file")).unwrap(), b"the old content");
        assert_eq!(names(scratch.path()), ["file", "store"]);

        restorer.restore_file(&take_in(&store, b"new"), &scratch.join("file")).unwrap();
        assert_eq!(fs::read(scratch.join("file")).unwrap(), b"new");
        assert_eq!(names(scratch.path()), ["file", "store"]);
    }
}

#[test]
fn new_files_follow_the_umask_and_replaced_ones_keep_their_mode() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, b"data");
    let path = scratch.join("file");
    let mut restorer = restorer_of(&store);
    restorer.restore_file(&index, &path).unwrap();
    assert_eq!(mode(&path), 0o666 & !umask());
    for bits in [0o600, 0o640, 0o666, 0o755] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        restorer.restore_file(&index, &path).unwrap();
        assert_eq!(mode(&path), bits);
    }
}

#[test]
fn paths_that_cannot_be_a_file_are_refused() {
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, b"data");
    fs::create_dir(scratch.join("directory")).unwrap();
    let mut restorer = restorer_of(&store);
    let mut to = |path: &Path| kind(restorer.restore_file(&index, path));
    assert_eq!(to(&scratch.join("directory")), Kind::Exists);
    assert_eq!(to(&scratch.join("missing/file")), Kind::NotFound);
    assert_eq!(to(&scratch.join("directory/")), Kind::Argument);
    assert_eq!(to(Path::new("")), Kind::Argument);
    assert_eq!(to(Path::new("/")), Kind::Argument);
    assert_eq!(names(scratch.path()), ["directory", "store"]);
    assert_eq!(names(&scratch.join("directory")), [""; 0]);
}

#[test]
fn devices_and_fifos_are_written_in_place() {
    let data = Rng::new(38).mixture(300_000);
    let scratch = Scratch::new();
    let store = scratch.store("store");
    let index = take_in(&store, &data);
    let mut restorer = restorer_of(&store);
    restorer.restore_file(&index, Path::new("/dev/null")).unwrap();
    assert_eq!(restorer.written(), data.len() as u64);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());

    let fifo = scratch.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let out = thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read(&fifo).unwrap());
        restorer.restore_file(&index, &fifo).unwrap();
        reader.join().unwrap()
    });
    assert!(out == data);
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    assert_eq!(names(scratch.path()), ["fifo", "store"]);
}
