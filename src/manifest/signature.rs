//! Signing manifests (docs/format.md, 8.5).

use serde_json::Value;

use super::{CryptMode, Manifest};
use crate::crypt::{CryptKey, Fingerprint};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// The result of checking a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// The manifest has no signature.
    Missing,
    /// It is right: a holder of the key has signed the protected part as it is.
    Valid,
}

impl Manifest {
    /// Signs the protected part with `key`, and notes the fingerprint of that.
    ///
    /// Errors: `Format` if an unknown member holds null; `Limit`, `NoMemory`.
    pub fn sign(&mut self, key: &CryptKey) -> Result<()> {
        let signature = Digest(key.auth_tag(&self.canonical()?));
        self.signature = Some(signature.to_string());
        self.set("key-fingerprint", Some(Value::from(key.fingerprint().to_string())));
        Ok(())
    }

    /// Checks the signature with `key`, over all that was read, known or not. The signature of a program whose blobs
    /// the key tolerates counts as missing.
    ///
    /// Errors: `KeyMismatch` if the manifest is signed with another key; `Auth` if the signature is wrong; `Format` if
    /// it covers something that cannot be signed, or the fingerprint cannot be parsed.
    pub fn verify(&self, key: &CryptKey) -> Result<Signature> {
        let Some(signature) = &self.signature else { return Ok(Signature::Missing) };
        if let Some(noted) = self.noted_fingerprint()? {
            check_same(&noted, key)?;
            if key.has_other_fingerprint(&noted) {
                // The program that made it has signed it in a form of its own.
                return Ok(Signature::Missing);
            }
        }
        let wrong = || Error::new(Kind::Auth, format!("manifest: the signature is wrong{}", self.excuse()));
        let tag = Digest::from_hex(signature.as_bytes()).map_err(|_| wrong())?;
        // The text counts: upper case is another signature.
        if tag.to_hex() != *signature.as_bytes() || !key.has_auth_tag(&self.canonical()?, &tag.0) {
            return Err(wrong());
        }
        Ok(Signature::Valid)
    }

    /// A cause of a wrong signature other than an attack.
    fn excuse(&self) -> &'static str {
        match self.files.iter().all(|file| file.crypt_mode == CryptMode::None) {
            true => {
                "; if PBS has pushed the snapshot here, which was signed and not encrypted, it has kept the signature \
                 and changed what that covers: no key can verify it, and it can be read without one"
            }
            false => "",
        }
    }

    /// Compares the noted fingerprint, if there is one, with that of the key at hand.
    ///
    /// Errors: `Key` if there is no key; `KeyMismatch` if it is another; `Format` if the noted text is no fingerprint.
    pub fn check_fingerprint(&self, key: Option<&CryptKey>) -> Result<()> {
        match (self.noted_fingerprint()?, key) {
            (None, _) => Ok(()),
            (Some(noted), Some(key)) => check_same(&noted, key),
            (Some(noted), None) => {
                Err(Error::new(Kind::Key, format!("manifest: it needs the key {}, and none is given", noted.short())))
            }
        }
    }

    /// The fingerprint of the key that the snapshot was made with.
    fn noted_fingerprint(&self) -> Result<Option<Fingerprint>> {
        let bad = || Error::new(Kind::Format, "manifest: unprotected.key-fingerprint is no fingerprint");
        match self.unprotected_member("key-fingerprint") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Fingerprint::parse(text).map(Some).map_err(|_| bad()),
            Some(_) => Err(bad()),
        }
    }
}

fn check_same(noted: &Fingerprint, key: &CryptKey) -> Result<()> {
    if noted == key.fingerprint() || key.has_other_fingerprint(noted) {
        return Ok(());
    }
    let message = format!("manifest: it needs the key {}, and {} is given", noted.short(), key.fingerprint().short());
    Err(Error::new(Kind::KeyMismatch, message))
}

#[cfg(test)]
mod tests {
    use super::super::FileInfo;
    use super::*;
    use crate::name::BackupType;

    fn key() -> CryptKey {
        // What scrypt makes of the password "test" without salt.
        let hex = b"28cdb1a3bef39396c3860e00d448fe7a0efd8244486ab6feb30457681d31597e";
        CryptKey::new(&Digest::from_hex(hex).unwrap().0)
    }

    fn manifest() -> Manifest {
        let mut manifest = Manifest::new(BackupType::Host, "elsa", 1_593_179_765).unwrap();
        for (name, mode, byte) in [("test1.img.fidx", CryptMode::Encrypt, 1), ("abc.blob", CryptMode::None, 2)] {
            let csum = Digest([byte; 32]);
            manifest.add_file(&FileInfo { filename: name.into(), crypt_mode: mode, size: 200, csum }).unwrap();
        }
        manifest.set_notes(Some("not covered")).unwrap();
        manifest
    }

    #[test]
    fn known_signature() {
        let mut manifest = manifest();
        assert_eq!(manifest.verify(&key()).unwrap(), Signature::Missing);
        manifest.sign(&key()).unwrap();
        let expected = "d7b446fb7db081662081d4b40fedd858a1d6307a5aff4ecff7d5bf4fd35679e9";
        assert_eq!(manifest.signature(), Some(expected));
        assert_eq!(manifest.key_fingerprint(), Some(key().fingerprint().to_string().as_str()));
        let read = Manifest::parse(&manifest.to_json().unwrap()).unwrap();
        assert_eq!(read.verify(&key()).unwrap(), Signature::Valid);
    }

    #[test]
    fn keys_and_signatures_that_are_wrong_are_told_apart() {
        let mut manifest = manifest();
        manifest.sign(&key()).unwrap();
        let other = CryptKey::new(&[1; 32]);
        assert_eq!(manifest.verify(&other).unwrap_err().kind(), Kind::KeyMismatch);
        for (key, kind) in [(None, Kind::Key), (Some(&other), Kind::KeyMismatch)] {
            assert_eq!(manifest.check_fingerprint(key).unwrap_err().kind(), kind);
        }
        manifest.check_fingerprint(Some(&key())).unwrap();
        manifest.set_unprotected_member("key-fingerprint", None).unwrap();
        assert_eq!(manifest.verify(&other).unwrap_err().kind(), Kind::Auth);
        manifest.check_fingerprint(None).unwrap();
        manifest.set_notes(None).unwrap();
        assert_eq!(manifest.verify(&key()).unwrap(), Signature::Valid);
        manifest.set_unprotected_member("key-fingerprint", Some("x".into())).unwrap();
        assert_eq!(manifest.verify(&key()).unwrap_err().kind(), Kind::Format);
    }
}
