//! Key files: an encryption key at rest, under a password or not (docs/format.md, 3.5).

use std::fmt::Write as _;
use std::path::Path;

use base64ct::{Base64, Base64Unpadded, Encoding};
use scrypt::Params;
use serde_json::{Map, Value};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::calendar;
use crate::crypt::{CryptKey, Fingerprint, IV_SIZE, KEY_SIZE, Secret, TAG_SIZE};
use crate::error::{Error, Kind, Result};
use crate::json;
use crate::limits::{KEY_FILE_MAX_SIZE, PBKDF2_MAX_ROUNDS, SCRYPT_MAX_MEMORY};
use crate::sys::{self, Output, without_traces, without_traces_in};

/// Bytes of the shortest password.
pub const PASSWORD_MIN_LEN: usize = 5;

/// Characters of the longest hint.
pub const HINT_MAX_CHARS: usize = 64;

/// A key file is for its owner alone.
const MODE: u32 = 0o600;

const SALT_SIZE: usize = 32;

/// The parameters that PBS uses for new files.
const SCRYPT: (u64, u64, u64) = (65536, 8, 1);
const PBKDF2_ROUNDS: u64 = 65535;

/// How a password protects a key file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kdf {
    /// Not at all: the key is in the file as it is.
    None,
    /// By scrypt, which takes memory as well as time.
    #[default]
    Scrypt,
    /// By PBKDF2 with HMAC-SHA256.
    Pbkdf2,
}

/// A [`Kdf`] with its numbers.
#[derive(Clone, PartialEq, Eq)]
enum Derivation {
    None,
    Scrypt { n: u64, r: u64, p: u64, salt: Vec<u8> },
    Pbkdf2 { rounds: u64, salt: Vec<u8> },
}

/// The content of a key file. The key in it is zeroed when this is dropped.
#[derive(Clone)]
pub struct KeyFile {
    derivation: Derivation,
    /// In seconds since 1970.
    created: i64,
    modified: i64,
    /// The key, or iv, tag and ciphertext of it.
    data: Zeroizing<Vec<u8>>,
    fingerprint: Option<Fingerprint>,
    hint: Option<String>,
}

fn format_error(message: impl Into<String>) -> Error {
    Error::new(Kind::Format, message).context("key file")
}

impl KeyFile {
    /// Reads the JSON text of a key file.
    ///
    /// Errors: `Format`, which names the member; `Limit` above [`KEY_FILE_MAX_SIZE`] bytes.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if text.len() > KEY_FILE_MAX_SIZE {
            let message = format!("key file: {} bytes are more than {KEY_FILE_MAX_SIZE}", text.len());
            return Err(Error::new(Kind::Limit, message));
        }
        without_traces(|| match json::parse(text).map_err(|error| error.context("key file"))? {
            Value::Object(members) => Self::read(&members),
            _ => Err(format_error("it must be an object")),
        })
    }

    fn read(members: &Map<String, Value>) -> Result<Self> {
        let optional_text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format_error(format!("{name} must be a string"))),
        };
        let fingerprint = optional_text("fingerprint")?.map(Fingerprint::parse).transpose();
        Ok(KeyFile {
            derivation: Derivation::read(members.get("kdf"))?,
            created: parse_time("created", text(members, "created")?)?,
            modified: parse_time("modified", text(members, "modified")?)?,
            data: decode("data", text(members, "data")?)?,
            fingerprint: fingerprint.map_err(|error| format_error(error.message()))?,
            hint: optional_text("hint")?.map(str::to_owned),
        })
    }

    /// Reads the key file at `path`.
    ///
    /// Errors: as [`KeyFile::parse`]; `NotFound`, `Io`.
    pub fn load(path: &Path) -> Result<Self> {
        let (file, size) = sys::open_regular(path)?;
        let mut text = Zeroizing::new(Vec::new());
        let read = sys::append_bounded(&file, size, KEY_FILE_MAX_SIZE, &mut text);
        read.and_then(|()| Self::parse(&text)).map_err(|error| error.of(path))
    }

    /// Puts `key` under a password, which is not looked at for [`Kdf::None`].
    ///
    /// Errors: `Password` if it is too short; `Argument` for times that have no name, or a hint that is too long or has
    /// control characters; `Io` if the system has no random bytes; `NoMemory`.
    pub fn new(key: &CryptKey, kdf: Kdf, password: &[u8], created: i64, hint: Option<&str>) -> Result<Self> {
        let modified = sys::now().max(created);
        format_time(created)?;
        hint.map_or(Ok(()), check_hint)?;
        let derivation = Derivation::new(kdf)?;
        let data = without_traces(|| match derivation.derive(password)? {
            None => Ok(Zeroizing::new(key.secret().to_vec())),
            Some(derived) => {
                let mut sealed = key.secret().clone();
                let (iv, tag) = CryptKey::new(&derived).seal_in_place(&mut *sealed)?;
                Ok(Zeroizing::new([&iv[..], &tag, &*sealed].concat()))
            }
        })?;
        let hint = hint.map(str::to_owned);
        Ok(KeyFile { derivation, created, modified, data, fingerprint: Some(*key.fingerprint()), hint })
    }

    /// Takes the key out. The password is not looked at for [`Kdf::None`].
    ///
    /// Errors: `Password` if it is too short or wrong; `Limit` if trying would cost too much; `KeyMismatch` if the key
    /// is not that of the fingerprint in the file; `Format` if there is no key of the right length; `NoMemory`.
    pub fn unlock(&self, password: &[u8]) -> Result<CryptKey> {
        without_traces(|| self.take_out(password))
    }

    fn take_out(&self, password: &[u8]) -> Result<CryptKey> {
        let wrong_len = || format_error("data is no key of 32 bytes");
        let mut secret = Secret::default();
        match self.derivation.derive(password)? {
            None => *secret = self.data.as_slice().try_into().map_err(|_| wrong_len())?,
            Some(derived) => {
                let (iv, rest) = self.data.split_first_chunk::<IV_SIZE>().ok_or_else(wrong_len)?;
                let (tag, sealed) = rest.split_first_chunk::<TAG_SIZE>().ok_or_else(wrong_len)?;
                if sealed.len() != KEY_SIZE {
                    return Err(wrong_len());
                }
                CryptKey::new(&derived).open(iv, tag, sealed, &mut *secret).map_err(|_| self.wrong_password())?;
            }
        }
        let key = CryptKey::new(&secret);
        match &self.fingerprint {
            Some(fingerprint) if fingerprint != key.fingerprint() => {
                let (found, stated) = (key.fingerprint().short(), fingerprint.short());
                let message = format!("the key has the fingerprint {found}, the file says {stated}");
                Err(Error::new(Kind::KeyMismatch, message).context("key file"))
            }
            _ => Ok(key),
        }
    }

    fn wrong_password(&self) -> Error {
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!(" (hint: {})", hint.escape_debug()));
        Error::new(Kind::Password, format!("the password is wrong, or the file is damaged{hint}"))
    }

    /// How the key is protected.
    pub fn kdf(&self) -> Kdf {
        match self.derivation {
            Derivation::None => Kdf::None,
            Derivation::Scrypt { .. } => Kdf::Scrypt,
            Derivation::Pbkdf2 { .. } => Kdf::Pbkdf2,
        }
    }

    /// When the key was made, in seconds since 1970.
    pub fn created(&self) -> i64 {
        self.created
    }

    /// When the file was made, in seconds since 1970.
    pub fn modified(&self) -> i64 {
        self.modified
    }

    /// The fingerprint that the file states; only [`KeyFile::unlock`] verifies it.
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// The hint that reminds of the password.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The JSON text: compact, members in PBS's order.
    ///
    /// Errors: `Argument` for times that have no name.
    pub fn to_json(&self) -> Result<Zeroizing<String>> {
        without_traces(|| self.write_json())
    }

    fn write_json(&self) -> Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::new());
        let data = Zeroizing::new(Base64::encode_string(&self.data));
        let mut put = |part: std::fmt::Arguments<'_>| {
            text.write_fmt(part).map_err(|_| Error::new(Kind::Internal, "a text cannot be written"))
        };
        match &self.derivation {
            Derivation::None => put(format_args!(r#"{{"kdf":null"#))?,
            Derivation::Scrypt { n, r, p, salt } => {
                let salt = Base64::encode_string(salt);
                put(format_args!(r#"{{"kdf":{{"Scrypt":{{"n":{n},"r":{r},"p":{p},"salt":"{salt}"}}}}"#))?;
            }
            Derivation::Pbkdf2 { rounds, salt } => {
                let salt = Base64::encode_string(salt);
                put(format_args!(r#"{{"kdf":{{"PBKDF2":{{"iter":{rounds},"salt":"{salt}"}}}}"#))?;
            }
        }
        let (created, modified) = (format_time(self.created)?, format_time(self.modified)?);
        put(format_args!(r#","created":"{created}","modified":"{modified}","data":"{}""#, data.as_str()))?;
        if let Some(fingerprint) = &self.fingerprint {
            put(format_args!(r#","fingerprint":"{fingerprint}""#))?;
        }
        if let Some(hint) = &self.hint {
            put(format_args!(r#","hint":{}"#, Value::from(hint.as_str())))?;
        }
        put(format_args!("}}"))?;
        Ok(text)
    }

    /// Writes it to `path`, for its owner alone, on the disk when this returns. With `replace` a file that is there is
    /// replaced, whole or not at all, and keeps its owner.
    ///
    /// Errors: `Exists` if there is something and it is not to be replaced; `NotFound`, `Io`.
    pub fn save(&self, path: &Path, replace: bool) -> Result<()> {
        let text = self.to_json()?;
        let output = Output::at(path)?;
        let mut file = if replace { output.replace(MODE)? } else { output.create(MODE)? };
        file.write(text.as_bytes())?;
        if !output.keep_permissions(&file, MODE)? {
            file.set_owner_and_mode(None, MODE)?;
        }
        if replace { file.commit_or_undo(true) } else { file.commit_new(true) }
    }
}

impl Derivation {
    /// For a new file.
    fn new(kdf: Kdf) -> Result<Self> {
        let salt = || sys::random::<SALT_SIZE>().map(Vec::from);
        Ok(match kdf {
            Kdf::None => Derivation::None,
            Kdf::Scrypt => {
                let (n, r, p) = SCRYPT;
                Derivation::Scrypt { n, r, p, salt: salt()? }
            }
            Kdf::Pbkdf2 => Derivation::Pbkdf2 { rounds: PBKDF2_ROUNDS, salt: salt()? },
        })
    }

    fn read(kdf: Option<&Value>) -> Result<Self> {
        let members = match kdf {
            None | Some(Value::Null) => return Ok(Derivation::None),
            Some(Value::Object(members)) if members.len() == 1 => members,
            Some(_) => return Err(format_error("kdf must be null or one of Scrypt, PBKDF2")),
        };
        let (kind, Some(Value::Object(numbers))) = (members.keys().next().map(String::as_str), members.values().next())
        else {
            return Err(format_error("kdf must hold an object"));
        };
        let number = |name: &str| {
            let number = numbers.get(name).and_then(Value::as_u64);
            number.ok_or_else(|| format_error(format!("kdf.{name} must be an integer without sign")))
        };
        let salt = || Ok(decode("kdf.salt", text(numbers, "salt")?)?.to_vec());
        match kind {
            Some("Scrypt") => {
                Ok(Derivation::Scrypt { n: number("n")?, r: number("r")?, p: number("p")?, salt: salt()? })
            }
            Some("PBKDF2") => Ok(Derivation::Pbkdf2 { rounds: number("iter")?, salt: salt()? }),
            _ => Err(format_error("kdf must be null or one of Scrypt, PBKDF2")),
        }
    }

    /// The key that a password gives; `None` if none is needed.
    fn derive(&self, password: &[u8]) -> Result<Option<Secret>> {
        if *self != Derivation::None && password.len() < PASSWORD_MIN_LEN {
            let message = format!("the password is too short: it must have at least {PASSWORD_MIN_LEN} bytes");
            return Err(Error::new(Kind::Password, message));
        }
        let mut derived = Secret::default();
        match self {
            Derivation::None => return Ok(None),
            Derivation::Scrypt { n, r, p, salt } => {
                let (params, blocks) = scrypt_params(*n, *r, *p)?;
                without_traces_in(blocks, || scrypt::scrypt(password, salt, &params, &mut *derived))?
                    .map_err(|_| Error::new(Kind::Internal, "scrypt refuses to give 32 bytes"))?;
            }
            Derivation::Pbkdf2 { rounds, salt } => {
                let rounds = u32::try_from(*rounds).ok().filter(|&rounds| rounds <= PBKDF2_MAX_ROUNDS);
                let rounds = rounds.ok_or_else(|| too_expensive("its rounds are too many"))?;
                if rounds == 0 {
                    return Err(format_error("kdf.iter must not be 0"));
                }
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut *derived);
            }
        }
        Ok(Some(derived))
    }
}

fn too_expensive(why: &str) -> Error {
    Error::new(Kind::Limit, format!("the password costs too much to try: {why}")).context("key file")
}

/// The parameters of scrypt, after checking what they cost, and the sizes of the blocks that it takes: they are to be
/// set aside, since its crate ends the process where it does not get them.
pub(crate) fn scrypt_params(n: u64, r: u64, p: u64) -> Result<(Params, [usize; 2])> {
    let bad = || format_error("kdf.n must be a power of two, kdf.r and kdf.p at least 1");
    if !n.is_power_of_two() || n == 1 || r == 0 || p == 0 {
        return Err(bad());
    }
    let memory = u128::from(n).checked_mul(u128::from(r) * 128).and_then(|memory| memory.checked_mul(p.into()));
    let memory = memory.and_then(|memory| usize::try_from(memory).ok()).filter(|&memory| memory <= SCRYPT_MAX_MEMORY);
    let memory = memory.ok_or_else(|| too_expensive("it takes more memory than any key file of PBS"))?;
    // They are small now, because their product is.
    let small = |number: u64| u32::try_from(number).map_err(|_| bad());
    let params = Params::new(n.ilog2() as u8, small(r)?, small(p)?).map_err(|_| bad())?;
    let [n, p] = [n, p].map(|number| number as usize);
    Ok((params, [memory / p, memory / n]))
}

fn check_hint(hint: &str) -> Result<()> {
    if hint.is_empty() || hint.chars().count() > HINT_MAX_CHARS || hint.chars().any(char::is_control) {
        let message = format!("a hint has 1 to {HINT_MAX_CHARS} characters, and no control characters");
        return Err(Error::new(Kind::Argument, message));
    }
    Ok(())
}

/// The string member `name`.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str> {
    let text = members.get(name).and_then(Value::as_str);
    text.ok_or_else(|| format_error(format!("{name} must be a string")))
}

/// Reads base64 of the standard alphabet, with or without its padding.
fn decode(name: &str, text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let bare = text.trim_end_matches('=');
    let padded = text.len() - bare.len();
    let well_padded = padded == 0 || (padded <= 2 && text.len().is_multiple_of(4));
    let decoded = Base64Unpadded::decode_vec(bare).ok().filter(|_| well_padded);
    decoded.map(Zeroizing::new).ok_or_else(|| format_error(format!("{name} must be base64")))
}

/// `2020-06-26T13:56:05+00:00`.
fn format_time(time: i64) -> Result<String> {
    Ok(calendar::format_time(time)?.replace('Z', "+00:00"))
}

/// Reads a time of whole seconds, with `Z` or an offset.
fn parse_time(member: &str, text: &str) -> Result<i64> {
    let bad = || format_error(format!("{member} must be a time, YYYY-MM-DDTHH:MM:SS+HH:MM"));
    let (local, zone) = text.split_at_checked(calendar::TIME_LEN - 1).ok_or_else(bad)?;
    let time = calendar::parse_time(&format!("{local}Z")).map_err(|_| bad())?;
    let two = |digits: &[u8]| match digits {
        &[a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    };
    let offset = match zone.as_bytes() {
        b"Z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => two(&[*h1, *h2]).zip(two(&[*m1, *m2])).and_then(|(h, m)| {
            let seconds = h * 3600 + m * 60;
            (h < 24 && m < 60).then_some(if *sign == b'+' { seconds } else { -seconds })
        }),
        _ => None,
    };
    Ok(time - offset.ok_or_else(bad)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::os::unix::fs::PermissionsExt;

    const PASSWORD: &[u8] = b"12345";

    fn key() -> CryptKey {
        CryptKey::new(&[7; 32])
    }

    fn file(kdf: Kdf) -> KeyFile {
        KeyFile::new(&key(), kdf, PASSWORD, 1_593_179_765, Some("the usual")).unwrap()
    }

    #[test]
    fn every_kind_is_read_back() {
        for kdf in [Kdf::None, Kdf::Scrypt, Kdf::Pbkdf2] {
            let text = file(kdf).to_json().unwrap();
            let read = KeyFile::parse(text.as_bytes()).unwrap();
            assert_eq!((read.kdf(), read.created(), read.hint()), (kdf, 1_593_179_765, Some("the usual")));
            assert_eq!(read.unlock(PASSWORD).unwrap().fingerprint(), key().fingerprint());
            assert_eq!(read.to_json().unwrap(), text);
            assert!(text.starts_with("{\"kdf\":") && text.contains("\"created\":\"2020-06-26T13:56:05+00:00\""));
            for wrong in [&b"12346"[..], b"1234"] {
                let result = read.unlock(wrong).map(drop);
                match kdf {
                    Kdf::None => result.unwrap(),
                    _ => assert_eq!(result.unwrap_err().kind(), Kind::Password),
                }
            }
        }
        assert!(file(Kdf::Pbkdf2).unlock(b"wrong").unwrap_err().message().contains("the usual"));
    }

    #[test]
    fn costs_are_bounded() {
        let max = u64::MAX;
        for (n, r, p) in [(1 << 40, 8, 1), (2, max, max), (1 << 63, max, 1), (65536, 8, 17), (1 << 24, 1, 1)] {
            assert_eq!(scrypt_params(n, r, p).err().unwrap().kind(), Kind::Limit, "{n} {r} {p}");
        }
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (1024, 0, 1), (1024, 8, 0)] {
            assert_eq!(scrypt_params(n, r, p).err().unwrap().kind(), Kind::Format, "{n} {r} {p}");
        }
        scrypt_params(65536, 8, 16).unwrap();
        for rounds in [100_000_001, max, 1 << 32] {
            let expensive = Derivation::Pbkdf2 { rounds, salt: Vec::new() };
            assert_eq!(expensive.derive(PASSWORD).unwrap_err().kind(), Kind::Limit);
        }
        let none = Derivation::Pbkdf2 { rounds: 0, salt: Vec::new() };
        assert_eq!(none.derive(PASSWORD).unwrap_err().kind(), Kind::Format);
    }

    #[test]
    fn wrong_texts_are_refused() {
        let good = file(Kdf::None).to_json().unwrap();
        let long = "x".repeat(KEY_FILE_MAX_SIZE);
        let edits = [
            ("\"kdf\":null", "\"kdf\":5"),
            ("\"kdf\":null", "\"kdf\":{}"),
            ("\"kdf\":null", "\"kdf\":{\"Scrypt\":null}"),
            ("\"kdf\":null", "\"kdf\":{\"scrypt\":{}}"),
            ("\"kdf\":null", "\"kdf\":{\"PBKDF2\":{\"iter\":-1,\"salt\":\"\"}}"),
            ("\"kdf\":null", "\"kdf\":{\"PBKDF2\":{\"iter\":1,\"salt\":\"\"},\"Scrypt\":{}}"),
            ("\"created\":", "\"made\":"),
            ("+00:00\",\"mod", "\",\"mod"),
            ("\"data\":\"", "\"data\":\"_"),
            ("\"data\":\"", "\"data\":\"\\n"),
            ("\"data\":\"", "\"data\":\"="),
            ("\"fingerprint\":\"", "\"fingerprint\":\"x"),
            ("\"hint\":", "\"hint\":5,\"x\":"),
            ("{\"kdf\"", "[{\"kdf\""),
        ];
        for (from, to) in edits {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, *good, "{from}");
            assert_eq!(KeyFile::parse(text.as_bytes()).err().unwrap().kind(), Kind::Format, "{text}");
        }
        assert_eq!(KeyFile::parse(long.as_bytes()).err().unwrap().kind(), Kind::Format);
        assert_eq!(KeyFile::parse(format!("{long}x").as_bytes()).err().unwrap().kind(), Kind::Limit);
        let other = good.replacen(&key().fingerprint().to_string()[..5], "00:00", 1);
        let error = KeyFile::parse(other.as_bytes()).unwrap().unlock(b"").unwrap_err();
        assert_eq!(error.kind(), Kind::KeyMismatch);
    }

    #[test]
    fn times_have_offsets() {
        let at = 1_593_179_765;
        for (text, time) in [
            ("2020-06-26T13:56:05Z", at),
            ("2020-06-26T13:56:05+00:00", at),
            ("2020-06-26T15:56:05+02:00", at),
            ("2020-06-26T08:26:05-05:30", at),
        ] {
            assert_eq!(parse_time("created", text).unwrap(), time, "{text}");
        }
        for text in [
            "",
            "2020-06-26T13:56:05",
            "2020-06-26T13:56:05+0200",
            "2020-06-26T13:56:05+24:00",
            "2020-06-26T13:56:05.5Z",
            "2020-13-26T13:56:05Z",
            "2020-06-26 13:56:05Z",
            "2020-06-26T13:56:05+01:60",
        ] {
            assert_eq!(parse_time("created", text).unwrap_err().kind(), Kind::Format, "{text}");
        }
    }

    #[test]
    fn files_are_the_owners_and_not_overwritten() {
        let scratch = Scratch::new();
        let path = scratch.path().join("key.json");
        file(Kdf::None).save(&path, false).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let first = std::fs::read(&path).unwrap();
        assert_eq!(file(Kdf::Pbkdf2).save(&path, false).unwrap_err().kind(), Kind::Exists);
        assert_eq!(std::fs::read(&path).unwrap(), first);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        file(Kdf::Pbkdf2).save(&path, true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KeyFile::load(&path).unwrap().kdf(), Kdf::Pbkdf2);
        assert_eq!(KeyFile::load(&scratch.path().join("none")).err().unwrap().kind(), Kind::NotFound);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn hints_are_short_texts() {
        for hint in ["", "a\nb", &"x".repeat(65)] {
            let result = KeyFile::new(&key(), Kdf::None, b"", 0, Some(hint));
            assert_eq!(result.err().unwrap().kind(), Kind::Argument);
        }
        assert_eq!(KeyFile::new(&key(), Kdf::Scrypt, b"1234", 0, None).err().unwrap().kind(), Kind::Password);
    }
}
