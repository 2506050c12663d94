//! RSA with the padding of PKCS#1 v1.5, and the PEM texts of its keys.
//!
//! The crate `rsa` is not constant time where a private key is at work (RUSTSEC-2023-0071). An attack needs the times
//! of many decryptions of the attacker's choice; here a person who holds the key does one.

use getrandom::SysRng;
use rsa::pkcs1::{self, RsaPrivateKeyRef, RsaPublicKeyRef, UintRef};
use rsa::pkcs8::der::Decode;
use rsa::pkcs8::pkcs5::{self, pbes2};
use rsa::pkcs8::{
    self, Document, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument, SubjectPublicKeyInfoRef,
};
use rsa::traits::{PaddingScheme, PublicKeyParts};
use rsa::{BoxedUint, Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::not_for_this_key;
use crate::error::{Error, Kind, Result};
use crate::keyfile;
use crate::limits::{MASTER_KEY_MAX_BITS, MASTER_PEM_MAX_SIZE, PBKDF2_MAX_ROUNDS};
use crate::sys::{without_traces, without_traces_in};

/// Bytes that the padding takes.
const PADDING_SIZE: usize = 11;

const PUBLIC: &str = "PUBLIC KEY";
const PRIVATE: &str = "PRIVATE KEY";
const PRIVATE_ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PRIVATE_PKCS1: &str = "RSA PRIVATE KEY";

fn format_error(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Format, format!("master key: {what}"))
}

pub(super) fn encrypt(public_pem: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    let key = public_key(public_pem, data.len())?;
    without_traces(|| Pkcs1v15Encrypt.encrypt(&mut SysRng, &key, data)).map_err(operation_failed)
}

pub(super) fn decrypt(private_pem: &[u8], password: Option<&[u8]>, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    without_traces(|| open(private_pem, password, data))
}

fn open(private_pem: &[u8], password: Option<&[u8]>, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let key = private_key(private_pem, password)?;
    if data.len() != key.size() {
        let (have, want) = (data.len(), key.size());
        return Err(not_for_this_key(&format!("it has {have} bytes, and this master key seals to {want}")));
    }
    match Pkcs1v15Encrypt.decrypt(Some(&mut SysRng), &key, data) {
        Ok(plain) => Ok(Zeroizing::new(plain)),
        // The number is not below the modulus. Wrong padding is no error: it gives noise.
        Err(rsa::Error::Decryption) => Err(not_for_this_key("it cannot be decrypted")),
        Err(error) => Err(operation_failed(error)),
    }
}

fn operation_failed(error: rsa::Error) -> Error {
    match error {
        rsa::Error::Rng => Error::new(Kind::Io, "cannot read random bytes"),
        error => format_error(format!("RSA fails: {error}")),
    }
}

/// The public key of a PEM, one that is large enough for `data_len` bytes.
fn public_key(pem: &[u8], data_len: usize) -> Result<RsaPublicKey> {
    let (label, document) = Document::from_pem(pem_text(pem)?).map_err(no_pem)?;
    if label != PUBLIC {
        return Err(format_error(format!("the PEM is of a {label:?}, and a {PUBLIC:?} is needed")));
    }
    let no_key = || format_error("the PEM holds no public key of RSA");
    let info = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).map_err(|_| no_key())?;
    let parts = info.subject_public_key.as_bytes().filter(|_| info.algorithm == pkcs1::ALGORITHM_ID);
    let parts = RsaPublicKeyRef::from_der(parts.ok_or_else(no_key)?).map_err(|_| no_key())?;
    let have = check_size(&parts.modulus)?;
    let need = 8 * (data_len + PADDING_SIZE);
    if have.next_multiple_of(8) < need {
        let message = format!("the master key has {have} bits, and a key file of {data_len} bytes needs {need}");
        return Err(Error::new(Kind::Argument, message));
    }
    let (modulus, exponent) = (number(&parts.modulus)?, number(&parts.public_exponent)?);
    RsaPublicKey::new_with_size_limits(modulus, exponent, 1..=MASTER_KEY_MAX_BITS)
        .map_err(|error| format_error(format!("the public key is broken: {error}")))
}

fn number(part: &UintRef<'_>) -> Result<BoxedUint> {
    let bytes = part.as_bytes();
    // A PEM is short enough for its bits to be counted in 32.
    BoxedUint::from_be_slice(bytes, 8 * bytes.len() as u32).map_err(|_| format_error("a number in the PEM is broken"))
}

/// The private key of a PEM: PKCS#8, under a password or not, or PKCS#1.
fn private_key(pem: &[u8], password: Option<&[u8]>) -> Result<RsaPrivateKey> {
    let (label, document) = SecretDocument::from_pem(pem_text(pem)?).map_err(no_pem)?;
    match label {
        PRIVATE => private_key_of_info(document.as_bytes()),
        PRIVATE_ENCRYPTED => private_key_of_info(unlock(document.as_bytes(), password)?.as_bytes()),
        PRIVATE_PKCS1 => private_key_of_parts(document.as_bytes()),
        _ => Err(format_error(format!("the PEM is of a {label:?}, and a {PRIVATE:?} is needed"))),
    }
}

fn private_key_of_info(der: &[u8]) -> Result<RsaPrivateKey> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| no_private_key())?;
    if info.algorithm != pkcs1::ALGORITHM_ID {
        return Err(no_private_key());
    }
    private_key_of_parts(info.private_key.as_bytes())
}

fn private_key_of_parts(der: &[u8]) -> Result<RsaPrivateKey> {
    let parts = RsaPrivateKeyRef::from_der(der).map_err(|_| no_private_key())?;
    check_size(&parts.modulus)?;
    // The message does not say what is wrong with the numbers: they are secret.
    parts.try_into().map_err(|_| format_error("the private key is broken"))
}

fn no_private_key() -> Error {
    format_error("the PEM holds no private key of RSA")
}

/// The bits of a modulus, checked before anything is computed with it.
fn check_size(modulus: &UintRef<'_>) -> Result<usize> {
    let bytes = modulus.as_bytes();
    let bits = 8 * bytes.len() - bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    if bits > MASTER_KEY_MAX_BITS {
        let message = format!("the master key has {bits} bits, more than {MASTER_KEY_MAX_BITS}");
        return Err(Error::new(Kind::Limit, message));
    }
    if bits < RsaPublicKey::MIN_SIZE {
        return Err(format_error(format!("a key of {bits} bits protects nothing")));
    }
    Ok(bits)
}

/// Decrypts a private key that is under a password, after checking what that costs.
fn unlock(der: &[u8], password: Option<&[u8]>) -> Result<SecretDocument> {
    let unsupported = || Error::new(Kind::Unsupported, "master key: the PEM is under a password in an unsupported way");
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| no_private_key())?;
    let mut blocks = [0; 2];
    match &info.encryption_algorithm.pbes2().ok_or_else(unsupported)?.kdf {
        pbes2::Kdf::Pbkdf2(params) if params.iteration_count > PBKDF2_MAX_ROUNDS => {
            return Err(Error::new(
                Kind::Limit,
                "master key: the password costs too much to try: its rounds are too many",
            ));
        }
        pbes2::Kdf::Pbkdf2(_) => {}
        pbes2::Kdf::Scrypt(params) => {
            let (n, r, p) = (params.cost_parameter, params.block_size, params.parallelization);
            let message = "master key: the numbers of its password's scrypt are wrong, or cost too much to try";
            let params = keyfile::scrypt_params(n, r.into(), p.into());
            blocks = params.map_err(|error| Error::new(error.kind(), message))?.1;
        }
        _ => return Err(unsupported()),
    }
    let missing = || Error::new(Kind::Password, "the master key is under a password, and none is given");
    let password = password.ok_or_else(missing)?;
    let document = without_traces_in(blocks, || info.decrypt(password))?.map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::UnsupportedAlgorithm { .. }) => unsupported(),
        _ => wrong_password(),
    })?;
    // A wrong password can give padding that looks right.
    PrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|_| wrong_password())?;
    Ok(document)
}

fn wrong_password() -> Error {
    Error::new(Kind::Password, "the password of the master key is wrong, or its PEM is damaged")
}

/// Checks that a text can be a PEM. White space at its end, as editors leave it, is cut off.
fn pem_text(pem: &[u8]) -> Result<&str> {
    if pem.len() > MASTER_PEM_MAX_SIZE {
        let message = format!("master key: {} bytes are more than the {MASTER_PEM_MAX_SIZE} of a PEM", pem.len());
        return Err(Error::new(Kind::Limit, message));
    }
    str::from_utf8(pem.trim_ascii_end()).map_err(|_| format_error("it is no PEM"))
}

fn no_pem(_: pkcs8::der::Error) -> Error {
    format_error("it is no PEM of one key")
}
