//! A bucket of S3, over HTTP and TLS (docs/format.md, 13).
//!
//! | module | what |
//! |---|---|
//! | `address` | the options, and where objects are |
//! | `sign` | signatures |
//! | `time`, `xml` | what services write, read |
//! | `tls` | whom a connection trusts |
//! | `connection` | bytes to the service and back; connections that wait |
//! | `http` | a request and its answer |
//! | `answer` | what answers mean |
//! | `client` | requests, signed and sent |
//!
//! Nothing here starts a thread, but for the look-up of a name, and nothing reads the environment. A child of fork()
//! cannot use the connections of its parent: every call of it is `State`.

mod address;
mod answer;
mod client;
mod connection;
pub mod http;
mod sign;
pub mod time;
mod tls;
pub mod xml;

use ::http::Method;

pub use address::{Credentials, Keys, S3Options};

use super::{Again, Answer, Backend, Call, Entry, Failure, Key, Limits, Object, PAGE_MAX, Put, PutDone};
use crate::error::{Error, Kind, Result, push};
use address::Address;
use client::{Client, Reply, Wish, crc32, md5};
use http::Take;
use sign::encode;

/// The type that objects have, as PBS writes them.
const CONTENT_TYPE: &str = "application/octet-stream";

/// Bytes of a body that says nothing, such as that of an answer to a write.
const SMALL: usize = 64 << 10;

/// Bytes of an ETag.
const TAG_MAX: usize = 1024;

/// Objects in a bucket of S3, below a prefix.
pub struct S3 {
    client: Client,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({})", self.location())
    }
}

impl S3 {
    /// A bucket. Nothing is asked of it, and no file is read, before the first call.
    ///
    /// Errors: `Argument`, naming the option.
    pub fn new(options: S3Options) -> Result<S3> {
        Ok(S3 { client: Client::new(Address::new(options)?) })
    }

    fn address(&self) -> &Address {
        &self.client.address
    }

    fn wish(&self, method: Method, key: &Key) -> Wish<'static> {
        Wish::new(method, self.address().path(key))
    }

    fn refused<T>(&self, reply: &Reply, writes: bool) -> Answer<T> {
        Err(self.client.failure(reply, writes))
    }

    /// What `Put::New` needs of a service that does not know it.
    fn is_there(&self, key: &Key, how: Put<'_>, call: &Call<'_>) -> Answer<bool> {
        if how != Put::New || !self.address().options.no_put_new {
            return Ok(false);
        }
        Ok(self.stat(key, call)?.is_some())
    }

    /// The fields of a write.
    fn put_fields(&self, data: &[u8], how: Put<'_>) -> Result<Vec<(&'static str, String)>> {
        let options = &self.address().options;
        let mut fields = vec![("content-type", CONTENT_TYPE.into()), ("x-amz-checksum-crc32", crc32(data))];
        if options.content_md5 {
            fields.push(("content-md5", md5(data)));
        }
        match how {
            Put::New if !options.no_put_new => fields.push(("if-none-match", "*".into())),
            Put::IfMatch(_) if options.no_put_new => {
                return Err(Error::new(
                    Kind::Unsupported,
                    "the service does not know conditions (the option no_put_new)",
                ));
            }
            Put::IfMatch(tag) => fields.push(("if-match", quoted(tag)?)),
            Put::New | Put::Replace => {}
        }
        Ok(fields)
    }

    fn delete_one(&self, key: &Key, call: &Call<'_>) -> Answer<()> {
        let reply = self.client.send(&self.wish(Method::DELETE, key), Take::All(SMALL), &mut Vec::new(), call)?;
        if reply.is_good() || reply.refusal().is_missing() { Ok(()) } else { self.refused(&reply, false) }
    }

    /// Those of `keys` that the service says it could not remove.
    fn not_deleted(&self, keys: &[Key], body: &[u8]) -> Result<Vec<(usize, Error)>> {
        let mut failed = Vec::new();
        for error in xml::not_deleted(body)? {
            if matches!(error.code.as_str(), "NoSuchKey" | "NoSuchVersion") {
                continue;
            }
            let Some(place) = keys.iter().position(|key| self.address().full(key.as_str()) == error.key) else {
                let why = format!("the answer is of a key that was not to be removed: {:.80}", error.key);
                return Err(Error::new(Kind::Format, why));
            };
            let kind = if error.code == "AccessDenied" { Kind::Denied } else { Kind::Io };
            let error = Error::new(kind, format!("the service says {}: {}", error.code, error.message.trim()));
            push(&mut failed, (place, error))?;
        }
        Ok(failed)
    }
}

/// A tag as a condition has it.
fn quoted(tag: &str) -> Result<String> {
    let printable = tag.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if tag.is_empty() || tag.len() > TAG_MAX || !printable {
        return Err(Error::new(Kind::Argument, "the tag of a condition is none"));
    }
    Ok(if tag.contains('"') { tag.to_owned() } else { format!("\"{tag}\"") })
}

impl Backend for S3 {
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
        let before = out.len();
        let reply = self.client.send(&self.wish(Method::GET, key), Take::Whole(max_len), out, call)?;
        if reply.head.status == 200 {
            let size = (out.len() - before) as u64;
            return answer::object(&reply.head, size).map(Some).map_err(|error| {
                out.truncate(before);
                error.into()
            });
        }
        // Of a part of an object, or of nothing, nobody has asked.
        out.truncate(before);
        if reply.refusal().is_missing() { Ok(None) } else { self.refused(&reply, false) }
    }

    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
        if self.is_there(key, how, call)? {
            return Ok(PutDone::Exists);
        }
        let fields = self.put_fields(data, how)?;
        let wish = Wish { fields, body: data, ..self.wish(Method::PUT, key) };
        let reply = self.client.send(&wish, Take::All(SMALL), &mut Vec::new(), call)?;
        match (reply.head.status, how) {
            (200 | 201 | 204, _) => Ok(PutDone::Stored),
            (412, Put::New) => Ok(PutDone::Exists),
            (412, Put::IfMatch(_)) => Ok(PutDone::Changed),
            (404, Put::IfMatch(_)) if reply.refusal().is_missing() => Ok(PutDone::Changed),
            _ => self.refused(&reply, true),
        }
    }

    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
        let reply = self.client.send(&self.wish(Method::HEAD, key), Take::All(SMALL), &mut Vec::new(), call)?;
        if reply.head.status == 200 {
            let Some(size) = reply.head.length() else {
                return Err(Error::new(Kind::Format, "the answer does not say how long the object is").into());
            };
            return Ok(Some(answer::object(&reply.head, size)?));
        }
        if reply.refusal().is_missing() { Ok(None) } else { self.refused(&reply, false) }
    }

    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
        let mut query =
            format!("list-type=2&max-keys={PAGE_MAX}&prefix={}", encode(&self.address().full(prefix), true));
        if !after.is_empty() {
            query.push_str(&format!("&start-after={}", encode(&self.address().full(after), true)));
        }
        let wish = Wish { query, ..Wish::new(Method::GET, self.address().bucket_path()) };
        let mut body = Vec::new();
        let reply = self.client.send(&wish, Take::All(xml::BODY_MAX), &mut body, call)?;
        if reply.head.status != 200 {
            return self.refused(&reply, false);
        }
        let xml::Page { mut entries, more } = xml::page(&body, answer::clock(&reply.head))?;
        let root = self.address().full("");
        for entry in &mut entries {
            match entry.key.strip_prefix(&root) {
                Some(rest) => entry.key = rest.into(),
                None => {
                    let why = format!("the listing has a key of another prefix: {:.80}", entry.key);
                    return Err(Error::new(Kind::Format, why).into());
                }
            }
        }
        crate::error::append(page, &mut entries)?;
        Ok(more)
    }

    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
        let most = self.limits().max_delete;
        match keys {
            [] => return Ok(Vec::new()),
            [key] if most == 1 => return self.delete_one(key, call).map(|()| Vec::new()),
            _ if keys.len() > most => {
                let why = format!("{} keys are more than the {most} that are removed together", keys.len());
                return Err(Error::new(Kind::Argument, why).into());
            }
            _ => {}
        }
        let body = xml::delete(keys.iter().map(|key| self.address().full(key.as_str())));
        let fields = vec![("content-md5", md5(body.as_bytes())), ("content-type", "application/xml".into())];
        let wish = Wish {
            query: "delete=".into(),
            fields,
            body: body.as_bytes(),
            ..Wish::new(Method::POST, self.address().bucket_path())
        };
        let mut answer = Vec::new();
        let reply = self.client.send(&wish, Take::All(xml::BODY_MAX), &mut answer, call)?;
        if reply.head.status != 200 {
            return self.refused(&reply, true);
        }
        Ok(self.not_deleted(keys, &answer)?)
    }

    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
        let fields = vec![
            ("content-type", CONTENT_TYPE.into()),
            ("x-amz-copy-source", self.address().source(from)),
            ("x-amz-metadata-directive", "REPLACE".into()),
        ];
        let wish = Wish { fields, ..self.wish(Method::PUT, to) };
        let mut body = Vec::new();
        let reply = self.client.send(&wish, Take::All(SMALL), &mut body, call)?;
        if reply.head.status != 200 {
            return if reply.refusal().is_missing() { Ok(false) } else { self.refused(&reply, true) };
        }
        if xml::is(&body, "CopyObjectResult")? {
            return Ok(true);
        }
        // The status is sent before the work is done, so what has failed is told in the body.
        let failed = xml::failed(&body)?.unwrap_or_default();
        let text = format!("the service could not copy it: {} {}", failed.code, failed.message.trim());
        Err(Failure { error: Error::new(Kind::Io, text), again: Again::Yes })
    }

    fn limits(&self) -> Limits {
        let options = &self.address().options;
        Limits {
            connections: options.connections,
            max_delete: if options.single_delete { 1 } else { PAGE_MAX },
            any_thread: true,
            put_new: !options.no_put_new,
            if_match: !options.no_put_new,
        }
    }

    fn location(&self) -> String {
        self.address().location()
    }
}
