//! The 32-byte name of a chunk, and its hexadecimal form.

use std::fmt;

use crate::error::{Error, Kind, Result};

/// Bytes of a digest.
pub const DIGEST_SIZE: usize = 32;

/// Characters of a digest in hexadecimal.
pub const DIGEST_HEX_LEN: usize = 2 * DIGEST_SIZE;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; DIGEST_SIZE]);

impl Digest {
    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> [u8; DIGEST_HEX_LEN] {
        let mut hex = [0; DIGEST_HEX_LEN];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        hex
    }

    /// The first two bytes.
    pub fn prefix(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Parses exactly 64 hexadecimal digits of either case.
    ///
    /// Errors: `Argument`.
    pub fn from_hex(hex: &[u8]) -> Result<Self> {
        let bad = || Error::new(Kind::Argument, "a digest is 64 hexadecimal digits");
        if hex.len() != DIGEST_HEX_LEN {
            return Err(bad());
        }
        let mut digest = [0; DIGEST_SIZE];
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0]).ok_or_else(bad)? << 4 | nibble(pair[1]).ok_or_else(bad)?;
        }
        Ok(Digest(digest))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_hex().iter().try_for_each(|&digit| fmt::Write::write_char(f, char::from(digit)))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        let digest = Digest(std::array::from_fn(|i| (i * 37) as u8));
        let hex = digest.to_hex();
        assert_eq!(Digest::from_hex(&hex).unwrap(), digest);
        assert_eq!(Digest::from_hex(&hex.to_ascii_uppercase()).unwrap(), digest);
        assert_eq!(digest.to_string().as_bytes(), hex);
    }

    #[test]
    fn bad_hex_is_refused() {
        let good = "00".repeat(32);
        for bad in [&good[1..], &format!("{good}0"), &good.replacen('0', "g", 1), &good.replacen('0', " ", 1), ""] {
            assert_eq!(Digest::from_hex(bad.as_bytes()).unwrap_err().kind(), Kind::Argument, "{bad}");
        }
    }
}
