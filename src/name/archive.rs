//! Names of archives, and of the files that a snapshot is listed with.

use super::{NAME_MAX, check_component};
use crate::error::{Result, refuse};
use crate::format::IndexKind;

/// The kind of an archive, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A dynamic index, `.didx`.
    Dynamic,
    /// A fixed index, `.fidx`.
    Fixed,
    /// A blob, `.blob`.
    Blob,
}

impl ArchiveKind {
    /// The kind of the archive `name`.
    ///
    /// Errors: `Argument` for any other extension.
    pub fn of(name: &str) -> Result<Self> {
        Self::of_bytes(name.as_bytes())
            .ok_or_else(|| refuse("archive name", name, "it must end in .didx, .fidx or .blob"))
    }

    /// The kind of the archive `name`, which need not be UTF-8; `None` for any other extension.
    pub fn of_bytes(name: &[u8]) -> Option<Self> {
        let dot = name.iter().rposition(|&byte| byte == b'.')?;
        match &name[dot..] {
            b".didx" => Some(ArchiveKind::Dynamic),
            b".fidx" => Some(ArchiveKind::Fixed),
            b".blob" => Some(ArchiveKind::Blob),
            _ => None,
        }
    }

    /// Which kind of index it is; `None` for a blob.
    pub fn index(self) -> Option<IndexKind> {
        match self {
            ArchiveKind::Dynamic => Some(IndexKind::Dynamic),
            ArchiveKind::Fixed => Some(IndexKind::Fixed),
            ArchiveKind::Blob => None,
        }
    }
}

/// The kind of index that a file of this name must be; `None` if it need not be one.
pub fn index_kind(name: &[u8]) -> Option<IndexKind> {
    ArchiveKind::of_bytes(name)?.index()
}

/// Checks the name of an archive that is to be written or read, and gives its kind.
///
/// Errors: `Argument`.
pub fn check_archive(name: &str) -> Result<ArchiveKind> {
    check_component("archive name", name)?;
    ArchiveKind::of(name)
}

/// Checks the name of a file of a snapshot that is to be read, and gives its kind: what a listing shows can be read,
/// also if it could not be written.
///
/// Errors: `Argument`.
pub fn check_file(name: &str) -> Result<ArchiveKind> {
    let kind = ArchiveKind::of(name)?;
    if name.len() > NAME_MAX || name.contains(['/', '\0', '\n']) {
        return Err(refuse("archive name", name, "it must be the name of a file"));
    }
    Ok(kind)
}

/// Whether a file of a snapshot's directory is one of its archives: any name that ends in one of the extensions and has
/// no line break before it.
pub fn is_archive_file(name: &str) -> bool {
    ArchiveKind::of(name).is_ok() && !name.contains('\n')
}
