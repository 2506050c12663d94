//! Parts of files (docs/format.md, 9.2), against slices of the whole.

mod common;
#[path = "common/source.rs"]
mod source;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use common::{Rng, Scratch, failure, kind, names, plain_blob};
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::Index;
use pxds::restore::{RestoreOptions, Restorer};
use pxds::sys::CallerFd;
use source::{Memory, cut, dynamic, dynamic_of, fixed, ranges};

fn restorer_of(source: &Arc<Memory>) -> Restorer {
    Restorer::from_source(source.clone(), RestoreOptions::default())
}

/// What the range of `data` is by the rules.
fn slice(data: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    if length == 0 {
        return Some(&[]);
    }
    let start = usize::try_from(offset).ok().filter(|&start| start < data.len())?;
    let end = usize::try_from(u128::from(offset) + u128::from(length)).unwrap_or(usize::MAX).min(data.len());
    Some(&data[start..end])
}

/// Restores a range into memory: how it went, and what was given out.
fn restore(restorer: &mut Restorer, index: &Index, offset: u64, length: u64) -> (Result<()>, Vec<u8>) {
    let mut out = Vec::new();
    let result = restorer.restore_range(index, offset, length, &mut |data| {
        out.extend_from_slice(data);
        Ok(())
    });
    (result, out)
}

/// Checks every way to a range against the slice, and that no chunk is loaded that the range does not touch.
fn check(source: &Arc<Memory>, index: &Index, data: &[u8], ranges: &[(u64, u64)]) {
    let scratch = Scratch::new();
    let mut restorer = restorer_of(source);
    let path = scratch.join("fd");
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    for &(offset, length) in ranges {
        let context = format!("{length} bytes at {offset} of {}", data.len());
        source.take_loads();
        let (result, out) = restore(&mut restorer, index, offset, length);
        let Some(expected) = slice(data, offset, length) else {
            assert_eq!((kind(result), out.len(), restorer.written()), (Kind::Argument, 0, 0), "{context}");
            continue;
        };
        result.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(out == expected, "{context}");
        assert_eq!(restorer.written(), expected.len() as u64, "{context}");

        let touched = (0..index.count())
            .map(|i| index.chunk(i).unwrap())
            .filter(|chunk| chunk.end > offset && chunk.start < offset + expected.len() as u64 && !expected.is_empty());
        let touched: std::collections::BTreeSet<_> = touched.map(|chunk| chunk.digest).collect();
        assert!(source.take_loads().into_keys().eq(touched), "{context}");

        let mut room = vec![0xee; expected.len().max(usize::try_from(length).map_or(0, |length| length.min(1 << 20)))];
        if room.len() as u64 == length {
            assert_eq!(restorer.read_range(index, offset, &mut room).unwrap(), expected.len(), "{context}");
            assert!(room[..expected.len()] == *expected, "{context}");
            assert!(room[expected.len()..].iter().all(|&byte| byte == 0xee), "{context}");
        }

        file.set_len(0).unwrap();
        file.seek(SeekFrom::Start(2)).unwrap();
        let fd = CallerFd::new(file.as_raw_fd()).unwrap();
        restorer.restore_range_fd(index, offset, length, fd).unwrap();
        assert_eq!(restorer.written(), expected.len() as u64, "{context}");
        let content = fs::read(&path).unwrap();
        assert!(content.get(2..).unwrap_or_default() == expected, "{context}");
    }
}

#[test]
fn a_range_of_a_dynamic_index_is_a_slice() {
    let mut rng = Rng::new(51);
    for len in [1, 2, 5000, 60_000] {
        let data = rng.mixture(len);
        let source = Arc::new(Memory::default());
        let index = dynamic(&source, &cut(&mut rng, &data, 3000));
        let ends: Vec<u64> = (0..index.count()).map(|i| index.chunk(i).unwrap().end).collect();
        let ranges = ranges(&mut rng, len as u64, &ends);
        check(&source, &index, &data, &ranges);
    }
}

#[test]
fn a_range_of_a_fixed_index_is_a_slice() {
    let mut rng = Rng::new(52);
    for (len, chunk_size) in [(1, 1), (1, 4096), (20, 1), (4096, 4096), (50_000, 4096), (65_536, 8192)] {
        let data = rng.mixture(len);
        let source = Arc::new(Memory::default());
        let index = fixed(&source, &data, chunk_size);
        let ends: Vec<u64> = (0..index.count()).map(|i| index.chunk(i).unwrap().end).collect();
        let ranges = ranges(&mut rng, len as u64, &ends);
        check(&source, &index, &data, &ranges);
    }
}

#[test]
fn no_bytes_are_everywhere() {
    let source = Arc::new(Memory::default());
    let missing = dynamic_of(&[(10, sha256(b"missing"))]);
    let empty = dynamic_of(&[]);
    // Nothing of the index is looked at, so that its csum does not matter either.
    let mut bytes = pxds::index::DynamicWriter::new(0, None).unwrap().complete().unwrap().to_bytes(4096).unwrap();
    bytes[40] ^= 1;
    let wrong_csum = Index::from_bytes(&bytes, None).unwrap();
    let mut restorer = restorer_of(&source);
    for index in [&missing, &empty, &wrong_csum] {
        for offset in [0, 5, 10, 11, u64::MAX] {
            let (result, out) = restore(&mut restorer, index, offset, 0);
            result.unwrap();
            assert_eq!((out.len(), restorer.written()), (0, 0));
            assert_eq!(restorer.read_range(index, offset, &mut []).unwrap(), 0);
        }
    }
    assert!(source.take_loads().is_empty());
    assert_eq!(kind(restore(&mut restorer, &wrong_csum, 0, 1).0), Kind::Corrupt);
}

#[test]
fn an_offset_beyond_the_end_is_refused() {
    let source = Arc::new(Memory::default());
    let index = dynamic(&source, &[b"0123456789"]);
    let mut restorer = restorer_of(&source);
    for offset in [10, 11, u64::MAX] {
        for length in [1, 10, u64::MAX] {
            let error = failure(restore(&mut restorer, &index, offset, length).0);
            assert_eq!((error.kind(), error.offset()), (Kind::Argument, Some(offset)));
            assert!(error.message().contains(&offset.to_string()) && error.message().contains("10 bytes"), "{error}");
        }
    }
    assert_eq!(kind(restore(&mut restorer, &dynamic_of(&[]), 0, 1).0), Kind::Argument);
    assert!(source.take_loads().is_empty());
}

/// Of a chunk that is not what the index says nothing is given out, not even what both agree on.
#[test]
fn chunks_of_a_range_are_checked_whole() {
    let source = Arc::new(Memory::default());
    let (a, b) = (source.put(&[b'a'; 100]), source.put(&[b'b'; 100]));
    for wrong in [50, 99, 101, 200] {
        let index = dynamic_of(&[(100, a), (100 + wrong, b)]);
        let (result, out) = restore(&mut restorer_of(&source), &index, 90, 20);
        let error = failure(result);
        assert_eq!((error.kind(), error.digest(), error.offset()), (Kind::Corrupt, Some(&b), Some(100)), "{wrong}");
        assert_eq!(out, [b'a'; 10]);
        // What the range does not touch may be anything.
        assert_eq!(restore(&mut restorer_of(&source), &index, 0, 100).1, [b'a'; 100]);
    }
    source.plant(&b, plain_blob(&[b'a'; 100]));
    let index = dynamic_of(&[(100, a), (200, b), (300, a)]);
    assert_eq!(kind(restore(&mut restorer_of(&source), &index, 150, 1).0), Kind::Corrupt);
    assert_eq!(restore(&mut restorer_of(&source), &index, 200, 1).1, b"a");
    let mut room = [7; 20];
    let mut restorer = restorer_of(&source);
    assert_eq!(kind(restorer.read_range(&index, 95, &mut room)), Kind::Corrupt);
    assert_eq!(restorer.written(), 5);
}

#[test]
fn the_sinks_failure_ends_a_range() {
    let source = Arc::new(Memory::default());
    let index = dynamic(&source, &[b"0123456789", b"abcdefghij"]);
    let mut restorer = restorer_of(&source);
    let mut calls = 0;
    let error = failure(restorer.restore_range(&index, 5, 10, &mut |_| {
        calls += 1;
        if calls == 1 { Ok(()) } else { Err(Error::cancelled("test", 4)) }
    }));
    assert_eq!((error.kind(), error.callback_value(), restorer.written()), (Kind::Cancelled, 4, 5));
}

#[test]
fn a_range_becomes_a_file_of_its_own() {
    let scratch = Scratch::new();
    let source = Arc::new(Memory::default());
    let index = dynamic(&source, &[b"0123456789", b"abcdefghij"]);
    let mut restorer = restorer_of(&source);
    let path = scratch.join("file");
    fs::write(&path, "what was here before, and is longer").unwrap();
    for (offset, length, expected) in [(5, 10, "56789abcde"), (15, 100, "fghij"), (30, 0, "")] {
        restorer.restore_range_file(&index, offset, length, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(restorer.written(), expected.len() as u64);
    }
    assert_eq!(kind(restorer.restore_range_file(&index, 20, 1, &path)), Kind::Argument);
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    assert_eq!(kind(restorer.restore_range_file(&index, 20, 1, &scratch.join("new"))), Kind::Argument);
    assert_eq!(names(scratch.path()), ["file"]);
}
