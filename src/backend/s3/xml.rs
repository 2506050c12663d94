//! The bodies of answers: listings, what of a removal has failed, errors. And that of a removal.
//!
//! All of it comes from outside: lengths, depth and numbers are bounded, and what is no XML is said to be none.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};

use super::super::{Entry, KEY_MAX, Object, PAGE_MAX};
use super::time::from_listing;
use crate::error::{Error, Kind, Result, push};

/// Bytes of a body, at most: a page of the longest keys, each character of them escaped.
pub const BODY_MAX: usize = 8 << 20;

/// Elements within each other, at most.
const DEPTH_MAX: usize = 16;

/// Bytes of a text between two tags that are looked at; the longest are keys, with a prefix.
const TEXT_MAX: usize = KEY_MAX;

/// Characters of a service's message that errors show.
const MESSAGE_MAX: usize = 300;

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, in the order of the answer.
    pub entries: Vec<Entry>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// What a service says of a failure. Texts are cut to what a message may show.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The key, of a removal.
    pub key: String,
    /// What has failed, as a name.
    pub code: String,
    /// The same, in words.
    pub message: String,
    /// The endpoint that should have been asked.
    pub endpoint: String,
    /// The region that should have been signed for.
    pub region: String,
    /// The bucket, where that is meant.
    pub bucket: String,
}

/// A body, element by element.
struct Walk<'a> {
    reader: Reader<&'a [u8]>,
    /// The names of the elements that are open.
    path: Vec<String>,
    /// The text since the last tag.
    text: String,
    /// Whether it was too long.
    cut: bool,
    begun: bool,
}

/// Where a walk has come to.
enum Step {
    /// An element begins: the last of the path.
    Begin,
    /// One ends, that is still in the path; its text is there.
    End,
    /// It is over.
    Over,
}

impl<'a> Walk<'a> {
    fn new(body: &'a [u8]) -> Result<Self> {
        if body.len() > BODY_MAX {
            return Err(bad(format!("{} bytes are more than {BODY_MAX}", body.len())));
        }
        // An error at the place where it is found would be less clear.
        std::str::from_utf8(body).map_err(|_| bad("it is not UTF-8"))?;
        let mut reader = Reader::from_reader(body);
        reader.config_mut().expand_empty_elements = true;
        Ok(Walk { reader, path: Vec::new(), text: String::new(), cut: false, begun: false })
    }

    /// Goes to the next tag. An element that has ended is taken off the path by the next step, which is why `ended`
    /// says whether the last one was such.
    fn next(&mut self, ended: bool) -> Result<Step> {
        if ended {
            self.path.pop();
        }
        loop {
            let event = self.reader.read_event().map_err(bad)?;
            match event {
                Event::Start(start) => {
                    if self.path.is_empty() && self.begun {
                        return Err(bad("it has more than one element"));
                    }
                    if self.path.len() == DEPTH_MAX {
                        return Err(bad("its elements are too deep within each other"));
                    }
                    self.begun = true;
                    self.path.push(local(start.name().as_ref()));
                    self.clear();
                    return Ok(Step::Begin);
                }
                Event::End(_) => return Ok(Step::End),
                Event::Text(text) => self.add(&text.xml10_content()),
                Event::CData(text) => self.add(&text.xml10_content()),
                Event::GeneralRef(entity) => {
                    let text = resolve(&entity)?;
                    self.add(&text);
                }
                Event::DocType(_) => return Err(bad("it declares a type of its own")),
                Event::Eof if self.begun && self.path.is_empty() => return Ok(Step::Over),
                Event::Eof => return Err(bad("it ends too early")),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.cut = false;
    }

    fn add(&mut self, text: &str) {
        let room = TEXT_MAX - self.text.len();
        let fits = (0..=text.len().min(room)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.text.push_str(&text[..fits]);
        self.cut |= fits < text.len();
    }

    fn is_at(&self, path: &[&str]) -> bool {
        self.path.iter().map(String::as_str).eq(path.iter().copied())
    }

    /// The text of the element that ends.
    fn take(&mut self) -> Result<String> {
        if self.cut {
            let name = self.path.last().map_or("", String::as_str);
            return Err(bad(format!("its {name} is longer than {TEXT_MAX} bytes")));
        }
        Ok(std::mem::take(&mut self.text))
    }

    /// The text of the element that ends, or what fits of it, for messages.
    fn take_shown(&mut self) -> String {
        self.text.chars().take(MESSAGE_MAX).collect()
    }
}

fn bad(why: impl std::fmt::Display) -> Error {
    let why: String = why.to_string().chars().take(MESSAGE_MAX).collect();
    Error::new(Kind::Format, format!("the answer is not the XML that S3 has: {why}"))
}

/// A name without its prefix, cut to what a name of ours may have.
fn local(name: impl AsRef<[u8]>) -> String {
    let name = name.as_ref();
    let at = name.iter().rposition(|&byte| byte == b':').map_or(0, |at| at + 1);
    String::from_utf8_lossy(&name[at..][..name.len().saturating_sub(at).min(64)]).into_owned()
}

/// What `&quot;`, `&#34;` and the like stand for. No others are known, since no type may be declared.
fn resolve(entity: &BytesRef<'_>) -> Result<String> {
    if let Some(character) = entity.resolve_char_ref().map_err(bad)? {
        return Ok(character.into());
    }
    let name: &str = entity;
    resolve_predefined_entity(name).map(str::to_owned).ok_or_else(|| bad("it has an entity that is not known"))
}

/// An ETag without the quotes that some services leave out.
pub(super) fn tag(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Reads an answer to a listing. Keys are as they are there; `now` is what the clock of the service says.
///
/// Errors: `Format`; `NoMemory`.
pub fn page(body: &[u8], now: Option<i64>) -> Result<Page> {
    const ROOT: &str = "ListBucketResult";
    let (mut page, mut entry) = (Page::default(), Partial::default());
    let (mut walk, mut ended) = (Walk::new(body)?, false);
    loop {
        match walk.next(ended)? {
            Step::Over => return Ok(page),
            Step::Begin => {
                ended = false;
                if walk.path.len() == 1 && !walk.is_at(&[ROOT]) {
                    return Err(bad(format!("it is a {}, not a {ROOT}", walk.path[0])));
                }
                if walk.is_at(&[ROOT, "Contents"]) {
                    entry = Partial::default();
                }
            }
            Step::End => {
                ended = true;
                if walk.is_at(&[ROOT, "IsTruncated"]) {
                    page.more = match walk.take()?.trim() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(bad("its IsTruncated is neither true nor false")),
                    };
                } else if walk.is_at(&[ROOT, "Contents"]) {
                    if page.entries.len() == PAGE_MAX {
                        return Err(bad(format!("it has more than {PAGE_MAX} objects")));
                    }
                    push(&mut page.entries, std::mem::take(&mut entry).complete(now)?)?;
                } else if walk.path.len() == 3 && walk.path[1] == "Contents" {
                    entry.take(&mut walk)?;
                }
                walk.clear();
            }
        }
    }
}

/// An object of a listing, of which not all has come.
#[derive(Default)]
struct Partial {
    key: Option<String>,
    size: Option<u64>,
    modified: Option<i64>,
    etag: String,
}

impl Partial {
    fn take(&mut self, walk: &mut Walk<'_>) -> Result<()> {
        match walk.path[2].as_str() {
            "Key" => self.key = Some(walk.take()?),
            "ETag" => self.etag = tag(&walk.take()?).to_owned(),
            "Size" => {
                let text = walk.take()?;
                let digits = text.trim();
                let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
                let size = digits.parse().ok().filter(|_| is_number);
                self.size = Some(size.ok_or_else(|| bad("the size of an object is no number"))?);
            }
            "LastModified" => {
                let time = from_listing(&walk.take()?);
                self.modified = Some(time.ok_or_else(|| bad("the time of an object is none"))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn complete(self, now: Option<i64>) -> Result<Entry> {
        let (Some(key), Some(size), Some(modified)) = (self.key, self.size, self.modified) else {
            return Err(bad("an object lacks its key, its size or its time"));
        };
        if key.is_empty() {
            return Err(bad("an object has an empty key"));
        }
        Ok(Entry { key, object: Object { size, modified, etag: self.etag, now } })
    }
}

/// Reads an answer to a removal: what could not be removed. Whatever is not named there has been.
///
/// Errors: `Format`; `NoMemory`.
pub fn not_deleted(body: &[u8]) -> Result<Vec<Failed>> {
    const ROOT: &str = "DeleteResult";
    let (mut all, mut one) = (Vec::new(), Failed::default());
    let (mut walk, mut ended) = (Walk::new(body)?, false);
    loop {
        match walk.next(ended)? {
            Step::Over => return Ok(all),
            Step::Begin => {
                ended = false;
                if walk.path.len() == 1 && !walk.is_at(&[ROOT]) {
                    return Err(bad(format!("it is a {}, not a {ROOT}", walk.path[0])));
                }
                if walk.is_at(&[ROOT, "Error"]) {
                    one = Failed::default();
                }
            }
            Step::End => {
                ended = true;
                if walk.is_at(&[ROOT, "Error"]) {
                    if all.len() == PAGE_MAX {
                        return Err(bad(format!("it has more than {PAGE_MAX} errors")));
                    }
                    push(&mut all, std::mem::take(&mut one))?;
                } else if walk.is_at(&[ROOT, "Error", "Key"]) {
                    one.key = walk.take()?;
                } else if walk.path.len() == 3 && walk.path[1] == "Error" {
                    one.take(&mut walk);
                }
                walk.clear();
            }
        }
    }
}

impl Failed {
    fn take(&mut self, walk: &mut Walk<'_>) {
        let text = walk.take_shown();
        match walk.path.last().map_or("", String::as_str) {
            "Code" => self.code = text.trim().to_owned(),
            "Message" => self.message = text,
            "Endpoint" => self.endpoint = text,
            "Region" => self.region = text,
            "BucketName" => self.bucket = text,
            _ => {}
        }
    }
}

/// Reads an error that a service answers with. `None`: the body is another element.
///
/// Errors: `Format`.
pub fn failed(body: &[u8]) -> Result<Option<Failed>> {
    let mut failed = Failed::default();
    let (mut walk, mut ended) = (Walk::new(body)?, false);
    loop {
        match walk.next(ended)? {
            Step::Over => return Ok(Some(failed)),
            Step::Begin => {
                ended = false;
                if walk.path[0] != "Error" {
                    return Ok(None);
                }
            }
            Step::End => {
                ended = true;
                if walk.path.len() == 2 {
                    failed.take(&mut walk);
                }
                walk.clear();
            }
        }
    }
}

/// Whether an answer is the element `root`, whole.
///
/// Errors: `Format`.
pub(super) fn is(body: &[u8], root: &str) -> Result<bool> {
    let (mut walk, mut ended, mut is) = (Walk::new(body)?, false, false);
    loop {
        match walk.next(ended)? {
            Step::Over => return Ok(is),
            Step::Begin => {
                is |= walk.is_at(&[root]);
                ended = false;
            }
            Step::End => ended = true,
        }
    }
}

/// The body of a request that removes these keys.
pub(super) fn delete(keys: impl Iterator<Item = String>) -> String {
    let mut body = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for key in keys {
        body.push_str("<Object><Key>");
        body.push_str(&escape(key.as_str()));
        body.push_str("</Key></Object>");
    }
    body.push_str("</Delete>");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(key: &str, etag: &str) -> String {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2013-05-24T00:00:00.000Z</LastModified><ETag>{etag}</ETag>\
             <Size>7</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID></Owner></Contents>"
        )
    }

    fn list(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3/\"><Name>b</Name>\
             <KeyCount>1</KeyCount>{inner}</ListBucketResult>"
        )
    }

    fn refused(body: &str) -> String {
        let error = page(body.as_bytes(), None).unwrap_err();
        assert_eq!(error.kind(), Kind::Format, "{error}");
        assert!(error.message().len() < 1000);
        error.message().into()
    }

    #[test]
    fn listings() {
        for (etag, expected) in
            [("&#34;ab&#34;", "ab"), ("&quot;ab&#x22;", "ab"), ("\"ab\"", "ab"), ("ab", "ab"), ("", "")]
        {
            let body =
                list(&format!("{}<IsTruncated>true</IsTruncated>", contents("s/a&amp;b&lt;<![CDATA[&]]>", etag)));
            let page = page(body.as_bytes(), Some(5)).unwrap();
            assert!(page.more);
            let object = Object { size: 7, modified: 1_369_353_600, etag: expected.into(), now: Some(5) };
            assert_eq!(page.entries, [Entry { key: "s/a&b<&".into(), object }]);
        }
        assert_eq!(page(list("").as_bytes(), None).unwrap(), Page::default());
        assert_eq!(page(b"<ListBucketResult/>", None).unwrap(), Page::default());
        let prefixed = list(&contents("k", "")).replace("<Key>", "<s:Key>").replace("</Key>", "</s:Key>");
        assert_eq!(page(prefixed.as_bytes(), None).unwrap().entries.len(), 1);
        let full = list(&contents("k", "x").repeat(PAGE_MAX));
        assert_eq!(page(full.as_bytes(), None).unwrap().entries.len(), PAGE_MAX);
    }

    #[test]
    fn what_is_no_listing() {
        refused("");
        refused("<!DOCTYPE html><html><body>Sign in</body></html>");
        assert!(refused("<html><body>Sign in</body></html>").contains("it is a html"));
        refused("<Error><Code>SlowDown</Code></Error>");
        refused("not XML");
        refused("{\"json\": true}");
        let whole = list(&contents("k", "x"));
        for end in 0..whole.len() {
            refused(&whole[..end]);
        }
        refused(&format!("{whole}{whole}"));
        refused(&list(&contents("k", "x").repeat(PAGE_MAX + 1)));
        refused(&list(&contents(&"k".repeat(KEY_MAX + 1), "x")));
        refused(&list(&contents("", "x")));
        refused(&list(&contents("&unknown;", "x")));
        refused(&list(&contents("k", "x").replace("<Size>7", "<Size>-7")));
        refused(&list(&contents("k", "x").replace("<Size>7", "<Size>99999999999999999999")));
        refused(&list(&contents("k", "x").replace("2013-05-24T", "yesterday")));
        refused(&list(&contents("k", "x").replace("Size", "Length")));
        refused(&list("<IsTruncated>maybe</IsTruncated>"));
        refused(&list(&format!("{}{}", "<a>".repeat(100), "</a>".repeat(100))));
        refused(&list("<a></b>"));
        assert_eq!(page(&[b'<', 0xff], None).unwrap_err().kind(), Kind::Format);
        assert_eq!(page(&vec![b' '; BODY_MAX + 1], None).unwrap_err().kind(), Kind::Format);
        let bomb =
            "<!DOCTYPE l [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;\">]><ListBucketResult>&b;</ListBucketResult>";
        refused(bomb);
    }

    #[test]
    fn removals() {
        let body = "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b&amp;</Key><Code>AccessDenied</Code>\
                    <Message>no</Message></Error><Deleted></Deleted></DeleteResult>";
        let expected =
            Failed { key: "b&".into(), code: "AccessDenied".into(), message: "no".into(), ..Failed::default() };
        assert_eq!(not_deleted(body.as_bytes()).unwrap(), [expected]);
        assert!(not_deleted(b"<DeleteResult/>").unwrap().is_empty());
        assert!(not_deleted(b"<html/>").is_err());
        assert!(not_deleted(b"<DeleteResult><Error>").is_err());
        let keys = ["s/a&b", "s/<c>"].into_iter().map(str::to_owned);
        let body = delete(keys);
        assert!(body.contains("<Key>s/a&amp;b</Key>") && body.contains("<Key>s/&lt;c&gt;</Key>"), "{body}");
    }

    #[test]
    fn errors() {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code> SlowDown </Code><Message>{}</Message><Endpoint>e</Endpoint>\
             <Region>r</Region><BucketName>b</BucketName></Error>",
            "m".repeat(900)
        );
        let failed = super::failed(body.as_bytes()).unwrap().unwrap();
        assert_eq!((failed.code.as_str(), failed.message.len()), ("SlowDown", MESSAGE_MAX));
        assert_eq!((&*failed.endpoint, &*failed.region, &*failed.bucket), ("e", "r", "b"));
        assert_eq!(super::failed(b"<html><Error/></html>").unwrap(), None);
        assert!(super::failed(b"Bad Gateway").is_err() && super::failed(b"").is_err());
        assert!(is(b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>", "CopyObjectResult").unwrap());
        assert!(!is(b"<Error><CopyObjectResult/></Error>", "CopyObjectResult").unwrap());
        assert!(is(b"", "CopyObjectResult").is_err());
    }
}
