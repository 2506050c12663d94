//! A bucket of a service that speaks S3 (docs/format.md, 13).

use super::{Answer, Call};

/// One request, with all of its headers.
pub(super) struct Request<'a> {
    /// GET, HEAD, PUT, POST or DELETE.
    pub(super) method: &'static str,
    /// The path and the query, percent-encoded.
    pub(super) target: &'a str,
    /// Names in lower case, with `host` and without `content-length`, which the transport adds.
    pub(super) headers: &'a [(&'static str, String)],
    /// The body; empty for none.
    pub(super) body: &'a [u8],
    /// The most bytes of a body that the answer may have.
    pub(super) max_len: usize,
}

/// What came back, besides the body.
#[derive(Debug)]
pub(super) struct Response {
    /// The status of HTTP.
    pub(super) status: u16,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
}

impl Response {
    /// The value of the first header with this name, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }
}

/// What carries requests to a service.
pub(super) trait Transport: Send + Sync {
    /// Sends a request and puts the body of the answer behind `body`; that of an answer that is no success too, up to
    /// 64 KiB of it. An answer that says it has more than `max_len` bytes, and is a success, is `Limit` before any of
    /// them is read.
    ///
    /// A failure is of the way alone; every answer of the service is a [`Response`].
    fn exchange(&self, request: &Request<'_>, body: &mut Vec<u8>, call: &Call<'_>) -> Answer<Response>;
}
