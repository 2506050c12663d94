//! Encryption keys: what they seal and open, and the names and signatures that are made with them
//! (docs/format.md, 2.7 and 3.1 to 3.4).
//!
//! The ciphers and hashes are those of well-kept crates; nothing here is our own but their arrangement. Secrets are
//! zeroed when they are dropped, and neither errors nor `Debug` show them. All work with secrets runs in
//! [`without_traces`], so that no trace of a key is left after its last use.

use std::fmt;

use aes_gcm::aead::KeyInit;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut, AesGcm};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::digest::{DIGEST_SIZE, Digest};
use crate::error::{Error, Kind, Result};
use crate::hash::{Hasher, sha256, sha256_all};
use crate::sys::{self, without_traces};

/// Bytes of a key.
pub const KEY_SIZE: usize = 32;

/// Bytes of an iv: GCM as PBS uses it.
pub const IV_SIZE: usize = 16;

/// Bytes of an authentication tag of the cipher.
pub const TAG_SIZE: usize = 16;

/// Bytes of an iv as other programs use it: the start of a field of [`IV_SIZE`].
const SHORT_IV_SIZE: usize = 12;

/// Bytes of a block of HMAC-SHA256.
const HMAC_BLOCK_SIZE: usize = 64;

/// The salt that the second key is derived with.
const ID_KEY_SALT: &[u8] = b"_id_key";
const ID_KEY_ROUNDS: u32 = 10;

/// The input of the fingerprint besides the key.
const FINGERPRINT_INPUT: &[u8] = b"Proxmox Backup Encryption Key Fingerprint";

/// A secret of [`KEY_SIZE`] bytes.
pub type Secret = Zeroizing<[u8; KEY_SIZE]>;

/// Tells keys apart without giving them away.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; DIGEST_SIZE]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits of either case, with colons anywhere.
    ///
    /// Errors: `Argument`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::new(Kind::Argument, "a fingerprint is 32 pairs of hexadecimal digits");
        // Nothing longer needs to be looked at.
        if text.len() > 4 * DIGEST_SIZE {
            return Err(bad());
        }
        let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b':').collect();
        Digest::from_hex(&digits).map(|digest| Fingerprint(digest.0)).map_err(|_| bad())
    }

    /// The first eight bytes, for messages.
    pub fn short(&self) -> String {
        colons(&self.0[..8])
    }
}

fn colons(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&colons(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Forms of another program that a key reads besides PBS's own (docs/format.md, 2.4 and 2.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tolerance {
    /// Ivs of 12 bytes with zeros behind them, and digests that were made with the second key of that program.
    pub short_iv: bool,
    /// Headers that are four zero bytes too long.
    pub long_header: bool,
}

impl Tolerance {
    /// All that either of the two reads.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Tolerance { short_iv: self.short_iv || other.short_iv, long_header: self.long_header || other.long_header }
    }
}

/// An encryption key, and what is derived from it.
pub struct CryptKey {
    /// Boxed from the start: a value that moves leaves a copy behind.
    secrets: Box<Secrets>,
    fingerprint: Fingerprint,
    tolerance: Tolerance,
}

/// The secrets, zeroed when the key is dropped.
struct Secrets {
    key: Secret,
    id_key: Secret,
    cipher: AesGcm<Aes256, U16>,
    /// The second key as the program derives it that writes short ivs; zeros if they are not read.
    other_id_key: Secret,
}

impl CryptKey {
    /// The key of these bytes.
    pub fn new(secret: &[u8; KEY_SIZE]) -> Self {
        without_traces(|| {
            let mut id_key = Secret::default();
            pbkdf2::pbkdf2_hmac::<Sha256>(secret, ID_KEY_SALT, ID_KEY_ROUNDS, &mut *id_key);
            CryptKey {
                fingerprint: fingerprint_of(&id_key),
                secrets: Box::new(Secrets {
                    key: Zeroizing::new(*secret),
                    id_key,
                    cipher: AesGcm::new(secret.into()),
                    other_id_key: Secret::default(),
                }),
                tolerance: Tolerance::default(),
            }
        })
    }

    /// The same key, which also reads the forms of `tolerance`. Its output is the same.
    #[must_use]
    pub fn tolerant(&self, tolerance: Tolerance) -> Self {
        without_traces(|| {
            let mut key = CryptKey::new(&self.secrets.key);
            key.tolerance = tolerance;
            if tolerance.short_iv {
                derive_other_id_key(&self.secrets.key, &mut key.secrets.other_id_key);
            }
            key
        })
    }

    /// Forms that it reads besides PBS's own.
    pub fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// Whether `digest` is that of encrypted data by the second key of the program that writes short ivs, if those are
    /// read.
    pub fn has_other_digest(&self, data: &[u8], digest: &Digest) -> bool {
        self.tolerance.short_iv
            && without_traces(|| {
                let mut hasher = Hasher::new();
                hasher.update(data);
                hasher.update(&*self.secrets.other_id_key);
                hasher.digest() == *digest
            })
    }

    /// Whether `fingerprint` is that of this key by the second key of the program that writes short ivs, if those are
    /// read.
    pub fn has_other_fingerprint(&self, fingerprint: &Fingerprint) -> bool {
        self.tolerance.short_iv && without_traces(|| fingerprint_of(&self.secrets.other_id_key) == *fingerprint)
    }

    /// A new key.
    ///
    /// Errors: `Io` if the system has no random bytes.
    pub fn random() -> Result<Self> {
        without_traces(|| Ok(CryptKey::new(&Zeroizing::new(sys::random()?))))
    }

    /// The key itself, for its file.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secrets.key
    }

    /// The fingerprint, which tells it from other keys.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The name of encrypted data: a digest that says nothing to those without the key.
    pub fn digest(&self, data: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(data);
        self.finish_digest(&hasher)
    }

    /// As [`CryptKey::digest`], for data that `hashed` has taken.
    pub fn finish_digest(&self, hashed: &Hasher) -> Digest {
        without_traces(|| {
            let mut hasher = hashed.clone();
            hasher.update(&*self.secrets.id_key);
            hasher.digest()
        })
    }

    /// The authentication tag of `data`: what manifests are signed with.
    pub fn auth_tag(&self, data: &[u8]) -> [u8; 32] {
        without_traces(|| self.mac(data).finalize().into_bytes().into())
    }

    /// Whether `tag` is the authentication tag of `data`; the time that it takes does not tell how much of it is right.
    pub fn has_auth_tag(&self, data: &[u8], tag: &[u8; 32]) -> bool {
        without_traces(|| self.mac(data).verify_slice(tag).is_ok())
    }

    fn mac(&self, data: &[u8]) -> Hmac<Sha256> {
        // The key is shorter than a block, and HMAC fills it up with zeros.
        let mut block = Zeroizing::new([0; HMAC_BLOCK_SIZE]);
        block[..KEY_SIZE].copy_from_slice(&*self.secrets.id_key);
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(data);
        mac
    }

    /// Encrypts `data` into `out`, which has the same length; gives the iv, a new random one, and the tag.
    ///
    /// Errors: `Io` if the system has no random bytes; `Internal`.
    pub fn seal(&self, data: &[u8], out: &mut [u8]) -> Result<([u8; IV_SIZE], [u8; TAG_SIZE])> {
        let buffer = InOutBuf::new(data, out).map_err(|_| unequal())?;
        self.seal_buffer(buffer)
    }

    /// As [`CryptKey::seal`], in place.
    pub fn seal_in_place(&self, data: &mut [u8]) -> Result<([u8; IV_SIZE], [u8; TAG_SIZE])> {
        self.seal_buffer(data.into())
    }

    fn seal_buffer(&self, buffer: InOutBuf<'_, '_, u8>) -> Result<([u8; IV_SIZE], [u8; TAG_SIZE])> {
        let iv: [u8; IV_SIZE] = sys::random()?;
        let tag = without_traces(|| self.secrets.cipher.encrypt_inout_detached((&iv).into(), b"", buffer))
            .map_err(|_| Error::new(Kind::Internal, "the cipher refuses data of this length"))?;
        Ok((iv, tag.into()))
    }

    /// Decrypts `data` into `out`, which has the same length, after checking the tag. A failure leaves nothing of the
    /// data in `out`.
    ///
    /// Errors: `Auth` if the tag does not match: another key, or damage.
    pub fn open(&self, iv: &[u8; IV_SIZE], tag: &[u8; TAG_SIZE], data: &[u8], out: &mut [u8]) -> Result<()> {
        let buffer = InOutBuf::new(data, out).map_err(|_| unequal())?;
        without_traces(|| self.secrets.cipher.decrypt_inout_detached(iv.into(), b"", buffer, tag.into()))
            .map_err(|_| Error::new(Kind::Auth, "the authentication tag does not match: another key, or damaged data"))
    }

    /// As [`CryptKey::open`], for an iv that has 12 bytes, and zeros behind them, as some other programs write it.
    ///
    /// Errors: `Auth`.
    pub fn open_short_iv(&self, iv: &[u8; IV_SIZE], tag: &[u8; TAG_SIZE], data: &[u8], out: &mut [u8]) -> Result<()> {
        let refused = || Error::new(Kind::Auth, "the authentication tag does not match with a short iv either");
        let (short, zeros) = iv.split_first_chunk::<SHORT_IV_SIZE>().ok_or_else(refused)?;
        if zeros.iter().any(|&byte| byte != 0) {
            return Err(refused());
        }
        let buffer = InOutBuf::new(data, out).map_err(|_| unequal())?;
        without_traces(|| {
            let cipher = AesGcm::<Aes256, U12>::new((&*self.secrets.key).into());
            cipher.decrypt_inout_detached(short.into(), b"", buffer, tag.into())
        })
        .map_err(|_| refused())
    }
}

fn fingerprint_of(id_key: &Secret) -> Fingerprint {
    let mut hasher = Hasher::new();
    hasher.update(&sha256(FINGERPRINT_INPUT).0);
    hasher.update(&**id_key);
    Fingerprint(hasher.digest().0)
}

/// PBKDF2 as the program has it that writes short ivs: without the number of the block, and without adding the rounds
/// up.
fn derive_other_id_key(secret: &Secret, id_key: &mut Secret) {
    let mut block = Zeroizing::new([0; HMAC_BLOCK_SIZE]);
    block[..KEY_SIZE].copy_from_slice(&**secret);
    for round in 0..ID_KEY_ROUNDS {
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(if round == 0 { ID_KEY_SALT } else { &**id_key });
        **id_key = mac.finalize().into_bytes().into();
    }
}

impl fmt::Debug for CryptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CryptKey({})", self.fingerprint.short())
    }
}

fn unequal() -> Error {
    Error::new(Kind::Internal, "a buffer for the cipher has another length than the data")
}

/// The digest of `data`: that of encrypted data if there is a key.
pub fn digest_of(data: &[u8], key: Option<&CryptKey>) -> Digest {
    key.map_or_else(|| sha256(data), |key| key.digest(data))
}

/// As [`digest_of`] for each of `chunks`, in their order; faster for two or more of them.
///
/// Errors: `Internal` if there is not one place in `out` for each.
pub fn digest_all(chunks: &[&[u8]], key: Option<&CryptKey>, out: &mut [Digest]) -> Result<()> {
    match key {
        Some(key) => without_traces(|| sha256_all(chunks, &*key.secrets.id_key, out)),
        None => sha256_all(chunks, &[], out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const DATA: &[u8] = b"The quick brown fox jumps over the lazy dog";

    fn unhex<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
    }

    fn key() -> CryptKey {
        CryptKey::new(&std::array::from_fn(|i| i as u8))
    }

    #[test]
    fn known_key_of_the_other_program() {
        let (key, short_iv) = (key(), Tolerance { short_iv: true, long_header: false });
        let id_key = unhex::<32>("23b87bd882ee10a3f9d7e4e7c23adc523a5ce832b8d6fc2639d45d9505b1a52e");
        let tolerant = key.tolerant(short_iv);
        assert_eq!((tolerant.tolerance(), *tolerant.secrets.other_id_key), (short_iv, id_key));
        let digest = sha256(&[DATA, &id_key].concat());
        let fingerprint = Fingerprint(sha256(&[&sha256(FINGERPRINT_INPUT).0[..], &id_key].concat()).0);
        assert!(tolerant.has_other_digest(DATA, &digest) && tolerant.has_other_fingerprint(&fingerprint));
        assert!(!tolerant.has_other_digest(DATA, &key.digest(DATA)));
        assert!(!tolerant.has_other_fingerprint(key.fingerprint()));
        // Its output and its fingerprint are the same.
        assert_eq!((tolerant.digest(DATA), tolerant.fingerprint()), (key.digest(DATA), key.fingerprint()));
        for strict in
            [key.tolerant(Tolerance { short_iv: false, long_header: true }), tolerant.tolerant(Tolerance::default())]
        {
            assert!(!strict.has_other_digest(DATA, &digest) && !strict.has_other_fingerprint(&fingerprint));
        }
    }

    #[test]
    fn known_key() {
        let key = key();
        let id_key = "7c2c013efd07f3b25717a485263343cd4d292a4b65c200bb3b18ea227abe225c";
        assert_eq!(*key.secrets.id_key, unhex::<32>(id_key));
        let fingerprint = "0e:ab:d4:46:0b:6e:b9:ca:34:50:23:de:e2:b7:78:c7:\
                           90:e5:4a:16:83:b9:65:9c:0a:57:ae:19:90:90:15:9b";
        assert_eq!(key.fingerprint().to_string(), fingerprint);
        assert_eq!(key.fingerprint().short(), "0e:ab:d4:46:0b:6e:b9:ca");
        let digest = "681d4b0b5ee021e3d689cfa54656274abd17f354a213e3b3d78c020374d671ab";
        assert_eq!(key.digest(DATA).to_string(), digest);
        let tag = unhex("d8cef1f26fa7c7e7fb08e8ff3ffacd68c0fde2d2807e29056b1cec75f3aac4c9");
        assert_eq!(key.auth_tag(DATA), tag);
        assert!(key.has_auth_tag(DATA, &tag));
        assert!(!key.has_auth_tag(b"other data", &tag));
    }

    #[test]
    fn known_ciphertext() {
        let data: [u8; 43] =
            unhex("de325f40960452cc002bfc1bd8d77f21d6ea19f85a7968bd7920d3cd3d85ad22054ba3f9ade673ccdfe9af");
        let (iv, tag) = (std::array::from_fn(|i| 0x10 + i as u8), unhex("997bab09dde7081ff26132168de08425"));
        let mut out = [0; 43];
        key().open(&iv, &tag, &data, &mut out).unwrap();
        assert_eq!(out, DATA);
        let error = key().open_short_iv(&iv, &tag, &data, &mut out).unwrap_err();
        assert_eq!(error.kind(), Kind::Auth);

        // With an iv of 12 bytes.
        let data: [u8; 43] =
            unhex("2996fd3638bc53d0a1556a6f600e0773b13f362e71b73ac194d98d113b2674af388c776f94dc17cf1a59f5");
        let tag = unhex("1ac828f6749dd32b4df0c4c7c0ae187c");
        let iv = std::array::from_fn(|i| if i < 12 { 0x10 + i as u8 } else { 0 });
        let mut out = [0; 43];
        assert_eq!(key().open(&iv, &tag, &data, &mut out).unwrap_err().kind(), Kind::Auth);
        assert_eq!(out, [0; 43]);
        key().open_short_iv(&iv, &tag, &data, &mut out).unwrap();
        assert_eq!(out, DATA);
    }

    #[test]
    fn what_is_sealed_opens_with_the_key_alone() {
        let (mut sealed, mut out) = ([0; 43], [0; 43]);
        let (iv, tag) = key().seal(DATA, &mut sealed).unwrap();
        key().open(&iv, &tag, &sealed, &mut out).unwrap();
        assert_eq!(out, DATA);
        let mut in_place: [u8; 43] = DATA.try_into().unwrap();
        let (iv, tag) = key().seal_in_place(&mut in_place).unwrap();
        key().open(&iv, &tag, &in_place, &mut out).unwrap();
        assert_eq!(out, DATA);
        out.fill(0);
        let other = CryptKey::random().unwrap();
        assert_eq!(other.open(&iv, &tag, &in_place, &mut out).unwrap_err().kind(), Kind::Auth);
        for i in 0..16 {
            let mut wrong = (iv, tag, in_place);
            wrong.0[i] ^= 1;
            assert!(key().open(&wrong.0, &tag, &in_place, &mut out).is_err());
            wrong.1[i] ^= 1;
            assert!(key().open(&iv, &wrong.1, &in_place, &mut out).is_err());
            wrong.2[i] ^= 1;
            assert!(key().open(&iv, &tag, &wrong.2, &mut out).is_err());
        }
        assert_eq!(out, [0; 43]);
        assert_eq!(key().seal(DATA, &mut [0; 42]).unwrap_err().kind(), Kind::Internal);
    }

    #[test]
    fn no_iv_comes_twice() {
        let key = key();
        let ivs: HashSet<_> = (0..10_000).map(|_| key.seal(b"", &mut []).unwrap().0).collect();
        assert_eq!(ivs.len(), 10_000);
    }

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let fingerprint = *key().fingerprint();
        let full = fingerprint.to_string();
        for text in [full.clone(), full.to_uppercase(), full.replace(':', ""), format!("::{full}:")] {
            assert_eq!(Fingerprint::parse(&text).unwrap(), fingerprint);
        }
        for text in ["", "00", &full[1..], &full.replace('0', "g"), &full.replace(':', "-"), &format!("{full}00")] {
            assert_eq!(Fingerprint::parse(text).unwrap_err().kind(), Kind::Argument, "{text}");
        }
    }

    #[test]
    fn digests_of_many() {
        let data = DATA.repeat(3);
        let chunks = [0, 1, 23, 31, 64, 100, 43].map(|len| &data[..len]);
        let key = key();
        for key in [None, Some(&key)] {
            let mut out = vec![Digest([0; DIGEST_SIZE]); chunks.len()];
            digest_all(&chunks, key, &mut out).unwrap();
            let expected: Vec<_> = chunks.iter().map(|chunk| digest_of(chunk, key)).collect();
            assert_eq!(out, expected);
        }
        assert_eq!(digest_all(&chunks, None, &mut []).unwrap_err().kind(), Kind::Internal);
    }

    #[test]
    fn nothing_shows_the_key() {
        let shown = format!("{:?}", key());
        assert_eq!(shown, "CryptKey(0e:ab:d4:46:0b:6e:b9:ca)");
    }
}
