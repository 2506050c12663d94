//! What every backend promises, as one body of tests, and a backend in memory to compare with.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pxds::backend::{
    Again, Answer, Backend, Call, Entry, Key, Limits, Listed, Listing, Object, PAGE_MAX, Put, PutDone,
};
use pxds::digest::Digest;
use pxds::error::{Error, Kind, Result};

/// Nobody ends the call.
pub(crate) fn always() -> Result<()> {
    Ok(())
}

/// A call with time enough.
pub(crate) fn call() -> Call<'static> {
    Call::new(Instant::now() + Duration::from_secs(60), &always)
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// The bytes of an object that there must be.
pub(crate) fn read(backend: &dyn Backend, key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    let object = backend.get(key, 64 << 20, &mut out, &call()).unwrap().unwrap();
    assert_eq!(object.size, out.len() as u64, "{key}");
    out
}

pub(crate) fn put(backend: &dyn Backend, key: &Key, data: &[u8]) {
    assert_eq!(backend.put(key, data, Put::Replace, &call()).unwrap(), PutDone::Stored, "{key}");
}

/// All that a listing shows.
pub(crate) fn list(backend: &dyn Backend, prefix: &str, after: &str) -> Vec<Listed> {
    let (mut all, mut page, mut listing) = (Vec::new(), Vec::new(), Listing::new(prefix, after));
    while listing.next(backend, &mut page, &call()).unwrap() {
        all.append(&mut page);
    }
    all
}

pub(crate) fn keys(backend: &dyn Backend, prefix: &str, after: &str) -> Vec<String> {
    list(backend, prefix, after).iter().map(|listed| listed.key.as_str().to_owned()).collect()
}

/// All of it. `make` gives a backend that is empty; each is used for one part.
pub(crate) fn contract(name: &str, make: &dyn Fn() -> Arc<dyn Backend>) {
    parts(name, make, missing, removal);
}

/// All of it, of a service whose keys are paths of files: of what it is told to remove below an object, it removes the
/// object, and fails to remove what is above one. No key of a store is below another.
pub(crate) fn contract_of_paths(name: &str, make: &dyn Fn() -> Arc<dyn Backend>) {
    let missing = |backend: &dyn Backend| missing_of(backend, &["none", "none/below/it", "is/ther"]);
    parts(name, make, missing, |backend| removal_of(backend, &["none"]));
}

type Part = fn(&dyn Backend);

fn parts(name: &str, make: &dyn Fn() -> Arc<dyn Backend>, missing: Part, removal: Part) {
    let parts: [(&str, Part); 10] = [
        ("objects are written and read", objects),
        ("keys", odd_keys),
        ("what is not there", missing),
        ("new objects", new_objects),
        ("objects under a condition", conditions),
        ("listings", listings),
        ("removal", removal),
        ("copies", copies),
        ("calls that are no longer wanted", unwanted),
        ("several at once", at_once),
    ];
    for (part, run) in parts {
        eprintln!("{name}: {part}");
        let backend = make();
        let limits = backend.limits();
        assert!(limits.connections >= 1 && limits.max_delete >= 1 && !backend.location().is_empty(), "{limits:?}");
        run(&*backend);
    }
}

fn objects(backend: &dyn Backend) {
    let key = Key::chunk(&Digest::from_hex("5a".repeat(32).as_bytes()).unwrap());
    let large: Vec<u8> = (0..(3 << 20) + 7).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for data in [&b"first"[..], b"", &large, b"then a short one"] {
        put(backend, &key, data);
        assert!(read(backend, &key) == data);
        let stat = backend.stat(&key, &call()).unwrap().unwrap();
        assert_eq!(stat.size, data.len() as u64);
        assert!(stat.modified > 1_600_000_000, "{stat:?}");
        // Behind what is there, and no more than was asked for.
        let mut out = b"before ".to_vec();
        backend.get(&key, data.len(), &mut out, &call()).unwrap().unwrap();
        assert!(out[..7] == *b"before " && out[7..] == *data);
        if let Some(less) = data.len().checked_sub(1) {
            let failure = backend.get(&key, less, &mut out, &call()).unwrap_err();
            assert_eq!((failure.error.kind(), failure.again), (Kind::Limit, Again::No));
        }
    }
    // What a tag is good for: another content has another.
    let tag = || backend.stat(&key, &call()).unwrap().unwrap().etag;
    let before = tag();
    assert_eq!(tag(), before);
    put(backend, &key, b"then a short 1ne");
    assert!(tag() != before || before.is_empty());
}

fn odd_keys(backend: &dyn Backend) {
    let long = [&"x".repeat(100); 7].map(String::as_str).join("/");
    let texts = [
        "a",
        ".cnt/vm/100/2026-11-30T12:00:00Z/index.json.blob",
        ".cnt/ns/a/ns/b/host/a@b.c/owner",
        ".pxds/lease-1+2=3,4~5",
        ".pxds/100%41",
        &long,
    ];
    for text in texts {
        put(backend, &key(text), text.as_bytes());
    }
    for text in texts {
        assert_eq!(read(backend, &key(text)), text.as_bytes());
        assert_eq!(keys(backend, text, ""), if text == "a" { vec!["a"] } else { vec![text] });
    }
    assert_eq!(list(backend, "", "").len(), texts.len());
}

fn missing(backend: &dyn Backend) {
    missing_of(backend, &["none", "none/below/it", "is/there/below", "is", "is/ther"]);
}

fn missing_of(backend: &dyn Backend, none: &[&str]) {
    put(backend, &key("is/there"), b"x");
    for key in &none.iter().map(|text| key(text)).collect::<Vec<_>>() {
        let mut out = b"as it was".to_vec();
        assert_eq!(backend.get(key, 100, &mut out, &call()).unwrap(), None, "{key}");
        assert_eq!(out, b"as it was");
        assert_eq!(backend.stat(key, &call()).unwrap(), None, "{key}");
        assert!(!backend.copy(key, &self::key("to"), &call()).unwrap(), "{key}");
        assert!(backend.delete(std::slice::from_ref(key), &call()).unwrap().is_empty(), "{key}");
    }
    assert_eq!(keys(backend, "", ""), ["is/there"]);
    assert!(list(backend, "none/", "").is_empty());
}

fn new_objects(backend: &dyn Backend) {
    if !backend.limits().put_new {
        return;
    }
    let key = key(".pxds/lease");
    let put = |data: &[u8]| backend.put(&key, data, Put::New, &call()).unwrap();
    assert_eq!(put(b"one"), PutDone::Stored);
    assert_eq!(put(b"another"), PutDone::Exists);
    assert_eq!(put(b"one"), PutDone::Exists);
    assert_eq!(read(backend, &key), b"one");
    assert!(backend.delete(std::slice::from_ref(&key), &call()).unwrap().is_empty());
    assert_eq!(put(b"another"), PutDone::Stored);
    // Of several at once it is one, and its bytes are there.
    for round in 0..5 {
        let key = self::key(&format!(".pxds/race-{round}"));
        let done =
            side_by_side(backend, 8, &|i| backend.put(&key, format!("of {i}").as_bytes(), Put::New, &call()).unwrap());
        let stored: Vec<_> = (0..8).filter(|&i| done[i] == PutDone::Stored).collect();
        assert_eq!(stored.len(), 1, "{done:?}");
        assert!(done.iter().all(|done| *done != PutDone::Changed), "{done:?}");
        assert_eq!(read(backend, &key), format!("of {}", stored[0]).as_bytes());
    }
}

fn conditions(backend: &dyn Backend) {
    let key = key(".pxds/lease");
    put(backend, &key, b"one");
    let tag = backend.stat(&key, &call()).unwrap().unwrap().etag;
    if !backend.limits().if_match {
        return;
    }
    let put_if = |data: &[u8], tag: &str| backend.put(&key, data, Put::IfMatch(tag), &call()).unwrap();
    assert_eq!(put_if(b"two", &tag), PutDone::Stored);
    assert_eq!(put_if(b"three", &tag), PutDone::Changed);
    assert_eq!(read(backend, &key), b"two");
    let tag = backend.stat(&key, &call()).unwrap().unwrap().etag;
    backend.delete(std::slice::from_ref(&key), &call()).unwrap();
    assert_eq!(put_if(b"four", &tag), PutDone::Changed);
    assert_eq!(backend.stat(&key, &call()).unwrap(), None);
}

fn listings(backend: &dyn Backend) {
    assert!(list(backend, "", "").is_empty());
    let mut texts: Vec<String> = ["a/b.c", "a/b/c", "a/b0", "a.b", "ab", "b/a/a/a", "b/a/b", "b/b", "c"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..20).map(|i| format!(".chunks/{:04x}/x{i}", i / 3 + 10)))
        .collect();
    for text in &texts {
        put(backend, &key(text), text.as_bytes());
    }
    let all = keys(backend, "", "");
    texts.sort();
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, texts);
    for listed in list(backend, "", "") {
        assert_eq!(listed.object.size, listed.key.as_str().len() as u64, "{listed:?}");
        assert!(listed.object.modified > 1_600_000_000, "{listed:?}");
    }
    for prefix in ["", "a", "a/", "a/b", "a/b/", "a/b.", "b/a", "b/a/", ".chunks/000", ".chunks/000b", "c", "d", "c/"] {
        let expected: Vec<_> = all.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        assert_eq!(keys(backend, prefix, ""), expected, "{prefix}");
        // From behind each of them; one that has been removed will do too.
        for (place, after) in expected.iter().enumerate() {
            assert_eq!(keys(backend, prefix, after), expected[place + 1..], "{prefix} after {after}");
            let behind = format!("{after}!");
            let rest: Vec<_> = expected[place + 1..].iter().filter(|key| !key.starts_with(after)).cloned().collect();
            let shown = keys(backend, prefix, &behind);
            assert!(rest.iter().all(|key| shown.contains(key) || *key < behind), "{prefix} after {behind}: {shown:?}");
            assert!(!shown.contains(after), "{prefix} after {behind}: {shown:?}");
        }
    }
}

fn removal(backend: &dyn Backend) {
    removal_of(backend, &["none", "d0/e"]);
}

/// What is there goes, together with `none`, that is not.
fn removal_of(backend: &dyn Backend, none: &[&str]) {
    let keys: Vec<_> = (0..10).map(|i| key(&format!("d{}/e/f{i}", i % 3))).collect();
    for key in &keys {
        put(backend, key, b"x");
    }
    let (go, stay) = keys.split_at(7);
    let mut go = go.to_vec();
    for (place, none) in none.iter().enumerate() {
        go.insert(2 * place + 3, key(none));
    }
    for batch in go.chunks(backend.limits().max_delete) {
        assert!(backend.delete(batch, &call()).unwrap().is_empty());
    }
    let mut left: Vec<_> = stay.iter().map(|key| key.as_str().to_owned()).collect();
    left.sort();
    assert_eq!(self::keys(backend, "", ""), left);
    for key in &go {
        assert_eq!(backend.stat(key, &call()).unwrap(), None);
    }
    put(backend, &go[0], b"again");
    assert_eq!(read(backend, &go[0]), b"again");
    assert!(backend.delete(&[], &call()).unwrap().is_empty());
}

fn copies(backend: &dyn Backend) {
    let (from, to, over) = (key(".chunks/ab/x"), key(".chunks/ab/x.0.bad"), key("far/away/from/it"));
    put(backend, &from, b"the bytes");
    put(backend, &over, b"what was there");
    for to in [&to, &over] {
        assert!(backend.copy(&from, to, &call()).unwrap());
        assert_eq!(read(backend, to), b"the bytes");
    }
    assert_eq!(read(backend, &from), b"the bytes");
    put(backend, &from, b"changed");
    assert_eq!(read(backend, &to), b"the bytes");
}

fn unwanted(backend: &dyn Backend) {
    let (there, none) = (key("there"), key("none"));
    put(backend, &there, b"x");
    let stop = || Err(Error::cancelled("test", 7));
    let cancelled = Call::new(Instant::now() + Duration::from_secs(60), &stop);
    let late = Call::new(Instant::now(), &always);
    for (call, kind) in [(cancelled, Kind::Cancelled), (late, Kind::Io)] {
        let kinds = [
            backend.get(&there, 10, &mut Vec::new(), &call).unwrap_err(),
            backend.put(&none, b"x", Put::Replace, &call).unwrap_err(),
            backend.stat(&there, &call).unwrap_err(),
            backend.list("", "", &mut Vec::new(), &call).unwrap_err(),
            backend.delete(std::slice::from_ref(&there), &call).unwrap_err(),
            backend.copy(&there, &none, &call).unwrap_err(),
        ]
        .map(|failure| failure.error.kind());
        assert_eq!(kinds, [kind; 6]);
    }
    assert_eq!(keys(backend, "", ""), ["there"]);
}

/// Objects come and go beside each other, as do directories where there are any.
fn at_once(backend: &dyn Backend) {
    let threads = 4;
    side_by_side(backend, threads, &|thread| {
        let key = key(&format!("a/b/c{}/{thread}", thread % 2));
        let data = format!("of {thread}");
        for _ in 0..10 {
            put(backend, &key, data.as_bytes());
            assert_eq!(read(backend, &key), data.as_bytes());
            assert!(list(backend, "a/", "").iter().any(|listed| listed.key == key));
            assert!(backend.delete(std::slice::from_ref(&key), &call()).unwrap().is_empty());
            assert_eq!(backend.stat(&key, &call()).unwrap(), None);
        }
    });
    assert!(list(backend, "", "").is_empty());
}

/// What `work` gives for each number below `count`: at once, as far as the backend can do that.
fn side_by_side<T: Send>(backend: &dyn Backend, count: usize, work: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let limits = backend.limits();
    if !limits.any_thread {
        return (0..count).map(work).collect();
    }
    let next = AtomicU32::new(0);
    let mut done = thread::scope(|scope| {
        let worker = || {
            let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::SeqCst) as usize));
            numbers.take_while(|&number| number < count).map(|number| (number, work(number))).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..limits.connections.min(count)).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A backend in memory.
pub(crate) struct Memory {
    objects: Mutex<BTreeMap<String, (Vec<u8>, Object)>>,
    writes: AtomicU32,
    /// What it says that it can do.
    pub(crate) limits: Limits,
    /// Objects of a page, at most.
    pub(crate) page: usize,
}

/// The clock of every [`Memory`], in seconds since 1970.
pub(crate) const MEMORY_TIME: i64 = 1_700_000_000;

impl Memory {
    pub(crate) fn new() -> Self {
        Memory {
            objects: Mutex::default(),
            writes: AtomicU32::new(0),
            limits: Limits { connections: 8, max_delete: 3, any_thread: true, put_new: true, if_match: true },
            page: 4,
        }
    }

    fn object(&self, data: &[u8]) -> Object {
        let write = self.writes.fetch_add(1, Ordering::SeqCst);
        Object {
            size: data.len() as u64,
            modified: MEMORY_TIME,
            etag: format!("\"{write:04}\""),
            now: Some(MEMORY_TIME),
        }
    }
}

impl Backend for Memory {
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
        call.check()?;
        let objects = self.objects.lock().unwrap();
        let Some((data, object)) = objects.get(key.as_str()) else { return Ok(None) };
        if data.len() > max_len {
            return Err(Error::new(Kind::Limit, format!("{} bytes are more than {max_len}", data.len())).into());
        }
        out.extend_from_slice(data);
        Ok(Some(object.clone()))
    }

    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
        call.check()?;
        let mut objects = self.objects.lock().unwrap();
        let there = objects.get(key.as_str()).map(|(_, object)| object.etag.as_str());
        match how {
            Put::New if there.is_some() => return Ok(PutDone::Exists),
            Put::IfMatch(tag) if there != Some(tag) => return Ok(PutDone::Changed),
            _ => {}
        }
        objects.insert(key.as_str().into(), (data.to_vec(), self.object(data)));
        Ok(PutDone::Stored)
    }

    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
        call.check()?;
        Ok(self.objects.lock().unwrap().get(key.as_str()).map(|(_, object)| object.clone()))
    }

    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
        call.check()?;
        assert!(self.page <= PAGE_MAX);
        let objects = self.objects.lock().unwrap();
        let mut wanted = objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
            .map(|(key, (_, object))| Entry { key: key.clone(), object: object.clone() });
        page.extend(wanted.by_ref().take(self.page));
        Ok(wanted.next().is_some())
    }

    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
        call.check()?;
        assert!(keys.len() <= self.limits.max_delete);
        let mut objects = self.objects.lock().unwrap();
        keys.iter().for_each(|key| drop(objects.remove(key.as_str())));
        Ok(Vec::new())
    }

    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
        call.check()?;
        let mut objects = self.objects.lock().unwrap();
        let Some((data, _)) = objects.get(from.as_str()).cloned() else { return Ok(false) };
        let object = self.object(&data);
        objects.insert(to.as_str().into(), (data, object));
        Ok(true)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn location(&self) -> String {
        "memory".into()
    }
}
