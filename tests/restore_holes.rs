//! Zeros that are not loaded, holes in what is written, and zeros that stand for what is lost.

mod common;
#[path = "common/source.rs"]
mod source;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{Rng, Scratch, failure, kind, names, plain_blob, raw_blob};
use pxds::base::SyncLevel;
use pxds::callback::Callback;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::format::{MAGIC_ENCRYPTED_BLOB, MAGIC_UNCOMPRESSED_BLOB};
use pxds::hash::sha256;
use pxds::index::{Index, RequiredForm, Terms};
use pxds::limits::BLOB_MAX_SIZE;
use pxds::restore::{RestoreOptions, Restorer};
use pxds::source::OnBad;
use pxds::sys::CallerFd;
use source::{Memory, cut, dynamic, dynamic_of, fixed};

const CHUNK: usize = 64 << 10;

fn sparse(source: &Arc<Memory>) -> Restorer {
    Restorer::from_source(source.clone(), RestoreOptions { sparse: true, ..RestoreOptions::default() })
}

/// An image of 40 chunks and a half, of which three have data, and its index. The source has no chunk of zeros.
fn image(source: &Memory) -> (Vec<u8>, Index) {
    let mut data = vec![0; 40 * CHUNK + CHUNK / 2];
    for i in [3, 4, 20] {
        data[i * CHUNK..(i + 1) * CHUNK].copy_from_slice(&Rng::new(i as u64).bytes(CHUNK));
    }
    let index = fixed(source, &data, CHUNK);
    source.remove(&sha256(&[0; CHUNK]));
    source.remove(&sha256(&[0; CHUNK / 2]));
    (data, index)
}

/// Bytes that a file takes up.
fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

fn assert_sparse(path: &Path, data: &[u8]) {
    assert!(fs::read(path).unwrap() == data);
    let room = allocated(path);
    assert!((3 * CHUNK as u64..6 * CHUNK as u64).contains(&room), "{room} bytes allocated");
}

#[test]
fn zeros_become_holes_in_a_new_file() {
    let scratch = Scratch::new();
    let source = Arc::new(Memory::default());
    let (data, index) = image(&source);
    let path = scratch.join("file");
    let mut restorer = sparse(&source);
    restorer.restore_file(&index, &path).unwrap();
    assert_eq!(restorer.written(), data.len() as u64);
    assert_sparse(&path, &data);
    assert_eq!(source.take_loads().len(), 3, "zeros are not loaded");

    // An old file is replaced, not punched into.
    fs::write(&path, vec![7; 50 * CHUNK]).unwrap();
    restorer.restore_file(&index, &path).unwrap();
    assert_sparse(&path, &data);

    // A range that begins and ends within holes.
    let (from, to) = (2 * CHUNK + 5, 40 * CHUNK + 7);
    restorer.restore_range_file(&index, from as u64, (to - from) as u64, &path).unwrap();
    assert_sparse(&path, &data[from..to]);

    // Without the option they are needed.
    let mut plain = Restorer::from_source(source.clone(), RestoreOptions::default());
    assert_eq!(kind(plain.restore_file(&index, &path)), Kind::NotFound);
    source.put(&[0; CHUNK]);
    source.put(&[0; CHUNK / 2]);
    plain.restore_file(&index, &path).unwrap();
    assert!(allocated(&path) >= data.len() as u64);
    assert_eq!(names(scratch.path()), ["file"]);
}

#[test]
fn nothing_but_zeros() {
    let scratch = Scratch::new();
    let source = Arc::new(Memory::default());
    let index = fixed(&source, &vec![0; 5 * CHUNK + 1], CHUNK);
    let path = scratch.join("file");
    sparse(&source).restore_file(&index, &path).unwrap();
    assert_eq!((fs::metadata(&path).unwrap().len(), allocated(&path)), (5 * CHUNK as u64 + 1, 0));
    assert!(fs::read(&path).unwrap().iter().all(|&byte| byte == 0));
    assert!(source.take_loads().is_empty());
}

/// What was there before must not shine through.
#[test]
fn zeros_are_punched_into_a_descriptor() {
    let scratch = Scratch::new();
    let source = Arc::new(Memory::default());
    let (data, index) = image(&source);
    let path = scratch.join("file");
    for (old, start) in [(0, 0), (50 * CHUNK, 0), (50 * CHUNK, 4096), (10 * CHUNK, 1), (20, 4096), (41 * CHUNK, CHUNK)]
    {
        fs::write(&path, vec![7; old]).unwrap();
        let mut file = File::options().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(start as u64)).unwrap();
        sparse(&source).restore_fd(&index, CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
        let end = start + data.len();
        assert_eq!(file.stream_position().unwrap(), end as u64);
        let mut expected = vec![7; old];
        expected.resize(old.max(end), 0);
        if start > old {
            expected[old..start].fill(0);
        }
        expected[start..end].copy_from_slice(&data);
        assert!(fs::read(&path).unwrap() == expected, "{old} bytes, from {start}");
        let kept = (old.min(start) + old.saturating_sub(end)) as u64;
        assert!(allocated(&path) < kept + 6 * CHUNK as u64, "{old} bytes, from {start}");
    }
}

#[test]
fn what_cannot_have_holes_gets_zeros() {
    let scratch = Scratch::new();
    let source = Arc::new(Memory::default());
    let (data, index) = image(&source);

    let path = scratch.join("append");
    fs::write(&path, b"head").unwrap();
    let file = File::options().append(true).open(&path).unwrap();
    sparse(&source).restore_fd(&index, CallerFd::new(file.as_raw_fd()).unwrap()).unwrap();
    assert!(fs::read(&path).unwrap() == [b"head", &data[..]].concat());

    let (mut reader, writer) = std::io::pipe().unwrap();
    let piped = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut out = Vec::new();
            reader.read_to_end(&mut out).unwrap();
            out
        });
        sparse(&source).restore_fd(&index, CallerFd::new(writer.as_raw_fd()).unwrap()).unwrap();
        drop(writer);
        reader.join().unwrap()
    });
    assert!(piped == data);

    let mut out = Vec::new();
    let mut most = 0;
    let mut sink = |piece: &[u8]| {
        out.extend_from_slice(piece);
        most = most.max(piece.len());
        Ok(())
    };
    sparse(&source).restore(&index, &mut sink).unwrap();
    assert!(out == data);
    assert!(most <= CHUNK);
    sparse(&source).restore_file(&index, Path::new("/dev/null")).unwrap();

    let mut room = vec![7; data.len() + 10];
    assert_eq!(sparse(&source).read_range(&index, 0, &mut room).unwrap(), data.len());
    assert!(room[..data.len()] == data && room[data.len()..] == [7; 10]);

    let read_only = File::open(&path).unwrap();
    let fd = CallerFd::new(read_only.as_raw_fd()).unwrap();
    assert_eq!(kind(sparse(&source).restore_fd(&index, fd)), Kind::Io);
    assert_eq!(source.take_loads().len(), 3);
}

/// Chunks of a dynamic index are zeros in every length.
#[test]
fn zeros_in_a_dynamic_index() {
    let mut rng = Rng::new(61);
    let mut data = vec![0; 300_000];
    rng.bytes(1000).iter().enumerate().for_each(|(i, &byte)| data[150_000 + i] = byte | 1);
    let source = Arc::new(Memory::default());
    let chunks = cut(&mut rng, &data, 9000);
    let with_data = chunks.iter().filter(|chunk| chunk.iter().any(|&byte| byte != 0)).count();
    let index = dynamic(&source, &chunks);
    let mut room = vec![7; data.len()];
    assert_eq!(sparse(&source).read_range(&index, 0, &mut room).unwrap(), data.len());
    assert!(room == data);
    assert_eq!(source.take_loads().values().sum::<usize>(), with_data);
}

/// The digest of zeros says that a chunk is not encrypted; where all must be, that is not passed over.
#[test]
fn zeros_are_loaded_where_all_must_be_encrypted() {
    let source = Arc::new(Memory::default());
    let mut index = fixed(&source, &[0; 100], 64);
    for (required, expected) in [(RequiredForm::Encrypted, Err(Kind::CryptMode)), (RequiredForm::Plain, Ok(100))] {
        index = index.with_terms(Terms { required_form: Some(required), ..Terms::default() });
        let result = sparse(&source).read_range(&index, 0, &mut [0; 100]);
        assert_eq!(result.map_err(|error| error.kind()), expected);
    }
}

// ---- forms ----

#[test]
fn the_form_of_every_chunk_is_checked() {
    let source = Arc::new(Memory::default());
    let plain = source.put(b"plain");
    let encrypted = sha256(b"encrypted");
    source.plant(&encrypted, raw_blob(MAGIC_ENCRYPTED_BLOB, &[1; 41]));
    let mut index = dynamic_of(&[(5, plain), (14, encrypted)]);
    for (required, offset, expected) in [
        (None, 0, None),
        (Some(RequiredForm::Plain), 0, None),
        (Some(RequiredForm::Encrypted), 0, Some(Kind::CryptMode)),
        (None, 5, Some(Kind::Key)),
        (Some(RequiredForm::Plain), 5, Some(Kind::CryptMode)),
        (Some(RequiredForm::Encrypted), 5, Some(Kind::Key)),
    ] {
        // Neither a wrong form nor a missing key is the chunk's fault.
        index = index.with_terms(Terms { required_form: required, ..Terms::default() });
        let options = RestoreOptions { on_bad: Some(Callback(Arc::new(|_| Ok(())))), ..RestoreOptions::default() };
        let result = Restorer::from_source(source.clone(), options).restore_range(&index, offset, 5, &mut |_| Ok(()));
        assert_eq!(result.err().map(|error| error.kind()), expected, "{required:?} at {offset}");
    }
}

// ---- bad chunks ----

#[derive(Debug, PartialEq)]
struct Told {
    number: usize,
    offset: u64,
    length: u64,
    digest: Digest,
    kind: Kind,
}

/// Somebody who takes note of bad chunks, and answers.
fn listener(answer: i32) -> (Arc<Mutex<Vec<Told>>>, OnBad) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let on_bad: OnBad = Callback(Arc::new(move |bad| {
        assert!(bad.error.message().starts_with(&format!("chunk {} at offset {}: ", bad.number, bad.chunk.start)));
        assert_eq!(bad.error.digest(), Some(&bad.chunk.digest));
        list.lock().unwrap().push(Told {
            number: bad.number,
            offset: bad.chunk.start,
            length: bad.chunk.len(),
            digest: bad.chunk.digest,
            kind: bad.error.kind(),
        });
        if answer == 0 { Ok(()) } else { Err(Error::cancelled("test", answer)) }
    }));
    (told, on_bad)
}

fn with_on_bad(source: &Arc<Memory>, on_bad: OnBad) -> Restorer {
    let options = RestoreOptions { on_bad: Some(on_bad), ..RestoreOptions::default() };
    Restorer::from_source(source.clone(), options)
}

/// Spoils the chunk in the middle of three and gives the kind of error that this is.
type Spoil = fn(&mut Memory, &Digest) -> Kind;

const SPOILS: [Spoil; 6] = [
    |source, digest| {
        source.remove(digest);
        Kind::NotFound
    },
    |source, digest| {
        source.plant(digest, plain_blob(&[9; 1000]));
        Kind::Corrupt
    },
    |source, digest| {
        source.plant(digest, plain_blob(b"short"));
        Kind::Corrupt
    },
    |source, digest| {
        source.plant(digest, b"no blob at all".to_vec());
        Kind::Format
    },
    |source, digest| {
        let mut blob = raw_blob(MAGIC_UNCOMPRESSED_BLOB, &[9; 1000]);
        blob[500] ^= 1;
        source.plant(digest, blob);
        Kind::Corrupt
    },
    |source, digest| {
        let lost = *digest;
        source.before =
            Some(Box::new(move |digest| if *digest == lost { Err(Error::unreadable("it")) } else { Ok(()) }));
        Kind::Io
    },
];

/// Three chunks of 1000 bytes, the middle one spoiled: the source, the index, the kind, and what is left of the data.
fn spoiled(spoil: Spoil) -> (Arc<Memory>, Index, Kind, Vec<u8>) {
    let mut source = Memory::default();
    let data: Vec<_> = (1..4_u8).map(|i| [i; 1000]).collect();
    let index = dynamic(&source, &data.iter().map(|chunk| &chunk[..]).collect::<Vec<_>>()[..]);
    let kind = spoil(&mut source, &sha256(&data[1]));
    (Arc::new(source), index, kind, [&data[0][..], &[0; 1000], &data[2]].concat())
}

#[test]
fn zeros_stand_for_bad_chunks() {
    for (number, spoil) in SPOILS.into_iter().enumerate() {
        let (source, index, expected, left) = spoiled(spoil);
        let mut plain = Restorer::from_source(source.clone(), RestoreOptions::default());
        let error = failure(plain.read_range(&index, 0, &mut [0; 3000]));
        assert_eq!((error.kind(), error.offset()), (expected, Some(1000)), "spoiled by {number}");

        let chunk = index.chunk(1).unwrap();
        let report = || Told { number: 1, offset: 1000, length: 1000, digest: chunk.digest, kind: expected };
        let (told, on_bad) = listener(0);
        let mut restorer = with_on_bad(&source, on_bad);
        let mut out = Vec::new();
        let mut sink = |data: &[u8]| {
            out.extend_from_slice(data);
            Ok(())
        };
        restorer.restore(&index, &mut sink).unwrap();
        assert!(out == left, "spoiled by {number}");
        assert_eq!(restorer.written(), 3000);
        assert_eq!(*told.lock().unwrap(), [report()], "spoiled by {number}");

        // The whole chunk is told of, and a part of it is filled.
        let mut room = [7; 100];
        assert_eq!(restorer.read_range(&index, 1950, &mut room).unwrap(), 100);
        assert_eq!(room[..], left[1950..2050]);
        assert_eq!(*told.lock().unwrap(), [report(), report()]);

        let (_, on_bad) = listener(-3);
        let mut restorer = with_on_bad(&source, on_bad);
        let error = failure(restorer.restore(&index, &mut |_| Ok(())));
        assert_eq!((error.kind(), error.callback_value(), restorer.written()), (Kind::Cancelled, -3, 1000));
    }
}

#[test]
fn what_is_not_the_chunks_fault_always_fails() {
    let refused = [
        Error::new(Kind::NoMemory, ""),
        Error::new(Kind::Key, ""),
        Error::new(Kind::Argument, ""),
        Error::cancelled("test", 1),
        Error::io("open", Path::new("x"), &std::io::Error::from_raw_os_error(libc::EACCES)),
        Error::io("open", Path::new("x"), &std::io::Error::from_raw_os_error(libc::EMFILE)),
    ];
    for error in refused {
        let expected = error.kind();
        let mut source = Memory::default();
        let index = dynamic(&source, &[b"data"]);
        source.before = Some(Box::new(move |_| Err(error.clone())));
        let (told, on_bad) = listener(0);
        let mut restorer = with_on_bad(&Arc::new(source), on_bad);
        assert_eq!(kind(restorer.restore(&index, &mut |_| Ok(()))), expected);
        assert!(told.lock().unwrap().is_empty());
    }
}

/// The sink's failures are never taken for the chunk's.
#[test]
fn a_failing_sink_is_no_bad_chunk() {
    let source = Arc::new(Memory::default());
    let index = dynamic(&source, &[b"data"]);
    let (told, on_bad) = listener(0);
    let result: Result<()> =
        with_on_bad(&source, on_bad).restore(&index, &mut |_| Err(Error::new(Kind::Corrupt, "the sink's")));
    assert_eq!(kind(result), Kind::Corrupt);
    assert!(told.lock().unwrap().is_empty());
}

/// An index may claim chunks of any length that a chunk can have; zeros for them come in pieces, and in a new file they
/// take no room.
#[test]
fn zeros_for_long_chunks_cost_nothing() {
    let scratch = Scratch::new();
    let source = Arc::new(Memory::default());
    let (digest, len) = (source.put(b"data"), BLOB_MAX_SIZE as u64);
    let index = dynamic_of(&[(4, digest), (4 + len, digest), (8 + len, digest)]);
    let (told, on_bad) = listener(0);
    let mut restorer = with_on_bad(&source, on_bad);
    let mut most = 0;
    let mut sink = |data: &[u8]| {
        most = most.max(data.len());
        Ok(())
    };
    restorer.restore(&index, &mut sink).unwrap();
    assert_eq!(restorer.written(), 8 + len);
    assert!(most <= 1 << 20);
    assert_eq!(*told.lock().unwrap(), [Told { number: 1, offset: 4, length: len, digest, kind: Kind::Corrupt }]);

    let chunks: Vec<_> = (0..=1000).map(|i| (4 + i * len, if i == 0 { digest } else { sha256(b"missing") })).collect();
    let huge = dynamic_of(&chunks);
    for sparse in [false, true] {
        let (_, on_bad) = listener(0);
        let (on_bad, sync) = (Some(on_bad), SyncLevel::None);
        let mut restorer =
            Restorer::from_source(source.clone(), RestoreOptions { sparse, on_bad, sync, ..RestoreOptions::default() });
        let path = scratch.join("file");
        restorer.restore_file(&huge, &path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 4 + 1000 * len);
        assert!(allocated(&path) <= 4096);
    }
}
