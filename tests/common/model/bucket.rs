//! A bucket: objects by key, with what they hold and the server's time.

use std::collections::BTreeMap;

/// Chunks, one bit each.
pub(crate) type Set = u32;

/// Time after its date within which a request takes effect, or never. Ticks, as all times here.
pub(crate) const FLIGHT: u32 = 16;
/// Life of a lease after its last renewal.
pub(crate) const LEASE: u32 = 60;
/// Life of a lock after its last renewal.
pub(crate) const LOCK: u32 = 40;
/// Time after which a list that is done may be removed.
pub(crate) const RETAIN: u32 = 2 * LEASE;
/// Entries of a page.
const PAGE: usize = 4;

/// Names of objects, in the order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Chunk(u8),
    /// Of a snapshot; a manifest stands for the indexes too.
    Manifest(u16),
    /// The date of its first request, and whose it is.
    Lease(u32, u16),
    Lock(u16),
    Gc(u16, Part),
    Rescue(u16, u16, u8),
}

/// The objects of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    List,
    /// A list of bad chunks.
    Bad,
    Sweep,
    Done,
}

/// What a listing is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prefix {
    Chunks,
    Manifests,
    Leases,
    /// Locks and lists.
    Control,
    List(u16),
    Rescues(u16),
}

impl Prefix {
    fn has(self, key: Key) -> bool {
        match (self, key) {
            (Prefix::Chunks, Key::Chunk(_))
            | (Prefix::Manifests, Key::Manifest(_))
            | (Prefix::Leases, Key::Lease(..))
            | (Prefix::Control, Key::Lock(_) | Key::Gc(..)) => true,
            (Prefix::List(number), Key::Gc(other, _)) | (Prefix::Rescues(number), Key::Rescue(other, ..)) => {
                number == other
            }
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    /// Server's time of the last write.
    pub(crate) modified: u32,
    /// Of a chunk: 1 good, 0 bad. Of a lock: 1 held, 0 free. Otherwise the chunks that it names.
    pub(crate) data: Set,
    /// Stands for the ETag; notes of a manifest change it.
    pub(crate) tag: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    New,
    Replace,
    IfMatch(u32),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Put { key: Key, data: Set, tag: u32, how: How },
    Delete(Key),
    Get(Key),
    List(Prefix, Option<Key>),
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Done,
    /// Of a put: there is one, or it is another.
    Exists,
    Found(Option<Object>),
    /// Entries, whether there are more, and the server's time.
    Page(Vec<(Key, Object)>, bool, u32),
    /// The date is too far from the server's time.
    Refused,
    /// None came; the request may still take effect.
    Lost,
}

#[derive(Default)]
pub(crate) struct Bucket(pub(crate) BTreeMap<Key, Object>);

impl Bucket {
    pub(crate) fn get(&self, key: Key) -> Option<Object> {
        self.0.get(&key).copied()
    }

    /// Serves a request that was dated `date`.
    pub(crate) fn serve(&mut self, now: u32, date: u32, op: Op) -> Answer {
        if now > date + FLIGHT || date > now + FLIGHT {
            return Answer::Refused;
        }
        match op {
            Op::Put { key, data, tag, how } => {
                let there = self.get(key);
                let may = match how {
                    How::New => there.is_none(),
                    How::Replace => true,
                    How::IfMatch(tag) => there.is_some_and(|object| object.tag == tag),
                };
                if !may {
                    return Answer::Exists;
                }
                self.0.insert(key, Object { modified: now, data, tag });
                Answer::Done
            }
            Op::Delete(key) => {
                self.0.remove(&key);
                Answer::Done
            }
            Op::Get(key) => Answer::Found(self.get(key)),
            Op::List(prefix, after) => {
                let all = self.0.iter().map(|(key, object)| (*key, *object));
                let mut page: Vec<_> =
                    all.filter(|(key, _)| prefix.has(*key) && Some(*key) > after).take(PAGE + 1).collect();
                let more = page.len() > PAGE;
                page.truncate(PAGE);
                Answer::Page(page, more, now)
            }
        }
    }
}
