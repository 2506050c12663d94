//! Reading the digests of an index piece by piece, in memory that does not grow with the index.

use std::fs::File;
use std::path::Path;

use super::check::Check;
use super::{ENTRIES_AT_ONCE, IndexKind, check_header, entries_len, has_shrunk};
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Result};
use crate::format::{INDEX_HEADER_SIZE, field};
use crate::hash::Hasher;
use crate::sys;

/// Digests that are given at once: so many looks at a large table can be under way together.
const DIGESTS_AT_ONCE: usize = 32;

/// The facts about an index that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRead {
    /// Bytes that it describes.
    pub size: u64,
    /// The csum of its entries.
    pub csum: Digest,
    /// The csum in its header.
    pub header_csum: Digest,
}

/// Gives `take` the digests of the chunks of the index in `file`, which is open at its start and `len` bytes long, in
/// order, up to 32 at a time. All is checked that opening an index checks, but it may turn out damaged when
/// `take` has had a part; whether the csum is right is left to the caller. `path` is for errors.
///
/// Errors: as [`Index::read`](super::Index::read); those of `take`.
pub fn for_all_digests(
    mut file: File,
    len: u64,
    path: &Path,
    kind: Option<IndexKind>,
    take: &mut dyn FnMut(&[Digest]) -> Result<()>,
) -> Result<IndexRead> {
    let describe = |error: Error| error.of(path);
    let mut left = entries_len(len).map_err(describe)?;
    let mut header = [0; INDEX_HEADER_SIZE];
    sys::read_exact(&mut file, &mut header, path)?;
    let (found, header) = check_header(&header, left, kind).map_err(describe)?;
    let (mut check, mut csum, mut entries) = (Check::new(found), Hasher::new(), Vec::new());
    while left > 0 {
        let wanted = left.min(ENTRIES_AT_ONCE * check.entry_size());
        sys::read_up_to(&file, wanted, &mut entries).map_err(describe)?;
        if entries.len() < wanted {
            return Err(describe(has_shrunk()));
        }
        check.entries(&entries).map_err(describe)?;
        csum.update(&entries);
        let entry_size = check.entry_size();
        for some in entries.chunks(DIGESTS_AT_ONCE * entry_size) {
            let mut digests = [Digest([0; DIGEST_SIZE]); DIGESTS_AT_ONCE];
            // The digest is the end of either entry.
            for (digest, entry) in digests.iter_mut().zip(some.chunks_exact(entry_size)) {
                *digest = Digest(field(entry, entry_size - DIGEST_SIZE));
            }
            take(&digests[..some.len() / entry_size])?;
        }
        left -= wanted;
    }
    let size = if found == IndexKind::Dynamic { check.end() } else { header.size };
    Ok(IndexRead { size, csum: csum.digest(), header_csum: Digest(header.csum) })
}

#[cfg(test)]
mod tests {
    use super::super::Index;
    use super::*;
    use crate::error::Kind;
    use crate::format::{IndexHeader, MAGIC_DYNAMIC_INDEX, MAGIC_FIXED_INDEX};
    use crate::testing::Scratch;
    use std::fs;

    fn read(bytes: &[u8]) -> (Result<IndexRead>, Vec<Digest>) {
        let scratch = Scratch::new();
        let path = scratch.path().join("index");
        fs::write(&path, bytes).unwrap();
        let mut digests = Vec::new();
        let file = File::open(&path).unwrap();
        let read = for_all_digests(file, bytes.len() as u64, &path, None, &mut |some| {
            digests.extend_from_slice(some);
            Ok(())
        });
        (read, digests)
    }

    fn header(magic: [u8; 8], size: u64, chunk_size: u64) -> Vec<u8> {
        IndexHeader { magic, uuid: [0; 16], ctime: 0, csum: [9; 32], size, chunk_size }.to_bytes().to_vec()
    }

    fn dynamic(ends: &[u64]) -> Vec<u8> {
        let mut bytes = header(MAGIC_DYNAMIC_INDEX, 0, 0);
        for (i, end) in ends.iter().enumerate() {
            bytes.extend(end.to_le_bytes());
            bytes.extend([i as u8; 32]);
        }
        bytes
    }

    /// It gives and refuses the same as opening the index does.
    #[test]
    fn as_opening_does() {
        let many: Vec<u64> = (0..2 * ENTRIES_AT_ONCE as u64 + 3).collect();
        let fixed = |size: u64, count: usize| [header(MAGIC_FIXED_INDEX, size, 4096), vec![7; 32 * count]].concat();
        for bytes in [
            dynamic(&[]),
            dynamic(&[3, 3, 10]),
            dynamic(&many),
            dynamic(&[5, 4]),
            dynamic(&[u64::MAX]),
            [dynamic(&[1]), vec![0]].concat(),
            fixed(10000, 3),
            fixed(10000, 2),
            fixed(0, 0),
            b"short".to_vec(),
            vec![0; 4096],
        ] {
            let (read, digests) = read(&bytes);
            match Index::from_bytes(&bytes, None) {
                Ok(index) => {
                    let header_csum = Digest(index.header().csum);
                    let expected = IndexRead { size: index.size(), csum: index.compute_csum(), header_csum };
                    assert_eq!(read.unwrap(), expected);
                    let expected: Vec<_> = (0..index.count()).map(|i| index.chunk(i).unwrap().digest).collect();
                    assert_eq!(digests, expected);
                }
                Err(error) => assert_eq!(read.unwrap_err().kind(), error.kind()),
            }
        }
    }

    #[test]
    fn one_that_shrinks_is_corrupt() {
        let scratch = Scratch::new();
        let path = scratch.path().join("index");
        fs::write(&path, dynamic(&[1])).unwrap();
        let error = for_all_digests(File::open(&path).unwrap(), 4096 + 80, &path, None, &mut |_| Ok(())).unwrap_err();
        assert_eq!((error.kind(), error.path()), (Kind::Corrupt, Some(path.as_path())));
    }
}
