//! What the vectors do not have of blobs (docs/format.md, 2.3 and 2.5): when compression is kept, and the bounds:
//! 128 MiB of data, and no more, whatever the input says.

mod common;

use common::{Rng, kind, raw_blob};
use pxds::blob::{Blob, Codec, encode_bound};
use pxds::error::Kind;
use pxds::format::{MAGIC_COMPRESSED_BLOB, MAGIC_UNCOMPRESSED_BLOB};
use pxds::hash::sha256;
use pxds::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE};

const MAX: usize = 128 << 20;

/// A compressed blob of `len` zeros.
fn compressed_zeros(len: usize) -> Vec<u8> {
    raw_blob(MAGIC_COMPRESSED_BLOB, &zstd::bulk::compress(&vec![0; len], 1).unwrap())
}

#[test]
fn the_numbers_are_the_documented_ones() {
    assert_eq!((BLOB_MAX_SIZE, BLOB_MAX_ENCODED_SIZE), (MAX, MAX + 44));
    assert_eq!((encode_bound(0), encode_bound(MAX), encode_bound(MAX + 1)), (Some(44), Some(MAX + 44), None));
    assert_eq!(encode_bound(usize::MAX), None);
}

/// Compression is kept only if the outcome is shorter than the data. The last few bytes are not fought for: zstd does
/// not use all of a tight buffer.
#[test]
fn compression_must_make_it_shorter() {
    const TIGHT: usize = 16;
    let mut codec = Codec::new();
    let (mut kept, mut not_kept) = (0, 0);
    for noise in 20..60 {
        for zeros in 0..60 {
            let data = [Rng::new(noise as u64).bytes(noise), vec![0; zeros]].concat();
            let blob = codec.encode_vec(&data, true).unwrap();
            let by_zstd = zstd::bulk::compress(&data, 1).unwrap().len();
            if Blob::load(&blob).unwrap().form().compressed {
                kept += 1;
                assert!(blob.len() < 12 + data.len(), "{noise} bytes of noise, {zeros} zeros");
            } else {
                not_kept += 1;
                assert_eq!(blob[12..], data, "{noise} bytes of noise, {zeros} zeros");
                assert!(by_zstd + TIGHT > data.len(), "{noise} bytes of noise, {zeros} zeros: {by_zstd} by zstd");
            }
        }
    }
    assert!(kept > 100 && not_kept > 100, "{kept}, {not_kept}");
}

#[test]
fn exactly_128_mib_are_encoded() {
    let mut codec = Codec::new();
    let data = vec![0; MAX + 1];
    for compress in [false, true] {
        assert_eq!(kind(codec.encode_vec(&data, compress)), Kind::Limit);
        assert_eq!(kind(codec.encode(&data, compress, &mut vec![0; MAX + 100])), Kind::Limit);
        let blob = codec.encode_vec(&data[..MAX], compress).unwrap();
        let blob = Blob::load(&blob).unwrap();
        assert_eq!(blob.form().compressed, compress);
        let decoded = codec.decode_vec(blob, Some(&sha256(&data[..MAX])), MAX).unwrap();
        assert!(decoded == data[..MAX]);
    }
}

#[test]
fn no_more_than_128_mib_are_decoded() {
    let mut codec = Codec::new();
    for raw in [compressed_zeros(MAX + 1), raw_blob(MAGIC_UNCOMPRESSED_BLOB, &vec![0; MAX + 1])] {
        let blob = Blob::load(&raw).unwrap();
        let form = blob.form();
        for bound in [MAX, MAX + 1, usize::MAX] {
            assert_eq!(kind(codec.decode_vec(blob, None, bound)), Kind::Limit, "{form:?}, a bound of {bound}");
        }
        assert_eq!(kind(codec.decode(blob, None, &mut vec![0; MAX + 1])), Kind::Limit, "{form:?}");
        let size = MAX as u64 + 1;
        assert_eq!(kind(codec.verify_unencrypted(blob, size, &sha256(&vec![0; MAX + 1]))), Kind::Limit, "{form:?}");
    }
}

/// The content size in a frame's header is a hint, never a promise: here it says 2^62.
#[test]
fn what_a_frame_claims_is_not_allocated() {
    let mut codec = Codec::new();
    // Single segment, a content size of 8 bytes, then one empty last block.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    frame.extend((1_u64 << 62).to_le_bytes());
    frame.extend([0x01, 0x00, 0x00]);
    let raw = raw_blob(MAGIC_COMPRESSED_BLOB, &frame);
    let blob = Blob::load(&raw).unwrap();
    for bound in [0, 100, MAX] {
        let found = kind(codec.decode_vec(blob, None, bound));
        assert!(matches!(found, Kind::Corrupt | Kind::Limit), "{found:?}");
    }
    let found = kind(codec.decode_exact(blob, &sha256(b""), 100, &mut Vec::new()));
    assert_eq!(found, Kind::Corrupt);
}

/// docs/format.md, 2.5: several frames, and skippable ones, are one stream; each may expand on its own.
#[test]
fn several_frames_are_bounded_together() {
    let mut codec = Codec::new();
    let frame = zstd::bulk::compress(&vec![7; 1 << 20], 1).unwrap();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let payload = [&frame[..], &skippable, &frame, &frame].concat();
    let raw = raw_blob(MAGIC_COMPRESSED_BLOB, &payload);
    let blob = Blob::load(&raw).unwrap();
    assert_eq!(kind(codec.decode_vec(blob, None, (3 << 20) - 1)), Kind::Limit);
    assert!(codec.decode_vec(blob, None, 3 << 20).unwrap() == vec![7; 3 << 20]);
    let only_skippable = raw_blob(MAGIC_COMPRESSED_BLOB, &skippable);
    assert_eq!(codec.decode_vec(Blob::load(&only_skippable).unwrap(), None, 0).unwrap(), b"");
}
