//! What the tests of the backend of S3 share: options for a scripted server, answers, and what is said of failures.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::time::Duration;

use pxds::backend::s3::{Credentials, Keys, S3, S3Options};
use pxds::backend::{Again, Failure};
use pxds::error::Kind;

use crate::http_server::{Server, answer};

pub(crate) const ACCESS: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const TOKEN: &str = "the-token-of-a-session";
pub(crate) const DATE: &str = "Fri, 24 May 2013 00:00:00 GMT";

pub(crate) fn fixed() -> Keys {
    Keys::Fixed(Credentials { session_token: TOKEN.to_owned().into(), ..Credentials::new(ACCESS, SECRET) })
}

pub(crate) fn options(server: &Server) -> S3Options {
    S3Options {
        endpoint: Some(server.url()),
        plain_http: true,
        connect_timeout: Duration::from_secs(20),
        ..S3Options::new("bucket", "store", fixed())
    }
}

pub(crate) fn s3(server: &Server) -> S3 {
    S3::new(options(server)).unwrap()
}

pub(crate) fn s3_with(server: &Server, change: impl FnOnce(&mut S3Options)) -> S3 {
    let mut options = options(server);
    change(&mut options);
    S3::new(options).unwrap()
}

pub(crate) fn error(code: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said so</Message></Error>").into_bytes()
}

pub(crate) fn object(body: &[u8]) -> Vec<u8> {
    answer(200, &[("Last-Modified", DATE), ("ETag", "\"tag\""), ("Date", DATE)], body)
}

#[track_caller]
pub(crate) fn failed<T: std::fmt::Debug>(answer: Result<T, Failure>) -> Failure {
    let failure = answer.unwrap_err();
    let text = format!("{failure:?}");
    for secret in [SECRET, TOKEN, "Signature="] {
        assert!(!text.contains(secret), "{text}");
    }
    failure
}

#[track_caller]
pub(crate) fn is(failure: &Failure, kind: Kind, again: Again) {
    assert_eq!((failure.error.kind(), failure.again), (kind, again), "{failure:?}");
}
