//! A server of HTTP on this machine, with TLS or without, that answers as a test says; and a proxy.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request that has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names as they came, and values.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The number of the connection that it came by, from 0.
    pub(crate) connection: usize,
    /// The head, byte for byte.
    pub(crate) head: String,
}

impl Request {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is done about a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes, and the connection stays.
    Send(Vec<u8>),
    /// These bytes, and the connection ends.
    Last(Vec<u8>),
    /// Each of these after a pause, and the connection stays.
    Slowly(Duration, Vec<Vec<u8>>),
    /// Nothing, for as long as the other side waits.
    Silence,
    /// A way to where the request asks for, as a proxy gives it.
    Tunnel,
}

/// An answer with a status, fields and a body, and its length.
pub(crate) fn answer(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in fields {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    [answer.as_bytes(), body].concat()
}

type Handler = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// How a server is to be.
#[derive(Default)]
pub(crate) struct Setup {
    /// The certificate in tests/vectors/tls, for TLS.
    pub(crate) certificate: Option<&'static str>,
    /// What is answered when the head of a request with a body has come; the body is not read.
    pub(crate) early: Option<Vec<u8>>,
}

struct Shared {
    handler: Box<Handler>,
    setup: Setup,
    tls: Option<Arc<ServerConfig>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    /// Those that have not ended.
    open: AtomicUsize,
    /// What the other sides had sent when their connections ended, beyond whole requests.
    leftovers: Mutex<Vec<Vec<u8>>>,
    stopped: AtomicBool,
}

/// A running server; it stops to listen when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

pub(crate) fn tls_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}

fn tls_config(name: &str) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(tls_path(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls_path(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    Arc::new(config)
}

impl Server {
    /// A server that answers the request of each number, from 0, as `handler` says.
    pub(crate) fn new(handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Server {
        Server::with(Setup::default(), handler)
    }

    pub(crate) fn with(setup: Setup, handler: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            tls: setup.certificate.map(tls_config),
            setup,
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            leftovers: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let own = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let number = own.connections.fetch_add(1, Ordering::SeqCst);
                own.open.fetch_add(1, Ordering::SeqCst);
                let shared = own.clone();
                thread::spawn(move || {
                    // However it ends: the test sees what the other side makes of it.
                    let _ = shared.serve(stream, number);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Server { address, shared }
    }

    /// Answers in this order; to more requests the last of them.
    pub(crate) fn of(answers: Vec<Vec<u8>>) -> Server {
        Server::new(move |number, _| Reply::Send(answers[number.min(answers.len() - 1)].clone()))
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address, as an endpoint or proxy.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The connections that there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until every connection has ended.
    pub(crate) fn wait_for_end(&self) {
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// What came on connections that had ended, beyond whole requests.
    pub(crate) fn leftovers(&self) -> Vec<Vec<u8>> {
        self.shared.leftovers.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, number: usize) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match &self.tls {
            None => self.talk(&mut stream.try_clone()?, &stream, number),
            Some(config) => {
                let tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                let mut both = StreamOwned::new(tls, stream.try_clone()?);
                self.talk(&mut both, &stream, number)?;
                both.conn.send_close_notify();
                let _ = both.flush();
                Ok(())
            }
        }
    }

    fn talk(&self, both: &mut (impl Read + Write), raw: &TcpStream, connection: usize) -> io::Result<()> {
        let mut data = Vec::new();
        loop {
            let Some(mut request) = read_head(both, &mut data)? else {
                if !data.is_empty() {
                    self.leftovers.lock().unwrap().push(data);
                }
                return Ok(());
            };
            request.connection = connection;
            let len = request.field("content-length").map_or(0, |text| text.parse().unwrap());
            if let Some(early) = self.setup.early.as_ref().filter(|_| len > 0) {
                self.requests.lock().unwrap().push(request);
                both.write_all(early)?;
                both.flush()?;
                // Nothing is read: the other side sees that it cannot send, and the answer.
                while !self.stopped.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            while data.len() < len {
                if read_some(both, &mut data)? == 0 {
                    self.leftovers.lock().unwrap().push(data);
                    return Ok(());
                }
            }
            request.body = data.drain(..len).collect();
            let count = {
                let mut requests = self.requests.lock().unwrap();
                requests.push(request.clone());
                requests.len() - 1
            };
            match (self.handler)(count, &request) {
                Reply::Send(bytes) => both.write_all(&bytes)?,
                Reply::Last(bytes) => {
                    both.write_all(&bytes)?;
                    return both.flush();
                }
                Reply::Slowly(pause, parts) => {
                    for part in parts {
                        thread::sleep(pause);
                        both.write_all(&part)?;
                        both.flush()?;
                    }
                }
                Reply::Silence => {
                    while read_some(both, &mut data)? > 0 {}
                    return Ok(());
                }
                Reply::Tunnel => {
                    let other = TcpStream::connect(request.target.as_str())?;
                    both.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                    return tunnel(raw, &other);
                }
            }
            both.flush()?;
        }
    }
}

fn tunnel(one: &TcpStream, other: &TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (one.try_clone()?, other.try_clone()?);
    let there = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (other.try_clone()?, one.try_clone()?);
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    there.join().unwrap();
    Ok(())
}

fn read_some(from: &mut impl Read, data: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 64 << 10];
    let count = from.read(&mut buffer)?;
    data.extend_from_slice(&buffer[..count]);
    Ok(count)
}

/// The head of the next request, without its body; `None` at the end.
fn read_head(from: &mut impl Read, data: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(at) = data.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if read_some(from, data)? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(data.drain(..end).collect()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let fields = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.into(), value.into()));
    Ok(Some(Request { method, target, fields: fields.collect(), head: head.clone(), ..Request::default() }))
}
