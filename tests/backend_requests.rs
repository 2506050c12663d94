//! Attempts above a backend (docs/format.md, 13.3), with a double that fails as it is told.

#[path = "common/backends.rs"]
mod backends;
mod common;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backends::{MEMORY_TIME, Memory, always, call, key, keys, read};
use common::Scratch;
use pxds::backend::{
    Again, Answer, Backend, Call, Counters, Directory, Entry, Failure, Key, Limits, Listing, Object, PAGE_MAX, Put,
    PutDone, RequestOptions, Requests,
};
use pxds::error::{Error, Kind, Result};

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug)]
enum Step {
    Well,
    /// Nothing is done.
    Fails(Again),
    /// It is done, and nobody hears of it.
    Lost(Again),
    /// It lasts until it is told to end.
    Hangs,
}

use Step::{Fails, Hangs, Lost, Well};

/// A backend that does what a script says, then all well.
struct Scripted {
    memory: Memory,
    script: Mutex<VecDeque<Step>>,
    /// Pages that listings have, in place of the right ones.
    pages: Mutex<VecDeque<(Vec<String>, bool)>>,
    /// Keys that are not removed, with what is said of it, in one attempt each.
    stay: Mutex<Vec<(String, Kind)>>,
    /// What a put says in place of the truth.
    says: Mutex<Option<PutDone>>,
    /// How long each attempt takes.
    slow: Duration,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Scripted {
    fn new(script: &[Step]) -> Self {
        Scripted {
            memory: Memory::new(),
            script: Mutex::new(script.iter().copied().collect()),
            pages: Mutex::default(),
            stay: Mutex::default(),
            says: Mutex::default(),
            slow: Duration::ZERO,
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    fn play<T>(&self, call: &Call<'_>, work: impl FnOnce() -> Answer<T>) -> Answer<T> {
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Well);
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(self.slow);
        let failure = |again| Failure { error: Error::new(Kind::Io, "the wire is cut"), again };
        let result = match step {
            Well => work(),
            Fails(again) => Err(failure(again)),
            Lost(again) => work().and_then(|_| Err(failure(again))),
            Hangs => call.wait(Duration::from_secs(3600)).and_then(|()| work()),
        };
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Backend for Scripted {
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
        out.extend_from_slice(b"a part");
        out.truncate(out.len() - 6);
        self.play(call, || self.memory.get(key, max_len, out, call))
    }

    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
        let done = self.play(call, || self.memory.put(key, data, how, call))?;
        Ok(self.says.lock().unwrap().unwrap_or(done))
    }

    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
        self.play(call, || self.memory.stat(key, call))
    }

    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
        self.play(call, || match self.pages.lock().unwrap().pop_front() {
            Some((keys, more)) => {
                page.extend(keys.into_iter().map(|key| Entry { key, object: Object::default() }));
                Ok(more)
            }
            None => self.memory.list(prefix, after, page, call),
        })
    }

    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
        self.play(call, || {
            let mut stay = self.stay.lock().unwrap();
            let mut failed = Vec::new();
            for (place, key) in keys.iter().enumerate() {
                if let Some(found) = stay.iter().position(|(text, _)| text == key.as_str()) {
                    failed.push((place, Error::new(stay.remove(found).1, "it stays")));
                } else {
                    self.memory.delete(std::slice::from_ref(key), call)?;
                }
            }
            Ok(failed)
        })
    }

    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
        self.play(call, || self.memory.copy(from, to, call))
    }

    fn limits(&self) -> Limits {
        self.memory.limits()
    }

    fn location(&self) -> String {
        "script".into()
    }
}

/// Pauses that no test waits for.
fn options() -> RequestOptions {
    RequestOptions { pause: Duration::from_millis(1), ..RequestOptions::default() }
}

fn requests_of(backend: Scripted, options: RequestOptions) -> (Arc<Scripted>, Requests) {
    let backend = Arc::new(backend);
    let requests = Requests::new(Arc::clone(&backend) as Arc<dyn Backend>, options).unwrap();
    (backend, requests)
}

fn scripted(script: &[Step]) -> (Arc<Scripted>, Requests) {
    requests_of(Scripted::new(script), options())
}

const LATER: Again = Again::Later(Duration::ZERO);

#[test]
fn each_failure_says_whether_to_try_again() {
    let (yes, no, once, later) = (Fails(Again::Yes), Fails(Again::No), Fails(Again::Once), Fails(LATER));
    for (script, tries, is_well) in [
        (&[Well][..], 1, true),
        (&[no], 1, false),
        (&[yes], 2, true),
        (&[yes, yes, no], 3, false),
        (&[yes; 7], 8, true),
        (&[yes; 8], 8, false),
        (&[later], 2, true),
        (&[later, yes, later], 4, true),
        (&[once], 2, true),
        (&[once, once], 2, false),
        (&[yes, once, yes], 4, true),
        (&[once, yes, once], 3, false),
    ] {
        let (_, requests) = scripted(script);
        let result = requests.stat(&key("a/b"), &always);
        assert_eq!(result.is_ok(), is_well, "{script:?}: {result:?}");
        let expected = Counters { stat: tries, retries: tries - 1, ..Counters::default() };
        assert_eq!(requests.counters(), expected, "{script:?}");
        if let Err(error) = result {
            let tries = if tries == 1 { "1 try".into() } else { format!("{tries} tries") };
            assert_eq!(error.message(), format!("script: look at a/b, {tries}: the wire is cut"));
            assert_eq!(error.kind(), Kind::Io);
        }
    }
}

#[test]
fn every_call_is_tried_again_and_counted() {
    let (backend, requests) = scripted(&[]);
    let again = || backend.script.lock().unwrap().extend([Fails(Again::Yes), Fails(LATER)]);
    let (from, to) = (key("from"), key("to"));
    again();
    assert_eq!(requests.put(&from, b"12345", Put::Replace, &always).unwrap(), PutDone::Stored);
    again();
    let mut out = b"before ".to_vec();
    let object = requests.get(&from, 5, &mut out, &always).unwrap().unwrap();
    assert_eq!((&out[..], object.size, object.now), (&b"before 12345"[..], 5, Some(MEMORY_TIME)));
    again();
    assert!(requests.copy(&from, &to, &always).unwrap());
    again();
    assert!(requests.stat(&to, &always).unwrap().is_some());
    again();
    let (mut listing, mut page) = (Listing::new("", ""), Vec::new());
    assert!(requests.list(&mut listing, &mut page, &always).unwrap());
    assert_eq!(page.len(), 2);
    assert!(!requests.list(&mut listing, &mut page, &always).unwrap());
    assert!(page.is_empty());
    again();
    assert!(requests.delete(&[from.clone(), to], &always).unwrap().is_empty());
    assert_eq!(requests.get(&from, 5, &mut out, &always).unwrap(), None);
    assert_eq!(out, b"before 12345");
    let expected =
        Counters { get: 4, put: 3, list: 3, stat: 3, delete: 3, copy: 3, retries: 12, bytes_up: 15, bytes_down: 5 };
    assert_eq!(requests.counters(), expected);
    assert_eq!(requests.location(), "script");
}

#[test]
fn errors_name_what_and_where() {
    let no = [Fails(Again::No); 6];
    let (_, requests) = scripted(&no);
    let (one, keys) = (key("a"), [key("a"), key("b"), key("c")]);
    let errors = [
        requests.get(&one, 1, &mut Vec::new(), &always).unwrap_err(),
        requests.put(&one, b"x", Put::New, &always).unwrap_err(),
        requests.list(&mut Listing::new("p/", ""), &mut Vec::new(), &always).unwrap_err(),
        requests.delete(&keys, &always).unwrap_err(),
        requests.delete(&keys[..1], &always).unwrap_err(),
        requests.copy(&one, &keys[1], &always).unwrap_err(),
    ];
    let whats = ["get a", "put a", "list p/*", "delete a and 2 more", "delete a", "copy a to b"];
    for (error, what) in errors.iter().zip(whats) {
        assert_eq!(error.message(), format!("script: {what}, 1 try: the wire is cut"));
    }
}

#[test]
fn a_call_has_its_time() {
    let brief = RequestOptions { deadline: Duration::from_millis(50), max_tries: 1000, ..options() };
    // An attempt that does not end, the first one or a later one.
    for (script, end) in [
        (&[Hangs][..], "1 try: the time for the call is over"),
        (&[Fails(Again::Yes), Hangs], "2 tries: the time for the call is over; before that: the wire is cut"),
    ] {
        let (_, requests) = requests_of(Scripted::new(script), brief);
        let error = requests.stat(&key("a"), &always).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Io, &*format!("script: look at a, {end}")));
    }
    // Attempts without end.
    let (_, requests) = requests_of(Scripted::new(&[Fails(Again::Yes); 1000]), brief);
    let error = requests.stat(&key("a"), &always).unwrap_err();
    assert!((2..1000).contains(&requests.counters().stat), "{error}");
    // A pause for which there is no time is not made.
    let (_, requests) = scripted(&[Fails(Again::Later(Duration::from_secs(3600)))]);
    let soon = RequestOptions { deadline: Duration::from_secs(30), ..options() };
    let (_, requests_soon) = requests_of(Scripted::new(&[Fails(Again::Later(Duration::from_secs(3600)))]), soon);
    assert!(requests_soon.stat(&key("a"), &always).is_err());
    assert_eq!(requests_soon.counters().stat, 1);
    assert_eq!(requests.counters().stat, 0);
    for options in
        [RequestOptions { max_tries: 0, ..options() }, RequestOptions { deadline: Duration::ZERO, ..options() }]
    {
        let error = Requests::new(Arc::new(Memory::new()), options).err().unwrap();
        assert_eq!(error.kind(), Kind::Argument);
    }
}

/// Makes `call` with a question that is answered with an error as soon as there is `begun`: the call ends with it, and
/// soon.
fn stopped<T: Send>(
    begun: impl Fn() -> bool + Sync,
    call: impl FnOnce(&(dyn Fn() -> Result<()> + Sync)) -> Result<T> + Send,
) {
    let stop = AtomicBool::new(false);
    let is_wanted = || if stop.load(Ordering::SeqCst) { Err(Error::cancelled("test", 7)) } else { Ok(()) };
    let (error, time) = thread::scope(|scope| {
        let call = scope.spawn(|| call(&is_wanted).err().map(|error| (error, Instant::now())));
        while !begun() {
            thread::sleep(Duration::from_millis(1));
        }
        let begin = Instant::now();
        stop.store(true, Ordering::SeqCst);
        let (error, end) = call.join().unwrap().expect("a call that has been stopped");
        (error, end - begin)
    });
    assert!(time < Duration::from_secs(1), "{time:?}");
    assert_eq!((error.callback_value(), error.message()), (7, Error::cancelled("test", 7).message()));
}

#[test]
fn a_call_that_is_not_wanted_ends_wherever_it_waits() {
    // Before another attempt.
    let (_, requests) = scripted(&[Fails(Again::Later(Duration::from_secs(30)))]);
    stopped(|| requests.allowed() == 4, |is_wanted| requests.stat(&key("a"), is_wanted));
    // Within one.
    let (backend, requests) = scripted(&[Hangs]);
    stopped(|| backend.now.load(Ordering::SeqCst) == 1, |is_wanted| requests.stat(&key("a"), is_wanted));
    // For a permit.
    let (backend, requests) = requests_of(Scripted::new(&[Hangs]), RequestOptions { connections: 1, ..options() });
    let (given_up, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let until = || if given_up.load(Ordering::SeqCst) { Err(Error::cancelled("test", 1)) } else { Ok(()) };
    thread::scope(|scope| {
        let held = scope.spawn(|| requests.stat(&key("a"), &until));
        while backend.now.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let wait = |is_wanted: &(dyn Fn() -> Result<()> + Sync)| {
            let ask = || {
                asked.fetch_add(1, Ordering::SeqCst);
                is_wanted()
            };
            requests.stat(&key("b"), &ask)
        };
        stopped(|| asked.load(Ordering::SeqCst) > 0, wait);
        assert_eq!(requests.counters().stat, 1);
        given_up.store(true, Ordering::SeqCst);
        assert_eq!(held.join().unwrap().unwrap_err().callback_value(), 1);
    });
    // For its bytes.
    let slow = RequestOptions { max_up: 1, max_down: 1, ..options() };
    let (backend, requests) = requests_of(Scripted::new(&[]), slow);
    requests.put(&key("a"), &[0; 1000], Put::Replace, &always).unwrap();
    stopped(|| true, |is_wanted| requests.put(&key("b"), b"x", Put::Replace, is_wanted));
    requests.get(&key("a"), 1000, &mut Vec::new(), &always).unwrap();
    stopped(|| true, |is_wanted| requests.get(&key("a"), 1000, &mut Vec::new(), is_wanted));
    // What moves no bytes waits for none.
    assert!(requests.stat(&key("a"), &always).unwrap().is_some());
    assert_eq!(keys(&backend.memory, "", ""), ["a"]);
    assert_eq!((requests.counters().put, requests.counters().get), (1, 1));
}

#[test]
fn permits() {
    let all_at_once = |requests: &Requests| {
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| requests.stat(&key("a"), &always).unwrap());
            }
        });
    };
    // The backend's, unless fewer are wanted.
    for (connections, most) in [(0, 8), (3, 3), (100, 8)] {
        let mut slow = Scripted::new(&[]);
        slow.slow = Duration::from_millis(20);
        let (backend, requests) = requests_of(slow, RequestOptions { connections, ..options() });
        assert_eq!(requests.allowed(), most);
        all_at_once(&requests);
        let seen = backend.most.load(Ordering::SeqCst);
        assert!((1..=most).contains(&seen), "{seen} of {most}");
        // Half of them when there was too much; that they grow again is a matter of ten seconds, not of this test.
        backend.script.lock().unwrap().push_back(Fails(LATER));
        requests.stat(&key("a"), &always).unwrap();
        assert_eq!(requests.allowed(), most / 2);
        backend.most.store(0, Ordering::SeqCst);
        all_at_once(&requests);
        let seen = backend.most.load(Ordering::SeqCst);
        assert!((1..=most / 2).contains(&seen), "{seen} of {}", most / 2);
    }
    // None is kept while a call pauses.
    let (_, requests) = requests_of(
        Scripted::new(&[Fails(Again::Later(Duration::from_secs(30)))]),
        RequestOptions { connections: 1, ..options() },
    );
    stopped(
        || requests.counters().get == 1,
        |is_wanted| {
            thread::scope(|scope| {
                let pausing = scope.spawn(|| requests.stat(&key("a"), is_wanted));
                while requests.counters().stat == 0 {
                    thread::yield_now();
                }
                requests.get(&key("b"), 10, &mut Vec::new(), &always).unwrap();
                pausing.join().unwrap()
            })
        },
    );
}

#[test]
fn a_new_object_whose_answer_was_lost() {
    let put = |script: &[Step], there: Option<&[u8]>, data: &[u8]| {
        let (backend, requests) = scripted(script);
        if let Some(there) = there {
            backends::put(&backend.memory, &key("a"), there);
        }
        let done = requests.put(&key("a"), data, Put::New, &always).unwrap();
        (done, requests.counters().put, requests.counters().get)
    };
    assert_eq!(put(&[Lost(Again::Yes)], None, b"mine"), (PutDone::Stored, 2, 1));
    assert_eq!(put(&[Lost(LATER), Fails(Again::Yes)], None, b"mine"), (PutDone::Stored, 3, 1));
    assert_eq!(put(&[Lost(Again::Yes), Well, Fails(Again::Yes)], None, b"mine"), (PutDone::Stored, 2, 2));
    assert_eq!(put(&[Fails(Again::Yes)], None, b"mine"), (PutDone::Stored, 2, 0));
    // That of another, shorter, longer, or as long.
    for there in [&b""[..], b"his", b"hers", b"theirs"] {
        assert_eq!(put(&[Fails(Again::Yes)], Some(there), b"mine"), (PutDone::Exists, 2, 1));
    }
    // It was there before, since nothing can have been written.
    assert_eq!(put(&[], Some(b"mine"), b"mine"), (PutDone::Exists, 1, 0));
    assert_eq!(put(&[Fails(Again::Once)], Some(b"mine"), b"mine"), (PutDone::Exists, 2, 0));
}

#[test]
fn a_replaced_object_whose_answer_was_lost() {
    for (step, data, expected) in [
        (Lost(Again::Yes), b"mine", PutDone::Stored),
        (Fails(Again::Yes), b"mine", PutDone::Changed),
        (Fails(Again::Once), b"hers", PutDone::Changed),
    ] {
        let (backend, requests) = scripted(&[]);
        backends::put(&backend.memory, &key("a"), b"old");
        let tag = backend.memory.stat(&key("a"), &call()).unwrap().unwrap().etag;
        if !matches!(step, Lost(_)) {
            backends::put(&backend.memory, &key("a"), b"hers");
        }
        backend.script.lock().unwrap().push_back(step);
        assert_eq!(requests.put(&key("a"), data, Put::IfMatch(&tag), &always).unwrap(), expected, "{step:?}");
    }
}

#[test]
fn removal_in_batches() {
    let all: Vec<_> = (0..10).map(|i| key(&format!("k{i}"))).collect();
    let (backend, requests) = scripted(&[]);
    all.iter().for_each(|key| backends::put(&backend.memory, key, b"x"));
    // Two fail for good, and two in one attempt only; one of these has more than all attempts are good for.
    let mut stay = vec![("k1".to_owned(), Kind::Denied), ("k4".into(), Kind::Io), ("k9".into(), Kind::Corrupt)];
    stay.extend((0..8).map(|_| ("k7".to_owned(), Kind::Io)));
    *backend.stay.lock().unwrap() = stay;
    let failed = requests.delete(&all, &always).unwrap();
    let told: Vec<_> = failed.iter().map(|(place, error)| (*place, error.kind())).collect();
    assert_eq!(told, [(1, Kind::Denied), (7, Kind::Io), (9, Kind::Corrupt)]);
    for (place, error) in &failed {
        assert!(error.message().starts_with(&format!("delete k{place}")), "{error}");
    }
    assert_eq!(keys(&backend.memory, "", ""), ["k1", "k7", "k9"]);
    // Batches of 3, 3, 3 and 1: one, two, eight, one.
    assert_eq!((requests.counters().delete, requests.counters().retries), (12, 8));
    assert!(requests.delete(&[], &always).unwrap().is_empty());
    assert_eq!(requests.counters().delete, 12);
    // A request that fails as a whole is the call's failure, whatever an attempt before has said of some.
    *backend.stay.lock().unwrap() = vec![("k7".into(), Kind::Io)];
    backend.script.lock().unwrap().extend([Well, Well, Well, Fails(Again::No)]);
    let error = requests.delete(&all, &always).unwrap_err();
    assert_eq!(error.message(), "script: delete k6 and 2 more, 2 tries: the wire is cut");
}

#[test]
fn an_answer_of_keys_that_were_not_asked_for() {
    struct Odd(Memory, Vec<usize>);
    impl Backend for Odd {
        fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
            let object = self.0.get(key, max_len, out, call)?;
            // As many more, and as many fewer, as it was told.
            self.1.iter().for_each(|_| out.push(0));
            Ok(object)
        }
        fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
            self.0.put(key, data, how, call)
        }
        fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
            self.0.stat(key, call)
        }
        fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
            self.0.list(prefix, after, page, call)
        }
        fn delete(&self, _: &[Key], _: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
            Ok(self.1.iter().map(|&place| (place, Error::new(Kind::Denied, "no"))).collect())
        }
        fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
            self.0.copy(from, to, call)
        }
        fn limits(&self) -> Limits {
            self.0.limits()
        }
        fn location(&self) -> String {
            self.0.location()
        }
    }
    for places in [vec![2], vec![0, 0], vec![usize::MAX]] {
        let requests = Requests::new(Arc::new(Odd(Memory::new(), places.clone())), options()).unwrap();
        let error = requests.delete(&[key("a"), key("b")], &always).unwrap_err();
        assert_eq!((error.kind(), requests.counters().delete), (Kind::Corrupt, 1), "{places:?}");
        // Nor has an object more bytes than it is said to have.
        requests.put(&key("a"), b"12", Put::Replace, &always).unwrap();
        let mut out = b"kept".to_vec();
        for max_len in [2, 100] {
            let error = requests.get(&key("a"), max_len, &mut out, &always).unwrap_err();
            assert_eq!((error.kind(), &out[..]), (Kind::Corrupt, &b"kept"[..]));
        }
        assert_eq!(requests.get(&key("none"), 9, &mut out, &always).unwrap(), None);
        assert_eq!((&out[..], requests.counters().bytes_down), (&b"kept"[..], 0));
    }
}

#[test]
fn an_answer_that_fits_no_put() {
    for (how, says) in [
        (Put::Replace, PutDone::Exists),
        (Put::Replace, PutDone::Changed),
        (Put::New, PutDone::Changed),
        (Put::IfMatch("x"), PutDone::Exists),
    ] {
        let (backend, requests) = scripted(&[]);
        *backend.says.lock().unwrap() = Some(says);
        let error = requests.put(&key("a"), b"x", how, &always).unwrap_err();
        assert_eq!((error.kind(), requests.counters().put), (Kind::Corrupt, 1), "{how:?}: {error}");
    }
}

#[test]
fn listings_that_are_none() {
    let many: Vec<_> = (0..=PAGE_MAX).map(|i| format!("a/{i:09}")).collect();
    let page = |keys: &[&str]| -> Vec<String> { keys.iter().map(|&key| key.to_owned()).collect() };
    // Pages, and how many are asked for until it is seen.
    for (pages, tries) in [
        (vec![(page(&["a/b", "a/a"]), false)], 1),
        (vec![(page(&["a/b", "a/b"]), false)], 1),
        (vec![(page(&["a/a", "a/b"]), true), (page(&["a/a", "a/b"]), true)], 2),
        (vec![(page(&["a/a", "a/b"]), true), (page(&["a/b", "a/c"]), false)], 2),
        (vec![(page(&["a/a", "b/b"]), false)], 1),
        (vec![(page(&["a"]), false)], 1),
        (vec![(page(&[]), true)], 1),
        (vec![(page(&["a/a"]), true), (page(&[]), true)], 2),
        (vec![(page(&["a/"]), true), (page(&["a/"]), true)], 2),
        (vec![(page(&["a/x/b", "a/x.b"]), true), (page(&["a/y.b", "a/y/b"]), false)], 2),
        (vec![(many, false)], 1),
    ] {
        let (backend, requests) = scripted(&[]);
        *backend.pages.lock().unwrap() = pages.iter().cloned().collect();
        let (mut listing, mut page) = (Listing::new("a/", ""), Vec::new());
        let error = loop {
            match requests.list(&mut listing, &mut page, &always) {
                Ok(more) => assert!(more, "{pages:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), requests.counters().list), (Kind::Corrupt, tries), "{error}");
        assert!(error.message().starts_with("script: list a/*, 1 try: the listing is damaged: "), "{error}");
    }
    // What is no key is passed over.
    let (backend, requests) = scripted(&[]);
    *backend.pages.lock().unwrap() = [(page(&["a/"]), true), (page(&["a/b", "a/c//d"]), false)].into();
    let (mut listing, mut got) = (Listing::new("a/", ""), Vec::new());
    assert!(requests.list(&mut listing, &mut got, &always).unwrap());
    assert!(got.is_empty());
    assert!(requests.list(&mut listing, &mut got, &always).unwrap());
    assert_eq!((got.len(), listing.skipped()), (1, 2));
    assert!(!requests.list(&mut listing, &mut got, &always).unwrap());
}

#[test]
fn a_directory_through_requests() {
    let scratch = Scratch::in_memory();
    let directory = Arc::new(Directory::open(scratch.path()).unwrap());
    let requests = Requests::new(Arc::clone(&directory) as Arc<dyn Backend>, options()).unwrap();
    assert_eq!(requests.put(&key("a/b"), b"x", Put::New, &always).unwrap(), PutDone::Stored);
    assert_eq!(requests.put(&key("a/b"), b"y", Put::New, &always).unwrap(), PutDone::Exists);
    assert_eq!(read(&*directory, &key("a/b")), b"x");
    let error = requests.get(&key("a/b"), 0, &mut Vec::new(), &always).unwrap_err();
    let message = format!("{}: get a/b, 1 try: 1 bytes are more than 0", scratch.path().display());
    assert_eq!((error.kind(), error.message()), (Kind::Limit, &*message));
}
