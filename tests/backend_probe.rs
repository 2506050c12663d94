//! The probe of a backend (docs/format.md, 13.2), with services that lie in one way each.

#[path = "common/backends.rs"]
mod backends;
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backends::{Memory, always, keys};
use common::Scratch;
use pxds::backend::{
    Answer, Backend, Call, Counters, Directory, Entry, Key, Limits, Object, ProbeReport, Put, PutDone, RequestOptions,
    Requests, probe,
};
use pxds::error::{Error, Kind};

/// Pauses that no test waits for.
fn options() -> RequestOptions {
    RequestOptions { pause: Duration::from_millis(1), ..RequestOptions::default() }
}

/// All that a probe can find, in a backend whose clock is that of the double.
fn perfect(report: &ProbeReport) -> ProbeReport {
    ProbeReport {
        put_new: true,
        put_new_refuses: true,
        put_new_at_once: true,
        get: true,
        if_match: true,
        if_match_refuses: true,
        copy: true,
        list: true,
        list_after: true,
        delete: true,
        delete_missing: true,
        clock_offset: report.clock_offset,
    }
}

#[test]
fn a_probe_of_what_works() {
    for any_thread in [true, false] {
        let mut memory = Memory::new();
        memory.limits = Limits { any_thread, put_new: false, if_match: false, ..memory.limits };
        let memory = Arc::new(memory);
        let requests = Requests::new(Arc::clone(&memory) as Arc<dyn Backend>, options()).unwrap();
        let report = probe(&requests, &always).unwrap();
        assert_eq!(report, perfect(&report));
        // The double's clock stands in 2023.
        assert!(report.clock_offset.unwrap() < -1_000_000);
        assert!(keys(&*memory, "", "").is_empty());
        let Counters { get, put, list, stat, delete, copy, .. } = requests.counters();
        assert_eq!((get, put, list, stat, delete, copy), (2, 11, 3, 0, 1, 1));
    }
    let scratch = Scratch::in_memory();
    let directory = Arc::new(Directory::open(scratch.path()).unwrap());
    let requests = Requests::new(directory, options()).unwrap();
    let report = probe(&requests, &always).unwrap();
    let expected = ProbeReport { if_match: false, if_match_refuses: false, ..perfect(&report) };
    assert_eq!((report, report.clock_offset), (expected, None));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

/// A service that lies in one way.
struct Lies(Memory, Lie);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Conditions,
    NewRaces,
    NewNever,
    Bytes,
    Copies,
    Hidden,
    After,
    Missing,
    Stays,
    FailsAtCopy,
}

impl Backend for Lies {
    fn get(&self, key: &Key, max_len: usize, out: &mut Vec<u8>, call: &Call<'_>) -> Answer<Option<Object>> {
        let object = self.0.get(key, max_len, out, call)?;
        if self.1 == Lie::Bytes {
            out[0] ^= 1;
        }
        Ok(object)
    }
    fn put(&self, key: &Key, data: &[u8], how: Put<'_>, call: &Call<'_>) -> Answer<PutDone> {
        let how = match (self.1, how) {
            (Lie::Conditions, _) => Put::Replace,
            // Only later does it look.
            (Lie::NewRaces, Put::New) if data != b"again" => Put::Replace,
            (Lie::NewNever, Put::New) => return Err(Error::new(Kind::Unsupported, "what is new?").into()),
            (_, how) => how,
        };
        self.0.put(key, data, how, call)
    }
    fn stat(&self, key: &Key, call: &Call<'_>) -> Answer<Option<Object>> {
        self.0.stat(key, call)
    }
    fn list(&self, prefix: &str, after: &str, page: &mut Vec<Entry>, call: &Call<'_>) -> Answer<bool> {
        match self.1 {
            Lie::Hidden => Ok(false),
            Lie::After => self.0.list(prefix, "", page, call),
            _ => self.0.list(prefix, after, page, call),
        }
    }
    fn delete(&self, keys: &[Key], call: &Call<'_>) -> Answer<Vec<(usize, Error)>> {
        let mut failed = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            if self.1 == Lie::Missing && self.0.stat(key, call)?.is_none() {
                failed.push((place, Error::new(Kind::NotFound, "there is none")));
            } else if self.1 != Lie::Stays {
                self.0.delete(std::slice::from_ref(key), call)?;
            }
        }
        Ok(failed)
    }
    fn copy(&self, from: &Key, to: &Key, call: &Call<'_>) -> Answer<bool> {
        match self.1 {
            Lie::Copies => self.0.put(to, b"?", Put::Replace, call).map(|_| true),
            Lie::FailsAtCopy => Err(Error::new(Kind::Denied, "no copies for you").into()),
            _ => self.0.copy(from, to, call),
        }
    }
    fn limits(&self) -> Limits {
        self.0.limits()
    }
    fn location(&self) -> String {
        self.0.location()
    }
}

#[test]
fn a_probe_believes_nothing() {
    type Change = fn(&mut ProbeReport);
    let lies: [(Lie, Change); 9] = [
        (Lie::Conditions, |report| {
            report.put_new_refuses = false;
            report.put_new_at_once = false;
            report.if_match_refuses = false;
        }),
        (Lie::NewRaces, |report| report.put_new_at_once = false),
        (Lie::NewNever, |report| {
            report.put_new = false;
            report.put_new_refuses = false;
            report.put_new_at_once = false;
        }),
        (Lie::Bytes, |report| {
            report.get = false;
            report.copy = false;
        }),
        (Lie::Copies, |report| report.copy = false),
        (Lie::Hidden, |report| {
            report.list = false;
            report.list_after = false;
        }),
        (Lie::After, |report| report.list_after = false),
        (Lie::Missing, |report| report.delete_missing = false),
        (Lie::Stays, |report| report.delete = false),
    ];
    for (lie, change) in lies {
        let backend = Arc::new(Lies(Memory::new(), lie));
        let requests = Requests::new(Arc::clone(&backend) as Arc<dyn Backend>, options()).unwrap();
        let report = probe(&requests, &always).unwrap();
        let mut expected = perfect(&report);
        change(&mut expected);
        if lie == Lie::Conditions {
            // A tag that names no object any more replaces it all the same.
            expected.if_match = true;
        }
        assert_eq!(report, expected, "{lie:?}");
        assert_eq!(keys(&backend.0, "", "").is_empty(), lie != Lie::Stays, "{lie:?}");
    }
}

#[test]
fn a_probe_that_fails_leaves_nothing() {
    let backend = Arc::new(Lies(Memory::new(), Lie::FailsAtCopy));
    let requests = Requests::new(Arc::clone(&backend) as Arc<dyn Backend>, options()).unwrap();
    let error = probe(&requests, &always).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(keys(&backend.0, "", "").is_empty());
    // Nor does one that is stopped.
    for answers in 0..60 {
        let memory = Arc::new(Memory::new());
        let requests = Requests::new(Arc::clone(&memory) as Arc<dyn Backend>, options()).unwrap();
        let asked = AtomicUsize::new(0);
        let is_wanted = || match asked.fetch_add(1, Ordering::SeqCst) {
            asked if asked < answers => Ok(()),
            _ => Err(Error::cancelled("test", 7)),
        };
        if let Err(error) = probe(&requests, &is_wanted) {
            assert_eq!(error.callback_value(), 7, "{error}");
        }
        assert!(keys(&*memory, "", "").is_empty(), "after {answers}");
    }
}
