//! Where a bucket is, who asks, and how: the options, checked.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::{KEY_MAX, Key, PREFIX_MAX};
use super::sign::encode;
use crate::callback::Callback;
use crate::crypt::Fingerprint;
use crate::error::{Error, Kind, Result};

const REGION: &str = "us-east-1";
const REGION_MAX: usize = 32;
const HOST_MAX: usize = 253;
const CREDENTIAL_MAX: usize = 16 << 10;
const CONNECTIONS: usize = 8;
const CONNECTIONS_MAX: usize = 1024;

/// Who asks: a pair of keys, and what goes with those that are lent for a time. Neither `Debug` nor errors show them.
#[derive(Clone)]
pub struct Credentials {
    /// Names the secret key.
    pub access_key: Zeroizing<String>,
    /// Signs.
    pub secret_key: Zeroizing<String>,
    /// The token of lent keys; empty if there is none.
    pub session_token: Zeroizing<String>,
}

impl Credentials {
    /// Keys that are not lent.
    pub fn new(access_key: &str, secret_key: &str) -> Self {
        let copy = |text: &str| Zeroizing::new(text.to_owned());
        Credentials { access_key: copy(access_key), secret_key: copy(secret_key), session_token: copy("") }
    }

    /// Checks that they can be sent.
    ///
    /// Errors: `Argument`.
    pub(super) fn check(&self) -> Result<()> {
        let fields = [
            ("access_key", &self.access_key, false),
            ("secret_key", &self.secret_key, false),
            ("session_token", &self.session_token, true),
        ];
        for (name, text, may_be_empty) in fields {
            let printable = text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
            if !printable || text.len() > CREDENTIAL_MAX || text.is_empty() && !may_be_empty {
                return Err(argument(name, "is empty, too long, or not of printable characters"));
            }
        }
        // It is a part of a list there, between slashes and commas.
        if self.access_key.contains(['/', ',']) {
            return Err(argument("access_key", "has a slash or a comma"));
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum Keys {
    /// They stay.
    Fixed(Credentials),
    /// They are asked for at the first call, and again when the service says that they have expired. Any thread that
    /// calls the backend may ask.
    Asked(Callback<dyn Fn() -> Result<Credentials> + Send + Sync>),
}

impl Keys {
    /// Keys that `ask` gives.
    pub fn asked(ask: impl Fn() -> Result<Credentials> + Send + Sync + 'static) -> Self {
        Keys::Asked(Callback(Arc::new(ask)))
    }
}

/// A bucket and how it is used.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// The name of the store: what its keys begin with, before a slash.
    pub prefix: String,
    /// `https://HOST`, with `:PORT` if it has one of its own; `None` is Amazon's in the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for; empty is `us-east-1`.
    pub region: String,
    /// Whether the bucket is named in the path, and not in the host. `None`: it is, but for Amazon's hosts.
    pub path_style: Option<bool>,
    /// An endpoint may be `http://`: whoever is on the way reads everything but the secret key, and may change answers.
    pub plain_http: bool,
    /// Who asks.
    pub keys: Keys,
    /// A file of certificates of authorities, in PEM, in the place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The SHA-256 of the server's certificate, in hexadecimal digits: it is taken, whoever has signed it, and no
    /// other.
    pub fingerprint: Option<String>,
    /// `http://HOST:PORT`, asked for a way to the endpoint by CONNECT.
    pub proxy: Option<String>,
    /// Bodies are signed over TLS too.
    pub sign_payload: bool,
    /// Objects are written with their MD5, for services that insist.
    pub content_md5: bool,
    /// The service does not know `If-None-Match`: whether there is an object is asked before, and another may be
    /// written in between.
    pub no_put_new: bool,
    /// The service cannot remove several objects together.
    pub single_delete: bool,
    /// Requests at once; 0 is 8.
    pub connections: usize,
    /// How long making a connection may take, with the name's look-up, the proxy and TLS.
    pub connect_timeout: Duration,
    /// How long nothing may move while a request or the body of an answer does.
    pub stall_timeout: Duration,
    /// How long the service may take to begin its answer.
    pub answer_timeout: Duration,
}

impl S3Options {
    /// A bucket, and all else as it mostly is.
    pub fn new(bucket: &str, prefix: &str, keys: Keys) -> Self {
        S3Options {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint: None,
            region: String::new(),
            path_style: None,
            plain_http: false,
            keys,
            ca_file: None,
            fingerprint: None,
            proxy: None,
            sign_payload: false,
            content_md5: false,
            no_put_new: false,
            single_delete: false,
            connections: 0,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
        }
    }
}

/// A host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    /// As addresses write it, with the port unless it is `usual`.
    fn text(&self, usual: u16) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(0))
    }
}

/// The checked options.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) options: S3Options,
    pub(super) tls: bool,
    pub(super) place: Place,
    pub(super) proxy: Option<Place>,
    pub(super) fingerprint: Option<Fingerprint>,
    /// The value of `host`.
    pub(super) host: String,
    /// What paths begin with: nothing, or the bucket behind a slash.
    root: String,
}

impl Address {
    /// Checks the options and fills in what they leave out.
    ///
    /// Errors: `Argument`, naming the option.
    pub(super) fn new(mut options: S3Options) -> Result<Address> {
        check_bucket(&options.bucket)?;
        if options.region.is_empty() {
            options.region = REGION.into();
        }
        check_region(&options.region)?;
        check_prefix(&options.prefix)?;
        if let Keys::Fixed(credentials) = &options.keys {
            credentials.check()?;
        }
        match options.connections {
            0 => options.connections = CONNECTIONS,
            1..=CONNECTIONS_MAX => {}
            _ => return Err(argument("connections", format!("are more than {CONNECTIONS_MAX}"))),
        }
        for (name, time) in [
            ("connect_timeout", options.connect_timeout),
            ("stall_timeout", options.stall_timeout),
            ("answer_timeout", options.answer_timeout),
        ] {
            if time.is_zero() {
                return Err(argument(name, "is no time"));
            }
        }
        let endpoint = match &options.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://s3.{}.amazonaws.com", options.region),
        };
        let (tls, mut place) = place("endpoint", &endpoint)?;
        if !tls && !options.plain_http {
            return Err(argument("endpoint", "is http://, which plain_http must allow"));
        }
        let proxy = match &options.proxy {
            Some(proxy) => match self::place("proxy", proxy)? {
                (false, place) => Some(place),
                _ => return Err(argument("proxy", "must be http://HOST:PORT")),
            },
            None => None,
        };
        let fingerprint = match &options.fingerprint {
            Some(_) if !tls => return Err(argument("fingerprint", "needs an endpoint with https://")),
            Some(text) => Some(Fingerprint::parse(text).map_err(|error| error.context("the option fingerprint"))?),
            None => None,
        };
        let is_amazon = place.host.ends_with(".amazonaws.com");
        let path_style = options.path_style.unwrap_or(!is_amazon);
        if !path_style {
            place.host = format!("{}.{}", options.bucket, place.host);
        }
        let root = if path_style { format!("/{}", options.bucket) } else { String::new() };
        let host = place.text(if tls { 443 } else { 80 });
        Ok(Address { options, tls, place, proxy, fingerprint, host, root })
    }

    /// The path of an object.
    pub(super) fn path(&self, key: &Key) -> String {
        encode(&format!("{}/{}", self.root, self.full(key.as_str())), false)
    }

    /// The path of the bucket.
    pub(super) fn bucket_path(&self) -> String {
        format!("{}/", self.root)
    }

    /// A key, or the beginning of one, as the bucket has it.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}/{key}", self.options.prefix)
    }

    /// What names an object as the source of a copy.
    pub(super) fn source(&self, key: &Key) -> String {
        encode(&format!("{}/{}", self.options.bucket, self.full(key.as_str())), false)
    }

    pub(super) fn location(&self) -> String {
        let S3Options { bucket, prefix, .. } = &self.options;
        format!("s3://{bucket}/{prefix} at {}", self.host)
    }
}

/// The error that an option is wrong.
fn argument(option: &str, why: impl fmt::Display) -> Error {
    Error::new(Kind::Argument, format!("the option {option} {why}"))
}

fn check_bucket(bucket: &str) -> Result<()> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let why = if !(3..=63).contains(&bucket.len()) {
        "must have 3 to 63 characters"
    } else if !bucket.bytes().all(allowed) || bucket.starts_with('-') || bucket.ends_with('-') {
        "may have lower-case letters, digits, and hyphens between them"
    } else if ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|begin| bucket.starts_with(begin))
        || ["--ol-s3", "--x-s3"].iter().any(|end| bucket.ends_with(end))
    {
        "begins or ends as names do that are kept for others"
    } else {
        return Ok(());
    };
    Err(argument("bucket", why))
}

fn check_region(region: &str) -> Result<()> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if region.len() > REGION_MAX || region.starts_with('-') || !region.bytes().all(allowed) {
        return Err(argument("region", "may have 32 lower-case letters, digits, _, and hyphens behind the first"));
    }
    Ok(())
}

/// Parts of a key between slashes.
fn check_prefix(prefix: &str) -> Result<()> {
    const { assert!(PREFIX_MAX < KEY_MAX) };
    // The slash behind it counts too.
    if prefix.is_empty() || prefix.len() >= PREFIX_MAX {
        return Err(argument("prefix", format!("must have 1 to {} bytes", PREFIX_MAX - 1)));
    }
    Key::parse(prefix).map(|_| ()).map_err(|error| error.context("the option prefix"))
}

/// Whether an address is `https`, and its host and port. Nothing may follow these.
fn place(option: &str, text: &str) -> Result<(bool, Place)> {
    let bad = || argument(option, "must be https://HOST or http://HOST, with :PORT or without, and nothing else");
    let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err(bad()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(bad)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            (host, port)
        }
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port| port > 0).ok_or_else(bad)?
        }
        Some(_) => return Err(bad()),
        None if !port.is_empty() => return Err(bad()),
        None if tls => 443,
        None => 80,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    if host.is_empty() || host.len() > HOST_MAX || !host.bytes().all(allowed) {
        return Err(bad());
    }
    Ok((tls, Place { host: host.to_ascii_lowercase(), port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI";

    fn options() -> S3Options {
        let keys = Keys::Fixed(Credentials::new("AKIA", SECRET));
        S3Options { endpoint: Some("https://host:9000".into()), ..S3Options::new("bucket", "store", keys) }
    }

    fn with(change: impl FnOnce(&mut S3Options)) -> Result<Address> {
        let mut options = options();
        change(&mut options);
        Address::new(options)
    }

    #[test]
    fn where_objects_are() {
        let key = Key::parse(".cnt/vm/1/2025-07-14T14:20:02Z/owner").unwrap();
        let address = with(|_| ()).unwrap();
        assert_eq!((address.tls, address.host.as_str()), (true, "host:9000"));
        assert_eq!(address.path(&key), "/bucket/store/.cnt/vm/1/2025-07-14T14%3A20%3A02Z/owner");
        assert_eq!(address.bucket_path(), "/bucket/");
        assert_eq!(address.source(&key), "bucket/store/.cnt/vm/1/2025-07-14T14%3A20%3A02Z/owner");
        let amazon = with(|options| options.endpoint = None).unwrap();
        assert_eq!(amazon.host, "bucket.s3.us-east-1.amazonaws.com");
        assert_eq!(amazon.place, Place { host: amazon.host.clone(), port: 443 });
        assert_eq!(amazon.bucket_path(), "/");
        assert_eq!(amazon.path(&Key::in_use()), "/store/.in-use");
        let path_style = with(|options| (options.endpoint, options.path_style) = (None, Some(true))).unwrap();
        assert_eq!(path_style.host, "s3.us-east-1.amazonaws.com");
        let host_style = with(|options| options.path_style = Some(false)).unwrap();
        assert_eq!(host_style.host, "bucket.host:9000");
        for (endpoint, tls, host, port, text) in [
            ("https://HOST", true, "host", 443, "host"),
            ("https://host:443/", true, "host", 443, "host"),
            ("http://host:80", false, "host", 80, "host"),
            ("http://127.0.0.1:8333", false, "127.0.0.1", 8333, "127.0.0.1:8333"),
            ("https://[::1]", true, "::1", 443, "[::1]"),
            ("https://[::1]:9", true, "::1", 9, "[::1]:9"),
        ] {
            let address = with(|options| {
                options.endpoint = Some(endpoint.into());
                options.plain_http = true;
            })
            .unwrap();
            assert_eq!((address.tls, &*address.place.host, address.place.port), (tls, host, port), "{endpoint}");
            assert_eq!(address.host, text);
        }
    }

    #[test]
    fn what_is_refused_names_the_option_and_no_secret() {
        type Change = fn(&mut S3Options);
        let cases: &[(&str, Change)] = &[
            ("bucket", |options| options.bucket = "ab".into()),
            ("bucket", |options| options.bucket = "a.b".into()),
            ("bucket", |options| options.bucket = "-ab".into()),
            ("bucket", |options| options.bucket = "Abc".into()),
            ("bucket", |options| options.bucket = "xn--abc".into()),
            ("bucket", |options| options.bucket = "abc--x-s3".into()),
            ("bucket", |options| options.bucket = "a".repeat(64)),
            ("region", |options| options.region = "-x".into()),
            ("region", |options| options.region = "a/b".into()),
            ("prefix", |options| options.prefix = String::new()),
            ("prefix", |options| options.prefix = "/a".into()),
            ("prefix", |options| options.prefix = "a//b".into()),
            ("prefix", |options| options.prefix = "../b".into()),
            ("prefix", |options| options.prefix = "a".repeat(PREFIX_MAX)),
            ("endpoint", |options| options.endpoint = Some("host".into())),
            ("endpoint", |options| options.endpoint = Some("https://".into())),
            ("endpoint", |options| options.endpoint = Some("https://host/path".into())),
            ("endpoint", |options| options.endpoint = Some("https://host?query".into())),
            ("endpoint", |options| options.endpoint = Some("https://user:secret@host".into())),
            ("endpoint", |options| options.endpoint = Some("https://host:0".into())),
            ("endpoint", |options| options.endpoint = Some("https://host:+1".into())),
            ("endpoint", |options| options.endpoint = Some("https://host:99999".into())),
            ("endpoint", |options| options.endpoint = Some("https://[1.2.3.4]".into())),
            ("endpoint", |options| options.endpoint = Some("http://host".into())),
            ("fingerprint", |options| options.fingerprint = Some("ab:cd".into())),
            ("proxy", |options| options.proxy = Some("https://host:1".into())),
            ("proxy", |options| options.proxy = Some("host:1".into())),
            ("connections", |options| options.connections = 5000),
            ("connect_timeout", |options| options.connect_timeout = Duration::ZERO),
            ("stall_timeout", |options| options.stall_timeout = Duration::ZERO),
            ("answer_timeout", |options| options.answer_timeout = Duration::ZERO),
            ("access_key", |options| options.keys = Keys::Fixed(Credentials::new("", SECRET))),
            ("access_key", |options| options.keys = Keys::Fixed(Credentials::new("a/b", SECRET))),
            ("secret_key", |options| options.keys = Keys::Fixed(Credentials::new("a", "wJalrXUtnFEMI\n"))),
        ];
        for (number, (option, change)) in cases.iter().enumerate() {
            let error = with(change).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.message().contains(&format!("the option {option}")), "{number}: {error}");
            assert!(!error.message().contains(SECRET) && !error.message().contains("secret@"), "{error}");
        }
        let shown = format!("{:?}", options());
        assert!(!shown.contains(SECRET) && !shown.contains("AKIA"), "{shown}");
    }

    #[test]
    fn the_longest_key_fits() {
        let prefix = "p".repeat(PREFIX_MAX - 1);
        let address = with(|options| options.prefix = prefix.clone()).unwrap();
        let key = "k".repeat(KEY_MAX - PREFIX_MAX);
        assert_eq!(address.full(Key::parse(&key).unwrap().as_str()).len(), KEY_MAX);
    }
}
