//! The backend of S3 against servers that a test scripts: what is sent, and what is made of each answer. Real servers
//! are in tests/checks/s3.py, which sets PXDS_TEST_S3.

#![cfg(feature = "s3")]

#[path = "common/backends.rs"]
mod backends;
#[path = "common/http_server.rs"]
mod http_server;
#[path = "common/s3.rs"]
mod s3;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backends::{call, contract, contract_of_paths, key};
use http_server::{Reply, Request, Server, Setup, answer, tls_path};
use pxds::backend::s3::{Credentials, Keys, S3, S3Options, time};
use pxds::backend::{Again, Answer, Backend, Call, Entry, Key, Limits, Object, Put, PutDone};
use pxds::error::{Error, Kind};
use s3::{ACCESS, DATE, SECRET, TOKEN, error, failed, is, object, s3, s3_with};

fn now() -> i64 {
    pxds::sys::now()
}

// ---- what is sent ----

#[test]
fn the_six_calls() {
    let server = Server::new(|_, request| {
        Reply::Send(match (request.method.as_str(), request.target.as_str()) {
            ("PUT", _) if request.field("x-amz-copy-source").is_some() => {
                answer(200, &[], b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
            }
            ("GET", target) if target.contains("list-type") => answer(
                200,
                &[("Date", DATE)],
                b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>store/a/b</Key><Size>3</Size>\
                  <LastModified>2013-05-24T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag></Contents>\
                  </ListBucketResult>",
            ),
            ("GET", _) => object(b"the bytes"),
            ("HEAD", _) => {
                format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nLast-Modified: {DATE}\r\n\r\n").into_bytes()
            }
            ("POST", _) => answer(200, &[], b"<DeleteResult/>"),
            _ => answer(200, &[("ETag", "\"x\"")], b""),
        })
    });
    let s3 = s3(&server);
    let key = key(".cnt/vm/1/2025-07-14T14:20:02Z/owner");
    assert_eq!(s3.put(&key, b"data", Put::New, &call()).unwrap(), PutDone::Stored);
    assert_eq!(s3.put(&key, b"data", Put::IfMatch("tag"), &call()).unwrap(), PutDone::Stored);
    let mut out = b"before ".to_vec();
    let got = s3.get(&key, 100, &mut out, &call()).unwrap().unwrap();
    let then = 1_369_353_600;
    assert_eq!(got, Object { size: 9, modified: then, etag: "tag".into(), now: Some(then) });
    assert_eq!(out, b"before the bytes");
    let stat = s3.stat(&key, &call()).unwrap().unwrap();
    assert_eq!(stat, Object { size: 9, modified: then, etag: String::new(), now: None });
    let mut page = Vec::new();
    assert!(s3.list("a/", "a/a:", &mut page, &call()).unwrap());
    assert_eq!((page[0].key.as_str(), page[0].object.etag.as_str()), ("a/b", "e"));
    assert!(s3.delete(&[key.clone(), self::key("x&y")], &call()).unwrap().is_empty());
    assert!(s3.copy(&key, &self::key("to"), &call()).unwrap());

    let requests = server.requests();
    let path = "/bucket/store/.cnt/vm/1/2025-07-14T14%3A20%3A02Z/owner";
    let lines: Vec<_> = requests.iter().map(|request| format!("{} {}", request.method, request.target)).collect();
    let listing = "/bucket/?list-type=2&max-keys=1000&prefix=store%2Fa%2F&start-after=store%2Fa%2Fa%3A";
    assert_eq!(
        lines,
        [
            format!("PUT {path}"),
            format!("PUT {path}"),
            format!("GET {path}"),
            format!("HEAD {path}"),
            format!("GET {listing}"),
            "POST /bucket/?delete=".into(),
            "PUT /bucket/store/to".into(),
        ]
    );
    let put = &requests[0];
    assert_eq!(put.body, b"data");
    for (name, value) in [
        ("content-length", "4"),
        ("content-type", "application/octet-stream"),
        ("if-none-match", "*"),
        ("x-amz-checksum-crc32", "rfPzYw=="),
        ("x-amz-content-sha256", "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"),
        ("x-amz-security-token", TOKEN),
        ("host", server.url().strip_prefix("http://").unwrap()),
    ] {
        assert_eq!(put.field(name), Some(value), "{name}: {}", put.head);
    }
    // And nothing else, in this order.
    let names: Vec<_> = put.fields.iter().map(|(name, _)| name.as_str()).collect();
    let signed = "content-type host if-none-match x-amz-checksum-crc32 x-amz-content-sha256 x-amz-date \
                  x-amz-security-token authorization content-length";
    assert_eq!(names.join(" "), signed);
    assert!(put.head.starts_with(&format!("PUT {path} HTTP/1.1\r\ncontent-type: application/octet-stream\r\nhost: ")));
    assert_eq!((requests[1].field("if-match"), requests[1].field("if-none-match")), (Some("\"tag\""), None));
    let removal = String::from_utf8(requests[5].body.clone()).unwrap();
    assert!(removal.contains("<Key>store/x&amp;y</Key>"), "{removal}");
    assert!(requests[5].field("content-md5").is_some());
    assert_eq!(requests[6].field("x-amz-copy-source"), Some(path.strip_prefix('/').unwrap()));
    assert!(requests.iter().all(is_signed));
    assert_eq!(server.connections(), 1);
    assert!(s3.location().contains("s3://bucket/store"), "{}", s3.location());
}

/// Whether the signature is the one that the fields of the request make, worked out anew.
fn is_signed(request: &Request) -> bool {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};
    let mac = |key: &[u8], data: &str| {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
        mac.update(data.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let authorization = request.field("authorization").unwrap();
    let names = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let signature = authorization.split("Signature=").nth(1).unwrap();
    for (name, _) in &request.fields {
        let free = ["authorization", "content-length"].contains(&name.as_str());
        assert!(free || names.split(';').any(|signed| signed == name), "{name} is not signed");
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let fields: String = names.split(';').map(|name| format!("{name}:{}\n", request.field(name).unwrap())).collect();
    let payload = request.field("x-amz-content-sha256").unwrap();
    let text = format!("{}\n{path}\n{query}\n{fields}\n{names}\n{payload}", request.method);
    let date = request.field("x-amz-date").unwrap();
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [&date[..8], "us-east-1", "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let digest = hex(&Sha256::digest(text.as_bytes()));
    hex(&mac(&key, &format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"))) == signature
}

#[test]
fn what_options_change() {
    let server = Server::with(Setup { certificate: Some("server"), ..Setup::default() }, |_, request| {
        Reply::Send(match request.method.as_str() {
            "HEAD" => answer(404, &[], b""),
            "DELETE" => b"HTTP/1.1 204 No\r\n\r\n".to_vec(),
            _ => answer(200, &[], b""),
        })
    });
    let with = |change: fn(&mut S3Options)| {
        s3_with(&server, |options| {
            options.ca_file = Some(tls_path("ca.pem"));
            change(options);
        })
    };
    let last = || server.requests().pop().unwrap();
    let put = |s3: &S3, how: Put<'_>| s3.put(&key("k"), b"data", how, &call()).unwrap();
    put(&with(|_| ()), Put::Replace);
    assert_eq!(last().field("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    put(&with(|options| options.sign_payload = true), Put::Replace);
    assert_eq!(last().field("x-amz-content-sha256").map(str::len), Some(64));
    put(&with(|options| options.content_md5 = true), Put::Replace);
    assert_eq!(last().field("content-md5"), Some("jXd/OF09/siBXSD3SWAm3A=="));
    let old = with(|options| options.no_put_new = true);
    assert_eq!((old.limits().put_new, old.limits().if_match), (false, false));
    let before = server.requests().len();
    assert_eq!(put(&old, Put::New), PutDone::Stored);
    assert_eq!((server.requests().len() - before, last().field("if-none-match")), (2, None));
    is(&failed(old.put(&key("k"), b"", Put::IfMatch("x"), &call())), Kind::Unsupported, Again::No);
    let single = with(|options| options.single_delete = true);
    assert_eq!(single.limits().max_delete, 1);
    assert!(single.delete(&[key("k")], &call()).unwrap().is_empty());
    assert_eq!((last().method.as_str(), last().target.as_str()), ("DELETE", "/bucket/store/k"));
    assert_eq!(failed(single.delete(&[key("k"), key("l")], &call())).error.kind(), Kind::Argument);
    assert!(server.requests().iter().all(is_signed));
    assert_eq!(with(|options| options.connections = 3).limits().connections, 3);
}

#[test]
fn nothing_of_the_environment_matters() {
    // Of a program of its own: what is set here would be so for all tests.
    const NAMES: [&str; 14] = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "AWS_ACCESS_KEY_ID",
        "AWS_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_CA_BUNDLE",
        "RES_OPTIONS",
    ];
    if std::env::var("PXDS_TEST_ENVIRONMENT").is_err() {
        let mut program = std::process::Command::new(std::env::current_exe().unwrap());
        program
            .args(["--exact", "nothing_of_the_environment_matters", "--nocapture"])
            .env("PXDS_TEST_ENVIRONMENT", "1");
        for name in NAMES {
            program.env(name, "http://127.0.0.1:1/nowhere");
        }
        assert!(program.status().unwrap().success());
        return;
    }
    let server =
        Server::with(Setup { certificate: Some("server"), ..Setup::default() }, |_, _| Reply::Send(object(b"x")));
    let s3 = s3_with(&server, |options| options.ca_file = Some(tls_path("ca.pem")));
    assert!(s3.get(&key("k"), 1, &mut Vec::new(), &call()).unwrap().is_some());
    assert_eq!(server.requests()[0].field("authorization").unwrap().matches(ACCESS).count(), 1);
}

// ---- what is made of answers ----

#[test]
fn refusals() {
    use Again::{Later, No, Yes};
    let second = Duration::from_secs(1);
    let rows: &[(u16, &str, Kind, Again)] = &[
        (500, "InternalError", Kind::Io, Yes),
        (502, "", Kind::Io, Yes),
        (503, "ServiceUnavailable", Kind::Io, Yes),
        (503, "SlowDown", Kind::Io, Later(second)),
        (504, "", Kind::Io, Yes),
        (429, "TooManyRequests", Kind::Io, Later(second)),
        (408, "", Kind::Io, Yes),
        (400, "BadDigest", Kind::Io, Yes),
        (400, "XAmzContentSHA256Mismatch", Kind::Io, Yes),
        (400, "RequestTimeout", Kind::Io, Yes),
        (403, "SignatureDoesNotMatch", Kind::Denied, No),
        (403, "InvalidAccessKeyId", Kind::Denied, No),
        (403, "AccessDenied", Kind::Denied, No),
        (403, "SomethingNew", Kind::Denied, No),
        (400, "InvalidToken", Kind::Denied, No),
        (400, "ExpiredToken", Kind::Denied, No),
        (401, "", Kind::Denied, No),
        (404, "NoSuchBucket", Kind::NotFound, No),
        (501, "NotImplemented", Kind::Unsupported, No),
        (405, "MethodNotAllowed", Kind::Unsupported, No),
        (400, "InvalidArgument", Kind::Format, No),
        (411, "MissingContentLength", Kind::Format, No),
    ];
    for &(status, code, kind, again) in rows {
        let body = if code.is_empty() { Vec::new() } else { error(code) };
        let server = Server::of(vec![answer(status, &[("Date", &time::to_http(now()))], &body)]);
        let s3 = s3(&server);
        let failures = [
            failed(s3.get(&key("k"), 10, &mut Vec::new(), &call())),
            failed(s3.put(&key("k"), b"data", Put::New, &call())),
            failed(s3.list("", "", &mut Vec::new(), &call())),
            failed(s3.delete(&[key("k")], &call())),
            failed(s3.copy(&key("k"), &key("l"), &call())),
        ];
        for failure in failures {
            is(&failure, kind, again);
            let text = failure.error.message();
            assert!(text.contains(&status.to_string()) && text.contains(code), "{text}");
            assert!(code.is_empty() || text.contains("said so"), "{text}");
            assert!(kind != Kind::NotFound || text.contains("bucket bucket"), "{text}");
        }
        // A refusal that was read to its end is no reason to connect anew.
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn how_long_to_wait() {
    let until = time::to_http(now() + 90);
    let date = time::to_http(now());
    for (field, seconds) in [("7", 7), ("soon", 1), (until.as_str(), 90), ("99999999", 3600), ("-1", 1)] {
        let server = Server::of(vec![answer(503, &[("Retry-After", field), ("Date", &date)], b"")]);
        let failure = failed(s3(&server).stat(&key("k"), &call()));
        // HEAD: without the body that the length is of.
        is(&failure, Kind::Io, Again::Later(Duration::from_secs(seconds)));
    }
}

#[test]
fn what_is_there_already_and_what_is_not() {
    let server = Server::of(vec![answer(412, &[], &error("PreconditionFailed"))]);
    let s3_412 = s3(&server);
    assert_eq!(s3_412.put(&key("k"), b"", Put::New, &call()).unwrap(), PutDone::Exists);
    assert_eq!(s3_412.put(&key("k"), b"", Put::IfMatch("x"), &call()).unwrap(), PutDone::Changed);
    is(&failed(s3_412.put(&key("k"), b"", Put::Replace, &call())), Kind::Format, Again::No);
    for tag in ["", "a\nb", "ä"] {
        is(&failed(s3_412.put(&key("k"), b"", Put::IfMatch(tag), &call())), Kind::Argument, Again::No);
    }
    let server = Server::of(vec![answer(409, &[], &error("ConditionalRequestConflict"))]);
    is(&failed(s3(&server).put(&key("k"), b"", Put::New, &call())), Kind::Io, Again::Yes);

    let server = Server::new(|_, request| {
        Reply::Send(match request.method.as_str() {
            "HEAD" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n".to_vec(),
            _ => answer(404, &[], &error("NoSuchKey")),
        })
    });
    let none = s3(&server);
    let mut out = b"as it was".to_vec();
    assert_eq!(none.get(&key("k"), 10, &mut out, &call()).unwrap(), None);
    assert_eq!(out, b"as it was");
    assert_eq!(none.stat(&key("k"), &call()).unwrap(), None);
    assert!(!none.copy(&key("k"), &key("l"), &call()).unwrap());
    assert_eq!(none.put(&key("k"), b"", Put::IfMatch("x"), &call()).unwrap(), PutDone::Changed);
    // The directory that the object was to be in has gone meanwhile.
    is(&failed(none.put(&key("k"), b"", Put::New, &call())), Kind::Io, Again::Yes);
    let single = s3_with(&server, |options| options.single_delete = true);
    assert!(single.delete(&[key("k")], &call()).unwrap().is_empty());
    // The page of another server says nothing of objects.
    let server = Server::of(vec![answer(404, &[], b"<html><body>Not here</body></html>")]);
    let failure = failed(s3(&server).get(&key("k"), 10, &mut Vec::new(), &call()));
    is(&failure, Kind::Format, Again::No);
}

#[test]
fn html_in_the_place_of_xml() {
    let server = Server::of(vec![answer(200, &[], b"<html><body>Please sign in</body></html>")]);
    let s3 = s3(&server);
    for failure in [failed(s3.list("", "", &mut Vec::new(), &call())), failed(s3.delete(&[key("k")], &call()))] {
        is(&failure, Kind::Format, Again::No);
    }
    // A page of a portal may come with any key: it does not say when it was written.
    let mut out = Vec::new();
    is(&failed(s3.get(&key("k"), 100, &mut out, &call())), Kind::Format, Again::No);
    assert!(out.is_empty());
}

#[test]
fn elsewhere() {
    let body = b"<Error><Code>PermanentRedirect</Code><Endpoint>bucket.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
    let rows: [(Vec<u8>, &str); 4] = [
        (answer(301, &[("x-amz-bucket-region", "eu-west-1")], body), "bucket.s3.eu-west-1.amazonaws.com"),
        (answer(301, &[("x-amz-bucket-region", "eu-west-1")], b""), "region is eu-west-1"),
        (answer(307, &[("Location", "http://127.0.0.1:1/x?X-Amz-Signature=secret")], b""), "http://127.0.0.1:1/x"),
        (
            answer(400, &[], b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>"),
            "region is eu-central-1",
        ),
    ];
    for (bytes, expected) in rows {
        let server = Server::of(vec![bytes]);
        let failure = failed(s3(&server).get(&key("k"), 10, &mut Vec::new(), &call()));
        is(&failure, Kind::Argument, Again::No);
        assert!(failure.error.message().contains(expected), "{failure:?}");
        assert!(!failure.error.message().contains("Signature"), "{failure:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn clocks_that_differ() {
    for (status, code) in [(403, "RequestTimeTooSkewed"), (400, "AccessDenied"), (403, "")] {
        let theirs = now() + 1200;
        let server = Server::new(move |_, request| {
            let ours = request.field("x-amz-date").unwrap();
            let near = |offset: i64| (-60..60).any(|by| time::to_signature(theirs + offset + by) == ours);
            let date = time::to_http(theirs);
            Reply::Send(match (near(0), request.method.as_str()) {
                (true, _) => object(b"x"),
                (false, _) if code.is_empty() => answer(status, &[("Date", &date)], b""),
                (false, _) => answer(status, &[("Date", &date)], &error(code)),
            })
        });
        let s3 = s3(&server);
        let failure = failed(s3.get(&key("k"), 10, &mut Vec::new(), &call()));
        is(&failure, Kind::Denied, Again::Once);
        assert!(failure.error.message().contains(&time::to_http(theirs)), "{failure:?}");
        // What it has learned holds for all calls that follow.
        assert!(s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap().is_some());
        assert!(s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap().is_some());
    }
    // A service whose clock says something else each time.
    let server = Server::new(|number, _| {
        let date = time::to_http(now() + 4000 * (number as i64 + 1));
        Reply::Send(answer(403, &[("Date", &date)], &error("RequestTimeTooSkewed")))
    });
    let s3 = s3(&server);
    is(&failed(s3.get(&key("k"), 10, &mut Vec::new(), &call())), Kind::Denied, Again::Once);
    let failure = failed(s3.get(&key("k"), 10, &mut Vec::new(), &call()));
    is(&failure, Kind::Denied, Again::No);
    assert_eq!(failure.error.message().matches(" GMT").count(), 2, "{failure:?}");
}

#[test]
fn keys_that_expire() {
    let server = Server::new(|_, request| {
        let good = request.field("authorization").unwrap().contains("Credential=key-2/");
        Reply::Send(if good { object(b"x") } else { answer(400, &[], &error("ExpiredToken")) })
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let s3 = s3_with(&server, |options| {
        options.keys = Keys::asked(move || {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Credentials::new(&format!("key-{number}"), SECRET))
        });
    });
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let failure = failed(s3.get(&key("k"), 10, &mut Vec::new(), &call()));
    is(&failure, Kind::Denied, Again::Once);
    assert!(s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap().is_some());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // What the callback says stops the call; what it gives is checked.
    let s3 = s3_with(&server, |options| options.keys = Keys::asked(|| Err(Error::cancelled("callback", 3))));
    assert_eq!(failed(s3.get(&key("k"), 10, &mut Vec::new(), &call())).error.callback_value(), 3);
    let s3 = s3_with(&server, |options| options.keys = Keys::asked(|| Ok(Credentials::new("a\nb", SECRET))));
    is(&failed(s3.get(&key("k"), 10, &mut Vec::new(), &call())), Kind::Argument, Again::No);
}

#[test]
fn removals_that_fail() {
    let body =
        b"<DeleteResult><Deleted/><Error><Key>store/b</Key><Code>AccessDenied</Code><Message>no</Message></Error>\
                 <Error><Key>store/c</Key><Code>NoSuchKey</Code></Error><Error><Key>store/d&amp;</Key>\
                 <Code>InternalError</Code></Error></DeleteResult>";
    let server = Server::of(vec![answer(200, &[], body)]);
    let keys = ["a", "b", "c", "d&"].map(key);
    let failed_keys = s3(&server).delete(&keys, &call()).unwrap();
    let found: Vec<_> = failed_keys.iter().map(|(place, error)| (*place, error.kind())).collect();
    assert_eq!(found, [(1, Kind::Denied), (3, Kind::Io)]);
    is(&failed(s3(&server).delete(&keys[..1], &call())), Kind::Format, Again::No);
}

#[test]
fn copies_that_fail_late() {
    let server = Server::of(vec![answer(200, &[], &error("InternalError"))]);
    let failure = failed(s3(&server).copy(&key("a"), &key("b"), &call()));
    is(&failure, Kind::Io, Again::Yes);
    assert!(failure.error.message().contains("InternalError"));
}

#[test]
fn listings_of_others() {
    let entry =
        "<Contents><Key>other/a</Key><Size>3</Size><LastModified>2013-05-24T00:00:00Z</LastModified></Contents>";
    let body = format!("<ListBucketResult>{entry}</ListBucketResult>");
    let server = Server::of(vec![answer(200, &[], body.as_bytes())]);
    let mut page = Vec::new();
    is(&failed(s3(&server).list("", "", &mut page, &call())), Kind::Format, Again::No);
    assert!(page.is_empty());
}

// ---- real servers ----

/// A service whose passing failures are tried again, as [`pxds::backend::Requests`] does: those whose keys are paths of
/// files fail now and then when a directory goes while it is listed or written into. What is tried again is told of.
struct Patient(S3);

impl Patient {
    fn again<T>(&self, mut attempt: impl FnMut(&S3) -> Answer<T>) -> Answer<T> {
        for _ in 0..5 {
            match attempt(&self.0) {
                Err(failure) if failure.again != Again::No => eprintln!("again: {failure:?}"),
                other => return other,
            }
        }
        attempt(&self.0)
    }
}

impl Backend for Patient {
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
        self.again(|s3| s3.get(key, max_len, out, call))
    }

    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
        self.again(|s3| s3.put(key, data, how, call))
    }

    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
        self.again(|s3| s3.stat(key, call))
    }

    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
        self.again(|s3| s3.list(prefix, after, page, call))
    }

    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
        self.again(|s3| s3.delete(keys, call))
    }

    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
        self.again(|s3| s3.copy(from, to, call))
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn location(&self) -> String {
        self.0.location()
    }
}

/// The contract, on the server that PXDS_TEST_S3 names: endpoint, bucket, access key, secret key, and flags of what it
/// cannot, with spaces between them.
#[test]
fn a_real_server() {
    let Ok(text) = std::env::var("PXDS_TEST_S3") else { return };
    let words: Vec<&str> = text.split(' ').collect();
    let [endpoint, bucket, access_key, secret_key, flags @ ..] = &words[..] else { panic!("{text}") };
    let next = AtomicUsize::new(0);
    let contract = if flags.contains(&"paths") { contract_of_paths } else { contract };
    contract(endpoint, &|| {
        let number = next.fetch_add(1, Ordering::SeqCst);
        let keys = Keys::Fixed(Credentials::new(access_key, secret_key));
        let options = S3Options {
            endpoint: Some((*endpoint).into()),
            plain_http: true,
            no_put_new: flags.contains(&"no-put-new"),
            single_delete: flags.contains(&"single-delete"),
            ..S3Options::new(bucket, &format!("contract-{number}"), keys)
        };
        Arc::new(Patient(S3::new(options).unwrap()))
    });
    let wrong = S3::new(S3Options {
        endpoint: Some((*endpoint).into()),
        plain_http: true,
        ..S3Options::new("no-such-bucket-here", "x", Keys::Fixed(Credentials::new(access_key, secret_key)))
    })
    .unwrap();
    assert_eq!(failed(wrong.get(&key("k"), 1, &mut Vec::new(), &call())).error.kind(), Kind::NotFound);
    if !flags.contains(&"any-secret") {
        let wrong = S3::new(S3Options {
            endpoint: Some((*endpoint).into()),
            plain_http: true,
            ..S3Options::new(bucket, "x", Keys::Fixed(Credentials::new(access_key, "not-the-secret")))
        })
        .unwrap();
        assert_eq!(failed(wrong.get(&key("k"), 1, &mut Vec::new(), &call())).error.kind(), Kind::Denied);
    }
}
