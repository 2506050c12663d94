//! Whether the file system keeps access times, on which garbage collection relies (docs/format.md, 11.6).

use std::ffi::CStr;

use super::Chunks;
use super::layout::{ChunkName, Layout};
use crate::blob::Codec;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::limits::PBS_IMAGE_CHUNK_SIZE;
use crate::sys::{self, Dir, FileKind};

/// Bytes of the chunk of zeros that PBS probes with.
const ZERO_CHUNK_SIZE: usize = PBS_IMAGE_CHUNK_SIZE as usize;

/// Its name.
const ZERO_CHUNK_DIGEST: Digest = Digest([
    0xbb, 0x9f, 0x8d, 0xf6, 0x14, 0x74, 0xd2, 0x5e, 0x71, 0xfa, 0x00, 0x72, 0x23, 0x18, 0xcd, 0x38, 0x73, 0x96, 0xca,
    0x17, 0x36, 0x60, 0x5e, 0x12, 0x48, 0x82, 0x1c, 0xc0, 0xde, 0x3d, 0x3a, 0xf8,
]);

/// Seconds that the clock of the file system may be behind the system's: those of a server on the network may.
const MAX_LAG: i64 = 60;

/// Attempts before the file system counts as one that does not keep access times.
const ATTEMPTS: u32 = 3;

/// How far the probe's access time is set back before the touch. It is so little that it does no harm if the touch
/// never comes.
const STEP_BACK: i64 = 2;

impl Chunks {
    /// Finds out whether a touch sets the access time to now, and gives how many seconds the file system's clock is
    /// behind.
    ///
    /// The probe is the chunk of zeros, else any chunk, else `.lock`. No file is written, so a full disk is no
    /// obstacle.
    ///
    /// Errors: `Unsupported`, saying what the file system has done; `Io`, `NotFound`.
    pub fn probe_atime(&self) -> Result<i64> {
        let zeros = self.find(&ZERO_CHUNK_DIGEST)?.map(|(name, _)| (name, ZERO_CHUNK_DIGEST));
        let chunk = match zeros {
            Some(zeros) => Some(zeros),
            None => self.any_chunk()?,
        };
        if let Some((name, digest)) = chunk {
            let _one_at_a_time = self.stripe(&digest);
            // A chunk that no index names must not stay because it is probed; only PBS's own probe chunk does.
            return probe(self.dir(), name.as_c_str(), digest != ZERO_CHUNK_DIGEST);
        }
        probe(self.base().dir(), c".lock", false)
    }

    fn any_chunk(&self) -> Result<Option<(ChunkName, Digest)>> {
        for entry in self.iter()? {
            let entry = entry?;
            if entry.bad.is_none()
                && let Some((name, _)) = self.find(&entry.digest)?
            {
                return Ok(Some((name, entry.digest)));
            }
        }
        Ok(None)
    }
}

/// The name and the blob of the chunk of zeros.
pub(super) fn zero_chunk(layout: Layout) -> Result<(ChunkName, Vec<u8>)> {
    let mut zeros = Vec::new();
    reserve(&mut zeros, ZERO_CHUNK_SIZE)?;
    zeros.resize(ZERO_CHUNK_SIZE, 0);
    Ok((ChunkName::new(layout, &ZERO_CHUNK_DIGEST), Codec::new().encode_vec(&zeros, true)?))
}

/// Probes with the file `name`; see [`Chunks::probe_atime`]. With `restore` it gets back the time that it had.
pub(super) fn probe(dir: &Dir, name: &CStr, restore: bool) -> Result<i64> {
    let mut why = "it is replaced again and again".to_owned();
    // The file may be replaced meanwhile, or read, which moves the access time too.
    for _ in 0..ATTEMPTS {
        let Some(before) = dir.lstat(name)?.filter(|stat| stat.kind == FileKind::File) else { continue };
        let set = sys::now() - STEP_BACK;
        let found = touch_from(dir, name, set);
        if restore {
            // If this fails, the chunk stays for a day longer.
            let _ = dir.set_atime(name, before.atime);
        }
        match found {
            Ok(Some((inode, first, second))) if inode == before.inode => match judge(set, first, second) {
                Ok(lag) => return Ok(lag),
                Err(found) => why = found,
            },
            Ok(_) => {}
            Err(error) if error.errno().is_some_and(sys::is_full) => return Ok(0),
            Err(error) => return Err(error.context("access times cannot be set, which garbage collection needs")),
        }
    }
    Err(refused(dir, name, &why))
}

/// Sets the access time to `set`, then to now: the file's inode, and the time that it had after either.
fn touch_from(dir: &Dir, name: &CStr, set: i64) -> Result<Option<(u64, i64, i64)>> {
    if !dir.set_atime(name, set)? {
        return Ok(None);
    }
    let Some(first) = dir.lstat(name)? else { return Ok(None) };
    if !dir.touch(name)? {
        return Ok(None);
    }
    let Some(second) = dir.lstat(name)?.filter(|second| second.inode == first.inode) else { return Ok(None) };
    Ok(Some((first.inode, first.atime, second.atime)))
}

/// How far behind the file system's clock is, if it did what was asked of it; else what it did.
fn judge(set: i64, first: i64, second: i64) -> std::result::Result<i64, String> {
    let now = set + STEP_BACK;
    if first != set {
        return Err(format!("its access time was set to {set}, and the file system made it {first}"));
    }
    if second == first {
        return Err(format!("its access time was to become the present, and stays at {first}"));
    }
    let lag = now.saturating_sub(second).max(0);
    if lag > MAX_LAG {
        return Err(format!("the clock of its file system says {second}, {lag} seconds behind that of this system"));
    }
    Ok(lag)
}

fn refused(dir: &Dir, name: &CStr, why: &str) -> Error {
    let message = format!("{why}; garbage collection here would remove chunks that are in use");
    Error::new(Kind::Unsupported, message).of(&dir.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::store::{Store, StoreOptions};
    use crate::testing::Scratch;

    #[test]
    fn the_zero_chunk_has_its_name() {
        assert_eq!(sha256(&vec![0; ZERO_CHUNK_SIZE]), ZERO_CHUNK_DIGEST);
    }

    #[test]
    fn what_a_file_system_may_do() {
        for (first, second, says) in [
            (998, 1000, Ok(0)),
            (998, 1003, Ok(0)),
            (998, 999, Ok(1)),
            (998, 940, Ok(60)),
            (998, 939, Err("61 seconds behind")),
            (998, 998, Err("stays at 998")),
            (0, 1000, Err("set to 998, and the file system made it 0")),
            (500, 500, Err("made it 500")),
        ] {
            match (judge(998, first, second), says) {
                (Ok(lag), Ok(expected)) => assert_eq!(lag, expected),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (found, _) => panic!("{first} {second}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_probe_leaves_the_time_of_an_ordinary_chunk() {
        let scratch = Scratch::new();
        let store = Store::create(scratch.path(), &StoreOptions::default()).unwrap();
        let chunks = store.chunks();
        let touched = |name: &CStr| store.base().dir().lstat(name).unwrap().unwrap().atime;
        store.base().dir().set_atime(c".lock", 1000).unwrap();
        assert!(chunks.probe_atime().unwrap() <= 1);
        assert!(touched(c".lock") > 1000, "there is no chunk");
        store.base().dir().set_atime(c".lock", 1000).unwrap();

        let insert = |data: &[u8]| {
            let (digest, blob) = (sha256(data), Codec::new().encode_vec(data, true).unwrap());
            chunks.insert(&digest, &blob, crate::chunks::InsertOptions::default()).unwrap();
            let name = ChunkName::new(chunks.layout(), &digest);
            chunks.dir().set_atime(name.as_c_str(), 2000).unwrap();
            name
        };
        let atime = |name: &ChunkName| chunks.dir().lstat(name.as_c_str()).unwrap().unwrap().atime;
        let ordinary = insert(b"any");
        assert!(chunks.probe_atime().unwrap() <= 1);
        assert_eq!((atime(&ordinary), touched(c".lock")), (2000, 1000));

        let zeros = insert(&vec![0; ZERO_CHUNK_SIZE]);
        assert!(chunks.probe_atime().unwrap() <= 1);
        assert!(atime(&zeros) > 2000);
        assert_eq!((atime(&ordinary), touched(c".lock")), (2000, 1000));
    }
}
