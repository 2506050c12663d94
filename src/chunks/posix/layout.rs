//! Where a chunk's file is, by its digest (docs/format.md, 5.1 to 5.3).

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::{DIGEST_HEX_LEN, Digest};
use crate::error::{Error, Kind, Result};
use crate::sys::{Dir, FileKind};

/// How the chunks are spread over directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 256 directories named by the first two hexadecimal digits, made when they are needed.
    Hex2,
    /// PBS's 65536 directories named by the first four, made with the store.
    Hex4,
}

impl Layout {
    /// Digits of a directory's name.
    pub fn digits(self) -> usize {
        match self {
            Layout::Hex2 => 2,
            Layout::Hex4 => 4,
        }
    }

    /// How many directories there can be.
    pub fn dir_count(self) -> u32 {
        1 << (4 * self.digits())
    }

    /// The number of the directory of the digests that begin with the two bytes `prefix`.
    pub(super) fn dir_of(self, prefix: u16) -> u32 {
        u32::from(prefix) >> (16 - 4 * self.digits())
    }

    /// The name of directory number `i`.
    pub(super) fn dir_name(self, i: u32) -> DirName {
        let mut name = DirName { bytes: [0; 5] };
        for (place, digit) in (0..self.digits()).rev().zip(name.bytes.iter_mut()) {
            *digit = b"0123456789abcdef"[(i >> (4 * place) & 15) as usize];
        }
        name
    }

    /// The number of the directory `name`; `None` if this layout has no such directory.
    pub(super) fn dir_number(self, name: &[u8]) -> Option<u32> {
        if name.len() != self.digits() || !name.iter().all(|&digit| is_lower_hex(digit)) {
            return None;
        }
        u32::from_str_radix(std::str::from_utf8(name).ok()?, 16).ok()
    }
}

fn is_lower_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}

/// The name of a directory of chunks.
pub(super) struct DirName {
    bytes: [u8; 5],
}

impl DirName {
    pub(super) fn as_c_str(&self) -> &CStr {
        c_str(&self.bytes)
    }
}

/// Longest name: four digits, slash, digest, `.9.bad` or `.using`, NUL.
const NAME_CAPACITY: usize = 4 + 1 + DIGEST_HEX_LEN + 6 + 1;

/// The name of a chunk's file below `.chunks`, without an allocation.
#[derive(Clone, Copy)]
pub(super) struct ChunkName {
    bytes: [u8; NAME_CAPACITY],
    len: usize,
    /// The directory that it is in.
    dir: (Layout, u32),
}

impl ChunkName {
    pub(super) fn new(layout: Layout, digest: &Digest) -> Self {
        let hex = digest.to_hex();
        let dir = (layout, layout.dir_of(digest.prefix()));
        let empty = ChunkName { bytes: [0; NAME_CAPACITY], len: 0, dir };
        empty.with(&hex[..layout.digits()]).with(b"/").with(&hex)
    }

    /// The name of the chunk's bad copy `n`, 0 to 9 (docs/format.md, 5.8).
    pub(super) fn bad(&self, n: u8) -> Self {
        self.with(&[b'.', b'0' + n % 10, b'.', b'b', b'a', b'd'])
    }

    /// The directory that it is in: its layout, and its number there.
    pub(super) fn dir(&self) -> (Layout, u32) {
        self.dir
    }

    /// The name of the mark that the chunk is in use, which PBS sets in the cache of a store in S3 (docs/format.md,
    /// 5.3).
    pub(super) fn using(&self) -> Self {
        self.with(b".using")
    }

    /// The name in its directory.
    pub(super) fn in_dir(&self) -> &CStr {
        let slash = self.bytes.iter().position(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        c_str(&self.bytes[slash..])
    }

    fn with(mut self, part: &[u8]) -> Self {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
        self
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        c_str(&self.bytes)
    }
}

/// The string in `bytes`, whose last byte is never written and stays zero.
fn c_str(bytes: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(bytes).expect("the last byte is zero")
}

/// Reads the name of a file in a directory of chunks: a chunk, or its bad copy of that number.
///
/// Everything else is `None`: temporary files, names in upper case, foreign files.
pub(super) fn parse_file_name(name: &[u8]) -> Option<(Digest, Option<u8>)> {
    let (hex, suffix) = name.split_at_checked(DIGEST_HEX_LEN)?;
    if !hex.iter().all(|&digit| is_lower_hex(digit)) {
        return None;
    }
    let bad = match suffix {
        b"" => None,
        [b'.', n @ b'0'..=b'9', b'.', b'b', b'a', b'd'] => Some(n - b'0'),
        _ => return None,
    };
    Some((Digest::from_hex(hex).ok()?, bad))
}

/// The directories of chunks that have been looked at, and found to be directories.
#[derive(Debug)]
pub(super) struct KnownDirs {
    /// A bit for each of [`Layout::Hex2`].
    hex2: [AtomicU64; 256 / 64],
    /// A bit for each of [`Layout::Hex4`]; none if there is no memory for them: then each is looked at each time.
    hex4: Vec<AtomicU64>,
}

impl KnownDirs {
    /// No directory is known yet, in a store that `writes` in this layout.
    pub(super) fn new(writes: Layout) -> Self {
        let mut hex4 = Vec::new();
        let words = Layout::Hex4.dir_count() as usize / 64;
        if writes == Layout::Hex4 && hex4.try_reserve_exact(words).is_ok() {
            hex4.resize_with(words, AtomicU64::default);
        }
        KnownDirs { hex2: Default::default(), hex4 }
    }

    pub(super) fn has(&self, dir: (Layout, u32)) -> bool {
        let (word, bit) = self.place(dir);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    pub(super) fn add(&self, dir: (Layout, u32)) {
        let (word, bit) = self.place(dir);
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn place(&self, (layout, number): (Layout, u32)) -> (Option<&AtomicU64>, u64) {
        let words = match layout {
            Layout::Hex2 => &self.hex2[..],
            Layout::Hex4 => &self.hex4[..],
        };
        (words.get(number as usize / 64), 1 << (number % 64))
    }
}

/// The layouts that a `.chunks` directory has.
#[derive(Default)]
pub(super) struct Detected {
    /// The layout to write; `None` in an empty directory.
    pub(super) layout: Option<Layout>,
    /// Directories of both layouts are there.
    pub(super) mixed: bool,
}

/// Recognises the layout of an existing `.chunks` (docs/format.md, 5.2).
///
/// Errors: `Format` if both layouts are there and `mixed` is not allowed.
pub(super) fn detect(chunks: &Dir, allow_mixed: bool) -> Result<Detected> {
    let is_dir = |name: &CStr| Ok(chunks.lstat(name)?.is_some_and(|stat| stat.kind == FileKind::Dir));
    let mut hex2 = false;
    for i in 0..Layout::Hex2.dir_count() {
        hex2 = hex2 || is_dir(Layout::Hex2.dir_name(i).as_c_str())?;
    }
    // A complete store of PBS's layout is recognised by its ends, without listing 65536 names.
    let mut hex4 = is_dir(c"0000")? && is_dir(c"ffff")?;
    if !hex4 {
        for name in chunks.names()? {
            let name = name?;
            if Layout::Hex4.dir_number(name.to_bytes()).is_some() && is_dir(&name)? {
                hex4 = true;
                break;
            }
        }
    }
    let mixed = hex2 && hex4;
    if mixed && !allow_mixed {
        let why = "has chunk directories of two and of four digits; if a conversion was interrupted, run it again";
        return Err(Error::at(Kind::Format, chunks.path(), why));
    }
    let layout = match (hex2, hex4) {
        (_, true) => Some(Layout::Hex4),
        (true, false) => Some(Layout::Hex2),
        (false, false) => None,
    };
    Ok(Detected { layout, mixed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let digest = Digest(std::array::from_fn(|i| i as u8 + 0xa0));
        let hex = digest.to_string();
        let name = |name: ChunkName| name.as_c_str().to_str().unwrap().to_owned();
        assert_eq!(name(ChunkName::new(Layout::Hex2, &digest)), format!("a0/{hex}"));
        assert_eq!(name(ChunkName::new(Layout::Hex4, &digest)), format!("a0a1/{hex}"));
        assert_eq!(name(ChunkName::new(Layout::Hex4, &digest).bad(9)), format!("a0a1/{hex}.9.bad"));
        for layout in [Layout::Hex2, Layout::Hex4] {
            for i in [0, 1, 0xab, layout.dir_count() - 1] {
                assert_eq!(layout.dir_number(layout.dir_name(i).as_c_str().to_bytes()), Some(i));
            }
        }
        assert_eq!(Layout::Hex4.dir_name(0xff).as_c_str(), c"00ff");
        assert_eq!(Layout::Hex2.dir_of(digest.prefix()), 0xa0);
        assert_eq!(Layout::Hex4.dir_of(digest.prefix()), 0xa0a1);
    }

    #[test]
    fn only_exact_file_names_are_chunks() {
        let hex = "0a".repeat(32);
        let digest = Digest([0x0a; 32]);
        assert_eq!(parse_file_name(hex.as_bytes()), Some((digest, None)));
        assert_eq!(parse_file_name(format!("{hex}.3.bad").as_bytes()), Some((digest, Some(3))));
        for foreign in [
            hex.to_uppercase(),
            format!("{hex}.tmp_AbC123"),
            format!("{hex}.10.bad"),
            format!("{hex}.x.bad"),
            format!("{hex}.0.bak"),
            format!("{hex} "),
            hex[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(parse_file_name(foreign.as_bytes()), None, "{foreign}");
        }
        for foreign in ["a", "AB", "abc", "abcde", "..", "0g"] {
            assert_eq!(Layout::Hex2.dir_number(foreign.as_bytes()), None);
            assert_eq!(Layout::Hex4.dir_number(foreign.as_bytes()), None);
        }
    }
}
