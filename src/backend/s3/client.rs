//! Requests, signed and sent, and what is learned of a refusal: the service's clock, and that keys have expired.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64ct::{Base64, Encoding};
use http::Method;

use super::super::{Again, Answer, Call, Failure};
use super::address::{Address, Credentials, Keys};
use super::answer::{Refusal, clocks_differ};
use super::connection::Pool;
use super::http::{Ask, Head, Take, Times, ask};
use super::sign::{Signed, Signer};
use super::time::to_signature;
use crate::error::{Error, Kind, Result};
use crate::hash::sha256;
use crate::sys::{self, ProcessMark};

/// The hash of a body that is not signed, as S3 has it.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Bytes of the body of a refusal that are read.
const REFUSAL_MAX: usize = 64 << 10;

/// A request, before it is signed.
pub(super) struct Wish<'a> {
    pub(super) method: Method,
    /// Encoded.
    pub(super) path: String,
    /// Encoded, by names in ascending order.
    pub(super) query: String,
    /// Names in lower case, and values; all of them are signed.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) body: &'a [u8],
}

impl Wish<'_> {
    pub(super) fn new(method: Method, path: String) -> Self {
        Wish { method, path, query: String::new(), fields: Vec::new(), body: &[] }
    }

    /// As it is sent at `time`, in seconds since 1970.
    pub(super) fn signed(&self, address: &Address, credentials: &Credentials, time: i64) -> Ask<'_> {
        let date = to_signature(time);
        let hashed = !address.tls || address.options.sign_payload || self.body.is_empty();
        let payload = if hashed { sha256(self.body).to_string() } else { UNSIGNED.into() };
        let mut fields = self.fields.clone();
        fields.push(("host", address.host.clone()));
        fields.push(("x-amz-content-sha256", payload.clone()));
        fields.push(("x-amz-date", date.clone()));
        if !credentials.session_token.is_empty() {
            fields.push(("x-amz-security-token", credentials.session_token.to_string()));
        }
        fields.sort_unstable();
        let signer = Signer {
            access_key: &credentials.access_key,
            secret_key: &credentials.secret_key,
            region: &address.options.region,
        };
        let headers: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let authorization = signer.authorization(&Signed {
            method: self.method.as_str(),
            path: &self.path,
            query: &self.query,
            headers: &headers,
            date: &date,
            payload: &payload,
        });
        fields.push(("authorization", authorization));
        let target = if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) };
        Ask { method: self.method.clone(), target, fields, body: self.body }
    }
}

/// An answer to a wish, of whatever status.
pub(super) struct Reply {
    pub(super) head: Head,
    /// The body of a refusal.
    refused: Vec<u8>,
    /// What the request was signed with.
    signed_at: i64,
    offset: i64,
    credentials: Arc<Credentials>,
}

impl Reply {
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.head.status)
    }

    pub(super) fn refusal(&self) -> Refusal<'_> {
        Refusal::new(&self.head, &self.refused)
    }
}

/// The way to a service.
pub(super) struct Client {
    pub(super) address: Address,
    pool: Pool,
    /// The process that may use the connections.
    mark: ProcessMark,
    /// The keys that were asked for.
    asked: Mutex<Option<Arc<Credentials>>>,
    /// How far the clock of the service is before ours, once a refusal has said that it is.
    offset: AtomicI64,
}

impl Client {
    pub(super) fn new(address: Address) -> Self {
        let asked = Mutex::new(match &address.options.keys {
            Keys::Fixed(credentials) => Some(Arc::new(credentials.clone())),
            Keys::Asked(_) => None,
        });
        Client { address, pool: Pool::new(), mark: ProcessMark::new(), asked, offset: AtomicI64::new(0) }
    }

    /// Sends a request. The body of an answer that is good is put behind what `body` has, as much of it as `take` says.
    pub(super) fn send(&self, wish: &Wish<'_>, take: Take, body: &mut Vec<u8>, call: &Call<'_>) -> Answer<Reply> {
        if !self.mark.is_here() {
            let why = "this backend belongs to the process that has made it; a child of fork() opens its own";
            return Err(Error::new(Kind::State, why).into());
        }
        call.check()?;
        let credentials = self.credentials()?;
        let offset = self.offset.load(Ordering::Relaxed);
        let signed_at = sys::now().saturating_add(offset);
        let request = wish.signed(&self.address, &credentials, signed_at);
        let options = &self.address.options;
        let times = Times { call, stall: options.stall_timeout, answer: options.answer_timeout };
        let mut connection = self.pool.take(&self.address, call)?;
        let (before, mut refused) = (body.len(), false);
        let mut choose = |head: &Head| {
            refused = !(200..300).contains(&head.status);
            if refused { Take::Begin(REFUSAL_MAX) } else { take }
        };
        match ask(&mut connection, &request, times, &mut choose, body) {
            Ok((head, reusable)) => {
                if reusable {
                    self.pool.give_back(connection, options.connections);
                }
                let refused = if refused { body.split_off(before) } else { Vec::new() };
                Ok(Reply { head, refused, signed_at, offset, credentials })
            }
            Err(mut failure) => {
                body.truncate(before);
                if failure.again == Again::Yes && connection.was_dead() {
                    self.pool.forget();
                    failure.again = Again::Once;
                }
                Err(failure)
            }
        }
    }

    /// The failure that a refusal is, after what can be set right has been.
    pub(super) fn failure(&self, reply: &Reply, writes: bool) -> Failure {
        let refusal = reply.refusal();
        if let Some(theirs) = refusal.skewed(reply.signed_at) {
            let ours = reply.signed_at.saturating_sub(reply.offset);
            self.offset.store(theirs.saturating_sub(ours), Ordering::Relaxed);
            let mut failure = clocks_differ(&refusal.text(), reply.signed_at, theirs);
            if reply.offset == 0 {
                failure.again = Again::Once;
            }
            return failure;
        }
        let mut failure = refusal.failure(&self.address.options.bucket, writes);
        if refusal.is_expired() && matches!(self.address.options.keys, Keys::Asked(_)) {
            self.expire(&reply.credentials);
            failure.again = Again::Once;
        }
        failure
    }

    fn credentials(&self) -> Result<Arc<Credentials>> {
        // While one thread asks, the others wait for what it gets.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credentials) = &*asked {
            return Ok(credentials.clone());
        }
        let Keys::Asked(ask) = &self.address.options.keys else {
            return Err(Error::new(Kind::Internal, "keys that stay are not there"));
        };
        let credentials = Arc::new(ask()?);
        credentials.check()?;
        *asked = Some(credentials.clone());
        Ok(credentials)
    }

    /// These keys are not used any more.
    fn expire(&self, credentials: &Arc<Credentials>) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.as_ref().is_some_and(|current| Arc::ptr_eq(current, credentials)) {
            *asked = None;
        }
    }
}

/// The MD5 of a body, as `Content-MD5` has it.
pub(super) fn md5(body: &[u8]) -> String {
    use md5::Digest;
    Base64::encode_string(&md5::Md5::digest(body))
}

/// The CRC-32 of a body, as `x-amz-checksum-crc32` has it.
pub(super) fn crc32(body: &[u8]) -> String {
    Base64::encode_string(&crc32fast::hash(body).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::super::Key;
    use super::super::address::S3Options;
    use super::*;

    #[test]
    fn a_signed_request() {
        let mut credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let options = S3Options::new("bucket", "store", Keys::Fixed(credentials.clone()));
        let address = Address::new(options).unwrap();
        let key = Key::parse(".cnt/vm/1/2025-07-14T14:20:02Z/owner").unwrap();
        let fields = vec![("x-amz-checksum-crc32", crc32(b"data")), ("if-none-match", "*".into())];
        let wish = Wish { fields, body: b"data", ..Wish::new(Method::PUT, address.path(&key)) };
        let ask = wish.signed(&address, &credentials, 1_369_353_600);
        assert_eq!(ask.target, "/store/.cnt/vm/1/2025-07-14T14%3A20%3A02Z/owner");
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;if-none-match;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date,\
             Signature=7780b0280618ca08422e9823cf6bc38d873adcad328511d00776ffe2ae87169c";
        let expected = [
            ("host", "bucket.s3.us-east-1.amazonaws.com"),
            ("if-none-match", "*"),
            ("x-amz-checksum-crc32", "rfPzYw=="),
            ("x-amz-content-sha256", UNSIGNED),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", authorization),
        ];
        assert_eq!(ask.fields, expected.map(|(name, value)| (name, value.to_owned())));
        credentials.session_token = "token".to_owned().into();
        let with_token = wish.signed(&address, &credentials, 1_369_353_600);
        assert!(with_token.fields.contains(&("x-amz-security-token", "token".into())));
        let (_, signed) = with_token.fields.last().unwrap();
        assert!(signed.contains("x-amz-date;x-amz-security-token,"), "{signed}");
    }
}
