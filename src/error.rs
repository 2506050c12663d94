//! Errors by kind, each naming what it is about.
//!
//! # Policy
//!
//! - A fallible function returns [`Result`]. It never panics on input and never downgrades a failure to a value.
//! - The [`Kind`] says what the caller can do about it; missing, damaged, wrong key and no key are different kinds.
//! - The message says what was being done and what was found. The path, the digest, the offset and the errno are fields
//!   too, so that a caller need not parse text. Each layer adds those that it knows; the innermost value of a field
//!   stays.
//! - Context is added outward with [`Error::context`], and reads `outer: inner: cause`.
//! - Messages hold no secrets, and nothing that a terminal obeys, since anybody who may write into a store chooses
//!   names of files there. Control characters and bytes that are not UTF-8 are escaped. The path in its field is not.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error: what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller passed something that can never work.
    Argument,
    /// The operating system refused; see the errno.
    Io,
    /// An allocation failed.
    NoMemory,
    /// A file, chunk or directory is not there.
    NotFound,
    /// Something is there already.
    Exists,
    /// Another process, handle or thread holds it.
    Busy,
    /// The caller's buffer is too small.
    TooSmall,
    /// A size is above a maximum.
    Limit,
    /// Data is damaged: digest, CRC, length or a broken frame.
    Corrupt,
    /// Data is not of the format: magic or structure.
    Format,
    /// A key is needed and none was given.
    Key,
    /// An authentication tag or signature does not match.
    Auth,
    /// A call out of order, or on a handle that has failed.
    State,
    /// A callback asked to stop.
    Cancelled,
    /// Valid, but not supported.
    Unsupported,
    /// A protected snapshot cannot be removed.
    Protected,
    /// A password is wrong or too short.
    Password,
    /// The data was made with another key.
    KeyMismatch,
    /// Encrypted where plain was expected, or the reverse.
    CryptMode,
    /// A service refuses who asks: a wrong key, a missing right, a clock that is off.
    Denied,
    /// A defect of this library.
    Internal,
}

/// One failure. Cheap to move; see the module for the policy.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    errno: Option<i32>,
    path: Option<PathBuf>,
    digest: Option<Digest>,
    offset: Option<u64>,
    callback_value: i32,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: harmless(message.into()),
            errno: None,
            path: None,
            digest: None,
            offset: None,
            callback_value: 0,
        }))
    }

    /// An error of `kind` about a file or directory: `path why`.
    pub fn at(kind: Kind, path: &Path, why: impl fmt::Display) -> Self {
        Error::new(kind, format!("{} {why}", path.display())).with_path(path)
    }

    /// The operating system's error `source` of doing `action` ("open", "rename") to `path`.
    ///
    /// The kind follows the errno: ENOENT is not found, EEXIST exists, ENOMEM no memory, all else I/O.
    pub fn io(action: &str, path: &Path, source: &io::Error) -> Self {
        Error::os(action, &path.display().to_string(), source).with_path(path)
    }

    /// As [`Error::io`], for something that has no path: `object` is its name in the message.
    pub fn os(action: &str, object: &str, source: &io::Error) -> Self {
        let errno = source.raw_os_error();
        let kind = match errno {
            Some(libc::ENOENT) => Kind::NotFound,
            Some(libc::EEXIST) => Kind::Exists,
            Some(libc::ENOMEM) => Kind::NoMemory,
            _ => Kind::Io,
        };
        let mut error = Error::new(kind, format!("cannot {action} {object}: {source}"));
        error.0.errno = errno;
        error
    }

    /// The device's failure, as a caller's source reports it: it has `object` and cannot read it.
    pub fn unreadable(object: &str) -> Self {
        Error::os("read", object, &io::Error::from_raw_os_error(libc::EIO))
    }

    /// A callback's wish to stop, with the value that it returned.
    pub fn cancelled(by: &str, callback_value: i32) -> Self {
        let mut error = Error::new(Kind::Cancelled, format!("cancelled by the {by} (returned {callback_value})"));
        error.0.callback_value = callback_value;
        error
    }

    /// Puts `what` before the message: `what: message`.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = harmless(format!("{what}: {}", self.0.message));
        self
    }

    /// Puts `what` behind the message: `message, what`.
    #[must_use]
    pub fn followed_by(mut self, what: impl fmt::Display) -> Self {
        self.0.message = harmless(format!("{}, {what}", self.0.message));
        self
    }

    /// Names the path, before the message too: `path: message`.
    #[must_use]
    pub fn of(self, path: &Path) -> Self {
        self.context(path.display()).with_path(path)
    }

    /// Changes the kind, where the caller knows better than the errno.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Names the path, unless one is named already.
    #[must_use]
    pub fn with_path(mut self, path: &Path) -> Self {
        self.0.message = with_all_bytes(self.0.message, path);
        self.0.path.get_or_insert_with(|| path.to_path_buf());
        self
    }

    /// Names the chunk, unless one is named already.
    #[must_use]
    pub fn with_digest(mut self, digest: &Digest) -> Self {
        self.0.digest.get_or_insert(*digest);
        self
    }

    /// Names the byte offset, unless one is named already.
    #[must_use]
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// The kind: what the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The message, outermost context first.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operating system's error number.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// Whether the device failed to give or take the data (EIO).
    pub fn is_of_the_device(&self) -> bool {
        self.0.errno == Some(libc::EIO)
    }

    /// Whether the process, or the whole system, has run out of something that the next call needs too.
    pub fn is_of_the_process(&self) -> bool {
        self.0.kind == Kind::NoMemory || matches!(self.0.errno, Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
    }

    /// The file or directory that it is about.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The chunk that it is about.
    pub fn digest(&self) -> Option<&Digest> {
        self.0.digest.as_ref()
    }

    /// The byte offset that it is about; the message says of what.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The value of the callback that stopped the call; 0 if none did.
    pub fn callback_value(&self) -> i32 {
        self.0.callback_value
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}

/// `text` with its control characters escaped, as `\x1b`, and other characters that would change how the text around it
/// looks, as `\u{202e}`: other line ends, and the marks that turn the direction of writing.
pub(crate) fn harmless(text: String) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(is_harmful) {
        return text;
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\0'..='\x1f' | '\x7f' => harmless.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if is_harmful(c) => harmless.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => harmless.push(c),
        }
    }
    harmless
}

/// `message`, in which `path` stands as [`Path::display`] has it: with the bytes that are not UTF-8, as `\xff`.
pub(crate) fn with_all_bytes(message: String, path: &Path) -> String {
    if path.to_str().is_some() {
        return message;
    }
    let mut exact = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        exact.push_str(&harmless(chunk.valid().to_owned()));
        exact.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    message.replace(&harmless(path.display().to_string()), &exact)
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The error that `text`, which came from outside, is no `what`.
pub(crate) fn refuse(what: &str, text: &str, why: &str) -> Error {
    // A name can be as long as its sender likes; an error need not be.
    let shown: String = text.chars().take(80).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    Error::new(Kind::Argument, format!("{shown:?}{more} is no {what}: {why}"))
}

/// Reserves room for exactly `additional` more items, or says that there is no memory.
pub(crate) fn reserve<T>(buffer: &mut Vec<T>, additional: usize) -> Result<()> {
    buffer.try_reserve_exact(additional).map_err(|_| no_memory(additional.saturating_mul(size_of::<T>())))
}

/// Appends to a list that grows with data.
///
/// Errors: `NoMemory`.
pub(crate) fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    if list.len() == list.capacity() {
        list.try_reserve(1).map_err(|_| no_memory(list.len().saturating_mul(size_of::<T>())))?;
    }
    list.push(item);
    Ok(())
}

/// Moves all of `more` to the end of a list.
///
/// Errors: `NoMemory`.
pub(crate) fn append<T>(list: &mut Vec<T>, more: &mut Vec<T>) -> Result<()> {
    list.try_reserve(more.len()).map_err(|_| no_memory(more.len().saturating_mul(size_of::<T>())))?;
    list.append(more);
    Ok(())
}

/// Collects a list that may be long, up to the first error.
///
/// Errors: that; `NoMemory`.
pub(crate) fn try_collect<T>(items: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut list = Vec::new();
    reserve(&mut list, items.size_hint().0)?;
    for item in items {
        push(&mut list, item?)?;
    }
    Ok(list)
}

/// A copy of a text that may be long.
///
/// Errors: `NoMemory`.
pub(crate) fn copy_text(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| no_memory(text.len()))?;
    copy.push_str(text);
    Ok(copy)
}

/// Adds to a set that grows with data; false if it has the item.
///
/// Errors: `NoMemory`.
pub(crate) fn insert<T: Eq + Hash, S: BuildHasher>(set: &mut HashSet<T, S>, item: T) -> Result<bool> {
    set.try_reserve(1).map_err(|_| no_memory(set.len().saturating_mul(size_of::<T>())))?;
    Ok(set.insert(item))
}

/// The error that `bytes` could not be allocated.
pub(crate) fn no_memory(bytes: usize) -> Error {
    Error::new(Kind::NoMemory, format!("cannot allocate {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn io_kind_follows_errno() {
        for (errno, kind) in [
            (libc::ENOENT, Kind::NotFound),
            (libc::ENOTDIR, Kind::Io),
            (libc::EEXIST, Kind::Exists),
            (libc::ENOMEM, Kind::NoMemory),
            (libc::ENOSPC, Kind::Io),
        ] {
            let error = Error::io("open", Path::new("/x/y"), &io::Error::from_raw_os_error(errno));
            assert_eq!(error.kind(), kind);
            assert_eq!(error.errno(), Some(errno));
            assert_eq!(error.path(), Some(Path::new("/x/y")));
            assert!(error.message().starts_with("cannot open /x/y: "), "{error}");
        }
    }

    #[test]
    fn messages_do_not_speak_to_a_terminal() {
        for (name, shown) in [
            ("plain ~", "plain ~"),
            ("Grüße, 世界 \u{1f600}\\x1b", "Grüße, 世界 \u{1f600}\\x1b"),
            ("\x1b[2J\x07\0\t\n\x7f", "\\x1b[2J\\x07\\x00\\x09\\x0a\\x7f"),
            ("\u{80}\u{9b}31m\u{9f}\u{a0}", "\\u{80}\\u{9b}31m\\u{9f}\u{a0}"),
            ("a\u{202e}b\u{2028}c\u{2066}d\u{61c}e\u{200f}", "a\\u{202e}b\\u{2028}c\\u{2066}d\\u{61c}e\\u{200f}"),
        ] {
            let path = Path::new(name);
            let source = io::Error::from_raw_os_error(libc::EIO);
            for (error, begin) in [
                (Error::new(Kind::Format, name), ""),
                (Error::io("open", path, &source), "cannot open "),
                (Error::new(Kind::Format, "x").context(path.display()), ""),
            ] {
                assert!(error.message().starts_with(&format!("{begin}{shown}")), "{error}");
            }
            assert_eq!(Error::io("open", path, &source).path(), Some(path));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_they_are() {
        let path = Path::new(OsStr::from_bytes(b"/a\xff\xfe/\xc3\xa4\x1b\xc3/b"));
        let shown = "/a\\xff\\xfe/ä\\x1b\\xc3/b";
        let source = io::Error::from_raw_os_error(libc::ENOENT);
        let described = Error::new(Kind::Corrupt, "the CRC differs").of(path);
        let words = Error::at(Kind::Format, path, "is no index");
        assert!(Error::io("open", path, &source).message().starts_with(&format!("cannot open {shown}: ")));
        assert_eq!(described.message(), format!("{shown}: the CRC differs"));
        assert_eq!((words.message(), words.path()), (&*format!("{shown} is no index"), Some(path)));
    }

    #[test]
    fn inner_fields_win_and_context_reads_outward() {
        let error = Error::new(Kind::Corrupt, "the CRC differs")
            .with_offset(7)
            .context("chunk 3")
            .with_offset(9)
            .with_path(Path::new("a"))
            .with_path(Path::new("b"))
            .context("restore");
        assert_eq!(error.message(), "restore: chunk 3: the CRC differs");
        assert_eq!(error.offset(), Some(7));
        assert_eq!(error.path(), Some(Path::new("a")));
    }
}
