//! A source of chunks in memory, which counts what it is asked for and misbehaves as a test likes; and indexes of it.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use pxds::blob::{Blob, Codec};
use pxds::crypt::Tolerance;
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};
use pxds::hash::sha256;
use pxds::index::{DynamicWriter, FixedWriter, Index};
use pxds::source::ChunkSource;

use super::common::Rng;

/// What is done for a chunk before it is given.
pub(crate) type Before = Box<dyn Fn(&Digest) -> Result<()> + Send + Sync>;

#[derive(Default)]
pub(crate) struct Memory {
    blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
    loads: Mutex<BTreeMap<Digest, usize>>,
    pub(crate) before: Option<Before>,
}

impl Memory {
    /// Keeps the blob of `data`, every other one compressed, and gives its digest.
    pub(crate) fn put(&self, data: &[u8]) -> Digest {
        let digest = sha256(data);
        self.plant(&digest, Codec::new().encode_vec(data, digest.0[0].is_multiple_of(2)).unwrap());
        digest
    }

    /// Keeps `blob` as the chunk `digest`, whatever it is.
    pub(crate) fn plant(&self, digest: &Digest, blob: Vec<u8>) {
        self.blobs.lock().unwrap().insert(*digest, blob);
    }

    pub(crate) fn remove(&self, digest: &Digest) {
        self.blobs.lock().unwrap().remove(digest);
    }

    /// How often each chunk was loaded since the last time.
    pub(crate) fn take_loads(&self) -> BTreeMap<Digest, usize> {
        std::mem::take(&mut self.loads.lock().unwrap())
    }
}

impl ChunkSource for Memory {
    fn load_tolerant<'a>(
        &self,
        digest: &Digest,
        max_len: usize,
        tolerance: Tolerance,
        out: &'a mut Vec<u8>,
    ) -> Result<Blob<'a>> {
        *self.loads.lock().unwrap().entry(*digest).or_default() += 1;
        if let Some(before) = &self.before {
            before(digest)?;
        }
        let blobs = self.blobs.lock().unwrap();
        let blob = blobs.get(digest).ok_or_else(|| Error::new(Kind::NotFound, "not in memory"))?;
        assert!(blob.len() <= max_len);
        out.clear();
        out.extend_from_slice(blob);
        Blob::load_tolerant(out, tolerance)
    }
}

/// The index of a stream in these chunks, some of which may have no bytes.
pub(crate) fn dynamic(source: &Memory, chunks: &[&[u8]]) -> Index {
    let mut end = 0;
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| {
            end += chunk.len() as u64;
            (end, source.put(chunk))
        })
        .collect();
    dynamic_of(&chunks)
}

/// The index of these ends and digests, as no writer would make it.
pub(crate) fn dynamic_of(chunks: &[(u64, Digest)]) -> Index {
    let mut bytes = DynamicWriter::new(0, None).unwrap().complete().unwrap().to_bytes(4096).unwrap();
    for (end, digest) in chunks {
        bytes.extend([&end.to_le_bytes()[..], &digest.0].concat());
    }
    let csum = sha256(&bytes[4096..]);
    bytes[32..64].copy_from_slice(&csum.0);
    Index::from_bytes(&bytes, None).unwrap()
}

/// The index of an image in chunks of `chunk_size`.
pub(crate) fn fixed(source: &Memory, data: &[u8], chunk_size: usize) -> Index {
    let mut writer = FixedWriter::new(0, None, data.len() as u64, chunk_size as u64).unwrap();
    for (i, chunk) in data.chunks(chunk_size).enumerate() {
        writer.set(i, &source.put(chunk)).unwrap();
    }
    Index::from_bytes(&writer.complete().unwrap().to_bytes(usize::MAX).unwrap(), None).unwrap()
}

/// Cuts `data` anywhere, sometimes twice at the same place.
pub(crate) fn cut<'a>(rng: &mut Rng, mut data: &'a [u8], max: usize) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    while !data.is_empty() {
        let len = if rng.below(5) == 0 { 0 } else { 1 + rng.below(max) };
        let (chunk, rest) = data.split_at(len.min(data.len()));
        chunks.push(chunk);
        data = rest;
    }
    chunks.push(data);
    chunks
}

/// Offsets and lengths that matter in a file of `size` bytes whose chunks end at `ends`, and some others.
pub(crate) fn ranges(rng: &mut Rng, size: u64, ends: &[u64]) -> Vec<(u64, u64)> {
    let mut places: Vec<u64> = ends.iter().flat_map(|&end| [end.saturating_sub(1), end, end + 1]).collect();
    places.extend([0, 1, size.saturating_sub(1), size]);
    places.extend((0..20).map(|_| rng.below(size as usize + 1) as u64));
    let mut ranges = Vec::new();
    for _ in 0..200 {
        let offset = places[rng.below(places.len())];
        let to = places[rng.below(places.len())];
        ranges.push((offset, to.saturating_sub(offset)));
    }
    for length in [1, size, size + 1, u64::MAX - 1, u64::MAX] {
        ranges.extend([0, 1, size / 2, size.saturating_sub(1)].map(|offset| (offset, length)));
    }
    ranges
}
