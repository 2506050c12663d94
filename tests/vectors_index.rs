//! Index files, against those of PBS (tests/vectors/index).

mod common;

use common::{Json, digest_of, kind, unhex, vector_bytes, vector_json, vector_path};
use pxds::digest::Digest;
use pxds::error::Kind;
use pxds::format::{IndexHeader, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX};
use pxds::hash::sha256;
use pxds::index::{ChunkInfo, DynamicWriter, FixedWriter, Index, IndexKind};
use pxds::limits::BLOB_MAX_SIZE;
use serde_json::Value;

/// Opens a file of the vectors as the kind that its extension names, both ways of opening it.
fn open(name: &str) -> Result<Index, Kind> {
    let wanted = if name.ends_with(".didx") { IndexKind::Dynamic } else { IndexKind::Fixed };
    let from_bytes = Index::from_bytes(&vector_bytes(name), Some(wanted));
    match Index::open(&vector_path(name), Some(wanted)) {
        Ok(index) => {
            assert_eq!(index.kind(), wanted, "{name}");
            let from_bytes = from_bytes.unwrap();
            assert_eq!(chunks(&from_bytes), chunks(&index), "{name}");
            assert_eq!(from_bytes.header(), index.header(), "{name}");
            Ok(index)
        }
        Err(error) => {
            assert_eq!(kind(from_bytes), error.kind(), "{name}");
            assert_eq!(error.path(), Some(&*vector_path(name)), "{name}");
            Err(error.kind())
        }
    }
}

fn chunks(index: &Index) -> Vec<ChunkInfo> {
    let chunks: Vec<_> = (0..index.count()).map(|i| index.chunk(i).unwrap()).collect();
    assert_eq!(index.chunk(index.count()), None);
    assert_eq!(index.chunk(usize::MAX), None);
    chunks
}

/// Chunks that follow one another, by their ends.
fn consecutive(entries: impl IntoIterator<Item = (u64, Digest)>) -> Vec<ChunkInfo> {
    let mut start = 0;
    let chunk = |(end, digest)| ChunkInfo { start: std::mem::replace(&mut start, end), end, digest };
    entries.into_iter().map(chunk).collect()
}

fn check_header(index: &Index, case: &Value) {
    let name = case.get_str("file");
    let header = index.header();
    assert_eq!(header.uuid[..], unhex(case.get_str("uuid")), "{name}");
    assert_eq!(header.ctime, case["ctime"].as_i64().unwrap(), "{name}");
}

fn check_csum(index: &Index, case: &Value) {
    let name = case.get_str("file");
    assert_eq!(index.compute_csum(), case.get_digest("csum"), "{name}");
    assert_eq!(Digest(index.header().csum), case.get_digest("csum"), "{name}");
    index.check_csum().unwrap();
}

/// `chunk_from_offset`: pairs of an offset and of null or [number, offset in the chunk].
fn check_offsets(index: &Index, case: &Value) {
    for pair in case.get_list("chunk_from_offset") {
        let expected =
            pair[1].as_array().map(|found| (found[0].as_u64().unwrap() as usize, found[1].as_u64().unwrap()));
        let offset = pair[0].as_u64().unwrap();
        assert_eq!(index.chunk_from_offset(offset), expected, "{} at {offset}", case.get_str("file"));
    }
    assert_eq!(index.chunk_from_offset(index.size()), None);
    assert_eq!(index.chunk_from_offset(u64::MAX), None);
}

fn entries(case: &Value) -> Vec<(u64, Digest)> {
    case.get_list("entries").iter().map(|entry| (entry[0].as_u64().unwrap(), digest_of(&entry[1]))).collect()
}

#[test]
fn dynamic_indexes_read() {
    let vectors = vector_json("index/index.json");
    let cases = vectors.get_list("dynamic");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let name = case.get_str("file");
        // An exception: PBS cannot open an empty index (`dyn-0.didx`), pxds reads it.
        assert_eq!(case["pbs_open"].is_ok(), name != "index/dyn-0.didx");
        let index = open(name).unwrap();
        assert_eq!(chunks(&index), consecutive(entries(case)), "{name}");
        if case["pbs_open"].is_ok() {
            assert_eq!(index.count() as u64, case["pbs_open"].get_u64("count"), "{name}");
            assert_eq!(index.size(), case["pbs_open"].get_u64("size"), "{name}");
        } else {
            assert_eq!((index.count(), index.size()), (0, 0), "{name}");
        }
        check_header(&index, case);
        check_csum(&index, case);
        check_offsets(&index, case);
    }
}

#[test]
fn dynamic_indexes_are_written_as_by_pbs() {
    for case in vector_json("index/index.json").get_list("dynamic") {
        let uuid = unhex(case.get_str("uuid")).try_into().unwrap();
        let mut writer = DynamicWriter::new(case["ctime"].as_i64().unwrap(), Some(uuid)).unwrap();
        for (end, digest) in entries(case) {
            writer.add(end, &digest).unwrap();
        }
        assert_eq!(Digest(writer.summary().header.csum), case.get_digest("csum"));
        let file = vector_bytes(case.get_str("file"));
        assert!(writer.complete().unwrap().to_bytes(file.len()).unwrap() == file, "{}", case.get_str("file"));
    }
}

#[test]
fn fixed_indexes_read() {
    let vectors = vector_json("index/index.json");
    let cases = vectors.get_list("fixed");
    // PBS makes no file for an image of no bytes.
    let (without_file, cases): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case["file"].is_null());
    assert_eq!((without_file.len(), cases.len()), (1, 7));
    for case in cases {
        let name = case.get_str("file");
        let index = open(name).unwrap();
        let (size, chunk_size) = (case.get_u64("size"), case.get_u64("chunk_size"));
        assert_eq!((index.size(), index.header().chunk_size), (size, chunk_size), "{name}");
        let digests = case.get_list("digests").iter().map(digest_of);
        let ends = (1..).map(|i| size.min(i * chunk_size));
        let found = chunks(&index);
        assert_eq!(found, consecutive(ends.zip(digests)), "{name}");
        check_csum(&index, case);
        // Of the one that was left incomplete (`part.fidx`) no more is recorded.
        if case["note"].is_null() {
            let last = found.last().unwrap();
            assert_eq!(serde_json::json!([last.start, last.end]), case["last_range"], "{name}");
            assert_eq!(index.size(), case.get_u64("computed_size"), "{name}");
            check_header(&index, case);
            check_offsets(&index, case);
        }
    }
}

#[test]
fn odd_indexes_are_read_and_refused_as_by_pbs() {
    // Where pxds differs on purpose (docs/format.md, 18): falling ends, and a chunk size that is no power of two, are
    // refused; indexes without entries are read.
    const REFUSED: [&str; 2] = ["index/odd-decreasing-end.didx", "index/odd-chunk-size-1000.fidx"];
    const READ: [&str; 2] = ["index/odd-header-only.didx", "index/odd-size-zero-header-only.fidx"];
    let vectors = vector_json("index/index.json");
    let cases = vectors.get_list("odd");
    assert_eq!(cases.len(), 24);
    for name in REFUSED.iter().chain(&READ) {
        assert!(cases.iter().any(|case| case.get_str("file") == *name), "{name}");
    }
    for case in cases {
        let name = case.get_str("file");
        let expected = &case["pbs_open"];
        if REFUSED.contains(&name) {
            assert!(expected.is_ok());
            assert_eq!(open(name).unwrap_err(), Kind::Format, "{name}");
        } else if READ.contains(&name) {
            assert!(!expected.is_ok());
            let index = open(name).unwrap();
            assert_eq!((index.count(), index.size(), index.chunk_from_offset(0)), (0, 0, None), "{name}");
            assert_eq!(index.compute_csum(), sha256(b""), "{name}");
        } else if expected.is_ok() {
            check_odd(&open(name).unwrap(), name, &expected["value"]);
        } else {
            assert_eq!(open(name).unwrap_err(), Kind::Format, "{name}");
        }
    }
}

fn check_odd(index: &Index, name: &str, value: &Value) {
    assert_eq!(index.count() as u64, value.get_u64("count"), "{name}");
    assert_eq!(index.size(), value.get_u64("index_bytes"), "{name}");
    assert_eq!(index.size(), value.get_u64("computed_size"), "{name}");
    assert_eq!(index.compute_csum(), value.get_digest("computed_csum"), "{name}");
    assert_eq!(Digest(index.header().csum), value.get_digest("header_csum"), "{name}");
    match index.check_csum() {
        Ok(()) => assert!(value.get_bool("csum_matches"), "{name}"),
        Err(error) => {
            assert!(!value.get_bool("csum_matches"), "{name}");
            assert_eq!(error.kind(), Kind::Corrupt, "{name}");
        }
    }
    if index.kind() == IndexKind::Fixed {
        assert_eq!(index.header().chunk_size, value.get_u64("chunk_size"), "{name}");
        let found = index.chunk_from_offset(1500).map(|(i, offset)| [i as u64, offset]);
        assert_eq!(serde_json::json!(found), value["chunk_from_offset_1500"], "{name}");
    }
}

/// docs/format.md, 6.5: chunks of no bytes are read, and no offset is in them.
#[test]
fn chunks_of_no_bytes_hold_no_offset() {
    let index = open("index/odd-zero-length-chunk.didx").unwrap();
    let chunks = chunks(&index);
    let empty: Vec<_> = chunks.iter().filter(|chunk| chunk.start == chunk.end).collect();
    assert_eq!(empty.len(), 1);
    let (i, offset) = index.chunk_from_offset(empty[0].start).unwrap();
    assert!(chunks[i].start <= empty[0].start && empty[0].start < chunks[i].end);
    assert_eq!(offset, empty[0].start - chunks[i].start);
}

#[test]
fn the_wrong_kind_and_no_file_are_refused() {
    let (didx, fidx) = ("index/dyn-5.didx", "index/fix-5-0.fidx");
    assert_eq!(Index::open(&vector_path(didx), None).unwrap().kind(), IndexKind::Dynamic);
    assert_eq!(Index::open(&vector_path(fidx), None).unwrap().kind(), IndexKind::Fixed);
    assert_eq!(kind(Index::open(&vector_path(didx), Some(IndexKind::Fixed))), Kind::Format);
    assert_eq!(kind(Index::open(&vector_path(fidx), Some(IndexKind::Dynamic))), Kind::Format);
    // 6.4: not a regular file.
    assert_eq!(kind(Index::open(&vector_path("index"), None)), Kind::Format);
    assert_eq!(kind(Index::open(&vector_path("no-such-file.didx"), None)), Kind::NotFound);
    assert_eq!(kind(Index::open(&vector_path("no-such-directory/x.didx"), None)), Kind::NotFound);
}

fn fixed_file(size: u64, chunk_size: u64, digests: usize) -> Vec<u8> {
    let header = IndexHeader { magic: MAGIC_FIXED_INDEX, uuid: [1; 16], ctime: 0, csum: [0; 32], size, chunk_size };
    [&header.to_bytes()[..], &vec![7; 32 * digests]].concat()
}

fn dynamic_file(ends: &[u64]) -> Vec<u8> {
    let header =
        IndexHeader { magic: MAGIC_DYNAMIC_INDEX, uuid: [1; 16], ctime: 0, csum: [0; 32], size: 0, chunk_size: 0 };
    let entries = ends.iter().flat_map(|end| [&end.to_le_bytes()[..], &[7; 32]].concat());
    header.to_bytes().into_iter().chain(entries).collect()
}

/// docs/format.md, 6.4: what a header claims is never trusted.
#[test]
fn sizes_that_cannot_be_are_refused() {
    for (size, chunk_size, digests) in [
        (1, 0, 1),
        (0, 0, 0),
        (6, 3, 2),
        (u64::MAX, 1 << 63, 2),
        (1 << 63, 1 << 62, 2),
        (i64::MAX as u64, 1 << 62, 2),
        (4096, 2 * BLOB_MAX_SIZE as u64, 1),
        (u64::MAX, 1, 0),
        ((1 << 59) + 1, 1, 1),
        (4096, 4096, 2),
        (4096, 4096, 0),
        (0, 4096, 1),
    ] {
        let found = kind(Index::from_bytes(&fixed_file(size, chunk_size, digests), None));
        assert!(matches!(found, Kind::Format | Kind::Limit), "{size} in {chunk_size} with {digests}: {found:?}");
    }
    let longest = BLOB_MAX_SIZE as u64;
    for ends in [&[5, 4][..], &[1 << 63], &[5, u64::MAX], &[u64::MAX, 5], &[longest + 1], &[5, longest + 6]] {
        let found = kind(Index::from_bytes(&dynamic_file(ends), None));
        assert!(matches!(found, Kind::Format | Kind::Limit), "{ends:?}: {found:?}");
    }
}

/// docs/format.md, 6.4: the bounds themselves are fine, and so are chunk sizes that only PBS 4 refuses.
#[test]
fn sizes_that_can_just_be_are_read() {
    let longest = BLOB_MAX_SIZE as u64;
    let index = Index::from_bytes(&fixed_file(2 * longest - 1, longest, 2), None).unwrap();
    assert_eq!(index.chunk(1).map(|chunk| (chunk.start, chunk.end)), Some((longest, 2 * longest - 1)));
    assert_eq!(index.chunk_from_offset(2 * longest - 2), Some((1, longest - 2)));
    assert_eq!(index.chunk_from_offset(2 * longest - 1), None);

    let index = Index::from_bytes(&fixed_file(3, 1, 3), None).unwrap();
    assert_eq!(index.chunk_from_offset(2), Some((2, 0)));

    let index = Index::from_bytes(&dynamic_file(&[0, 0, longest]), None).unwrap();
    assert_eq!((index.count(), index.size()), (3, longest));
    assert_eq!(index.chunk_from_offset(0), Some((2, 0)));
}

/// docs/format.md, 6.6.
#[test]
fn a_writer_takes_rising_ends_only() {
    let digest = sha256(b"x");
    let longest = BLOB_MAX_SIZE as u64;
    for (ends, refused) in [
        (&[][..], 0),
        (&[5], 5),
        (&[5], 4),
        (&[5], 0),
        (&[], 1 << 63),
        (&[], longest + 1),
        (&[longest], 2 * longest + 1),
        (&[1], u64::MAX),
    ] {
        let mut writer = DynamicWriter::new(-1, None).unwrap();
        ends.iter().for_each(|&end| writer.add(end, &digest).unwrap());
        assert_eq!(kind(writer.add(refused, &digest)), Kind::Argument, "{refused} after {ends:?}");
        assert_eq!(kind(writer.add(7, &digest)), Kind::State, "it stays failed");
        assert_eq!(
            kind(writer.complete().and_then(|body| body.to_bytes(usize::MAX))),
            Kind::State,
            "it cannot be finished"
        );
    }
    for ctime in [i64::MIN, -1, 0, i64::MAX] {
        let mut writer = DynamicWriter::new(ctime, None).unwrap();
        writer.add(longest, &digest).unwrap();
        let bytes = writer.complete().unwrap().to_bytes(usize::MAX).unwrap();
        assert_eq!(writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), bytes);
        assert_eq!(kind(writer.add(longest + 1, &digest)), Kind::State, "adding after finishing");
        let index = Index::from_bytes(&bytes, None).unwrap();
        assert_eq!((index.header().ctime, index.size()), (ctime, longest));
    }
}

/// The test values of docs/format.md, 17.
#[test]
fn the_test_values_of_the_documentation() {
    let digests = [sha256(b"hello"), sha256(b"world!!")];
    let mut file = fixed_file(12, 8, 0);
    file.extend(digests.iter().flat_map(|digest| digest.0));
    let index = Index::from_bytes(&file, None).unwrap();
    let csum = "6647ff6802e1dfd40b01ef14b41e8368dcc1ed2a7ab4cbe61015f722ceb0fe0f";
    assert_eq!(index.compute_csum().to_string(), csum);

    let mut writer = DynamicWriter::new(0, None).unwrap();
    assert_eq!(Digest(writer.summary().header.csum), sha256(b""));
    writer.add(5, &digests[0]).unwrap();
    writer.add(12, &digests[1]).unwrap();
    let file = writer.complete().unwrap().to_bytes(usize::MAX).unwrap();
    let csum = "bbc3dca27d4d3ebf516639d842a4d3969dbeb99d3b374f0527d8ef6537cbef25";
    assert_eq!((Digest(writer.summary().header.csum).to_string().as_str(), file.len()), (csum, 4176));
    assert_eq!(Index::from_bytes(&file, None).unwrap().size(), 12);
}

fn fixed_writer_of(case: &Value) -> FixedWriter {
    let uuid = case["uuid"].as_str().map(|uuid| unhex(uuid).try_into().unwrap());
    let ctime = case["ctime"].as_i64().unwrap_or(0);
    let number = |name: &str| case[name].as_u64().unwrap();
    FixedWriter::new(ctime, uuid, number("size"), number("chunk_size")).unwrap()
}

#[test]
fn fixed_indexes_are_written_byte_for_byte() {
    let vectors = vector_json("index/index.json");
    let mut written = 0;
    for case in vectors.get_list("fixed") {
        // PBS makes no index of size 0; `part.fidx` has its own test.
        if case["uuid"].is_null() {
            continue;
        }
        let name = case.get_str("file");
        let mut writer = fixed_writer_of(case);
        // From the end: the order does not matter.
        for (i, digest) in case.get_list("digests").iter().enumerate().rev() {
            writer.set(i, &digest_of(digest)).unwrap();
        }
        assert_eq!(kind(writer.set(writer.count(), &sha256(b""))), Kind::Argument, "{name}");
        for check in case.get_list("check_chunk_alignment") {
            let number = |name: &str| check[name].as_u64().unwrap();
            let mut probe = fixed_writer_of(case);
            let added = probe.add_chunk(number("end"), number("len"), &sha256(b"probe"));
            assert_eq!(added.is_ok(), check["result"]["ok"].as_bool().unwrap(), "{name}: {check}");
            if let Some(position) = check["result"]["value"].as_u64() {
                let mut probe = probe.allow_incomplete();
                let index = Index::from_bytes(&probe.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap();
                assert_eq!(index.chunk(position as usize).unwrap().digest, sha256(b"probe"), "{name}: {check}");
            }
        }
        assert_eq!(writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), vector_bytes(name), "{name}");
        written += 1;
    }
    assert_eq!(written, 6);
}

#[test]
fn an_incomplete_fixed_index_is_pbs_s_when_it_is_allowed() {
    let vectors = vector_json("index/index.json");
    let case = vectors.get_list("fixed").iter().find(|case| case["file"] == "index/part.fidx").unwrap();
    let mut writer = fixed_writer_of(case);
    writer.set(1, &digest_of(&case.get_list("digests")[1])).unwrap();
    // PBS writes it without a word.
    assert_eq!(kind(writer.complete().and_then(|body| body.to_bytes(usize::MAX))), Kind::State);
    let mut writer = writer.allow_incomplete();
    let bytes = writer.complete().unwrap().to_bytes(usize::MAX).unwrap();
    assert_eq!(bytes[4096..], vector_bytes("index/part.fidx")[4096..]);
    assert_eq!(Digest(writer.summary().header.csum), case.get_digest("csum"));
}
