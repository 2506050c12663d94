//! What the answers of a service mean: the errors by their codes, and what the fields say of an object.

use std::time::Duration;

use super::super::{Again, Failure, Object};
use super::http::Head;
use super::time::{from_http, to_http};
use super::xml::{self, Failed};
use crate::error::{Error, Kind, Result};

/// How far a clock may be off: services take 15 minutes, and what an answer was under way is not counted.
pub(super) const SKEW_MAX: i64 = 300;

/// The pause that a service gets which has too much to do and does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that one can ask for.
const PAUSE_MAX: u64 = 3600;

/// A code of a service says that the keys have expired.
const EXPIRED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];

/// That what came is not what was sent, or not all of it.
const CHANGED_ON_THE_WAY: [&str; 6] = [
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
    "IncompleteBody",
    "RequestTimeout",
    "OperationAborted",
];

/// That who asks may not, also with another status than 403.
const DENIED: [&str; 10] = [
    "AccessDenied",
    "AllAccessDisabled",
    "AccountProblem",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "InvalidTokenId",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// An answer that is none of those that a call hopes for.
pub(super) struct Refusal<'a> {
    pub(super) head: &'a Head,
    /// What the body says, if it is an error of S3's.
    pub(super) failed: Failed,
    /// Whether the body is something else than an error of S3's, or nothing.
    pub(super) foreign: bool,
}

impl<'a> Refusal<'a> {
    pub(super) fn new(head: &'a Head, body: &[u8]) -> Self {
        let failed = xml::failed(body).ok().flatten();
        let foreign = failed.is_none() && !body.is_empty();
        Refusal { head, failed: failed.unwrap_or_default(), foreign }
    }

    fn is_code(&self, codes: &[&str]) -> bool {
        codes.contains(&self.failed.code.as_str())
    }

    /// Whether it says that there is no such object.
    pub(super) fn is_missing(&self) -> bool {
        // An answer to HEAD has no body, so no code. A page of a proxy or of another server says nothing of objects.
        self.head.status == 404 && !self.foreign && self.failed.code != "NoSuchBucket"
    }

    /// Whether the keys have expired.
    pub(super) fn is_expired(&self) -> bool {
        self.is_code(&EXPIRED)
    }

    /// The clock of the service, if the reason may be that ours is off by more than is allowed, with which the request
    /// was signed.
    pub(super) fn skewed(&self, signed_at: i64) -> Option<i64> {
        let may_be = matches!(self.head.status, 400 | 403)
            && (self.is_code(&["RequestTimeTooSkewed", "AccessDenied", "RequestExpired"])
                || self.failed.code.is_empty() && !self.foreign);
        clock(self.head).filter(|now| may_be && now.abs_diff(signed_at) > SKEW_MAX.unsigned_abs())
    }

    /// The failure that it is.
    pub(super) fn failure(&self, bucket: &str, writes: bool) -> Failure {
        let status = self.head.status;
        let text = self.text();
        let (kind, again) = match status {
            _ if self.failed.code == "NoSuchBucket" => {
                let error = Error::new(Kind::NotFound, format!("there is no bucket {bucket}: {text}"));
                return error.into();
            }
            _ if self.failed.code == "AuthorizationHeaderMalformed" && !self.failed.region.is_empty() => {
                return self.elsewhere(&text);
            }
            _ if self.is_code(&CHANGED_ON_THE_WAY) => (Kind::Io, Again::Yes),
            _ if self.is_code(&DENIED) || self.is_expired() => (Kind::Denied, Again::No),
            300..=399 => return self.elsewhere(&text),
            401 | 403 | 407 => (Kind::Denied, Again::No),
            429 => (Kind::Io, Again::Later(self.pause())),
            503 if self.is_code(&["SlowDown"]) || self.head.field("retry-after").is_some() => {
                (Kind::Io, Again::Later(self.pause()))
            }
            409 if writes => (Kind::Io, Again::Yes),
            // A service whose keys are paths of files says so when another request removes the directory meanwhile.
            404 if writes && self.is_code(&["NoSuchKey"]) => (Kind::Io, Again::Yes),
            408 | 500 | 502 | 503 | 504 => (Kind::Io, Again::Yes),
            501 | 405 => (Kind::Unsupported, Again::No),
            505.. => (Kind::Io, Again::Yes),
            _ => (Kind::Format, Again::No),
        };
        Failure { error: Error::new(kind, text), again }
    }

    /// The failure that the bucket is at another place.
    fn elsewhere(&self, text: &str) -> Failure {
        let region = Some(self.failed.region.as_str()).filter(|region| !region.is_empty());
        let mut places = Vec::new();
        if let Some(region) = region.or_else(|| self.head.field("x-amz-bucket-region")) {
            places.push(format!("its region is {region:.80}"));
        }
        if !self.failed.endpoint.is_empty() {
            places.push(format!("its endpoint is {}", self.failed.endpoint));
        } else if let Some(location) = self.head.field("location") {
            // Without the query, in which a service may have signed something.
            places.push(format!("it is at {:.200}", location.split('?').next().unwrap_or("")));
        }
        let places = if places.is_empty() { "it does not say where".into() } else { places.join(", ") };
        Error::new(Kind::Argument, format!("the bucket is to be asked for elsewhere: {places} ({text})")).into()
    }

    /// The pause that the service asks for.
    fn pause(&self) -> Duration {
        let Some(text) = self.head.field("retry-after") else { return PAUSE };
        let seconds = text.trim().parse::<u64>().ok().or_else(|| {
            let until = from_http(text)?;
            let now = clock(self.head)?;
            u64::try_from(until - now).ok()
        });
        seconds.map_or(PAUSE, |seconds| Duration::from_secs(seconds.min(PAUSE_MAX)))
    }

    /// Status, code and message.
    pub(super) fn text(&self) -> String {
        let Refusal { head, failed, foreign } = self;
        let mut text = format!("the service answers {}", head.status);
        if !failed.code.is_empty() {
            text.push_str(&format!(" {}", failed.code));
        }
        if !failed.message.is_empty() {
            text.push_str(&format!(": {}", failed.message.trim()));
        } else if *foreign {
            text.push_str(", with a body that is not S3's: perhaps it is another service");
        }
        text
    }
}

/// The failure that two clocks differ.
pub(super) fn clocks_differ(text: &str, ours: i64, theirs: i64) -> Failure {
    let (ours, theirs) = (to_http(ours), to_http(theirs));
    Error::new(Kind::Denied, format!("{text} (the request says that it is {ours}, the service {theirs})")).into()
}

/// What the clock of a service says in an answer.
pub(super) fn clock(head: &Head) -> Option<i64> {
    from_http(head.field("date")?)
}

/// What an answer says of an object of `size` bytes.
///
/// Errors: `Format`.
pub(super) fn object(head: &Head, size: u64) -> Result<Object> {
    let modified = head.field("last-modified").and_then(from_http);
    let Some(modified) = modified else {
        return Err(Error::new(Kind::Format, "the answer does not say when the object was written"));
    };
    let etag = xml::tag(head.field("etag").unwrap_or("")).to_owned();
    Ok(Object { size, modified, etag, now: clock(head) })
}
