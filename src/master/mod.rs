//! Master keys: a copy of a snapshot's key that a holder of the master key can recover (docs/format.md, 3.6).
//!
//! The part that needs RSA is in [`cipher`]. Without the Cargo feature `master-key` it is neither compiled nor linked,
//! and sealing and recovering are `Unsupported`.

use std::borrow::Cow;

use crate::blob::{Blob, Codec};
use crate::crypt::CryptKey;
use crate::error::{Error, Kind, Result};
use crate::keyfile::{Kdf, KeyFile};
use crate::limits::MASTER_KEY_MAX_BITS;

#[cfg(feature = "master-key")]
mod cipher;

#[cfg(not(feature = "master-key"))]
mod cipher {
    use zeroize::Zeroizing;

    use crate::error::{Error, Kind, Result};

    fn unsupported() -> Error {
        Error::new(Kind::Unsupported, "this pxds was built without master keys (its Cargo feature master-key)")
    }

    pub(super) fn encrypt(_public_pem: &[u8], _data: &[u8]) -> Result<Vec<u8>> {
        Err(unsupported())
    }

    pub(super) fn decrypt(_private_pem: &[u8], _password: Option<&[u8]>, _data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Err(unsupported())
    }
}

/// The blob of a snapshot that holds its key, sealed. The manifest lists it in the snapshot's crypt mode, but it is
/// never encrypted with the key that it holds.
pub const SEALED_KEY_NAME: &str = "rsa-encrypted.key.blob";

/// Bytes of a sealed key: as many as the modulus of the master key has. A shorter one cannot hold a key file.
const SEALED_MIN_SIZE: usize = 256;
const SEALED_MAX_SIZE: usize = MASTER_KEY_MAX_BITS / 8;

/// Seals `key`, made at `created`, for the holder of the master key whose public half is `public_pem`.
///
/// Errors: `Format` if that is no PEM of a public RSA key; `Limit` if it is absurdly large; `Argument` if it is too
/// small for a key file, or for a time that has no name; `Io` if the system has no random bytes; `Unsupported`.
pub fn seal(key: &CryptKey, created: i64, public_pem: &[u8]) -> Result<Vec<u8>> {
    let text = KeyFile::new(key, Kdf::None, b"", created, None)?.to_json()?;
    cipher::encrypt(public_pem, text.as_bytes())
}

/// Opens what [`seal`] has made, or the file of its blob, with the private half of the master key. The key file that
/// comes out has no password of its own.
///
/// Errors: `KeyMismatch` if `sealed` is for another master key, or damaged; `Format` if `private_pem` is no PEM of a
/// private RSA key; `Limit` if that, or trying its password, would cost too much; `Password` if a password is needed,
/// and it is missing or wrong; `Unsupported`, also for an old kind of password; `Corrupt`, `Key` for a damaged or
/// encrypted blob; `Io` if the system has no random bytes; `NoMemory`.
pub fn recover(sealed: &[u8], private_pem: &[u8], password: Option<&[u8]>) -> Result<KeyFile> {
    let text = cipher::decrypt(private_pem, password, &content(sealed)?)?;
    // Decrypting with the wrong key does not fail before this: it gives noise, and the message need not say more.
    KeyFile::parse(&text).map_err(|_| not_for_this_key("what comes out is no key file"))
}

/// Checks that `sealed` can be what [`seal`] has made: a key in the clear must not get into a snapshot by mistake.
///
/// Errors: `Argument`.
pub fn check_sealed(sealed: &[u8]) -> Result<()> {
    if !(SEALED_MIN_SIZE..=SEALED_MAX_SIZE).contains(&sealed.len()) {
        let len = sealed.len();
        let message = format!("a sealed key has {SEALED_MIN_SIZE} to {SEALED_MAX_SIZE} bytes, and this has {len}");
        return Err(Error::new(Kind::Argument, message));
    }
    if KeyFile::parse(sealed).is_ok() {
        return Err(Error::new(Kind::Argument, "this is a key file, and not a key that is sealed for a master key"));
    }
    Ok(())
}

/// The sealed key itself, out of its blob if it is in one.
fn content(sealed: &[u8]) -> Result<Cow<'_, [u8]>> {
    // No master key seals to the magic of a blob in the age of the universe.
    match Blob::parse(sealed) {
        Ok(_) => Ok(Cow::Owned(Codec::new().decode_vec(Blob::load(sealed)?, None, SEALED_MAX_SIZE)?)),
        Err(_) => Ok(Cow::Borrowed(sealed)),
    }
}

fn not_for_this_key(why: &str) -> Error {
    Error::new(Kind::KeyMismatch, format!("the key is sealed for another master key, or damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::update_crc;

    #[test]
    fn only_what_is_sealed_is_taken() {
        let key = CryptKey::new(&[7; 32]);
        let clear = KeyFile::new(&key, Kdf::None, b"", 0, Some(&"x".repeat(40))).unwrap().to_json().unwrap();
        assert!((SEALED_MIN_SIZE..=SEALED_MAX_SIZE).contains(&clear.len()));
        for bad in [clear.as_bytes(), &[1; SEALED_MIN_SIZE - 1], &[1; SEALED_MAX_SIZE + 1], b""] {
            assert_eq!(check_sealed(bad).unwrap_err().kind(), Kind::Argument);
        }
        check_sealed(&[1; SEALED_MIN_SIZE]).unwrap();
        check_sealed(&[1; SEALED_MAX_SIZE]).unwrap();
    }

    #[test]
    fn the_content_is_taken_out_of_its_blob() {
        let data = [5; 512];
        let mut codec = Codec::new();
        assert_eq!(*content(&data).unwrap(), data);
        for compress in [false, true] {
            assert_eq!(*content(&codec.encode_vec(&data, compress).unwrap()).unwrap(), data);
        }
        let mut damaged = codec.encode_vec(&data, false).unwrap();
        damaged[100] ^= 1;
        assert_eq!(content(&damaged).unwrap_err().kind(), Kind::Corrupt);
        update_crc(&mut damaged).unwrap();
        assert_ne!(*content(&damaged).unwrap(), data);
        let long = codec.encode_vec(&[0; SEALED_MAX_SIZE + 1], true).unwrap();
        assert_eq!(content(&long).unwrap_err().kind(), Kind::Limit);
        let mut codec = Codec::with_key(Some(std::sync::Arc::new(CryptKey::new(&[7; 32]))));
        assert_eq!(content(&codec.seal_vec(&data, false).unwrap()).unwrap_err().kind(), Kind::Key);
    }
}
