//! `docs/from-go.md` has every item of the Go package, once, and names nothing that the library does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What the Go package exports. Methods are `Type.Method`.
const ITEMS: &[&str] = &[
    "BlobHeaderSize",
    "EncryptedBlobHeaderSize",
    "IndexHeaderSize",
    "DynamicEntrySize",
    "FixedDigestSize",
    "MaxBlobSize",
    "MagicUncompressedBlob",
    "MagicCompressedBlob",
    "MagicEncryptedBlob",
    "MagicEncrComprBlob",
    "MagicFixedChunkIndex",
    "MagicDynamicChunkIndex",
    "BackupVM",
    "BackupCT",
    "BackupHost",
    // Blobs.
    "BlobHeaderSizeFor",
    "IsCompressedMagic",
    "IsEncryptedMagic",
    "EncodeBlob",
    "EncodeCompressedBlob",
    "EncodeBlobTo",
    "EncodeCompressedBlobTo",
    "DecodeBlob",
    "DecodeBlobInto",
    "DataBlob",
    "DataBlob.Bytes",
    "DataBlob.Magic",
    "DataBlob.CRC",
    "DataBlob.IsCompressed",
    "DataBlob.IsEncrypted",
    // Headers.
    "BlobHeader",
    "UnmarshalBlobHeader",
    "BlobHeader.MarshalTo",
    "EncryptedBlobHeader",
    "UnmarshalEncryptedBlobHeader",
    "EncryptedBlobHeader.MarshalTo",
    "DynamicIndexHeader",
    "UnmarshalDynamicIndexHeader",
    "DynamicIndexHeader.MarshalTo",
    "FixedIndexHeader",
    "UnmarshalFixedIndexHeader",
    "FixedIndexHeader.MarshalTo",
    // Dynamic indexes.
    "DynamicEntry",
    "ChunkInfo",
    "DynamicIndexReader",
    "ReadDynamicIndex",
    "DynamicIndexReader.Count",
    "DynamicIndexReader.CTime",
    "DynamicIndexReader.IndexBytes",
    "DynamicIndexReader.Entry",
    "DynamicIndexReader.ChunkInfo",
    "DynamicIndexReader.IndexDigest",
    "DynamicIndexReader.ChunkFromOffset",
    "DynamicIndexReader.ComputeCsum",
    "DynamicIndexWriter",
    "NewDynamicIndexWriter",
    "DynamicIndexWriter.Add",
    "DynamicIndexWriter.Csum",
    "DynamicIndexWriter.Finish",
    // Fixed indexes.
    "FixedIndexReader",
    "ReadFixedIndex",
    "FixedIndexReader.Count",
    "FixedIndexReader.CTime",
    "FixedIndexReader.IndexBytes",
    "FixedIndexReader.ChunkInfo",
    "FixedIndexReader.ChunkFromOffset",
    "FixedIndexReader.IndexDigest",
    "FixedIndexReader.ComputeCsum",
    "FixedIndexWriter",
    "NewFixedIndexWriter",
    "FixedIndexWriter.Set",
    "FixedIndexWriter.Finish",
    // The chunk store.
    "ChunkStore",
    "NewChunkStore",
    "ChunkStore.ChunkPath",
    "ChunkStore.InsertChunk",
    "ChunkStore.LoadChunk",
    "ChunkStore.TouchChunk",
    // Streams.
    "ChunkResult",
    "StoreChunker",
    "NewStoreChunker",
    "StoreChunker.ChunkStream",
    "StoreChunker.ChunkStreamCallback",
    "buzhash.WindowSize",
    "buzhash.Config",
    "buzhash.NewConfig",
    "buzhash.DefaultConfig",
    "buzhash.Hasher",
    "buzhash.NewHasher",
    "buzhash.Hasher.Update",
    "buzhash.Hasher.Sum",
    "buzhash.Hasher.BytesProcessed",
    "buzhash.Hasher.Reset",
    "buzhash.Hasher.InitFromData",
    "buzhash.Chunker",
    "buzhash.NewChunker",
    "buzhash.Chunker.Next",
    "buzhash.Chunker.Reset",
    // Groups and snapshots.
    "BackupType",
    "BackupType.String",
    "ParseBackupType",
    "BackupGroup",
    "ListBackupGroups",
    "BackupGroup.Path",
    "BackupGroup.FullPath",
    "BackupGroup.ListSnapshots",
    "BackupGroup.Destroy",
    "BackupDir",
    "BackupDir.Path",
    "BackupDir.FullPath",
    "BackupDir.Create",
    "BackupDir.Info",
    "BackupInfo",
    "BackupInfo.Protect",
    "BackupInfo.Unprotect",
    // Manifests.
    "FileInfo",
    "Manifest",
    "Manifest.Marshal",
    "UnmarshalManifest",
    "Manifest.VerifyFile",
    // Restoring.
    "ChunkSource",
    "ChunkSource.GetChunk",
    "ChunkStoreSource",
    "NewChunkStoreSource",
    "ChunkStoreSource.GetChunk",
    "Restorer",
    "NewRestorer",
    "Restorer.RestoreFile",
    "Restorer.RestoreRange",
    "Restorer.FileSize",
];

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The tables of items, row by row: item, counterpart, difference.
fn rows(document: &str) -> Vec<[&str; 3]> {
    let tables = document.split("\n## ").skip(1);
    let rows = tables.flat_map(str::lines).filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("not three cells: {row}"))
    })
    .collect()
}

/// The names of the library in a text: of functions, types and macros, and `type.field`.
fn names(text: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| word.starts_with("pxds_") || word.starts_with("PXDS_");
    let words = text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_' || char == '.'));
    words.map(|word| word.trim_matches('.')).filter(is_name).collect()
}

/// The words of the header's code.
fn declared(header: &str) -> BTreeSet<&str> {
    let code = header.split("*/").filter_map(|part| part.split("/*").next());
    code.flat_map(|code| code.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))).collect()
}

#[test]
fn every_item_has_one_row() {
    let document = read("docs/from-go.md");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for [item, counterpart, difference] in rows(&document) {
        assert!(!names(counterpart).is_empty() && !difference.is_empty(), "{item} says nothing");
        *found.entry(item.trim_matches('`').to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> = ITEMS.iter().map(|item| ((*item).to_owned(), 1)).collect();
    assert_eq!(expected.len(), ITEMS.len(), "an item is listed twice above");
    assert_eq!(found, expected);
}

#[test]
fn what_it_names_is_there() {
    let (document, header, symbols) = (read("docs/from-go.md"), read("include/pxds.h"), read("abi/pxds.symbols"));
    let declared = declared(&header);
    let exported: BTreeSet<&str> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
    let is_there = |name: &str| exported.contains(name) || name.split('.').all(|word| declared.contains(word));
    let missing: Vec<_> = names(&document).into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "neither exported nor declared: {missing:?}");
}

#[test]
fn what_is_not_there_is_seen() {
    let header = "/* pxds_comment */ pxds_status pxds_real(void); /** PXDS_TEXT\n */\n#define PXDS_REAL 1\n";
    assert_eq!(names(header).len(), 5);
    for (name, there) in [("pxds_real", true), ("PXDS_REAL", true), ("pxds_comment", false), ("PXDS_TEXT", false)] {
        assert_eq!(declared(header).contains(name), there, "{name}");
    }
    assert_eq!(names("`pxds_a.b`, PXDS_C.").into_iter().collect::<Vec<_>>(), ["PXDS_C", "pxds_a.b"]);
    assert_eq!(
        rows("| `x` | y |\n\n## T\n| Go | C | what |\n|---|---|---|\n| `A` | `b` | c |\n"),
        [["`A`", "`b`", "c"]]
    );
}
