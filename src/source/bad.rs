//! Which failures are the chunk's own, and whether to go on after one.

use crate::callback::Callback;
use crate::error::{Error, Kind, Result};
use crate::index::ChunkInfo;

/// A chunk that cannot be loaded.
#[derive(Debug, Clone, Copy)]
pub struct BadChunk<'a> {
    /// Its number in the index, from 0.
    pub number: usize,
    /// The chunk.
    pub chunk: &'a ChunkInfo,
    /// Why.
    pub error: &'a Error,
}

/// Is told of a chunk that zeros will stand for. An error stops the call.
pub type OnBad = Callback<dyn Fn(&BadChunk<'_>) -> Result<()> + Send + Sync>;

/// Whether `error`, of loading a chunk, says something of the chunk: that it is missing or damaged, or that the device
/// has lost it. All else is between the caller and the machine, and filling in zeros would hide it.
pub fn is_bad(error: &Error) -> bool {
    match error.kind() {
        Kind::NotFound | Kind::Corrupt | Kind::Format | Kind::Limit | Kind::Auth => true,
        Kind::Io => error.is_of_the_device(),
        Kind::Argument
        | Kind::NoMemory
        | Kind::Exists
        | Kind::Busy
        | Kind::TooSmall
        | Kind::Key
        | Kind::State
        | Kind::Cancelled
        | Kind::Unsupported
        | Kind::Protected
        | Kind::Password
        | Kind::KeyMismatch
        | Kind::CryptMode
        | Kind::Denied
        | Kind::Internal => false,
    }
}

/// Whether to go on, with zeros, after `error` of loading chunk `number`: if the chunk is bad and `on_bad` agrees.
///
/// Errors: `error`, with the chunk and its offset named; that of `on_bad`.
pub fn judge(error: Error, number: usize, chunk: &ChunkInfo, on_bad: Option<&OnBad>) -> Result<()> {
    let error = error
        .context(format_args!("chunk {number} at offset {}", chunk.start))
        .with_digest(&chunk.digest)
        .with_offset(chunk.start);
    match on_bad {
        Some(on_bad) if is_bad(&error) => on_bad(&BadChunk { number, chunk, error: &error }),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_the_chunks_own_failures_are_bad() {
        let of_errno = |errno| Error::io("read", Path::new("x"), &io::Error::from_raw_os_error(errno));
        for (errno, bad) in [
            (libc::EIO, true),
            (libc::ENOENT, true),
            (libc::EACCES, false),
            (libc::EPERM, false),
            (libc::EMFILE, false),
            (libc::ENFILE, false),
            (libc::ENOMEM, false),
        ] {
            assert_eq!(is_bad(&of_errno(errno)), bad, "{errno}");
        }
        for kind in [Kind::Corrupt, Kind::Format, Kind::Limit, Kind::Auth, Kind::NotFound] {
            assert!(is_bad(&Error::new(kind, "")), "{kind:?}");
        }
        for kind in [Kind::Key, Kind::KeyMismatch, Kind::CryptMode, Kind::Cancelled, Kind::Argument, Kind::Internal] {
            assert!(!is_bad(&Error::new(kind, "")), "{kind:?}");
        }
        assert!(!is_bad(&Error::new(Kind::Io, "no errno")));
        assert!(is_bad(&Error::unreadable("chunk")));
    }

    #[test]
    fn without_a_judge_every_error_stands() {
        let chunk = ChunkInfo { start: 5, end: 9, digest: crate::hash::sha256(b"x") };
        let missing = || Error::new(Kind::NotFound, "it is gone");
        let error = judge(missing(), 3, &chunk, None).unwrap_err();
        assert_eq!(error.message(), "chunk 3 at offset 5: it is gone");
        assert_eq!((error.kind(), error.digest(), error.offset()), (Kind::NotFound, Some(&chunk.digest), Some(5)));

        let on_bad: OnBad = Callback(Arc::new(|bad| {
            assert_eq!((bad.number, bad.chunk.start, bad.error.kind()), (3, 5, Kind::NotFound));
            Ok(())
        }));
        judge(missing(), 3, &chunk, Some(&on_bad)).unwrap();
        assert_eq!(judge(Error::new(Kind::Key, "k"), 3, &chunk, Some(&on_bad)).unwrap_err().kind(), Kind::Key);
        let stop: OnBad = Callback(Arc::new(|_| Err(Error::cancelled("test", 7))));
        assert_eq!(judge(missing(), 3, &chunk, Some(&stop)).unwrap_err().callback_value(), 7);
    }
}
