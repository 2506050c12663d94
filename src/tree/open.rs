//! Reading a snapshot, and changing what is noted about it (docs/format.md, 7.3, 8.6 and 8.7).

use std::fs::File;
use std::sync::Arc;

use super::Tree;
use super::{FILE_MODE, TreeLock};
use crate::base::{NoticeLevel, SyncLevel};
use crate::blob::{Blob, Codec};
use crate::crypt::CryptKey;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::BLOB_HEADER_SIZE;
use crate::hash::sha256;
use crate::index::Index;
use crate::limits::{BLOB_MAX_ENCODED_SIZE, JSON_MAX_SIZE};
use crate::manifest::{CryptMode, FileInfo, MANIFEST_NAME, Manifest, Signature};
use crate::master::SEALED_KEY_NAME;
use crate::name::{ArchiveKind, Snapshot, check_file};
use crate::sys::{self, Dir, LockMode, Stat, c_name};

/// A snapshot that is being read. A shared lock keeps it from being removed.
pub struct OpenSnapshot {
    tree: Tree,
    snapshot: Snapshot,
    dir: Dir,
    manifest: Option<Manifest>,
    /// The manifest cannot be used, and counts as missing.
    is_damaged: bool,
    signature: Option<Signature>,
    options: OpenOptions,
    _lock: TreeLock,
}

/// An index of a snapshot.
pub struct Archive {
    /// The index. If the manifest lists it, its csum and size are those of the manifest.
    pub index: Index,
    /// Its entry in the manifest; `None` if it is not listed.
    pub listed: Option<FileInfo>,
}

/// How a snapshot is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The key for encrypted blobs, and for the signature that the manifest must have.
    pub key: Option<Arc<CryptKey>>,
    /// With a key: give also data that no signature covers. A wrong signature, one of another key, or the signed
    /// manifest of another snapshot is refused all the same.
    pub allow_unsigned: bool,
    /// A manifest that cannot be read counts as none, and a file that is not what it lists as not listed, each with a
    /// notice. With a key this needs `allow_unsigned` too, since nothing vouches for the data.
    pub salvage: bool,
}

impl OpenOptions {
    /// Whether files need only be there, and are not checked.
    fn takes_what_is_there(&self) -> bool {
        self.key.is_none() || self.allow_unsigned
    }
}

impl OpenSnapshot {
    /// As [`OpenSnapshot::open_with`], with nothing but a key, if one is given.
    pub fn open(tree: &Tree, snapshot: &Snapshot, key: Option<Arc<CryptKey>>) -> Result<Self> {
        Self::open_with(tree, snapshot, OpenOptions { key, ..OpenOptions::default() })
    }

    /// Opens `snapshot`, finished or not. Without a key a manifest that is another snapshot's brings a notice.
    ///
    /// Errors: with a key `KeyMismatch` if the manifest is signed with another, `Auth` if its signature is wrong or
    /// missing, or if it is the manifest of another snapshot; `NotFound`; `Busy`, with the path, while it is made or
    /// removed; those of [`Tree::load_manifest`]; that of the notice.
    pub fn open_with(tree: &Tree, snapshot: &Snapshot, options: OpenOptions) -> Result<Self> {
        let lock = tree.lock_snapshot(snapshot, LockMode::Shared)?;
        let dir = tree.open_snapshot(snapshot)?;
        let read = read_manifest(tree, &dir);
        let is_damaged = options.salvage && read.as_ref().is_err_and(is_damage);
        let manifest = match read {
            Err(error) if is_damaged => {
                let message = format!("the manifest counts as none: {}", error.message());
                tree.base().notice(NoticeLevel::Warning, &message, error.path()).map(|()| None)?
            }
            manifest => manifest?,
        };
        let mut open = OpenSnapshot {
            tree: tree.clone(),
            snapshot: snapshot.clone(),
            dir,
            manifest,
            is_damaged,
            signature: None,
            options,
            _lock: lock,
        };
        open.signature = open.vouch(open.manifest.as_ref())?;
        Ok(open)
    }

    /// Checks a manifest of this snapshot with the key.
    fn vouch(&self, manifest: Option<&Manifest>) -> Result<Option<Signature>> {
        let Some(key) = &self.options.key else {
            return match manifest.filter(|manifest| !manifest.is_of(&self.snapshot)) {
                Some(manifest) => self.notice_other_name(manifest).map(|()| None),
                None => Ok(None),
            };
        };
        let path = self.dir.path();
        let describe = |error: Error| error.of(path);
        let Some(manifest) = manifest else {
            return if self.options.allow_unsigned {
                Ok(None)
            } else {
                Err(describe(unsigned("there is no manifest")))
            };
        };
        let signature = manifest.verify(key).map_err(describe)?;
        if signature == Signature::Missing && !self.options.allow_unsigned {
            return Err(describe(unsigned("the manifest is not signed")));
        }
        manifest.check_place(&self.snapshot).map_err(describe)?;
        Ok(Some(signature))
    }

    fn notice_other_name(&self, manifest: &Manifest) -> Result<()> {
        let path = self.dir.path();
        let message = format!("{}: its manifest is that of {}", path.display(), manifest.own_name());
        self.tree.base().notice(NoticeLevel::Warning, &message, Some(path))
    }

    /// The key that it was opened with.
    pub fn key(&self) -> Option<Arc<CryptKey>> {
        self.options.key.clone()
    }

    /// Its name.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its manifest; `None` if it is not finished.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The result of checking the manifest's signature; `None` without a key or a manifest.
    pub fn signature(&self) -> Option<Signature> {
        self.signature
    }

    /// Its manifest, which it must have.
    ///
    /// Errors: `NotFound` if it is not finished.
    pub fn finished_manifest(&self) -> Result<&Manifest> {
        self.manifest.as_ref().ok_or_else(|| self.tree.no_manifest(&self.snapshot))
    }

    /// The index `name`, checked against the manifest. One that is not listed brings a notice.
    ///
    /// Errors: `Argument` if `name` is no index; `NotFound`; `Corrupt` if it is not what the manifest lists; those of
    /// [`Index::open`]; that of the notice.
    pub fn index(&self, name: &str) -> Result<Archive> {
        let Some(kind) = check_file(name)?.index() else {
            return Err(Error::new(Kind::Argument, format!("{name} is a blob and no index")));
        };
        let (file, stat) = self.open_file(name)?;
        let path = self.dir.join(&c_name(name)?);
        let index = Index::read(file, stat.size, &path, Some(kind))?;
        let listed = self.check_listed(name, || (index.compute_csum(), index.size()))?;
        if listed.is_some() && index.check_csum().is_err() {
            let message = format!("{}: the csum in its header is wrong; the manifest vouches for it", path.display());
            self.tree.base().notice(NoticeLevel::Warning, &message, Some(&path))?;
        }
        let terms = listed.as_ref().map(FileInfo::terms).unwrap_or_default();
        Ok(Archive { index: index.with_terms(terms), listed })
    }

    /// The content of the blob `name`, at most `max_len` bytes, decoded and checked against the manifest. One that is
    /// not listed brings a notice; the manifest itself needs no listing.
    ///
    /// Errors: `Argument` if `name` is no blob; `NotFound`; `Corrupt` if it is not what the manifest lists, or damaged;
    /// `Format`, `Key`, `Auth`, `Limit`, `NoMemory`; that of the notice.
    pub fn blob(&self, name: &str, max_len: usize) -> Result<Vec<u8>> {
        if check_file(name)? != ArchiveKind::Blob {
            return Err(Error::new(Kind::Argument, format!("{name} is an index and no blob")));
        }
        let raw = self.raw_blob(name)?;
        if name != MANIFEST_NAME {
            let listed = self.check_listed(name, || (sha256(&raw), raw.len() as u64))?;
            self.check_encrypted(name, &raw, listed.as_ref())?;
        }
        let data = decode(&mut Codec::with_key(self.options.key.clone()), &self.dir, name, &raw, max_len)?;
        if name == MANIFEST_NAME && !self.options.takes_what_is_there() {
            // The file may have been replaced since the snapshot was opened.
            self.vouch(Some(&Manifest::parse(&data)?))?;
        }
        Ok(data)
    }

    /// The bytes of the file of the blob `name`, unchecked.
    ///
    /// Errors: `NotFound`, `Limit`, `NoMemory`, `Io`.
    pub fn raw_blob(&self, name: &str) -> Result<Vec<u8>> {
        read_blob_file(&self.dir, name, self.open_file(name)?, BLOB_MAX_ENCODED_SIZE)
    }

    /// Refuses an unencrypted blob that the manifest lists as encrypted: it may have been slipped in.
    fn check_encrypted(&self, name: &str, raw: &[u8], listed: Option<&FileInfo>) -> Result<()> {
        let must_be = listed.is_some_and(|file| file.crypt_mode == CryptMode::Encrypt) && name != SEALED_KEY_NAME;
        if must_be && Blob::parse(raw).is_ok_and(|blob| !blob.form().encrypted) {
            let path = self.dir.join(&c_name(name)?);
            return Err(Error::at(Kind::CryptMode, &path, "is not encrypted, and the manifest says that it is"));
        }
        Ok(())
    }

    fn open_file(&self, name: &str) -> Result<(File, Stat)> {
        self.dir.open_file(&c_name(name)?)?.ok_or_else(|| {
            let path = format!("{}/{name}", self.snapshot.path());
            self.tree.missing("file", &path)
        })
    }

    /// Compares a file with its entry in the manifest; a missing entry brings a notice.
    ///
    /// Errors: `Corrupt` if they differ; `Auth` if a key is given and nothing vouches for the file; that of the notice.
    fn check_listed(&self, name: &str, facts: impl FnOnce() -> (Digest, u64)) -> Result<Option<FileInfo>> {
        let path = self.dir.join(&c_name(name)?);
        let describe = |error: Error| error.of(&path);
        let listed = self.manifest.as_ref().map(|manifest| (manifest, manifest.find(name)));
        let why = match listed {
            Some((manifest, Some(listed))) => {
                let (csum, size) = facts();
                match manifest.verify_file(name, &csum, size) {
                    Ok(()) => return Ok(Some(listed.clone())),
                    Err(error) if self.options.salvage && self.options.takes_what_is_there() => {
                        format!("{}; it is used all the same", error.message())
                    }
                    Err(error) => return Err(describe(error)),
                }
            }
            Some((_, None)) => "the manifest does not list it, so nothing vouches for it".to_owned(),
            None if self.is_damaged => "the manifest is damaged, so nothing vouches for it".to_owned(),
            None => "the snapshot is not finished, so nothing vouches for it".to_owned(),
        };
        if !self.options.takes_what_is_there() {
            return Err(describe(unsigned(&why)));
        }
        self.tree.base().notice(NoticeLevel::Warning, &format!("{}: {why}", path.display()), Some(&path)).map(|()| None)
    }
}

/// Whether `error`, of reading a manifest, is about its content, and not about the reader.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Format | Kind::Corrupt | Kind::Limit | Kind::Key) || error.is_of_the_device()
}

/// Why a key cannot vouch.
fn unsigned(why: &str) -> Error {
    Error::new(Kind::Auth, format!("{why}, and a key is given, which is to vouch for what is read"))
}

impl Tree {
    /// The manifest of a snapshot, without holding it.
    ///
    /// Errors: `NotFound` if there is no snapshot, or no manifest; `Format`, `Corrupt`, `Limit`, `Io`.
    pub fn load_manifest(&self, snapshot: &Snapshot) -> Result<Manifest> {
        let dir = self.open_snapshot(snapshot)?;
        read_manifest(self, &dir)?.ok_or_else(|| self.no_manifest(snapshot))
    }

    /// The error of a snapshot that is not finished.
    pub fn no_manifest(&self, snapshot: &Snapshot) -> Error {
        self.missing("manifest", &format!("{}/{MANIFEST_NAME}", snapshot.path()))
    }

    /// Writes the manifest of a snapshot that was made by hand, which finishes it, or replaces it.
    ///
    /// The files that it lists, and their chunks, are brought to the disk first, by `sync`.
    ///
    /// Errors: `Argument` if it is the manifest of another snapshot; `NotFound`; `Busy`, with the path; `Io`.
    pub fn store_manifest(
        &self,
        snapshot: &Snapshot,
        manifest: &Manifest,
        sync: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if !manifest.is_of(snapshot) {
            let message = format!("the manifest is not that of the snapshot {snapshot}");
            return Err(Error::new(Kind::Argument, message));
        }
        let dir = self.open_snapshot(snapshot)?;
        let _lock = match self.lock_manifest(snapshot) {
            Err(error) if error.kind() == Kind::NotFound => None,
            other => Some(other?),
        };
        sync()?;
        self.write_manifest(&dir, manifest)
    }

    /// Changes what is noted about a snapshot: the unprotected part of its manifest.
    ///
    /// Errors: those of [`Tree::load_manifest`] and of `change`; `Busy`, with the path; see [`Tree::lock_manifest`].
    pub fn update_manifest(&self, snapshot: &Snapshot, change: impl FnOnce(&mut Manifest) -> Result<()>) -> Result<()> {
        let _lock = self.lock_manifest(snapshot)?;
        let mut manifest = self.load_manifest(snapshot)?;
        change(&mut manifest)?;
        self.write_manifest(&self.open_snapshot(snapshot)?, &manifest)
    }

    /// Writes a manifest into the directory of its snapshot.
    pub fn write_manifest(&self, dir: &Dir, manifest: &Manifest) -> Result<()> {
        let blob = Codec::new().encode_vec(&manifest.to_json()?, true)?;
        let sync = self.base().sync_level() != SyncLevel::None;
        dir.replace_file(&c_name(MANIFEST_NAME)?, &blob, FILE_MODE, self.base().owner(), sync)
    }
}

fn read_manifest(tree: &Tree, dir: &Dir) -> Result<Option<Manifest>> {
    read_manifest_file(dir)?.map(|raw| read_manifest_of(tree, dir, &raw)).transpose()
}

/// The bytes of the file of the manifest in `dir`.
pub(super) fn read_manifest_file(dir: &Dir) -> Result<Option<Vec<u8>>> {
    let Some(file) = dir.open_file(&c_name(MANIFEST_NAME)?)? else { return Ok(None) };
    // JSON that does not get smaller is stored as it is.
    read_blob_file(dir, MANIFEST_NAME, file, JSON_MAX_SIZE + BLOB_HEADER_SIZE).map(Some)
}

/// The manifest in `dir`, of the bytes of its file.
pub(super) fn read_manifest_of(tree: &Tree, dir: &Dir, raw: &[u8]) -> Result<Manifest> {
    let text = tree.with_codec(|codec| decode(codec, dir, MANIFEST_NAME, raw, JSON_MAX_SIZE))?;
    let path = dir.join(&c_name(MANIFEST_NAME)?);
    Manifest::parse(&text).map_err(|error| error.of(&path))
}

/// The bytes of a blob's file.
fn read_blob_file(dir: &Dir, name: &str, (file, stat): (File, Stat), max_len: usize) -> Result<Vec<u8>> {
    let path = dir.join(&c_name(name)?);
    sys::read_bounded(&file, stat.size, max_len).map_err(|error| error.of(&path))
}

fn decode(codec: &mut Codec, dir: &Dir, name: &str, raw: &[u8], max_len: usize) -> Result<Vec<u8>> {
    let path = dir.join(&c_name(name)?);
    let decoded = codec.load(raw).and_then(|blob| codec.decode_vec(blob, None, max_len));
    decoded.map_err(|error| error.of(&path))
}
