//! Reading and checking chunks, on several threads.
//!
//! One thread at a time reads, a few chunks ahead; the others check what has been read. A chunk that is not found good
//! at once is read again, on the thread that has it, and checked more slowly.

use std::mem;
use std::ops::Range;
use std::slice::Iter;
use std::sync::Arc;

use super::ends_all;
use super::known::GoodChunk;
use crate::blob::{Blob, Codec};
use crate::chunks::{ChunkVersion, DiskOrder};
use crate::crew::{self, Pause, Taken};
use crate::crypt::{CryptKey, digest_all};
use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Kind, Result, push, reserve};
use crate::format::BlobForm;
use crate::limits::{BLOB_MAX_ENCODED_SIZE, BLOB_MAX_SIZE, blob_len};
use crate::source::is_bad;
use crate::store::Store;
use crate::sys;

/// Bytes of a batch, plain or encoded: one more chunk is read as long as there are fewer.
const BATCH_SIZE: u64 = 24 << 20;

/// Chunks of a batch, at most.
const MAX_ITEMS: usize = 512;

/// Chunks that are hashed at a time, and their plain bytes, unless it is a single one.
const GROUP: usize = 32;
const GROUP_SIZE: usize = 32 << 20;

/// A buffer that has grown beyond this is not kept.
const MAX_KEPT: usize = GROUP_SIZE + (16 << 20);

/// A buffer that is to be larger than this is made as large as one that is kept.
const SMALL: usize = 1 << 20;

/// Batches that have been read and not been entered, for each thread.
pub(super) const MAX_AHEAD: usize = 2;

/// A chunk that is to be checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) digest: Digest,
    /// Its plain bytes, by the index that has named it first.
    pub(super) len: u64,
    /// When it is its turn to be read, if that is known.
    pub(super) order: Option<DiskOrder>,
    /// Its place among those that are wanted, in the order of the index.
    pub(super) number: usize,
}

/// The result of checking a chunk.
#[derive(Debug)]
pub(super) enum Finding {
    Good(GoodChunk),
    /// Why, and the file if it was read.
    Bad(Error, Option<ChunkVersion>),
}

/// A chunk in a batch.
pub(super) struct Item {
    pub(super) wanted: Wanted,
    /// The range of its file in the batch, or why it could not be read.
    read: Result<(Range<usize>, ChunkVersion)>,
    /// `None` until it is known.
    pub(super) finding: Option<Finding>,
}

impl Item {
    /// Bytes of its file.
    pub(super) fn stored_size(&self) -> u64 {
        self.read.as_ref().map_or(0, |(_, file)| file.size())
    }
}

/// Chunks on their way.
#[derive(Default)]
pub(super) struct Batch {
    raw: Vec<u8>,
    pub(super) items: Vec<Item>,
}

/// The buffers of one thread, used again for each batch.
pub(super) struct Workspace {
    codec: Codec,
    /// Never shrinks, so that it need not be cleared before it is used, unless it has become too large.
    decoded: Vec<u8>,
}

impl Workspace {
    pub(super) fn new(key: Option<Arc<CryptKey>>) -> Self {
        Workspace { codec: Codec::with_key(key), decoded: Vec::new() }
    }
}

impl crew::Workspace for Workspace {
    fn shed(&mut self, _: bool) {
        self.codec.shed();
        self.decoded = Vec::new();
    }
}

/// Checks chunks of a store.
pub(super) struct Checker<'a> {
    pub(super) store: &'a Store,
    pub(super) key: Option<&'a CryptKey>,
    /// The key is that of the chunks.
    pub(super) opens: bool,
    pub(super) threads: usize,
}

/// The result of a quick look at a blob.
enum Look<'a> {
    /// Data that is to be hashed; of an encrypted chunk, or not.
    Data(&'a [u8], bool),
    /// It is sealed, and there is nothing more to see.
    Sealed,
    /// It is to be looked at again.
    Doubt,
}

impl Checker<'_> {
    /// Reads the next of `left`.
    pub(super) fn read_batch(
        &self,
        left: &mut Iter<'_, Wanted>,
        batch: &mut Batch,
        pause: &mut Pause<'_>,
    ) -> Result<Taken> {
        let Batch { raw, items } = batch;
        items.clear();
        raw.clear();
        if raw.capacity() > MAX_KEPT {
            *raw = Vec::new();
        }
        // At the end, the chunks that are left are shared out evenly.
        let most = left.len().div_ceil(2 * self.threads).min(MAX_ITEMS);
        let bytes = left.as_slice().iter().take(most).fold(0_u64, |sum, wanted| sum.saturating_add(wanted.len));
        if raw.capacity() <= SMALL && bytes > SMALL as u64 {
            *raw = sys::large_buffer(0, MAX_KEPT)?;
        }
        let mut plain = 0_u64;
        while items.len() < most && plain < BATCH_SIZE && (raw.len() as u64) < BATCH_SIZE {
            let Some(&wanted) = left.as_slice().first() else { break };
            pause()?;
            let start = raw.len();
            let read = self.store.chunks().append_raw(&wanted.digest, BLOB_MAX_ENCODED_SIZE, false, raw);
            if let Err(error) = &read {
                raw.truncate(start);
                match error.kind() {
                    // The batch is smaller then.
                    Kind::NoMemory if !items.is_empty() => break,
                    Kind::NoMemory => {
                        *raw = Vec::new();
                        return Ok(Taken::NoMemory);
                    }
                    _ if ends_all(error) => return Err(error.clone()),
                    _ => {}
                }
            }
            left.next();
            plain = plain.saturating_add(wanted.len);
            push(items, Item { wanted, read: read.map(|file| (start..raw.len(), file)), finding: None })?;
        }
        Ok(match (items.is_empty(), left.len()) {
            (true, _) => Taken::Nothing,
            (false, 0) => Taken::Last,
            (false, _) => Taken::More,
        })
    }

    /// Checks what has been read.
    pub(super) fn check_batch(
        &self,
        workspace: &mut Workspace,
        batch: &mut Batch,
        pause: &mut Pause<'_>,
    ) -> Result<()> {
        let Batch { raw, items } = batch;
        let mut left = &mut items[..];
        while !left.is_empty() {
            pause()?;
            let len = group_len(left);
            let (group, behind) = mem::take(&mut left).split_at_mut(len);
            left = behind;
            self.look(workspace, raw, group)?;
            for item in group.iter_mut().filter(|item| item.finding.is_none()) {
                pause()?;
                item.finding = Some(match &item.read {
                    // There is nothing to be read again.
                    Err(error) if error.kind() == Kind::NotFound => Finding::Bad(error.clone(), None),
                    _ => self.look_again(&mut workspace.codec, &item.wanted)?,
                });
            }
        }
        if workspace.decoded.capacity() > MAX_KEPT {
            workspace.decoded = Vec::new();
        }
        Ok(())
    }

    /// A quick look at a group: finds out which are good.
    fn look(&self, workspace: &mut Workspace, raw: &[u8], group: &mut [Item]) -> Result<()> {
        let Workspace { codec, decoded } = workspace;
        let blob_of = |item: &Item| {
            let (range, _) = item.read.as_ref().ok()?;
            codec.load(raw.get(range.clone())?).ok()
        };
        let blobs: [Option<Blob<'_>>; GROUP] = std::array::from_fn(|i| group.get(i).and_then(blob_of));
        let lens: [usize; GROUP] = std::array::from_fn(|i| match (&blobs[i], group.get(i)) {
            (Some(blob), Some(item)) => self.room(blob, item.wanted.len),
            _ => 0,
        });
        let room = lens.iter().sum::<usize>();
        if room > decoded.capacity() {
            *decoded = Vec::new();
            if room > SMALL {
                *decoded = sys::large_buffer(room, MAX_KEPT)?;
            }
        }
        reserve(decoded, room.saturating_sub(decoded.len()))?;
        decoded.resize(room.max(decoded.len()), 0);

        let (mut plain, mut keyed) = (Messages::default(), Messages::default());
        let mut rest = &mut decoded[..];
        for (i, item) in group.iter_mut().enumerate() {
            let Some(blob) = blobs[i] else { continue };
            let (place, behind) = mem::take(&mut rest).split_at_mut(lens[i]);
            rest = behind;
            match self.look_inside(codec, blob, place)? {
                Look::Data(data, true) => keyed.push(i, data),
                Look::Data(data, false) => plain.push(i, data),
                Look::Sealed => item.finding = Some(Finding::Good(GoodChunk { encrypted: true, len: None })),
                Look::Doubt => {}
            }
        }
        plain.compare(None, false, group)?;
        keyed.compare(self.key, true, group)
    }

    /// The room that decoding takes: none where it is not needed, or where the data cannot have so many bytes.
    fn room(&self, blob: &Blob<'_>, len: u64) -> usize {
        let BlobForm { compressed, encrypted } = blob.form();
        let needed = if encrypted { self.opens } else { compressed };
        match (needed, blob_len(len), blob.decoded_bound()) {
            (true, Ok(len), Ok(bound)) if len <= bound => len,
            _ => 0,
        }
    }

    fn look_inside<'b>(&self, codec: &mut Codec, blob: Blob<'b>, place: &'b mut [u8]) -> Result<Look<'b>> {
        let BlobForm { compressed, encrypted } = blob.form();
        if encrypted && !self.opens {
            return Ok(Look::Sealed);
        }
        if !compressed && !encrypted {
            return Ok(Look::Data(blob.payload(), false));
        }
        match codec.decode(blob, None, place) {
            Ok(len) => Ok(place
                .get(..len)
                .filter(|_| len == place.len())
                .map_or(Look::Doubt, |data| Look::Data(data, encrypted))),
            Err(error) if ends_all(&error) => Err(error),
            Err(_) => Ok(Look::Doubt),
        }
    }

    /// Reads a chunk once more and looks at all of it.
    fn look_again(&self, codec: &mut Codec, wanted: &Wanted) -> Result<Finding> {
        let (digest, mut raw) = (&wanted.digest, Vec::new());
        let file = match self.store.chunks().append_raw(digest, BLOB_MAX_ENCODED_SIZE, true, &mut raw) {
            Ok(file) => file,
            Err(error) if ends_all(&error) => return Err(error),
            Err(error) => {
                // The bad file is known all the same if it is too long, or no regular file.
                let file =
                    if is_rot(&error) { self.store.chunks().chunk_version(digest).unwrap_or_default() } else { None };
                return Ok(Finding::Bad(error, file));
            }
        };
        let good = open_slowly(codec, &raw, digest, self.opens);
        match good.and_then(|good| good.check_len(wanted.len).map(|()| good)) {
            Ok(good) => Ok(Finding::Good(good)),
            Err(error) if ends_all(&error) => Err(error),
            Err(error) => {
                Ok(Finding::Bad(error.of(&self.store.chunks().chunk_path(digest)).with_digest(digest), Some(file)))
            }
        }
    }
}

/// Checks the encoded bytes of a chunk, whatever the length of its data.
///
/// Errors: `Format`, `Corrupt`, `Limit`, `Auth`, `NoMemory`.
pub(super) fn open_slowly(codec: &mut Codec, raw: &[u8], digest: &Digest, opens: bool) -> Result<GoodChunk> {
    let blob = codec.load(raw)?;
    let encrypted = blob.form().encrypted;
    if encrypted && !opens {
        return Ok(GoodChunk { encrypted, len: None });
    }
    let data = codec.decode_vec(blob, Some(digest), BLOB_MAX_SIZE)?;
    Ok(GoodChunk { encrypted, len: Some(data.len()) })
}

/// Whether `error`, of loading a chunk, proves that its file is rotten.
pub(super) fn is_rot(error: &Error) -> bool {
    is_bad(error) && !matches!(error.kind(), Kind::NotFound | Kind::Io)
}

/// How many of the first items are looked at together.
fn group_len(items: &[Item]) -> usize {
    let mut sum = 0_u64;
    let fits = |item: &&Item| {
        sum = sum.saturating_add(item.wanted.len);
        sum <= GROUP_SIZE as u64
    };
    items.iter().take(GROUP).take_while(fits).count().max(1)
}

/// Data that is hashed together, and which items it is of.
#[derive(Default)]
struct Messages<'a> {
    data: [&'a [u8]; GROUP],
    of: [usize; GROUP],
    count: usize,
}

impl<'a> Messages<'a> {
    fn push(&mut self, i: usize, data: &'a [u8]) {
        self.data[self.count] = data;
        self.of[self.count] = i;
        self.count += 1;
    }

    /// Notes which of the items have their digest and length.
    fn compare(&self, key: Option<&CryptKey>, encrypted: bool, group: &mut [Item]) -> Result<()> {
        let data = &self.data[..self.count];
        let mut digests = [Digest([0; DIGEST_SIZE]); GROUP];
        digest_all(data, key, &mut digests[..self.count])?;
        for ((data, digest), &i) in data.iter().zip(&digests).zip(&self.of) {
            let is_digest =
                |wanted: &Digest| wanted == digest || key.is_some_and(|key| key.has_other_digest(data, wanted));
            let is_it = |item: &&mut Item| item.wanted.len == data.len() as u64 && is_digest(&item.wanted.digest);
            if let Some(item) = group.get_mut(i).filter(is_it) {
                item.finding = Some(Finding::Good(GoodChunk { encrypted, len: Some(data.len()) }));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(lens: &[u64]) -> Vec<Item> {
        let item = |&len| Item {
            wanted: Wanted { digest: Digest([0; DIGEST_SIZE]), len, order: None, number: 0 },
            read: Err(Error::new(Kind::NotFound, "x")),
            finding: None,
        };
        lens.iter().map(item).collect()
    }

    #[test]
    fn groups_are_bounded_and_never_empty() {
        const MIB: u64 = 1 << 20;
        assert_eq!(group_len(&items(&[0; 100])), GROUP);
        assert_eq!(group_len(&items(&[MIB; 5])), 5);
        assert_eq!(group_len(&items(&[12 * MIB; 5])), 2);
        assert_eq!(group_len(&items(&[u64::MAX, 1])), 1);
        assert_eq!(group_len(&items(&[1, u64::MAX, 1])), 1);
    }
}
