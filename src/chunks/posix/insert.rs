//! Inserting a chunk (docs/format.md, 5.4).

use std::io::Read;
use std::sync::atomic::Ordering;

use super::layout::ChunkName;
use super::{CHUNK_DIR_MODE, Chunks};
use crate::base::{NoticeLevel, SyncLevel};
use crate::blob::{Blob, Codec, update_crc};
use crate::chunks::judge::{New, Old, Verdict, judge, judge_by_size};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::format::{BLOB_HEADER_SIZE, BlobForm};
use crate::limits::BLOB_MAX_ENCODED_SIZE;
use crate::sys::{Dir, FileKind, Stat, TempFile};

/// Mode of a chunk's file, whatever the umask.
pub(super) const CHUNK_MODE: u32 = 0o644;

/// How a chunk is inserted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InsertOptions {
    /// Take any bytes, not only a blob, if they are long enough to count as a chunk.
    pub raw: bool,
}

/// The result of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserted {
    /// The chunk was there and stays; it has been touched.
    pub existed: bool,
    /// Length of the chunk's file now.
    pub stored_size: u64,
}

/// When the names of a chunk and of its directory are brought to the disk, at [`SyncLevel::File`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Before the insert returns.
    Synced,
    /// Before an index that needs them: see [`Chunks::insert_for_index`].
    Later,
}

/// A file of so many bytes had the chunk's name and was too short to be one; it has been replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover(u64);

impl Chunks {
    /// Stores the encoded `blob` as chunk `digest`, or touches the chunk that is there.
    ///
    /// Whether the digest is that of the data is not checked; see [`Chunks::insert_verified`].
    ///
    /// Errors: `Format` if `blob` is no blob, or too short for one; `Limit` if it is too long; `Exists` if something
    /// that is not a file has the name; `CryptMode` and `Corrupt` if the chunk that is there and `blob` cannot both be
    /// valid; `Io`.
    pub fn insert(&self, digest: &Digest, blob: &[u8], options: InsertOptions) -> Result<Inserted> {
        check_len(digest, blob)?;
        let form = match Blob::parse(blob) {
            Ok(blob) => Some(blob.form()),
            Err(_) if options.raw && is_long_enough(blob) => None,
            Err(error) => return Err(error.with_digest(digest)),
        };
        let (inserted, leftover) =
            self.under_stripe(digest, || self.insert_locked(digest, blob, form, Names::Synced))?;
        self.notice_leftover(digest, leftover)?;
        Ok(inserted)
    }

    /// As [`Chunks::insert`], and leaves two things to the caller. The chunk's name is on the disk only after
    /// [`Chunks::sync_before_index`], with the chunk in its [`Unsynced`](super::Unsynced). And the caller tells of a
    /// leftover, by [`Chunks::notice_leftover`], on another thread perhaps.
    pub fn insert_for_index(&self, digest: &Digest, blob: &[u8]) -> Result<(Inserted, Option<Leftover>)> {
        check_len(digest, blob)?;
        let form = Blob::parse(blob).map_err(|error| error.with_digest(digest))?.form();
        self.under_stripe(digest, || self.insert_locked(digest, blob, Some(form), Names::Later))
    }

    /// Checks that the encoded `blob` holds the `size` bytes that `digest` names, as far as that can be told without a
    /// key, and stores it with a right CRC. A chunk that is there but does not load is replaced.
    ///
    /// Errors: as [`Chunks::insert`], and `Corrupt` if the check fails.
    pub fn insert_verified(&self, codec: &mut Codec, digest: &Digest, size: u64, blob: &[u8]) -> Result<Inserted> {
        check_len(digest, blob)?;
        let parsed = Blob::parse(blob).map_err(|error| error.with_digest(digest))?;
        codec.verify_unencrypted(parsed, size, digest).map_err(|error| error.with_digest(digest))?;
        let mended;
        let blob = if parsed.check_crc().is_ok() {
            blob
        } else {
            let mut copy = Vec::new();
            reserve(&mut copy, blob.len())?;
            copy.extend_from_slice(blob);
            update_crc(&mut copy)?;
            mended = copy;
            &mended
        };
        let (inserted, leftover) = self.under_stripe(digest, || {
            if self.is_damaged(digest)? {
                Ok((self.write_chunk(digest, blob, Names::Synced)?, None))
            } else {
                self.insert_locked(digest, blob, Some(parsed.form()), Names::Synced)
            }
        })?;
        self.notice_leftover(digest, leftover)?;
        Ok(inserted)
    }

    /// Runs `insert` while no other thread of this store changes the chunk.
    fn under_stripe<T>(&self, digest: &Digest, insert: impl FnOnce() -> Result<T>) -> Result<T> {
        self.base().check_writable()?;
        let _one_at_a_time = self.stripe(digest);
        insert().map_err(|error| error.with_digest(digest))
    }

    /// Says what an insert has replaced, if it has. The notice's callback may use the store.
    pub fn notice_leftover(&self, digest: &Digest, leftover: Option<Leftover>) -> Result<()> {
        let Some(Leftover(size)) = leftover else { return Ok(()) };
        let path = self.chunk_path(digest);
        let message = format!("{}: its {size} bytes were no blob but what a crash has left; replaced", path.display());
        self.base().notice(NoticeLevel::Warning, &message, Some(&path))
    }

    /// Whether the chunk's file is there, long enough to be one, and cannot be loaded.
    fn is_damaged(&self, digest: &Digest) -> Result<bool> {
        if self.find(digest)?.is_none() {
            return Ok(false);
        }
        match self.load(digest, BLOB_MAX_ENCODED_SIZE, &mut Vec::new()) {
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                Kind::Corrupt | Kind::Format | Kind::Limit => Ok(true),
                Kind::Io if error.is_of_the_device() => Ok(true),
                Kind::NotFound => Ok(false),
                _ => Err(error),
            },
        }
    }

    fn insert_locked(
        &self,
        digest: &Digest,
        blob: &[u8],
        form: Option<BlobForm>,
        names: Names,
    ) -> Result<(Inserted, Option<Leftover>)> {
        let mut leftover = None;
        for layout in self.layouts() {
            let name = ChunkName::new(layout, digest);
            let chunks = self.chunk_dir_for(&name)?;
            let Some(stat) = chunks.lstat(name.as_c_str())? else { continue };
            match self.judge(&name, &stat, New { size: blob.len() as u64, form })? {
                // It may have been removed meanwhile.
                Verdict::Keep if chunks.touch(name.as_c_str())? => {
                    return Ok((Inserted { existed: true, stored_size: stat.size }, leftover));
                }
                Verdict::Keep => {}
                Verdict::Replace => {
                    if form.is_some() {
                        // A damaged blob must not replace the old one.
                        Blob::load(blob)?;
                    }
                    break;
                }
                Verdict::Refuse(kind, why) => return Err(Error::new(kind, why).of(&self.path_of(&name))),
                Verdict::Ignore => leftover = Some(Leftover(stat.size)),
            }
        }
        Ok((self.write_chunk(digest, blob, names)?, leftover))
    }

    /// The verdict on a file that is there. Its magic is read where the verdict depends on it.
    fn judge(&self, name: &ChunkName, stat: &Stat, new: New) -> Result<Verdict> {
        let old = Old { is_file: stat.kind == FileKind::File, size: stat.size };
        match judge_by_size(old, new) {
            Some(verdict) => Ok(verdict),
            None => Ok(judge(old, self.form_of(name)?, new)),
        }
    }

    /// The form that the magic of the stored chunk `digest` announces; `None` if there is no chunk, or one without a
    /// magic.
    pub fn stored_form(&self, digest: &Digest) -> Result<Option<BlobForm>> {
        match self.find(digest)? {
            Some((name, _)) => self.form_of(&name),
            None => Ok(None),
        }
    }

    /// The form that the magic of a stored chunk announces, `None` for an unknown magic or a vanished file.
    fn form_of(&self, name: &ChunkName) -> Result<Option<BlobForm>> {
        let Some((mut file, _)) = self.chunk_dir_for(name)?.open_file(name.as_c_str())? else { return Ok(None) };
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(|source| Error::io("read", &self.path_of(name), &source))?;
        Ok(BlobForm::from_magic(&magic))
    }

    /// Writes the chunk's file, replacing what is there.
    fn write_chunk(&self, digest: &Digest, blob: &[u8], names: Names) -> Result<Inserted> {
        let name = ChunkName::new(self.0.layout, digest);
        let dir = self.open_its_dir(&name, names)?;
        let mut file = TempFile::create(&dir, name.in_dir(), 0o600)?;
        file.set_owner_and_mode(self.base().owner(), CHUNK_MODE)?;
        file.write(blob)?;
        match (self.base().sync_level(), names) {
            (SyncLevel::None | SyncLevel::Filesystem, _) => file.commit(false)?,
            (SyncLevel::File, Names::Later) => {
                file.sync()?;
                file.commit(false)?;
            }
            (SyncLevel::File, Names::Synced) => {
                file.commit(true)?;
                self.sync_new_dirs()?;
            }
        }
        Ok(Inserted { existed: false, stored_size: blob.len() as u64 })
    }

    /// Opens the directory that the chunk's file belongs into, after making it if it is missing. New files are made in
    /// the directory that was opened, even if its name has changed meanwhile.
    fn open_its_dir(&self, name: &ChunkName, names: Names) -> Result<Dir> {
        let (chunks, (layout, number)) = (self.dir(), name.dir());
        let dir_name = layout.dir_name(number);
        if let Some(dir) = chunks.open_dir_for_names(dir_name.as_c_str())? {
            return Ok(dir);
        }
        if names == Names::Later {
            // Set before the directory is there, since another thread may use it at once.
            self.0.unsynced_dir.store(true, Ordering::SeqCst);
        }
        let made = chunks.make_dir(dir_name.as_c_str(), CHUNK_DIR_MODE, self.base().owner())?;
        if made && names == Names::Synced && self.base().sync_level() == SyncLevel::File {
            chunks.sync()?;
        }
        chunks
            .open_dir_for_names(dir_name.as_c_str())?
            .ok_or_else(|| Error::at(Kind::NotFound, &chunks.join(dir_name.as_c_str()), "has vanished"))
    }
}

/// Whether a file of these bytes, which need not be a blob, counts as a chunk. A crash leaves shorter ones, which
/// [`Chunks::has`] takes for missing.
fn is_long_enough(raw: &[u8]) -> bool {
    let header_size = raw.get(..8).and_then(BlobForm::from_magic).map_or(BLOB_HEADER_SIZE, BlobForm::header_size);
    raw.len() >= header_size
}

/// Longer than any blob, and nothing could load it again.
fn check_len(digest: &Digest, blob: &[u8]) -> Result<()> {
    if blob.len() > BLOB_MAX_ENCODED_SIZE {
        let message = format!("{} bytes are more than the {BLOB_MAX_ENCODED_SIZE} of an encoded blob", blob.len());
        return Err(Error::new(Kind::Limit, message).with_digest(digest));
    }
    Ok(())
}
