//! The ways to a service of S3 and back: answers that are wrong or not whole, services that are slow, connections that
//! are used again or die, TLS, proxies, children of fork().

#![cfg(feature = "s3")]

#[path = "common/backends.rs"]
mod backends;
mod common;
#[path = "common/http_server.rs"]
mod http_server;
#[path = "common/s3.rs"]
mod s3;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backends::{always, call, key};
use http_server::{Reply, Server, Setup, answer, tls_path};
use pxds::backend::s3::{S3, S3Options};
use pxds::backend::{Again, Backend, Call, Failure, Put};
use pxds::error::{Error, Kind};
use s3::{ACCESS, DATE, error, failed, is, object, s3, s3_with};

// ---- answers that are wrong, or not whole ----

fn get(bytes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let bytes = bytes.to_vec();
    let server = Server::new(move |_, _| Reply::Last(bytes.clone()));
    let mut out = b"as it was ".to_vec();
    let got = s3(&server).get(&key("k"), 100, &mut out, &call());
    if !matches!(got, Ok(Some(_))) {
        assert_eq!(out, b"as it was ");
    }
    Ok(got?.map(|_| out.split_off(10)))
}

#[test]
fn answers_in_pieces_and_chunks() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nLast-Modified: {DATE}\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nthe\r\n6\r\n bytes\r\n0\r\n\r\n"
    );
    assert_eq!(get(chunked.as_bytes()).unwrap().unwrap(), b"the bytes");
    for cut in [10, 70, 110, chunked.len() - 1] {
        is(&failed(get(&chunked.as_bytes()[..cut])), Kind::Io, Again::Yes);
    }
    let whole = object(b"the bytes");
    for cut in 0..whole.len() {
        is(&failed(get(&whole[..cut])), Kind::Io, Again::Yes);
    }
    let parts: Vec<_> = whole.iter().map(|&byte| vec![byte]).collect();
    let server = Server::new(move |_, _| Reply::Slowly(Duration::ZERO, parts.clone()));
    let mut out = Vec::new();
    assert!(s3(&server).get(&key("k"), 9, &mut out, &call()).unwrap().is_some());
    assert_eq!(out, b"the bytes");
}

#[test]
fn lies_about_the_length() {
    let with = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\nLast-Modified: {DATE}\r\n{fields}\r\n{body}");
    for (fields, body, kind, again) in [
        ("Content-Length: 3\r\n", "the bytes", Kind::Io, Again::Yes),
        ("Content-Length: 10\r\n", "the bytes", Kind::Io, Again::Yes),
        ("Content-Length: 101\r\n", "", Kind::Limit, Again::No),
        ("Content-Length: 9\r\nContent-Length: 8\r\n", "the bytes", Kind::Format, Again::No),
        ("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", Kind::Format, Again::No),
        ("", "the bytes", Kind::Format, Again::No),
    ] {
        is(&failed(get(with(fields, body).as_bytes())), kind, again);
    }
    is(&failed(get(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")), Kind::Format, Again::No);
    is(&failed(get(b"")), Kind::Io, Again::Yes);
    let long = object(&vec![7; 10 << 20]);
    let server = Server::of(vec![long]);
    let mut out = Vec::new();
    is(&failed(s3(&server).get(&key("k"), (10 << 20) - 1, &mut out, &call())), Kind::Limit, Again::No);
    assert!(out.capacity() < 1 << 20);
    assert!(s3(&server).get(&key("k"), 10 << 20, &mut out, &call()).unwrap().is_some());
    assert_eq!(out.len(), 10 << 20);
}

#[test]
fn a_refusal_before_the_body_is_sent() {
    for certificate in [None, Some("server")] {
        let early = Some(answer(503, &[], &error("SlowDown")));
        let server = Server::with(Setup { certificate, early }, |_, _| Reply::Send(object(b"")));
        let s3 = s3_with(&server, |options| options.ca_file = Some(tls_path("ca.pem")));
        // More than the system takes in without anybody who reads.
        let data = vec![1; 64 << 20];
        let failure = failed(s3.put(&key("k"), &data, Put::Replace, &call()));
        is(&failure, Kind::Io, Again::Later(Duration::from_secs(1)));
        // That connection is in the middle of a request.
        failed(s3.put(&key("k"), &data, Put::Replace, &call()));
        assert_eq!(server.connections(), 2);
        // Nobody can have stored what has not been sent.
        let early = Some(answer(200, &[("ETag", "\"x\"")], b""));
        let server = Server::with(Setup { certificate, early }, |_, _| Reply::Send(object(b"")));
        let s3 = s3_with(&server, |options| options.ca_file = Some(tls_path("ca.pem")));
        is(&failed(s3.put(&key("k"), &data, Put::Replace, &call())), Kind::Io, Again::Yes);
    }
}

#[test]
fn large_objects_go_there_and_back() {
    for certificate in [None, Some("server")] {
        let stored = Arc::new(Mutex::new(Vec::new()));
        let own = stored.clone();
        let server = Server::with(Setup { certificate, early: None }, move |_, request| {
            if request.method == "PUT" {
                *own.lock().unwrap() = request.body.clone();
                return Reply::Send(answer(200, &[], b""));
            }
            Reply::Send(object(&own.lock().unwrap()))
        });
        let s3 = s3_with(&server, |options| options.ca_file = Some(tls_path("ca.pem")));
        let data = common::Rng::new(7).bytes((16 << 20) + 3);
        s3.put(&key("k"), &data, Put::Replace, &call()).unwrap();
        assert!(*stored.lock().unwrap() == data);
        let mut out = Vec::new();
        s3.get(&key("k"), data.len(), &mut out, &call()).unwrap().unwrap();
        assert!(out == data);
        assert_eq!(server.connections(), 1);
    }
}

// ---- time ----

/// How long it takes from the wish to stop until the call has ended, which begins `after` the call.
fn stopped_within(s3: &S3, after: Duration, data: &[u8]) -> Duration {
    let stop = AtomicBool::new(false);
    let wanted = || if stop.load(Ordering::SeqCst) { Err(Error::cancelled("test", 5)) } else { Ok(()) };
    let call = Call::new(Instant::now() + Duration::from_secs(60), &wanted);
    thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let failure = failed(s3.put(&key("k"), data, Put::Replace, &call));
            assert_eq!(failure.error.callback_value(), 5, "{failure:?}");
            Instant::now()
        });
        thread::sleep(after);
        stop.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        ended.join().unwrap().duration_since(begin)
    })
}

#[test]
fn a_call_that_is_no_longer_wanted_ends_soon() {
    // The limit is for machines that have much else to do; it is far below each time-out of the options.
    let soon = Duration::from_secs(5);
    let after = Duration::from_millis(300);
    let silent = Server::new(|_, _| Reply::Silence);
    assert!(stopped_within(&s3(&silent), after, b"data") < soon);
    // Nobody reads.
    let stuck = Server::with(Setup { certificate: None, early: Some(Vec::new()) }, |_, _| Reply::Silence);
    assert!(stopped_within(&s3(&stuck), after, &vec![1; 64 << 20]) < soon);
    // TLS is never answered.
    let plain = Server::new(|_, _| Reply::Silence);
    let tls = s3_with(&plain, |options| {
        options.endpoint = Some(plain.url().replace("http:", "https:"));
        options.ca_file = Some(tls_path("ca.pem"));
    });
    assert!(stopped_within(&tls, after, b"data") < soon);
    let late = Call::new(Instant::now(), &always);
    assert_eq!(failed(s3(&silent).stat(&key("k"), &late)).error.kind(), Kind::Io);
}

#[test]
fn services_that_stand_still() {
    let short = Duration::from_millis(200);
    let silent = Server::new(|_, _| Reply::Silence);
    let waits = s3_with(&silent, |options| options.answer_timeout = short);
    let failure = failed(waits.get(&key("k"), 10, &mut Vec::new(), &call()));
    is(&failure, Kind::Io, Again::Yes);
    assert!(failure.error.message().contains("no answer came within 0.2 s"), "{failure:?}");
    let half = Server::new(|_, _| Reply::Slowly(Duration::ZERO, vec![object(b"the bytes")[..100].to_vec()]));
    let stalls = s3_with(&half, |options| options.stall_timeout = short);
    let failure = failed(stalls.get(&key("k"), 10, &mut Vec::new(), &call()));
    is(&failure, Kind::Io, Again::Yes);
    let stuck = Server::with(Setup { certificate: None, early: Some(Vec::new()) }, |_, _| Reply::Silence);
    let stalls = s3_with(&stuck, |options| options.stall_timeout = short);
    let failure = failed(stalls.put(&key("k"), &vec![1; 64 << 20], Put::Replace, &call()));
    is(&failure, Kind::Io, Again::Yes);
    assert!(failure.error.message().contains("nothing more of the request"), "{failure:?}");
    // A time-out of nothing in particular does not end what is slow but moves.
    let parts: Vec<_> = object(b"the bytes").chunks(20).map(<[u8]>::to_vec).collect();
    let slow = Server::new(move |_, _| Reply::Slowly(Duration::from_millis(100), parts.clone()));
    let patient = s3_with(&slow, |options| options.stall_timeout = Duration::from_secs(5));
    assert!(patient.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap().is_some());
}

// ---- connections ----

#[test]
fn connections_are_used_again_but_not_after_a_failure() {
    let server = Server::new(|number, _| match number {
        0 | 1 | 4 => Reply::Send(object(b"x")),
        2 => Reply::Last(object(b"x")),
        3 => Reply::Send(answer(200, &[("Connection", "close"), ("Last-Modified", DATE)], b"x")),
        5 => Reply::Slowly(Duration::ZERO, vec![object(b"x"), b"more".to_vec()]),
        _ => Reply::Send(object(b"x")),
    });
    let s3 = s3(&server);
    let get = || s3.get(&key("k"), 10, &mut Vec::new(), &call());
    for connections in [1, 1, 1] {
        get().unwrap();
        assert_eq!(server.connections(), connections);
    }
    // It has ended, and that is seen before it is used.
    while server.open() > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    get().unwrap();
    assert_eq!(server.connections(), 2);
    // The answer has asked to end it.
    get().unwrap();
    assert_eq!(server.connections(), 3);
    // Bytes that nobody asked for.
    let _ = get();
    thread::sleep(Duration::from_millis(50));
    get().unwrap();
    assert_eq!(server.connections(), 4);
}

#[test]
fn a_connection_that_dies_under_a_request() {
    let server = Server::new(|number, _| match number {
        // The second request of the connection is read, and not answered.
        1 => Reply::Last(Vec::new()),
        3 => Reply::Last(b"HTTP/1.1 200".to_vec()),
        _ => Reply::Send(object(b"x")),
    });
    let s3 = s3(&server);
    let get = || s3.get(&key("k"), 10, &mut Vec::new(), &call());
    get().unwrap();
    is(&failed(get()), Kind::Io, Again::Once);
    get().unwrap();
    // A part of an answer has come: the service was there.
    is(&failed(get()), Kind::Io, Again::Yes);
    // On a new connection it is a failure of the service.
    let server = Server::new(|_, _| Reply::Last(Vec::new()));
    is(&failed(self::s3(&server).stat(&key("k"), &call())), Kind::Io, Again::Yes);
}

#[test]
fn no_more_connections_than_were_allowed() {
    let server = Server::new(|_, _| Reply::Slowly(Duration::from_millis(30), vec![object(b"x")]));
    let s3 = s3_with(&server, |options| options.connections = 3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5 {
                    s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap();
                }
            });
        }
    });
    assert!(server.connections() <= 3, "{}", server.connections());
    drop(s3);
    server.wait_for_end();
}

#[test]
fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::of(vec![object(b"x")]);
    let s3 = s3_with(&server, |options| options.endpoint = Some(url));
    let failure = failed(s3.stat(&key("k"), &call()));
    is(&failure, Kind::Io, Again::Yes);
    assert!(failure.error.message().contains("cannot connect to 127.0.0.1:"), "{failure:?}");
    let s3 = s3_with(&server, |options| options.endpoint = Some("http://nowhere.invalid".into()));
    let failure = failed(s3.stat(&key("k"), &call()));
    is(&failure, Kind::Io, Again::Yes);
    assert!(failure.error.message().contains("nowhere.invalid"), "{failure:?}");
    // A name of this machine, each of whose addresses is tried.
    let s3 = s3_with(&server, |options| options.endpoint = Some(format!("http://localhost:{}", server.port())));
    s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap();
}

#[test]
fn a_child_does_not_use_the_connections_of_its_parent() {
    for certificate in [None, Some("server")] {
        let server = Server::with(Setup { certificate, early: None }, |_, _| Reply::Send(object(b"x")));
        let s3 = s3_with(&server, |options| options.ca_file = Some(tls_path("ca.pem")));
        s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap();
        #[allow(unsafe_code)]
        // SAFETY: the child calls the backend and frees it, which is what is tested, and leaves at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let kinds = [
                s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap_err(),
                s3.put(&key("k"), b"", Put::Replace, &call()).unwrap_err(),
                s3.stat(&key("k"), &call()).unwrap_err(),
                s3.list("", "", &mut Vec::new(), &call()).unwrap_err(),
                s3.delete(&[key("k")], &call()).unwrap_err(),
                s3.copy(&key("k"), &key("l"), &call()).unwrap_err(),
            ];
            let good = kinds.iter().all(|failure| failure.error.kind() == Kind::State);
            drop(s3);
            #[allow(unsafe_code)]
            // SAFETY: leaves without running anything of the parent's.
            unsafe {
                libc::_exit(i32::from(!good))
            };
        }
        let mut status = -1;
        #[allow(unsafe_code)]
        // SAFETY: waits for the child that was just made.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0));
        s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap();
        assert_eq!((server.connections(), server.requests().len()), (1, 2));
        assert!(server.leftovers().is_empty());
    }
}

// ---- TLS and proxies ----

#[test]
fn whom_tls_trusts() {
    let server =
        Server::with(Setup { certificate: Some("server"), ..Setup::default() }, |_, _| Reply::Send(object(b"x")));
    let right = "4D:B8:0B:9B:90:D7:D8:1B:0D:12:A9:33:C0:11:DC:DA:F7:27:BC:E7:D9:E1:70:E5:3A:D1:9A:07:CB:BF:31:75";
    let get = |change: &dyn Fn(&mut S3Options)| {
        s3_with(&server, |options| change(options)).get(&key("k"), 10, &mut Vec::new(), &call()).map(|_| ())
    };
    let of = |name: &'static str| move |options: &mut S3Options| options.ca_file = Some(tls_path(name));
    let pinned = |text: String| move |options: &mut S3Options| options.fingerprint = Some(text.clone());
    get(&of("ca.pem")).unwrap();
    let localhost = format!("https://localhost:{}", server.port());
    get(&|options| (options.ca_file, options.endpoint) = (Some(tls_path("ca.pem")), Some(localhost.clone()))).unwrap();
    get(&pinned(right.into())).unwrap();
    get(&pinned(right.replace(':', "").to_lowercase())).unwrap();
    let failures = [
        (failed(get(&of("other-ca.pem"))), "ca_file"),
        (failed(get(&|_| ())), "ca_file"),
        (failed(get(&pinned(right.replace("4D", "4E")))), "fingerprint"),
    ];
    for (failure, word) in &failures {
        is(failure, Kind::Io, Again::No);
        let text = failure.error.message();
        assert!(text.contains("TLS: ") && text.contains(word), "{text}");
    }
    assert_eq!(failed(get(&of("none.pem"))).error.kind(), Kind::NotFound);
    assert_eq!(failed(get(&of("server.key"))).error.kind(), Kind::Format);

    // The name is another.
    let other =
        Server::with(Setup { certificate: Some("elsewhere"), ..Setup::default() }, |_, _| Reply::Send(object(b"x")));
    let s3 = s3_with(&other, |options| options.ca_file = Some(tls_path("ca.pem")));
    let failure = failed(s3.get(&key("k"), 10, &mut Vec::new(), &call()));
    is(&failure, Kind::Io, Again::No);
    assert!(other.requests().is_empty());
    // And one that speaks no TLS.
    let plain = Server::with(Setup::default(), |_, _| Reply::Send(object(b"x")));
    let s3 = s3_with(&plain, |options| {
        options.endpoint = Some(plain.url().replace("http:", "https:"));
        options.ca_file = Some(tls_path("ca.pem"));
        options.connect_timeout = Duration::from_millis(500);
    });
    assert_eq!(failed(s3.get(&key("k"), 10, &mut Vec::new(), &call())).error.kind(), Kind::Io);
}

#[test]
fn through_a_proxy() {
    let proxy = Server::new(|_, request| {
        assert_eq!(request.method, "CONNECT");
        Reply::Tunnel
    });
    for certificate in [None, Some("server")] {
        let server = Server::with(Setup { certificate, early: None }, |_, _| Reply::Send(object(b"x")));
        let s3 = s3_with(&server, |options| {
            options.ca_file = Some(tls_path("ca.pem"));
            options.proxy = Some(proxy.url());
        });
        for _ in 0..2 {
            s3.get(&key("k"), 10, &mut Vec::new(), &call()).unwrap();
        }
        let asked = proxy.requests().pop().unwrap();
        assert_eq!(asked.target, format!("127.0.0.1:{}", server.port()));
        assert!(!asked.head.contains("authorization") && !asked.head.contains(ACCESS), "{}", asked.head);
        assert_eq!((server.connections(), server.requests().len()), (1, 2));
    }
    assert_eq!(proxy.connections(), 2);
    for (bytes, kind, again) in [
        (answer(407, &[], b""), Kind::Denied, Again::No),
        (answer(403, &[], b""), Kind::Denied, Again::No),
        (answer(502, &[], b"<html>"), Kind::Io, Again::Yes),
        (answer(404, &[], b""), Kind::Io, Again::No),
        (b"nonsense\r\n\r\n".to_vec(), Kind::Format, Again::No),
        (Vec::new(), Kind::Io, Again::Yes),
    ] {
        let proxy = Server::new(move |_, _| Reply::Last(bytes.clone()));
        let server = Server::of(vec![object(b"x")]);
        let s3 = s3_with(&server, |options| options.proxy = Some(proxy.url()));
        let failure = failed(s3.get(&key("k"), 10, &mut Vec::new(), &call()));
        is(&failure, kind, again);
        assert!(failure.error.message().contains("proxy"), "{failure:?}");
        assert_eq!(server.connections(), 0);
    }
}
