//! The keys of objects, made and read in this one place (docs/format.md, 13.1).

use std::fmt;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// Bytes of a key with the prefix of its store: what every service takes.
pub const KEY_MAX: usize = 1024;

/// Bytes of a key that are left to a store's prefix.
pub const PREFIX_MAX: usize = 256;

const CHUNKS: &str = ".chunks/";
const TREE: &str = ".cnt/";
const OWN: &str = ".pxds/";
const IN_USE: &str = ".in-use";

/// The key of an object below a store's prefix: the parts of a path, of printable ASCII, with a slash between them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// What a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// A chunk.
    Chunk(Digest),
    /// A chunk that was found to be damaged: the copy with this number, 0 to 9.
    Bad(Digest, u8),
    /// A file of the tree of snapshots, by its path in the store's directory.
    Tree(&'a str),
    /// An object of this library's own, by its name.
    Own(&'a str),
    /// The mark of who uses the store.
    InUse,
}

impl Key {
    /// That of a chunk.
    pub fn chunk(digest: &Digest) -> Key {
        let hex = digest.to_string();
        Key(format!("{CHUNKS}{}/{hex}", &hex[..4]))
    }

    /// That of a damaged chunk's copy `number`, 0 to 9.
    pub fn bad(digest: &Digest, number: u8) -> Key {
        debug_assert!(number <= 9);
        Key(format!("{}.{number}.bad", Key::chunk(digest).0))
    }

    /// That of a file of the tree, by its path in the store's directory.
    ///
    /// Errors: `Argument` for what [`Key::parse`] refuses.
    pub fn tree(path: &str) -> Result<Key> {
        Key::parse(&format!("{TREE}{path}"))
    }

    /// That of an object of this library's own.
    ///
    /// Errors: `Argument` for what [`Key::parse`] refuses.
    pub fn own(name: &str) -> Result<Key> {
        Key::parse(&format!("{OWN}{name}"))
    }

    /// That of the mark of who uses the store.
    pub fn in_use() -> Key {
        Key(IN_USE.into())
    }

    /// The prefix of the chunks whose digests begin with `first`.
    pub fn chunks_below(first: u8) -> String {
        format!("{CHUNKS}{first:02x}")
    }

    /// The prefix of what is below `path` of the tree, or of all of it for an empty one. It ends with a slash: vm/100
    /// is not to be taken for the beginning of vm/1000.
    pub fn tree_below(path: &str) -> String {
        if path.is_empty() { TREE.into() } else { format!("{TREE}{path}/") }
    }

    /// The prefix of the library's own objects whose names begin with `name`.
    pub fn own_below(name: &str) -> String {
        format!("{OWN}{name}")
    }

    /// `text` as a key.
    ///
    /// Errors: `Argument` if it is empty, too long, has other bytes than printable ASCII, or a part that is empty, `.`
    /// or `..`.
    pub fn parse(text: &str) -> Result<Key> {
        let why = if text.is_empty() {
            "is empty"
        } else if text.len() > KEY_MAX - PREFIX_MAX {
            "is too long"
        } else if !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            "has a byte that is not printable ASCII"
        } else if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "has a part that is empty, \".\" or \"..\""
        } else {
            return Ok(Key(text.into()));
        };
        Err(Error::new(Kind::Argument, format!("the key {text:.200} {why}")))
    }

    /// What it names; `None` for what is not of a store.
    pub fn name(&self) -> Option<Name<'_>> {
        if let Some(rest) = self.0.strip_prefix(CHUNKS) {
            return chunk_name(rest);
        }
        if let Some(path) = self.0.strip_prefix(TREE) {
            return Some(Name::Tree(path));
        }
        if let Some(name) = self.0.strip_prefix(OWN) {
            return Some(Name::Own(name));
        }
        (self.0 == IN_USE).then_some(Name::InUse)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `xxxx/<64 digits>`, or the same with `.N.bad` behind it.
fn chunk_name(text: &str) -> Option<Name<'static>> {
    let (directory, name) = text.split_once('/')?;
    let (hex, rest) = name.split_at_checked(64)?;
    let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || directory != &hex[..4] {
        return None;
    }
    let digest = Digest::from_hex(hex.as_bytes()).ok()?;
    match *rest.as_bytes() {
        [] => Some(Name::Chunk(digest)),
        [b'.', number @ b'0'..=b'9', b'.', b'b', b'a', b'd'] => Some(Name::Bad(digest, number - b'0')),
        _ => None,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8";

    #[test]
    fn of_chunks_and_back() {
        let digest = Digest::from_hex(HEX.as_bytes()).unwrap();
        let key = Key::chunk(&digest);
        assert_eq!(key.as_str(), format!(".chunks/bb9f/{HEX}"));
        assert_eq!(key.name(), Some(Name::Chunk(digest)));
        let bad = Key::bad(&digest, 9);
        assert_eq!(bad.as_str(), format!(".chunks/bb9f/{HEX}.9.bad"));
        assert_eq!(bad.name(), Some(Name::Bad(digest, 9)));
        assert!(key.as_str().starts_with(&Key::chunks_below(0xbb)));
    }

    #[test]
    fn of_the_tree_and_back() {
        let path = "ns/a/vm/100/2026-11-30T12:00:00Z/index.json.blob";
        let key = Key::tree(path).unwrap();
        assert_eq!(key.as_str(), format!(".cnt/{path}"));
        assert_eq!(key.name(), Some(Name::Tree(path)));
        assert_eq!(Key::tree_below("vm/100"), ".cnt/vm/100/");
        assert_eq!(Key::tree_below(""), ".cnt/");
        assert_eq!(Key::own("gc/lock").unwrap().name(), Some(Name::Own("gc/lock")));
        assert_eq!(Key::in_use().name(), Some(Name::InUse));
    }

    #[test]
    fn what_is_none() {
        let long = "a".repeat(KEY_MAX);
        for text in ["", "/a", "a/", "a//b", "a/./b", "../b", "a b", "a\nb", "ä", &long] {
            assert_eq!(Key::parse(text).unwrap_err().kind(), Kind::Argument, "{text}");
        }
        let upper = HEX.to_uppercase();
        for text in [
            format!(".chunks/bb9f/{upper}"),
            format!(".chunks/bb9e/{HEX}"),
            format!(".chunks/{HEX}"),
            format!(".chunks/bb9f/{HEX}.using"),
            format!(".chunks/bb9f/{HEX}.a.bad"),
            format!(".chunks/bb9f/{HEX}x"),
            format!(".chunks/bb9f/{}", &HEX[..63]),
            "chunks".into(),
            ".in-use.x".into(),
        ] {
            assert_eq!(Key::parse(&text).unwrap().name(), None, "{text}");
        }
    }
}
