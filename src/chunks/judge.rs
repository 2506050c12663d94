//! What an insert does about the file that has the chunk's name: the table of docs/format.md, 5.4, on plain values.

use crate::error::Kind;
use crate::format::{BLOB_HEADER_SIZE, BlobForm};

/// The file that has the chunk's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// It is a regular file.
    pub is_file: bool,
    /// Its length.
    pub size: u64,
}

/// The chunk that is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct New {
    /// Its length.
    pub size: u64,
    /// Its form; `None` for bytes that are no blob.
    pub form: Option<BlobForm>,
}

/// What the insert has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The old one stays, and is touched.
    Keep,
    /// The new one takes its place; a blob only if its CRC is right.
    Replace,
    /// The old one is too short to be a chunk, as a crash leaves it, and counts as missing.
    Ignore,
    /// Both cannot be right, or nothing can be stored under this name.
    Refuse(Kind, &'static str),
}

/// The table; `form` is what the magic of the old one announces: `None` for any other bytes, or if it has vanished.
pub fn judge(old: Old, form: Option<BlobForm>, new: New) -> Verdict {
    judge_by_size(old, new).unwrap_or_else(|| judge_by_form(old, form, new))
}

/// The verdict where the magic of the old file does not matter; `None` if it must be read first.
pub fn judge_by_size(old: Old, new: New) -> Option<Verdict> {
    let is_encrypted = new.form.is_some_and(|form| form.encrypted);
    if !old.is_file {
        Some(Verdict::Refuse(Kind::Exists, "it is not a regular file"))
    } else if old.size < BLOB_HEADER_SIZE as u64 {
        Some(Verdict::Ignore)
    } else if old.size == new.size || (!is_encrypted && old.size < new.size) {
        Some(Verdict::Keep)
    } else {
        None
    }
}

fn judge_by_form(old: Old, form: Option<BlobForm>, new: New) -> Verdict {
    match (new.form, form) {
        (Some(new), Some(old)) if new.encrypted && !old.encrypted => {
            Verdict::Refuse(Kind::CryptMode, "an encrypted blob cannot replace an unencrypted chunk")
        }
        // Too short for what its magic says.
        (Some(new), Some(form)) if new.encrypted && old.size < form.header_size() as u64 => Verdict::Ignore,
        (Some(new), Some(old)) if new.encrypted && !new.compressed && !old.compressed => {
            Verdict::Refuse(Kind::Corrupt, "two encrypted blobs of one chunk cannot differ in length")
        }
        (Some(new), _) if new.encrypted => Verdict::Keep,
        (_, Some(old)) if old.encrypted => {
            Verdict::Refuse(Kind::CryptMode, "an unencrypted blob cannot replace an encrypted chunk")
        }
        // Bytes that are no blob never replace one.
        (None, Some(_)) => Verdict::Keep,
        // Smaller wins.
        (Some(_), _) | (None, None) => Verdict::Replace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Option<BlobForm> = form(false, false);
    const COMPRESSED: Option<BlobForm> = form(true, false);
    const SEALED: Option<BlobForm> = form(false, true);
    const SEALED_COMPRESSED: Option<BlobForm> = form(true, true);
    const NO_BLOB: Option<BlobForm> = None;

    const fn form(compressed: bool, encrypted: bool) -> Option<BlobForm> {
        Some(BlobForm { compressed, encrypted })
    }

    /// The verdict, and whether the magic decides it.
    fn decide(old: (u64, Option<BlobForm>), new: (u64, Option<BlobForm>)) -> (Verdict, bool) {
        let (old, form, new) = (Old { is_file: true, size: old.0 }, old.1, New { size: new.0, form: new.1 });
        let verdict = judge(old, form, new);
        let by_size = judge_by_size(old, new);
        assert!(by_size.is_none_or(|by_size| by_size == verdict));
        (verdict, by_size.is_none())
    }

    const FORMS: [Option<BlobForm>; 5] = [PLAIN, COMPRESSED, SEALED, SEALED_COMPRESSED, NO_BLOB];

    #[test]
    fn rows_that_need_no_magic() {
        for (old, new) in FORMS.iter().flat_map(|old| FORMS.iter().map(move |new| (*old, *new))) {
            for size in [0, 1, 11] {
                assert_eq!(decide((size, old), (100, new)), (Verdict::Ignore, false));
            }
            for size in [12, 44, 100] {
                assert_eq!(decide((size, old), (size, new)), (Verdict::Keep, false));
            }
            if new.is_none_or(|new| !new.encrypted) {
                assert_eq!(decide((99, old), (100, new)), (Verdict::Keep, false));
            }
            let refused = judge_by_size(Old { is_file: false, size: 100 }, New { size: 100, form: new });
            assert!(matches!(refused, Some(Verdict::Refuse(Kind::Exists, _))));
        }
    }

    #[test]
    fn rows_that_need_the_magic() {
        let [crypt_mode, corrupt] = [Err(Kind::CryptMode), Err(Kind::Corrupt)];
        let [keep, replace, ignore] = [Verdict::Keep, Verdict::Replace, Verdict::Ignore].map(Ok);
        for (old, new, expected) in [
            // An encrypted one, shorter or longer.
            ((99, PLAIN), (100, SEALED), crypt_mode),
            ((101, PLAIN), (100, SEALED), crypt_mode),
            ((99, COMPRESSED), (100, SEALED_COMPRESSED), crypt_mode),
            ((99, SEALED), (100, SEALED), corrupt),
            ((101, SEALED), (100, SEALED), corrupt),
            ((99, SEALED), (100, SEALED_COMPRESSED), keep),
            ((101, SEALED), (100, SEALED_COMPRESSED), keep),
            ((99, SEALED_COMPRESSED), (100, SEALED), keep),
            ((101, SEALED_COMPRESSED), (100, SEALED_COMPRESSED), keep),
            ((99, NO_BLOB), (100, SEALED), keep),
            ((101, NO_BLOB), (100, SEALED_COMPRESSED), keep),
            // Too short for its own magic.
            ((43, SEALED), (100, SEALED), ignore),
            ((43, SEALED_COMPRESSED), (100, SEALED_COMPRESSED), ignore),
            ((44, SEALED), (100, SEALED), corrupt),
            // A shorter one that is not encrypted.
            ((101, SEALED), (100, PLAIN), crypt_mode),
            ((101, SEALED_COMPRESSED), (100, COMPRESSED), crypt_mode),
            ((101, SEALED), (100, NO_BLOB), crypt_mode),
            ((101, PLAIN), (100, COMPRESSED), replace),
            ((101, COMPRESSED), (100, PLAIN), replace),
            ((101, NO_BLOB), (100, PLAIN), replace),
            ((101, NO_BLOB), (100, NO_BLOB), replace),
            ((101, PLAIN), (100, NO_BLOB), keep),
            ((101, COMPRESSED), (100, NO_BLOB), keep),
        ] {
            let (verdict, by_magic) = decide(old, new);
            let verdict = if let Verdict::Refuse(kind, _) = verdict { Err(kind) } else { Ok(verdict) };
            assert_eq!((verdict, by_magic), (expected, true), "{old:?} <- {new:?}");
        }
    }
}
