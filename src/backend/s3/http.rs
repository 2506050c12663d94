//! One request and its answer, HTTP/1.1.
//!
//! What an answer says of its own length must be said once and hold: two lengths, a length and chunks, an end that
//! comes too early and bytes behind the end are failures. Redirections are answers like others; nobody follows them.

use std::time::Duration;

use http::{HeaderMap, Method, Request, Version};
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{self, RecvBodyResult, RecvResponseResult, SendRequestResult};

use super::super::{Again, Answer, Call, Failure};
use super::address::Place;
use super::connection::{Connection, Patience, Sent};
use crate::error::{Error, Kind, no_memory};

/// Bytes of the head of an answer, with those of heads that only announce it.
const HEAD_MAX: usize = 64 << 10;

/// Fields of a head.
const FIELDS_MAX: usize = 64;

/// Bytes of a body that are taken at a time.
const PART: usize = 64 << 10;

/// Bytes that are reserved on the word of an answer alone.
const TRUSTED: usize = 16 << 20;

/// A request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// The path, and the query behind a question mark, encoded.
    pub(super) target: String,
    /// Names in lower case, and values.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) body: &'a [u8],
}

/// What an answer begins with.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The fields.
    pub fields: HeaderMap,
}

impl Head {
    /// The text of a field; `None` if it is not there, or no text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }

    /// The number that is a field.
    pub(super) fn length(&self) -> Option<u64> {
        let text = self.field("content-length")?.trim();
        text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
    }
}

/// What is taken of the body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// All of it, which must be no more than this, and say where it ends.
    Whole(usize),
    /// All of it, which must be no more than this.
    All(usize),
    /// As much as this; the rest does not matter.
    Begin(usize),
}

/// How long the service has for an answer.
#[derive(Clone, Copy)]
pub(super) struct Times<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) stall: Duration,
    pub(super) answer: Duration,
}

/// Says what is taken of a body, by its head.
type Choose<'a> = &'a mut dyn FnMut(&Head) -> Take;

/// Where the bytes of an answer come from.
trait Input {
    /// What has come and is not used.
    fn input(&self) -> &[u8];
    /// Takes so many bytes of it.
    fn consume(&mut self, count: usize);
    /// Waits for more; false at the end.
    fn fill(&mut self) -> Answer<bool>;
}

/// An answer on its way.
struct Incoming<'a, 'b> {
    connection: &'a mut Connection,
    patience: Patience<'b>,
    /// How long nothing may come once something has.
    stall: Duration,
}

impl Input for Incoming<'_, '_> {
    fn input(&self) -> &[u8] {
        self.connection.input()
    }

    fn consume(&mut self, count: usize) {
        self.connection.consume(count);
    }

    fn fill(&mut self) -> Answer<bool> {
        let more = self.connection.fill(&mut self.patience)?;
        self.patience.go_on(self.stall, "nothing more of the answer came");
        Ok(more)
    }
}

impl Input for &[u8] {
    fn input(&self) -> &[u8] {
        self
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }

    fn fill(&mut self) -> Answer<bool> {
        Ok(false)
    }
}

/// An answer that is wrong, so that another attempt would fare no better.
fn wrong(why: impl std::fmt::Display) -> Failure {
    let why: String = why.to_string().chars().take(300).collect();
    Error::new(Kind::Format, format!("the answer is not HTTP as it should be: {why}")).into()
}

/// A request that cannot be sent: a defect, since all of it is checked before.
fn unsendable(why: impl std::fmt::Display) -> Failure {
    Error::new(Kind::Internal, format!("the request cannot be sent: {why}")).into()
}

/// Sends a request and reads its answer, with so much of the body as `choose` says when it has seen the head, behind
/// what `body` has. Gives the head, and whether the connection may be used again.
pub(super) fn ask(
    connection: &mut Connection,
    ask: &Ask<'_>,
    times: Times<'_>,
    choose: Choose<'_>,
    body: &mut Vec<u8>,
) -> Answer<(Head, bool)> {
    let mut builder = Request::builder().method(ask.method.clone()).uri(ask.target.as_str()).version(Version::HTTP_11);
    for (name, value) in &ask.fields {
        builder = builder.header(*name, value.as_str());
    }
    if !ask.body.is_empty() || ask.method == Method::PUT || ask.method == Method::POST {
        builder = builder.header("content-length", ask.body.len());
    }
    let request = builder.body(()).map_err(unsendable)?;
    let mut patience = Patience::new(times.call, times.stall, "nothing more of the request was taken")?;
    let (waiting, sent) = send(connection, request, ask.body, &mut patience)?;
    let patience = Patience::new(times.call, times.answer, "no answer came")?;
    let mut incoming = Incoming { connection, patience, stall: times.stall };
    let (waiting, head) = head(waiting, &mut incoming)?;
    if sent == Sent::Early && head.status < 300 {
        return Err(Failure::passing("the service says that all is well before it has the whole request"));
    }
    let reusable = finish(waiting, &head, &mut incoming, choose, body)?;
    Ok((head, reusable && sent == Sent::All))
}

/// Sends a request; gives the state that waits for its answer.
fn send(
    connection: &mut Connection,
    request: Request<()>,
    body: &[u8],
    patience: &mut Patience<'_>,
) -> Answer<(client::Call<RecvResponse>, Sent)> {
    let mut sending = client::Call::new(request).map_err(unsendable)?.proceed();
    let mut text = vec![0; HEAD_MAX];
    let mut sent = Sent::All;
    while !sending.can_proceed() {
        let count = sending.write(&mut text).map_err(unsendable)?;
        if sent == Sent::All {
            sent = connection.send(&text[..count], patience)?;
        }
    }
    match sending.proceed().map_err(unsendable)? {
        Some(SendRequestResult::RecvResponse(waiting)) => Ok((waiting, sent)),
        Some(SendRequestResult::SendBody(mut sending)) => {
            if sent == Sent::All {
                sent = connection.send(body, patience)?;
            }
            // Also for what was not sent: the answer has come before its end, and this connection is not used again.
            sending.consume_direct_write(body.len()).map_err(unsendable)?;
            let waiting = sending.proceed().ok_or_else(|| unsendable("its body has no end"))?;
            Ok((waiting, sent))
        }
        _ => Err(unsendable("it is of another form")),
    }
}

/// Reads the head of an answer.
fn head<I: Input>(
    mut waiting: client::Call<RecvResponse>,
    input: &mut I,
) -> Answer<(client::Call<RecvResponse>, Head)> {
    let (mut used, mut seen) = (0, 0);
    loop {
        let data = input.input();
        // Only when there may be a whole head: each attempt reads it from the beginning.
        let may_be_whole = data[seen.min(data.len())..].windows(2).any(|two| two == b"\n\n")
            || data[seen.min(data.len())..].windows(3).any(|three| three == b"\n\r\n");
        if may_be_whole {
            let (count, response) = waiting.try_response(data, false).map_err(wrong)?;
            used += count;
            if used > HEAD_MAX {
                return Err(wrong(format!("its head has more than {HEAD_MAX} bytes")));
            }
            input.consume(count);
            if let Some(response) = response {
                let (parts, ()) = response.into_parts();
                let head = Head { status: parts.status.as_u16(), fields: parts.headers };
                check(&head, parts.version)?;
                return Ok((waiting, head));
            }
            if count > 0 {
                // One that only announces it.
                seen = 0;
                continue;
            }
        }
        let len = input.input().len();
        if used + len > HEAD_MAX {
            return Err(wrong(format!("its head has more than {HEAD_MAX} bytes")));
        }
        seen = len.saturating_sub(2);
        if !input.fill()? {
            return Err(Failure::passing("the connection ended before the answer"));
        }
    }
}

/// Checks what a head says of the length of its answer, more strictly than it is read.
fn check(head: &Head, version: Version) -> Answer<()> {
    if head.fields.len() > FIELDS_MAX {
        return Err(wrong(format!("it has more than {FIELDS_MAX} fields")));
    }
    if head.status < 200 {
        return Err(wrong(format!("its status is {}", head.status)));
    }
    let codings: Vec<_> = head.fields.get_all("transfer-encoding").iter().collect();
    if codings.is_empty() {
        return Ok(());
    }
    let is_chunked = codings.len() == 1 && codings[0].as_bytes().eq_ignore_ascii_case(b"chunked");
    if !is_chunked || version != Version::HTTP_11 {
        return Err(wrong("it has another coding than chunks"));
    }
    if head.fields.contains_key("content-length") {
        return Err(wrong("it has a length, and chunks"));
    }
    Ok(())
}

/// Reads the body of an answer; gives whether the connection may be used again.
fn finish<I: Input>(
    waiting: client::Call<RecvResponse>,
    head: &Head,
    input: &mut I,
    choose: Choose<'_>,
    body: &mut Vec<u8>,
) -> Answer<bool> {
    let reusable = match waiting.proceed() {
        Some(RecvResponseResult::RecvBody(reading)) => {
            let Some(done) = receive(reading, input, choose(head), body)? else { return Ok(false) };
            match done {
                RecvBodyResult::Cleanup(done) => !done.must_close_connection(),
                RecvBodyResult::Redirect(_) => false,
            }
        }
        Some(RecvResponseResult::Cleanup(done)) => !done.must_close_connection(),
        Some(RecvResponseResult::Redirect(_)) => false,
        None => return Err(wrong("it has no end")),
    };
    if !input.input().is_empty() {
        return Err(Failure::passing("there are bytes behind the end of the answer"));
    }
    Ok(reusable)
}

/// Reads a body. `None`: not to its end.
fn receive<I: Input>(
    mut reading: client::Call<RecvBody>,
    input: &mut I,
    take: Take,
    body: &mut Vec<u8>,
) -> Answer<Option<RecvBodyResult>> {
    let (Take::Whole(max) | Take::All(max) | Take::Begin(max)) = take;
    let begin = body.len();
    let mode = reading.body_mode();
    if matches!((mode, take), (BodyMode::CloseDelimited, Take::Whole(_))) {
        return Err(wrong("it does not say how long it is"));
    }
    if let BodyMode::LengthDelimited(len) = mode {
        let fits = usize::try_from(len).ok().filter(|&len| len <= max);
        match fits {
            Some(len) => grow(body, len.min(TRUSTED))?,
            None if matches!(take, Take::Begin(_)) => {}
            None => return Err(too_much(len, max)),
        }
    }
    let ends_with_the_connection = mode == BodyMode::CloseDelimited;
    while ends_with_the_connection || !reading.can_proceed() {
        let (at, got) = (body.len(), body.len() - begin);
        // One byte more than is wanted, to see that there is one.
        let room = (max - got).saturating_add(1).min(PART);
        grow(body, room)?;
        body.resize(at + room, 0);
        let result = reading.read(input.input(), &mut body[at..]);
        let (used, made) = *result.as_ref().unwrap_or(&(0, 0));
        body.truncate(at + made);
        result.map_err(wrong)?;
        input.consume(used);
        if got + made > max {
            if matches!(take, Take::Begin(_)) {
                body.truncate(begin + max);
                return Ok(None);
            }
            return Err(too_much((got + made) as u64, max));
        }
        if used > 0 || made > 0 {
            continue;
        }
        if input.input().len() > HEAD_MAX {
            return Err(wrong("a chunk has no length"));
        }
        if !input.fill()? {
            if ends_with_the_connection {
                break;
            }
            return Err(Failure::passing(format!("the connection ended in the answer, after {got} bytes of it")));
        }
    }
    Ok(reading.proceed())
}

fn too_much(len: u64, max: usize) -> Failure {
    Error::new(Kind::Limit, format!("{len} bytes are more than {max}")).into()
}

fn grow(body: &mut Vec<u8>, more: usize) -> Answer<()> {
    body.try_reserve(more).map_err(|_| no_memory(more).into())
}

/// Asks a proxy for a way to `place`.
pub(super) fn tunnel(connection: &mut Connection, place: &Place, patience: &mut Patience<'_>) -> Answer<()> {
    let authority = place.to_string();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(authority.as_str())
        .version(Version::HTTP_11)
        .header("host", authority.as_str())
        .body(())
        .map_err(unsendable)?;
    let (waiting, _) = send(connection, request, &[], patience)?;
    let mut incoming = Incoming { connection, patience: patience.again()?, stall: Duration::MAX };
    let (_, head) = head(waiting, &mut incoming)?;
    let (kind, again) = match head.status {
        200..300 if incoming.input().is_empty() => return Ok(()),
        200..300 => return Err(wrong("the proxy speaks before it is spoken to")),
        407 | 403 => (Kind::Denied, Again::No),
        500.. => (Kind::Io, Again::Yes),
        _ => (Kind::Io, Again::No),
    };
    let error = Error::new(kind, format!("answers {} when it is asked for a way to {place}", head.status));
    Err(Failure { error, again })
}

/// Reads an answer to a request of this method from bytes that are there, as one of a service's is: for tests.
///
/// Errors: those of an answer that is wrong or not whole.
pub fn read(method: &str, mut bytes: &[u8], take: Take) -> crate::error::Result<(Head, Vec<u8>)> {
    let mut read = || -> Answer<(Head, Vec<u8>)> {
        let request = Request::builder().method(method).uri("/").header("host", "h").header("content-length", 0);
        let mut sending = client::Call::new(request.body(()).map_err(unsendable)?).map_err(unsendable)?.proceed();
        sending.write(&mut vec![0; HEAD_MAX]).map_err(unsendable)?;
        let Some(SendRequestResult::RecvResponse(waiting)) = sending.proceed().map_err(unsendable)? else {
            return Err(unsendable("it is of another form"));
        };
        let (waiting, head) = head(waiting, &mut bytes)?;
        let mut body = Vec::new();
        finish(waiting, &head, &mut bytes, &mut |_| take, &mut body)?;
        Ok((head, body))
    };
    read().map_err(|failure| failure.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> crate::error::Result<(Head, Vec<u8>)> {
        read("GET", text.as_bytes(), Take::Whole(100))
    }

    #[track_caller]
    fn refused(text: &str, kind: Kind) {
        let error = whole(text).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }

    #[test]
    fn answers() {
        let (head, body) = whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nthere").unwrap();
        assert_eq!((head.status, head.field("etag"), head.length()), (200, Some("\"x\""), Some(5)));
        assert_eq!(body, b"there");
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nthe\r\n2;x=y\r\nre\r\n0\r\nT: x\r\n\r\n";
        assert_eq!(whole(chunked).unwrap().1, b"there");
        for end in 0..chunked.len() {
            refused(&chunked[..end], Kind::Io);
        }
        let announced = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
        assert_eq!(whole(announced).unwrap().0.status, 204);
        let of_head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(read("HEAD", of_head, Take::Whole(0)).unwrap().0.length(), Some(5));
        let old = b"HTTP/1.0 503 X\r\n\r\nall of it";
        assert_eq!(read("GET", old, Take::All(9)).unwrap().1, b"all of it");
        assert_eq!(read("GET", old, Take::Begin(3)).unwrap().1, b"all");
        let long = b"HTTP/1.1 400 X\r\nContent-Length: 1000\r\n\r\nthe rest does not matter";
        assert_eq!(read("GET", long, Take::Begin(8)).unwrap().1, b"the rest");
    }

    #[test]
    fn lengths_that_do_not_hold() {
        refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nther", Kind::Io);
        refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere is more", Kind::Io);
        refused("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", Kind::Limit);
        refused("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nthere", Kind::Format);
        refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Kind::Format);
        refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 200 OK\r\n\r\nno length", Kind::Format);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        refused(&format!("{chunked}xx\r\n"), Kind::Format);
        refused(&format!("{chunked}1\r\nabc\r\n"), Kind::Format);
        refused(&format!("{chunked}ffffffffffffffff\r\nabc"), Kind::Io);
        refused(&format!("{chunked}65\r\n{}\r\n0\r\n\r\n", "x".repeat(101)), Kind::Limit);
        refused(&format!("{chunked}0\r\n\r\nmore"), Kind::Io);
        refused(&format!("{chunked}{}", "0".repeat(HEAD_MAX + 1)), Kind::Format);
    }

    #[test]
    fn heads_that_are_none() {
        refused("", Kind::Io);
        refused("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Kind::Io);
        refused("SSH-2.0-OpenSSH_9.2\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 099 X\r\n\r\n", Kind::Format);
        refused("HTTP/1.1 101 X\r\n\r\n", Kind::Format);
        refused("HTTP/2 200 OK\r\n\r\n", Kind::Format);
        refused(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1)), Kind::Format);
        refused(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(1000)), Kind::Format);
        refused(&format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(HEAD_MAX)), Kind::Format);
        refused(&format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(HEAD_MAX)), Kind::Format);
        refused(&"HTTP/1.1 103 X\r\n\r\n".repeat(HEAD_MAX / 16), Kind::Format);
    }
}
