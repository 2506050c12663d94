//! Any bytes as an index: what is accepted can be walked, and is found again by offset.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxds::index::Index;

fuzz_target!(|data: &[u8]| {
    let Ok(index) = Index::from_bytes(data, None) else { return };
    let mut at = 0;
    for i in 0..index.count() {
        let chunk = index.chunk(i).unwrap();
        assert_eq!(chunk.start, at);
        assert!(chunk.end >= chunk.start && chunk.end <= index.size());
        if !chunk.is_empty() {
            assert_eq!(index.chunk_from_offset(chunk.start), Some((i, 0)));
            assert_eq!(index.chunk_from_offset(chunk.end - 1), Some((i, chunk.len() - 1)));
        }
        at = chunk.end;
    }
    assert_eq!(at, index.size());
    assert!(index.chunk(index.count()).is_none() && index.chunk_from_offset(index.size()).is_none());
    let _ = index.check_csum();
});
