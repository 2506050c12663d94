//! The counts of a collection, and the file that keeps them (docs/format.md, 11.5).

use std::ffi::CStr;

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::json;
use crate::store::Store;
use crate::tree::Tree;

const STATUS_NAME: &CStr = c".gc-status";

/// Bytes of that file; it has some three hundred.
const STATUS_MAX_SIZE: usize = 64 << 10;

/// The counts of what a collection has found and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcStatus {
    /// Indexes.
    pub index_file_count: u64,
    /// Bytes that they describe; data in several counts for each.
    pub index_data_bytes: u64,
    /// Bytes of the files of chunks in use, and of bad copies in use.
    pub disk_bytes: u64,
    /// Chunks in use: touched since the collection, or the oldest writer, began.
    pub disk_chunks: u64,
    /// Bytes of the files that were removed.
    pub removed_bytes: u64,
    /// Chunks that were removed.
    pub removed_chunks: u64,
    /// Bytes of the files that are not in use and not old enough to be removed.
    pub pending_bytes: u64,
    /// Such chunks.
    pub pending_chunks: u64,
    /// Bad copies that were removed.
    pub removed_bad: u64,
    /// Bad copies that are not old enough.
    pub still_bad: u64,
    /// References to chunks that were remembered.
    pub cache_hits: u64,
    /// References for which a chunk was touched.
    pub cache_misses: u64,
    /// Indexes that lie where no snapshot is.
    pub strange_indexes: u64,
    /// Chunks that an index needs and that are missing.
    pub missing_chunks: u64,
    /// Pending files whose access times lie in the future.
    pub future_files: u64,
    /// Their bytes.
    pub future_bytes: u64,
    /// The latest of their access times, in seconds since 1970; 0 if there are none.
    pub future_until: i64,
    /// Temporary files that were removed.
    pub removed_temporaries: u64,
    /// Their bytes.
    pub removed_temporary_bytes: u64,
    /// Bad copies in use: of chunks that are missing, or touched lately by their writer.
    pub used_bad: u64,
    /// Their bytes, which are in `disk_bytes` too.
    pub used_bad_bytes: u64,
    /// Bytes of the bad copies that were removed, in `removed_bytes` too.
    pub removed_bad_bytes: u64,
    /// Bytes of the bad copies that are not old enough, in `pending_bytes` too.
    pub still_bad_bytes: u64,
}

impl GcStatus {
    /// The members that PBS knows, in its order.
    fn members(&mut self) -> [(&'static str, &mut u64); 10] {
        [
            ("index-file-count", &mut self.index_file_count),
            ("index-data-bytes", &mut self.index_data_bytes),
            ("disk-bytes", &mut self.disk_bytes),
            ("disk-chunks", &mut self.disk_chunks),
            ("removed-bytes", &mut self.removed_bytes),
            ("removed-chunks", &mut self.removed_chunks),
            ("pending-bytes", &mut self.pending_bytes),
            ("pending-chunks", &mut self.pending_chunks),
            ("removed-bad", &mut self.removed_bad),
            ("still-bad", &mut self.still_bad),
        ]
    }

    /// As PBS writes it.
    pub fn to_json(&self) -> String {
        let mut copy = *self;
        let members: String = copy.members().iter().map(|(name, value)| format!("\"{name}\":{value},")).collect();
        let GcStatus { cache_hits, cache_misses, .. } = self;
        format!("{{\"upid\":null,{members}\"cache-stats\":{{\"hits\":{cache_hits},\"misses\":{cache_misses}}}}}")
    }

    /// Writes `.gc-status`, with the mode of PBS's.
    pub(super) fn write(&self, store: &Store) -> Result<()> {
        store
            .tree()
            .replace_base_file(STATUS_NAME, self.to_json().as_bytes())
            .map_err(|error| error.context("what the collection has found is not noted"))
    }

    fn from_json(text: &[u8]) -> Result<Self> {
        let value = json::parse(text)?;
        let missing = |name: &str| Error::new(Kind::Format, format!("it has no number {name:?}"));
        let mut status = GcStatus::default();
        for (name, field) in status.members() {
            *field = value.get(name).and_then(Value::as_u64).ok_or_else(|| missing(name))?;
        }
        let cache = |name: &str| value.get("cache-stats").and_then(|stats| stats.get(name)).and_then(Value::as_u64);
        status.cache_hits = cache("hits").unwrap_or(0);
        status.cache_misses = cache("misses").unwrap_or(0);
        Ok(status)
    }
}

/// The counts that the last successful collection of `store`, by this library or PBS, has left in `.gc-status`; `None`
/// if that file is missing or cannot be read.
///
/// Errors: `NoMemory`; `Io` if the process can open no more files.
pub fn read_status(tree: &Tree) -> Result<Option<GcStatus>> {
    let text = tree.read_base_file(STATUS_NAME, STATUS_MAX_SIZE);
    match text.and_then(|text| text.map(|text| GcStatus::from_json(&text)).transpose()) {
        Err(error) if error.is_of_the_process() => Err(error),
        noted => Ok(noted.ok().flatten()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let mut status = GcStatus { cache_hits: 11, cache_misses: 12, ..GcStatus::default() };
        for (i, (_, field)) in status.members().into_iter().enumerate() {
            *field = i as u64 + 1;
        }
        let text = status.to_json();
        let expected = concat!(
            r#"{"upid":null,"index-file-count":1,"index-data-bytes":2,"disk-bytes":3,"disk-chunks":4,"#,
            r#""removed-bytes":5,"removed-chunks":6,"pending-bytes":7,"pending-chunks":8,"removed-bad":9,"#,
            r#""still-bad":10,"cache-stats":{"hits":11,"misses":12}}"#
        );
        assert_eq!(text, expected);
        assert_eq!(GcStatus::from_json(text.as_bytes()).unwrap(), status);
        // As PBS before 4 writes it.
        let old = text.replace(r#","cache-stats":{"hits":11,"misses":12}"#, "").replace("null", "\"UPID:x\"");
        let without_cache = GcStatus { cache_hits: 0, cache_misses: 0, ..status };
        assert_eq!(GcStatus::from_json(old.as_bytes()).unwrap(), without_cache);
        for wrong in ["", "{}", "[]", &text.replace("4", "-4"), &text.replace("disk-bytes", "x")] {
            assert_eq!(GcStatus::from_json(wrong.as_bytes()).unwrap_err().kind(), Kind::Format, "{wrong}");
        }
    }
}
