//! Whom a connection over TLS trusts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::address::Address;
use crate::crypt::Fingerprint;
use crate::error::{Error, Kind, Result};
use crate::hash::sha256;
use crate::sys;

/// Where systems have the certificates of the authorities that they trust: Debian, Fedora, Alpine, SUSE.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Bytes of such a file; that of Debian has 220 KiB.
const FILE_MAX: usize = 8 << 20;

/// What connections to an address are made with.
///
/// Errors: `Argument` or `NotFound` if there is nobody to trust; `Io`.
pub(super) fn config(address: &Address) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Internal, format!("TLS: {error}")))?;
    let config = match address.fingerprint {
        Some(fingerprint) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(OneLeaf { fingerprint, provider }))
        }
        None => builder.with_root_certificates(authorities(address.options.ca_file.as_deref())?),
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

/// The authorities of a file, or of the system.
fn authorities(file: Option<&Path>) -> Result<RootCertStore> {
    match file {
        Some(path) => {
            read(path)?.ok_or_else(|| Error::at(Kind::NotFound, path, "is not there, to trust its authorities"))
        }
        None => {
            for path in SYSTEM_FILES.map(PathBuf::from) {
                if let Some(found) = read(&path)? {
                    return Ok(found);
                }
            }
            let places = SYSTEM_FILES.join(", ");
            let why = format!("the system has no certificates of authorities ({places}), and the option ca_file none");
            Err(Error::new(Kind::NotFound, why))
        }
    }
}

/// The authorities of a file. `None`: there is no such file.
fn read(path: &Path) -> Result<Option<RootCertStore>> {
    let (file, size) = match sys::open_regular(path) {
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        other => other?,
    };
    let text = sys::read_bounded(&file, size, FILE_MAX).map_err(|error| error.of(path))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| Error::at(Kind::Format, path, format!("is no PEM: {error}")))?;
        // Of the system's some may be of a kind that is not known here, and then nobody has to trust them.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(Error::at(Kind::Format, path, "has no certificate of an authority"));
    }
    Ok(Some(roots))
}

/// Takes the one certificate of this fingerprint. That the server has its key is checked as always.
struct OneLeaf {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for OneLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneLeaf({})", self.fingerprint)
    }
}

type Valid<T> = std::result::Result<T, rustls::Error>;

impl ServerCertVerifier for OneLeaf {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Valid<ServerCertVerified> {
        if sha256(end_entity).0 == self.fingerprint.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Valid<HandshakeSignatureValid> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Valid<HandshakeSignatureValid> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a failure of TLS means, for a message.
pub(super) fn explain(error: &rustls::Error) -> String {
    let hint = match error {
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "the server's certificate has another fingerprint".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is of no authority that is trusted (the options ca_file and fingerprint)"
                .to_owned()
        }
        rustls::Error::InvalidMessage(_) => format!("{error}; perhaps it speaks no TLS"),
        other => other.to_string(),
    };
    let hint: String = hint.chars().take(400).collect();
    format!("TLS: {hint}")
}
