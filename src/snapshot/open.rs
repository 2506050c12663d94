//! Reading a snapshot, and changing what is noted about it (docs/format.md, 7.3, 8.6 and 8.7).

use std::fs::File;
use std::sync::Arc;

use super::{FILE_MODE, TreeLock};
use crate::blob::{Blob, Codec};
use crate::crypt::CryptKey;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::BLOB_HEADER_SIZE;
use crate::hash::sha256;
use crate::index::{Index, IndexKind};
use crate::limits::{BLOB_MAX_ENCODED_SIZE, JSON_MAX_SIZE};
use crate::manifest::{CryptMode, FileInfo, MANIFEST_NAME, Manifest, Signature};
use crate::master::SEALED_KEY_NAME;
use crate::name::{ArchiveKind, Snapshot, check_file};
use crate::store::{NoticeLevel, Store, SyncLevel, Unsynced};
use crate::sys::{self, Dir, LockMode, Stat, c_name};

/// A snapshot that is being read. It is held beside other readers, so that nobody removes it.
pub struct OpenSnapshot {
    store: Store,
    snapshot: Snapshot,
    dir: Dir,
    manifest: Option<Manifest>,
    signature: Option<Signature>,
    key: Option<Arc<CryptKey>>,
    _lock: TreeLock,
}

/// An index of a snapshot.
pub struct Archive {
    /// The index. If the manifest lists it, its csum and size are those of the manifest.
    pub index: Index,
    /// What the manifest says of it; `None` if it does not list it.
    pub listed: Option<FileInfo>,
}

impl OpenSnapshot {
    /// Opens `snapshot`, finished or not. With `key` encrypted blobs can be read, and the manifest's signature is checked.
    ///
    /// Errors: `KeyMismatch` and `Auth` if the manifest is signed with another key, or its signature wrong; `NotFound`;
    /// `Busy`, with the path, while it is made or removed; those of [`Store::load_manifest`].
    pub fn open(store: &Store, snapshot: &Snapshot, key: Option<Arc<CryptKey>>) -> Result<Self> {
        let lock = store.lock_snapshot(snapshot, LockMode::Shared)?;
        let dir = store.open_snapshot(snapshot)?;
        let manifest = read_manifest(store, &dir)?;
        let mut signature = None;
        if let (Some(manifest), Some(key)) = (&manifest, &key) {
            let path = dir.path();
            let verified = manifest.verify(key).map_err(|error| error.context(path.display()).with_path(path))?;
            signature = Some(verified);
        }
        Ok(OpenSnapshot {
            store: store.clone(),
            snapshot: snapshot.clone(),
            dir,
            manifest,
            signature,
            key,
            _lock: lock,
        })
    }

    /// Its name.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its manifest; `None` if it is not finished.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// What the key says of the manifest's signature; `None` without a key or a manifest.
    pub fn signature(&self) -> Option<Signature> {
        self.signature
    }

    /// Its manifest, which it must have.
    ///
    /// Errors: `NotFound` if it is not finished.
    pub fn finished_manifest(&self) -> Result<&Manifest> {
        self.manifest.as_ref().ok_or_else(|| self.store.no_manifest(&self.snapshot))
    }

    /// The index `name`, checked against the manifest. One that is not listed brings a notice.
    ///
    /// Errors: `Argument` if `name` is no index; `NotFound`; `Corrupt` if it is not what the manifest lists; those of
    /// [`Index::open`]; that of the notice.
    pub fn index(&self, name: &str) -> Result<Archive> {
        let kind = match check_file(name)? {
            ArchiveKind::Dynamic => IndexKind::Dynamic,
            ArchiveKind::Fixed => IndexKind::Fixed,
            ArchiveKind::Blob => return Err(Error::new(Kind::Argument, format!("{name} is a blob and no index"))),
        };
        let (file, stat) = self.open_file(name)?;
        let path = self.dir.join(&c_name(name)?);
        let index = Index::read(file, stat.size, &path, Some(kind))?;
        let listed = self.check_listed(name, || (index.compute_csum(), index.size()))?;
        if listed.is_some() && index.check_csum().is_err() {
            let message = format!("{}: the csum in its header is wrong; the manifest vouches for it", path.display());
            self.store.notice(NoticeLevel::Warning, &message, Some(&path))?;
        }
        Ok(Archive { index, listed })
    }

    /// The content of the blob `name`, at most `max_len` bytes, decoded and checked against the manifest. One that is not
    /// listed brings a notice; the manifest itself needs no listing.
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
        decode(&mut Codec::with_key(self.key.clone()), &self.dir, name, &raw, max_len)
    }

    /// The bytes of the file of the blob `name`, unchecked.
    ///
    /// Errors: `NotFound`, `Limit`, `NoMemory`, `Io`.
    pub fn raw_blob(&self, name: &str) -> Result<Vec<u8>> {
        read_blob_file(&self.dir, name, self.open_file(name)?, BLOB_MAX_ENCODED_SIZE)
    }

    /// Refuses an unencrypted blob that the manifest lists as encrypted: somebody may have slipped it in.
    fn check_encrypted(&self, name: &str, raw: &[u8], listed: Option<&FileInfo>) -> Result<()> {
        let must_be = listed.is_some_and(|file| file.crypt_mode == CryptMode::Encrypt) && name != SEALED_KEY_NAME;
        if must_be && Blob::parse(raw).is_ok_and(|blob| !blob.form().encrypted) {
            let path = self.dir.join(&c_name(name)?);
            let message = format!("{} is not encrypted, and the manifest says that it is", path.display());
            return Err(Error::new(Kind::CryptMode, message).with_path(&path));
        }
        Ok(())
    }

    fn open_file(&self, name: &str) -> Result<(File, Stat)> {
        self.dir.open_file(&c_name(name)?)?.ok_or_else(|| {
            let path = format!("{}/{name}", self.snapshot.path());
            self.store.missing("file", &path)
        })
    }

    /// Compares a file with what the manifest says of it; without a word there, says so.
    fn check_listed(&self, name: &str, facts: impl FnOnce() -> (Digest, u64)) -> Result<Option<FileInfo>> {
        let path = self.dir.join(&c_name(name)?);
        let why = match &self.manifest {
            Some(manifest) => match manifest.find(name) {
                Some(listed) => {
                    let (csum, size) = facts();
                    manifest
                        .verify_file(name, &csum, size)
                        .map_err(|error| error.context(path.display()).with_path(&path))?;
                    return Ok(Some(listed.clone()));
                }
                None => "the manifest does not list it, so nothing vouches for it",
            },
            None => "the snapshot is not finished, so nothing vouches for it",
        };
        self.store.notice(NoticeLevel::Warning, &format!("{}: {why}", path.display()), Some(&path))?;
        Ok(None)
    }
}

impl Store {
    /// The manifest of a snapshot, without holding it.
    ///
    /// Errors: `NotFound` if there is no snapshot, or no manifest; `Format`, `Corrupt`, `Limit`, `Io`.
    pub fn load_manifest(&self, snapshot: &Snapshot) -> Result<Manifest> {
        let dir = self.open_snapshot(snapshot)?;
        read_manifest(self, &dir)?.ok_or_else(|| self.no_manifest(snapshot))
    }

    fn no_manifest(&self, snapshot: &Snapshot) -> Error {
        self.missing("manifest", &format!("{}/{MANIFEST_NAME}", snapshot.path()))
    }

    /// Writes the manifest of a snapshot that was made by hand, which finishes it, or replaces it.
    ///
    /// Everything that it lists, the chunks too, is brought to the disk first, by the store's sync level.
    ///
    /// Errors: `Argument` if it is the manifest of another snapshot; `NotFound`; `Busy`, with the path; `Io`.
    pub fn store_manifest(&self, snapshot: &Snapshot, manifest: &Manifest) -> Result<()> {
        let group = snapshot.group();
        if (manifest.kind(), manifest.id(), manifest.time()) != (group.kind(), group.id(), snapshot.time()) {
            let message = format!("the manifest is not that of the snapshot {snapshot}");
            return Err(Error::new(Kind::Argument, message));
        }
        let dir = self.open_snapshot(snapshot)?;
        let _lock = match self.lock_manifest(snapshot) {
            Err(error) if error.kind() == Kind::NotFound => None,
            other => Some(other?),
        };
        self.sync_before_index(&Unsynced::reused())?;
        self.write_manifest(&dir, manifest)
    }

    /// Changes what is noted about a snapshot: the unprotected part of its manifest.
    ///
    /// Errors: those of [`Store::load_manifest`] and of `change`; `Busy`, with the path, after 5 seconds of waiting.
    pub fn update_manifest(&self, snapshot: &Snapshot, change: impl FnOnce(&mut Manifest) -> Result<()>) -> Result<()> {
        let _lock = self.lock_manifest(snapshot)?;
        let mut manifest = self.load_manifest(snapshot)?;
        change(&mut manifest)?;
        self.write_manifest(&self.open_snapshot(snapshot)?, &manifest)
    }

    /// Writes a manifest into the directory of its snapshot.
    pub fn write_manifest(&self, dir: &Dir, manifest: &Manifest) -> Result<()> {
        let blob = Codec::new().encode_vec(&manifest.to_json()?, true)?;
        let sync = self.sync_level() != SyncLevel::None;
        dir.replace_file(&c_name(MANIFEST_NAME)?, &blob, FILE_MODE, self.owner(), sync)
    }
}

fn read_manifest(store: &Store, dir: &Dir) -> Result<Option<Manifest>> {
    let name = c_name(MANIFEST_NAME)?;
    let Some(file) = dir.open_file(&name)? else { return Ok(None) };
    // JSON that does not get smaller is stored as it is.
    let raw = read_blob_file(dir, MANIFEST_NAME, file, JSON_MAX_SIZE + BLOB_HEADER_SIZE)?;
    let text = store.with_codec(|codec| decode(codec, dir, MANIFEST_NAME, &raw, JSON_MAX_SIZE))?;
    let path = dir.join(&name);
    Manifest::parse(&text).map(Some).map_err(|error| error.context(path.display()).with_path(&path))
}

/// The bytes of a blob's file.
fn read_blob_file(dir: &Dir, name: &str, (file, stat): (File, Stat), max_len: usize) -> Result<Vec<u8>> {
    let path = dir.join(&c_name(name)?);
    let describe = |error: Error| error.context(path.display()).with_path(&path);
    let len = usize::try_from(stat.size).ok().filter(|&len| len <= max_len);
    let len =
        len.ok_or_else(|| describe(Error::new(Kind::Limit, format!("{} bytes are more than {max_len}", stat.size))))?;
    let mut raw = Vec::new();
    sys::read_up_to(&file, len, &mut raw).map_err(describe)?;
    Ok(raw)
}

fn decode(codec: &mut Codec, dir: &Dir, name: &str, raw: &[u8], max_len: usize) -> Result<Vec<u8>> {
    let path = dir.join(&c_name(name)?);
    let decoded = Blob::load(raw).and_then(|blob| codec.decode_vec(blob, None, max_len));
    decoded.map_err(|error| error.context(path.display()).with_path(&path))
}
