//! A caller's callback as a source.

use super::ChunkSource;
use crate::blob::Blob;
use crate::crypt::Tolerance;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result, reserve};
use crate::sys::check_size;

/// Gives the blob of a chunk: writes it to the start of the buffer, if that has the room, and says its length.
pub type Get = dyn Fn(&Digest, &mut [u8]) -> Result<usize> + Send + Sync;

/// Room that the first question offers: most chunks of a small average fit.
const FIRST_ROOM: usize = 256 << 10;

/// Chunks that a callback gives. Nothing that it gives is trusted.
pub struct CallbackSource {
    get: Box<Get>,
    is_for_any_thread: bool,
}

impl CallbackSource {
    /// A source that asks `get`, on the thread that needs the chunk.
    pub fn new(get: Box<Get>) -> Self {
        CallbackSource { get, is_for_any_thread: false }
    }

    /// The same, asked on threads that the library starts too, on several at once.
    pub fn for_any_thread(self) -> Self {
        CallbackSource { is_for_any_thread: true, ..self }
    }

    /// Asks once, with room for `room` bytes, and gives the length of the blob; if that is more, `out` has nothing of
    /// it.
    fn ask(&self, digest: &Digest, room: usize, out: &mut Vec<u8>) -> Result<usize> {
        let missing = room.saturating_sub(out.len());
        reserve(out, missing)?;
        out.resize(room, 0);
        let len = (self.get)(digest, out)?;
        out.truncate(len);
        Ok(len)
    }

    fn fetch(&self, digest: &Digest, max_len: usize, out: &mut Vec<u8>) -> Result<()> {
        let room = out.capacity().max(FIRST_ROOM).min(max_len);
        let len = self.ask(digest, room, out)?;
        if len <= room {
            return Ok(());
        }
        check_size(len as u64, max_len)?;
        // Rounded up: the next chunk, somewhat longer, need not be asked for twice.
        let room = len.checked_next_power_of_two().unwrap_or(len).min(max_len);
        let len = self.ask(digest, room, out)?;
        if len <= room {
            return Ok(());
        }
        let message = format!("the source claims {len} bytes, after having been given the room that it asked for");
        Err(Error::new(Kind::Argument, message))
    }
}

impl ChunkSource for CallbackSource {
    fn load_tolerant<'a>(
        &self,
        digest: &Digest,
        max_len: usize,
        tolerance: Tolerance,
        out: &'a mut Vec<u8>,
    ) -> Result<Blob<'a>> {
        let describe = |error: Error| error.context(format_args!("chunk {digest}")).with_digest(digest);
        self.fetch(digest, max_len, out).map_err(describe)?;
        Blob::load_tolerant(out, tolerance).map_err(describe)
    }

    /// Callbacks are called on the thread that has called the library, unless they ask for more.
    fn is_for_any_thread(&self) -> bool {
        self.is_for_any_thread
    }
}
